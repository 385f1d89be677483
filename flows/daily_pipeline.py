"""The day: collect the links, keep each post once, say which matter, write the digest, publish, archive.

Every step reads from the ledger what it still has to do and writes back what it did. So a step that failed is
caught up by the next run, and a run may start anywhere. Prefect orders, retries, times and shows the steps.
"""

# Prefect loads this file by its path and reads the flow's annotations: they must be types, not strings.
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from blocks.errors import PipelineError
from blocks.loading import load, warm_up
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode
from blocks.records import Bookmark, Draft, DraftStatus
from flows import form
from flows.log_file import keeping_logs
from flows.machine import note_machine
from flows.plan import AS_SET_UP, Plan, block_named
from flows.steps import Steps
from tasks.analyze import analyze
from tasks.announce import announce
from tasks.archive import archive, done_statuses
from tasks.dedupe import dedupe
from tasks.draft import draft
from tasks.fetch import fetch
from tasks.open_ledger import kept, open_ledger
from tasks.publish import Terms, publish
from tasks.rehearse import rehearse
from tasks.report import STEPS, Day, render, write_report
from tasks.run_page import show_run
from tasks.tell import tell
from tasks.upload import upload

EMBEDDED_ANALYST = f"lexicon-analyst/{BLOCK_NAME}"
SETTINGS = f"pipeline-settings/{BLOCK_NAME}"


def _run_name() -> str:
    """The day, and what is done with it. Prefect asks for it before the run."""
    parameters: dict[str, Any] = flow_run.parameters or {}
    kind = "collect" if parameters.get("only_collect") else "digest"
    kind = "dry run" if parameters.get("dry_run") else kind
    zone = "UTC"
    with suppress(PipelineError):  # The run itself says what is wrong with its settings.
        zone = load(PipelineSettings, parameters.get("settings") or SETTINGS).schedule_timezone
    return f"{parameters.get('day') or datetime.now(ZoneInfo(zone)).date()} {kind}"


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
    _collect(steps, plan, day, opened.bookmarks)
    writer = _analyze(steps, plan, day)
    if plan.only_collects:
        steps.leave_out("this run only collects", "draft", "publish")
    else:
        _draft_and_publish(steps, plan, day, writer)
    done = done_statuses(has_analyst=bool(use.analyst), has_publisher=bool(use.publisher))
    day.archived = steps.run(archive, use.ledger, done)


def _collect(steps: Steps, plan: Plan, day: Day, bookmarks: Mapping[str, Bookmark]) -> None:
    use = plan.settings
    day.fetched = steps.run(fetch, use.source, bookmarks, use.fetch_limit, use.lookback_days, plan.channels)
    if day.fetched:
        day.fresh = steps.run(dedupe, use.ledger, day.fetched.posts)
    else:
        steps.leave_out("nothing was fetched", "dedupe", "upload")
    if day.fetched and day.fresh:
        day.uploaded = steps.run(upload, use.ledger, day.fresh, day.fetched.bookmarks)
    else:
        steps.leave_out("the posts were not compared with the ledger; the next run reads them again", "upload")


def _analyze(steps: Steps, plan: Plan, day: Day) -> str:
    """Gives the analyst that may write sentences for the draft; empty if there is none."""
    use = plan.settings
    if not use.analyst:
        steps.leave_out("no analyst is set up", "analyze", "draft")
        return ""
    day.analyzed = steps.run(analyze, use.ledger, use.analyst)
    if day.analyzed is None and use.analyst != EMBEDDED_ANALYST:
        day.analyzed = steps.run(analyze, use.ledger, EMBEDDED_ANALYST)
        return EMBEDDED_ANALYST
    return use.analyst


def _draft_and_publish(steps: Steps, plan: Plan, day: Day, writer: str) -> None:
    use = plan.settings
    if writer:
        day.drafted = steps.run(draft, use.ledger, writer, plan.day, use.style)
    if not use.publisher:
        steps.leave_out("no publisher is set up", "publish")
        return
    terms = Terms(use.publish_mode, use.style, use.daily_budget, day.spent)
    day.published = steps.run(publish, use.ledger, use.publisher, terms, plan.day)


def _to_approve(plan: Plan, day: Day) -> Draft | None:
    """The draft of today that waits for a person, in the mode `approve`."""
    made = day.drafted.draft if day.drafted else None
    waits = made and made.status is DraftStatus.PROPOSED and plan.settings.publish_mode is PublishMode.APPROVE
    return made if waits else None


def _final_state(failed: list[str], day: Day) -> State[Any]:
    """A plain state name, because Prefect's automations match on names; the detail is in the message."""
    if day.held_by:
        return Completed(name="Skipped", message=f"Another run has the ledger: {day.held_by}.")
    if not failed:
        return Completed(message=f"Only drafted: it is {day.holiday}." if day.holiday else "All steps done.")
    if "ledger" in failed:
        return Failed(message="The ledger cannot be used: nothing was changed.")
    return Failed(message=f"{len(failed)} of {len(STEPS)} steps failed: {', '.join(failed)}")


