"""The run's page in Prefect's UI: the report with the digest, tables, the links to go on with, a picture of 30 days.

All of it is made from what strangers wrote. Their words stand in blocks of code, or in cells without any markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from prefect.artifacts import (
    Artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.pipeline_settings import BLOCK_NAME
from blocks.records import Draft, Receipt, RunReport
from blocks.text import count, one_line
from blocks.webhook import harmless
from tasks import figures
from tasks.report import Day
from tasks.step import say_what, step

PAGE = 62
"""Characters of code that a line of the page shows without being moved."""

MAX_ROWS = 200
"""How many rows a table shows: the ledger has them all."""

_MARKS = {"SUCCESS": "✅", "PARTIAL": "⚠️", "FAILED": "❌", "SKIPPED": "⏸️"}
_Table = list[dict[str, str]]
_BETWEEN = "\u200b"


@dataclass(frozen=True, slots=True)
class Links:
    """Where to go on from a run's page: the ledger, and each published post. Empty where there is no address."""

    ledger: str = ""
    posts: tuple[str, ...] = ()


def key_for(what: str, settings: str) -> str:
    """An artifact's key. Each team's settings have their own, so that the history under a key is one team's."""
    team = re.sub(r"[^a-z0-9]+", "-", settings.rpartition("/")[2].lower()).strip("-")
    return what if team in ("", BLOCK_NAME) else f"{what}-{team}"


def _fenced(text: str) -> str:
    # Nothing inside can end the block.
    return "```text\n" + text.replace("`", "'") + "\n```"


def _wrapped(text: str) -> str:
    """A text in lines that a page has room for. The line breaks of the text itself stay."""
    return "\n".join(fill(line, PAGE, subsequent_indent="  ", break_long_words=False) for line in text.split("\n"))


def _draft_of(day: Day) -> Draft | None:
    if day.published and day.published.receipts:
        return day.published.receipts[-1][0]
    return day.drafted.draft if day.drafted else None


def links_of(day: Day, ledger: str) -> Links:
    """The addresses of a day: the ledger's, and those of the posts that are out. They are made by code."""
    receipts: Sequence[tuple[Draft, Receipt]] = day.published.receipts if day.published else ()
    posts = tuple(r.link for _, r in receipts if re.fullmatch(r"https://[!-~]+", r.link))
    return Links(ledger, () if day.dry_run else posts)


def markdown(day: Day, report: RunReport, text: str, links: Links) -> str:
    """The report as a page: how it ended, where to look, the digest as it appears, and the whole report."""
    when = day.day or report.started.date()
    kind = "dry run" if day.dry_run else "digest"
    out = [f"# {_MARKS[report.status]} {when:%A, %d %B %Y}: {kind}, {report.status}"]
    ways = [f"[The ledger]({links.ledger})"] if links.ledger else []
    ways += [f"[The post]({link})" for link in links.posts]
    out += [" · ".join(ways)] if ways else []
    if draft := _draft_of(day):
        is_out = bool(day.published and day.published.receipts) and not day.dry_run
        title = "The digest, as it is out" if is_out else "The digest, as it will appear"
        posts = f"{len(draft.parts)} posts, the longest {draft.weighted_length}" if len(draft.parts) > 1 else ""
        length = posts or str(draft.weighted_length)
        out += [
            f"## {title}",
            _fenced(_wrapped(draft.text)),
            f"{length} characters for X, ${draft.cost:.3f}.",
        ]
    narrow = re.sub(r"^=+$", "=" * PAGE, text, flags=re.MULTILINE)
    return "\n\n".join([*out, "## The run", _fenced(narrow)]) + "\n"


_PLAIN = str.maketrans({"*": "∗", "[": "(", "]": ")", "|": "¦", "$": "＄", "\\": "⧵"})
_OPENS = re.compile(r"^(#{1,6}\s|[>+-]|\d+[.)])|(?<=www)(?=\.)|(?<=&)(?=#?\w+;)", re.IGNORECASE)


