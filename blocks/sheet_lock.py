"""One run at a time on a spreadsheet: a hidden tab that only one can make.

A sheet refuses a second tab of the same title, and carries out a batch whole or not at all. So the run that makes
the tab has the sheet. The tab's id is chosen at random and tells this holder from all others: every write of the
run begins with a sign of life in that very tab, and is refused whole once another run took over. A run that died
gives no sign; after a while the next one deletes the tab, by its id, and makes its own in one batch.

Times are those of Google's answers: machines whose clocks differ judge alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from blocks.columns import stamp, unstamp
from blocks.errors import PermanentError, TransientError
from blocks.sheet_book import quoted, rows_of, to_text
from blocks.sheet_client import ForbiddenError, MissingRangeError, MissingTabError, SheetClient
from blocks.text import one_line

TITLE = "daily-pipeline lock"
_HEADERS = ("Run", "Since", "Last sign of life")
_ROUNDS = 4
_WRONG_CLOCK = timedelta(seconds=30)


class TakenOverError(PermanentError):
    """The sheet is another run's now: nothing of this write was done."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who made the tab. `seen` is the last sign of life, None if a person wrote something else over it."""

    sheet_id: int
    run: str
    since: str
    seen: datetime | None

    def is_alive(self, now: datetime, patience: timedelta) -> bool:
        """A sign from the future is none: then the next run would wait for ever."""
        return self.seen is not None and abs(now - self.seen) <= patience


def _in_cells(sheet_id: int, row: int, column: int, rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    start = {"sheetId": sheet_id, "rowIndex": row, "columnIndex": column}
    cells = [{"values": [{"userEnteredValue": {"stringValue": text}} for text in texts]} for texts in rows]
    return {"updateCells": {"start": start, "rows": cells, "fields": "userEnteredValue"}}


class SheetLock:
    """The lock of one run on one spreadsheet. Once it is taken, all writes go through it."""

    def __init__(self, client: SheetClient, run: str) -> None:
        self.run = run
        self._client = client
        self._id = secrets.randbelow(2**30) + 2**30

    def take(self, patience: timedelta, ranges: Sequence[str] = ()) -> tuple[str, list[dict[str, Any]]]:
        """Make the tab, or find that another run has it.

        Args:
            patience: how long a run may give no sign of life.
            ranges: what to read in the same call.

        Returns:
            Who holds it and until when at the latest, empty if it is ours; and the cells of the ranges, if they came.
        """
        dead: list[dict[str, Any]] = []
        problem: PermanentError | None = None
        for _ in range(_ROUNDS):
            sign = self._client.now()
            try:
                shown = self._client.write([*dead, *self._made(sign)], ranges)
            except (ForbiddenError, MissingRangeError, MissingTabError):
                raise
            except PermanentError as error:
                problem = error
            else:
                if abs(self._client.now() - sign) > _WRONG_CLOCK:
                    self.stay()
                return "", shown
            holder = self._holder()
            if holder and holder.sheet_id == self._id:
                self.stay()
                return "", []  # Made by an earlier try that got no answer.
            if holder and holder.is_alive(self._client.now(), patience):
                return _told(holder, patience), []
            dead = _deleted(holder.sheet_id) if holder else []
        raise problem or TransientError("The sheet's lock cannot be had: the next try looks again.")

    def write(self, requests: Sequence[Mapping[str, Any]], ranges: Sequence[str] = ()) -> list[dict[str, Any]]:
        """As the client's, with a sign of life.

        Raises:
            TakenOverError: the lock is not this run's any more.
        """
        try:
            return self._client.write([self._sign(self._client.now()), *requests], ranges)
        except ForbiddenError:
            raise
        except PermanentError:
            if self._is_ours():
                raise
        raise TakenOverError(
            "Another run took the ledger over, or its lock was deleted: this run changes nothing more."
        )

    def stay(self) -> None:
        """Give a sign of life."""
        self.write([])

    def release(self) -> list[dict[str, Any]]:
        """Requests that let the next run in."""
        return _deleted(self._id)

    def _made(self, now: datetime) -> list[dict[str, Any]]:
        grid = {"rowCount": 2, "columnCount": len(_HEADERS)}
        properties = {"sheetId": self._id, "title": TITLE, "hidden": True, "gridProperties": grid}
        rows = [_HEADERS, (self.run, stamp(now), stamp(now))]
        return [{"addSheet": {"properties": properties}}, _in_cells(self._id, 0, 0, rows)]

    def _sign(self, now: datetime) -> dict[str, Any]:
        return _in_cells(self._id, 1, 2, [[stamp(now)]])

    def _is_ours(self) -> bool:
        return any(sheet["properties"].get("sheetId") == self._id for sheet in self._client.read([]))

    def _holder(self) -> Holder | None:
        try:
            sheet = self._client.read([quoted(TITLE)])[0]
        except MissingTabError:
            return None
        rows = rows_of(sheet)
        texts = [to_text(cell) for cell in rows[1]] if len(rows) > 1 else []
        run, since, sign = [*texts, "", "", ""][:3]
        try:
            seen = unstamp(sign)
        except ValueError:
            seen = None
        return Holder(int(sheet["properties"].get("sheetId", 0)), one_line(run, 120), one_line(since, 30), seen)


def _deleted(sheet_id: int) -> list[dict[str, Any]]:
    return [{"deleteSheet": {"sheetId": sheet_id}}]


def _told(holder: Holder, patience: timedelta) -> str:
    until = stamp(holder.seen + patience) if holder.seen else "the next try"
    return f"{holder.run} works on it since {holder.since}; if it is dead, it gives way at {until}"
