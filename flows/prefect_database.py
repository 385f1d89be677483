"""Prefect's SQLite database, patient: a plugin for SQLAlchemy, named in the database's address.

Two things go wrong there as soon as two things happen at once, as at the end of every run. Seen with Prefect 3.8.8,
SQLAlchemy 2.0.58 and aiosqlite 0.22.1:

- Prefect begins its transactions as DEFERRED. One that reads first and writes then is refused at once ("database is
  locked") if anybody has written in between, whatever SQLite's patience is. Its automations give an event up after four
  such refusals within a tenth of a second: that a run failed is then told to nobody, and a run that is over hangs in
  their eyes. Begun as IMMEDIATE they wait for their turn before they read.
- A statement that fails all the same leaves its cursor open in a cycle of frames. Python's collector may find it on the
  event loop's thread, while that connection's own thread waits for the lock again. To end the cursor the event loop
  waits for that thread, and the thread for a transaction that only the event loop could end: the whole server stands
  still until SQLite gives up after 60 seconds. Closed at once, on the thread of its connection, it harms nobody.
"""

from __future__ import annotations

import asyncio
import sqlite3
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiosqlite import Cursor
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine import CreateEnginePlugin, ExceptionContext, make_url

PLUGIN = "daily-pipeline-sqlite"
"""The plugin's name in an address, and its entry point's in pyproject.toml."""

Parameters = Mapping[str, Any] | Sequence[Any] | None
"""What goes with a statement, as SQLAlchemy hands it on."""


class PatientSqlite(CreateEnginePlugin):
    """Has transactions wait before they begin, and closes what a failed statement leaves behind."""

    def update_url(self, url: URL) -> URL:
        """Called by SQLAlchemy for an address with arguments of the plugin's own. There are none."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """Called by SQLAlchemy with each new engine."""
        event.listen(engine, "before_cursor_execute", _begin_at_once, retval=True)
        event.listen(engine, "handle_error", _close_cursors)


def _begin_at_once(
    _connection: Connection, _cursor: object, statement: str, parameters: Parameters, _context: object, _many: bool
) -> tuple[str, Parameters]:
    """Begin what may write as what will write. What only reads has no transaction of its own in Prefect."""
    return "BEGIN IMMEDIATE" if statement == "BEGIN DEFERRED" else statement, parameters


_closing: set[asyncio.Task[None]] = set()


def _close_cursors(context: ExceptionContext) -> None:
    """Close the cursors that stand in the error's frames. They are nowhere else to be had."""
    frames = (frame for frame, _ in traceback.walk_tb(context.original_exception.__traceback__))
    cursors = {value for frame in frames for value in frame.f_locals.values() if isinstance(value, Cursor)}
    for cursor in cursors:
        # Not waited for: a statement that was cancelled may go on for a minute in its thread.
        task = asyncio.get_running_loop().create_task(_close(cursor))
        _closing.add(task)
        task.add_done_callback(_closing.discard)


async def _close(cursor: Cursor) -> None:
    with suppress(ValueError, sqlite3.Error):  # Its connection was closed, and the cursor with it.
        await cursor.close()


def database_url() -> str:
    """The address of Prefect's database as it is configured, with the plugin if it is SQLite's. It holds a password."""
    url = make_url(str(PREFECT_API_DATABASE_CONNECTION_URL.value()))
    if url.get_backend_name() == "sqlite" and "plugin" not in url.query:
        url = url.update_query_dict({"plugin": PLUGIN})
    return url.render_as_string(hide_password=False)
