"""The past: whole channels, as a large export holds them, into the ledger. Analysed, and nothing of it published.

Channels are worked on beside each other, by threads or by Dask; many runs of this flow, each with channels of its own,
share one ledger from as many machines as there are. What was killed is started again, and goes on where it stopped.
"""

# Prefect loads this file by its path and reads the flow's annotations: they must be types, not strings.
import asyncio
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from socket import gethostname
from typing import Annotated, Any, Literal, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.futures import PrefectFuture
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote
from pydantic import Field

from blocks.errors import PermanentError, reason
from blocks.loading import load
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings
from blocks.records import Channel, Period
from flows.machine import note_machine
from tasks.backfill import Backfilled, Errand, backfill_channel, list_channels
from tasks.backfill_report import Outcome, report_backfill
from tasks.open_ledger import BRIEF

Runner = Literal["threads", "dask"]

DISCORD_BEGINS = datetime(2015, 1, 1, tzinfo=UTC)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)


def _titled(title: str, **more: Any) -> Any:
    """A field of the run form. Prefect takes descriptions from the docstring, but titles from the bare names."""
    return Field(json_schema_extra={"title": title}, **more)


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters or {}
    channels: Sequence[str] = given.get("channels") or ()
    what = (
        f"{len(channels)} channels" if len(channels) > 1 else f"channel {channels[0]}" if channels else "all channels"
    )
    days = [f"{word} {given[key]}" for word, key in (("from", "first_day"), ("to", "last_day")) if given.get(key)]
    return " ".join(["backfill of", what, *days])


def _period(first_day: date | None, last_day: date | None, zone: ZoneInfo) -> Period:
    """The days as a stretch of time. A day is one of the team's time zone."""
    begin = datetime(first_day.year, first_day.month, first_day.day, tzinfo=zone) if first_day else DISCORD_BEGINS
    after = last_day + timedelta(days=1) if last_day else None
    end = datetime(after.year, after.month, after.day, tzinfo=zone) if after else NEVER
    if end <= begin:
        raise PermanentError(f"The last day, {last_day}, lies before the first, {first_day}.")
    return Period(begin.astimezone(UTC), end.astimezone(UTC))


