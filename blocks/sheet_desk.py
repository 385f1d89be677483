"""Working on a spreadsheet that is under people's hands: readings, writes until they are right, one run at a time.

Knows the tabs, and nothing of what posts and drafts mean: that is `google_sheet`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from blocks import columns, sheet_journal
from blocks.errors import PermanentError, TransientError
from blocks.sheet_book import Book, Tab, Value, assembled, letters, quoted, rows_of, to_text
from blocks.sheet_client import ForbiddenError, MissingRangeError, MissingTabError, SheetClient
from blocks.sheet_glance import Glance, column_ranges, places_of, seen_in
from blocks.sheet_journal import NOTHING, Change, Plan, Unfinished, Writer
from blocks.sheet_layout import missing_headers, new_tabs
from blocks.sheet_lock import SheetLock, TakenOverError

_ROUNDS = 6
"""How often a write is done again because somebody moved rows in that very moment."""


@dataclass(slots=True)
class Learnt:
    """What this process learnt of a spreadsheet. It spares calls; whatever depends on it is checked by its answer."""

    book: Book | None = None
    glance: Glance | None = None
    """Of the run that has the lock: what it saw of the drafts, so that it need not read all of them again."""

    archived: int | None = None
    settled: str | None = None
    """The nonce of the last write, if it touched what it meant: its journal needs no look."""

    asked: SheetLock | None = None
    lock: SheetLock | None = None
    """The lock that was asked for, and the one that is ours."""


LEARNT: dict[tuple[str, str], Learnt] = {}
"""By the API's address and the spreadsheet's id."""


class IncompleteError(PermanentError):
    """A tab lacks columns."""


class SheetDesk:
    """One step's work on a spreadsheet.

    `seen` is what was read last: a step has a desk of its own, so it is moments old.
    """

    def __init__(self, client: SheetClient, titles: Mapping[str, str], learnt: Learnt) -> None:
        self.client, self.learnt = client, learnt
        self.titles = titles
        self.seen: Book | None = None
        self._taken: Book | None = None

    @property
    def writer(self) -> Writer:
        """What carries out writes: the lock, once it is ours, so that each write proves it."""
        return self.learnt.lock or self.client

    def _ranges(self, drafts: Sequence[str] = (), *, journal: bool = False) -> list[str]:
        """Everything but the rows of the archive and of the runs, which only grow. `drafts`: of those only these."""
        titles = self.titles
        whole = [quoted(titles[name]) for name in ("Posts", "Channels")]
        heads = [f"{quoted(titles[name])}!1:1" for name in ("Archive", "Runs")]
        past = quoted(sheet_journal.TITLE)
        return [*whole, *(drafts or [quoted(titles["Drafts"])]), *heads, past if journal else f"{past}!A1:A1"]

    def read(self, *, in_full: bool = False, journal: bool = False) -> Book:
        """A fresh reading; of all rows of the drafts, if it is to be in full, and of the journal.

        Raises:
            IncompleteError, MissingTabError: something must be made first.
        """
        # Only while no other run can add drafts; and gone as soon as anything is not as it was.
        glance, self.learnt.glance = self.learnt.glance if self.learnt.lock and not in_full else None, None
        title = self.titles["Drafts"]
        if glance:
            with suppress(MissingRangeError):
                book = self._taken_in(self.client.read(self._ranges(glance.ranges(title))), glance.filled)
                if "Drafts" in book.tabs:
                    return self._noted(book)
        return self._noted(self._taken_in(self.client.read(self._ranges(journal=journal))))

    def _noted(self, book: Book) -> Book:
        if self.learnt.lock and "Drafts" in book.tabs:
            self.learnt.glance = Glance.of(book["Drafts"], book["Posts"])
        return book

    def in_full(self) -> Book:
        """A fresh reading with every row of the drafts."""
        self.learnt.glance = None
        return self.settled()

    def _taken_in(
        self,
        sheets: Sequence[dict[str, Any]],
        drafts: Callable[[Mapping[str, object], Tab], Tab | None] | None = None,
    ) -> Book:
        """The reading that these tabs are.

        Args:
            sheets: the tabs.
            drafts: makes the tab of the drafts where not all of it was read. It is left out where that cannot be.
        """
        titles = self.titles
        found = {sheet["properties"]["title"]: sheet for sheet in sheets}

        def tab(title: str, key: str, headers: tuple[str, ...]) -> Tab:
            properties = found[title]["properties"]
            grid = properties.get("gridProperties", {})
            size = int(grid.get("rowCount", 0)), int(grid.get("columnCount", 0))
            rows = [] if title == titles["Drafts"] and drafts else rows_of(found[title])
            return Tab(title, int(properties.get("sheetId", 0)), *size, rows, key, headers)

        tabs = {name: tab(title, columns.KEYS[name], columns.TABS[name]) for name, title in titles.items()}
        book = Book(tabs, tab(sheet_journal.TITLE, "", ()))
        if drafts:
            sheet, empty = found[titles["Drafts"]], tabs.pop("Drafts")
            part = drafts(sheet, empty)
            tabs |= {"Drafts": part} if part else {}
            heads = [*tabs.values(), *([] if part else [replace(empty, rows=assembled([sheet])[:1], places={})])]
        else:
            heads = [*tabs.values()]
        lacking = [f"{t.title}: {', '.join(t.missing)}" for t in heads if t.missing]
        self.learnt.book = book
        self.seen = book if "Drafts" in tabs else None
        if lacking:
            raise IncompleteError(f"Columns are missing in the sheet ({'; '.join(lacking)}): the next run adds them.")
        return book

    def moment(self) -> Book:
        """What this block read last. A step has a block of its own, so it is moments old."""
        return self.seen or self.settled()

    def settled(self, fresh: Book | None = None) -> Book:
        """A fresh reading, after whatever a dead run left half-done was put right."""
        for _ in range(_ROUNDS):
            book, fresh = fresh or self.read(), None
            nonce = sheet_journal.nonce_of(book)
            if nonce in ("", self.learnt.settled):
                self.learnt.settled = nonce
                return book
            if "Drafts" not in book.tabs or book["Drafts"].unread:
                # Any row may be the one that was harmed.
                book = self.read(in_full=True, journal=True)
                before = Unfinished.of(book.journal.rows)
                nonce = before.nonce
            else:
                before = Unfinished.of(rows_of(self.client.read([quoted(sheet_journal.TITLE)])[0]))
            plan = sheet_journal.undo(book, before)
            late = sheet_journal.late(before, columns.KEYS["Posts"])
            if late:
                plan.changes.append(self._into_archive(late))
            if plan.is_empty:
                self.learnt.settled = nonce
                return book
            if not any(change.touched for change in plan.changes):
                plan.appends += sheet_journal.clear(book.journal)
            self._write(plan, book.journal, before)
            # Several writes may have gone wrong: all is right once nothing is left to do.
            self.learnt.settled = self.learnt.glance = None
        raise self.restless()

    def _into_archive(self, late: Mapping[str, Mapping[str, Value]]) -> Change:
        """What brings to the archive what was typed into rows while they were on their way there."""
        whole = self.whole("Archive")
        there = whole.keyed()
        change = Change(whole)
        for key, cells in late.items():
            if key in there:
                has = whole.cells(there[key])
                own = {h: v for h, v in cells.items() if h in whole.places}
                change.cells[there[key]] = {h: v for h, v in own.items() if to_text(has.get(h, {})) != to_text(v)}
        change.cells = {index: cells for index, cells in change.cells.items() if cells}
        return change

    def whole(self, name: str) -> Tab:
        """A tab of which else only the header is read, with all its rows."""
        tab = self.read()[name]
        return replace(tab, rows=rows_of(self.client.read([quoted(tab.title)])[0]), places={})

    def restless(self) -> TransientError:
        """The error for when people are faster than we are."""
        return TransientError("Somebody keeps moving rows of the sheet: the next try goes on.")

    def carry_out(self, plan_on: Callable[[Book, bool], Plan], book: Book | None = None) -> None:
        """Write what `plan_on` says, on a fresh reading unless one is given, until exactly that is done.

        Args:
            plan_on: the plan for a reading. Its second argument tells that an earlier plan of this move was carried
                out already: what it appended is there, only the rows it touched were not the right ones.
            book: what was read moments ago.
        """
        again = False
        for tried in range(_ROUNDS):
            book = book or self.settled()
            plan = plan_on(book, again)
            self.seen = None
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
                    self.seen = self._after(book, plan)
                    return
                again = True
            book = None
        raise self.restless()

    def _after(self, book: Book, plan: Plan) -> Book | None:
        """The reading as it is after a write that only set cells; None if rows came or went."""
        if plan.appends or any(change.deleted for change in plan.changes):
            return None
        for change in plan.changes:
            change.tab.note(change.cells)
        return book

    def _write(self, plan: Plan, journal: Tab, before: Unfinished = NOTHING) -> str | None:
        glance, self.learnt.glance, self.learnt.settled = self.learnt.glance, None, None
        nonce = sheet_journal.write(self.writer, plan, journal, before)
        self.learnt.settled = nonce
        if nonce is not None and not any(c.deleted and c.tab.title == self.titles["Drafts"] for c in plan.changes):
            self.learnt.glance = glance  # What was added stands below: it is read then.
        return nonce

    # One run at a time

    def take(self, run: str, patience: timedelta) -> str:
        """Take the sheet for a run. Gives who has it; empty if this run does, and then a reading came with it."""
        learnt = self.learnt
        if learnt.lock and learnt.lock.run == run:
            return ""
        if learnt.asked is None or learnt.asked.run != run:
            learnt.asked = SheetLock(self.client, run)
        learnt.glance = None
        places = places_of(learnt.book.tabs.get("Drafts") if learnt.book else None)
        try:
            held_by, sheets = learnt.asked.take(patience, self._ranges(column_ranges(self.titles["Drafts"], places)))
        except (MissingRangeError, MissingTabError):
            held_by, sheets = learnt.asked.take(patience)
        if not held_by:
            learnt.lock = learnt.asked
            with suppress(IncompleteError):
                self._taken = None
                if sheets:
                    self._taken = self._taken_in(sheets, lambda sheet, tab: seen_in(sheet, tab, places))
                    self._noted(self._taken)
        learnt.asked = None
        return held_by

    def leave(self) -> None:
        """Let the next run in, if the sheet is still this one's."""
        lock, self.learnt.lock, self.learnt.glance = self.learnt.lock, None, None
        if lock:
            with suppress(TakenOverError):
                lock.write(lock.release())

    def opened(self) -> Book:
        """The first reading of a run, after what is missing in the sheet was made."""
        taken, self._taken = self._taken, None
        try:
            return self.settled(taken)
        except (MissingTabError, IncompleteError):
            self.furnish()
            return self.settled()

    def glimpse(self) -> Tab | None:
        """Some columns of all drafts, in one call and without the lock; None if the sheet is not as our own making."""
        title = self.titles["Drafts"]
        places = places_of(self.learnt.book.tabs.get("Drafts") if self.learnt.book else None)
        try:
            (sheet,) = self.client.read(column_ranges(title, places))
        except (MissingRangeError, MissingTabError):
            return None
        empty = Tab(title, 0, 0, 0, [], columns.KEYS["Drafts"], columns.TABS["Drafts"])
        return seen_in(sheet, empty, places)

    def furnish(self) -> None:
        """Make the tabs and headers that are missing. What is there stays as it is."""
        titles = self.titles
        there = {sheet["properties"]["title"]: sheet for sheet in self.client.read([])}
        wanted: dict[str, tuple[str, ...]] = {title: columns.TABS[name] for name, title in titles.items()}
        wanted[sheet_journal.TITLE] = ()
        adopted = {title: headers for title, headers in wanted.items() if title in there}
        taken = [sheet["properties"].get("sheetId", 0) for sheet in there.values()]
        new = {title: headers for title, headers in wanted.items() if title not in there}
        requests = new_tabs(new, hidden=sheet_journal.TITLE, taken=taken)
        if adopted:
            heads = self.client.read([f"{quoted(title)}!1:1" for title in adopted])
            titles_of = {sheet["properties"]["title"]: sheet for sheet in heads}
            lacking = [title for title in adopted if missing_headers(titles_of[title], wanted[title])]
            # What is in use below the header counts too: only then it is known where the right side is.
            sheets = self.client.read([quoted(title) for title in lacking]) if lacking else []
            requests += [r for sheet in sheets for r in missing_headers(sheet, wanted[sheet["properties"]["title"]])]
        if requests:
            self.writer.write(requests)

    def archived_ids(self) -> Iterator[str]:
        """The archive's post ids as they come, by the column where the header was seen last."""
        for _ in range(2):
            book = self.learnt.book or self.settled()
            column = letters(book["Archive"].places["Post ID"])
            cells = self.client.column(f"{quoted(self.titles['Archive'])}!{column}1:{column}")
            if next(cells, "").strip().casefold() == "post id":
                yield from cells
                return
            self.learnt.book = None
        raise self.restless()
