"""The pictures of the UI in README and docs: `python -m scripts.screenshots`. They are of the real program.

The five services run on loopback with a week of messages, everything is brought up as `make up` does it, and a person
in a headless Chromium does what people do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.export_source import SAMPLE
from tests.browser import Person, person
from tests.services.everything import Everything
from tests.services.webhook_server import WebhookServer
from tests.test_up import Place

DAYS = 6


def started(client: SyncPrefectClient, deployment: UUID, **parameters: Any) -> UUID:
    """Ask for a run, and wait until it is over."""
    run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        state = client.read_flow_run(run.id).state
        if state and state.is_final():
            print(f"  {parameters.get('day', '')} {state.name}: {state.message}")
            return run.id
        time.sleep(1)
    raise TimeoutError("a run took too long")


def artifact(client: SyncPrefectClient, run: UUID, key: str) -> UUID:
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    return next(one.id for one in client.read_artifacts(artifact_filter=only) if one.key == key)


def take(who: Person, client: SyncPrefectClient, folder: Path) -> None:
    """All pictures."""
    deployment = client.read_deployment_by_name("daily-pipeline/daily-pipeline").id
    today = datetime.now(UTC).date()
    for back in range(DAYS, 0, -1):
        started(client, deployment, day=str(today - timedelta(days=back)), fetch_limit=12 + 9 * (back % 3))
    run = started(client, deployment, day=str(today), fetch_limit=0)
    who.see_on_dashboard(f"{DAYS + 1} total")
    who.picture(folder / "dashboard.png")
    who.open_form(deployment)
    who.switch_on("Dry run")
    who.choose("Layout", "thread")
    who.picture(folder / "form.png")
    who.open_run(run)
    who.picture(folder / "run.png")
    who.read(artifact(client, run, "daily-report"), "The run")
    who.picture(folder / "report.png")
    who.width_of_picture(artifact(client, run, "thirty-days"))
    who.picture(folder / "thirty-days.png")
    who.open_automations()
    who.picture(folder / "automations.png")
    block = next(one for one in client.read_block_documents() if one.block_type_name == "Pipeline Settings")
    who._open(f"/blocks/block/{block.id}", "daily-pipeline")
    who.picture(folder / "block.png")


def main() -> int:
    """Take them into docs/screenshots, or into the folder that is named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not subprocess.run(["fc-list", ":lang=und-zsye"], capture_output=True, check=False).stdout:
        print("The report's ✅ would be boxes: install a font with emoji (on Debian fonts-noto-color-emoji).")
        return 1
    everything = Everything()
    for file in sorted(SAMPLE.glob("*.json")):
        everything.discord.load_export(file, ends=datetime.now(UTC))
    with tempfile.TemporaryDirectory() as name, everything, WebhookServer() as team:
        place = Place(Path(name))
        settings = everything.settings(place.folder, NOTIFY_WEBHOOK_URL=f"{team.url}/api/webhooks/1/token")
        (place.folder / ".env").write_text("\n".join(f"{key}={value}" for key, value in settings.items()))
        try:
            print(place.run("flows.up").stdout)
            with (
                temporary_settings({PREFECT_API_URL: place.api}),
                get_client(sync_client=True) as client,
                person(place.api.removesuffix("/api")) as who,
            ):
                take(who, client, folder)
        finally:
            place.run("flows.up", "down")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
