"""A year's messages at once: by threads and by Dask, and over two workers of which one is killed on the way.

`python -m scripts.bench_backfill`, or with the address of a PostgreSQL database for Prefect's server:
`python -m scripts.bench_backfill --database postgresql+asyncpg://user:password@host/name`. Nothing here is a test: it
prints figures, and ends with 1 if a post is missing, stands there twice, or has no analysis.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil

ROOT = Path(__file__).parents[1]
POOL = "daily-pipeline"
CHANNELS = 50
PATIENCE = 3_600.0
"""Seconds that the runs of all channels may take."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(is_so: Callable[[], bool], what: str, seconds: float = 180, every: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"In {seconds:g} s: not {what}.")
        time.sleep(every)


# What is needed around it: exports, a database, Prefect's server


def write_exports(folder: Path, messages: int) -> set[str]:
    """One file for each channel. Gives the ids of all posts that are shared in them."""
    from scripts.make_export import write

    folder.mkdir()
    shared: set[str] = set()
    for number in range(CHANNELS):
        path = folder / f"{number:02}.json"
        write(path, 0, number, messages=messages // CHANNELS, channel=str(1000 + number), name=f"channel-{number:02}")
        with path.open(encoding="utf-8") as file:
            shared.update(found for line in file for found in re.findall(r"x\.com/\w+/status/(\d+)", line))
    return shared


def _binary(name: str) -> str | None:
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(beside[-1]) if beside else None)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own in a folder that is gone afterwards; empty if it is not installed."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    if not (initdb and pg_ctl):
        yield ""
        return
    # It refuses to work for root.
    other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder, port = Path(tempfile.mkdtemp(prefix="bench-pg-")), free_port()
    try:
        if other:
            shutil.chown(folder, "postgres")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        data = str(folder / "data")
        subprocess.run([*other, initdb, "-D", data, "-U", "prefect", "-A", "trust", "-E", "UTF8"], check=True, **quiet)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        command = [*other, pg_ctl, "-D", data, "-w", "-o", options, "-l", str(folder / "log")]
        subprocess.run([*command, "start"], check=True, **quiet)
        try:
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*command, "-m", "immediate", "stop"], check=False, **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prefect_server(home: Path, database: str) -> Iterator[dict[str, str]]:
    """A Prefect server on a database, empty for SQLite; gives the environment of those that work with it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT),
    }
    theirs = env | ({"PREFECT_API_DATABASE_CONNECTION_URL": database} if database else {})
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home.parent / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=theirs, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: _answers(url), "a Prefect server")
        yield env | {"PREFECT_API_URL": url}
    finally:
        _kill_all([psutil.Process(server.pid)])
        server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _kill_all(parents: Sequence[psutil.Process]) -> None:
    """SIGKILL, to processes that we started and to theirs."""
    family = [child for parent in parents if parent.is_running() for child in [*parent.children(True), parent]]
    for process in family:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


# What must be so


@dataclass(frozen=True)
class Found:
    """What a ledger holds of what was shared."""

    posts: int
    missing: int
    twice: int
    without_analysis: int
    foreign: int

    @property
    def is_right(self) -> bool:
        return not (self.missing or self.twice or self.without_analysis or self.foreign)

    def __str__(self) -> str:
        wrong = f"{self.missing} missing, {self.twice} twice, {self.without_analysis} without analysis"
        return f"{self.posts:,} posts, {wrong}, {self.foreign} foreign"


def look_into(ledger: Path, shared: set[str]) -> Found:
    with sqlite3.connect(ledger) as db:
        rows = [
            row for tab in ("Posts", "Archive") for row in db.execute(f'SELECT "Post ID", "AI Processed" FROM "{tab}"')
        ]
    db.close()
    count = Counter(post_id for post_id, _ in rows)
    return Found(
        len(rows),
        len(shared - count.keys()),
        sum(number > 1 for number in count.values()),
        sum(not processed for _, processed in rows),
        len(count.keys() - shared),
    )


# One process, by threads and by Dask

_RUN = """
import json, time
if __name__ == "__main__":
    began = time.perf_counter()
    from flows.backfill import backfill
    loaded = time.perf_counter()
    state = backfill(return_state=True, **{parameters!r})
    print(json.dumps(dict(load=loaded - began, run=time.perf_counter() - loaded, state=state.name)))
