"""The ledger as a Google Sheet that the team looks at, sorts and edits while the pipeline runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.blocks.fields import SecretDict
from pydantic import ConfigDict, Field, HttpUrl, PrivateAttr

from blocks import columns, sheet_journal
from blocks.columns import Row
from blocks.errors import PermanentError, TransientError
from blocks.ledger import Archived, Known, Ledger, readable, the_draft
from blocks.logos import GOOGLE as LOGO
from blocks.records import (
    Analysis,
    Bookmark,
    Check,
    Draft,
    DraftStatus,
    Entry,
    Post,
    PostStatus,
    RunReport,
)
from blocks.service_url import ServiceUrl
from blocks.sheet_book import Book, Tab, Value, letters, quoted, rows_of, to_text
from blocks.sheet_client import GOOGLE, ForbiddenError, MissingTabError, SheetClient, connect
from blocks.sheet_desk import LEARNT, IncompleteError, Learnt, SheetDesk
from blocks.sheet_glance import asked_for, day_of
from blocks.sheet_journal import Change, Plan
from blocks.sheet_layout import add_headers
from blocks.sheet_lock import TakenOverError
from blocks.sqlite_ledger import SqliteLedger
from blocks.text import one_line


def tab_titles(posts: str, archive: str) -> dict[str, str]:
    """What each of our tabs is called in the spreadsheet. Raises PermanentError if two would share a name."""
    titles = {name: name for name in columns.TABS} | {"Posts": posts, "Archive": archive}
    taken = [sheet_journal.TITLE.casefold(), *(title.strip().casefold() for title in titles.values())]
    if len(set(taken)) < len(taken):
        raise PermanentError(
            f"Two tabs would have one name: set GOOGLE_SHEET_NAME ({posts}) and ARCHIVE_SHEET_NAME ({archive}) "
            "to names of their own, run daily-pipeline --setup."
        )
    return titles


class GoogleSheet(Ledger):
    """The ledger in a Google Sheet that is shared with a service account as an editor.

    The tabs and columns that are missing are made; an owner's own columns and their order are left as they are.
    Every move is one atomic request. What a person inserts, deletes, moves or sorts in that moment is put right.

    Example:
        ```python
        GoogleSheet(spreadsheet_id="1AbC…", service_account_key=json.load(open("key.json"))).save("daily-pipeline")
        ```
    """

    # A field that is refused is named, and what was put into it is not shown: it may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    _block_type_name = "Google Sheet"
    _block_type_slug = "google-sheet"
    _description = "Keeps posts, drafts, archive, bookmarks and runs in a Google Sheet, by a service account."
    _logo_url = LOGO
    _documentation_url = HttpUrl("https://developers.google.com/workspace/sheets/api/guides/concepts")

    spreadsheet_id: str = Field(default="", description="The part of the sheet's address between /d/ and /edit.")
    service_account_key: SecretDict = Field(
        default=SecretDict({}), description="The service account's key, the whole JSON that Google gave for download."
    )
    posts_tab: str = Field(default="Posts", min_length=1, description="The tab of posts that are not archived yet.")
    archive_tab: str = Field(default="Archive", min_length=1, description="The tab of posts that are done.")
    api_url: ServiceUrl = Field(default=GOOGLE, description="Where the Sheets API is: https, or on loopback.")
    timeout: float = Field(default=60, gt=0, le=180, description="Seconds that one call may take.")
    max_wait: float = Field(
        default=120, ge=0, description="Seconds to wait in all when Google says that there were too many calls."
    )
    lock_patience: float = Field(
        default=300, ge=1, description="Seconds without a sign of life after which a run counts as dead."
    )

    _at: SheetDesk | None = PrivateAttr(default=None)

    # Reaching the sheet

    @property
    def _client(self) -> SheetClient:
        key = self.service_account_key.get_secret_value()
        if not self.spreadsheet_id:
            raise PermanentError("No sheet is set: set GOOGLE_SHEETS_ID, run daily-pipeline --setup.")
        if not key:
            raise PermanentError(
                "No service account is set: set GOOGLE_SERVICE_ACCOUNT_FILE, run daily-pipeline --setup."
            )
        return connect(key, self.spreadsheet_id, api_url=self.api_url, timeout=self.timeout, max_wait=self.max_wait)

    @property
    def _desk(self) -> SheetDesk:
        if self._at is None:
            titles = tab_titles(self.posts_tab, self.archive_tab)
            learnt = LEARNT.setdefault((self.api_url, self.spreadsheet_id), Learnt())
            self._at = SheetDesk(self._client, titles, learnt)
        return self._at

    @property
    def address(self) -> str:
        # Checked by nobody when it was set: only what a sheet's id can be becomes part of a link.
        fits = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", self.spreadsheet_id)
        return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet_id}/edit" if fits else ""

    # The moves

    def take(self, run: str) -> str:
        return self._desk.take(run, timedelta(seconds=self.lock_patience))

    def stay(self) -> None:
        if lock := self._desk.learnt.lock:
            lock.stay()

    def leave(self) -> None:
        self._desk.leave()

    def open(self) -> dict[str, Bookmark]:
        channels = self._desk.opened()["Channels"]
        rows = [channels.row(index) for index in channels.keyed().values()]
        return {mark.channel_id: mark for mark in readable(rows, columns.bookmark_of_row)}

    def known(self, post_ids: Collection[str]) -> Known:
        posts = (self._desk.learnt.book or self._desk.settled())["Posts"]
        asked = set(post_ids)
        there = {key: index for key, index in posts.keyed().items() if key in asked}
        entries = {e.post.id: e for e in readable((posts.row(i) for i in there.values()), columns.entry_of_row)}
        archived, count = set(there) - entries.keys(), 0
        for post_id in self._desk.archived_ids():
            count += bool(post_id)
            if post_id in asked:
                archived.add(post_id)
        self._desk.learnt.archived = count
        return Known(entries, frozenset(archived - entries.keys()))

    def bring(self, entries: Sequence[Entry], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        added = 0

        def plan(book: Book, _again: bool) -> Plan:
            nonlocal added
            tab, channels = book["Posts"], book["Channels"]
            there, marked = tab.keyed(), channels.keyed()
            new = [columns.row_of_entry(entry) for entry in entries if entry.post.id not in there]
            added = max(added, len(new))
            late = Change(tab)
            for post in changed:
                row = columns.row_of_post(post)
                index = there.get(post.id)
                cells = {h: row[h] for h in ("Content", "Author", "Author Link", "Shared By")}
                if index is not None and any(tab.text(index, h) != text for h, text in cells.items()):
                    late.cells[index] = cells
            moved, first = Change(channels), []
            for bookmark in bookmarks:
                row = columns.row_of_bookmark(bookmark)
                at = marked.get(bookmark.channel_id)
                if at is None:
                    first.append(row)
                elif channels.row(at) != row:
                    moved.cells[at] = {h: row[h] for h in ("Name", "Last Message ID", "Last Read")}
            return Plan([late, moved], tab.append(new) + channels.append(first))

        self._desk.carry_out(plan)
        return added

    def entries(self, *statuses: PostStatus) -> list[Entry]:
        posts = self._desk.moment()["Posts"]
        rows = [posts.row(index) for index in posts.keyed().values()]
        found = [e for e in readable(rows, columns.entry_of_row) if e.status in statuses]
        return sorted(found, key=lambda e: (e.post.shared_at, e.post.id))

    def note_analyses(self, analyses: Sequence[Analysis], at: datetime) -> None:
        rows = {analysis.post_id: columns.row_of_analysis(analysis, at) for analysis in analyses}

        def plan(book: Book, _again: bool) -> Plan:
            tab = book["Posts"]
            there = {key: index for key, index in tab.keyed().items() if key in rows}
            new = {key: i for key, i in there.items() if tab.text(i, "Status") == PostStatus.NEW.value}
            return Plan([Change(tab, {index: rows[key] for key, index in new.items()}, expect={"Status": "new"})])

        self._desk.carry_out(plan)

    def _whole(self, which: Callable[[Tab], Sequence[int]]) -> list[Row]:
        """Rows of the drafts, all of them read whole."""
        tab = self._desk.moment()["Drafts"]
        if not tab.unread.isdisjoint(which(tab)):
            tab = self._desk.in_full()["Drafts"]
        return [tab.row(index) for index in which(tab)]

    def drafts(
        self,
        *statuses: DraftStatus,
        since: date | None = None,
        ids: Collection[str] | None = None,
        resting_on: Collection[str] | None = None,
    ) -> list[Draft]:
        rows = self._whole(lambda tab: asked_for(tab, statuses, since, ids, resting_on))
        found = [draft for draft in readable(rows, columns.draft_of_row) if draft.status in statuses]
        return sorted(found, key=lambda draft: (draft.day, draft.id))

    def last_published(self) -> date | None:
        tab = self._desk.moment()["Drafts"]
        out = [i for i in tab.keyed().values() if tab.text(i, "Status") == DraftStatus.PUBLISHED.value]
        return max(filter(None, (day_of(tab, index) for index in out)), default=None)

    def draft(self, draft_id: str) -> Draft | None:
        def which(tab: Tab) -> list[int]:
            return [index for key, index in tab.keyed().items() if key == draft_id]

        return next(map(the_draft, self._whole(which)), None)

    def peek(self, *statuses: DraftStatus) -> list[Draft]:
        # Every few minutes somebody looks, and there is nothing: that costs a few columns.
        seen = self._desk.glimpse()
        if seen and not asked_for(seen, statuses):
            return []
        try:
            tab = self._desk.read(in_full=True)["Drafts"]
        except (MissingTabError, IncompleteError):
            return []
        found = readable((tab.row(index) for index in tab.keyed().values()), columns.draft_of_row)
        return [draft for draft in found if draft.status in statuses]

    def recall(self, post_ids: Collection[str]) -> list[Entry]:
        book = self._desk.read()
        posts, archive = book["Posts"], book["Archive"]
        wanted = set(post_ids)
        rows = [posts.row(index) for key, index in posts.keyed().items() if key in wanted]
        places = [at for at, key in enumerate(self._desk.archived_ids(), start=2) if key in wanted]
        if places:
            title = quoted(archive.title)
            shown = self._client.read([f"{title}!1:1", *(f"{title}!{at}:{at}" for at in places)])[0]
            kept = [row for data in shown["data"] for row in rows_of({"data": [data]})]
            archive = replace(archive, rows=kept, places={})
            rows += [archive.row(index) for key, index in archive.keyed().items() if key in wanted]
        return list({entry.post.id: entry for entry in readable(rows, columns.entry_of_row)}.values())

    def first_run(self) -> datetime | None:
        runs = self._desk.moment()["Runs"]
        column = letters(runs.places["Started"])
        started = rows_of(self._client.read([f"{quoted(runs.title)}!{column}2:{column}2"])[0])
        try:
            return columns.unstamp(to_text(started[0][0])) if started and started[0] else None
        except ValueError:
            return None

    def add_draft(self, draft: Draft | None, passed_over: Collection[str]) -> bool:
        skipped = {post_id: {"Status": PostStatus.SKIPPED.value} for post_id in passed_over}
        wanted: dict[str, Row] = skipped | (_claimed(draft) if draft else {})
        stood_there = False

        def plan(book: Book, again: bool) -> Plan:
            nonlocal stood_there
            posts, drafts = book["Posts"], book["Drafts"]
            made = Plan()
            if draft and draft.id not in drafts.keyed():
                made.appends = drafts.append([columns.row_of_draft(draft)])
            elif draft and not again:
                stood_there = True
                return made
            made.changes = [_of_analyzed(posts, wanted)]
            return made

        self._desk.carry_out(plan, self._desk.seen)
        return not stood_there

    def claim(self, draft: Draft) -> None:
        wanted = _claimed(draft)
        self._desk.carry_out(lambda book, _again: Plan([_of_analyzed(book["Posts"], wanted)]), self._desk.seen)

    def move_draft(self, draft: Draft, expected: DraftStatus) -> bool:
        row = columns.row_of_draft(draft)
        cells = {header: row[header] for header in columns.MOVED}
        fate = columns.cells_of_posts(draft)
        goes_out = columns.goes_out(draft, expected)
        moved = False

        def plan(book: Book, again: bool) -> Plan:
            nonlocal moved
            drafts, posts = book["Drafts"], book["Posts"]
            index = drafts.keyed().get(draft.id)
            is_so = again and bool(fate) and index is not None and drafts.text(index, "Status") == draft.status.value
            expect, as_read = {"Status": expected.value}, True
            if index is not None and goes_out:
                expect["Text"] = drafts.text(index, "Text")
                as_read = columns.parts_of(expect["Text"]) == draft.parts
            moved = is_so or (index is not None and drafts.text(index, "Status") == expected.value and as_read)
            if not moved or index is None:
                return Plan()
            change = Change(drafts, {} if is_so else {index: cells}, expect=expect)
            out = Change(posts, expect={"Status": PostStatus.DRAFTED.value})
            if fate:
                mine = (i for i in posts.keyed().values() if posts.text(i, "Draft ID") == draft.id)
                out.cells = {i: fate for i in mine if posts.text(i, "Status") == PostStatus.DRAFTED.value}
            return Plan([change, out])

        self._desk.carry_out(plan, self._desk.seen)
        return moved

    def archive(self, done: Collection[PostStatus], at: datetime) -> Archived:
        statuses = {status.value for status in done}
        moved: set[str] = set()

        def plan(book: Book, again: bool) -> Plan:
            posts, archive = book["Posts"], book["Archive"]
            ready = {k: i for k, i in posts.keyed().items() if posts.text(i, "Status") in statuses}
            if again:
                # Those of the first plan are in the archive: what was left of them went when it was undone.
                ready = {key: index for key, index in ready.items() if key not in moved}
            else:
                moved.clear()
            if not ready:
                return Plan()
            moved.update(ready)
            own = [header for header in posts.places if header not in archive.places]
            appends = add_headers(archive, archive.column_count, own)
            archive.places |= {header: archive.width + at for at, header in enumerate(own)}
            stamp: dict[str, Value | str] = {"Archived At": columns.stamp(at)}
            rows = [{**posts.cells(index), **stamp} for index in ready.values()]
            return Plan([Change(posts, deleted=list(ready.values()))], appends + archive.append(rows))

        self._desk.carry_out(plan)
        if self._desk.learnt.archived is None:
            total = sum(1 for post_id in self._desk.archived_ids() if post_id)
        else:
            total = self._desk.learnt.archived + len(moved)
        self._desk.learnt.archived = total
        return Archived(len(moved), total)

    def add_run(self, report: RunReport) -> None:
        book = self._desk.learnt.book or self._desk.settled()
        runs = book["Runs"]
        column = f"{quoted(runs.title)}!{letters(runs.places['Run ID'])}:{letters(runs.places['Run ID'])}"
        row = runs.append([columns.row_of_run(report)])
        # Nothing was touched since the last write was found right: its journal has served.
        requests = sheet_journal.clear(book.journal) if self._desk.learnt.settled is not None else []
        lock = self._desk.learnt.lock
        try:
            sheets = self._desk.writer.write([*requests, *row, *(lock.release() if lock else [])], [column])
        except TakenOverError:
            # An earlier try, of which no answer came, wrote it and let go; or this run is not awaited any more.
            sheets = self._client.read([column])
            if not _places(sheets[0], report.run_id):
                sheets = self._client.write(row, [column])
        self._desk.learnt.lock = None
        same = _places(sheets[0], report.run_id)
        if len(same) > 1:
            self._drop(same[:-1])

    def _drop(self, indexes: Sequence[int]) -> None:
        """Take rows out of Runs: those of an earlier try that had been written though no answer came."""
        whole = self._desk.whole("Runs")
        self._desk.carry_out(lambda _book, again: Plan([] if again else [Change(whole, deleted=list(indexes))]))

    def rehearsal(self, path: Path) -> SqliteLedger:
        copy = SqliteLedger(path=path)
        copy.open()
        try:
            book = self._desk.read(in_full=True)
        except (MissingTabError, IncompleteError):
            return copy
        for name in ("Posts", "Drafts", "Channels"):
            tab = book[name]
            rows = (tab.row(index) for index in tab.keyed().values())
            # What is tried on the copy goes to another place than the real one, and may.
            copy.fill(name, ({**row, "Publisher": ""} if name == "Drafts" else row for row in rows))
        copy.fill("Archive", ({"Post ID": post_id} for post_id in self._desk.archived_ids() if post_id))
        return copy

    def warm_up(self) -> None:
        import gspread  # noqa: F401

    def check(self) -> list[Check]:
        try:
            sheets = self._client.read([])
            if not self._client.may_write():
                raise ForbiddenError("The sheet may be read, but not written: share it as an editor.")
        except (PermanentError, TransientError) as error:
            what, _, advice = str(error).partition(": ")
            return [Check("ledger", False, what, advice[:1].upper() + advice[1:])]
        there = {sheet["properties"]["title"] for sheet in sheets}
        missing = [title for title in self._desk.titles.values() if title not in there]
        found = (
            f"the sheet may be written; {'tabs to be made: ' + ', '.join(missing) if missing else 'all tabs are there'}"
        )
        return [Check("ledger", True, one_line(found, 200))]


def _claimed(draft: Draft) -> dict[str, Row]:
    """The cells of a draft's posts, by post id."""
    return {post_id: {"Status": PostStatus.DRAFTED.value, "Draft ID": draft.id} for post_id in draft.post_ids}


def _of_analyzed(posts: Tab, wanted: Mapping[str, Mapping[str, str]]) -> Change:
    """What is wanted of posts, as far as they are `analyzed`."""
    ready = {k: i for k, i in posts.keyed().items() if posts.text(i, "Status") == PostStatus.ANALYZED.value}
    cells: dict[int, Mapping[str, Value | str]] = {i: {**wanted[k]} for k, i in ready.items() if k in wanted}
    return Change(posts, cells, expect={"Status": PostStatus.ANALYZED.value})


def _places(column: dict[str, Any], text: str) -> list[int]:
    """The rows of a column that hold a text."""
    return [index for index, cells in enumerate(rows_of(column)) if cells and to_text(cells[0]) == text]
