"""The embedded ledger: the tabs as tables, each move whole or not at all, safe when two runs meet."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks import columns
from blocks.errors import PermanentError, TransientError
from blocks.records import Analysis, Bookmark, Draft, DraftStatus, Post, PostStatus, Project, RunReport
from blocks.sqlite_ledger import SqliteLedger
from blocks.text import clean

AT = datetime(2024, 1, 15, 20, 0, tzinfo=UTC)


def post(number: int, text: str = "Some words.", **more: object) -> Post:
    made = Post(str(1000 + number), "ada", text, ("Grace",), AT + timedelta(minutes=number), "https://discord.com/x")
    return replace(made, **more)  # type: ignore[arg-type]


def crypto(post_id: str, *, yes: bool = True) -> Analysis:
    if not yes:
        return Analysis(post_id, is_crypto=False, analyst="lexicon")
    projects = (Project("Chainlink", "LINK"), Project("Sui"))
    return Analysis(post_id, True, projects, "DeFi", "It is live.", ("chainlink", "mainnet"), 7, "lexicon")


def draft_of(*posts: Post) -> Draft:
    day = AT.date()
    return Draft(day.isoformat(), day, ("The text.",), tuple(p.id for p in posts), "abc", 9, 0.0)


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    book = SqliteLedger(path=tmp_path / "folder" / "ledger.sqlite3")
    assert book.open() == {}
    return book


def test_the_file_has_the_tabs_and_columns_of_the_design(ledger: SqliteLedger) -> None:
    with sqlite3.connect(ledger.path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for table, headers in columns.TABS.items():
            assert tuple(row[1] for row in db.execute(f'PRAGMA table_info("{table}")')) == headers
    db.close()


def test_a_post_goes_all_the_way(ledger: SqliteLedger) -> None:
    first, second = post(1), post(2, "Lunch.")
    mark = Bookmark("222", "alpha", "5000", AT)
    assert ledger.add([first, second], [], [mark]) == 2
    assert ledger.open() == {"222": mark}
    assert [e.post for e in ledger.entries(PostStatus.NEW)] == [first, second]

    ledger.note_analyses([crypto(first.id), crypto(second.id, yes=False)], AT)
    (entry,) = ledger.entries(PostStatus.ANALYZED)
    assert entry.analysis == crypto(first.id)
    assert entry.analyzed_at == AT

    draft = draft_of(first)
    assert ledger.add_draft(draft, [])
    assert ledger.draft(draft.id) == draft
    assert not ledger.add_draft(draft, []), "a day has one draft"
    under_way = replace(draft, status=DraftStatus.PUBLISHING)
    assert ledger.move_draft(under_way, DraftStatus.PROPOSED)
    assert not ledger.move_draft(under_way, DraftStatus.PROPOSED), "a second run does not take it up too"
    done = replace(draft, status=DraftStatus.PUBLISHED, published_ids=("77",), link="https://x.com/i/status/77")
    assert ledger.move_draft(done, DraftStatus.PUBLISHING)
    (published,) = ledger.entries(PostStatus.PUBLISHED)
    assert published.draft_id == draft.id
    assert published.receipt == "https://x.com/i/status/77"

    moved = ledger.archive([PostStatus.PUBLISHED, PostStatus.SKIPPED], AT)
    assert (moved.moved, moved.total) == (2, 2)
    assert ledger.entries(*PostStatus) == []
    assert ledger.known([first.id, "9"]).archived == {first.id}
    again = ledger.archive([PostStatus.PUBLISHED, PostStatus.SKIPPED], AT)
    assert (again.moved, again.total) == (0, 2)


def test_what_the_ledger_has_is_not_added_again(ledger: SqliteLedger) -> None:
    assert ledger.add([post(1), post(2)], [], []) == 2
    ledger.note_analyses([crypto("1001", yes=False)], AT)
    ledger.archive([PostStatus.SKIPPED], AT)
    assert ledger.add([post(1), post(2), post(3)], [], []) == 1
    known = ledger.known(["1001", "1002", "1003", "1004"])
    assert set(known.open) == {"1002", "1003"}
    assert known.archived == {"1001"}


def test_rows_and_bookmarks_move_together_or_not_at_all(ledger: SqliteLedger) -> None:
    broken = Bookmark("222", "alpha", "5000", None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        ledger.add([post(1)], [], [broken])
    assert ledger.entries(PostStatus.NEW) == []
    assert ledger.open() == {}


def test_a_late_text_and_another_sharer_reach_the_row(ledger: SqliteLedger) -> None:
    ledger.add([post(1, "")], [], [])
    ledger.add([], [post(1, "Now it has words.", shared_by=("Grace", "Ada"))], [])
    (entry,) = ledger.entries(PostStatus.NEW)
    assert entry.post.text == "Now it has words."
    assert entry.post.shared_by == ("Grace", "Ada")


def test_an_analysis_never_turns_a_row_back(ledger: SqliteLedger) -> None:
    ledger.add([post(1)], [], [])
    ledger.note_analyses([crypto("1001")], AT)
    ledger.add_draft(draft_of(post(1)), [])
    ledger.note_analyses([crypto("1001", yes=False)], AT)
    assert [e.status for e in ledger.entries(*PostStatus)] == [PostStatus.DRAFTED]


ANY_TEXT = st.text().map(clean)


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+1", "0012", "1e5", "'; DROP TABLE Posts; --", "🚀\n\n2", "x" * 29_999]
)
def test_text_stays_text_and_ids_stay_strings(ledger: SqliteLedger, text: str) -> None:
    written = post(1, text, shared_by=(text[:20],), id="0001745012345678901")
    ledger.add([written], [], [])
    (entry,) = ledger.entries(PostStatus.NEW)
    assert entry.post == written


@given(text=ANY_TEXT, name=ANY_TEXT.map(lambda t: " ".join(t.replace(",", " ").split())).filter(bool))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_text_comes_back_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, text: str, name: str) -> None:
    book = SqliteLedger(path=tmp_path_factory.mktemp("any") / "ledger.sqlite3")
    book.open()
    written = post(1, text, shared_by=(name,))
    book.add([written], [], [])
    (entry,) = book.entries(PostStatus.NEW)
    assert entry.post == written


def test_two_runs_that_meet_add_each_post_once(ledger: SqliteLedger) -> None:
    posts = [post(i) for i in range(200)]
    added: list[int] = []
    threads = [threading.Thread(target=lambda: added.append(ledger.add(posts, [], []))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == 200
    assert len(ledger.entries(PostStatus.NEW)) == 200


def test_of_two_runs_that_meet_one_gets_the_draft(ledger: SqliteLedger) -> None:
    ledger.add([post(1)], [], [])
    ledger.note_analyses([crypto("1001")], AT)
    draft = draft_of(post(1))
    ledger.add_draft(draft, [])
    under_way = replace(draft, status=DraftStatus.PUBLISHING)
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(ledger.move_draft(under_way, DraftStatus.PROPOSED)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from blocks.sqlite_ledger import SqliteLedger
from blocks.records import PostStatus
from tests.test_sqlite_ledger import post
book = SqliteLedger(path=Path(sys.argv[1]))
print("ready", flush=True)
n = 10_000
while True:
    book.add([post(n + i) for i in range(20)], [], [])
    book.archive([PostStatus.NEW], datetime.now(UTC))
    n += 20
"""


