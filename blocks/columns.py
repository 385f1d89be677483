"""The tabs of the ledger, and how records become rows of text and rows become records again.

Every member of the ledger family has these tabs; names and headers are what people and other programs see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from blocks.records import (
    Analysis,
    Bookmark,
    Draft,
    DraftStatus,
    Entry,
    Post,
    PostStatus,
    Project,
    RunReport,
    is_snowflake,
)

Row = dict[str, str]

POSTS = (
    "Date",
    "Time",
    "Content",
    "Post Link",
    "Author",
    "Author Link",
    "AI Summary",
    "AI Keywords",
    "Projects",
    "Category",
    "Score",
    "AI Processed",
    "Draft ID",
    "Publication Receipt",
    "Status",
    "Shared By",
    "Message Link",
    "Post ID",
)
ARCHIVE = (*POSTS, "Archived At")
DRAFTS = (
    "Draft ID",
    "Date",
    "Text",
    "Post IDs",
    "Length",
    "Cost",
    "Status",
    "Published IDs",
    "Link",
    "Note",
    "Content Hash",
    "Publisher",
    "Projects",
    "Why",
    "Approved Hash",
    "Made From",
)
MOVED = ("Status", "Published IDs", "Link", "Note", "Publisher", "Length", "Cost", "Content Hash", "Approved Hash")
"""What changes of a draft once it is made."""

CHANNELS = ("Channel ID", "Name", "Last Message ID", "Last Read")
RUNS = (
    "Run ID",
    "Started",
    "Seconds",
    "Status",
    "Fetched",
    "Found",
    "Uploaded",
    "Duplicates",
    "Analyzed",
    "Projects",
    "Drafted",
    "Published",
    "Archived",
    "Cost",
    "Errors",
)

TABS: dict[str, tuple[str, ...]] = {
    "Posts": POSTS,
    "Drafts": DRAFTS,
    "Archive": ARCHIVE,
    "Channels": CHANNELS,
    "Runs": RUNS,
}
KEYS = {
    "Posts": "Post ID",
    "Drafts": "Draft ID",
    "Archive": "Post ID",
    "Channels": "Channel ID",
    "Runs": "Run ID",
}
"""The column that tells a tab's rows apart."""

PART = "\n\n---\n\n"
"""What divides the parts of a thread in a draft's text."""

_DIVIDER = re.compile(r"\n\s*---[^\S\n]*\n\s*")
_DRAFT_ID = re.compile(r"[0-9A-Za-z-]{1,40}")
_PROJECT = re.compile(r"(?P<name>.*?)(?: \(\$(?P<ticker>[^()$]+)\))?")


def stamp(moment: datetime) -> str:
    """A time as the ledger writes it: UTC, to the second, ISO 8601."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unstamp(text: str) -> datetime:
    """The time that `stamp` wrote. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.year < 2015:  # Discord's first: nothing of ours is older, and days before year 1 are an error.
        raise ValueError(f"{text[:40]!r} is before anything was written here")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def listed(name: str) -> str:
    """A member's name as it comes back from a cell that holds several."""
    return name.replace(",", " ").strip() or "unknown"


def row_of_post(post: Post) -> Row:
    """The cells that a post fills when it is uploaded. Date and time are those of its first sharing."""
    shared = post.shared_at.astimezone(UTC)
    return {
        "Date": shared.strftime("%Y-%m-%d"),
        "Time": shared.strftime("%H:%M:%S"),
        "Content": post.text,
        "Post Link": post.link,
        "Author": f"@{post.author}" if post.author else "",
        "Author Link": post.author_link,
        "Status": PostStatus.NEW.value,
        "Shared By": ", ".join(map(listed, post.shared_by)),
        "Message Link": post.message_link,
        "Post ID": post.id,
    }


def row_of_analysis(analysis: Analysis, at: datetime) -> Row:
    """The cells that an analysis fills, the status that follows from it among them."""
    return {
        "AI Summary": analysis.summary,
        "AI Keywords": ", ".join(word.replace(",", " ") for word in analysis.keywords),
        "Projects": ", ".join(
            f"{p.name.replace(',', ' ')} (${p.ticker})" if p.ticker else p.name.replace(",", " ")
            for p in analysis.projects
        ),
        "Category": analysis.category,
        "Score": str(analysis.score),
        "AI Processed": f"{stamp(at)} {analysis.analyst}".strip(),
        "Status": (PostStatus.ANALYZED if analysis.is_crypto else PostStatus.SKIPPED).value,
    }


def row_of_entry(entry: Entry) -> Row:
    """The cells that a post fills when it is uploaded, those of its analysis too if it comes with one."""
    row = row_of_post(entry.post)
    if entry.analysis and entry.analyzed_at:
        row |= row_of_analysis(entry.analysis, entry.analyzed_at)
    return row | {"Status": entry.status.value}


def _list(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip())


def _projects(cell: str) -> tuple[Project, ...]:
    found = (_PROJECT.fullmatch(part) for part in _list(cell))
    return tuple(Project(m["name"], m["ticker"] or "") for m in found if m)


