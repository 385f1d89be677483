"""What a backfill did, in plain lines: for the log, and as a table for the UI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from blocks.text import one_line
from tasks.backfill import Backfilled
from tasks.step import step

SHOWN = 10
"""How many lines of one kind are shown."""

_COLUMNS = ("Channel", "Messages", "Links", "New posts", "About crypto", "Candidates", "Seconds", "")


@dataclass(slots=True)
class Outcome:
    """What came of each channel, and by a channel's name why nothing more did. `seconds` is how long all took."""

    done: list[Backfilled] = field(default_factory=list)
    broke_off: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """How many channels were not read to their end."""
        return len(self.broke_off) + sum(channel.failed for channel in self.done)

    @property
    def channels(self) -> int:
        """How many channels were to be read."""
        return len(self.done) + len(self.broke_off)


def _some(lines: Iterable[str]) -> list[str]:
    """The first lines, each once, and how many more there are."""
    told = list(dict.fromkeys(lines))
    return told[:SHOWN] + ([f"and {len(told) - SHOWN:,} more lines like these"] if len(told) > SHOWN else [])


def lines_of(outcome: Outcome) -> list[str]:
    """The report, a line for each thing that people want to know."""
    done = outcome.done
    messages, passed = sum(c.messages for c in done), sum(c.passed for c in done)
    before = f" ({passed:,} were read before)" if passed else ""
    rate = f", {messages / outcome.seconds:,.0f} a second" if outcome.seconds else ""
    candidates = f"{sum(c.candidates for c in done):,}"
    lines = [
        f"✅ Read {messages:,} messages of {len(done):,} channels{before}{rate}",
        f"✅ Found {sum(c.mentions for c in done):,} links to posts, {sum(c.added for c in done):,} posts are new",
        f"✅ {sum(c.relevant for c in done):,} of these are about crypto projects",
        f"✅ {candidates} are of the last days, candidates for a digest; the others are archived",
    ]
    if tokens := sum(c.tokens for c in done):
        lines.append(f"📊 The model used {tokens:,} tokens, about ${sum(c.cost for c in done):.3f}")
    lines += [f"⚠️ Not analyzed: {line}" for line in _some(line for c in done for line in c.unanalyzed)]
    good = (line for c in done if not c.failed for line in c.problems)
    lines += [f"⚠️ {line}" for line in _some(good)]
    lines += [f"❌ {line}" for line in _some(line for c in done if c.failed for line in c.problems)]
    lines += [f"❌ {line}" for line in _some(f"#{name}: {why}" for name, why in outcome.broke_off.items())]
    if outcome.failed:
        lines.append(f"⚠️ {outcome.failed:,} of {outcome.channels:,} channels failed: start it again, it goes on")
    return lines


def _cell(text: str) -> str:
    """A text that cannot end its cell of a table, nor be read as anything but text."""
    return "".join(f"\\{sign}" if sign in "\\|`*_[]<>#" else sign for sign in one_line(text, 120))


def table_of(outcome: Outcome) -> str:
    """The same as markdown, with a row for each channel."""
    rows: list[Mapping[str, str]] = []
    for c in outcome.done:
        figures = (c.messages, c.mentions, c.added, c.relevant, c.candidates)
        cells = [f"#{c.channel.name}", *(f"{figure:,}" for figure in figures), f"{c.seconds:.1f}"]
        rows.append(dict(zip(_COLUMNS, [*cells, "failed" if c.failed else ""], strict=True)))
    rows += [dict.fromkeys(_COLUMNS, "") | {"Channel": f"#{name}", "": why} for name, why in outcome.broke_off.items()]
    head = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    body = [f"| {' | '.join(_cell(row[name]) for name in _COLUMNS)} |" for row in rows]
    told = [f"- {_cell(line)}" for line in lines_of(outcome)]
    return "\n".join(["# Backfill", "", *told, "", *head, *body])


@step("report", run_name="report", timeout_seconds=120)
def report_backfill(outcome: Outcome) -> None:
    """Write the report to the log and an artifact.

    Args:
        outcome: what came of each channel.
    """
    get_run_logger().info("\n%s", "\n".join(lines_of(outcome)))
    create_markdown_artifact(key="backfill-report", markdown=table_of(outcome), description="What a backfill did")
