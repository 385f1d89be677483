"""Analyze: which new posts are about crypto projects, which projects, and why they matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from blocks.analyst import Analyst
from blocks.errors import PermanentError, TransientError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Analysis, Entry, Post, PostStatus
from tasks.step import step

BATCH = 500
"""How many posts are analysed and written at a time: what is done stays done when a later batch fails."""

EMBED_WAIT = timedelta(hours=1)
"""A post without text waits this long for its embed, which arrives after the message."""


@dataclass(slots=True)
class Analyzed:
    """What the analysis said, in numbers, and the posts that it could not be had for."""

    posts: int = 0
    relevant: int = 0
    projects: set[str] = field(default_factory=set)
    waiting: int = 0
    unanalyzed: list[str] = field(default_factory=list)


def ready(entries: Sequence[Entry], now: datetime) -> list[Post]:
    """The posts that can be analysed now: those with a text, and those whose embed does not come any more."""
    return [e.post for e in entries if e.post.text or e.post.shared_at < now - EMBED_WAIT]


def analyze_batch(
    ask: Callable[[Sequence[Post]], list[Analysis]], posts: Sequence[Post]
) -> tuple[list[Analysis], list[str]]:
    """Analyse posts; a batch that fails is split until the one bad post stands alone, and the rest is kept.

    Returns:
        The analyses, and one line for each post that could not be analysed.

    Raises:
        TransientError: the analyst is out of reach, which no splitting mends.
        PermanentError: the same, and no other try helps today.
    """
    if not posts:
        return [], []
    try:
        wanted = {post.id for post in posts}
        analyses = {a.post_id: a for a in ask(posts) if a.post_id in wanted}
    except (TransientError, PermanentError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever one post does to an analyst, it costs that post alone
        if len(posts) == 1:
            return [], [f"post {posts[0].id}: {reason(error)}"]
        half = len(posts) // 2
        first, first_bad = analyze_batch(ask, posts[:half])
        second, second_bad = analyze_batch(ask, posts[half:])
        return first + second, first_bad + second_bad
    missing = [post for post in posts if post.id not in analyses]
    if not missing:
        return list(analyses.values()), []
    if len(missing) == len(posts):
        return [], [f"post {post.id}: the analyst said nothing of it" for post in posts]
    again, bad = analyze_batch(ask, missing)
    return list(analyses.values()) + again, bad


@step("analyze", run_name="analyze with {analyst}", timeout_seconds=900)
def analyze(ledger: str, analyst: str) -> Analyzed:
    """Analyse the ledger's new posts, and write what was found to their rows.

    Args:
        ledger: the ledger's block, as slug/name.
        analyst: the analyst's block, as slug/name.
    """
    book = load(Ledger, ledger)
    now = datetime.now(UTC)
    entries = book.entries(PostStatus.NEW)
    posts = ready(entries, now)
    done = Analyzed(waiting=len(entries) - len(posts))
    ask = load(Analyst, analyst).analyze
    for start in range(0, len(posts), BATCH):
        analyses, unanalyzed = analyze_batch(ask, posts[start : start + BATCH])
        book.note_analyses(analyses, now)
        done.posts += len(analyses)
        done.relevant += sum(analysis.is_crypto for analysis in analyses)
        done.projects |= {p.name for a in analyses if a.is_crypto for p in a.projects}
        done.unanalyzed += unanalyzed
    return done
