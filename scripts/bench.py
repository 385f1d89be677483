"""Times and memory, side by side: `make bench`. Nothing here is a test: it prints figures.

Each whole run is a process of its own, so that its peak memory is its own too; one Prefect server serves all.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import prefect

_RUN = """
import json, resource, sys, time
began = time.perf_counter()
{imports}
loaded = time.perf_counter()
{body}
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(dict(load=loaded - began, run=done - loaded, peak=peak)))
"""
EMPTY = (
    "from prefect import flow, task\n"
    "steps = [task(lambda: None, name=f'step {i}') for i in range(9)]\n"
    "@flow\ndef empty():\n    [step() for step in steps]\n",
    "empty()",
)
_IMPORT_DAY = "from flows.daily_pipeline import daily_pipeline"


def _day(folder: Path, source: str, limit: int) -> tuple[str, str]:
    parameters = {
        "source": source,
        "ledger": f"sqlite-ledger:{folder / 'ledger.sqlite3'}",
        "publisher": f"outbox:{folder / 'outbox'}",
        "fetch_limit": limit,
    }
    return _IMPORT_DAY, f"assert daily_pipeline(return_state=True, **{parameters!r}).is_completed()"


def in_process(imports: str, body: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(imports=imports, body=body)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PREFECT_LOGGING_LEVEL": "ERROR"},
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def prefect_server(home: Path) -> Iterator[float]:
    """A Prefect server on a new database; gives the seconds that it took to start."""
    before = dict(os.environ)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    from prefect.server.api.server import SubprocessASGIServer

    from flows.prefect_database import PLUGIN

    os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = f"sqlite+aiosqlite:///{home}/prefect.db?plugin={PLUGIN}"
    began = time.perf_counter()
    try:
        with SubprocessASGIServer() as server:
            os.environ["PREFECT_API_URL"] = server.api_url
            yield time.perf_counter() - began
    finally:
        # What is started afterwards, by the tests for one, would use this server's database.
        os.environ.clear()
        os.environ.update(before)


def _rate(what: str, count: int, work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"  {what:<56}{count / seconds:>12,.0f} /s   ({count:,} in {seconds:.2f} s)")


def _row(what: str, got: dict[str, float]) -> None:
    print(f"  {what:<48}{got['load']:>8.2f} s{got['run']:>8.2f} s{got['peak']:>8.0f} MB")


def runs(folder: Path) -> None:
    """Whole runs beside an empty flow, and a small export beside a large one."""
    from scripts.make_export import write

    print("Whole runs, Prefect's server running            import      run    peak")
    in_process(*EMPTY)  # The server's own first time is nobody's.
    _row("an empty flow of 9 tasks", in_process(*EMPTY))
    (folder / "sample").mkdir()
    _row("the sample (306 messages, 83 posts)", in_process(*_day(folder / "sample", "discord-export/bench", 0)))
    _row("the sample again, nothing new", in_process(*_day(folder / "sample", "discord-export/bench", 0)))
    for megabytes in (3, 300):
        export = folder / f"{megabytes}.json"
        count = write(export, megabytes)
        for limit in (200, 0):
            place = folder / f"{megabytes}-{limit}"
            place.mkdir()
            name = f"{megabytes} MB, {count:,} messages, limit {limit or 'none'}"
            _row(name, in_process(*_day(place, f"discord-export:{export}", limit)))


def rates(folder: Path) -> None:
    """The steps' own work, without Prefect."""
    from blocks import lexicon
    from blocks.export_source import ExportSource
    from blocks.records import Message, Post
    from blocks.sqlite_ledger import SqliteLedger
    from tasks.links import posts_in

    print("\nThe steps' own work")
    source = ExportSource(path=folder / "300.json")
    now = datetime.now(UTC)
    messages: list[Message] = []
    for event in source.read({}, limit=50_000, lookback=timedelta(0)):
        if isinstance(event, Message):
            messages.append(event)
    posts: list[Post] = []
    _rate(
        "extraction: messages", len(messages), lambda: posts.extend(p for m in messages for p in posts_in(m, now).posts)
    )
    linked = [m for m in messages if m.embeds]
    _rate("extraction: messages that share a post", len(linked), lambda: [posts_in(m, now) for m in linked])
    _rate("analysis: posts", len(posts), lambda: [lexicon.analyze(post) for post in posts])

    ledger = SqliteLedger(path=folder / "million.sqlite3")
    ledger.open()
    with sqlite3.connect(ledger.path) as db:
        db.executemany(
            'INSERT INTO "Archive" ("Post ID", "Content") VALUES (?, ?)',
            (
                (str(10**18 + i * 7919), "What somebody wrote on that day, in a sentence or two.")
                for i in range(1_000_000)
            ),
        )
    db.close()
    asked = [str(10**18 + i * 7919 * 50) for i in range(10_000)] + [post.id for post in posts]
    _rate("dedupe against 1,000,000 archived ids: posts", len(asked), lambda: ledger.known(asked))
    print(f"  peak memory of all this: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    """Print the figures."""
    print(f"Python {platform.python_version()}, Prefect {prefect.__version__}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with prefect_server(folder / "prefect") as seconds:
            print(f"Prefect's server, on a new database, starts in {seconds:.1f} s\n")
            runs(folder)
        rates(folder)


if __name__ == "__main__":
    main()
