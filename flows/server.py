"""A Prefect server of our own, for commands in a terminal where none is configured."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.errors import PermanentError
from flows.prefect_database import database_url

SECONDS_TO_START = 120
"""How long the server may take: on a new database it makes the tables first."""


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_settings(address: str) -> dict[str, str]:
    """What a Prefect server's process must know that people reach at `address`, as http://127.0.0.1:4200."""
    return {
        # The page asks the server that it came from. Prefect's own default is port 4200, whatever the port is.
        "PREFECT_UI_API_URL": "/api",
        # For the links in alerts.
        "PREFECT_UI_URL": os.environ.get("PREFECT_UI_URL", address),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_DATABASE_CONNECTION_URL": database_url(),
    }


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/api/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise PermanentError("Prefect's server did not start: see `prefect server start` for the reason.")


@contextmanager
def prefect_server() -> Iterator[str]:
    """The address of the API: of the server that is configured, or of one that lives as long as this context.

    Prefect would start a temporary server by itself. But that one hears a Ctrl-C too and is gone before the run
    can say how it ended, which then takes minutes; ours is in a session of its own.
    """
    if PREFECT_API_URL.value():
        yield str(PREFECT_API_URL.value())
        return
    print("Starting Prefect. It takes 10 to 30 seconds ...", file=sys.stderr, flush=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | server_settings(address),
        start_new_session=True,
    ) as server:
        try:
            _wait_for(address, server)
            with temporary_settings({PREFECT_API_URL: f"{address}/api"}):
                os.environ["PREFECT_API_URL"] = f"{address}/api"  # For the process of each of a daemon's runs.
                yield f"{address}/api"
        finally:
            os.environ.pop("PREFECT_API_URL", None)
            # What is still on its way to the server would be tried again and again once it is gone.
            APILogWorker.drain_all(timeout=10)
            EventsWorker.drain_all(timeout=10)
            server.terminate()
