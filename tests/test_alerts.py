"""Automations on a real Prefect server: each of them fires, and the team reads why on its webhook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks import webhook
from blocks.errors import PermanentError
from flows.automations import Patience, apply, automations, notifier
from tests.prefect_server import prefect_server_process
from tests.services.webhook_server import WebhookServer

SOON = Patience(run=timedelta(seconds=10), heartbeat=timedelta(seconds=10), day=timedelta(seconds=12))

_FAILING = """
from prefect import tags
from flows.daily_pipeline import daily_pipeline
with tags("daily-pipeline"):
    daily_pipeline(source="discord-export:nowhere", ledger="sqlite-ledger:ledger.sqlite3", publisher="outbox:outbox",
                   day="2024-01-15", return_state=True)
"""
_ENDLESS = """
import time
from prefect import flow, tags
@flow(name="daily-pipeline", flow_run_name="an endless day")
def endless():
    print("running", flush=True)
    time.sleep(600)
with tags("daily-pipeline"):
    endless()
"""
_EVENTS = """
from datetime import UTC, date, datetime
from prefect.events.worker import EventsWorker
from blocks.records import RunReport
from tasks.announce import announce
from tasks.publish import Published
from tasks.report import Day
now = datetime.now(UTC)
held = ("2024-01-15: It would cost $0.200, @everyone",)
quiet = Published(held=held, quiet_since=date(2024, 1, 10))
day = Day("run", now, published=quiet, budget=0.1, day=date(2024, 1, 15), alert_after=3)
announce.fn(day, RunReport("run", now, status="SUCCESS", cost=0.05), "")
EventsWorker.drain_all(timeout=20)
"""


@dataclass
class Team:
    """A Prefect server of its own, and the webhook on which the team hears from it."""

    api: str
    folder: Path
    webhook: WebhookServer

    def start(self, code: str) -> subprocess.Popen[str]:
        env = os.environ | {"PREFECT_API_URL": self.api, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        env["PYTHONPATH"] = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.PIPE, text=True)

    @property
    def said(self) -> list[str]:
        return [str(call.data["content"]) for call in [*self.webhook.calls]]

    def hears(self, *words: str, within: float = 60) -> str:
        """The first message that holds all of these words."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for text in self.said:
                if all(word in text for word in words):
                    return text
            time.sleep(0.3)
        raise AssertionError(f"nobody said {words}, but {[text[:200] for text in self.said]}")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    listening = WebhookServer()
    listening.start()
    with prefect_server_process(folder) as api, temporary_settings({PREFECT_API_URL: api}):
        block = webhook.block_for(SecretStr(f"{listening.url}/api/webhooks/1/token"))
        assert block
        type(block).register_type_and_schema()
        block.save("team", overwrite=True)
        yield Team(api, folder, listening)
    listening.stop()


def test_each_of_them_fires_and_tells_the_team(team: Team) -> None:
    block = notifier("custom-webhook/team")
    apply(automations(block, SOON))
    endless = team.start(_ENDLESS)
    assert endless.stdout
    assert endless.stdout.readline() == "running\n"
    team.hears("an endless day is not over", "/runs/flow-run/")
    endless.send_signal(signal.SIGKILL)
    endless.communicate()
    died = team.hears("an endless day Crashed", "gave no sign of life")
    assert died.startswith("🔴 daily-pipeline: an endless day Crashed\n")

    assert team.start(_FAILING).wait(120) == 0
    failed = team.hears("2024-01-15 digest Failed")
    assert "1 of 7 steps failed: fetch" in failed
    assert "/runs/flow-run/" in failed
    assert "❌ Fetching failed" in failed, "the report is inside"
    assert len(failed) <= 2000, "as much as Discord takes"

    assert team.start(_EVENTS).wait(60) == 0
    spent = team.hears("the budget is spent", "$0.05 of $0.1")
    assert "It would cost $0.200" in spent
    assert "@everyone" not in spent
    team.hears("no digest has gone out for 5 days")
    team.hears("no run has begun")


def test_applied_again_nothing_doubles_and_what_was_switched_off_stays_off(team: Team) -> None:
    block = notifier("custom-webhook/team")
    with get_client(sync_client=True) as client:

        def shown() -> dict[str, bool]:
            return {one.name: one.enabled for one in client.read_automations()}

        apply(automations(block))
        first = shown()
        assert len(client.read_automations()) == len(first) == 6
        (off,) = client.read_automations_by_name("daily-pipeline: a run hangs")
        client.pause_automation(off.id)
        apply(automations(block))
        assert shown() == first | {off.name: False}
        apply(automations(None))
        assert [*shown()] == ["daily-pipeline: a run died"], "without a block nobody is told, but the dead are found"


def test_a_notifier_that_is_not_there_is_said(team: Team) -> None:
    assert notifier("") is None
    with pytest.raises(PermanentError, match="There is no block slack-webhook/team to notify by"):
        notifier("slack-webhook/team")
