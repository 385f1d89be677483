"""Ten days and what is published of them, to be read as an editor would: `python -m scripts.ten_days`.

The steps are the flow's own, with a clock that is set to each evening: seven days are the sample's week, one after the
other in one ledger, so that what was told is not told again; three are made of texts that people wrote about crypto,
with small talk between them, or of posts in other languages. Where a model writes, it is the server of
`tests/services/`: on some days it says what the post says, on others it exaggerates, and the checks must notice.
No network, and the same again gives the same.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.blocks.core import Block

from blocks.export_source import SAMPLE, ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings
from blocks.records import Draft, Layout, RunReport
from blocks.sqlite_ledger import SqliteLedger
from flows.daily_pipeline import Plan, through_the_day
from flows.steps import Steps
from scripts.year_process import without_prefect
from scripts.year_world import simulated_time
from tasks.report import Day, write_report
from tests import exports
from tests.services.gemini_server import KEY, Asked, GeminiServer, draft

P = ParamSpec("P")
R = TypeVar("R")

DATA = Path(__file__).parents[1] / "tests" / "data"
EVENING = 20
PEOPLE = ("Ada", "Ben", "Chidi", "Dora", "Emil", "Fay")

GERMAN = (
    "Die Aave-Governance hat den Vorschlag angenommen, den Zinssatz für GHO auf 4,72 % zu erhöhen.",
    "Solana: Der neue Validator-Client läuft jetzt auf 61 % des Stakes, und die Gebühren sind im Januar gesunken.",
    "Polkadot hat Agile Coretime zuerst auf Kusama gestartet. Die Inflation von DOT bleibt vorerst bei 10 %.",
    "Uniswap v4 ist jetzt im Mainnet von Ethereum live, und 12 Hooks sind schon geprüft.",
    "Jetzt schnell sein: Chainlink verschenkt 500 LINK, verbinde deine Wallet!",
    "Celestia ist jetzt auf 48 % Staking-Quote gestiegen, seit drei weitere Rollups dort ihre Daten ablegen.",
    "Am Samstag backen wir Brot, und der Teig ist schon angesetzt.",
)
SPANISH = (
    "Cardano supera los 400 millones de dólares en valor bloqueado y lanza la actualización del nodo 8.7.3.",
    "La gobernanza de Arbitrum aprobó la propuesta de incentivos de 12 millones de ARB para el mes de marzo.",
    "Chainlink CCIP ya está en la red principal de Base, y 40 proyectos se han sumado a la integración.",
    "El protocolo Lido no cobrará la nueva comisión hasta que la votación de la DAO termine en febrero.",
    "Compra ya tu entrada: Solana regala 100 SOL a los primeros.",
    "Hoy he hecho una tortilla de patata con cebolla, y ha salido muy rica.",
)


class InThisProcess(Steps):
    """Steps without Prefect's engine around them: what fails here is not tried again."""

    def run(self, step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        return step.fn(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the ten days. `write` is what the model writes of the posts; None: there is no model, but the lexicon."""

    day: date
    layout: Layout
    messages: tuple[tuple[str, list[exports.Raw]], ...]
    language: str = "en"
    write: Callable[[Asked], str] | None = None
    folder: str = "week"


@dataclass(slots=True)
class Evening:
    """What came of a day."""

    sample: Sample
    ran: Day
    report: RunReport
    published: str
    links: list[str] = field(default_factory=list)


# The days


def _until(moment: datetime) -> tuple[tuple[str, list[exports.Raw]], ...]:
    """The sample's two channels as an export would hold them at a moment."""
    found = []
    for path in sorted(SAMPLE.glob("*.json")):
        whole = json.loads(path.read_text(encoding="utf-8"))
        said = [m for m in whole["messages"] if datetime.fromisoformat(m["timestamp"]) <= moment]
        found.append((path.name, [{**whole, "messages": said}]))
    return tuple(found)


def _evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, EVENING, tzinfo=UTC)


def _shared(day: date, texts: list[str], seed: int) -> tuple[tuple[str, list[exports.Raw]], ...]:
    """An export of a day on which members shared posts with these texts, some of them twice."""
    chance, began = Random(seed), _evening(day) - timedelta(hours=11)
    messages = []
    for number, text in enumerate(texts):
        minute = int((began - exports.START).total_seconds() // 60) + number * 20
        first, second = chance.sample(PEOPLE, 2)
        messages.append(exports.shared(minute, text, author=first))
        if chance.random() < 0.35:
            messages.append(
                {
                    **exports.shared(minute, text, author=second),
                    "id": exports.message_id(exports.START + timedelta(minutes=minute + 7), number),
                }
            )
    return (("made.json", [exports.export(messages)]),)


def _mixed(day: date, seed: int, crypto: int, sources: tuple[str, ...]) -> tuple[tuple[str, list[exports.Raw]], ...]:
    """Texts about crypto out of the collection, and ordinary posts between them."""
    rows = [json.loads(line) for line in (DATA / "crypto-posts.jsonl").read_text(encoding="utf-8").splitlines()]
    ordinary = (DATA / "ordinary-posts.txt").read_text(encoding="utf-8").splitlines()
    chance = Random(seed)
    texts = chance.sample([row["text"] for row in rows if row["source"] in sources], crypto)
    texts += chance.sample(ordinary, crypto // 2)
    chance.shuffle(texts)
    return _shared(day, texts, seed)


def exaggerated(posts: Asked) -> str:
    """What a model writes that embellishes: of three sentences one is made up a little, and one says too much."""
    said = json.loads(draft(posts))
    for kind, item in enumerate(said["items"]):
        text = item["text"].rstrip(".…")
        if kind % 3 == 0:
            item["text"] = f"{text}, a groundbreaking step for the whole industry."
        elif kind % 3 == 1:
            item["text"] = f"{text} and over 900% more."
    return json.dumps(said)


def samples() -> Iterator[Sample]:
    """The ten days."""
    first = date(2024, 1, 8)
    week: list[tuple[Layout, Callable[[Asked], str] | None]] = [
        (Layout.SINGLE, None),
        (Layout.THREAD, None),
        (Layout.LINKED, None),
        (Layout.SINGLE, draft),
        (Layout.LONG, None),
        (Layout.THREAD, exaggerated),
        (Layout.SINGLE, exaggerated),
    ]
    for number, (layout, write) in enumerate(week):
        day = first + timedelta(days=number)
        yield Sample(day, layout, _until(_evening(day)), write=write)
    news = ("ethereal-news", "bitcoin-optech", "revoke-cash", "ethereum-org")
    for day, layout, write in (
        (date(2024, 2, 5), Layout.LONG, exaggerated),
        (date(2024, 2, 12), Layout.SINGLE, None),
    ):
        yield Sample(day, layout, _mixed(day, day.toordinal(), 40, news), write=write, folder=f"mixed-{day}")
    day = date(2024, 3, 4)
    yield Sample(day, Layout.THREAD, _shared(day, list(GERMAN), 1), "de", folder="german")


# A day's run


def run(sample: Sample, place: Path, gemini: GeminiServer) -> Evening:
    """Run a day's steps, on the ledger of its folder."""
    folder = place / sample.folder
    for name, (content,) in sample.messages:
        path = folder / "exports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    analyst: Block = LexiconAnalyst()
    if sample.write:
        gemini.model.write = sample.write
        # Its threads wait in real time.
        analyst = GeminiAnalyst(api_key=KEY, api_url=gemini.url, requests_per_minute=0, first_wait=0.01, parallel=1)
    ledger, outbox = SqliteLedger(path=folder / "ledger.sqlite3"), OutboxPublisher(folder=folder / "outbox")
    made: dict[str, Block] = {
        "discord-export/ten": ExportSource(path=folder / "exports"),
        "sqlite-ledger/ten": ledger,
        "lexicon-analyst/ten": analyst,
        "outbox/ten": outbox,
    }
    source, book, who, channel = made
    use = PipelineSettings(
        source=source, ledger=book, analyst=who, publisher=channel,
        layout=sample.layout, language=sample.language, fetch_limit=0,
    )  # fmt: skip
    with simulated_time(_evening(sample.day)), without_prefect(made):
        now = datetime.now(UTC)
        ran = Day(f"ten-{sample.day}", now, publisher=channel, day=sample.day)
        steps = InThisProcess(ran)
        through_the_day(steps, Plan(use, sample.day, "ten days"), ran)
        report = steps.run(write_report, book, ran, now, 0.0)
        ledger.leave()
    assert report
    file = outbox.folder / f"{sample.day}.txt"
    made_of = ran.drafted.draft.post_ids if ran.drafted and ran.drafted.draft else ()
    links = [f"https://x.com/i/status/{post_id}" for post_id in made_of]
    return Evening(sample, ran, report, file.read_text(encoding="utf-8") if file.exists() else "", links)


# What is printed


def _told(evening: Evening) -> Iterator[str]:
    sample, drafted = evening.sample, evening.ran.drafted
    words = "the lexicon"
    if sample.write:
        words = "a model that exaggerates" if sample.write is exaggerated else "a model"
    yield "=" * 100
    yield f"{sample.day:%A, %-d %B %Y}   layout {sample.layout.value}, language {sample.language}, words by {words}"
    yield "=" * 100
    yield textwrap.indent(evening.published.strip() or "(no digest)", "    ")
    yield ""
    made: Draft | None = drafted.draft if drafted else None
    if drafted and made:
        parts = f" (the longest of {len(made.parts)})" if len(made.parts) > 1 else ""
        yield f"weighted length {made.weighted_length}{parts}, ${made.cost:.3f} on X, ${drafted.cost:.4f} for the model"
        for item, link in zip(drafted.selection.items, evening.links, strict=True):
            by = "the model's" if item.by_model else "the post's own words"
            yield f"  {link}  {item.project.name}: {item.why}; {by}"
    if drafted:
        replaced = [item for item in drafted.selection.items if item.refused]
        whys = Counter(drafted.selection.left_out.values())
        yield f"the checks: {len(replaced)} replaced, {sum(whys.values())} left out"
        for item in replaced:
            yield f"  replaced: {item.project.name} ({item.refused})"
        for why, count in whys.most_common():
            yield f"  left out: {count} ({why})"
    yield f"the report: {evening.report.status}"
    yield ""


def main() -> None:
    """Print the ten days."""
    with TemporaryDirectory() as place, GeminiServer() as gemini:
        for sample in samples():
            print("\n".join(_told(run(sample, Path(place), gemini))), flush=True)


if __name__ == "__main__":
    main()