def _cell(text: str, length: int = 200) -> str:
    """A stranger's words for a cell: one of Prefect's two UIs shows a cell's Markdown, the other its characters."""
    return _OPENS.sub(_BETWEEN + r"\1", harmless(one_line(text, length)).translate(_PLAIN))


def projects(day: Day) -> _Table:
    """The day's projects: those in the digest first, with the reason, then the others that were named."""
    chosen = day.drafted.selection.items if day.drafted else []
    rows = [{"Project": _cell(i.project.name, 60), "In the digest": "yes", "Why": _cell(i.why)} for i in chosen]
    told = {item.project.name for item in chosen}
    named = sorted(day.analyzed.projects - told, key=str.casefold) if day.analyzed else []
    return rows + [{"Project": _cell(name, 60), "In the digest": "", "Why": ""} for name in named]


def left_out(day: Day) -> _Table:
    """What was left out and why: links that cannot be, posts without an analysis, candidates that were not chosen."""
    rows: _Table = []
    if day.fetched:
        rows += [{"What": _cell(i, 60), "Why": "a link to no post that can exist"} for i in day.fetched.impossible]
        rows += [{"What": "a channel", "Why": _cell(problem)} for problem in day.fetched.problems]
    if day.analyzed:
        rows += [{"What": "not analyzed", "Why": _cell(line)} for line in day.analyzed.unanalyzed]
    if day.drafted:
        whys = day.drafted.selection.left_out
        rows += [{"What": f"https://x.com/i/status/{post_id}", "Why": _cell(why)} for post_id, why in whys.items()]
    return rows


def _table(key: str, rows: _Table, what: str) -> None:
    if not rows:
        return
    more = f", {len(rows) - MAX_ROWS:,} more in the ledger" if len(rows) > MAX_ROWS else ""
    create_table_artifact(key=key, table=rows[:MAX_ROWS], description=what + more)


def _thirty_days(day: Day, report: RunReport, settings: str) -> None:
    """Add the day to the figures that are kept, and draw them."""
    if day.day is None:
        return
    key = key_for("daily-figures", settings)
    kept: object = Artifact.get(key)  # not of this class, whatever its signature says
    known = figures.of_rows(str(getattr(kept, "data", "")))
    days = figures.with_run(known, day.day, report, day.seconds)
    create_table_artifact(key=key, table=figures.to_rows(days), description="The last 30 days, in figures")
    picture = figures.as_address(figures.chart(days, day.day))
    create_image_artifact(
        key=key_for("thirty-days", settings), image_url=picture, description="Posts, projects, cost, seconds a step"
    )


@step("page", run_name="show the run", timeout_seconds=60, retries=1)
def show_run(ledger: str, settings: str, day: Day, report: RunReport, text: str) -> None:
    """Make the run's artifacts.

    Args:
        ledger: the ledger's block, as slug/name.
        settings: the settings' block, as slug/name: each team's artifacts have keys of their own.
        day: what each step gave.
        report: the run's report.
        text: the same as people read it.
    """
    links = links_of(day, "" if day.dry_run else load(Ledger, ledger).address)
    create_markdown_artifact(
        key=key_for("daily-report", settings),
        markdown=markdown(day, report, text, links),
        description=f"{report.status} {day.day or report.started.date()}",
    )
    named, left = projects(day), left_out(day)
    _table(key_for("projects", settings), named, count(len(named), "project"))
    _table(key_for("left-out", settings), left, f"What was left out, and why: {len(left):,}")
    if links.ledger:
        create_link_artifact(
            key=key_for("ledger", settings), link=links.ledger, link_text="The ledger", description="The ledger"
        )
    for link in links.posts:
        create_link_artifact(
            key=key_for("published-post", settings), link=link, link_text="The post", description="The published post"
        )
    if not (day.dry_run or day.held_by or day.holiday):
        _thirty_days(day, report, settings)
    say_what(f"show the run and {count(len(named), 'project')}")
