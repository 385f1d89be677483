"""Analyze: which new posts are about crypto projects, which projects, and why they matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from blocks.analyst import Analyst, Answers
from blocks.errors import PermanentError, TransientError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Entry, Post, PostStatus
from blocks.text import count
from tasks.progress import Progress
from tasks.step import say_what, step

BATCH = 5_000
"""How many posts are analysed and written at a time. A sheet takes few calls; an analyst has smaller batches itself."""

EMBED_WAIT = timedelta(hours=1)
"""A post without text waits this long for its embed, which arrives after the message."""


@dataclass(slots=True)
class Analyzed:
    """What the analysis said, in numbers, and the posts that it could not be had for.

    `tokens` and `cost` (in US dollars, an estimate) are what the model took.
    """

    posts: int = 0
    relevant: int = 0
    projects: set[str] = field(default_factory=set)
    waiting: int = 0
    unanalyzed: list[str] = field(default_factory=list)
    tokens: int = 0
    cost: float = 0.0


def ready(entries: Sequence[Entry], now: datetime) -> list[Post]:
    """The posts that can be analysed now: those with a text, and those whose embed does not come any more."""
    return [e.post for e in entries if e.post.text or e.post.shared_at < now - EMBED_WAIT]


def together(first: Answers, second: Answers) -> Answers:
    return Answers(
        first.analyses + second.analyses,
        {**first.unanalyzed, **second.unanalyzed},
        first.tokens_in + second.tokens_in,
        first.tokens_out + second.tokens_out,
        first.cost + second.cost,
    )


def analyze_batch(ask: Callable[[Sequence[Post]], Answers], posts: Sequence[Post]) -> Answers:
    """Analyse posts; a batch that fails is split until the one bad post stands alone, and the rest is kept.

    An analyst that splits its batches itself says of each post that it leaves out why it does: those are not asked
    about again. This is the net below the analysts that do not, and below mistakes.

    Returns:
        An analysis for each post, or the reason why there is none.

    Raises:
        TransientError: the analyst is out of reach, which no splitting mends.
        PermanentError: the same, and no other try helps today.
    """
    if not posts:
        return Answers()
    try:
        got = ask(posts)
    except (TransientError, PermanentError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever one post does to an analyst, it costs that post alone
        if len(posts) == 1:
            return Answers(unanalyzed={posts[0].id: reason(error)})
        half = len(posts) // 2
        return together(analyze_batch(ask, posts[:half]), analyze_batch(ask, posts[half:]))
    wanted = {post.id for post in posts}
    analyses = {a.post_id: a for a in got.analyses if a.post_id in wanted}
    explained = {i: why for i, why in got.unanalyzed.items() if i in wanted and i not in analyses}
    known = Answers(tuple(analyses.values()), explained, got.tokens_in, got.tokens_out, got.cost)
    missing = [post for post in posts if post.id not in analyses and post.id not in explained]
    if len(missing) == len(posts):
        return together(known, Answers(unanalyzed=dict.fromkeys(wanted, "the analyst said nothing of it")))
    return together(known, analyze_batch(ask, missing))


def in_lines(unanalyzed: Mapping[str, str]) -> list[str]:
    """The posts that could not be analysed, one line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for post_id, why in unanalyzed.items():
        by_reason.setdefault(why, []).append(post_id)
    return [f"post {ids[0]}: {why}" if len(ids) == 1 else f"{len(ids)} posts: {why}" for why, ids in by_reason.items()]


def _from(bar: Progress, start: int, done: int) -> None:
    bar.at(start + done)


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
    ask, bar = load(Analyst, analyst).analyze, Progress("posts analysed", len(posts))
    say_what(f"analyze {count(len(posts), 'post')} with {analyst.partition('/')[0]}")
    for start in range(0, len(posts), BATCH):
        shown = partial(_from, bar, start)
        got = analyze_batch(partial(ask, progress=shown), posts[start : start + BATCH])
        if len(got.unanalyzed) > 1 and not got.analyses:
            raise PermanentError(f"None of {len(got.unanalyzed)} posts: {in_lines(got.unanalyzed)[0]}")
        book.note_analyses(got.analyses, now)
        done.posts += len(got.analyses)
        done.relevant += sum(analysis.is_crypto for analysis in got.analyses)
        done.projects |= {p.name for a in got.analyses if a.is_crypto for p in a.projects}
        done.unanalyzed += in_lines(got.unanalyzed)
        done.tokens += got.tokens_in + got.tokens_out
        done.cost += got.cost
    return done
