"""`make up` and `make down`: twice gives the same, a run goes through, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.machine import command_of
from flows.server import free_port
from flows.up import answers
from tests.prefect_server import wait_for

ROOT = Path(__file__).parents[1]


class Place:
    """A folder that looks like the project's, with a home and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("flows", "tasks", "blocks", "prefect.yaml"):
            (folder / name).symlink_to(ROOT / name)
        port = free_port()
        self.api = f"http://127.0.0.1:{port}/api"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environ = inherited | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_API_PORT": str(port),
            "PYTHONPATH": str(folder),
        }

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A program of ours, started as by `nohup` or cron: told to ignore Ctrl-C."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )

    def numbers(self) -> list[int]:
        return [int(file.read_text()) for file in sorted((self.folder / "data" / "up").glob("*.pid"))]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.run("flows.up", "down")


def kept(api: str) -> dict[str, set[str]]:
    """What the server holds, by kind."""
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        return {
            "blocks": {f"{one.block_type_name}/{one.name}" for one in client.read_block_documents()},
            "pools": {one.name for one in client.read_work_pools()},
            "deployments": {f"{one.name}: {len(one.schedules)}" for one in client.read_deployments()},
            "automations": {one.name for one in client.read_automations()},
        }


def scheduled(api: str) -> int:
    """How many runs the server has planned by the schedules."""
    planned = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}})
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        return sum(run.auto_scheduled for run in client.read_flow_runs(flow_run_filter=planned))


def test_up_twice_a_run_and_down(place: Place) -> None:
    (place.folder / ".env").write_text("NOTIFY_WEBHOOK_URL=http://127.0.0.1:9/api/webhooks/1/token\n")
    first = place.run("flows.up")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "❌" not in first.stdout
    assert f"The Prefect UI: {place.api.removesuffix('/api')}" in first.stdout
    there, numbers = kept(place.api), place.numbers()
    assert there["pools"] == {"daily-pipeline"}
    names = {
        one["name"]: len(one.get("schedules", []))
        for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    }
    assert there["deployments"] == {f"{name}: {count}" for name, count in names.items()}
    assert len(there["automations"]) == 6

    wait_for(lambda: scheduled(place.api) > 0, 90, "a run by the schedule")

    again = place.run("flows.up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("runs already") == 2
    assert (kept(place.api), place.numbers()) == (there, numbers)

    ran = place.run(
        "prefect", "deployment", "run", "daily-pipeline/daily-pipeline", "--param", "dry_run=true", "--watch",
        PREFECT_API_URL=place.api,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    refused = place.run(
        "prefect", "deployment", "run", "daily-pipeline/daily-pipeline", "--param", "layout=weekly",
        PREFECT_API_URL=place.api,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "weekly" in refused.stdout + refused.stderr

    down = place.run("flows.up", "down")
    assert down.stdout.count("stopped") == 2
    assert not answers(place.api)
    assert not any(command_of(number) for number in numbers)
    assert place.numbers() == []
    assert place.run("flows.up", "down").stdout.count("was not running") == 2


def test_what_is_wrong_is_said_before_anything_starts(place: Place) -> None:
    wrong = place.run("flows.up", SCHEDULE_TIME="noon")
    assert wrong.returncode == 2
    assert "❌ SCHEDULE_TIME must be a time of day in 24 hours, as 20:00." in wrong.stderr
    assert not (place.folder / "data").exists()
    elsewhere = place.run("flows.up", PREFECT_API_URL="http://prefect.invalid:4200/api")
    assert elsewhere.returncode == 2
    assert "No Prefect server answers at http://prefect.invalid:4200/api" in elsewhere.stderr


def test_a_number_that_went_to_another_program_is_left_alone(place: Place) -> None:
    home = place.folder / "data" / "up"
    home.mkdir(parents=True)
    (home / "worker.pid").write_text(str(os.getpid()))
    (home / "server.pid").write_text("not a number")
    assert place.run("flows.up", "down").stdout.count("was not running") == 2
