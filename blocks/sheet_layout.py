"""How the tabs of a new sheet look, and how an owner's sheet gets what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.sheet_book import Tab, rows_of

_WIDTHS = {
    "Content": 420,
    "Text": 420,
    "AI Summary": 320,
    "Errors": 320,
    "Note": 280,
    "Post Link": 220,
    "Author Link": 180,
    "Message Link": 220,
    "AI Keywords": 180,
    "Projects": 180,
    "AI Processed": 200,
    "Post IDs": 180,
    "Post ID": 160,
    "Link": 220,
    "Last Message ID": 160,
    "Channel ID": 160,
    "Started": 150,
    "Last Read": 150,
    "Archived At": 150,
}
"""Pixels. Columns that are not named keep the 100 of a new sheet."""


def _ids_apart(wanted: Mapping[str, Sequence[str]], taken: Sequence[int]) -> dict[str, int]:
    free = (number for number in range(7_001, 8_000) if number not in taken)
    return {title: next(free) for title in wanted}


def new_tabs(wanted: Mapping[str, Sequence[str]], *, hidden: str, taken: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Requests that make tabs with a bold header that stays in view, and rows that stay one line high.

    Args:
        wanted: the headers by title.
        hidden: the title of a tab that people need not see.
        taken: the ids of sheets that are there.
    """
    ids = _ids_apart(wanted, taken)
    requests: list[dict[str, Any]] = []
    for title, headers in wanted.items():
        sheet_id = ids[title]
        grid: dict[str, int] = {"rowCount": 1000, "columnCount": max(len(headers), 2)}
        properties: dict[str, Any] = {"sheetId": sheet_id, "title": title, "gridProperties": grid}
        if title == hidden:
            requests.append({"addSheet": {"properties": {**properties, "hidden": True}}})
            continue
        grid["frozenRowCount"] = 1
        requests.append({"addSheet": {"properties": properties}})
        requests.append(_header_cells(sheet_id, 0, headers))
        clip = {"userEnteredFormat": {"wrapStrategy": "CLIP", "verticalAlignment": "TOP"}}
        fields = "userEnteredFormat.wrapStrategy,userEnteredFormat.verticalAlignment"
        body = {"sheetId": sheet_id, "startRowIndex": 1}
        requests.append({"repeatCell": {"range": body, "cell": clip, "fields": fields}})
        requests += [_width(sheet_id, at, _WIDTHS[h]) for at, h in enumerate(headers) if h in _WIDTHS]
    return requests


def _header_cells(sheet_id: int, column: int, headers: Sequence[str]) -> dict[str, Any]:
    bold = {"textFormat": {"bold": True}}
    cells = [{"userEnteredValue": {"stringValue": header}, "userEnteredFormat": bold} for header in headers]
    start = {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": column}
    fields = "userEnteredValue,userEnteredFormat.textFormat.bold"
    return {"updateCells": {"start": start, "rows": [{"values": cells}], "fields": fields}}


def _width(sheet_id: int, column: int, pixels: int) -> dict[str, Any]:
    span = {"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": column, "endIndex": column + 1}
    properties = {"pixelSize": pixels}
    return {"updateDimensionProperties": {"range": span, "properties": properties, "fields": "pixelSize"}}


def missing_headers(sheet: Mapping[str, Any], headers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Requests that add the headers that a tab lacks, at the right of all that is in use.

    Args:
        sheet: the whole tab as it was read.
        headers: those that it must have.
    """
    properties = sheet["properties"]
    grid = properties.get("gridProperties", {})
    tab = Tab(properties["title"], properties["sheetId"], 0, 0, rows_of(sheet), "", headers)
    return add_headers(tab, int(grid.get("columnCount", 0)), tab.missing)


def add_headers(tab: Tab, column_count: int, headers: Sequence[str]) -> list[dict[str, Any]]:
    """Requests that write headers at the right of a tab's last column in use, and widen the grid if it must be."""
    if not headers:
        return []
    more = tab.width + len(headers) - column_count
    requests: list[dict[str, Any]] = []
    if more > 0:
        requests.append({"appendDimension": {"sheetId": tab.sheet_id, "dimension": "COLUMNS", "length": more}})
    return [*requests, _header_cells(tab.sheet_id, tab.width, headers)]
