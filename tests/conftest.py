"""What the tests share: Prefect's own test server, asked for by name, and a folder with a ledger and an outbox."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from blocks.sqlite_ledger import SqliteLedger
from tests import exports

NOW = datetime(2024, 1, 15, 20, 0, tzinfo=UTC)


# Where tests run in the background Ctrl-C is ignored, and every program that they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--publish", action="store_true", help="let the live tests post on X, and delete it again")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server on an empty database. It takes 12 s to start: once a session, for those who ask."""
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@dataclass
class House:
    """A ledger, an outbox and a folder of exports of a test's own, and the flow that works on them."""

    folder: Path
    run_flow: Callable[..., State[Any]]

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(path=self.folder / "ledger.sqlite3")

    def share(self, messages: list[exports.Raw], file: str = "alpha.json", **more: str) -> None:
        exports.write(self.exports / file, messages, **more)

    def run(self, **parameters: Any) -> State[Any]:
        """One run of the flow. Anything else than the usual members is given by name."""
        usual: dict[str, Any] = {
            "source": f"discord-export:{self.exports}",
            "ledger": f"sqlite-ledger:{self.folder / 'ledger.sqlite3'}",
            "publisher": f"outbox:{self.outbox}",
            "day": "2024-01-15",
        }
        return self.run_flow(**usual | parameters, return_state=True)

    def rows(self, table: str) -> list[dict[str, str]]:
        """The whole table, as anybody would read it."""
        import sqlite3

        with sqlite3.connect(self.folder / "ledger.sqlite3") as db:
            db.row_factory = sqlite3.Row
            found = [dict(row) for row in db.execute(f'SELECT * FROM "{table}"')]
        db.close()
        return found

    def digests(self) -> dict[str, str]:
        return {file.name: file.read_text(encoding="utf-8") for file in sorted(self.outbox.glob("*"))}


@pytest.fixture
def house(tmp_path: Path, prefect_server: None) -> House:
    from flows.daily_pipeline import daily_pipeline

    return House(tmp_path, daily_pipeline)
