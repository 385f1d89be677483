"""A spreadsheet as it was read: tabs, their headers and rows; and the requests that change it.

Columns are found by their header in the first row, never by position. Rows are known by their key. An index is
only good for the moment in which it was read: who writes by it must look afterwards (see `sheet_journal`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from blocks import columns
from blocks.columns import Row

T = TypeVar("T")

Value = dict[str, Any]
"""A cell's value as the API gives and takes it: one of stringValue, numberValue, boolValue, formulaValue."""

MAX_CELL = 50_000
"""What a cell takes, in UTF-16 code units."""

NUMBERS = frozenset({"Score", "Length", "Cost", "Seconds", *columns.RUNS[4:-2]})
"""Columns of numbers, so that people can sort and add them up. All others are text, ids above all."""

# Nothing else that Python takes for a number: a project may be called "Infinity", which is no JSON, or "007".
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,13})(?:\.\d{1,6})?", re.ASCII)
_AS_TEXT = {"numberFormat": {"type": "TEXT", "pattern": "@"}}


def to_text(value: Mapping[str, Any]) -> str:
    """A cell's value as text. A number too large to be exact shows it: nobody must take it for an id."""
    if "stringValue" in value:
        return str(value["stringValue"])
    number = value.get("numberValue")
    if isinstance(number, int | float):
        if abs(number) >= 1e15:
            return f"{number:.6E}"
        return str(int(number)) if float(number).is_integer() else repr(number)
    if "boolValue" in value:
        return str(value["boolValue"]).upper()
    return str(value.get("errorValue", {}).get("type", "")) if "errorValue" in value else ""


def _cut(text: str) -> str:
    if len(text) <= MAX_CELL // 2:
        return text
    return text.encode("utf-16-le", "replace")[: 2 * (MAX_CELL - 1)].decode("utf-16-le", "ignore")


def to_value(header: str, text: str) -> Value:
    """The value to write under a header. Text is never read as a formula, a number or a date."""
    if not text:
        return {}
    if header in NUMBERS and _NUMBER.fullmatch(text):
        return {"numberValue": float(text)}
    return {"stringValue": _cut(text)}


def cell(header: str, text: str) -> dict[str, Any]:
    """A new cell. Its format is text too: what a person types over an id later stays an id."""
    value = to_value(header, text)
    if "stringValue" in value:
        return {"userEnteredValue": value, "userEnteredFormat": _AS_TEXT}
    return {"userEnteredValue": value} if value else {}


def letters(column: int) -> str:
    """0 is "A", 26 is "AA"."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def quoted(title: str) -> str:
    """A tab's title as ranges write it."""
    return "'" + title.replace("'", "''") + "'"


