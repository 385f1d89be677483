"""What people approved goes out within minutes: a small flow on a schedule of its own, beside the day's.

It looks into the Drafts tab first, which is one call, and takes the ledger only where there is something to publish.
"""

import time
from datetime import UTC, datetime
from socket import gethostname
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from blocks.loading import load
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode
from flows.machine import note_machine
from flows.steps import Steps
from tasks.look import look
from tasks.open_ledger import kept, open_ledger
from tasks.publish import Terms, publish
from tasks.report import Day, render, write_report
from tasks.tell import tell


@flow(name="publish-approved", flow_run_name="publish what is approved", retries=0, validate_parameters=True)
def publish_approved(settings: str = f"pipeline-settings/{BLOCK_NAME}") -> State[Any]:
    """Publish the drafts whose status a person set to approved.

    Args:
        settings: The settings block, as slug/name.
    """
    began = time.monotonic()
    note_machine()
    saved = load(PipelineSettings, settings)
    now = datetime.now(ZoneInfo(saved.schedule_timezone))
    day = Day(str(flow_run.id), now.astimezone(UTC), publisher=saved.publisher, day=now.date())
    steps = Steps(day)
    if not saved.publisher:
        return Completed(message="No publisher is set up.")
    approved = steps.run(look, saved.ledger)
    if not approved:
        return _ended(day, "Nothing is approved.")
    with kept(saved.ledger):
        opened = steps.run(open_ledger, saved.ledger, f"publish-approved ({str(flow_run.id)[:8]}) on {gethostname()}")
        if opened is None:
            return _ended(day, "")
        if opened.held_by:
            return Completed(name="Skipped", message=f"Another run has the ledger: {opened.held_by}.")
        terms = Terms(PublishMode.APPROVE, saved.style, saved.daily_budget)
        day.published = steps.run(publish, saved.ledger, saved.publisher, terms, now.date())
        report = steps.run(write_report, saved.ledger, day, now, time.monotonic() - began)
    if report and saved.notify:
        steps.run(tell, saved.notify, report, render(report, now), None)
    if report and report.failed_steps:
        return Failed(message=f"Not everything that is approved is out: {', '.join(report.errors)[:500]}")
    return _ended(day, "What was approved is out.")


def _ended(day: Day, message: str) -> State[Any]:
    if day.failed:
        return Failed(message=", ".join(f"{name}: {why}" for name, why in day.failed.items())[:500])
    return Completed(message=message)
