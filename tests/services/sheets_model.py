"""A spreadsheet in memory: tabs, cells, and what the Sheets API's requests do to them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Cell = dict[str, Any]
"""`userEnteredValue` (an ExtendedValue), and whatever formats it was given. Replaced, never changed in place, so that
tabs, batches and answers may share it."""

CELL_LIMIT = 10_000_000
TEXT_LIMIT = 50_000


class RefusedError(Exception):
    """A request that cannot be carried out: 400 INVALID_ARGUMENT."""


def column_index(letters: str) -> int:
    """ "A" is 0, "AA" is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def as_text(cell: Cell | None) -> str:
    """A cell as it is shown."""
    value = cell.get("userEnteredValue") if cell else None
    if not value:
        return ""
    if "numberValue" in value:
        number = value["numberValue"]
        return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else f"{number:.6G}"
    if "formulaValue" in value:
        return f"computed {value['formulaValue']}"
    if "boolValue" in value:
        return str(value["boolValue"]).upper()
    return str(value.get("stringValue", ""))


def effective(cell: Cell) -> dict[str, Any]:
    """The ExtendedValue after computing; formulas only pretend to be computed."""
    value: dict[str, Any] = cell.get("userEnteredValue", {})
    return {"stringValue": as_text(cell)} if "formulaValue" in value else value


def entered(text: object, option: str) -> Cell | None:
    """The cell that `values.update` makes of a value: RAW keeps it, USER_ENTERED reads it as if it were typed."""
    if text is None:
        return None
    if isinstance(text, bool):
        return {"userEnteredValue": {"boolValue": text}}
    if isinstance(text, int | float):
        return {"userEnteredValue": {"numberValue": text}}
    if option == "USER_ENTERED":
        if str(text).startswith(("=", "+")):
            return {"userEnteredValue": {"formulaValue": str(text)}}
        try:
            return {"userEnteredValue": {"numberValue": float(str(text))}}
        except ValueError:
            pass
    return {"userEnteredValue": {"stringValue": str(text)}} if text != "" else {}


@dataclass(slots=True)
class Tab:
    """One sheet: a grid of cells. Rows are as long as they need to be; what is beyond is empty."""

    id: int
    title: str
    rows: list[list[Cell | None]] = field(default_factory=list)
    row_count: int = 1000
    column_count: int = 26
    hidden: bool = False
    frozen: int = 0
    protected: bool = False

    def text(self) -> list[list[str]]:
        """The whole tab as people see it, without the empty rows at the end."""
        grid = [[as_text(cell) for cell in row] for row in self.rows]
        while grid and not any(grid[-1]):
            grid.pop()
        return grid

    def last_row(self) -> int:
        """How many rows there are up to the last one with data."""
        return next((i + 1 for i in range(len(self.rows) - 1, -1, -1) if any(map(as_text, self.rows[i]))), 0)

    def row(self, index: int) -> list[Cell | None]:
        """The row at an index, made if it is still empty."""
        while len(self.rows) <= index:
            self.rows.append([])
        return self.rows[index]

    def put(self, row_index: int, column: int, cell: Cell | None) -> None:
        """Set one cell."""
        row = self.row(row_index)
        while len(row) <= column:
            row.append(None)
        row[column] = cell

    # What a person does

    def insert_row(self, index: int, *values: str) -> None:
        """Insert a row above the one at `index`."""
        self.row(index)
        self.rows.insert(index, [entered(value, "RAW") for value in values])
        self.row_count += 1

    def delete_row(self, index: int) -> None:
        del self.rows[index]
        self.row_count -= 1

    def move_row(self, source: int, target: int) -> None:
        self.rows.insert(target, self.rows.pop(source))

    def sort(self, column: int, *, reverse: bool = False) -> None:
        """Sort all rows but the first."""
        last = self.last_row()
        body = self.rows[1:last]
        body.sort(key=lambda row: as_text(row[column]) if column < len(row) else "", reverse=reverse)
        self.rows[1:last] = body

    def type(self, row: int, column: int, text: str) -> None:
        """Type into a cell, as in the UI: formulas and numbers are read as such, unless it is formatted as text."""
        old = self.row(row)[column] if column < len(self.row(row)) else None
        plain = (old or {}).get("userEnteredFormat", {}).get("numberFormat", {}).get("type") == "TEXT"
        self.put(row, column, {**(old or {}), **(entered(text, "RAW" if plain else "USER_ENTERED") or {})})

    def insert_column(self, index: int, *values: str) -> None:
        for row_index, row in enumerate(self.rows):
            while len(row) < index:
                row.append(None)
            row.insert(index, entered(values[row_index], "RAW") if row_index < len(values) else None)
        self.column_count += 1

    # Properties

    def properties(self, index: int) -> dict[str, Any]:
        grid = {"rowCount": self.row_count, "columnCount": self.column_count}
        if self.frozen:
            grid["frozenRowCount"] = self.frozen
        found = {"sheetId": self.id, "title": self.title, "index": index, "sheetType": "GRID", "gridProperties": grid}
        return found | ({"hidden": True} if self.hidden else {})


