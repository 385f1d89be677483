"""A Prefect server of a test's own, as a process: with its events, automations and workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

from flows.server import free_port, server_settings
from flows.up import answers


def wait_for(so: Callable[[], bool], seconds: float, what: str = "it") -> None:
    """Wait until something is so; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, f"{what} took too long"
        time.sleep(0.2)


@contextmanager
def prefect_server_process(folder: Path) -> Iterator[str]:
    """The address of its API. What it keeps is in the folder."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    home = folder / "prefect"
    home.mkdir()
    # Its own database: the one that is set here may be the other tests', with their deployments and blocks.
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{home}/prefect.db"}):
        env = os.environ | server_settings(api.removesuffix("/api")) | {"PREFECT_HOME": str(home)}
    env.pop("PREFECT_API_URL", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(api), 120, "Prefect's server")
        yield api
    finally:
        process.terminate()
        process.wait(30)
