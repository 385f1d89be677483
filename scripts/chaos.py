"""Every outside call of a day, disturbed in every way, and then two days undisturbed: `make chaos`.

The pipeline runs as a process of its own against the servers of `tests/services/`; a new one is forked from a
process that has imported everything, which spares three seconds a run. One Prefect server serves all runs. A lane has
five services on ports of its own, so several cases run side by side.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts import chaos_day
from scripts.bench import prefect_server
from tests.services.everything import Everything
from tests.services.server import Answer, Call, DroppedError, Fault, Service, Work, cut, lost, malformed, silent

PUBLISHERS = {"twitter": "X", "typefully": "Typefully"}
FIRST_PORT = 18_100
WHOLE, A_STEP_FAILED, SKIPPED, NOT_TAKEN = 0, 1, 3, 75
"""Exit codes. Not taken: Prefect's own server was too busy, and the run did not begin, or was left alone."""

_ASIDE = (
    "EVENT_PERSISTER",
    "TASK_RUN_RECORDER",
    "TRIGGERS",
    "LATE_RUNS",
    "SCHEDULER",
    "DB_VACUUM",
    "FOREMAN",
    "REPOSSESSOR",
)
SETTINGS = {
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PYTHONWARNINGS": "ignore",
    **{f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in _ASIDE},
}
"""For the environment. What Prefect writes down aside is not looked at, and locks its SQLite file for minutes."""

_LONGEST = 150.0
"""Seconds that a run may take, disturbed or not."""

_HANGS = -999
_PATIENCE = 1.0
_GONE = _PATIENCE + 1.1
"""Seconds after which a dead run's lock has given way by itself. Google's clock tells whole seconds."""
_QUICK: dict[str, Any] = {
    "timeout": 8,
    "max_wait": 5,
    "settle": 0,
    "first_wait": 0.1,
    "poll": 0.1,
    "requests_per_minute": 0,
    "lock_patience": _PATIENCE,
}
"""The blocks' waits in seconds, as far as they have such a field. Nothing else differs from a real day."""


# In the pipeline's process


def _save(env: str, name: str) -> None:
    from blocks.loading import save
    from flows import environment

    logging.getLogger("EventsWorker").setLevel("ERROR")  # that it is not done yet, twice a block
    for block in environment.blocks_of(environment.read(Path(env), {}), name):
        for quick, value in _QUICK.items():
            if quick in type(block).model_fields:
                setattr(block, quick, value)
        save(block, name)


def _run(name: str, log: str) -> None:
    # What was imported before the fork stays shared with the process that imported it: nothing looks through it.
    gc.freeze()
    into = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(into, 1)
    os.dup2(into, 2)
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.daily_pipeline import daily_pipeline

    # Prefect waits a second for its heartbeat's thread when a flow ends.
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            state = daily_pipeline(settings=f"pipeline-settings/{name}", day=chaos_day.DAY, return_state=True)
    except PrefectHTTPStatusError:
        os._exit(NOT_TAKEN)
    sys.stdout.flush()
    # Nothing of the interpreter's farewell is needed: what counts is in the services.
    os._exit(SKIPPED if state.name == "Skipped" else WHOLE if state.is_completed() else A_STEP_FAILED)


# The faults


_ONE_AT_A_TIME = threading.Lock()
"""A process that is started asks after all others. What two threads ask at once, one of them is told wrongly (255)."""


@dataclass(slots=True)
class Running:
    """The process that is under way in a lane, for the faults that kill it."""

    process: BaseProcess | None = None

    def start(self, process: BaseProcess) -> None:
        """Let it begin."""
        with _ONE_AT_A_TIME:
            process.start()
        self.process = process

    def ends(self, seconds: float) -> int | None:
        """Its exit code, negative if a signal ended it; None if it goes on after so many seconds."""
        assert self.process
        if not wait([self.process.sentinel], seconds):
            return None
        with _ONE_AT_A_TIME:
            self.process.join()
            return self.process.exitcode

    def kill(self) -> None:
        """Kill it as the system does when memory is short."""
        if self.process and self.process.pid:
            os.kill(self.process.pid, signal.SIGKILL)
            wait([self.process.sentinel], 10)


def _too_many(service: Service) -> Answer:
    answer = service.error(429, "Too many requests")
    answer.headers |= {"Retry-After": "1", "x-rate-limit-reset": str(int(time.time()) + 1)}
    if service.name == "Discord":
        answer.body |= {"retry_after": 1.0, "global": False}
    if service.name == "Gemini":
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
        answer.body["error"]["details"] = [delay]
    return answer


