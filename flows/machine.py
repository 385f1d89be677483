"""On which machine a run works, written to the run: Prefect keeps the number of its process and not the host's name."""

from __future__ import annotations

from socket import gethostname
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.runtime import flow_run
from prefect.states import Crashed

from blocks.background import in_background
from blocks.pipeline_settings import BLOCK_NAME

_LABEL = "daily-pipeline.machine"


def note_machine() -> None:
    """Write it down aside: the run does not wait for it, and is no worse without."""
    run_id = UUID(str(flow_run.id))

    def work() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run_id, {_LABEL: gethostname()})

    in_background(work, "machine")


def command_of(number: int) -> list[str]:
    """The command line of a process of this machine; empty if there is none that lives."""
    try:
        process = psutil.Process(number)
        # One that has ended stays in the list until its parent has taken note of it.
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except (psutil.Error, OverflowError):
        return []


def bury() -> int:
    """Mark runs as crashed whose process is gone from this machine, and give their number.

    Prefect hears nothing of a process that is killed. The run would stay "Running", and keep those after it from
    starting, until its heartbeat is missed: nine minutes.
    """
    dead = 0
    running = {"state": {"type": {"any_": ["RUNNING", "CANCELLING"]}}, "tags": {"all_": [BLOCK_NAME]}}
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(running), limit=200):
            number = run.infrastructure_pid or ""
            is_here = run.labels.get(_LABEL) == gethostname() and number.isdecimal()
            if is_here and not command_of(int(number)):
                client.set_flow_run_state(run.id, Crashed(message="Its process is gone."))
                dead += 1
    return dead
