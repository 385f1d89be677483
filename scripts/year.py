"""A simulated year of daily runs: `make year SEED=7`, or `SEED=1-100` for many, or `DAYS=30` for the beginning of each.

1 as exit code: a condition was broken.

The pipeline's own code and the real client libraries work with the servers of `tests/services/`; left out is Prefect's
engine alone: steps are called as it would call them, and blocks come from memory. A run that crashes is cut off: no
call of its process comes through any more, and what it knew is forgotten, as after `kill -9`.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from zoneinfo import ZoneInfo

from blocks.discord_channels import DiscordChannels
from blocks.gemini import GeminiAnalyst
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings
from blocks.records import RunReport
from flows import environment
from flows.daily_pipeline import Plan, through_the_day
from scripts.year_conditions import Conditions
from scripts.year_process import CrashedError, InProcess, forget, without_prefect
from scripts.year_world import RUN_TIMES, Messages, Team, Weather, run_moments, simulated_time
from tasks import report as report_step
from tasks.open_ledger import kept
from tasks.report import Day, write_report
from tests.services.everything import Everything

FIRST = date(2025, 1, 6)
DAYS = 365
AN_HOUR = timedelta(hours=1)


@dataclass
class Year:
    """One seed's year: `go` lives through it. Afterwards `broken` tells which conditions were, and when."""

    seed: int
    days: int = DAYS
    broken: list[str] = field(default_factory=list)
    good: int = 0
    up: int = 0
    good_up: int = 0
    crashes: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    catch_up: list[int] = field(default_factory=list)
    calls: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    worked: float = 0.0
    """How long it took, and how much of that this process worked."""
    bad_days: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        random.seed(self.seed)  # the libraries' own jitter
        self.zone, self.at = RUN_TIMES[(self.seed - 1) % len(RUN_TIMES)]
        self.publisher = "typefully" if self.seed % 2 else "twitter"

    # The days

    def go(self) -> Year:
        """Live through the year, and a few calm days after it in which all must come to its end."""
        began, worked = time.monotonic(), time.process_time()
        with Everything() as self.services, tempfile.TemporaryDirectory() as folder:
            self._set_up(Path(folder))
            start = run_moments(FIRST, self.zone, self.at)[0] - timedelta(hours=20)
            with simulated_time(start) as self.clock, without_prefect(self.blocks):
                self._prepare()
                until = start
                for number in range(self.days):
                    until = self._day(number, until)
                self._end()
            for service in self.services.all:
                self.broken += [f"{service.name}'s server itself failed: {error!r}" for error in service.broken]
        self.seconds, self.worked = time.monotonic() - began, time.process_time() - worked
        return self

    def _set_up(self, folder: Path) -> None:
        services = self.services
        services.sheets.reads_per_minute = services.sheets.writes_per_minute = 10**9  # it counts real minutes
        services.x.lag, services.typefully.takes, services.typefully.url_takes = 5.0, 3.0, 1.0
        services.discord.channel("222", "alpha")
        services.discord.channel("333", "lounge")
        services.discord.channel("444", "beta")
        settings = services.settings(
            folder, PUBLISHER_TYPE=self.publisher, DISCORD_LOOKBACK_DAYS="1", DISCORD_CHANNEL_ID="222,333"
        )
        made = environment.blocks_of(environment.read(folder / "none", settings), BLOCK_NAME)
        self.blocks = {f"{type(block).get_block_type_slug()}/{BLOCK_NAME}": block for block in made}
        for block in made:
            if isinstance(block, GeminiAnalyst):
                # Its threads wait in real time; one at a time, so that calls come in the same order every time.
                block.requests_per_minute, block.first_wait, block.parallel = 0, 0.01, 1

    def _prepare(self) -> None:
        self.messages = Messages(self.random, self.services, ["222", "333"])
        self.team = Team(self.random, self.services)
        self.team.prepare()
        self.weather = Weather(self.random, self.clock, self.services, self.team, self.messages)
        publisher = self.services.x if self.publisher == "twitter" else self.services.typefully
        self.needed = [s.name for s in (*self.services.all[:3], publisher)]
        self.weather.plan(self.days, self.needed)
        self.joins = self.random.randrange(self.days // 4, self.days // 2 + 1)
        self._after_outage = 0
        self._told: set[str] = set()
        self.conditions = Conditions(self.services, self.messages, self.team, self.publisher)

    def _day(self, number: int, since: datetime) -> datetime:
        """One day: its messages, people's edits, its run (or two, where the hour is doubled), and the conditions."""
        day = FIRST + timedelta(days=number)
        moments = run_moments(day, self.zone, self.at)
        if number == self.joins:
            source = self.blocks[f"discord-channels/{BLOCK_NAME}"]
            assert isinstance(source, DiscordChannels)
            source.channel_ids = ["222", "333", "444"]
            self.messages.channels.append("444")
        self.messages.of_a_day(since, moments[0])
        for moment in moments:
            self.clock.to(moment)
            self.team.between_runs()
            self.weather.new_run(number)
            report, ran = self._run(f"{day}/{moments.index(moment) + 1}")
            self.crashes += report is None
            self.statuses[report.status if report else "crashed"] += 1
            self.cost += report.cost if report else 0.0
            self._check(day, moment, report, ran)
            # The schedule's second run of the day. Where all went well it would only look, which takes time here.
            if moment < moments[0] + AN_HOUR and (report is None or report.status != "SUCCESS"):
                moments.append(moment + AN_HOUR)
        is_good, why = self.conditions.is_good(day, moments[-1])
        was_up = not self.weather.away
        self.good, self.up, self.good_up = self.good + is_good, self.up + was_up, self.good_up + (is_good and was_up)
        if not is_good and was_up:
            self.bad_days.append(f"{day}: {why}")
        self._count_catch_up(is_good, was_up)
        return moments[-1]

    def _run(self, name: str) -> tuple[RunReport | None, Day]:
        """One run, as the flow does it. No report: it crashed."""
        forget()
        settings = self.blocks[f"pipeline-settings/{BLOCK_NAME}"]
        assert isinstance(settings, PipelineSettings)
        local = datetime.now(ZoneInfo(self.zone))
        run = f"{name} of seed {self.seed}"
        plan = Plan(settings, local.date(), run)
        day = Day(run_id=run, started=local.astimezone(UTC), publisher=settings.publisher, day=plan.day)
        unexpected: list[str] = []
        steps = InProcess(day, self.weather, unexpected)
        report = None
        try:
            with kept(settings.ledger):
                through_the_day(steps, plan, day)
                seconds = (datetime.now(UTC) - day.started).total_seconds()
                report = steps.run(write_report, settings.ledger, day, local, seconds)
                report = report or report_step.write(day, seconds)
        except CrashedError:
            pass
        self.broken += [f"{name}: an error that nobody expected: {error}" for error in unexpected]
        for service in self.services.all:
            service.calls.clear()
        self.calls += self.weather.calls
        return (None if self.weather.dead else report), day

    # The conditions

    def _check(self, day: date, moment: datetime, report: RunReport | None, ran: Day) -> None:
        """Hold a run to the conditions. What stays broken is told once."""
        found = self.conditions.after(moment, report, ran)
        self.broken += [f"{day}: {what}" for what in found if what not in self._told]
        self._told |= {*found}

    def _count_catch_up(self, is_good: bool, was_up: bool) -> None:
        """How many runs it takes after an outage until nothing waits any more."""
        if not was_up:
            self._after_outage = 1
        elif self._after_outage:
            open_drafts = [
                s for (s,) in self.conditions.column("Drafts", "Status") if s in ("proposed", "publishing", "failed")
            ]
            if is_good and not open_drafts:
                self.catch_up.append(self._after_outage)
                self._after_outage = 0
            else:
                self._after_outage += 1

    def _end(self) -> None:
        """Four calm days without messages, after which nothing may be left anywhere."""
        for service in self.services.all:
            service.weather = None
        self.weather.dead = False
        for number in range(self.days, self.days + 4):
            day = FIRST + timedelta(days=number)
            moment = run_moments(day, self.zone, self.at)[0]
            self.clock.to(moment)
            self.team._look_at_drafts()
            report, ran = self._run(f"{day}/1")
            self._check(day, moment, report, ran)
            if report is None or report.status != "SUCCESS":
                errors = "; ".join(report.errors) if report else "crashed"
                self.broken.append(f"{day}: a calm day, and not a good one: {errors}")
        rest = [key for (key,) in self.conditions.column("Posts", "Post ID") if key]
        self.broken += [f"the year is over, and post {key} is not archived" for key in rest]

    # The result

    @property
    def line(self) -> str:
        """One line of the table of many seeds."""
        share = 100 * self.good_up / max(1, self.up)
        most = max(self.catch_up, default=0)
        verdict = "ok" if not self.broken else f"{len(self.broken)} broken"
        return (
            f"{self.seed:>5} {self.good:>5} {self.up:>5} {share:>6.1f}% {len(self.messages.shared):>6} "
            f"{len(self.conditions.out()):>8} {self.crashes:>8} {sum(self.weather.faults.values()):>7} {most:>9} "
            f"{self.seconds:>5.0f} s  {verdict}"
        )

    def table(self) -> str:
        """What a year gave, in full."""
        archived = sum(bool(key) for (key,) in self.conditions.column("Archive", "Post ID"))
        ledger = archived + sum(bool(key) for (key,) in self.conditions.column("Posts", "Post ID"))
        out = len(self.conditions.out())
        ups = f"{self.up} up days, {self.good_up} of them good: {100 * self.good_up / max(1, self.up):.1f} %"
        median = statistics.median(self.catch_up) if self.catch_up else 0
        catch = f"median {median:g} runs, at most {max(self.catch_up, default=0)}"
        faults = ", ".join(f"{n} {name}" for name, n in sorted(self.weather.faults.items()))
        lines = [
            ("runs", f"at {self.at} {self.zone}, publisher {self.publisher}"),
            ("days", f"{self.days}, good {self.good}, bad {self.days - self.good}"),
            ("", ups),
            ("posts", f"{len(self.messages.shared)} shared, {ledger} in the ledger, {archived} archived"),
            ("digests out", f"{out}"),
            ("reports", ", ".join(f"{n} {status}" for status, n in self.statuses.most_common())),
            ("crashes", f"{self.crashes}"),
            ("faults", f"{sum(self.weather.faults.values())}: {faults}"),
            ("outages", f"{len(self.weather.outages)}, caught up after {catch}"),
            ("people's edits", f"{self.team.edits}"),
            ("outside calls", f"{self.calls / self.days:.1f} a day"),
            ("cost", f"${self.cost:.2f} a year, Gemini and posts on X together"),
            ("took", f"{self.seconds:.0f} s, {self.worked:.0f} s of it at work"),
        ]
        return "\n".join(f"  {name:<16}{text}" for name, text in lines)


HEADER = " seed  good    up good/up  posts  digests  crashes  faults  catch-up  took   conditions"


def _one(job: tuple[int, int]) -> tuple[str, list[str], tuple[int, int], str, list[str]]:
    # Large answers make many objects that live for a moment. At its usual pace the collector took a fifth of the time.
    gc.freeze()
    gc.set_threshold(50_000)
    year = Year(*job).go()
    return year.line, year.broken, (year.good_up, year.up), year.table(), year.bad_days


def main(arguments: list[str]) -> int:
    """Live through the years of some seeds, "7" or "1-100", or through so many days of each."""
    first, _, last = (arguments[0] if arguments else "1").partition("-")
    seeds = range(int(first), int(last or first) + 1)
    days = int(arguments[1]) if arguments[1:] else DAYS
    span = "years" if days == DAYS else f"times {days} days"
    good = up = wrong = 0
    # Not concurrent.futures: with tasks bounded, its pool stops for ever once all workers have retired (Python 3.11).
    with get_context("spawn").Pool(min(2, len(seeds)), maxtasksperchild=4) as pool:
        if len(seeds) > 1:
            print(HEADER)
        jobs = [(seed, days) for seed in seeds]
        for seed, (line, broken, (some, of), table, bad) in zip(seeds, pool.imap(_one, jobs), strict=True):
            print(line if len(seeds) > 1 else f"The year of seed {seed}\n\n{table}\n", flush=True)
            good, up, wrong = good + some, up + of, wrong + bool(broken)
            if len(seeds) == 1 and bad:
                print("Days that were not good though all services were up\n  " + "\n  ".join(bad) + "\n")
            shown = broken if len(seeds) == 1 else broken[:3]
            for what in shown:
                print(f"      ✗ {what}")
    if len(seeds) > 1:
        print(f"\n{len(seeds)} {span}: {good} of {up} up days good ({100 * good / max(1, up):.2f} %), ", end="")
    print(f"{wrong} of {len(seeds)} with a broken condition" if wrong else "no condition was broken")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
