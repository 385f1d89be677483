"""Writing to rows that people may move at that very moment, so that no other row is harmed.

The Sheets API changes and deletes rows by index, and has no precondition: between our reading and our writing a
person may insert, delete, move or sort rows. But one request's parts are carried out together and in order. So
every write that touches rows first copies them, as they stand at that instant, into a hidden tab, the journal, and
the answer shows what was copied. If it is not what we meant to touch, it is put back from there, and the work is
done again on a fresh reading. A run that died in between leaves the journal to the next one.

The journal holds, for each tab that was touched: a row with a `_Mark` in column A and the tab's header row from
column B on; then the touched rows and those between them, column A naming the key that was meant. What puts rows
back may itself meet an edit: its own copies are added below, and the older ones stay until all is right.

A row that is deleted goes on elsewhere, as it was read. Column A holds a digest of that too: what a person typed into
the row since then is seen in the copy, and is brought there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from blocks.errors import TransientError
from blocks.sheet_book import Book, Tab, Value, assembled, letters, quoted, to_text

TITLE = "daily-pipeline journal"
_TOUCHED = "row "
"""What stands before the digest and the key of a row that is touched: some rows have neither."""


class Writer(Protocol):
    """What carries out a batch: the client, or the lock that its writes go through."""

    def write(self, requests: Sequence[Mapping[str, Any]], ranges: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Carry out requests, all or none, and give the cells of the ranges."""
        ...


@dataclass(slots=True)
class Change:
    """What happens to rows of one tab: cells to set by row index and header, or rows to delete.

    `expect` names headers and the texts that must have stood there: where another stood, the row is put back.
    """

    tab: Tab
    cells: dict[int, Mapping[str, Value | str]] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)
    expect: Mapping[str, str] = field(default_factory=dict)

    @property
    def touched(self) -> list[int]:
        return sorted({*self.cells, *self.deleted})

    @property
    def headers(self) -> list[str]:
        return sorted({header for cells in self.cells.values() for header in cells})


@dataclass(slots=True)
class Plan:
    """One write: changes of rows that are there, and requests that touch none of them (rows to append)."""

    changes: list[Change] = field(default_factory=list)
    appends: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.appends and not any(change.touched for change in self.changes)


