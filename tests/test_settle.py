"""Posts follow what became of their draft, by a person's hand or because its time is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.errors import TransientError
from blocks.google_sheet import GoogleSheet
from blocks.ledger import Ledger
from blocks.records import Draft, DraftStatus, Entry, PostStatus
from blocks.sqlite_ledger import SqliteLedger
from tasks.draft import claim_all
from tasks.settle import STALE, settle
from tests.services.server import Answer, Call, Work, lost
from tests.services.sheets_server import SheetsServer
from tests.test_sqlite_ledger import AT, crypto, draft_of, post


@pytest.fixture
def sheets() -> Iterator[SheetsServer]:
    with SheetsServer() as server:
        server.share("shared")
        yield server
        assert server.broken == []


@pytest.fixture(params=["sqlite", "sheet"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, sheets: SheetsServer) -> Ledger:
    if request.param == "sqlite":
        return SqliteLedger(path=tmp_path / "l.sqlite3")
    return GoogleSheet(spreadsheet_id="shared", service_account_key=sheets.key_file, api_url=sheets.url)


def drafted(ledger: Ledger, status: DraftStatus, **more: object) -> Draft:
    """A draft of two posts with this status, beside a post that is new."""
    posts = [post(1), post(2)]
    ledger.open()
    ledger.add([*posts, post(3)], [], [])
    ledger.note_analyses([crypto(p.id) for p in posts], AT)
    made = draft_of(*posts)
    ledger.add_draft(made, [])
    moved = replace(made, status=status, **more)  # type: ignore[arg-type]
    ledger.move_draft(moved, DraftStatus.PROPOSED)
    return moved


def posts_of(ledger: Ledger) -> dict[str, Entry]:
    return {entry.post.id: entry for entry in ledger.entries(*PostStatus)}


def set_by_hand(ledger: Ledger, status: DraftStatus) -> None:
    """An unsure draft, of which a person changes that one cell, and nothing of its posts."""
    drafted(ledger, DraftStatus.UNSURE)
    if isinstance(ledger, SqliteLedger):
        with ledger._connect() as db:
            db.execute('UPDATE "Drafts" SET "Status" = ?', (status.value,))
    else:
        assert isinstance(ledger, GoogleSheet)
        tab = ledger._desk.settled()["Drafts"]
        ledger._client.write(tab.set({1: {"Status": status.value}}))
        ledger._desk.seen = None


def test_what_a_person_calls_published_takes_its_posts_along(ledger: Ledger) -> None:
    set_by_hand(ledger, DraftStatus.PUBLISHED)
    settle(ledger, AT.date())
    assert [e.status.value for e in posts_of(ledger).values()] == ["published", "published", "new"]
    assert ledger.archive([PostStatus.PUBLISHED], AT).moved == 2


def test_what_a_person_rejects_lets_its_posts_go(ledger: Ledger) -> None:
    set_by_hand(ledger, DraftStatus.REJECTED)
    settle(ledger, AT.date())
    assert [(e.status.value, e.draft_id) for e in posts_of(ledger).values()] == [
        ("analyzed", ""),
        ("analyzed", ""),
        ("new", ""),
    ]


@pytest.mark.parametrize("status", [DraftStatus.PROPOSED, DraftStatus.APPROVED, DraftStatus.FAILED])
def test_a_draft_whose_time_is_over_lapses(ledger: Ledger, status: DraftStatus) -> None:
    made = drafted(ledger, status)
    settle(ledger, AT.date() + STALE)
    assert ledger.draft(made.id) == made
    settle(ledger, AT.date() + STALE + timedelta(days=1))
    (lapsed,) = ledger.drafts(DraftStatus.REJECTED)
    assert lapsed.note == "Lapsed: it was not published within two days."
    assert [e.status.value for e in posts_of(ledger).values()] == ["analyzed", "analyzed", "new"]


def test_a_thread_of_which_parts_are_out_is_never_drafted_again(ledger: Ledger) -> None:
    drafted(ledger, DraftStatus.FAILED, published_ids=("77",), note="X takes no more.")
    settle(ledger, AT.date() + STALE + timedelta(days=1))
    (ended,) = ledger.drafts(DraftStatus.PUBLISHED)
    assert ended.note == "Only its first parts are out. X takes no more."
    assert [e.status.value for e in posts_of(ledger).values()] == ["published", "published", "new"]


@pytest.mark.parametrize("status", [DraftStatus.UNSURE, DraftStatus.PUBLISHING])
def test_what_may_be_out_never_lapses(ledger: Ledger, status: DraftStatus) -> None:
    made = drafted(ledger, status)
    settle(ledger, AT.date() + timedelta(days=300))
    assert ledger.draft(made.id) == made
    assert [e.status.value for e in posts_of(ledger).values()] == ["drafted", "drafted", "new"]


def test_posts_that_rest_in_a_draft_are_never_drafted_again(ledger: Ledger) -> None:
    """Rows were moved while the draft was added, and the answer was lost: it stands there, its posts were put back."""
    posts = [post(1), post(2), post(3)]
    ledger.open()
    ledger.add(posts, [], [])
    ledger.note_analyses([crypto(p.id) for p in posts], AT)
    standing = replace(draft_of(post(1), post(2)), id="2024-01-14")
    ledger.add_draft(replace(standing, post_ids=()), [])
    _rest_in(ledger, standing)
    claim_all(ledger)
    found = posts_of(ledger)
    assert [(found[p.id].status.value, found[p.id].draft_id) for p in posts] == [
        ("drafted", "2024-01-14"),
        ("drafted", "2024-01-14"),
        ("analyzed", ""),
    ]


def _rest_in(ledger: Ledger, draft: Draft) -> None:
    ids = ", ".join(draft.post_ids)
    if isinstance(ledger, SqliteLedger):
        with ledger._connect() as db:
            db.execute('UPDATE "Drafts" SET "Post IDs" = ? WHERE "Draft ID" = ?', (ids, draft.id))
    else:
        assert isinstance(ledger, GoogleSheet)
        tab = ledger._desk.settled()["Drafts"]
        ledger._client.write(tab.set({tab.keyed()[draft.id]: {"Post IDs": ids}}))
        ledger._desk.seen = None


def test_rows_moved_and_the_answer_lost_while_a_draft_is_added(sheets: SheetsServer) -> None:
    block = GoogleSheet(spreadsheet_id="shared", service_account_key=sheets.key_file, api_url=sheets.url)
    block.open()
    block.add([post(1), post(2), post(3)], [], [])
    block.note_analyses([crypto(p.id) for p in (post(1), post(2), post(3))], AT)
    made = draft_of(post(1), post(2))
    block.drafts()

    def move_and_lose(call: Call, work: Work) -> Answer:
        sheets.spreadsheets["shared"].tab("Posts").move_row(3, 1)
        return lost(call, work)

    sheets.plan("batchUpdate", move_and_lose)
    with pytest.raises(TransientError):
        block.add_draft(made, [])
    again = GoogleSheet(spreadsheet_id="shared", service_account_key=sheets.key_file, api_url=sheets.url)
    assert again.draft(made.id) is not None
    claim_all(again)
    assert {e.post.id: e.status.value for e in posts_of(again).values()} == {
        post(1).id: "drafted",
        post(2).id: "drafted",
        post(3).id: "analyzed",
    }
