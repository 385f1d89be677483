"""A log file a day, beside what Prefect keeps: for people who look at the machine and not at the UI."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from prefect.logging import get_logger

KEPT = 7
"""How many days' files stay."""

_PREFIX = "daily-pipeline-"


class DailyFile(logging.Handler):
    """Writes each record to the file of its day. Several processes may write: nothing is renamed under them.

    A file's name is its day, on the machine's clock: `daily-pipeline-2024-01-15.log`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._day = ""
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(said)s", "%Y-%m-%dT%H:%M:%S%z"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A disk that is full costs the line, and no run."""
        step = getattr(record, "task_run_name", None)
        run = getattr(record, "flow_run_name", None)
        record.said = ": ".join(filter(None, (run, step, record.getMessage())))
        with suppress(OSError):
            day = f"{datetime.fromtimestamp(record.created).astimezone():%Y-%m-%d}"
            if day != self._day:
                self._day = day
                self._tidy()
            with (self._folder / f"{_PREFIX}{day}.log").open("a", encoding="utf-8", errors="replace") as file:
                file.write(self.format(record) + "\n")

    def _tidy(self) -> None:
        """Make the folder, and remove the files of all but the last days."""
        self._folder.mkdir(parents=True, exist_ok=True)
        days = sorted(self._folder.glob(f"{_PREFIX}????-??-??.log"))
        old = [file for file in days if file.name < f"{_PREFIX}{self._day}.log"]
        for file in old[: max(0, len(old) - (KEPT - 1))]:
            file.unlink(missing_ok=True)


@contextmanager
def keeping_logs(folder: str, level: str) -> Iterator[None]:
    """Write what Prefect's loggers say meanwhile to the day's file.

    Only Prefect's: the lines of HTTP libraries hold addresses, and an address may be a secret.

    Args:
        folder: where the files are; it is made if it is missing. Empty: no file is written.
        level: DEBUG, INFO, WARNING or ERROR.
    """
    if not folder:
        yield
        return
    handler = DailyFile(Path(folder))
    handler.setLevel(level)
    logger = get_logger()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
