"""Announce: what a run did, as events that automations and other programs listen for.

| event | when | payload |
|---|---|---|
| `daily-pipeline.run.reported` | a run is over | status, counts, cost in US dollars, seconds, failed steps |
| `daily-pipeline.budget.spent` | the day's budget is spent, or keeps a draft back | cost, budget, what is held back |
| `daily-pipeline.silent` | no digest has gone out for too long | days |

The report itself goes to the run as a label, where the alert of a failed run finds it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.runtime import flow_run

from blocks.analyst import OVER_BUDGET
from blocks.records import RunReport
from blocks.webhook import fenced, harmless
from tasks.report import Day
from tasks.step import step

REPORTED = "daily-pipeline.run.reported"
BUDGET_SPENT = "daily-pipeline.budget.spent"
SILENT = "daily-pipeline.silent"

REPORT_LABEL = "daily-pipeline.report"
"""The label of a flow run that holds its report, as a notification may show it."""

MAX_REPORT = 1_500
"""Discord takes 2,000 characters in a message, and the alert has words of its own."""


def budget_spent(day: Day, report: RunReport) -> dict[str, Any] | None:
    """What to say of a budget that is spent, or that keeps something back; None while there is some left."""
    held = [*day.published.held] if day.published else []
    held += [line for line in day.analyzed.unanalyzed if OVER_BUDGET in line] if day.analyzed else []
    if not day.budget or not (held or report.cost >= day.budget - 1e-9):
        return None
    return {"cost": round(report.cost, 4), "budget": day.budget, "held": [harmless(line)[:300] for line in held]}


@step("announce", run_name="announce how it ended", timeout_seconds=60, retries=1)
def announce(day: Day, report: RunReport, text: str) -> None:
    """Emit the run's events, and leave its report where alerts find it.

    Args:
        day: what each step gave.
        report: the run's report.
        text: the same as people read it.
    """
    run_id = flow_run.id
    resource = {
        "prefect.resource.id": f"daily-pipeline.run.{run_id}",
        "prefect.resource.name": str(flow_run.name),
        "daily-pipeline.status": report.status,
        "daily-pipeline.day": str(day.day),
        "daily-pipeline.dry-run": str(day.dry_run).lower(),
    }
    told = {
        "status": report.status,
        "counts": report.counts,
        "cost": round(report.cost, 4),
        "seconds": round(report.seconds, 1),
        "failed_steps": report.failed_steps,
    }
    emit_event(REPORTED, resource=resource, payload=told)
    if not day.dry_run and (spent := budget_spent(day, report)):
        emit_event(BUDGET_SPENT, resource=resource, payload=spent)
    if not day.dry_run and day.silent_for:
        emit_event(SILENT, resource=resource, payload={"days": day.silent_for})
    failed = report.status in ("PARTIAL", "FAILED")
    if run_id and (failed or day.dry_run):
        with get_client(sync_client=True) as client:
            if day.dry_run:
                client.update_flow_run(UUID(str(run_id)), tags=[*flow_run.tags, "dry-run"])
            if failed:
                client.update_flow_run_labels(UUID(str(run_id)), {REPORT_LABEL: fenced(text, MAX_REPORT)})
