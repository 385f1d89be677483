"""Open the ledger, for one run alone: the one thing without which a run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

from prefect.logging import get_logger

from blocks.errors import PermanentError, PipelineError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Bookmark
from tasks.step import step

PULSE = 100.0
"""Seconds between two signs of life while a run lasts."""

_LOG = get_logger("ledger")


@dataclass(frozen=True, slots=True)
class Opened:
    """The bookmarks by channel id; or, where another run has the ledger, who that is."""

    bookmarks: dict[str, Bookmark] = field(default_factory=dict)
    held_by: str = ""


@step("ledger", run_name="open {ledger}", timeout_seconds=120)
def open_ledger(ledger: str, run: str) -> Opened:
    """Take the ledger for this run, make the tabs that are missing, and return the bookmarks.

    Args:
        ledger: the ledger's block, as slug/name.
        run: who asks, in words for people. No two runs have the same.

    Raises:
        PipelineError: it cannot be read and written.
    """
    book = load(Ledger, ledger)
    held_by = book.take(run)
    return Opened(held_by=held_by) if held_by else Opened(book.open())


@contextmanager
def kept(ledger: str, pulse: float = PULSE) -> Iterator[None]:
    """Keep the ledger while this lasts, and let the next run in afterwards, however it ends.

    Args:
        ledger: the ledger's block, as slug/name, that `open_ledger` takes.
        pulse: seconds between two signs of life.
    """
    try:
        book = load(Ledger, ledger)
    except PipelineError:
        yield  # `open_ledger` says why it cannot be had.
        return
    over = Event()
    Thread(target=give_signs, args=(book, over, pulse), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        _leave(book)


def give_signs(book: Ledger, over: Event, pulse: float) -> None:
    """Give a sign of life every `pulse` seconds until it is over, or the ledger is another run's."""
    while not over.wait(pulse):
        try:
            book.stay()
        except PermanentError as error:
            if not over.is_set():
                _LOG.warning("%s", reason(error))
            return
        except PipelineError as error:
            _LOG.debug("no sign of life could be given: %s", reason(error))


def _leave(book: Ledger) -> None:
    try:
        book.leave()
    except PipelineError as error:
        _LOG.warning("The ledger could not be left, and gives way by itself: %s", reason(error))
