"""Report: what the run did, the same in the log, as an artifact, and as a row of Runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import PurePath

from prefect.logging import get_run_logger
from rich.console import Console
from rich.text import Text

from blocks.ledger import Archived, Ledger
from blocks.loading import load
from blocks.records import Line, RunReport
from blocks.text import count, one_line
from tasks.analyze import Analyzed
from tasks.dedupe import Fresh
from tasks.draft import Drafted
from tasks.fetch import Fetched
from tasks.publish import Published
from tasks.selection import NO_SENTENCE
from tasks.step import step

WIDTH = 80
STEPS = ("fetch", "dedupe", "upload", "analyze", "draft", "publish", "archive")

_PLACES = {
    "outbox": "the outbox",
    "twitter": "X/Twitter",
    "x-account": "X/Twitter",
    "typefully": "Typefully",
}
"""What people call a receipt's destination, and a publisher's block."""

_CONSOLE = Console(width=WIDTH)
_OK, _WARN, _BAD, _NOTE, _CHART = "✅", "⚠️ ", "❌", "📝", "📊"


@dataclass(slots=True)
class Day:
    """What each step of a run gave, None where it gave nothing, and why steps failed or were left out."""

    run_id: str
    started: datetime
    fetched: Fetched | None = None
    fresh: Fresh | None = None
    uploaded: int | None = None
    analyzed: Analyzed | None = None
    drafted: Drafted | None = None
    published: Published | None = None
    archived: Archived | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""

    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False
    alert_after: int = 0
    """Days without a digest after which the report is an alarm; 0: never."""

    budget: float = 0.0
    """US dollars that the day may cost; 0: no limit."""

    day: date | None = None
    holiday: str = ""
    """Which holiday it is, so that the run only drafts."""

    publisher: str = ""
    """The publisher's block, as slug/name."""

    held_by: str = ""
    """Which other run has the ledger, so that this one did nothing."""

    @property
    def spent(self) -> float:
        """What the model took so far, in US dollars."""
        return sum(step.cost for step in (self.analyzed, self.drafted) if step)

    @property
    def silent_for(self) -> int:
        """Days since a digest went out last, or since the first run; 0 if that is not long enough for an alarm."""
        since = self.published.quiet_since if self.published else None
        days = (self.day - since).days if since and self.day else 0
        return days if self.alert_after and days >= self.alert_after else 0


def _trouble(day: Day, step_name: str, what: str) -> list[Line]:
    """The line of a step that failed or was left out, if it did."""
    if step_name in day.failed:
        return [Line(_BAD, f"{what} failed: {day.failed[step_name]}")]
    if step_name in day.left_out:
        return [Line(_WARN, f"{what} skipped: {day.left_out[step_name]}")]
    return []


def _collection(day: Day) -> list[Line]:
    lines: list[Line] = []
    if day.fetched:
        got = day.fetched
        again = f" ({got.reread:,} earlier ones read again)" if got.reread else ""
        lines.append(Line(_OK, f"Fetched {count(got.messages, 'Discord message')}{again}"))
        if got.waiting:
            lines.append(Line(_WARN, f"{count(got.waiting, 'more message')} waiting for the next runs (limit)"))
        lines.append(Line(_OK, f"Found {count(got.mentions, 'link')} to Twitter/X posts"))
        if got.impossible:
            shown = ", ".join(one_line(i, 24) for i in list(got.impossible)[:3])
            text = f"{count(len(got.impossible), 'link')} left out, no such post can exist: {shown}"
            lines.append(Line(_WARN, text))
        mark = _BAD if got.failed_channels else _WARN
        lines += [Line(mark, problem) for problem in got.problems[:10]]
        if len(got.problems) > 10:
            lines.append(Line(mark, f"and {len(got.problems) - 10} more problems like these"))
    else:
        lines += _trouble(day, "fetch", "Fetching")
    lines += _trouble(day, "dedupe", "Comparing with the ledger")
    lines += _trouble(day, "upload", "Uploading")
    if day.uploaded is not None and day.fetched and day.fresh:
        skipped = day.fetched.mentions - day.uploaded
        text = f"Uploaded {count(day.uploaded, 'new post')} ({count(skipped, 'duplicate')} skipped)"
        lines.append(Line(_OK, text))
        if day.fresh.changed:
            lines.append(Line(_OK, f"Updated {count(len(day.fresh.changed), 'post')} (late text, more sharers)"))
    return lines


