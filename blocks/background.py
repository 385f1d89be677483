"""Work beside a run that the run does not wait for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread


def in_background(work: Callable[[], object], name: str) -> None:
    """Do it in a thread that never keeps the process alive. What goes wrong in it stays in it.

    A thread begins without the context that says where Prefect's server is. A client of Prefect's would make a server
    of its own in this process then, on the same database, and both would wait for each other's locks.
    """

    def quietly() -> None:
        with suppress(Exception):
            work()

    Thread(target=copy_context().run, args=(quietly,), daemon=True, name=name).start()
