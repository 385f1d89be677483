"""The past of whole channels, through Prefect: killed, disturbed and shared, each post ends up in the ledger once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State

from blocks.errors import PermanentError
from blocks.google_sheet import GoogleSheet
from blocks.records import Bookmark, PostStatus
from blocks.sqlite_ledger import SqliteLedger
from flows.backfill import backfill
from tasks.backfill import Errand, entry_of
from tasks.fetch import sound
from tasks.open_ledger import open_ledger, visit
from tests import exports
from tests.conftest import House
from tests.faulty import FAULTY
from tests.services.sheets_server import SheetsServer
from tests.test_sqlite_ledger import AT, crypto, post

NEWS = "Chainlink CCIP is now live on Arbitrum mainnet with {} partners and $40M in value secured."
LUNCH = "We had noodles by the lake on day {}, and the weather was lovely all day."


def member(minute: int) -> exports.Raw:
    """One message in two shares a post, and one post in two is about crypto."""
    if minute % 2:
        return exports.message(minute)
    return exports.shared(minute, (NEWS if minute % 4 else LUNCH).format(minute))


@dataclass
class Past:
    """A house with channels that have a past."""

    house: House

    def channel(self, channel: str, minutes: range) -> None:
        name = f"c{channel}"
        self.house.share([member(minute) for minute in minutes], f"{channel}.json", channel=channel, name=name)

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "source": f"discord-export:{self.house.exports}",
            "ledger": f"sqlite-ledger:{self.house.folder / 'ledger.sqlite3'}",
            "chunk": 20,
            "parallel": 2,
        }

    def run(self, **more: Any) -> State[Any]:
        return backfill(**self.parameters | more, return_state=True)

    def elsewhere(self, **more: Any) -> subprocess.Popen[bytes]:
        """A run in a process of its own, as on another worker."""
        given = self.parameters | more
        code = f"from flows.backfill import backfill; backfill(**{given!r})"
        return subprocess.Popen([sys.executable, "-c", code], env=as_on_another_worker())

    def archive(self) -> list[dict[str, str]]:
        return self.house.rows("Archive")

    def holds_each_once(self, *minutes: range) -> None:
        """Every post that was shared is in the archive once, with its analysis, and nothing else is."""
        even = [m for span in minutes for m in span if m % 2 == 0]
        wanted = {exports.status_id(exports.START + timedelta(minutes=m - 5), m) for m in even}
        rows = self.archive()
        assert Counter(row["Post ID"] for row in rows) == dict.fromkeys(wanted, 1)
        assert all(row["AI Processed"] for row in rows)
        assert {bool(row["Category"]) for row in rows if "Chainlink" in row["Content"]} == {True}
        assert {row["Status"] for row in rows} == {"skipped"}
        assert self.house.rows("Posts") == []


def as_on_another_worker() -> dict[str, str]:
    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_LOGGING_LEVEL": "ERROR"}


@pytest.fixture
def past(house: House) -> Past:
    for kind in FAULTY:
        kind.register_type_and_schema()
    return Past(house)


def test_the_past_comes_in_analysed_and_nothing_of_it_is_published(past: Past) -> None:
    past.channel("333", range(100))
    past.channel("444", range(100, 150))
    state = past.run()
    assert (state.name, state.message) == ("Completed", "75 new posts of 2 channels.")
    past.holds_each_once(range(150))
    assert (past.house.rows("Drafts"), past.house.rows("Runs"), past.house.digests()) == ([], [], {})
    about = [row for row in past.archive() if row["Projects"]]
    assert len(about) == 37
    assert all("Chainlink" in row["Projects"] for row in about), "what was said of a post is kept"
    marks = {row["Channel ID"]: row["Last Message ID"] for row in past.house.rows("Channels")}
    assert marks["333"] == marks["backfill 333"] == exports.message(99)["id"]
    assert past.run(again=True).message == "0 new posts of 2 channels."
    past.holds_each_once(range(150))


def test_the_next_digest_is_about_today(past: Past) -> None:
    """What was shared within the last two days may still be news; what is older is not."""
    now = datetime.now(UTC)
    minute = int((now - exports.START).total_seconds() // 60)
    old, young = minute - 3 * 24 * 60, minute - 24 * 60
    texts = {old: "Solana validators approved the new fee proposal with 77% of the stake.", young: NEWS.format(12)}
    past.house.share([exports.shared(at, text) for at, text in texts.items()])
    assert past.run().name == "Completed"
    assert [row["Status"] for row in past.house.rows("Posts")] == ["analyzed"]
    state = past.house.run(day=now.date(), fetch_limit=200)
    assert state.name == "Completed"
    (digest,) = past.house.digests().values()
    assert "Chainlink" in digest
    assert "Solana" not in digest
    assert {row["Status"] for row in past.archive()} == {"published", "skipped"}


def test_what_becomes_of_a_post() -> None:
    now = AT + timedelta(days=3)
    for age, is_crypto, status in ((1, True, "analyzed"), (3, True, "skipped"), (1, False, "skipped")):
        entry = entry_of(post(1, shared_at=now - timedelta(days=age)), crypto("1001", yes=is_crypto), now)
        assert entry.status == status
        assert entry.analyzed_at == now
    assert entry_of(post(1), None, now).status is PostStatus.NEW


def test_killed_on_the_way_while_another_works_on_the_same_ledger(past: Past) -> None:
    past.channel("333", range(6000))
    past.channel("444", range(6000, 6200))
    with past.elsewhere(channels=("333",), chunk=50) as first, past.elsewhere(channels=("444",)) as second:
        ledger, deadline = past.house.folder / "ledger.sqlite3", time.monotonic() + 120
        while time.monotonic() < deadline:
            if ledger.exists() and SqliteLedger(path=ledger).path.stat().st_size and _came(past, range(6000)) > 300:
                break
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        assert second.wait(120) == 0
    came = _came(past, range(6000))
    assert 300 < came < 3000, "it was on the way"
    state = past.run(channels=("333",), chunk=1000)
    assert state.message == f"{3000 - came:,} new posts of 1 channels."
    past.holds_each_once(range(6200))


def _came(past: Past, minutes: range) -> int:
    first, last = (exports.START + timedelta(minutes=m) for m in (minutes.start, minutes.stop - 1))
    try:
        rows = past.archive()
    except sqlite3.OperationalError:  # There is no table yet.
        return 0
    return sum(first.isoformat() <= f"{row['Date']}T{row['Time']}+00:00" <= last.isoformat() for row in rows)


@pytest.mark.parametrize("chunk", [20, 1000])
@pytest.mark.parametrize("fails", ["known", "bring", "archive"])
def test_whatever_fails_it_goes_on_where_it_stopped(past: Past, fails: str, chunk: int) -> None:
    past.channel("333", range(100))
    (kind,) = [kind for kind in FAULTY if kind._block_type_slug == "faulty-ledger"]
    kind(path=past.house.folder / "ledger.sqlite3", fails=fails).save("test", overwrite=True)
    state = past.run(ledger="faulty-ledger/test", chunk=chunk)
    assert state.is_failed()
    assert state.message == "1 of 1 channels failed: start it again, it goes on."
    assert past.run(chunk=chunk).is_completed()
    past.holds_each_once(range(100))


def test_both_runners_give_the_same_ledger(past: Past) -> None:
    for channel in range(4):
        past.channel(str(333 + channel), range(channel * 100, channel * 100 + 100))
    tables = []
    for runner in ("threads", "dask"):
        ledger = f"sqlite-ledger:{past.house.folder / runner}.sqlite3"
        assert past.run(runner=runner, ledger=ledger).message == "200 new posts of 4 channels."
        (past.house.folder / f"{runner}.sqlite3").replace(past.house.folder / "ledger.sqlite3")
        past.holds_each_once(range(400))
        when = {"AI Processed", "Archived At"}
        rows = [{key: cell for key, cell in row.items() if key not in when} for row in past.archive()]
        marks = {row["Channel ID"]: row["Last Message ID"] for row in past.house.rows("Channels")}
        tables.append((sorted(rows, key=lambda row: row["Post ID"]), marks))
    assert tables[0] == tables[1]


def test_a_channel_that_daily_runs_have_read_is_backfilled_all_the_same(past: Past) -> None:
    past.channel("333", range(100))
    past.house.ledger.open()
    ahead = Bookmark("333", "c333", exports.message(5000)["id"], datetime.now(UTC))
    past.house.ledger.add([], [], [ahead])
    assert past.run().message == "50 new posts of 1 channels."
    marks = {row["Channel ID"]: row["Last Message ID"] for row in past.house.rows("Channels")}
    assert marks["333"] == ahead.last_message_id, "it never moves back"
    assert past.run().message == "0 new posts of 1 channels."


def test_other_days_have_another_mark_and_leave_the_channels_bookmark(past: Past) -> None:
    past.channel("333", range(0, 5 * 24 * 60, 30))
    days = ("2024-01-10", "2024-01-11")
    assert past.run(first_day=days[0], last_day=days[1]).message == "96 new posts of 1 channels."
    assert {row["Date"] for row in past.archive()} == set(days)
    assert [row["Channel ID"] for row in past.house.rows("Channels")] == [f"backfill 333 {days[0]} to {days[1]}"]
    assert past.run().message == "144 new posts of 1 channels."


def test_one_post_in_many_channels_stands_there_once(past: Past) -> None:
    for channel in range(6):
        past.house.share([member(m) for m in range(60)], f"{channel}.json", channel=str(333 + channel), name="c")
    assert past.run(parallel=6, chunk=10).message == "30 new posts of 6 channels."
    past.holds_each_once(range(60))


def test_a_sheet_as_the_ledger(past: Past) -> None:
    for channel in ("333", "444", "555"):
        past.channel(channel, range(100))
    with SheetsServer() as sheets:
        sheets.reads_per_minute = sheets.writes_per_minute = 10_000
        sheets.share("shared")
        key = sheets.key_file
        GoogleSheet(spreadsheet_id="shared", service_account_key=key, api_url=sheets.url).save("past", overwrite=True)
        state = past.run(ledger="google-sheet/past", parallel=3)
        assert state.message == "50 new posts of 3 channels."
        book = sheets.spreadsheets["shared"]
        assert sheets.broken == []
    rows = book.rows("Archive")
    assert len({row["Post ID"] for row in rows}) == len(rows) == 50
    assert all(row["AI Processed"] for row in rows)
    assert len({row["Channel ID"] for row in book.rows("Channels")}) == 6
    assert "daily-pipeline lock" not in [tab.title for tab in book.tabs]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"channels": ("alpha",)}, "No channel id: alpha."),
        ({"channels": ("999",)}, "1 of 1 channels failed"),
        ({"first_day": "2024-02-02", "last_day": "2024-02-01"}, "The last day, 2024-02-01, lies before the first"),
        ({"source": "discord-export:nowhere"}, "There is no export at nowhere"),
        ({"analyst": "gemini-analyst/none"}, "1 of 1 channels failed"),
    ],
)
def test_what_cannot_be_is_one_clear_line(past: Past, given: dict[str, Any], says: str) -> None:
    past.channel("333", range(10))
    state = past.run(**given)
    assert state.is_failed()
    assert str(state.message).startswith(says)


def test_one_channel_fails_and_the_others_go_on(past: Past, caplog: pytest.LogCaptureFixture) -> None:
    past.channel("333", range(100))
    past.channel("444", range(100, 200))
    cut = past.house.exports / "333.json"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-2000])
    state = past.run()
    assert state.message == "1 of 2 channels failed: start it again, it goes on."
    assert "333.json is cut short or broken JSON: export it again" in caplog.text
    cut.write_bytes(whole)
    assert past.run().is_completed()
    past.holds_each_once(range(200))


def test_the_report_and_the_progress_are_artifacts(past: Past) -> None:
    past.channel("333", range(100))
    run = past.run().state_details.flow_run_id
    assert run
    of_run = ArtifactFilterFlowRunId(any_=[run])
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=of_run))
        name = client.read_flow_run(run).name
    by_key = {artifact.key: artifact for artifact in found}
    assert by_key["backfill"].data == by_key["backfill-channel"].data == 100
    assert by_key["backfill"].type == "progress"
    assert r"| \#c333 | 100 | 50 | 50 | 25 | 0 |" in str(by_key["backfill-report"].data)
    assert name == "backfill of all channels"


def test_it_waits_for_the_ledger_but_not_for_ever(house: House) -> None:
    name = f"sqlite-ledger:{house.folder / 'ledger.sqlite3'}"
    day = "digest of noon (77) on the old server"
    assert house.ledger.take(day) == ""
    house.ledger.open()
    given_up = pytest.raises(PermanentError, match=r"was not free for 0\.3 s \(digest of noon .* it goes on where")
    with given_up, visit(name, "backfill 12345678 on beta", 0.3):
        pass
    assert house.ledger.take("another") != "", "the day's run has it still"
    threading.Timer(0.5, house.ledger.leave).start()
    with visit(name, "backfill 12345678 on beta", 30) as (book, marks):
        assert marks == {}
        assert book.take("another").startswith("backfill 12345678 on beta works on it")
    assert house.ledger.take("another") == ""
    house.ledger.leave()


def test_the_days_run_waits_for_a_backfill_to_let_go(house: House) -> None:
    name = f"sqlite-ledger:{house.folder / 'ledger.sqlite3'}"
    assert house.ledger.take("backfill 12345678 on beta") == ""
    house.ledger.open()
    began = time.monotonic()
    threading.Timer(2.5, house.ledger.leave).start()
    assert open_ledger.fn(name, "digest of today").held_by == ""
    assert time.monotonic() - began > 2
    house.ledger.leave()


def test_the_days_run_does_not_see_the_marks_of_backfills() -> None:
    """They would tell it that every channel was read a moment ago."""
    marks = {i: Bookmark(i, "c", "1195000000000000001", AT) for i in ("333", "backfill 333", "backfill 333 a to b")}
    assert list(sound(marks, datetime.now(UTC))) == ["333"]


def test_a_days_name_is_part_of_the_mark() -> None:
    from blocks.records import Period

    period = Period(AT, AT + timedelta(days=1))
    assert Errand("", "", "", "", period).mark_of("333") == "backfill 333"
    assert Errand("", "", "", "", period, days="a to b").mark_of("333") == "backfill 333 a to b"
