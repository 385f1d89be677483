"""Stopping: whoever stops a run, and however, the ledger is whole, and the next run goes on. Nothing is posted twice.

Each stops at the worst moment: the digest is out on X, and the answer has not come yet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from blocks.google_sheet import GoogleSheet
from blocks.loading import save
from blocks.pipeline_settings import BLOCK_NAME
from flows import environment
from flows.machine import bury, command_of
from flows.up import POOL
from tests.prefect_server import prefect_server_process, wait_for
from tests.services.everything import Everything
from tests.services.server import Answer, Call, Work
from tests.test_services import MORE, NEWS, share

ROOT = Path(__file__).parents[1]
LOST_AFTER = 3
"""Seconds without a sign of life after which a run that was killed has lost the sheet. People have five minutes."""


class Team:
    """The five services, a Prefect server, and commands in a folder with an .env."""

    def __init__(self, folder: Path, api: str, services: Everything) -> None:
        self.services = services
        self.folder = folder
        self.is_out = threading.Event()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environ = inherited | {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(folder / "prefect"),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        settings = services.settings(folder, LOG_PATH=str(folder / "logs"))
        for block in environment.blocks_of(environment.read(folder / "none", settings)):
            if isinstance(block, GoogleSheet):
                block.lock_patience = LOST_AFTER
            save(block, BLOCK_NAME)
        services.x.plan("POST /2/tweets", self._late)

    def _late(self, _call: Call, work: Work) -> Answer:
        """The post is out; its answer takes a while."""
        answer = work()
        self.is_out.set()
        time.sleep(4)
        return answer

    def python(self, *arguments: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder or self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log: IO[bytes]
        with (self.folder / "process.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run_deployment(self) -> FlowRun:
        """Ask for a run, and wait until its digest is out on X, though it does not know yet."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("daily-pipeline/daily-pipeline")
            run = client.create_flow_run_from_deployment(deployment.id)
        assert self.is_out.wait(90), (self.folder / "process.log").read_text()[-3000:]
        return run

    def state_of(self, run: FlowRun) -> str:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run.id).state
        return str(state.name) if state else ""

    def traces_of(self, run: FlowRun) -> str:
        """By what a run can be found whose process is gone."""
        with get_client(sync_client=True) as client:
            now = client.read_flow_run(run.id)
        number = now.infrastructure_pid or "0"
        return f"{now.name}, {number}: {command_of(int(number))}, {now.labels}"

    def goes_on(self) -> None:
        """The next run finds out what is so, and writes it down. Then everything is done, once."""
        self.python("-m", "flows.daily_pipeline", "--manual")
        (digest,) = self.services.x.texts
        assert "Chainlink" in digest
        (drafted,) = self.services.book.rows("Drafts")
        assert (drafted["Status"], bool(drafted["Published IDs"])) == ("published", True)
        archived = [row["Post ID"] for row in self.services.book.rows("Archive")]
        assert len(archived) == len(set(archived)) == 2
        assert self.services.book.rows("Posts") == []


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        prefect_server_process(tmp_path_factory.mktemp("server")) as api,
        temporary_settings({PREFECT_API_URL: api}),
    ):
        yield api


@pytest.fixture
def team(api: str, tmp_path: Path) -> Iterator[Team]:
    with Everything() as services:
        services.discord.channel("222", "alpha")
        share(services, NEWS, 90)
        share(services, MORE, 80)
        yield Team(tmp_path, api, services)


@pytest.fixture(scope="module")
def _deployed(api: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {"PREFECT_API_URL": api}
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
    subprocess.run([sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=ROOT, env=env, check=True)


@pytest.fixture
def worker(team: Team, _deployed: None) -> Iterator[subprocess.Popen[bytes]]:
    process = team.start("-m", "prefect", "worker", "start", "--pool", POOL)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_sigterm_to_the_daemon_lets_the_run_finish(team: Team) -> None:
    daemon = team.start("-m", "flows.daily_pipeline", "--daemon")
    wait_for(lambda: b"Ctrl-C ends it" in (team.folder / "process.log").read_bytes(), 60, "the daemon")
    time.sleep(3)
    run = team.run_deployment()
    daemon.terminate()
    assert daemon.wait(90) == 0, (team.folder / "process.log").read_text()[-3000:]
    assert team.state_of(run) == "Completed"
    assert len(team.services.x.texts) == 1
    team.goes_on()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=lambda stop: stop.name)
def test_a_worker_that_is_stopped_leaves_a_day_that_the_next_run_ends(
    team: Team, worker: subprocess.Popen[bytes], stop: signal.Signals
) -> None:
    run = team.run_deployment()
    worker.send_signal(stop)
    worker.wait(90)
    time.sleep(LOST_AFTER + 5)
    team.goes_on()

    def is_over() -> bool:
        """What `make up` does; a process that lives still may end the run by itself."""
        bury()
        return team.state_of(run) != "Running"

    # A run that stays would keep the next runs of the deployment from starting.
    wait_for(is_over, 60, f"the end of {team.traces_of(run)}")


def test_cancel_in_the_ui_ends_the_run_and_the_next_goes_on(team: Team, worker: subprocess.Popen[bytes]) -> None:
    run = team.run_deployment()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
    wait_for(lambda: team.state_of(run) == "Cancelled", 90, "cancelling")
    time.sleep(LOST_AFTER + 5)
    team.goes_on()


def test_ctrl_c_in_a_terminal(team: Team) -> None:
    manual = team.start("-m", "flows.daily_pipeline", "--manual")
    assert team.is_out.wait(90)
    os.killpg(manual.pid, signal.SIGINT)
    assert manual.wait(60) == 130
    team.goes_on()