@flow(name="daily-pipeline", flow_run_name=_run_name, retries=0, validate_parameters=True)
def daily_pipeline(
    dry_run: form.DryRun = False,
    only_collect: form.OnlyCollect = False,
    day: form.Day = None,
    channels: form.Channels = [],  # noqa: B006 - the form shows an empty list; nobody changes it
    publish_mode: form.PublishMode = AS_SET_UP,
    layout: form.Layout = AS_SET_UP,
    fetch_limit: form.Limit = None,
    lookback_days: form.Lookback = None,
    daily_budget: form.Budget = None,
    holiday_calendar: form.Calendar = AS_SET_UP,
    on_holiday: form.OnHoliday = AS_SET_UP,
    source: form.Source = AS_SET_UP,
    ledger: form.Ledger = AS_SET_UP,
    analyst: form.Analyst = AS_SET_UP,
    publisher: form.Publisher = AS_SET_UP,
    settings: form.Settings = SETTINGS,
) -> State[Any]:
    """Run the day once. What is left as it stands is done as the settings say.

    Args:
        dry_run: Show what a run would do: nothing outside is changed.
        only_collect: Fetch, upload and analyze; no draft is made and nothing published. For more than one run a day.
        day: The digest's day. None: today, in the team's time zone.
        channels: Ids of the only channels to read. No items: all that are set up.
        publish_mode: auto publishes at once, approve waits for a person, draft never publishes.
        layout: single: one post. linked: one with a link, which costs more. thread: one item a post. long: Premium.
        fetch_limit: How many new messages of a channel to take; 0: all. None: as set up.
        lookback_days: Messages this many days older than the last one read are read again. None: as set up.
        daily_budget: US dollars that the day may cost, posts and model together; 0: no limit. None: as set up.
        holiday_calendar: A country, as US or DE-BY, or an exchange, as XNYS. none: there are no holidays.
        on_holiday: skip the run, only draft, or publish as on any day.
        source: The block that messages come from, as slug/name.
        ledger: The block that holds the ledger, as slug/name.
        analyst: The block that analyses posts, as slug/name. none: nobody does.
        publisher: The block that publishes the digest, as slug/name. none: nobody does.
        settings: The block with the settings, as slug/name.
    """
    began = time.monotonic()
    note_machine()
    saved = load(PipelineSettings, settings)
    local_start = datetime.now(ZoneInfo(saved.schedule_timezone))
    who = f"{flow_run.name} ({str(flow_run.id)[:8]}) on {gethostname()}"
    plan = Plan(saved, day or local_start.date(), who, tuple(channels), only_collect)
    plan.instead(
        publish_mode=publish_mode,
        layout=layout,
        fetch_limit=fetch_limit,
        lookback_days=lookback_days,
        daily_budget=daily_budget,
        holiday_calendar="" if holiday_calendar == "none" else holiday_calendar,
        on_holiday=on_holiday,
        source=source,
        ledger=ledger,
        analyst=block_named(analyst),
        publisher=block_named(publisher),
    )
    with keeping_logs(saved.log_folder, saved.log_level):
        if plan.observe_holidays():
            return Completed(name="Skipped", message=f"{plan.day} is a holiday: {plan.holiday}. Nothing was done.")
        use = plan.settings
        result = Day(
            run_id=str(flow_run.id),
            started=local_start.astimezone(UTC),
            dry_run=dry_run,
            publisher=use.publisher,
            alert_after=use.alert_after_days if use.publish_mode is not PublishMode.DRAFT else 0,
            budget=use.daily_budget,
            day=plan.day,
            holiday=plan.holiday,
        )
        return _the_day(plan, result, local_start, began, settings)


def _the_day(plan: Plan, day: Day, local_start: datetime, began: float, settings: str) -> State[Any]:
    """The steps, then the report: in the ledger, on the run's page, as events, and to the team."""
    use, steps = plan.settings, Steps(day)
    warm_up(use.ledger, use.source, use.analyst, use.publisher)
    with _rehearsal(steps, plan, day.dry_run), kept(plan.settings.ledger):
        through_the_day(steps, plan, day)
        report = steps.run(write_report, plan.settings.ledger, day, local_start, time.monotonic() - began)
    if report:
        text = render(report, local_start, dry_run=day.dry_run)
        steps.aside(show_run, use.ledger, settings, day, report, text)
        steps.aside(announce, day, report, text)
        if use.notify and not day.dry_run and not day.held_by:
            steps.run(tell, use.notify, report, text, _to_approve(plan, day))
    failed = report.failed_steps if report else [*day.failed]
    if not failed and "tell" in day.failed:
        return Failed(message=f"All steps done, but the team could not be told: {day.failed['tell']}")
    return _final_state(failed, day)


if __name__ == "__main__":
    from flows.command_line import main

    raise SystemExit(main())
