"""The test servers behave as the services do, asked by the real client libraries. All else rests on this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gspread
import pytest
from gspread.exceptions import APIError

from blocks.sheet_client import GOOGLE, _http
from tests.services.sheets_model import Spreadsheet
from tests.services.sheets_server import SheetsServer


@pytest.fixture
def sheets() -> Iterator[SheetsServer]:
    with SheetsServer() as server:
        server.share("book")
        yield server


@pytest.fixture
def book(sheets: SheetsServer) -> Spreadsheet:
    return sheets.spreadsheets["book"]


@pytest.fixture
def client(sheets: SheetsServer) -> Any:
    return _http(sheets.key_file, sheets.url, 10)


def append(client: Any, *values: str, option: str = "RAW") -> None:
    client.values_append("book", "Sheet1", {"valueInputOption": option}, {"values": [list(values)]})


def test_append_guesses_the_table_and_writes_into_a_gap(client: Any, book: Spreadsheet) -> None:
    for row in (["a", "b"], ["1", "2"], [], ["x", "y"], ["z", "z"]):
        book.tabs[0].insert_row(book.tabs[0].last_row() + (not row), *row)
    book.tabs[0].rows[:] = [[{"userEnteredValue": {"stringValue": t}} for t in r] for r in (["a"], ["1"], [], ["x"])]
    append(client, "new")
    assert [row[0] if row else "" for row in book.tabs[0].text()] == ["a", "1", "new", "x"]


def test_what_is_entered_as_by_a_user_is_read_as_formula_or_number(client: Any, book: Spreadsheet) -> None:
    append(client, "=HYPERLINK(1)", "1745012345678901234", option="USER_ENTERED")
    append(client, "=HYPERLINK(1)", "1745012345678901234")
    typed, raw = book.tabs[0].rows[:2]
    assert typed[0] == {"userEnteredValue": {"formulaValue": "=HYPERLINK(1)"}}
    assert book.tabs[0].text()[0][1] != "1745012345678901234", "a long id is rounded"
    assert [cell and cell["userEnteredValue"] for cell in raw] == [
        {"stringValue": "=HYPERLINK(1)"},
        {"stringValue": "1745012345678901234"},
    ]


def test_a_batch_is_all_or_nothing(client: Any, book: Spreadsheet) -> None:
    cell = {"userEnteredValue": {"stringValue": "x"}}
    good = {"appendCells": {"sheetId": 0, "rows": [{"values": [cell]}], "fields": "*"}}
    bad = {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 5000, "endIndex": 5001}}}
    with pytest.raises(APIError, match=r"requests\[1\]"):
        client.batch_update("book", {"requests": [good, bad]})
    assert book.tabs[0].text() == []
    client.batch_update("book", {"requests": [good]})
    assert book.tabs[0].text() == [["x"]]


def test_the_last_free_row_of_a_sheet_stays(client: Any, book: Spreadsheet) -> None:
    everything = {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1000}}
    with pytest.raises(APIError, match="delete all the rows"):
        client.batch_update("book", {"requests": [{"deleteDimension": everything}]})


def test_the_quota_counts_reads_and_writes_by_the_minute(sheets: SheetsServer, client: Any) -> None:
    sheets.reads_per_minute = 3
    for _ in range(3):
        client.fetch_sheet_metadata("book")
    with pytest.raises(APIError) as caught:
        client.fetch_sheet_metadata("book")
    assert caught.value.code == 429
    assert caught.value.error["status"] == "RESOURCE_EXHAUSTED"
    append(client, "a write has a count of its own")


def test_gspread_itself_works_with_it(sheets: SheetsServer) -> None:
    http = _http(sheets.key_file, sheets.url, 10)

    def same(*_: object, **__: object) -> Any:
        return http

    book = gspread.Client(auth=http.session.credentials, http_client=same).open_by_key("book")  # type: ignore[arg-type]
    worksheet = book.worksheet("Sheet1")
    worksheet.append_rows([["Name", "Number"], ["zero", "0012"]], value_input_option="RAW")  # type: ignore[arg-type]
    assert worksheet.get_all_values() == [["Name", "Number"], ["zero", "0012"]]
    assert GOOGLE not in sheets.url
