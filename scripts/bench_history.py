"""What a run costs on a sheet that is old: `python -m scripts.bench_history`. It prints figures, and tests nothing.

The same day is run beside few and beside many drafts of the years before, on the server of `tests/services/`. The steps
are the flow's own, without Prefect's engine. What is not to grow is what a run reads.
"""

from __future__ import annotations

import gc
import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect.blocks.core import Block

from blocks import columns, sheet_desk
from blocks.export_source import ExportSource
from blocks.google_sheet import GoogleSheet
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings
from blocks.records import Draft, DraftStatus
from flows.daily_pipeline import Plan, through_the_day
from scripts.ten_days import InThisProcess
from scripts.year_process import without_prefect
from tasks.open_ledger import kept
from tasks.report import Day, write_report
from tests import exports
from tests.services.sheets_server import SheetsServer

NEWS = "{} is now live on the mainnet of Arbitrum with 12 partners and $40M in value secured."
PROJECTS = ("Chainlink", "Solana", "Aave", "Lido", "Uniswap")


def _old(number: int, like: Draft, last: date) -> dict[str, str]:
    """A draft of days ago, as long as a real one."""
    day = last - timedelta(days=number)
    told = replace(like, id=day.isoformat(), day=day, status=DraftStatus.PUBLISHED, published_ids=(f"{number}",))
    return columns.row_of_draft(replace(told, post_ids=tuple(f"{10**18 + number * 9 + at}" for at in range(5))))


def _export(folder: Path, sequence: int) -> None:
    """Posts of the last hours."""
    now, messages = datetime.now(UTC), []
    for number, project in enumerate(PROJECTS):
        at = now - timedelta(hours=3, minutes=number)
        url = f"https://x.com/team_{number}/status/{exports.status_id(at, sequence * 10 + number)}"
        shown = exports.embed(url, NEWS.format(project), f"team_{number}")
        said = {"id": exports.message_id(at, sequence * 10 + number), "timestamp": at.isoformat()}
        messages.append(exports.message(0, f"look {url}", embeds=[shown]) | said)
    exports.write(folder / "alpha.json", messages)


def run(place: Path, sheets: SheetsServer, day: date, sequence: int) -> Draft:
    """A day's run in a process of its own, as far as the ledger can tell."""
    sheet_desk.LEARNT.clear()
    _export(place / "exports", sequence)
    made: dict[str, Block] = {
        "discord-export/old": ExportSource(path=place / "exports"),
        "google-sheet/old": GoogleSheet(
            spreadsheet_id="old",
            service_account_key=sheets.key_file,
            api_url=sheets.url,  # type: ignore[arg-type]
        ),
        "lexicon-analyst/old": LexiconAnalyst(),
        "outbox/old": OutboxPublisher(folder=place / "outbox"),
    }
    source, ledger, analyst, publisher = made
    use = PipelineSettings(source=source, ledger=ledger, analyst=analyst, publisher=publisher)
    with without_prefect(made), kept(ledger):
        now = datetime.now(UTC)
        ran = Day(f"run {sequence}", now, publisher=publisher, day=day)
        steps = InThisProcess(ran)
        through_the_day(steps, Plan(use, day, ran.run_id), ran)
        steps.run(write_report, ledger, ran, now, 0.0)
    assert ran.published
    ((draft, _),) = ran.published.receipts
    return draft


def measured(old: int) -> tuple[int, int, int, float]:
    """The calls, the reads, the bytes that Google sends, and the seconds of a run beside so many old drafts."""
    today = datetime.now(UTC).date()
    with TemporaryDirectory() as name, SheetsServer() as sheets:
        sheets.reads_per_minute = sheets.writes_per_minute = 10**9
        book = sheets.share("old")
        like = run(Path(name), sheets, today - timedelta(days=1), 1)
        tab = book.tab("Drafts")
        head = tab.text()[0]
        rows = [_old(number, like, today - timedelta(days=2)) for number in range(old, 0, -1)]
        cells = [[{"userEnteredValue": {"stringValue": row[h]}} if row.get(h) else None for h in head] for row in rows]
        tab.rows[1:1] = cells
        tab.row_count += len(cells)
        sheets.calls.clear()
        gc.collect()
        began = time.perf_counter()
        run(Path(name), sheets, today, 2)
        seconds = time.perf_counter() - began
        calls = [call for call in sheets.calls if call.path != "/token"]
        reads = sum(call.method == "GET" for call in calls)
        assert json.dumps(tab.text()).count(today.isoformat()) >= 1
        return len(calls), reads, sum(call.sent for call in calls), seconds


def main() -> None:
    """Print the figures."""
    print(f"  {'old drafts':>10}{'calls':>8}{'(reads)':>9}{'bytes read':>14}{'seconds':>9}")
    for old in (10, 365, 3650):
        calls, reads, sent, seconds = measured(old)
        print(f"  {old:>10,}{calls:>8}{reads:>9}{sent:>14,}{seconds:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
