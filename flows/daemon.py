"""The daemon: one process that runs the pipeline on its schedule until it is interrupted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.errors import PermanentError
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings
from flows.daily_pipeline import daily_pipeline

SERVER_START = 120
"""Seconds that Prefect's server may take to start: a new database is made then."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _server() -> Iterator[str]:
    """A Prefect server of the daemon's own, where none is configured: only a server keeps a schedule."""
    if PREFECT_API_URL.value():
        yield str(PREFECT_API_URL.value())
        return
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    # In a session of its own: Ctrl-C is for the daemon, which lets a run in progress finish first.
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            _wait_for(address, server)
            yield f"{address}/api"
        finally:
            server.terminate()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{address}/api/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise PermanentError("Prefect's server did not start: see `prefect server start` for the reason.")


def serve(settings: PipelineSettings) -> int:
    """Serve the schedule until interrupted. A run in progress is let finish."""
    with _server() as api, temporary_settings({PREFECT_API_URL: api}):
        os.environ["PREFECT_API_URL"] = api  # For the process of each run.
        print(f"Prefect's UI: {api.removesuffix('/api')}")
        print(f"Next runs: daily at {settings.schedule_time} {settings.schedule_timezone}. Ctrl-C ends it.")
        try:
            daily_pipeline.serve(
                name=BLOCK_NAME,
                schedule=Cron(settings.cron, timezone=settings.schedule_timezone),
                pause_on_shutdown=False,
                limit=1,
                print_starting_message=False,
            )
        except BaseExceptionGroup as group:  # An impatient second Ctrl-C, in the middle of ending.
            if group.subgroup(KeyboardInterrupt) is None:
                raise
            raise KeyboardInterrupt from None
    return 0