def entry_of_row(row: Mapping[str, str]) -> Entry:
    """The entry that a row of Posts holds.

    Raises:
        ValueError: the row has no post id, or a date, score or status that cannot be.
    """
    if not is_snowflake(row["Post ID"]):
        raise ValueError(f"Post ID {row['Post ID'][:40]!r} is not a status id")
    status = PostStatus(row["Status"])
    processed, _, analyst = row["AI Processed"].partition(" ")
    post = Post(
        id=row["Post ID"],
        author=row["Author"].removeprefix("@"),
        text=row["Content"],
        shared_by=_list(row["Shared By"]),
        shared_at=datetime.fromisoformat(f"{row['Date']}T{row['Time']}").replace(tzinfo=UTC),
        message_link=row["Message Link"],
    )
    if not processed:
        return Entry(post=post, status=status)
    projects = _projects(row["Projects"])
    analysis = Analysis(
        post_id=post.id,
        is_crypto=status is not PostStatus.SKIPPED or bool(projects),
        projects=projects,
        category=row["Category"],
        summary=row["AI Summary"],
        keywords=_list(row["AI Keywords"]),
        score=int(row["Score"] or 0),
        analyst=analyst,
    )
    return Entry(post, status, analysis, unstamp(processed), row["Draft ID"], row["Publication Receipt"])


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of a draft's text, however many empty lines a person leaves around what divides them."""
    return tuple(_DIVIDER.split(text.replace("\r\n", "\n").strip()))


def row_of_draft(draft: Draft) -> Row:
    """A draft's row. A thread's parts are divided by a line with "---"."""
    return {
        "Draft ID": draft.id,
        "Date": draft.day.isoformat(),
        "Text": PART.join(draft.parts),
        "Post IDs": ", ".join(draft.post_ids),
        "Length": str(draft.weighted_length),
        "Cost": f"{draft.cost:.3f}",
        "Status": draft.status.value,
        "Published IDs": ", ".join(draft.published_ids),
        "Link": draft.link,
        "Note": draft.note,
        "Content Hash": draft.content_hash,
        "Publisher": draft.publisher,
        "Projects": ", ".join(name.replace(",", " ") for name in draft.projects),
        "Why": draft.why,
        "Approved Hash": draft.approved_hash,
        "Made From": draft.made_from,
    }


def cells_of_posts(draft: Draft) -> Row:
    """What becomes of a draft's posts, as far as they are `drafted`. No cells: they stay as they are."""
    if draft.status is DraftStatus.PUBLISHED:
        receipt = draft.link or ", ".join(draft.published_ids)
        return {"Status": PostStatus.PUBLISHED.value, "Publication Receipt": receipt}
    if draft.status is DraftStatus.REJECTED:
        return {"Status": PostStatus.ANALYZED.value, "Draft ID": ""}
    return {}


def goes_out(draft: Draft, expected: DraftStatus) -> bool:
    """Whether a move is the one after which a draft is published: then its text must be the one that was read."""
    return draft.status is DraftStatus.PUBLISHING and expected is not DraftStatus.PUBLISHING


def draft_of_row(row: Mapping[str, str]) -> Draft:
    """The draft that a row of Drafts holds. Raises ValueError for a cell that cannot be."""
    if not _DRAFT_ID.fullmatch(row["Draft ID"]):  # It names files and titles: nothing else may pass.
        raise ValueError(f"Draft ID {row['Draft ID'][:40]!r} is not a draft's id")
    return Draft(
        id=row["Draft ID"],
        day=date.fromisoformat(row["Date"]),
        parts=parts_of(row["Text"]),
        post_ids=_list(row["Post IDs"]),
        content_hash=row["Content Hash"],
        weighted_length=int(row["Length"] or 0),
        cost=float(row["Cost"] or 0),
        status=DraftStatus(row["Status"]),
        published_ids=_list(row["Published IDs"]),
        link=row["Link"],
        note=row["Note"],
        publisher=row["Publisher"],
        projects=_list(row["Projects"]),
        why=row["Why"],
        made_from=row["Made From"],
        approved_hash=row["Approved Hash"],
    )


def row_of_bookmark(bookmark: Bookmark) -> Row:
    """A channel's row."""
    return {
        "Channel ID": bookmark.channel_id,
        "Name": bookmark.name,
        "Last Message ID": bookmark.last_message_id,
        "Last Read": stamp(bookmark.last_read),
    }


def bookmark_of_row(row: Mapping[str, str]) -> Bookmark:
    """The bookmark that a row of Channels holds. Raises ValueError for a cell that cannot be."""
    if not is_snowflake(row["Last Message ID"]):
        raise ValueError(f"Last Message ID {row['Last Message ID'][:40]!r} is not a message id")
    return Bookmark(row["Channel ID"], row["Name"], row["Last Message ID"], unstamp(row["Last Read"]))


def row_of_run(report: RunReport) -> Row:
    """A run's row: its counts, and its errors as a JSON list."""
    counts = {name: str(report.counts.get(name.lower(), 0)) for name in RUNS[4:-2]}
    return counts | {
        "Run ID": report.run_id,
        "Started": stamp(report.started),
        "Seconds": f"{report.seconds:.1f}",
        "Status": report.status,
        "Cost": f"{report.cost:.3f}",
        "Errors": json.dumps(report.errors, ensure_ascii=False) if report.errors else "",
    }