"""


def one_process(folder: Path, env: dict[str, str], parameters: dict[str, Any]) -> dict[str, Any]:
    """A backfill in a process of its own. `peak` is the most memory that it and its processes had, in MB."""
    script = folder / "run.py"  # A file: Dask's processes import what the first one ran.
    script.write_text(_RUN.format(parameters=parameters), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE, text=True) as run:
        peak, over = [0.0], threading.Event()
        watch = threading.Thread(target=_watch, args=(psutil.Process(run.pid), peak, over))
        watch.start()
        out, _ = run.communicate()
        over.set()
        watch.join()
    if run.returncode:
        raise SystemExit("A backfill ended with an error: see above.")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result | {"peak": peak[0]}


def _watch(process: psutil.Process, peak: list[float], over: threading.Event) -> None:
    while not over.wait(0.25):
        total = 0
        try:
            for member in [process, *process.children(True)]:
                total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        peak[0] = max(peak[0], total / 2**20)


def side_by_side(folder: Path, env: dict[str, str], shared: set[str], messages: int) -> bool:
    """All channels in one run, by threads and by Dask. Tells whether all was right."""
    what = f"{messages:,} messages in {CHANNELS} channels, one run"
    print(f"{what:<58}{'seconds':>8}{'messages/s':>12}{'peak':>10}{'load':>6}")
    right = True
    for runner in ("threads", "dask"):
        ledger = folder / f"{runner}.sqlite3"
        parameters = {
            "source": f"discord-export:{folder / 'exports'}",
            "ledger": f"sqlite-ledger:{ledger}",
            "runner": runner,
        }
        got = one_process(folder, env, parameters)
        found = look_into(ledger, shared)
        right &= found.is_right and got["state"] == "Completed"
        rate = messages / got["run"]
        figures = f"{got['run']:>8.1f}{rate:>12,.0f}{got['peak']:>7,.0f} MB{os.getloadavg()[0]:>6.1f}"
        print(f"  {runner:<56}{figures}   {found}", flush=True)
    return right


# Many runs on two workers, one of which is killed


@dataclass
class Crew:
    """The workers of one pool, and the runs that they are to do."""

    folder: Path
    env: dict[str, str]
    ledger: Path

    def prefect(self, *words: str) -> None:
        command = [sys.executable, "-m", "prefect", *words]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        words = ["worker", "start", "--pool", POOL, "--name", name, "--limit", "2"]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "prefect", *words], env=self.env, cwd=ROOT, stdout=log, stderr=log
            )

    def half_done(self) -> set[str]:
        """The channels that are being written: they have a mark, and not yet their own bookmark."""
        try:
            with sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=5) as db:
                ids = {row[0] for row in db.execute('SELECT "Channel ID" FROM "Channels"')}
            db.close()
        except sqlite3.OperationalError:
            return set()
        return {i.removeprefix("backfill ") for i in ids if i.startswith("backfill ")} - ids


def _run_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("PREFECT__FLOW_RUN_ID", ""))
    except psutil.Error:
        return ""


def two_workers(folder: Path, env: dict[str, str], shared: set[str], messages: int) -> bool:
    """A run for each channel over two workers. One worker is killed in the middle of a channel."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Crashed

    crew = Crew(folder, env, folder / "crew.sqlite3")
    crew.prefect("work-pool", "create", POOL, "--type", "process")
    crew.prefect("--no-prompt", "deploy", "--name", "backfill")
    common = {"source": f"discord-export:{folder / 'exports'}", "ledger": f"sqlite-ledger:{crew.ledger}", "chunk": 500}
    with (
        temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
        ExitStack() as after,
    ):
        deployment = client.read_deployment_by_name("backfill/backfill").id

        def start(channel: str) -> str:
            run = client.create_flow_run_from_deployment(deployment, parameters=common | {"channels": [channel]})
            return str(run.id)

        channel_of = {start(str(1000 + number)): str(1000 + number) for number in range(CHANNELS)}

        def states() -> dict[str, str]:
            asked = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(i) for i in channel_of]))
            runs = client.read_flow_runs(flow_run_filter=asked, limit=200)
            return {str(run.id): run.state_name or "" for run in runs}

        began = time.monotonic()
        workers = [psutil.Process(crew.worker(name).pid) for name in ("first", "second")]
        after.callback(lambda: _kill_all(workers))
        victims: set[str] = set()

        def in_the_middle() -> bool:
            of_first = {_run_of(child) for child in workers[0].children(True)} - {""}
            victims.clear()
            victims.update(of_first)
            there = {channel_of[run] for run in of_first if run in channel_of} & crew.half_done()
            return bool(there) and Counter(states().values())["Completed"] >= CHANNELS // 5

        eventually(in_the_middle, "a run in the middle of a channel", PATIENCE, every=0.02)
        came = look_into(crew.ledger, shared).posts
        half = crew.half_done()
        _kill_all(workers[:1])
        killed_at = time.monotonic() - began
        print(f"  the first worker and its {len(victims)} runs killed after {killed_at:.0f} s: {came:,} posts were in,")
        print(f"  {len(half)} channels in the middle", flush=True)

        def only_dead_are_left() -> bool:
            alive = {_run_of(child) for child in workers[1].children(True)}
            left = {i for i, name in states().items() if name not in ("Completed", "Failed", "Crashed")}
            return not alive - {""} and not {
                i for i, name in states().items() if i in left and name in ("Scheduled", "Late")
            }

        eventually(only_dead_are_left, "an end of the other runs", PATIENCE, every=2)
        left = sorted(i for i, name in states().items() if name != "Completed")
        print(f"  ended otherwise than well: {dict(Counter(states()[i] for i in left))}: started again", flush=True)
        for run in left:
            client.set_flow_run_state(UUID(run), Crashed(message="Its worker was killed."), force=True)
            channel_of[start(channel_of[run])] = channel_of[run]
        again = set(channel_of) - set(left)
        eventually(lambda: all(states()[i] == "Completed" for i in again), "an end of all", PATIENCE, every=2)
        seconds = time.monotonic() - began
    found = look_into(crew.ledger, shared)
    rate = messages / seconds
    what = f"{CHANNELS} runs, {len(left)} of them twice, on two workers"
    print(f"  {what:<56}{seconds:>8.1f}{rate:>12,.0f}{'':>10}{os.getloadavg()[0]:>6.1f}   {found}")
    return found.is_right and not crew.half_done()


def main() -> int:
    """Print the figures."""
    import prefect

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="of Prefect's server; empty: a PostgreSQL of our own")
    parser.add_argument("--without-workers", action="store_true", help="only by threads and by Dask, side by side")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, Prefect {prefect.__version__}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as name, ExitStack() as around:
        folder = Path(name)
        shared = write_exports(folder / "exports", options.messages)
        size = sum(file.stat().st_size for file in (folder / "exports").iterdir()) / 1e6
        print(f"{size:,.0f} MB of exports, {len(shared):,} different posts are shared in them")
        database = options.database or around.enter_context(postgres())
        kind = database.partition(":")[0].partition("+")[0] or "SQLite, since PostgreSQL is not installed"
        print(f"Prefect's server works on {kind}\n", flush=True)
        env = around.enter_context(prefect_server(folder / "prefect", database))
        right = side_by_side(folder, env, shared, options.messages)
        if not options.without_workers:
            print(f"\n{CHANNELS} channels, a run for each", flush=True)
            right &= two_workers(folder, env, shared, options.messages)
    print("\nEvery post once, with its analysis." if right else "\nNOT every post once, with its analysis.")
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