def _faults(running: Running, service: Service) -> dict[str, Fault]:
    """What may befall a call, by the name that the table gives it."""

    def killed_before(_call: Call, _work: Work) -> Answer:
        running.kill()
        raise DroppedError(reset=True)

    def killed_after(_call: Call, work: Work) -> Answer:
        work()
        running.kill()
        raise DroppedError(reset=True)

    return {
        "kill before": killed_before,
        "kill after": killed_after,
        "lost": lost,
        "500": lambda _call, _work: service.error(500, "Internal error"),
        "503": lambda _call, _work: service.error(503, "Unavailable"),
        "429": lambda _call, _work: _too_many(service),
        "silence": silent(12, after_work=True),
        "cut short": cut,
        "malformed": malformed,
    }


FAULTS = tuple(_faults(Running(), Service()))


# The cases


@dataclass(frozen=True, slots=True)
class Case:
    """A call of the day (the service's how-manieth), and what befalls it."""

    publisher: str
    service: str
    number: int
    call: str
    fault: str


@dataclass(slots=True)
class Outcome:
    """What came of a case: the runs' exit codes (negative: killed by that signal), and each violated condition."""

    case: Case
    exits: list[int] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    log: str = ""


def _label(call: Call) -> str:
    """A call in a few words."""
    if not call.path.endswith(":batchUpdate"):
        path = call.path.removeprefix("/api/v10").removeprefix("/v4/spreadsheets/").removeprefix("/v1beta/")
        return f"{call.method} {path}"
    kinds = dict.fromkeys(kind for request in call.data["requests"] for kind in request)
    order = ("deleteDimension", "addSheet", "deleteSheet", "copyPaste", "appendCells", "updateCells")
    return "write: " + ", ".join([kind for kind in order if kind in kinds][:2])


class Lane:
    """Five services on ports of their own, and the blocks that lead there."""

    def __init__(self, number: int, folder: Path, new: Callable[..., BaseProcess]) -> None:
        self._port = FIRST_PORT + 10 * number
        self._name = f"chaos-{number}"
        self._folder = folder / self._name
        self._folder.mkdir()
        self._new = new

    def save(self) -> None:
        """Save the blocks, for each publisher."""
        for publisher in PUBLISHERS:
            everything, settings = chaos_day.make(self._port, publisher, self._folder)
            with everything:  # The service account's key names its port.
                settings = everything.settings(self._folder, PUBLISHER_TYPE=publisher)
            env = self._folder / f"{publisher}.env"
            env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
            saving = Running()
            saving.start(self._new(target=_save, args=(str(env), f"{self._name}-{publisher}")))
            assert saving.ends(_LONGEST) == 0

    def _once(self, publisher: str, running: Running, log: Path) -> int:
        """One run, to its end. Gives the exit code."""
        while True:
            running.start(self._new(target=_run, args=(f"{self._name}-{publisher}", str(log))))
            code = running.ends(_LONGEST)
            if code is None:
                running.kill()
                return _HANGS
            if code != NOT_TAKEN:
                return code
            time.sleep(_GONE)

    def calls(self, publisher: str) -> list[Case]:
        """What a day without any fault calls, and that it is as it should be."""
        everything, _ = chaos_day.make(self._port, publisher, self._folder)
        with everything:
            log = self._folder / "undisturbed.log"
            code = self._once(publisher, Running(), log)
            wrong = [*chaos_day.never(everything), *chaos_day.done(everything)]
            if code != WHOLE or wrong:
                raise SystemExit(f"An undisturbed day ends with {code}: {wrong}\n{log.read_text()}")
            return [
                Case(publisher, service.name, number, _label(call), fault)
                for service in everything.all
                for number, call in enumerate(service.calls)
                for fault in FAULTS
            ]

    def survive(self, case: Case) -> Outcome:
        """One case: a disturbed run, two undisturbed ones, and what was violated."""
        outcome, running = Outcome(case), Running()
        log = self._folder / "case.log"
        log.unlink(missing_ok=True)
        everything, _ = chaos_day.make(self._port, case.publisher, self._folder)
        with everything:
            service = next(service for service in everything.all if service.name == case.service)
            service.plan("", _faults(running, service)[case.fault], skip=case.number)
            for which in ("the disturbed run", "the second run", "the third run"):
                code = self._once(case.publisher, running, log)
                if code not in (WHOLE, A_STEP_FAILED, SKIPPED):
                    time.sleep(_GONE)
                outcome.exits.append(code)
                outcome.violations += self._judge(everything, which, code, disturbed=which == "the disturbed run")
                service.heal()
            outcome.violations += chaos_day.truth(everything, outcome.exits)
            outcome.violations += [f"a test server's own mistake: {e!r}" for s in everything.all for e in s.broken]
        outcome.log = log.read_text(errors="replace")
        return outcome

    def _judge(self, everything: Everything, which: str, code: int, *, disturbed: bool) -> Iterator[str]:
        yield from (f"after {which}: {line}" for line in chaos_day.never(everything))
        if code == WHOLE:
            yield from (f"{which} says that all is well: {line}" for line in chaos_day.done(everything))
        elif code == _HANGS:
            yield f"{which} hangs"
        elif not disturbed:
            yield f"{which} ends with {code}"


