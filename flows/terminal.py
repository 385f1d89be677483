"""What a person at a terminal sees while a run works: short lines, at most 80 columns wide."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 80
_DONE = "Finished in state Completed("


class ShortLines(logging.Formatter):
    """The time, the step and what happened. Nothing is changed in what Prefect's server is sent."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if "\n" in message and "===" in message:  # The report: it has its own lines, and its own width.
            return message.strip("\n")
        step = getattr(record, "task_run_name", None)
        first = message.strip().split("\n")[0]
        if first.startswith(_DONE):
            first = "done" if step else f"Run {first.removeprefix('Finished in state ')}"
        text = f"{step}: {first}" if step else first
        clock = self.formatTime(record, "%H:%M:%S")
        return textwrap.fill(text, WIDTH, initial_indent=f"{clock}  ", subsequent_indent=" " * 10)


class _NoServerTalk(logging.Filter):
    """Leaves out where Prefect's temporary server lives (it is gone with the run) and its last housekeeping."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return "temporary server" not in message and "Still processing items" not in message


@contextmanager
def logging_to_terminal(level: str) -> Iterator[None]:
    """Prefect's logging at a level (DEBUG, INFO, WARNING, ERROR); but at DEBUG, in short lines."""
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

    # A run must not wait for, or complain about, statistics that Prefect would like to send.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)  # For the processes that a daemon starts.
    with temporary_settings({PREFECT_LOGGING_LEVEL: level}):
        setup_logging(incremental=False)
        if level != "DEBUG":
            for handler in logging.getLogger().handlers + logging.getLogger("prefect").handlers:
                if hasattr(handler, "console"):  # Prefect's console handler, on the root logger in 3.8.
                    handler.setFormatter(ShortLines())
                    handler.addFilter(_NoServerTalk())
        yield