@dataclass(slots=True)
class Spreadsheet:
    """The tabs, and the requests of `batchUpdate`."""

    id: str
    title: str = "Community links"
    tabs: list[Tab] = field(default_factory=lambda: [Tab(0, "Sheet1")])
    _touched: set[int] = field(default_factory=set)
    """The tabs that the batch under way works on copies of."""

    def tab(self, title: str) -> Tab:
        """The tab with this title."""
        return next(tab for tab in self.tabs if tab.title == title)

    def rows(self, title: str) -> list[dict[str, str]]:
        """A tab's rows under its headers, as people see them."""
        head, *body = self.tab(title).text() or [[]]
        return [dict(zip(head, row + [""] * (len(head) - len(row)), strict=False)) for row in body if any(row)]

    def batch_update(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Carry out the requests in order: all of them, or none."""
        if not requests:
            raise RefusedError("Must specify at least one request.")
        before, self.tabs = self.tabs, self.tabs[:]
        self._touched.clear()
        replies = []
        try:
            for at, request in enumerate(requests):
                ((kind, body),) = request.items()
                method = getattr(self, f"_{_snake(kind)}", None)
                if method is None:
                    raise RefusedError(f"Invalid requests[{at}].{kind}: not known to this test server.")
                try:
                    replies.append(method(body) or {})
                except RefusedError as error:
                    raise RefusedError(f"Invalid requests[{at}].{kind}: {error}") from error
            if sum(tab.row_count * tab.column_count for tab in self.tabs) > CELL_LIMIT:
                raise RefusedError(
                    "This action would increase the number of cells in the workbook above the limit of 10000000 cells."
                )
        except BaseException:
            self.tabs = before
            raise
        return replies

    def _by_id(self, sheet_id: int) -> Tab:
        """The tab that a request names, from its first request on a copy: a batch that is refused changed nothing."""
        for index, tab in enumerate(self.tabs):
            if tab.id == sheet_id:
                if sheet_id not in self._touched:
                    self._touched.add(sheet_id)
                    self.tabs[index] = replace(tab, rows=[row[:] for row in tab.rows])
                return self.tabs[index]
        raise RefusedError(f"No grid with id: {sheet_id}")

    def _add_sheet(self, body: dict[str, Any]) -> dict[str, Any]:
        properties = body.get("properties", {})
        title = properties.get("title", f"Sheet{len(self.tabs) + 1}")
        if any(tab.title.lower() == title.lower() for tab in self.tabs):
            raise RefusedError(f'A sheet with the name "{title}" already exists. Please enter another name.')
        sheet_id = properties.get("sheetId", random.randrange(1, 2**31))
        if any(tab.id == sheet_id for tab in self.tabs):
            raise RefusedError(f"A sheet with id {sheet_id} already exists.")
        tab = Tab(sheet_id, title)
        self.tabs.insert(properties.get("index", len(self.tabs)), tab)
        _set_properties(tab, properties)
        return {"addSheet": {"properties": tab.properties(len(self.tabs) - 1)}}

    def _delete_sheet(self, body: dict[str, Any]) -> None:
        tab = self._by_id(body["sheetId"])
        if len(self.tabs) == 1:
            raise RefusedError("You can't remove all the sheets in a document.")
        self.tabs.remove(tab)

    def _update_sheet_properties(self, body: dict[str, Any]) -> None:
        if not body.get("fields"):
            raise RefusedError("At least one field must be listed in 'fields'.")
        _set_properties(self._by_id(body["properties"]["sheetId"]), body["properties"])

    def _append_cells(self, body: dict[str, Any]) -> None:
        tab = self._by_id(body["sheetId"])
        start = tab.last_row()
        for offset, row in enumerate(body.get("rows", [])):
            for column, cell in enumerate(row.get("values", [])):
                if column >= tab.column_count:
                    tab.column_count = column + 1
                tab.put(start + offset, column, _checked(cell))
        tab.row_count = max(tab.row_count, start + len(body.get("rows", [])))

    def _update_cells(self, body: dict[str, Any]) -> None:
        rows = body.get("rows", [])
        if "start" in body:
            start = body["start"]
            tab = self._by_id(start.get("sheetId", 0))
            first, left = start.get("rowIndex", 0), start.get("columnIndex", 0)
            bottom, right = first + len(rows), left + max((len(r.get("values", [])) for r in rows), default=0)
        else:
            tab = self._by_id(body["range"].get("sheetId", 0))
            first, bottom, left, right = _bounds(body["range"], tab)
            for row in tab.rows[first:bottom]:
                for column in range(left, min(right, len(row))):
                    row[column] = _without(row[column], body["fields"])
        if bottom > tab.row_count or right > tab.column_count:
            raise RefusedError(f"Attempting to write past the grid: {tab.title}!{bottom}, {right}")
        for offset, row in enumerate(rows):
            for column, cell in enumerate(row.get("values", []), start=left):
                old = tab.row(first + offset)
                kept = _without(old[column] if column < len(old) else None, body["fields"])
                tab.put(first + offset, column, {**(kept or {}), **_checked(cell)})

    def _repeat_cell(self, body: dict[str, Any]) -> None:
        _bounds(body["range"], self._by_id(body["range"].get("sheetId", 0)))

    def _update_dimension_properties(self, body: dict[str, Any]) -> None:
        self._by_id(body["range"].get("sheetId", 0))

    def _copy_paste(self, body: dict[str, Any]) -> None:
        source_tab = self._by_id(body["source"].get("sheetId", 0))
        target_tab = self._by_id(body["destination"].get("sheetId", 0))
        top, bottom, left, right = _bounds(body["source"], source_tab)
        to_top, _, to_left, _ = _bounds(body["destination"], target_tab)
        if to_top + bottom - top > target_tab.row_count or to_left + right - left > target_tab.column_count:
            raise RefusedError("The paste would go past the grid.")
        block = [
            [row[c] if c < len(row) else None for c in range(left, right)]
            for row in (source_tab.rows[r] if r < len(source_tab.rows) else [] for r in range(top, bottom))
        ]
        for row_offset, cells in enumerate(block):
            for column_offset, cell in enumerate(cells):
                target_tab.put(to_top + row_offset, to_left + column_offset, cell)

    def _delete_dimension(self, body: dict[str, Any]) -> None:
        span = body["range"]
        tab = self._by_id(span.get("sheetId", 0))
        start = span.get("startIndex", 0)
        if span.get("dimension") == "COLUMNS":
            end = span.get("endIndex", tab.column_count)
            for row in tab.rows:
                del row[start:end]
            tab.column_count -= end - start
            return
        end = span.get("endIndex", tab.row_count)
        if end > tab.row_count:
            raise RefusedError("Cannot delete a row that doesn't exist.")
        if end - start >= tab.row_count - tab.frozen:
            raise RefusedError("You can't delete all the rows on the sheet.")
        del tab.rows[start:end]
        tab.row_count -= end - start

    def _insert_dimension(self, body: dict[str, Any]) -> None:
        span = body["range"]
        tab = self._by_id(span.get("sheetId", 0))
        for _ in range(span["endIndex"] - span["startIndex"]):
            tab.insert_row(span["startIndex"])

    def _append_dimension(self, body: dict[str, Any]) -> None:
        tab = self._by_id(body["sheetId"])
        if body["dimension"] == "COLUMNS":
            tab.column_count += body["length"]
        else:
            tab.row_count += body["length"]

    def _delete_named_range(self, body: dict[str, Any]) -> None:
        raise RefusedError(f"No named range with id: {body.get('namedRangeId')}")


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), name)


def _set_properties(tab: Tab, properties: dict[str, Any]) -> None:
    grid = properties.get("gridProperties", {})
    tab.row_count = grid.get("rowCount", tab.row_count)
    tab.column_count = grid.get("columnCount", tab.column_count)
    tab.frozen = grid.get("frozenRowCount", tab.frozen)
    tab.hidden = properties.get("hidden", tab.hidden)
    del tab.rows[tab.row_count :]
    for row in tab.rows:
        del row[tab.column_count :]


def _checked(cell: Cell) -> Cell:
    value = cell.get("userEnteredValue", {})
    if len(value) > 1:
        raise RefusedError("oneof field 'value' is already set.")
    if "errorValue" in value:
        raise RefusedError("Invalid value: error_value is read-only.")
    if len(str(value.get("stringValue", "")).encode("utf-16-le")) // 2 > TEXT_LIMIT:
        raise RefusedError("Your input contains more than the maximum of 50000 characters in a single cell.")
    return cell


def _without(cell: Cell | None, fields: str) -> Cell | None:
    """The cell without what a field mask names."""
    if cell is None or fields == "*":
        return None
    named = {name.split(".")[0].strip() for name in fields.split(",")}
    return {key: value for key, value in cell.items() if key not in named}


def _bounds(span: dict[str, Any], tab: Tab) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of a GridRange."""
    top, bottom = span.get("startRowIndex", 0), span.get("endRowIndex", tab.row_count)
    left, right = span.get("startColumnIndex", 0), span.get("endColumnIndex", tab.column_count)
    if top > bottom or left > right:
        raise RefusedError("GridRange: the start index must not be after the end index.")
    return top, bottom, left, right
