"""A run in the place of a process: its steps without Prefect's engine, its end, and what it forgets."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import requests.sessions
from cryptography.hazmat.primitives import serialization
from prefect import Task
from prefect.blocks.core import Block
from prefect.states import Failed

from blocks import sheet_client, sheet_desk
from blocks.errors import PipelineError, reason
from flows.steps import Steps
from scripts.year_world import Weather
from tasks import report as report_step
from tasks.report import Day

P = ParamSpec("P")
R = TypeVar("R")


class CrashedError(BaseException):
    """The process is gone. What it still does on its way out, no call of it comes through."""


class InProcess(Steps):
    """Steps as Prefect's engine runs them: with retries, their condition and their delays."""

    def __init__(self, day: Day, weather: Weather, unexpected: list[str]) -> None:
        super().__init__(day)
        self._weather, self._unexpected = weather, unexpected

    def run(self, step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        delays = [*step.retry_delay_seconds, None] if isinstance(step.retry_delay_seconds, list) else [None]
        for delay in delays:
            try:
                result = step.fn(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - as the engine does
                problem = error
            else:
                self._look()
                return result
            self._look()
            if not isinstance(problem, PipelineError):
                self._unexpected.append(f"{step.name}: {reason(problem)}")
            may = step.retry_condition_fn
            if delay is None or (may and not may(step, None, Failed(data=problem))):  # type: ignore[arg-type]
                break
            time.sleep(delay)
        self._day.failed.setdefault(step.name, reason(problem))
        return None

    def _look(self) -> None:
        if self._weather.dead:
            raise CrashedError


def _from(blocks: dict[str, Block]) -> Callable[[type[Block], str], Block]:
    """What `Block.load` does, of these blocks by slug/name."""
    return lambda kind, name: blocks[name if kind is Block else f"{kind.get_block_type_slug()}/{name}"].model_copy()


@contextmanager
def without_prefect(blocks: dict[str, Block]) -> Iterator[None]:
    """Blocks come from memory, and reports go nowhere but into the ledger."""
    quiet = logging.getLogger("year")
    with ExitStack() as stack:
        stack.enter_context(patch.object(Block, "load", classmethod(_from(blocks))))
        stack.enter_context(patch.object(report_step, "get_run_logger", lambda: quiet))
        # The same certificates and the same key, read again by every client: no outcome depends on them.
        stack.enter_context(patch.object(ssl, "create_default_context", cache(ssl.create_default_context)))
        # The environment's proxies, gathered again for every call: none stands before loopback.
        stack.enter_context(patch.object(requests.sessions, "get_environ_proxies", lambda *_, **__: {}))
        loaded = cache(serialization.load_pem_private_key)
        stack.enter_context(patch.object(serialization, "load_pem_private_key", loaded))
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, disabled)
        yield


def forget() -> None:
    """What a process knows ends with it."""
    sheet_desk.LEARNT.clear()
    for client in sheet_client._CONNECTED.values():
        client._http.session.close()
    sheet_client._CONNECTED.clear()
