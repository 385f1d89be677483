"""`make up` and `make down`: all that a team needs on a server of its own, as `python -m flows.up` and `… down`.

Up starts what is not running yet and brings the rest up to date: a Prefect server, the blocks, the work pool, the
deployments, the automations, a worker. Down stops the worker and the server. What the server keeps stays. `work` is for
containers and services of systemd: all but the server, and the worker in the foreground.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import httpx

from flows.machine import bury, command_of
from flows.server import server_settings

HOME = Path("data/up")
"""Where the logs of server and worker are, and the numbers of their processes."""

SECONDS = 120
POOL = "daily-pipeline"
_WORKER = ("worker", "start", "--pool", POOL, "--type", "process")


class UpError(Exception):
    """Something could not be started. Its text says what, and where to look."""


def _address() -> str:
    """Where the server is, or shall be: PREFECT_API_URL, or this machine's usual port."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_HOST, PREFECT_SERVER_API_PORT

    given = PREFECT_API_URL.value()
    return str(given or f"http://{PREFECT_SERVER_API_HOST.value()}:{PREFECT_SERVER_API_PORT.value()}/api")


def answers(api: str) -> bool:
    """Whether a Prefect server answers there."""
    try:
        return httpx.get(f"{api}/health", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _process_file(name: str) -> Path:
    return HOME / f"{name}.pid"


def _running(name: str) -> int | None:
    """The number of a process that `up` started and that still runs; None if there is none.

    A number may have gone to another program since, after a restart of the machine: its command line says so.
    """
    try:
        number = int(_process_file(name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    command = command_of(number)
    return number if "prefect" in command and name in command else None


def _start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start one of Prefect's commands for good: it outlives this program and hears no Ctrl-C of its terminal."""
    HOME.mkdir(parents=True, exist_ok=True)
    log: TextIO
    with (HOME / f"{name}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | server_settings(_address().removesuffix("/api")),
            start_new_session=True,
        )
    _process_file(name).write_text(str(process.pid), encoding="ascii")
    return process


def _stop(name: str) -> str:
    """Stop a process as Ctrl-C would, and wait until it is gone. Gives what became of it."""
    number = _running(name)
    if number is None:
        _process_file(name).unlink(missing_ok=True)
        return "was not running"
    os.kill(number, signal.SIGINT)
    deadline = time.monotonic() + SECONDS
    while _running(name) and time.monotonic() < deadline:
        time.sleep(0.2)
    still = _running(name)
    if still:
        os.kill(still, signal.SIGKILL)
    _process_file(name).unlink(missing_ok=True)
    return f"killed: it did not end within {SECONDS} s" if still else "stopped"


def _serve(api: str) -> str:
    """Have a server at this address. Gives what was done, in words."""
    if answers(api):
        return "runs already"
    url = httpx.URL(api)
    if url.host not in ("127.0.0.1", "localhost"):
        raise UpError(f"No Prefect server answers at {api}: start it there, or unset PREFECT_API_URL.")
    server = _start("server", "server", "start", "--host", url.host, "--port", str(url.port or 4200))
    deadline = time.monotonic() + SECONDS
    while not answers(api):
        if server.poll() is not None or time.monotonic() > deadline:
            raise UpError(f"Prefect's server did not start: see {HOME / 'server.log'}.")
        time.sleep(0.3)
    return "started"


def _prefect(*arguments: str) -> None:
    """One of Prefect's commands, its talk kept back unless it fails."""
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise UpError(f"`prefect {' '.join(arguments)}` failed:\n{last}")


def _work() -> str:
    if _running("worker"):
        return "runs already"
    worker = _start("worker", *_WORKER)
    time.sleep(2)
    if worker.poll() is not None:
        raise UpError(f"The worker did not start: see {HOME / 'worker.log'}.")
    return "started"


def _told(what: str, done: str) -> None:
    print(f"  ✅ {what + ':':<13}{done}", flush=True)


def prepare(api: str) -> None:
    """Bring what the server keeps up to date: blocks, work pool, deployments, automations, runs that died.

    Raises:
        UpError, PipelineError: something is wrong with the settings, or the server refused it.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api}):
        from blocks.loading import load
        from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings
        from flows.automations import apply, automations, notifier
        from flows.setup import save_blocks

        saved = len(save_blocks())
        _told("blocks", f"{saved} saved from .env" if Path(".env").is_file() else f"{saved}, no .env: the sample")
        _prefect("--no-prompt", "work-pool", "create", POOL, "--type", "process", "--overwrite")
        _told("work pool", POOL)
        _prefect("--no-prompt", "deploy", "--all")
        settings = load(PipelineSettings, f"pipeline-settings/{BLOCK_NAME}")
        _told("deployments", f"daily at {settings.schedule_time} {settings.schedule_timezone}, and more: see the UI")
        wanted = automations(notifier(settings.notify))
        apply(wanted)
        quiet = "" if settings.notify else ", but nobody is told: set NOTIFY_WEBHOOK_URL"
        _told("automations", f"{len(wanted)}{quiet}")
        if dead := bury():
            _told("clean-up", f"{dead} marked as crashed whose process is gone: the next run goes on")


def up() -> None:
    """Have everything running, and say where.

    Raises:
        UpError, PipelineError: something is wrong with the settings, or could not be started.
    """
    from flows import environment

    environment.read()  # What is wrong with .env is said before anything starts.
    api = os.environ["PREFECT_API_URL"] = _address()
    _told("server", _serve(api))
    prepare(api)
    _told("worker", _work())
    print(f"""
The Prefect UI: {api.removesuffix("/api")}
  Deployments, daily-pipeline, Run, Quick run   starts a run now
  the same, Custom run                          with other parameters: try Dry run first
  Runs, the newest, Artifacts                   the report, the digest, what was left out
In a terminal:
  export PREFECT_API_URL={api}
  {Path(sys.executable).parent / "prefect"} deployment run daily-pipeline/daily-pipeline --watch
`make down` stops server and worker; logs are in {HOME}.""")


def work() -> None:
    """Bring everything up to date on a server that somebody else started, and become its worker.

    It is what a container or a service of systemd runs. It comes back only by an error.

    Raises:
        UpError, PipelineError: something is wrong with the settings, or no server answers.
    """
    from flows import environment

    environment.read()
    api = os.environ["PREFECT_API_URL"] = _address()
    deadline = time.monotonic() + SECONDS
    while not answers(api):
        if time.monotonic() > deadline:
            raise UpError(f"No Prefect server answers at {api}.")
        time.sleep(1)
    prepare(api)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *_WORKER])


def down() -> None:
    """Stop what `up` started. A run in progress ends where the ledger is whole; the next one goes on."""
    for name in ("worker", "server"):
        _told(name, _stop(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for: `up` (the default), `down` or `work`. Gives 0, or 2 if something is wrong."""
    from blocks.errors import PipelineError

    parser = argparse.ArgumentParser("flows.up", description="Everything that a team needs on a server of its own.")
    parser.add_argument("what", nargs="?", choices=("up", "down", "work"), default="up")
    # Started in the background, or by cron, it may have been told to ignore Ctrl-C. Server and worker would inherit
    # that, and `down` stops them so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        {"up": up, "down": down, "work": work}[parser.parse_args(arguments).what]()
    except (PipelineError, UpError) as error:
        for line in str(error).splitlines():
            print(f"  ❌ {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