# The whole


def _table(publisher: str, outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=f"Publisher: {PUBLISHERS[publisher]}", title_justify="left", box=None, padding=(0, 1))
    table.add_column("call", no_wrap=True, max_width=44)
    short = {"kill before": "kill<", "kill after": ">kill", "silence": "hang", "cut short": "cut", "malformed": "bad"}
    for fault in FAULTS:
        table.add_column(short.get(fault, fault), justify="center")
    rows: dict[tuple[str, int, str], dict[str, bool]] = {}
    for outcome in outcomes:
        case = outcome.case
        if case.publisher == publisher:
            row = rows.setdefault((case.service, case.number, case.call), {})
            row[case.fault] = not outcome.violations
    for (service, _, call), row in rows.items():
        marks = [{True: "✓", False: "[red]✗[/]", None: ""}[row.get(fault)] for fault in FAULTS]
        table.add_row(f"{service}: {call}", *marks)
    return table


def run(lanes: int, chosen: Callable[[Case], bool] = lambda _case: True) -> list[Outcome]:
    """Run the chosen cases. The environment must name a Prefect server, and hold `SETTINGS`.

    Returns:
        An outcome for each, in the order of the day.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.chaos_preload"])
    stopped = threading.Event()

    def new(**how: Any) -> BaseProcess:
        if stopped.is_set():
            raise InterruptedError("no other run begins")
        return context.Process(**how)

    with tempfile.TemporaryDirectory() as folder:
        free: queue.Queue[Lane] = queue.Queue()
        made = [Lane(number, Path(folder), new) for number in range(lanes)]
        with ThreadPoolExecutor(lanes) as pool:
            made[0].save()  # It registers the types, which two must not do at once.
            list(pool.map(Lane.save, made[1:]))
        cases = [case for publisher in PUBLISHERS for case in made[0].calls(publisher) if chosen(case)]
        for lane in made:
            free.put(lane)

        done = iter(range(1, len(cases) + 1))

        def survive(case: Case) -> Outcome:
            lane = free.get()
            try:
                outcome = lane.survive(case)
            finally:
                free.put(lane)
            for violation in () if stopped.is_set() else outcome.violations:
                print(f"✗ {case.service} {case.call}, {case.fault}: {violation}", file=sys.stderr, flush=True)
            if (number := next(done)) % 50 == 0:
                print(f"  {number} of {len(cases)}", file=sys.stderr, flush=True)
            return outcome

        with ThreadPoolExecutor(lanes) as pool:
            try:
                return list(pool.map(survive, cases))
            except BaseException:  # Ctrl-C
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                with _ONE_AT_A_TIME:
                    for process in multiprocessing.active_children():
                        process.kill()
                raise


def main() -> int:
    """Print the table and the line that counts. Returns 1 unless all were survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=8, help="how many cases run side by side")
    parser.add_argument("--only", default="", help='a piece of "publisher service number call fault"')
    parser.add_argument("--every", type=int, default=1, help="take each n-th case")
    parser.add_argument("--log", action="store_true", help="print what the runs printed where something is wrong")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ |= SETTINGS
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # It ends as by Ctrl-C, and takes the server with it.
    counter = iter(range(10**9))

    def chosen(case: Case) -> bool:
        text = f"{case.publisher} {case.service} {case.number} {case.call} {case.fault}"
        return options.only in text and next(counter) % options.every == 0

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder)):
        outcomes = run(options.lanes, chosen)
    console = Console(width=110)
    for publisher in PUBLISHERS:
        console.print(_table(publisher, outcomes))
    if options.log:
        for outcome in outcomes:
            if outcome.violations or options.only:
                print(outcome.case, outcome.exits, *outcome.violations, outcome.log, sep="\n")
    survived = sum(not outcome.violations for outcome in outcomes)
    print(f"faults survived {survived}/{len(outcomes)} in {time.monotonic() - began:.0f} s")
    return 0 if outcomes and survived == len(outcomes) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        raise SystemExit(130) from None
