"""Outside calls and time of a run with the five services: `make bench`. Nothing here is a test: it prints figures.

The services are those of `tests/services/`, on loopback; the libraries are the real ones. Each run is a process of
its own, with Prefect's server running; the time of an empty flow with as many tasks is shown beside.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts.bench import EMPTY, in_process, prefect_server
from tests.exports import embed, status_id
from tests.services.everything import Everything

NEWS = "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners and $40M in value secured."
LUNCH = "We had noodles by the lake, and the weather was lovely all day."
LATENCY = {"Discord": 0.150, "Google Sheets": 0.250, "Gemini": 1.500, "X": 0.400, "Typefully": 0.400}

_SETUP = """
from pathlib import Path
from blocks.loading import save
from flows import environment
found = environment.read(Path({env!r}), {{}})
for block in environment.blocks_of(found, "bench"):
    if hasattr(block, "requests_per_minute"):
        block.requests_per_minute, block.sdk = 0, {sdk!r}
    save(block, "bench")
"""
_RUN = (
    "from flows.daily_pipeline import daily_pipeline",
    "daily_pipeline(settings='pipeline-settings/bench', return_state=True).result()",
)


def share(everything: Everything, posts: int, sequence: int, texts: Sequence[str] = (NEWS, LUNCH)) -> None:
    """So many messages that each share a post of their own, in the last hours; their texts in turn."""
    now = datetime.now(UTC)
    for number in range(posts):
        at = now - timedelta(seconds=20_000 - number * 3)
        post_id = status_id(at - timedelta(minutes=5), (sequence * 1000 + number) % 4096)
        url = f"https://x.com/somebody/status/{post_id}"
        shown = {"type": "rich"} | {k: v for k, v in embed(url, texts[number % len(texts)]).items() if v}
        everything.discord.post("222", f"look {url}", at=at, embeds=[shown])


def run(folder: Path, posts: int, *, publisher: str, slow: bool, sdk: str = "google-generativeai") -> dict[str, float]:
    """A second day with so many new posts: the calls by service, and the times."""
    with Everything() as everything:
        everything.sheets.reads_per_minute = everything.sheets.writes_per_minute = 100_000
        everything.discord.channel("222", "alpha")
        settings = everything.settings(folder, PUBLISHER_TYPE=publisher, DISCORD_FETCH_LIMIT="0", DAILY_BUDGET="0")
        env = folder / "bench.env"
        env.write_text("\n".join(f"{name}={value}" for name, value in settings.items()))
        in_process(_SETUP.format(env=str(env), sdk=sdk), "")
        # Nothing to publish: a draft that is left over would be a call of its own.
        share(everything, 1, 0, [LUNCH])
        in_process(
            _RUN[0], "daily_pipeline(settings='pipeline-settings/bench', publish_mode='draft', day='2024-01-01')"
        )
        share(everything, posts, 1)
        for service in everything.all:
            service.calls.clear()
            service.latency = LATENCY[service.name] if slow else 0.0
        got = in_process(*_RUN)
        for service in everything.all:
            got[service.name] = len([call for call in service.calls if call.path != "/token"])
        got["token"] = len(everything.sheets.made("/token"))
        got["reads"] = len(everything.sheets.made("GET "))
        got["waits"] = _unavoidable(everything) if slow else 0.0
        assert len(everything.x.texts) + len(everything.typefully.published) == 1
        kinds = Counter(call.what for call in everything.discord.calls)
        got["discord kinds"] = len(kinds)
        return got


def _unavoidable(everything: Everything) -> float:
    """The waits of a run whose calls follow one another: of calls that were under way together, the longest counts."""
    spans = sorted((call.at, call.at + LATENCY[service.name]) for service in everything.all for call in service.calls)
    total, until = 0.0, 0.0
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name) / "prefect"):
        folder = Path(name)
        print("Outside calls of a run, the tabs already there\n")
        print(
            f"  {'posts':>6}  {'publisher':<10}{'Discord':>9}{'Sheets':>9}{'(reads)':>9}{'Gemini':>9}{'publisher':>11}"
        )
        for posts, publisher in ((10, "twitter"), (500, "twitter"), (5000, "twitter"), (500, "typefully")):
            got = run(folder, posts, publisher=publisher, slow=False)
            to = got["X" if publisher == "twitter" else "Typefully"]
            print(
                f"  {posts:>6}  {publisher:<10}{got['Discord']:>9.0f}{got['Google Sheets']:>9.0f}{got['reads']:>9.0f}"
                f"{got['Gemini']:>9.0f}{to:>11.0f}   run {got['run']:.1f} s, peak {got['peak']:.0f} MB",
                flush=True,
            )
        print(
            "\n  Discord: 100 messages a page. Gemini: 20 posts a request, its own pacing off. Sheets: and one token."
        )
        waits = ", ".join(f"{service} {seconds * 1000:.0f}" for service, seconds in LATENCY.items())
        print(f"\nA run with 20 posts when each answer takes its time (ms: {waits})\n")
        in_process(*EMPTY)
        empty = in_process(*EMPTY)
        print(f"  {'an empty flow of 9 tasks':<48}import {empty['load']:.2f} s, run {empty['run']:.2f} s")
        for publisher in ("twitter", "typefully"):
            for sdk in ("google-generativeai", "google-genai"):
                got = run(folder, 20, publisher=publisher, slow=True, sdk=sdk)
                own = got["run"] - empty["run"] - got["waits"]
                print(
                    f"  {publisher + ', ' + sdk:<48}import {got['load']:.2f} s, run {got['run']:.2f} s = empty flow "
                    f"{empty['run']:.2f} + waits {got['waits']:.2f} + own {own:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    main()
