"""Prefect's server on SQLite refuses nothing that it could do in a moment, and never stops for a minute."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from flows.prefect_database import PLUGIN, database_url


@asynccontextmanager
async def two_of(folder: Path) -> AsyncIterator[tuple[AsyncConnection, AsyncConnection]]:
    """Two connections to a database with one table."""
    url = f"sqlite+aiosqlite:///{folder}/prefect.db?plugin={PLUGIN}"
    engine = create_async_engine(url)
    async with engine.connect() as one, engine.connect() as two:
        await one.execute(text("PRAGMA journal_mode = WAL"))
        await one.execute(text("CREATE TABLE run (name TEXT)"))
        await one.commit()
        yield one, two
    await engine.dispose()


def _open_cursors() -> int:
    """Those that hold a statement: only they can wait for a lock when they end."""
    held = (one for one in gc.get_objects() if isinstance(one, sqlite3.Cursor))
    return sum(_is_open(one) for one in held)


def _is_open(cursor: sqlite3.Cursor) -> bool:
    with suppress(sqlite3.ProgrammingError):
        cursor.fetchone()
        return True
    return False


def test_a_refused_statement_leaves_no_open_cursor(tmp_path: Path) -> None:
    async def left() -> int:
        async with two_of(tmp_path) as (early, late):
            before = _open_cursors()
            # The later one has read what has changed since: it is refused at once.
            await late.exec_driver_sql("BEGIN")
            await late.execute(text("SELECT * FROM run"))
            await early.execute(text("INSERT INTO run VALUES ('early')"))
            await early.commit()
            with pytest.raises(OperationalError, match="locked"):
                await late.execute(text("INSERT INTO run VALUES ('late')"))
            await late.rollback()
            await early.execute(text("SELECT * FROM run"))
            await early.rollback()
            return _open_cursors() - before

    gc.disable()
    try:
        assert asyncio.run(left()) == 0
    finally:
        gc.enable()


def test_who_reads_and_then_writes_waits_for_its_turn(tmp_path: Path) -> None:
    """As Prefect begins a transaction that reads an automation's count, and then adds to it."""

    async def both() -> int:
        async with two_of(tmp_path) as (early, late):

            async def count(connection: AsyncConnection) -> None:
                await connection.exec_driver_sql("BEGIN DEFERRED")
                found = (await connection.execute(text("SELECT count(*) FROM run"))).scalar()
                await asyncio.sleep(0.2)
                await connection.execute(text(f"INSERT INTO run VALUES ('{found}')"))
                await connection.commit()

            await asyncio.gather(count(early), count(late))
            return len((await early.execute(text("SELECT DISTINCT name FROM run"))).all())

    assert asyncio.run(both()) == 2


def test_only_sqlite_gets_the_plugin() -> None:
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: "sqlite+aiosqlite:////somewhere/prefect.db"}):
        assert database_url() == f"sqlite+aiosqlite:////somewhere/prefect.db?plugin={PLUGIN}"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: "postgresql+asyncpg://prefect:word@db:5432/prefect"}):
        assert database_url() == "postgresql+asyncpg://prefect:word@db:5432/prefect"