@dataclass(slots=True)
class Tab:
    """A tab as it was read. `rows[0]` is the header; cells are values as the API gives them."""

    title: str
    sheet_id: int
    row_count: int
    column_count: int
    rows: list[list[Value]]
    key: str
    headers: tuple[str, ...]
    """The headers that are ours, in the order of the design."""

    places: dict[str, int] = field(default_factory=dict)
    """Every header of the first row, ours and the owner's, and its column."""

    unread: frozenset[int] = frozenset()
    """The rows of which only some columns were read, `glimpsed` (see `sheet_glance`)."""

    glimpsed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ours = {header.casefold(): header for header in self.headers}
        for column, value in enumerate(self.rows[0] if self.rows else ()):
            name = to_text(value).strip()
            if name:
                self.places.setdefault(ours.get(name.casefold(), name), column)

    @property
    def missing(self) -> list[str]:
        """Our headers that the tab does not have."""
        return [header for header in self.headers if header not in self.places]

    @property
    def width(self) -> int:
        """How many columns are in use."""
        return max((len(row) for row in self.rows), default=0)

    def text(self, index: int, header: str) -> str:
        """One cell as text."""
        assert index not in self.unread or header in self.glimpsed, f"{header} of this row was not read"
        row, column = self.rows[index], self.places.get(header, -1)
        return to_text(row[column]) if 0 <= column < len(row) else ""

    def row(self, index: int) -> Row:
        """A row under our headers."""
        assert index not in self.unread, "this row was not read whole"
        return {header: self.text(index, header) for header in self.headers}

    def cells(self, index: int) -> dict[str, Value]:
        """A row's values under every header, the owner's too. An error cannot be written: it becomes its name."""
        assert index not in self.unread, "this row was not read whole"
        row = self.rows[index]
        found = {header: row[column] for header, column in self.places.items() if column < len(row) and row[column]}
        return {h: {"stringValue": to_text(v)} if "errorValue" in v else v for h, v in found.items()}

    def keyed(self) -> dict[str, int]:
        """The rows that have a key, by key. Of two with one key the first counts."""
        found: dict[str, int] = {}
        for index in range(1, len(self.rows)):
            key = self.text(index, self.key)
            if key:
                found.setdefault(key, index)
        return found

    def note(self, changes: Mapping[int, Mapping[str, Value | str]]) -> None:
        """Take cells that were written into this reading."""
        for index, cells in changes.items():
            row = self.rows[index]
            for header, given in cells.items():
                row += [{} for _ in range(self.places[header] + 1 - len(row))]
                row[self.places[header]] = to_value(header, given) if isinstance(given, str) else given

    # Requests

    def append(self, rows: Iterable[Mapping[str, Value | str]]) -> list[dict[str, Any]]:
        """Requests that add rows after the last one with data."""
        made = []
        width = max(self.places.values(), default=-1) + 1
        for row in rows:
            cells: list[dict[str, Any]] = [{} for _ in range(width)]
            for header, value in row.items():
                as_cell = cell(header, value) if isinstance(value, str) else {"userEnteredValue": value}
                if header in self.places:
                    cells[self.places[header]] = as_cell
            made.append({"values": cells})
        if not made:
            return []
        fields = "userEnteredValue,userEnteredFormat.numberFormat"
        return [{"appendCells": {"sheetId": self.sheet_id, "rows": made, "fields": fields}}]

    def set(self, changes: Mapping[int, Mapping[str, Value | str]]) -> list[dict[str, Any]]:
        """Requests that write cells, by row index and header. Cells between ours are not touched."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for index in sorted(changes):
            alike.setdefault(tuple(sorted(changes[index], key=self.places.__getitem__)), []).append(index)
        return [
            self._update(rows, run, changes)
            for headers, indexes in alike.items()
            for run in _runs(headers, self.places.__getitem__)
            for rows in _runs(indexes, int)
        ]

    def _update(
        self, rows: Sequence[int], headers: Sequence[str], changes: Mapping[int, Mapping[str, Value | str]]
    ) -> dict[str, Any]:
        def value(index: int, header: str) -> Value:
            given = changes[index][header]
            return to_value(header, given) if isinstance(given, str) else given

        def written(index: int, header: str) -> dict[str, Any]:
            found = value(index, header)
            return {"userEnteredValue": found} if found else {}

        return {
            "updateCells": {
                "start": {"sheetId": self.sheet_id, "rowIndex": rows[0], "columnIndex": self.places[headers[0]]},
                "rows": [{"values": [written(i, h) for h in headers]} for i in rows],
                "fields": "userEnteredValue",
            }
        }

    def delete(self, indexes: Iterable[int]) -> list[dict[str, Any]]:
        """Requests that delete rows, the lowest first, so that the others keep their place until it is their turn."""
        wanted = sorted(set(indexes))
        if not wanted:
            return []
        requests: list[dict[str, Any]] = []
        # A sheet refuses to lose its last free row.
        if len(wanted) >= self.row_count - 2:
            requests.append({"appendDimension": {"sheetId": self.sheet_id, "dimension": "ROWS", "length": 100}})
        for rows in reversed(list(_runs(wanted, int))):
            span = {"sheetId": self.sheet_id, "dimension": "ROWS", "startIndex": rows[0], "endIndex": rows[-1] + 1}
            requests.append({"deleteDimension": {"range": span}})
        return requests


def _runs(items: Sequence[T], place: Callable[[T], int]) -> Iterator[list[T]]:
    """Items whose places follow each other without a gap, together."""
    for _, run in groupby(enumerate(items), lambda pair: place(pair[1]) - pair[0]):
        yield [item for _, item in run]


@dataclass(slots=True)
class Book:
    """The tabs of one reading, by the name that the design gives them."""

    tabs: dict[str, Tab]
    journal: Tab

    def __getitem__(self, name: str) -> Tab:
        return self.tabs[name]


def rows_of(sheet: Mapping[str, Any]) -> list[list[Value]]:
    """The cells of a tab's first range as the API gave them."""
    data = (sheet.get("data") or [{}])[0]
    rows = []
    for row in data.get("rowData") or []:
        cells = row.get("values") or []
        rows.append([c.get("effectiveValue") or {} for c in cells])
    while rows and not any(rows[-1]):
        rows.pop()
    return rows


def assembled(sheets: Sequence[Mapping[str, Any]]) -> list[list[Value]]:
    """A tab's rows, put together from several ranges of it."""
    grid: dict[int, dict[int, Value]] = {}
    for sheet in sheets:
        for data in sheet.get("data") or []:
            top, left = data.get("startRow", 0), data.get("startColumn", 0)
            for row_offset, row in enumerate(data.get("rowData") or []):
                cells = grid.setdefault(top + row_offset, {})
                for column_offset, cell in enumerate(row.get("values") or []):
                    cells[left + column_offset] = cell.get("effectiveValue") or {}
    rows = []
    for index in range(max(grid, default=-1) + 1):
        found = grid.get(index, {})
        rows.append([found.get(column, {}) for column in range(max(found, default=-1) + 1)])
    return rows
