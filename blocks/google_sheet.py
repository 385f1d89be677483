"""The ledger as a Google Sheet that the team looks at, sorts and edits while the pipeline runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
from blocks.sheet_journal import NOTHING, Change, Plan, Unfinished, Writer
from blocks.sheet_layout import add_headers, missing_headers, new_tabs
from blocks.sheet_lock import SheetLock, TakenOverError
from blocks.sqlite_ledger import SqliteLedger
from blocks.text import one_line

_ROUNDS = 6
"""How often a write is done again because somebody moved rows in that very moment."""


@dataclass(slots=True)
class _Learnt:
    """What this process learnt of a spreadsheet. It spares calls; whatever depends on it is checked by its answer."""

    book: Book | None = None
    archived: int | None = None
    settled: str | None = None
    """The nonce of the last write, if it touched what it meant: its journal needs no look."""

    asked: SheetLock | None = None
    lock: SheetLock | None = None
    """The lock that was asked for, and the one that is ours."""


_LEARNT: dict[tuple[str, str], _Learnt] = {}


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

    _seen: Book | None = PrivateAttr(default=None)
    _taken: Book | None = PrivateAttr(default=None)
    """What came with the lock: the reading that `open` begins with."""

    # Reaching the sheet

    @property
    def _client(self) -> SheetClient:
        key = self.service_account_key.get_secret_value()
        if not self.spreadsheet_id:
            raise PermanentError("No sheet is set: set GOOGLE_SHEETS_ID, run daily-pipeline --setup.")
        if not key:
            raise PermanentError("No service account is set: set GOOGLE_SERVICE_ACCOUNT_FILE, run --setup.")
        return connect(key, self.spreadsheet_id, api_url=self.api_url, timeout=self.timeout, max_wait=self.max_wait)

    @property
    def _learnt(self) -> _Learnt:
        return _LEARNT.setdefault((self.api_url, self.spreadsheet_id), _Learnt())

    def _titles(self) -> dict[str, str]:
        return {name: name for name in columns.TABS} | {"Posts": self.posts_tab, "Archive": self.archive_tab}

    @property
    def _writer(self) -> Writer:
        return self._learnt.lock or self._client

    def _ranges(self) -> list[str]:
        """Everything but the rows of the archive and of the runs, which only grow."""
        titles = self._titles()
        whole = [quoted(titles[name]) for name in ("Posts", "Drafts", "Channels")]
        heads = [f"{quoted(titles[name])}!1:1" for name in ("Archive", "Runs")]
        return [*whole, *heads, f"{quoted(sheet_journal.TITLE)}!A1:A1"]

    def _read(self) -> Book:
        return self._taken_in(self._client.read(self._ranges()))

    def _taken_in(self, sheets: Sequence[dict[str, Any]]) -> Book:
        """The reading that these tabs are."""
        titles = self._titles()
        found = {sheet["properties"]["title"]: sheet for sheet in sheets}

        def tab(title: str, key: str, headers: tuple[str, ...]) -> Tab:
            properties = found[title]["properties"]
            grid = properties.get("gridProperties", {})
            size = int(grid.get("rowCount", 0)), int(grid.get("columnCount", 0))
            return Tab(title, int(properties.get("sheetId", 0)), *size, rows_of(found[title]), key, headers)

        tabs = {name: tab(title, columns.KEYS[name], columns.TABS[name]) for name, title in titles.items()}
        book = Book(tabs, tab(sheet_journal.TITLE, "", ()))
        lacking = [f"{t.title}: {', '.join(t.missing)}" for t in tabs.values() if t.missing]
        self._learnt.book = self._seen = book
        if lacking:
            raise _IncompleteError(f"Columns are missing in the sheet ({'; '.join(lacking)}).")
        return book

    def _moment(self) -> Book:
        """What this block read last. A step has a block of its own, so it is moments old."""
        return self._seen or self._settled()

    def _settled(self, fresh: Book | None = None) -> Book:
        """A fresh reading, after whatever a dead run left half-done was put right."""
        for _ in range(_ROUNDS):
            book, fresh = fresh or self._read(), None
            nonce = sheet_journal.nonce_of(book)
            if nonce in ("", self._learnt.settled):
                self._learnt.settled = nonce
                return book
            before = Unfinished.of(rows_of(self._client.read([quoted(sheet_journal.TITLE)])[0]))
            plan = sheet_journal.undo(book, before)
            late = sheet_journal.late(before, columns.KEYS["Posts"])
            if late:
                plan.changes.append(self._into_archive(late))
            if plan.is_empty:
                self._learnt.settled = nonce
                return book
            if not any(change.touched for change in plan.changes):
                plan.appends += sheet_journal.clear(book.journal)
            self._write(plan, book.journal, before)
            self._learnt.settled = None  # Several writes may have gone wrong: all is right once nothing is left to do.
        raise self._restless()

    def _into_archive(self, late: Mapping[str, Mapping[str, Value]]) -> Change:
        """What brings to the archive what was typed into rows while they were on their way there."""
        whole = self._whole("Archive")
        there = whole.keyed()
        change = Change(whole)
        for key, cells in late.items():
            if key in there:
                has = whole.cells(there[key])
                own = {h: v for h, v in cells.items() if h in whole.places}
                change.cells[there[key]] = {h: v for h, v in own.items() if to_text(has.get(h, {})) != to_text(v)}
        change.cells = {index: cells for index, cells in change.cells.items() if cells}
        return change

    def _whole(self, name: str) -> Tab:
        """A tab of which else only the header is read, with all its rows."""
        tab = self._read()[name]
        return replace(tab, rows=rows_of(self._client.read([quoted(tab.title)])[0]), places={})

    def _restless(self) -> TransientError:
        return TransientError("Somebody keeps moving rows of the sheet: the next try goes on.")

    def _carry_out(self, plan_on: Callable[[Book, bool], Plan], book: Book | None = None) -> None:
        """Write what `plan_on` says, on a fresh reading unless one is given, until exactly that is done.

        Args:
            plan_on: the plan for a reading. Its second argument tells that an earlier plan of this move was carried
                out already: what it appended is there, only the rows it touched were not the right ones.
            book: what was read moments ago.
        """
        again = False
        for tried in range(_ROUNDS):
            book = book or self._settled()
            plan = plan_on(book, again)
            self._seen = None
            if plan.is_empty:
                return
            try:
                nonce = self._write(plan, book.journal)
            except (ForbiddenError, TakenOverError):
                raise
            except PermanentError:
                # A row that was meant may be gone from the end of the grid. If it is something else, it stays so.
                if tried:
                    raise
            else:
                if nonce is not None:
                    self._seen = self._after(book, plan)
                    return
                again = True
            book = None
        raise self._restless()

    def _after(self, book: Book, plan: Plan) -> Book | None:
        """The reading as it is after a write that only set cells; None if rows came or went."""
        if plan.appends or any(change.deleted for change in plan.changes):
            return None
        for change in plan.changes:
            change.tab.note(change.cells)
        return book

    def _write(self, plan: Plan, journal: Tab, before: Unfinished = NOTHING) -> str | None:
        self._learnt.settled = None
        nonce = sheet_journal.write(self._writer, plan, journal, before)
        self._learnt.settled = nonce
        return nonce

    # The moves

    def take(self, run: str) -> str:
        learnt = self._learnt
        if learnt.lock and learnt.lock.run == run:
            return ""
        if learnt.asked is None or learnt.asked.run != run:
            learnt.asked = SheetLock(self._client, run)
        patience = timedelta(seconds=self.lock_patience)
        try:
            held_by, sheets = learnt.asked.take(patience, self._ranges())
        except MissingTabError:
            held_by, sheets = learnt.asked.take(patience)
        if not held_by:
            learnt.lock = learnt.asked
            with suppress(_IncompleteError):
                self._taken = self._taken_in(sheets) if sheets else None
        learnt.asked = None
        return held_by

    def stay(self) -> None:
        lock = self._learnt.lock
        if lock:
            lock.stay()

    def leave(self) -> None:
        lock, self._learnt.lock = self._learnt.lock, None
        if lock:
            with suppress(TakenOverError):
                lock.write(lock.release())

    def open(self) -> dict[str, Bookmark]:
        taken, self._taken = self._taken, None
        try:
            book = self._settled(taken)
        except (MissingTabError, _IncompleteError):
            self._furnish()
            book = self._settled()
        channels = book["Channels"]
        rows = [channels.row(index) for index in channels.keyed().values()]
        return {mark.channel_id: mark for mark in readable(rows, columns.bookmark_of_row)}

    def _furnish(self) -> None:
        """Make the tabs and headers that are missing. What is there stays as it is."""
        titles = self._titles()
        there = {sheet["properties"]["title"]: sheet for sheet in self._client.read([])}
        wanted: dict[str, tuple[str, ...]] = {title: columns.TABS[name] for name, title in titles.items()}
        wanted[sheet_journal.TITLE] = ()
        adopted = {title: headers for title, headers in wanted.items() if title in there}
        taken = [sheet["properties"].get("sheetId", 0) for sheet in there.values()]
        new = {title: headers for title, headers in wanted.items() if title not in there}
        requests = new_tabs(new, hidden=sheet_journal.TITLE, taken=taken)
        if adopted:
            heads = self._client.read([f"{quoted(title)}!1:1" for title in adopted])
            titles_of = {sheet["properties"]["title"]: sheet for sheet in heads}
            lacking = [title for title in adopted if missing_headers(titles_of[title], wanted[title])]
            # What is in use below the header counts too: only then it is known where the right side is.
            sheets = self._client.read([quoted(title) for title in lacking]) if lacking else []
            requests += [r for sheet in sheets for r in missing_headers(sheet, wanted[sheet["properties"]["title"]])]
        if requests:
            self._writer.write(requests)

    def _archived_ids(self) -> Iterator[str]:
        """The archive's post ids as they come, by the column where the header was seen last."""
        for _ in range(2):
            book = self._learnt.book or self._settled()
            column = letters(book["Archive"].places["Post ID"])
            cells = self._client.column(f"{quoted(self.archive_tab)}!{column}1:{column}")
            if next(cells, "").strip().casefold() == "post id":
                yield from cells
                return
            self._learnt.book = None
        raise self._restless()

    def known(self, post_ids: Collection[str]) -> Known:
        posts = (self._learnt.book or self._settled())["Posts"]
        asked = set(post_ids)
        there = {key: index for key, index in posts.keyed().items() if key in asked}
        entries = {e.post.id: e for e in readable((posts.row(i) for i in there.values()), columns.entry_of_row)}
        archived, count = set(there) - entries.keys(), 0
        for post_id in self._archived_ids():
            count += bool(post_id)
            if post_id in asked:
                archived.add(post_id)
        self._learnt.archived = count
        return Known(entries, frozenset(archived - entries.keys()))

    def add(self, posts: Sequence[Post], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        added = 0

        def plan(book: Book, _again: bool) -> Plan:
            nonlocal added
            tab, channels = book["Posts"], book["Channels"]
            there, marked = tab.keyed(), channels.keyed()
            new = [columns.row_of_post(post) for post in posts if post.id not in there]
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

        self._carry_out(plan)
        return added

    def entries(self, *statuses: PostStatus) -> list[Entry]:
        posts = self._moment()["Posts"]
        rows = [posts.row(index) for index in posts.keyed().values()]
        found = [e for e in readable(rows, columns.entry_of_row) if e.status in statuses]
        return sorted(found, key=lambda e: (e.post.shared_at, e.post.id))

    def note_analyses(self, analyses: Sequence[Analysis], at: datetime) -> None:
        rows = {analysis.post_id: columns.row_of_analysis(analysis, at) for analysis in analyses}

        def plan(book: Book, _again: bool) -> Plan:
            tab = book["Posts"]
            there = {key: index for key, index in tab.keyed().items() if key in rows}
            new = {key: i for key, i in there.items() if tab.text(i, "Status") == PostStatus.NEW.value}
            return Plan([Change(tab, {index: rows[key] for key, index in new.items()}, expect=("Status", "new"))])

        self._carry_out(plan)

    def drafts(self, *statuses: DraftStatus) -> list[Draft]:
        tab = self._moment()["Drafts"]
        rows = [tab.row(index) for index in tab.keyed().values()]
        found = [draft for draft in readable(rows, columns.draft_of_row) if draft.status in statuses]
        return sorted(found, key=lambda draft: (draft.day, draft.id))

    def draft(self, draft_id: str) -> Draft | None:
        tab = self._moment()["Drafts"]
        index = tab.keyed().get(draft_id)
        return None if index is None else the_draft(tab.row(index))

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

        self._carry_out(plan, self._seen)
        return not stood_there

    def claim(self, draft: Draft) -> None:
        wanted = _claimed(draft)
        self._carry_out(lambda book, _again: Plan([_of_analyzed(book["Posts"], wanted)]), self._seen)

    def move_draft(self, draft: Draft, expected: DraftStatus) -> bool:
        row = columns.row_of_draft(draft)
        cells = {header: row[header] for header in columns.MOVED}
        fate = columns.cells_of_posts(draft)
        moved = False

        def plan(book: Book, again: bool) -> Plan:
            nonlocal moved
            drafts, posts = book["Drafts"], book["Posts"]
            index = drafts.keyed().get(draft.id)
            status = "" if index is None else drafts.text(index, "Status")
            is_so = again and bool(fate) and status == draft.status.value
            moved = index is not None and (status == expected.value or is_so)
            if not moved or index is None:
                return Plan()
            change = Change(drafts, {} if is_so else {index: cells}, expect=("Status", expected.value))
            out = Change(posts, expect=("Status", PostStatus.DRAFTED.value))
            if fate:
                mine = (i for i in posts.keyed().values() if posts.text(i, "Draft ID") == draft.id)
                out.cells = {i: fate for i in mine if posts.text(i, "Status") == PostStatus.DRAFTED.value}
            return Plan([change, out])

        self._carry_out(plan, self._seen)
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

        self._carry_out(plan)
        if self._learnt.archived is None:
            total = sum(1 for post_id in self._archived_ids() if post_id)
        else:
            total = self._learnt.archived + len(moved)
        self._learnt.archived = total
        return Archived(len(moved), total)

    def add_run(self, report: RunReport) -> None:
        book = self._learnt.book or self._settled()
        runs = book["Runs"]
        column = f"{quoted(runs.title)}!{letters(runs.places['Run ID'])}:{letters(runs.places['Run ID'])}"
        row = runs.append([columns.row_of_run(report)])
        # Nothing was touched since the last write was found right: its journal has served.
        requests = sheet_journal.clear(book.journal) if self._learnt.settled is not None else []
        lock = self._learnt.lock
        try:
            sheets = self._writer.write([*requests, *row, *(lock.release() if lock else [])], [column])
        except TakenOverError:
            # An earlier try, of which no answer came, wrote it and let go; or this run is not awaited any more.
            sheets = self._client.read([column])
            if not _places(sheets[0], report.run_id):
                sheets = self._client.write(row, [column])
        self._learnt.lock = None
        same = _places(sheets[0], report.run_id)
        if len(same) > 1:
            self._drop(same[:-1])

    def _drop(self, indexes: Sequence[int]) -> None:
        """Take rows out of Runs: those of an earlier try that had been written though no answer came."""
        whole = self._whole("Runs")
        self._carry_out(lambda _book, again: Plan([] if again else [Change(whole, deleted=list(indexes))]))

    def rehearsal(self, path: Path) -> SqliteLedger:
        copy = SqliteLedger(path=path)
        copy.open()
        try:
            book = self._read()
        except (MissingTabError, _IncompleteError):
            return copy
        for name in ("Posts", "Drafts", "Channels"):
            tab = book[name]
            rows = (tab.row(index) for index in tab.keyed().values())
            # What is tried on the copy goes to another place than the real one, and may.
            copy.fill(name, ({**row, "Publisher": ""} if name == "Drafts" else row for row in rows))
        copy.fill("Archive", ({"Post ID": post_id} for post_id in self._archived_ids() if post_id))
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
        missing = [title for title in self._titles().values() if title not in there]
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
    return Change(posts, cells, expect=("Status", PostStatus.ANALYZED.value))


def _places(column: dict[str, Any], text: str) -> list[int]:
    """The rows of a column that hold a text."""
    return [index for index, cells in enumerate(rows_of(column)) if cells and to_text(cells[0]) == text]


class _IncompleteError(PermanentError):
    """A tab lacks columns."""
