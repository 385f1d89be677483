"""In a real browser: what people do in the UI, from the form to the picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import FlowRun
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.browser import PATIENCE, Person, chromium, person
from tests.prefect_server import wait_for
from tests.test_up import Place

pytestmark = pytest.mark.skipif(not chromium(), reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("up"))
    told = place.run("flows.up")
    assert told.returncode == 0, told.stdout + told.stderr
    with temporary_settings({PREFECT_API_URL: place.api}):
        yield place
    place.run("flows.up", "down")


@pytest.fixture
def client(up: Place) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def who(up: Place) -> Iterator[Person]:
    with person(up.api.removesuffix("/api")) as who:
        yield who


def by_hand(client: SyncPrefectClient) -> list[FlowRun]:
    """The runs that a person asked for: the schedules' stand there too."""
    return [run for run in client.read_flow_runs(limit=200) if not run.auto_scheduled]


def test_from_the_dashboard_to_the_picture(who: Person, client: SyncPrefectClient) -> None:
    who.open_dashboard()
    deployment = client.read_deployment_by_name("daily-pipeline/daily-pipeline")
    who.open_form(deployment.id)
    who.choose("Publish mode", "draft")
    who.choose("Layout", "thread")
    who.submit()
    wait_for(lambda: bool(by_hand(client)), 60, "the run from the form")
    (run,) = by_hand(client)
    changed = {name: run.parameters[name] for name in ("publish_mode", "layout", "dry_run")}
    assert changed == {"publish_mode": "draft", "layout": "thread", "dry_run": False}

    who.open_run(run.id)
    assert who.wait_until_over() == "Completed"
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    artifacts = {one.key: one.id for one in client.read_artifacts(artifact_filter=only)}
    report = who.read(artifacts["daily-report"], "The digest, as it will appear")
    assert "The digest, as it will appear" in report
    assert "Overall Status: ✅ SUCCESS" in report
    assert re.search(r"Generated daily draft \(\d items, \d posts", report), "a thread, as the form said"
    assert "Aave" in who.read(artifacts["projects"], "In the digest")
    assert who.width_of_picture(artifacts["thirty-days"]) > 300


def test_what_cannot_be_is_refused_with_words_on_the_page(who: Person, client: SyncPrefectClient) -> None:
    before = len(by_hand(client))
    who.open_form(client.read_deployment_by_name("daily-pipeline/daily-pipeline").id)
    who.add_channel("general")
    who.submit()
    expect(who.page.get_by_text("the id of a channel, all digits").first).to_be_visible(timeout=PATIENCE)
    assert len(by_hand(client)) == before


def test_a_block_is_made(who: Person, client: SyncPrefectClient, tmp_path: Path) -> None:
    who.make_outbox_block("second-outbox", str(tmp_path))
    made = client.read_block_document_by_name("second-outbox", "outbox")
    assert made.data == {"folder": str(tmp_path)}
