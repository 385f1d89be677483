"""Open the ledger, for one run alone: the one thing without which a run changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from prefect.logging import get_logger

from blocks.errors import PermanentError, PipelineError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Bookmark
from tasks.step import step

PULSE = 100.0
"""Seconds between two signs of life while a run lasts."""

BRIEF = "backfill"
"""Runs whose name begins so have the ledger for moments, again and again: whoever asks meanwhile waits for them."""

FOR_BRIEF, FOR_OTHERS = 60.0, 1.0
"""Seconds that a day's run waits for one of those, and for another (who has it is noted a moment after the taking)."""

_LOG = get_logger("ledger")

_TURN = Lock()
"""For visits: to the ledger all threads of this process are one, so they come one after the other."""


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
    held_by = taken(book, run, lambda holder: FOR_BRIEF if holder.startswith(BRIEF) else FOR_OTHERS)
    return Opened(held_by=held_by) if held_by else Opened(book.open())


def taken(book: Ledger, run: str, patience: Callable[[str], float]) -> str:
    """Take the ledger for a run, waiting for the one that has it.

    Args:
        book: the ledger.
        run: who asks, in words for people.
        patience: how many seconds in all to wait for a holder, who is given in words.

    Returns:
        Empty if it is ours now; else who has it still.
    """
    began = time.monotonic()
    while held_by := book.take(run):
        waited = time.monotonic() - began
        left = patience(held_by) - waited
        if left <= 0:
            return held_by
        # The longer it takes, the rarer: a sheet counts calls. Not all at the same moments: fifty may wait.
        time.sleep(min(left, random.uniform(0.5, 1.5) * min(max(0.05, waited / 10), 15)))  # noqa: S311
    return ""


@contextmanager
def visit(ledger: str, run: str, patience: float) -> Iterator[tuple[Ledger, dict[str, Bookmark]]]:
    """Have the ledger for a moment, as one of many runs that share it; gives it, and its bookmarks by channel id.

    Args:
        ledger: the ledger's block, as slug/name.
        run: who asks, in words for people; it begins with `BRIEF`.
        patience: seconds to wait for others.

    Raises:
        PermanentError: it was not free in that time.
    """
    began = time.monotonic()
    if not _TURN.acquire(timeout=patience):
        raise PermanentError(_not_free(patience, "other channels of this run write"))
    try:
        book = load(Ledger, ledger)
        left = patience - (time.monotonic() - began)
        held_by = taken(book, run, lambda _: left)
        if held_by:
            raise PermanentError(_not_free(patience, held_by))
        with _alive(book, PULSE):
            yield book, book.open()
    finally:
        _TURN.release()


def _not_free(patience: float, held_by: str) -> str:
    return f"The ledger was not free for {patience:g} s ({held_by}): start it again, it goes on where it stopped."


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
    with _alive(book, pulse):
        yield


@contextmanager
def _alive(book: Ledger, pulse: float) -> Iterator[None]:
    """Give signs of life meanwhile, and leave at the end."""
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