@dataclass(slots=True)
class _Mark:
    """What the journal's header rows say of a write: its nonce, the tab, the columns written by header and place.

    `number` counts the writes since the one that went wrong, 0. `key` is the header that tells rows apart.
    """

    nonce: str
    number: int
    tab: str
    key: str
    delete: bool
    columns: dict[str, int]
    expect: dict[str, str]

    def text(self) -> str:
        return json.dumps(list(astuple(self)), ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> _Mark:
        nonce, number, tab, key, delete, columns, expect = json.loads(text)
        return cls(nonce, int(number), tab, key, delete, dict(columns), dict(expect))


@dataclass(slots=True)
class _Section:
    """The journal's rows for one tab: the header, and the copied rows with the keys that were meant."""

    mark: _Mark
    header: list[Value]
    meant: list[str | None] = field(default_factory=list)
    """The keys; empty for a row without one, None for a row that only lies between."""

    rows: list[list[Value]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    """The digests of rows to be deleted, as they were read; empty for others."""

    def name(self, column: int) -> str:
        return to_text(self.header[column]).strip() if column < len(self.header) else ""

    def place(self, header: str) -> int:
        names = [self.name(column).casefold() for column in range(len(self.header))]
        return names.index(header.casefold()) if header.casefold() in names else -1

    def text(self, row: int, header: str) -> str:
        place = self.place(header)
        return to_text(self.rows[row][place]) if 0 <= place < len(self.rows[row]) else ""

    def cells(self, row: int) -> dict[str, Value]:
        """A copied row's values, by header."""
        filled = [(self.name(at), value) for at, value in enumerate(self.rows[row]) if value and self.name(at)]
        return dict(reversed(filled))  # of two columns with one header the first counts

    def written(self, row: int) -> dict[str, Value]:
        """What stood where the write wrote, the empty cells too."""
        got = self.rows[row]
        places = [place for place in self.mark.columns.values() if self.name(place)]
        return {self.name(place): got[place] if place < len(got) else {} for place in places}

    def digests(self) -> dict[str, str]:
        """By key, the rows to be deleted as they were read."""
        return {key: read for key, read in zip(self.meant, self.read, strict=True) if key and read}

    def late(self, read: Mapping[str, str]) -> dict[str, dict[str, Value]]:
        """Those of the rows with these digests that were deleted and were something else by then."""
        touched = [row for row, key in enumerate(self.meant) if key is not None and self.mark.delete]
        gone = {self.text(row, self.mark.key): self.cells(row) for row in touched}
        return {key: cells for key, cells in gone.items() if key in read and read[key] != _digest(cells)}

    @property
    def columns_moved(self) -> bool:
        return any(self.place(header) != place for header, place in self.mark.columns.items())

    def wrong(self) -> list[int]:
        """The rows that were touched but not meant, or did not hold what was expected."""

        def is_right(row: int) -> bool:
            if self.columns_moved or self.text(row, self.mark.key) != self.meant[row]:
                return False
            return all(self.text(row, header) == text for header, text in self.mark.expect.items())

        return [row for row, key in enumerate(self.meant) if key is not None and not is_right(row)]


def _sections(rows: Sequence[Sequence[Value]]) -> list[_Section]:
    """The journal's rows by tab. What is no journal of ours (somebody typed into it) counts as none."""
    sections: list[_Section] = []
    for row in rows:
        text = to_text(row[0]) if row else ""
        if text.startswith("["):
            try:
                mark = _Mark.read(text)
            except (ValueError, IndexError):
                return []
            sections.append(_Section(mark, list(row[1:])))
        elif sections:
            read, _, key = text.removeprefix(_TOUCHED).partition(" ")
            sections[-1].meant.append(key if text.startswith(_TOUCHED) else None)
            sections[-1].read.append(read if text.startswith(_TOUCHED) else "")
            sections[-1].rows.append(list(row[1:]))
    return sections


def nonce_of(book: Book) -> str:
    """Which write the journal is of; empty if it is empty."""
    sections = _sections(book.journal.rows[:1])
    return sections[0].mark.nonce if sections else ""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Writes that are not known to be right: their nonce, how many there were, and the journal's rows of them."""

    nonce: str = ""
    writes: int = 0
    rows: Sequence[Sequence[Value]] = ()

    @classmethod
    def of(cls, rows: Sequence[Sequence[Value]]) -> Unfinished:
        marks = [section.mark for section in _sections(rows)]
        return cls(marks[0].nonce, 1 + max(mark.number for mark in marks), rows) if marks else cls()


def _digest(cells: Mapping[str, Value]) -> str:
    """What tells a row's texts from others."""
    texts = sorted((header.casefold(), to_text(value)) for header, value in cells.items() if to_text(value))
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:8]


def late(before: Unfinished, key: str) -> dict[str, dict[str, Value]]:
    """The deleted rows, by their key under a header, into which somebody typed after they were read: as they stood."""
    sections = [section for section in _sections(before.rows) if section.mark.key == key]
    read: dict[str, str] = {}
    for section in sections:
        read = section.digests() | read  # as it was first read it went there
    found = {key: cells for section in sections for key, cells in section.late(read).items()}
    return {key: {h: v for h, v in cells.items() if "errorValue" not in v} for key, cells in found.items()}


def clear(journal: Tab) -> list[dict[str, Any]]:
    """Requests that empty the journal."""
    return [{"updateCells": {"range": {"sheetId": journal.sheet_id}, "fields": "userEnteredValue"}}]


NOTHING = Unfinished()


def _requests(plan: Plan, journal: Tab, nonce: str, before: Unfinished) -> list[dict[str, Any]]:
    """The whole write: copies into the journal, below those of unfinished writes, then the work."""
    kept = len(before.rows)
    changes = [change for change in plan.changes if change.touched]
    copies: list[dict[str, Any]] = []
    marks: list[str] = []
    for change in changes:
        tab, rows, at = change.tab, change.touched, kept + len(marks)
        places = {header: tab.places[header] for header in change.headers}
        mark = _Mark(nonce, before.writes, tab.title, tab.key, bool(change.deleted), places, {**change.expect})
        copies += [_copy(tab, 0, 1, journal, at), _copy(tab, rows[0], rows[-1] + 1, journal, at + 1)]
        read = {index: _digest(tab.cells(index)) for index in change.deleted}
        meant = {index: f"{_TOUCHED}{read.get(index, '')} {tab.text(index, tab.key)}" for index in rows}
        marks += [mark.text(), *(meant.get(index, "") for index in range(rows[0], rows[-1] + 1))]
    width = 1 + max(change.tab.column_count for change in changes)
    grid = {"rowCount": kept + len(marks), "columnCount": max(width, journal.column_count if kept else 0)}
    fields = "gridProperties.rowCount,gridProperties.columnCount"
    size = {"properties": {"sheetId": journal.sheet_id, "gridProperties": grid}, "fields": fields}
    cells = [{"values": [{"userEnteredValue": {"stringValue": mark}} if mark else {}]} for mark in marks]
    start = {"sheetId": journal.sheet_id, "rowIndex": kept, "columnIndex": 0}
    work = [r for change in changes for r in change.tab.set(change.cells) + change.tab.delete(change.deleted)]
    return [
        *([] if kept else clear(journal)),
        {"updateSheetProperties": size},
        *copies,
        {"updateCells": {"start": start, "rows": cells, "fields": "userEnteredValue"}},
        *plan.appends,
        *work,
    ]


def _copy(tab: Tab, top: int, bottom: int, journal: Tab, to: int) -> dict[str, Any]:
    def area(sheet_id: int, first: int, left: int) -> dict[str, int]:
        return {
            "sheetId": sheet_id,
            "startRowIndex": first,
            "endRowIndex": first + bottom - top,
            "startColumnIndex": left,
            "endColumnIndex": left + tab.column_count,
        }

    source, target = area(tab.sheet_id, top, 0), area(journal.sheet_id, to, 1)
    return {"copyPaste": {"source": source, "destination": target, "pasteType": "PASTE_VALUES"}}


def write(writer: Writer, plan: Plan, journal: Tab, before: Unfinished = NOTHING) -> str | None:
    """Carry out a plan as one request.

    Args:
        writer: what carries it out.
        plan: what to do.
        journal: the journal's tab.
        before: the writes that this one undoes.

    Returns:
        The write's nonce, an empty one if no row was touched; None if other rows were touched than were meant, or
        were no longer as they were read: then the journal must be looked after with `undo` and `late`.
    """
    changes = [change for change in plan.changes if change.touched]
    if not changes:
        writer.write(plan.appends)
        return ""
    nonce = before.nonce or uuid4().hex[:12]
    # Column A, and of each section its header row and the columns that tell which rows they are.
    title, kept = quoted(TITLE), len(before.rows)
    at = kept + 1
    ranges = [f"{title}!A{at}:A"]
    for change in changes:
        last = at + 1 + change.touched[-1] - change.touched[0]
        ranges.append(f"{title}!{at}:{at}")
        if change.deleted:
            ranges.append(f"{title}!{at + 1}:{last}")
        for header in {change.tab.key, *change.expect}:
            column = letters(change.tab.places[header] + 1)
            ranges.append(f"{title}!{column}{at + 1}:{column}{last}")
        at = last + 1
    shown = assembled(writer.write(_requests(plan, journal, nonce, before), ranges))
    sections = _sections(shown[kept:])
    if len(sections) != len(changes):
        raise TransientError("Google Sheets did not show what it wrote: the next try looks again.")
    if any(section.wrong() or section.late(section.digests()) for section in sections):
        return None
    return nonce


def undo(book: Book, before: Unfinished) -> Plan:
    """What puts back the rows that unfinished writes touched without meaning to.

    Args:
        book: a fresh reading.
        before: these writes.
    """
    sets = {tab.title: Change(tab) for tab in book.tabs.values()}
    deletes = {tab.title: Change(tab) for tab in book.tabs.values()}
    plan = Plan([*sets.values(), *deletes.values()])
    ours = {title: {h for s in _sections(before.rows) if s.mark.tab == title for h in s.mark.columns} for title in sets}
    for section in _sections(before.rows):
        change, deleted = sets.get(section.mark.tab), deletes.get(section.mark.tab)
        if change is None or deleted is None:
            continue
        tab, present = change.tab, change.tab.keyed()
        if section.mark.delete:
            back, left = _undeleted(section, present, newest=section.mark.number == before.writes - 1)
            plan.appends += tab.append(back)
            deleted.deleted += [index for index in left if index not in deleted.deleted]
            continue
        for row in section.wrong():
            was = {header: value for header, value in section.written(row).items() if header in tab.places}
            key = section.text(row, tab.key)
            if not key and section.mark.number:
                # It cannot be told from others: what a later copy shows may be what an earlier write put there.
                was = {header: value for header, value in was.items() if not value}
            index = present.get(key) if key else _keyless(tab, section.cells(row), was, ours[tab.title], change.cells)
            if index is not None:
                # What the oldest copy shows is what was there before all of this.
                change.cells[index] = {**was, **change.cells.get(index, {})}
    for title, change in sets.items():
        change.cells = {i: _harmed(change.tab, i, cells) for i, cells in change.cells.items()}
        change.cells = {i: cells for i, cells in change.cells.items() if cells and i not in deletes[title].deleted}
    return plan


def _harmed(tab: Tab, index: int, cells: Mapping[str, Value | str]) -> dict[str, Value | str]:
    """Those of the cells that are not as they should be."""
    return {h: v for h, v in cells.items() if tab.text(index, h) != (v if isinstance(v, str) else to_text(v))}


def _undeleted(
    section: _Section, present: Mapping[str, int], *, newest: bool
) -> tuple[list[dict[str, Value]], list[int]]:
    """Rows that were deleted without being meant, to come back; and those that were meant and are still there, to go.

    A row without a key cannot be looked for; but the write after this one has brought it back already.
    """
    meant = {key for key in section.meant if key}
    gone = {row: section.text(row, section.mark.key) for row, key in enumerate(section.meant) if key is not None}
    back = [row for row, key in gone.items() if (key not in meant and key not in present if key else newest)]
    return [section.cells(row) for row in back], [present[key] for key in meant - set(gone.values()) if key in present]


def _keyless(
    tab: Tab, cells: Mapping[str, Value], was: Mapping[str, Value], ours: Collection[str], taken: Collection[int]
) -> int | None:
    """Where a row without a key (an owner's own, an empty one) stands: by its cells that nobody wrote to.

    Of several that are alike, it is one that was harmed. `ours` are the headers that were written to.
    """
    rest = {header: to_text(value) for header, value in cells.items() if header not in ours}
    for index in range(1, len(tab.rows)):
        now = {header: tab.text(index, header) for header in tab.places}
        as_it_was = all(text == rest.get(header, "") for header, text in now.items() if header not in ours)
        if index not in taken and not now[tab.key] and as_it_was and _harmed(tab, index, was):
            return index
    return None
