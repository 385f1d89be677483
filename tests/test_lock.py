"""One run at a time on a ledger: who has it, how it gives way, and that nobody writes without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.google_sheet import GoogleSheet
from blocks.ledger import Ledger
from blocks.records import PostStatus, RunReport
from blocks.sheet_lock import TITLE, SheetLock, TakenOverError
from blocks.sqlite_ledger import SqliteLedger
from tasks.open_ledger import give_signs, kept
from tests.conftest import House
from tests.services.server import lost
from tests.services.sheets_server import SheetsServer
from tests.test_sqlite_ledger import post

FIRST, SECOND = "digest of one (0001) on alpha", "digest of two (0002) on beta"


@pytest.fixture
def sheets() -> Iterator[SheetsServer]:
    with SheetsServer() as server:
        server.reads_per_minute = server.writes_per_minute = 10_000
        server.share("shared")
        yield server
        assert server.broken == []


def machine(sheets: SheetsServer, host: str = "127.0.0.1") -> GoogleSheet:
    """The sheet as one machine has it. Under another name of the host, nothing is known of the other's doings."""
    url = sheets.url.replace("127.0.0.1", host)
    return GoogleSheet(spreadsheet_id="shared", service_account_key=sheets.key_file, api_url=url, timeout=5)


def tabs(sheets: SheetsServer) -> list[str]:
    return [tab.title for tab in sheets.spreadsheets["shared"].tabs]


@dataclass
class Pair:
    """One ledger as two runs see it."""

    first: Ledger
    second: Ledger


@pytest.fixture(params=["sqlite", "sheet"])
def pair(request: pytest.FixtureRequest, sheets: SheetsServer, tmp_path: Path) -> Pair:
    if request.param == "sheet":
        return Pair(machine(sheets), machine(sheets, "localhost"))
    return Pair(SqliteLedger(path=tmp_path / "l.sqlite3"), SqliteLedger(path=tmp_path / "l.sqlite3"))


def test_the_second_run_is_told_who_has_it_until_the_first_leaves(pair: Pair) -> None:
    assert pair.first.take(FIRST) == ""
    pair.first.open()
    pair.first.add([post(1)], [], [])
    assert pair.second.take(SECOND).startswith(f"{FIRST} works on it since 20")
    assert pair.first.take(FIRST) == "", "a step that is tried again has it already"
    pair.first.leave()
    assert pair.second.take(SECOND) == ""
    pair.second.open()
    assert pair.first.take(FIRST).startswith(SECOND)
    assert [entry.post.id for entry in pair.second.entries(PostStatus.NEW)] == [post(1).id]


def test_the_report_is_the_last_thing_and_lets_the_next_run_in(sheets: SheetsServer) -> None:
    sheet = machine(sheets)
    sheet.take(FIRST)
    sheet.open()
    assert TITLE in tabs(sheets)
    sheet.add_run(RunReport("a", datetime.now(UTC)))
    assert TITLE not in tabs(sheets)
    calls = len(sheets.calls)
    sheet.leave()
    assert len(sheets.calls) == calls