def _analysis(day: Day) -> list[Line]:
    lines = _trouble(day, "analyze", "Analysis")
    if day.analyzed:
        got = day.analyzed
        by = " with the embedded lexicon instead" if "analyze" in day.failed else ""
        lines.append(Line(_OK, f"Analyzed {count(got.posts, 'post')}{by}, {got.relevant:,} about crypto"))
        lines.append(Line(_OK, f"Found {count(len(got.projects), 'crypto project')}"))
        if got.waiting:
            lines.append(Line(_WARN, f"{count(got.waiting, 'post')} without text so far: waiting for the embed"))
        lines += [Line(_WARN, f"Not analyzed: {line}") for line in got.unanalyzed[:5]]
        if got.tokens:
            lines.append(Line(_CHART, f"Gemini used {count(got.tokens, 'token')}, about ${got.cost:.3f}"))
    lines += _trouble(day, "draft", "Draft")
    if day.drafted:
        lines += _drafting(day.drafted)
    return lines


def _drafting(drafted: Drafted) -> list[Line]:
    """How the draft came about: whose words are in it, and what was not taken."""
    lines, chosen, made = list[Line](), drafted.selection, drafted.draft
    if made:
        posts = f"{len(made.parts)} posts, the longest " if len(made.parts) > 1 else ""
        about = f"{count(len(made.post_ids), 'item')}, {posts}{made.weighted_length} characters"
        lines.append(Line(_OK, f"Generated daily draft ({about}, ${made.cost:.3f} on X)"))
    else:
        lines.append(Line(_WARN, f"No new draft: {drafted.note}"))
    if drafted.problem:
        lines.append(Line(_WARN, f"The model wrote nothing, the posts' own words stand there: {drafted.problem}"))
    written, refused = sum(i.by_model for i in chosen.items), Counter(i.refused for i in chosen.items if i.refused)
    if written:
        lines.append(Line(_OK, f"{count(written, 'sentence')} by the model, each held against its post"))
    if refused:
        text = f"{count(refused.total(), 'sentence')} of the model not taken, the posts' own words stand there"
        whys = "; ".join(why for why, _ in refused.most_common(3))
        lines.append(Line(_WARN, f"{text}: {whys}"))
    left = Counter(chosen.left_out.values())
    if dropped := left.pop(NO_SENTENCE, 0):
        lines.append(Line(_WARN, f"{count(dropped, 'post')} left out: no sentence that may be printed"))
    if left:
        told = ", ".join(f"{count} ({why})" for why, count in left.most_common(4))
        lines.append(Line(_CHART, f"Left out of {len(chosen.left_out) + len(chosen.items)} candidates: {told}"))
    if drafted.tokens:
        lines.append(Line(_CHART, f"Writing took {count(drafted.tokens, 'token')}, about ${drafted.cost:.3f}"))
    return lines


def _publishing(day: Day) -> list[Line]:
    lines = _trouble(day, "publish", "Publishing")
    if not day.published:
        return lines
    for draft, receipt in day.published.receipts:
        # A dry run publishes to an outbox of its own, in the real one's place.
        where = day.publisher.partition("/")[0].partition(":")[0] if day.dry_run else receipt.destination
        verb = "Would publish" if day.dry_run else "Published"
        lines.append(Line(_OK, f"{verb} {draft.id} to {_PLACES.get(where, where)}"))
        if not day.dry_run:
            shown = receipt.link or ", ".join(receipt.ids)
            label = "File" if receipt.destination == "outbox" else "Post ID"
            value = shown if label == "File" else ", ".join(receipt.ids)
            lines.append(Line(_NOTE, f"{label}: {PurePath(value) if label == 'File' else value}"))
    if day.holiday:
        lines.append(Line(_WARN, f"Only drafted, as it is a holiday: {day.holiday}"))
    lines += [Line(_BAD, problem) for problem in day.published.problems]
    lines += [Line(_WARN, line) for line in day.published.held]
    for draft in day.published.waiting:
        lines.append(Line(_WARN, f"Draft {draft.id} ({draft.status.value}) waits for a person: see Drafts"))
    if day.silent_for:
        text = f"No digest has gone out for {count(day.silent_for, 'day')}: look at Drafts, and at the lines above"
        lines.append(Line(_BAD, text))
    return lines or [Line(_OK, "Nothing to publish")]


def _archive(day: Day) -> list[Line]:
    lines = _trouble(day, "archive", "Archiving")
    if "archive" in day.failed:
        lines.append(Line(_WARN, "The rows stay in Posts; the next run moves them"))
    if day.archived:
        lines.append(Line(_OK, f"Archived {count(day.archived.moved, 'processed post')}"))
        lines.append(Line(_CHART, f"Total archived: {count(day.archived.total, 'post')}"))
    return lines


