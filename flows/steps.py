"""One run's steps: each may fail, and the day goes on."""

from __future__ import annotations

from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.logging import get_run_logger

from blocks.errors import PipelineError, reason
from tasks.report import Day

P = ParamSpec("P")
R = TypeVar("R")


class Steps:
    """Runs steps and notes in the day which of them failed, and why."""

    def __init__(self, day: Day) -> None:
        self._day = day

    def run(self, step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """What the step returns, or None if it failed after its retries."""
        try:
            return step(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a step that fails never ends the day
            self._day.failed.setdefault(step.name, reason(error))
            if not isinstance(error, PipelineError):
                get_run_logger().debug("step %s", step.name, exc_info=True)
            return None

    def leave_out(self, why: str, *names: str) -> None:
        """Note that steps are not run, and why."""
        for name in names:
            self._day.left_out.setdefault(name, why)