def test_of_many_that_ask_at_the_same_moment_one_has_it(sheets: SheetsServer) -> None:
    locks = [SheetLock(machine(sheets)._client, f"run {n}") for n in range(8)]
    answers: list[str] = []

    def ask(lock: SheetLock) -> None:
        answers.append(lock.take(timedelta(minutes=5))[0])

    threads = [threading.Thread(target=ask, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bool(answer) for answer in answers) == [False] + [True] * 7
    assert tabs(sheets).count(TITLE) == 1


def test_a_dead_run_gives_way_and_can_write_nothing_more(sheets: SheetsServer) -> None:
    dead, heir = machine(sheets), machine(sheets, "localhost")
    dead.take(FIRST)
    dead.open()
    dead.add([post(1)], [], [])
    assert heir.take(SECOND) != ""
    sheets.skew += 302
    assert heir.take(SECOND) == ""
    heir.open()
    heir.add([post(2)], [], [])
    with pytest.raises(TakenOverError, match="Another run took the ledger over"):
        dead.add([post(3)], [], [])
    with pytest.raises(TakenOverError):
        dead.archive([PostStatus.NEW], datetime.now(UTC))
    dead.add_run(RunReport("dead", datetime.now(UTC)))
    book = sheets.spreadsheets["shared"]
    assert [row["Post ID"] for row in book.rows("Posts")] == [post(1).id, post(2).id]
    assert [row["Run ID"] for row in book.rows("Runs")] == ["dead"], "what a run says of itself is taken from any"
    heir.add([post(4)], [], [])


def test_signs_of_life_keep_it(sheets: SheetsServer) -> None:
    alive, other = machine(sheets), machine(sheets, "localhost")
    alive.take(FIRST)
    for _ in range(3):
        sheets.skew += 200
        alive.stay()
        assert other.take(SECOND).startswith(FIRST)
    sheets.skew += 302
    assert other.take(SECOND) == ""


def test_a_run_gives_signs_of_life_until_it_is_over_or_lost_it(sheets: SheetsServer) -> None:
    run, over = machine(sheets), threading.Event()
    run.take(FIRST)
    before = len(sheets.calls)
    beat = threading.Thread(target=give_signs, args=(run, over, 0.01))
    beat.start()
    deadline = time.monotonic() + 20
    while len(sheets.calls) < before + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(sheets.calls) >= before + 3
    book = sheets.spreadsheets["shared"]
    book.tabs.remove(book.tab(TITLE))
    beat.join(20)
    assert not beat.is_alive(), "it has nothing to keep any more"


def test_each_write_is_a_sign_of_life(sheets: SheetsServer) -> None:
    sheet = machine(sheets)
    sheet.take(FIRST)
    sheet.open()
    before = sheets.spreadsheets["shared"].rows(TITLE)[0]
    time.sleep(1.1)
    sheet.add([post(1)], [], [])
    after = sheets.spreadsheets["shared"].rows(TITLE)[0]
    assert before["Run"] == after["Run"] == FIRST
    assert before["Last sign of life"] < after["Last sign of life"]


@pytest.mark.parametrize("ahead", [-90_000, 90_000])
def test_a_wrong_clock_neither_steals_it_nor_keeps_it_for_ever(sheets: SheetsServer, ahead: float) -> None:
    """All judge by Google's clock, so ours may be a day off."""
    sheets.skew = ahead
    first, second = machine(sheets), machine(sheets, "localhost")
    assert first.take(FIRST) == ""
    assert second.take(SECOND).startswith(FIRST)
    sheets.skew = ahead + 301
    assert second.take(SECOND) == ""


def test_what_a_person_writes_over_it_or_deletes_does_no_harm(sheets: SheetsServer) -> None:
    first, second = machine(sheets), machine(sheets, "localhost")
    first.take(FIRST)
    first.open()
    book = sheets.spreadsheets["shared"]
    book.tabs.remove(book.tab(TITLE))
    with pytest.raises(TakenOverError):
        first.add([post(1)], [], [])
    assert second.take(SECOND) == ""
    book.tab(TITLE).type(1, 2, "what is this?")
    first.leave()
    assert first.take("a third") == ""


def test_no_answer_when_it_was_taken_and_when_it_was_left(sheets: SheetsServer) -> None:
    sheet = machine(sheets)
    sheets.plan("batchUpdate", lost)
    with pytest.raises(Exception, match="no whole answer"):
        sheet.take(FIRST)
    assert sheet.take(FIRST) == ""
    sheet.open()
    sheets.plan("batchUpdate", lost)
    report = RunReport("a", datetime.now(UTC))
    with pytest.raises(Exception, match="no whole answer"):
        sheet.add_run(report)
    sheet.add_run(report)
    assert [row["Run ID"] for row in sheets.spreadsheets["shared"].rows("Runs")] == ["a"]
    assert machine(sheets, "localhost").take(SECOND) == ""


def test_a_process_that_is_killed_leaves_a_file_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    take = f"from blocks.sqlite_ledger import SqliteLedger as L; l = L(path={str(path)!r}); l.take('dead'); l.open()"
    command = [sys.executable, "-c", f"{take}; print(1, flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"1\n"
        assert SqliteLedger(path=path).take("mine").startswith("dead works on it since")
        os.kill(other.pid, signal.SIGKILL)
    assert SqliteLedger(path=path).take("mine") == ""
    SqliteLedger(path=path).leave()


def test_a_second_run_ends_as_skipped_and_changes_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.share([])
    other = house.ledger
    assert other.take("digest of noon (77) on the old server") == ""
    other.open()
    state = house.run()
    assert (state.name, state.is_completed()) == ("Skipped", True)
    assert state.message
    assert "digest of noon (77) on the old server works on it since" in state.message
    assert "Overall Status: ⚠️ SKIPPED" in caplog.text
    assert (house.rows("Runs"), house.digests()) == ([], {})
    other.leave()
    assert house.run().name == "Completed"
    assert house.ledger.take("the next") == "", "the run let the next one in"
    house.ledger.leave()


def test_a_run_that_breaks_off_lets_the_next_one_in(tmp_path: Path) -> None:
    name = f"sqlite-ledger:{tmp_path / 'l.sqlite3'}"
    ledger = SqliteLedger(path=tmp_path / "l.sqlite3")

    def run() -> None:
        with kept(name):
            ledger.take("first")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert ledger.take("second") == ""
    ledger.leave()
