"""The day: collect the links, keep each post once, say which matter, write the digest, publish, archive.

Every step reads from the ledger what it still has to do and writes back what it did. So a step that failed is
caught up by the next run, and a run may start anywhere. Prefect orders, retries, times and shows the steps.
"""

# Prefect loads this file by its path and reads the flow's annotations: they must be types, not strings.
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from blocks.loading import load, warm_up
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode
from blocks.records import Draft, DraftStatus, Layout, Style
from flows.steps import Steps
from tasks.analyze import analyze
from tasks.archive import archive, done_statuses
from tasks.dedupe import dedupe
from tasks.draft import draft
from tasks.fetch import fetch
from tasks.open_ledger import kept, open_ledger
from tasks.publish import Terms, publish
from tasks.rehearse import rehearse
from tasks.report import STEPS, Day, render, write_report
from tasks.tell import tell
from tasks.upload import upload

EMBEDDED_ANALYST = f"lexicon-analyst/{BLOCK_NAME}"


@dataclass(slots=True)
class Plan:
    """What a run works with: names of blocks and plain values, no secrets."""

    source: str
    ledger: str
    analyst: str
    publisher: str
    fetch_limit: int
    lookback_days: float
    publish_mode: PublishMode
    style: Style
    budget: float
    alert_after: int
    notify: str
    day: date
    run: str
    """Who asks for the ledger, in words for people."""

    @classmethod
    def of(cls, settings: PipelineSettings, day: date, run: str) -> "Plan":
        """What the settings say, for a day and a run."""
        return cls(
            source=settings.source,
            ledger=settings.ledger,
            analyst=settings.analyst,
            publisher=settings.publisher,
            fetch_limit=settings.fetch_limit,
            lookback_days=settings.lookback_days,
            publish_mode=settings.publish_mode,
            style=settings.style,
            budget=settings.daily_budget,
            alert_after=settings.alert_after_days,
            notify=settings.notify,
            day=day,
            run=run,
        )


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters or {}
    kind = "dry run" if parameters.get("dry_run") else "digest"
    return f"{kind} {parameters.get('day') or format(datetime.now(UTC), '%Y-%m-%d %H:%M')}"


@contextmanager
def _rehearsal(steps: Steps, plan: Plan, dry_run: bool) -> Iterator[None]:
    """For a dry run, a copy of the ledger and an outbox of its own, gone afterwards."""
    if not dry_run:
        yield
        return
    with TemporaryDirectory(prefix="daily-pipeline-") as folder:
        copy = steps.run(rehearse, plan.ledger, folder)
        plan.ledger = copy or f"sqlite-ledger:{folder}/empty.sqlite3"
        plan.publisher = f"outbox:{folder}/outbox" if plan.publisher else ""
        yield


def through_the_day(steps: Steps, plan: Plan, day: Day) -> None:
    """The seven steps. Each may fail; what it did not do, the next run finds in the ledger."""
    opened = steps.run(open_ledger, plan.ledger, plan.run)
    if opened is None:
        return
    if opened.held_by:
        day.held_by = opened.held_by
        return

    day.fetched = steps.run(fetch, plan.source, opened.bookmarks, plan.fetch_limit, plan.lookback_days)
    if day.fetched:
        day.fresh = steps.run(dedupe, plan.ledger, day.fetched.posts)
    else:
        steps.leave_out("nothing was fetched", "dedupe", "upload")
    if day.fetched and day.fresh:
        day.uploaded = steps.run(upload, plan.ledger, day.fresh, day.fetched.bookmarks)
    else:
        steps.leave_out("the posts were not compared with the ledger; the next run reads them again", "upload")

    if plan.analyst:
        day.analyzed = steps.run(analyze, plan.ledger, plan.analyst)
        writer = plan.analyst
        if day.analyzed is None and plan.analyst != EMBEDDED_ANALYST:
            writer = EMBEDDED_ANALYST
            day.analyzed = steps.run(analyze, plan.ledger, EMBEDDED_ANALYST)
        day.drafted = steps.run(draft, plan.ledger, writer, plan.day, plan.style)
    else:
        steps.leave_out("no analyst is set up", "analyze", "draft")

    if plan.publisher:
        terms = Terms(plan.publish_mode, plan.style, plan.budget, day.spent)
        day.published = steps.run(publish, plan.ledger, plan.publisher, terms, plan.day)
    else:
        steps.leave_out("no publisher is set up", "publish")

    done = done_statuses(has_analyst=bool(plan.analyst), has_publisher=bool(plan.publisher))
    day.archived = steps.run(archive, plan.ledger, done)


