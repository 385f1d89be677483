"""One run's steps: each may fail, and the day goes on."""

from __future__ import annotations

import time
from datetime import date
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.logging import get_run_logger
from prefect.utilities.annotations import quote

from blocks.errors import PipelineError, reason
from tasks.report import Day

# Prefect looks through everything that it hands to a task for futures and states, thousands of posts too.
# There are none in our records: a quoted argument is handed over as it is.
_PLAIN = (str, int, float, bool, date, type(None))

P = ParamSpec("P")
R = TypeVar("R")


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error came of a Ctrl-C: one between two steps becomes an error of Prefect's own on the way."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


class Steps:
    """Runs steps and notes in the day which of them failed, and why."""

    def __init__(self, day: Day) -> None:
        self._day = day

    def run(self, step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """What the step returns, or None if it failed after its retries."""
        given: Any = [arg if isinstance(arg, _PLAIN) else quote(arg) for arg in args]
        began = time.monotonic()
        try:
            return step(*given, **kwargs)
        except Exception as error:  # A step that fails never ends the day.
            if was_interrupted(error):
                raise KeyboardInterrupt from error
            self._day.failed.setdefault(step.name, reason(error))
            if not isinstance(error, PipelineError):
                get_run_logger().debug("step %s", step.name, exc_info=True)
            return None
        finally:
            self._day.seconds[step.name] = time.monotonic() - began

    def aside(self, step: Task[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run a step that only shows what was done: if it fails, the log says so, and the day is no worse for it."""
        given: Any = [arg if isinstance(arg, _PLAIN) else quote(arg) for arg in args]
        try:
            step(*given, **kwargs)
        except Exception as error:
            if was_interrupted(error):
                raise KeyboardInterrupt from error
            get_run_logger().warning("%s: %s", step.name, reason(error))

    def leave_out(self, why: str, *names: str) -> None:
        """Note that steps are not run, and why."""
        for name in names:
            self._day.left_out.setdefault(name, why)