def test_a_killed_run_leaves_whole_moves_only(ledger: SqliteLedger) -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED, str(ledger.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        threading.Event().wait(0.5)
        os.kill(process.pid, signal.SIGKILL)
    open_ids = {e.post.id for e in ledger.entries(*PostStatus)}
    with sqlite3.connect(ledger.path) as db:
        archived = {row[0] for row in db.execute('SELECT "Post ID" FROM "Archive"')}
    db.close()
    assert len(archived) >= 20
    assert not open_ids & archived
    assert (len(open_ids) + len(archived)) % 20 == 0


def test_a_busy_file_is_an_error_that_may_pass(tmp_path: Path) -> None:
    book = SqliteLedger(path=tmp_path / "l.sqlite3", busy_timeout=0.1)
    book.open()
    with sqlite3.connect(book.path, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="busy"):
            book.add([post(1)], [], [])
    db.close()


def test_a_foreign_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to look like a file of something else" * 20)
    with pytest.raises(PermanentError, match="not a sound SQLite file"):
        SqliteLedger(path=path).open()
    assert not SqliteLedger(path=path).check()[0].ok


def test_a_rehearsal_changes_nothing(ledger: SqliteLedger, tmp_path: Path) -> None:
    ledger.add([post(1)], [], [])
    copy = ledger.rehearsal(tmp_path / "copy.sqlite3")
    copy.add([post(2)], [], [])
    assert len(copy.entries(PostStatus.NEW)) == 2
    assert len(ledger.entries(PostStatus.NEW)) == 1


def test_a_table_that_lacks_a_column_gets_it_and_keeps_its_own(ledger: SqliteLedger) -> None:
    with sqlite3.connect(ledger.path) as db:
        db.execute('ALTER TABLE "Posts" DROP COLUMN "Category"')
        db.execute('ALTER TABLE "Posts" ADD COLUMN "My notes" TEXT')
    db.close()
    ledger.open()
    ledger.add([post(1)], [], [])
    assert ledger.entries(PostStatus.NEW)[0].post == post(1)


def test_a_run_is_one_row(ledger: SqliteLedger) -> None:
    report = RunReport("run-1", AT, counts={"fetched": 25}, errors=["one\ntwo"], status="PARTIAL", seconds=1.23)
    ledger.add_run(report)
    ledger.add_run(report)
    with sqlite3.connect(ledger.path) as db:
        rows = db.execute('SELECT "Run ID", "Started", "Seconds", "Status", "Fetched", "Errors" FROM "Runs"').fetchall()
    db.close()
    assert rows == [("run-1", "2024-01-15T20:00:00Z", "1.2", "PARTIAL", "25", '["one\\ntwo"]')]


def test_a_bookmark_that_cannot_be_is_left_alone(ledger: SqliteLedger) -> None:
    ledger.add([], [], [Bookmark("222", "alpha", "9" * 5000, AT), Bookmark("333", "beta", "5000", AT)])
    assert list(ledger.open()) == ["333"]


def test_a_row_that_cannot_be_costs_that_row(ledger: SqliteLedger) -> None:
    ledger.add([post(1), post(2)], [], [])
    with sqlite3.connect(ledger.path) as db:
        db.execute('UPDATE "Posts" SET "Date" = \'yesterday\' WHERE "Post ID" = \'1001\'')
    db.close()
    assert [e.post.id for e in ledger.entries(PostStatus.NEW)] == ["1002"]
    assert ledger.add([post(1)], [], []) == 0, "it is still known"


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("posts", {"Post ID": "abc"}),
        ("posts", {"Post ID": "1" * 5000}),
        ("posts", {"Status": "done"}),
        ("posts", {"Date": "yesterday"}),
        ("drafts", {"Draft ID": "../../etc/passwd"}),
        ("drafts", {"Length": "many"}),
    ],
)
def test_a_cell_that_cannot_be_is_refused(table: str, cells: dict[str, str]) -> None:
    if table == "posts":
        row = dict.fromkeys(columns.POSTS, "") | columns.row_of_post(post(1)) | cells
        with pytest.raises(ValueError, match=r"."):
            columns.entry_of_row(row)
    else:
        row = columns.row_of_draft(draft_of(post(1))) | cells
        with pytest.raises(ValueError, match=r"."):
            columns.draft_of_row(row)