def _to_approve(plan: Plan, day: Day) -> Draft | None:
    """The draft of today that waits for a person, in the mode `approve`."""
    made = day.drafted.draft if day.drafted else None
    waits = made and made.status is DraftStatus.PROPOSED and plan.publish_mode is PublishMode.APPROVE
    return made if waits else None


def _final_state(failed: list[str], held_by: str) -> State[Any]:
    """A plain state name, because Prefect's automations match on names; the detail is in the message."""
    if held_by:
        return Completed(name="Skipped", message=f"Another run has the ledger: {held_by}.")
    if not failed:
        return Completed(message="All steps done.")
    if "ledger" in failed:
        return Failed(message="The ledger cannot be used: nothing was changed.")
    return Failed(message=f"{len(failed)} of {len(STEPS)} steps failed: {', '.join(failed)}")


@flow(name="daily-pipeline", flow_run_name=_run_name, retries=0, validate_parameters=True)
def daily_pipeline(
    day: date | None = None,
    dry_run: bool = False,
    source: str | None = None,
    ledger: str | None = None,
    analyst: str | None = None,
    publisher: str | None = None,
    fetch_limit: int | None = None,
    lookback_days: float | None = None,
    publish_mode: PublishMode | None = None,
    layout: Layout | None = None,
    settings: str = f"pipeline-settings/{BLOCK_NAME}",
) -> State[Any]:
    """Run the day once. A parameter that is left empty is as the settings say.

    Args:
        day: The digest's day; empty for today in the team's time zone.
        dry_run: Show what a run would do: nothing outside is changed.
        source: The block that messages come from, as slug/name.
        ledger: The block that holds the ledger, as slug/name.
        analyst: The block that analyses posts, as slug/name.
        publisher: The block that publishes the digest, as slug/name.
        fetch_limit: How many new messages of a channel to take; 0 for all.
        lookback_days: Messages this many days older than the last one read are read again.
        publish_mode: auto, approve or draft.
        layout: single, linked, thread or long.
        settings: The settings block, as slug/name.
    """
    began = time.monotonic()
    saved = load(PipelineSettings, settings)
    local_start = datetime.now(ZoneInfo(saved.schedule_timezone))
    plan = Plan.of(saved, day or local_start.date(), f"{flow_run.name} ({str(flow_run.id)[:8]}) on {gethostname()}")
    plan.source, plan.ledger = source or plan.source, ledger or plan.ledger
    plan.analyst = plan.analyst if analyst is None else analyst
    plan.publisher = plan.publisher if publisher is None else publisher
    plan.fetch_limit = plan.fetch_limit if fetch_limit is None else fetch_limit
    plan.lookback_days = plan.lookback_days if lookback_days is None else lookback_days
    plan.publish_mode = publish_mode or plan.publish_mode
    plan.style = replace(plan.style, layout=layout or plan.style.layout)
    result = Day(
        run_id=str(flow_run.id),
        started=local_start.astimezone(UTC),
        dry_run=dry_run,
        publisher=plan.publisher,
        alert_after=plan.alert_after if plan.publish_mode is not PublishMode.DRAFT else 0,
        day=plan.day,
    )
    steps = Steps(result)
    warm_up(plan.ledger, plan.source, plan.analyst, plan.publisher)
    with _rehearsal(steps, plan, dry_run), kept(plan.ledger):
        through_the_day(steps, plan, result)
        report = steps.run(write_report, plan.ledger, result, local_start, time.monotonic() - began)
    if report and plan.notify and not dry_run and not result.held_by:
        steps.run(tell, plan.notify, report, render(report, local_start), _to_approve(plan, result))
    failed = report.failed_steps if report else [*result.failed]
    return _final_state(failed, result.held_by)


if __name__ == "__main__":
    from flows.command_line import main

    raise SystemExit(main())