def write(day: Day, seconds: float) -> RunReport:
    """The report of a run. `seconds` is how long it took."""
    report = RunReport(day.run_id, day.started, seconds=seconds, cost=day.spent)
    if "ledger" in day.failed:
        report.sections["Ledger"] = [Line(_BAD, day.failed["ledger"]), Line(_WARN, "Nothing was changed")]
    elif day.held_by:
        report.sections["Ledger"] = [Line(_WARN, f"Another run has the ledger: {day.held_by}")]
        report.sections["Ledger"].append(Line(_OK, "Nothing was changed; that run does the day's work"))
    else:
        report.sections["Data Collection"] = _collection(day)
        report.sections["AI Analysis"] = _analysis(day)
        report.sections["Publishing"] = _publishing(day)
        report.sections["Archive"] = _archive(day)
    if day.drafted and day.drafted.draft:
        text = day.drafted.draft.text
        report.sections["The Digest"] = [Line("  │", line) for line in text.splitlines()]
        report.sections["Why These"] = [Line("  •", line) for line in day.drafted.draft.why.splitlines()]
    if day.published:
        report.cost += day.published.paid
    failed = set(day.failed)
    if day.fetched and day.fetched.failed_channels:
        failed.add("fetch")
    if day.published and day.published.problems:
        failed.add("publish")
    report.failed_steps = [name for name in ("ledger", *STEPS) if name in failed]
    report.errors = [f"{name}: {why}" for name, why in day.failed.items()]
    report.errors += day.fetched.problems if day.fetched else []
    report.errors += [*day.published.problems, *day.published.held] if day.published else []
    report.errors += [f"no digest has gone out for {day.silent_for} days"] if day.silent_for else []
    report.errors += day.analyzed.unanalyzed if day.analyzed else []
    report.status = "SUCCESS"
    if report.failed_steps:
        report.status = "FAILED" if "ledger" in day.failed or len(report.failed_steps) == len(STEPS) else "PARTIAL"
    if day.held_by:
        report.status = "SKIPPED"
    report.counts = _counts(day)
    return report


def _counts(day: Day) -> dict[str, int]:
    uploaded = day.uploaded or 0
    return {
        "fetched": day.fetched.messages if day.fetched else 0,
        "found": day.fetched.mentions if day.fetched else 0,
        "uploaded": uploaded,
        "duplicates": day.fetched.mentions - uploaded if day.fetched and day.uploaded is not None else 0,
        "analyzed": day.analyzed.posts if day.analyzed else 0,
        "projects": len(day.analyzed.projects) if day.analyzed else 0,
        "drafted": int(bool(day.drafted and day.drafted.draft)),
        "published": len(day.published.receipts) if day.published else 0,
        "archived": day.archived.moved if day.archived else 0,
    }


def render(report: RunReport, started: datetime, *, dry_run: bool = False) -> str:
    """The report as people read it, at most 80 columns wide. `started` is in the team's time zone."""
    rule = "=" * WIDTH
    title = "Daily Pipeline Dry Run" if dry_run else "Daily Pipeline Run"
    out = [rule, f"{title} - {started:%Y-%m-%d %H:%M:%S}", rule]
    for section, lines in report.sections.items():
        if not lines:
            continue
        out.append(f"{section}:")
        for line in lines:
            quoted = line.mark.strip() == "│"
            first = f"  {line.mark} "
            rest = first if quoted else "     "
            # Rich counts columns: an emoji and a CJK character take two.
            wrapped = Text(line.text).wrap(_CONSOLE, WIDTH - 6) or [Text("")]
            out += [f"{rest if at else first}{piece.plain.rstrip()}".rstrip() for at, piece in enumerate(wrapped)]
        out.append("")
    mark = {"SUCCESS": _OK, "PARTIAL": "⚠️", "FAILED": _BAD, "SKIPPED": "⚠️"}[report.status]
    failed = f" ({', '.join(report.failed_steps)} failed)" if report.failed_steps else ""
    out += [f"Overall Status: {mark} {report.status}{failed}", f"Runtime: {report.seconds:.1f} seconds", rule]
    return "\n".join(out)


@step("report", run_name="report", timeout_seconds=120)
def write_report(ledger: str, day: Day, local_start: datetime, seconds: float) -> RunReport:
    """Write the run's report to the log and the ledger.

    Args:
        ledger: the ledger's block, as slug/name.
        day: what each step gave.
        local_start: when the run started, in the team's time zone.
        seconds: how long it took.
    """
    report = write(day, seconds)
    text = render(report, local_start, dry_run=day.dry_run)
    get_run_logger().info("\n%s", text)
    if "ledger" not in day.failed and not day.held_by:
        load(Ledger, ledger).add_run(report)
    return report
