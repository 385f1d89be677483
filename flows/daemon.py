"""The daemon: runs the pipeline on its schedule until it is interrupted, and lets a run in progress finish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, cast

from prefect import serve as prefect_serve
from prefect.schedules import Cron, Interval, Schedule

from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode
from flows.daily_pipeline import daily_pipeline
from flows.publish_approved import publish_approved

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

_SERVING = "DAILY_PIPELINE_SERVING"


def is_serving() -> bool:
    """Whether this is the process that serves, and not the one that the terminal knows."""
    return os.environ.get(_SERVING) == "1"


def supervise(*, debug: bool) -> int:
    """Start the serving process in a session of its own, and wait for it.

    A terminal sends Ctrl-C to every process of the foreground, the runs in progress too. So the runs live
    elsewhere, and only the serving process is told to stop: it starts nothing more, and waits for them.

    Returns:
        The serving process's exit code.
    """
    command = [sys.executable, "-m", "flows.daily_pipeline", "--daemon", *(["--debug"] if debug else [])]
    with subprocess.Popen(command, env=os.environ | {_SERVING: "1"}, start_new_session=True) as serving:

        def stop(_number: int, _frame: FrameType | None) -> None:
            print("\nStopping. A run in progress is let finish ...", file=sys.stderr, flush=True)
            serving.send_signal(signal.SIGINT)

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        return serving.wait()


def serve(settings: PipelineSettings, api: str) -> None:
    """Serve the schedule until interrupted.

    Args:
        settings: when the day's run starts.
        api: the address of Prefect's API.
    """
    print(f"Prefect's UI: {api.removesuffix('/api')}")
    again = f", again after {settings.schedule_again_after} minutes" if len(settings.crons) > 1 else ""
    when = f"daily at {settings.schedule_time} {settings.schedule_timezone}{again}"
    print(f"Next runs: {when}. Ctrl-C ends it.", flush=True)
    schedules: list[Schedule] = [Cron(cron, timezone=settings.schedule_timezone) for cron in settings.crons]
    try:
        if settings.publish_mode is PublishMode.APPROVE:
            _serve_both(schedules, settings.approval_minutes)
        else:
            daily_pipeline.serve(
                name=BLOCK_NAME,
                schedules=schedules,
                tags=[BLOCK_NAME],
                pause_on_shutdown=False,
                limit=1,
                print_starting_message=False,
            )
    except BaseExceptionGroup as group:  # An impatient second Ctrl-C, in the middle of ending.
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise KeyboardInterrupt from None


def _serve_both(schedules: list[Schedule], minutes: int) -> None:
    """Serve the day's run, and beside it the small flow that publishes what people approve."""
    print(f"What is approved goes out within {minutes} minutes.", flush=True)
    often = Interval(timedelta(minutes=minutes))
    both = [
        daily_pipeline.to_deployment(BLOCK_NAME, schedules=schedules, tags=[BLOCK_NAME]),
        publish_approved.to_deployment(publish_approved.name, schedules=[often], tags=[BLOCK_NAME]),
    ]
    # Two at a time: of two that want the ledger, one ends as skipped.
    prefect_serve(*cast("list[RunnerDeployment]", both), pause_on_shutdown=False, limit=2, print_starting_message=False)
