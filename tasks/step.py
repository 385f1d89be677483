"""What every step has in common: a name, a readable run name, retries for what may succeed, a timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from blocks.errors import PermanentError, UnclearError

P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS = [2.0, 10.0]
"""Seconds before the second and the third try."""


def may_succeed(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether another try makes sense: not where only a person can help, or where nobody knows what happened."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, PermanentError | UnclearError)


def step(
    name: str, *, run_name: str, timeout_seconds: float | None, retries: int = 2
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a step: a Prefect task with retries and a timeout, its name in the field's words.

    Args:
        name: the step's name in the report and the final state.
        run_name: how one run of it is called; may use the parameters, as in "publish to {publisher}".
        timeout_seconds: for each try; None: as long as it takes.
        retries: how often it is tried again after an error that may pass.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return task(
            name=name,
            task_run_name=run_name,
            retries=retries,
            retry_delay_seconds=RETRY_DELAYS[:retries],
            retry_condition_fn=may_succeed,
            timeout_seconds=timeout_seconds,
            # No tags: for each tag of a task Prefect asks its server for a place first, which takes 50 ms and can wait.
            # What was done is in the ledger. A cache would only be a second, wrong answer to that question.
            cache_policy=NO_CACHE,
            persist_result=False,
        )(function)

    return decorate


def say_what(done: str) -> None:
    """Name the run of the step that is under way by what it did, as "analyze 40 posts": it is known by then.

    Prefect takes the name from the run's last event, so that it costs no call. Outside a run it does nothing.
    """
    if context := TaskRunContext.get():
        context.task_run.name = done
