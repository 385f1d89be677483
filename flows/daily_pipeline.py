"""The day: collect the links, keep each post once, say which matter, write the digest, publish, archive.

Every step reads from the ledger what it still has to do and writes back what it did. So a step that failed is
caught up by the next run, and a run may start anywhere. Prefect orders, retries, times and shows the steps.
"""

# Prefect loads this file by its path and reads the flow's annotations: they must be types, not strings.
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from blocks.records import Draft, DraftStatus, Layout
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
    """What a run works with: the settings, with what its parameters say instead, and no secrets."""

    settings: PipelineSettings
    day: date
    run: str
    """Who asks for the ledger, in words for people."""

    def instead(self, **given: Any) -> None:
        """Take these fields instead of the settings', as far as they are not None."""
        self.settings = self.settings.model_copy(update={k: v for k, v in given.items() if v is not None})


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
        copy = steps.run(rehearse, plan.settings.ledger, folder)
        plan.instead(
            ledger=copy or f"sqlite-ledger:{folder}/empty.sqlite3",
            publisher=f"outbox:{folder}/outbox" if plan.settings.publisher else "",
        )
        yield


def through_the_day(steps: Steps, plan: Plan, day: Day) -> None:
    """The seven steps. Each may fail; what it did not do, the next run finds in the ledger."""
    use = plan.settings
    opened = steps.run(open_ledger, use.ledger, plan.run)
    if opened is None:
        return
    if opened.held_by:
        day.held_by = opened.held_by
        return

    day.fetched = steps.run(fetch, use.source, opened.bookmarks, use.fetch_limit, use.lookback_days)
    if day.fetched:
        day.fresh = steps.run(dedupe, use.ledger, day.fetched.posts)
    else:
        steps.leave_out("nothing was fetched", "dedupe", "upload")
    if day.fetched and day.fresh:
        day.uploaded = steps.run(upload, use.ledger, day.fresh, day.fetched.bookmarks)
    else:
        steps.leave_out("the posts were not compared with the ledger; the next run reads them again", "upload")

    if use.analyst:
        day.analyzed = steps.run(analyze, use.ledger, use.analyst)
        writer = use.analyst
        if day.analyzed is None and use.analyst != EMBEDDED_ANALYST:
            writer = EMBEDDED_ANALYST
            day.analyzed = steps.run(analyze, use.ledger, EMBEDDED_ANALYST)
        day.drafted = steps.run(draft, use.ledger, writer, plan.day, use.style)
    else:
        steps.leave_out("no analyst is set up", "analyze", "draft")

    if use.publisher:
        terms = Terms(use.publish_mode, use.style, use.daily_budget, day.spent)
        day.published = steps.run(publish, use.ledger, use.publisher, terms, plan.day)
    else:
        steps.leave_out("no publisher is set up", "publish")

    done = done_statuses(has_analyst=bool(use.analyst), has_publisher=bool(use.publisher))
    day.archived = steps.run(archive, use.ledger, done)


def _to_approve(plan: Plan, day: Day) -> Draft | None:
    """The draft of today that waits for a person, in the mode `approve`."""
    made = day.drafted.draft if day.drafted else None
    waits = made and made.status is DraftStatus.PROPOSED and plan.settings.publish_mode is PublishMode.APPROVE
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
    who = f"{flow_run.name} ({str(flow_run.id)[:8]}) on {gethostname()}"
    plan = Plan(saved, day or local_start.date(), who)
    plan.instead(
        source=source or None,
        ledger=ledger or None,
        analyst=analyst,
        publisher=publisher,
        fetch_limit=fetch_limit,
        lookback_days=lookback_days,
        publish_mode=publish_mode,
        layout=layout,
    )
    use = plan.settings
    result = Day(
        run_id=str(flow_run.id),
        started=local_start.astimezone(UTC),
        dry_run=dry_run,
        publisher=use.publisher,
        alert_after=use.alert_after_days if use.publish_mode is not PublishMode.DRAFT else 0,
        day=plan.day,
    )
    steps = Steps(result)
    warm_up(use.ledger, use.source, use.analyst, use.publisher)
    with _rehearsal(steps, plan, dry_run), kept(plan.settings.ledger):
        through_the_day(steps, plan, result)
        report = steps.run(write_report, plan.settings.ledger, result, local_start, time.monotonic() - began)
    if report and use.notify and not dry_run and not result.held_by:
        steps.run(tell, use.notify, report, render(report, local_start), _to_approve(plan, result))
    failed = report.failed_steps if report else [*result.failed]
    if not failed and "tell" in result.failed:
        return Failed(message=f"All steps done, but the team could not be told: {result.failed['tell']}")
    return _final_state(failed, result.held_by)


if __name__ == "__main__":
    from flows.command_line import main

    raise SystemExit(main())