@contextmanager
def _running(runner: Runner, parallel: int, dask_address: str) -> Iterator[TaskRunner[Any]]:
    """What runs the channels' tasks: so many at a time, or as many as the Dask cluster has room for."""
    at_a_time = parallel or os.cpu_count() or 1
    if runner == "threads":
        threads: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=at_a_time)
        with threads:
            yield threads
        return
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise PermanentError("Dask is not installed: pip install 'daily-pipeline[dask]', or take threads.") from error
    # Each process has its own Python, and so its own core. One thread each: our work is Python's, not a library's.
    own = {"n_workers": at_a_time, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    there = DaskTaskRunner(address=dask_address) if dask_address else DaskTaskRunner(cluster_kwargs=own)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    with _one_api(), there as dask:
        yield dask
        # Dask kills processes that do not end at once, and with them what they have not yet told Prefect's server.
        dask.client.run(say_all)


@contextmanager
def _one_api() -> Iterator[None]:
    """Tell other processes of this run's Prefect server, where it is a temporary one: else each would start its own."""
    if PREFECT_API_URL.value():
        yield
        return
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client, temporary_settings({PREFECT_API_URL: str(client.api_url)}):
        yield


async def say_all() -> None:
    """Send Prefect's server what it was not told yet. Logs and states of tasks are sent aside."""
    await asyncio.to_thread(APILogWorker.drain_all, timeout=10)
    await asyncio.to_thread(EventsWorker.drain_all, timeout=10)


def _through(channels: Sequence[Channel], errand: Errand, runner: TaskRunner[Any]) -> Outcome:
    """Work on all channels. Each may fail, and the others go on."""
    outcome = Outcome()
    about = f"Channels that are through, of {len(channels)}"
    shown = cast(UUID, create_progress_artifact(0.0, "backfill", about))
    at_work: list[tuple[Channel, PrefectFuture[Any]]] = []
    for channel in channels:
        # Not quoted, as arguments are elsewhere: Dask makes a bare tuple of that.
        given = {"channel": channel.id, "name": channel.name, "errand": errand}
        at_work.append((channel, runner.submit(backfill_channel, given)))
    for number, (channel, future) in enumerate(at_work, start=1):
        future.wait()
        result = future.state.result(raise_on_failure=False)
        if isinstance(result, Backfilled):
            outcome.done.append(result)
        else:
            outcome.broke_off[channel.name] = reason(cast(BaseException, result))
        update_progress_artifact(shown, 100 * number / len(channels))
    return outcome


@flow(name="backfill", flow_run_name=_run_name, retries=0, validate_parameters=True)
def backfill(
    channels: Annotated[tuple[str, ...], _titled("Channels")] = (),
    first_day: Annotated[date | None, _titled("First day")] = None,
    last_day: Annotated[date | None, _titled("Last day")] = None,
    again: Annotated[bool, _titled("From the start again")] = False,
    chunk: Annotated[int, _titled("Messages in a chunk", ge=1, le=100_000)] = 5_000,
    runner: Annotated[Runner, _titled("Runs on")] = "threads",
    parallel: Annotated[int, _titled("Channels at a time", ge=0, le=1_000)] = 0,
    dask_address: Annotated[str, _titled("Dask scheduler")] = "",
    patience: Annotated[float, _titled("Minutes to wait for the ledger", ge=0, le=1_440)] = 30,
    source: Annotated[str | None, _titled("Source")] = None,
    ledger: Annotated[str | None, _titled("Ledger")] = None,
    analyst: Annotated[str | None, _titled("Analyst")] = None,
    settings: Annotated[str, _titled("Settings")] = f"pipeline-settings/{BLOCK_NAME}",
) -> State[Any]:
    """Bring the past of channels into the ledger: collected, analysed, archived; nothing is drafted or published.

    Start it again after whatever went wrong, with the same channels and days: it goes on where it stopped.

    Args:
        channels: The ids of the channels; none for all that the source has.
        first_day: Messages from this day on; empty for all from the channel's first.
        last_day: Messages to this day, it included; empty for all to the newest.
        again: Read also what an earlier backfill has read. Needed after older parts were added to an export.
        chunk: After so many messages the ledger is written. What is killed has at most so many to do again.
        runner: threads, in one process; or dask, in many, which uses all cores.
        parallel: How many channels are worked on at the same time; 0 for as many as this machine has cores.
        dask_address: A Dask cluster that is there already, as tcp://host:8786; empty for one of this run's own.
        patience: How long to wait while another run has the ledger.
        source: The block that messages come from, as slug/name; empty for the settings'.
        ledger: The block that holds the ledger, as slug/name; empty for the settings'.
        analyst: The block that analyses posts, as slug/name; empty for the settings'.
        settings: The settings block, as slug/name.
    """
    began = time.monotonic()
    note_machine()
    saved = load(PipelineSettings, settings)
    who = analyst or saved.analyst
    if not who:
        return Failed(
            message="No analyst is set up: name one, as lexicon-analyst/daily-pipeline, which needs no account."
        )
    try:
        errand = Errand(
            source=source or saved.source,
            ledger=ledger or saved.ledger,
            analyst=who,
            run=f"{BRIEF} {str(flow_run.id)[:8]} on {gethostname()}",
            period=_period(first_day, last_day, ZoneInfo(saved.schedule_timezone)),
            days=f"{first_day or 'start'} to {last_day or 'end'}" if first_day or last_day else "",
            open_end=last_day is None,
            chunk=chunk,
            patience=60 * patience,
            again=again,
        )
        found = list_channels(errand.source, quote(channels))
        with _running(runner, parallel, dask_address) as at_work:
            outcome = _through(found, errand, at_work)
    except PermanentError as error:
        return Failed(message=reason(error))
    outcome.seconds = time.monotonic() - began
    report_backfill(cast(Outcome, quote(outcome)))
    if outcome.failed:
        return Failed(message=f"{outcome.failed} of {outcome.channels} channels failed: start it again, it goes on.")
    return Completed(message=f"{sum(c.added for c in outcome.done):,} new posts of {outcome.channels} channels.")


if __name__ == "__main__":
    from flows.server import prefect_server

    with prefect_server():
        backfill()
