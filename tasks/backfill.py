"""Backfill: one channel's past, chunk after chunk, from the source into the ledger, analysed and never published.

A chunk is one move of the ledger: its posts, what is said of them, and the mark that stands for both. So whatever
dies, and whenever, nothing is lost or doubled, and the next start goes on behind the mark. The mark is the backfill's
own: the channel's bookmark may lie far ahead of it, since daily runs have been reading the channel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException

from blocks.analyst import Analyst, Answers
from blocks.errors import PermanentError
from blocks.loading import load
from blocks.records import (
    Analysis,
    Bookmark,
    Channel,
    ChannelRead,
    Entry,
    Message,
    Period,
    Post,
    PostStatus,
    is_snowflake,
    message_time_ms,
)
from blocks.source import Source
from tasks.analyze import BATCH, analyze_batch, in_lines, ready, together
from tasks.dedupe import compare
from tasks.fetch import Fetched, collect
from tasks.open_ledger import visit
from tasks.selection import WAIT
from tasks.step import step

MANY = 100
"""How many lines of one kind are kept of a channel: a year has many."""

SHOWN_EVERY = 3.0
"""Seconds between two changes of a channel's progress in the UI: each is a call."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done with each channel. The blocks are named as slug/name; no secret is in here.

    `chunk` counts messages, `patience` is how many seconds to wait for the ledger. `open_end` tells that nothing
    bounds the period: whoever reads the channel next may go on where this ends. `again`: earlier marks do not count.
    """

    source: str
    ledger: str
    analyst: str
    run: str
    period: Period
    days: str = ""
    open_end: bool = True
    chunk: int = 5_000
    patience: float = 1_800.0
    again: bool = False

    def mark_of(self, channel: str) -> str:
        """Under which name the ledger keeps how far this backfill has come in a channel: other days, another mark."""
        return " ".join(filter(None, ("backfill", channel, self.days)))


@dataclass(slots=True)
class Backfilled:
    """What came of one channel, in numbers and the few lines that people must read."""

    channel: Channel
    messages: int = 0
    passed: int = 0
    mentions: int = 0
    added: int = 0
    relevant: int = 0
    candidates: int = 0
    chunks: int = 0
    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    unanalyzed: list[str] = field(default_factory=list)
    failed: bool = False


def entry_of(post: Post, said: Analysis | None, now: datetime) -> Entry:
    """A post as it comes into the ledger. What nothing is said of yet is `new`, as ever.

    A post that was shared longer ago than a candidate may wait is `skipped`, as a day's run would make it of one that
    it did not take: the next digest is about today. A younger one may still be news, and is a candidate.
    """
    if said is None:
        return Entry(post)
    is_candidate = said.is_crypto and post.shared_at >= now - WAIT
    return Entry(post, PostStatus.ANALYZED if is_candidate else PostStatus.SKIPPED, said, now)


class _Walk:
    """A walk through one channel, cut into its chunks."""

    def __init__(self, events: Iterator[Message | ChannelRead]) -> None:
        self._events = events
        self.at: ChannelRead | None = None
        self.newest: dict[str, Bookmark] = {}
        """By id of the channel and its threads, the newest message that was met."""

    def chunk(self) -> Iterator[Message | ChannelRead]:
        """The next messages, and how their reading ended; nothing once all is over."""
        self.at = None
        highest: dict[str, int] = {}
        for event in self._events:
            yield event
            if isinstance(event, ChannelRead):
                self.at = event
                for channel, number in highest.items():
                    self.reached(Channel(channel, event.channel.name), str(number))
                return
            highest[event.channel.id] = max(highest.get(event.channel.id, 0), int(event.id))

    def reached(self, channel: Channel, message_id: str) -> None:
        """Note a message; the newest of a channel counts."""
        known = self.newest.get(channel.id)
        if known is None or int(message_id) > int(known.last_message_id):
            sent = datetime.fromtimestamp(message_time_ms(message_id) / 1000, UTC)
            self.newest[channel.id] = Bookmark(channel.id, channel.name, message_id, sent)


class _Progress:
    """How much of a channel is behind, for the eyes of people: nothing depends on it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._id: UUID | None = None
        self._shown = 0.0

    def show(self, share: float, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._shown < SHOWN_EVERY:
            return
        self._shown = time.monotonic()
        with suppress(PrefectException, httpx.HTTPError):
            if self._id is None:
                made = create_progress_artifact(100 * share, "backfill-channel", f"Backfill of {self._name}")
                self._id = cast(UUID, made)
            else:
                update_progress_artifact(self._id, 100 * share)


def _analyzed(analyst: Analyst, posts: Sequence[Post]) -> Answers:
    """What the analyst says of these posts.

    Raises:
        PipelineError: it is out of reach, or says nothing of any.
    """
    said = Answers()
    for start in range(0, len(posts), BATCH):
        said = together(said, analyze_batch(analyst.analyze, posts[start : start + BATCH]))
    if len(said.unanalyzed) > 1 and not said.analyses:
        raise PermanentError(f"None of {len(said.unanalyzed)} posts: {in_lines(said.unanalyzed)[0]}")
    return said


def _own(marks: Mapping[str, Bookmark], errand: Errand) -> dict[str, Bookmark]:
    """The marks of earlier starts of this backfill, by id of the channel or thread."""
    if errand.again:
        return {}
    ids = (name.split()[1] for name in marks if name.startswith("backfill "))
    return {i: marks[errand.mark_of(i)] for i in ids if errand.mark_of(i) in marks}


def _further(newest: Mapping[str, Bookmark], there: Mapping[str, Bookmark]) -> list[Bookmark]:
    """The channels' own bookmarks, as far as they move on: they never move back."""
    ahead = {i: int(mark.last_message_id) for i, mark in there.items() if is_snowflake(i)}
    return [mark for i, mark in newest.items() if int(mark.last_message_id) > ahead.get(i, 0)]


@step("channels", run_name="look which channels {source} has", timeout_seconds=600)
def list_channels(source: str, named: Sequence[str]) -> list[Channel]:
    """The channels to work on.

    Args:
        source: the source's block, as slug/name.
        named: the ids of the channels that are wanted; empty: all.

    Raises:
        PipelineError: there are none, or an id cannot be one.
    """
    return load(Source, source).channels(named)


@step("backfill", run_name="backfill #{name}", timeout_seconds=None)
def backfill_channel(channel: str, name: str, errand: Errand) -> Backfilled:
    """Bring one channel's messages of the errand's period into the ledger. May be repeated: it goes on.

    Args:
        channel: its id.
        name: what people call it.
        errand: what to do.

    Raises:
        PipelineError: the analyst or the ledger could not be had. What came before stays.
    """
    began = time.monotonic()
    done = Backfilled(Channel(channel, name))
    progress = _Progress(f"#{name}")
    with visit(errand.ledger, errand.run, errand.patience) as (_, marks):
        own = _own(marks, errand)
    walk = _Walk(load(Source, errand.source).walk(channel, own, errand.period, errand.chunk))
    for i, mark in own.items():
        walk.reached(Channel(i, mark.name), mark.last_message_id)
    while True:
        now = datetime.now(UTC)
        fetched = collect(walk.chunk(), now)
        if walk.at is None:
            break
        _count(done, fetched, walk.at)
        _keep(errand, fetched, done, now)
        progress.show(walk.at.share)
    with visit(errand.ledger, errand.run, errand.patience) as (book, marks):
        if errand.open_end and not done.failed:
            # From here on the daily runs read the channel. What they had read before, they are ahead with.
            book.add([], [], _further(walk.newest, marks))
        # What an earlier start brought in and could not move any more.
        book.archive([PostStatus.SKIPPED], datetime.now(UTC))
    progress.show(1.0, at_once=True)
    done.seconds = time.monotonic() - began
    return done


def _count(done: Backfilled, fetched: Fetched, read: ChannelRead) -> None:
    done.chunks += 1
    done.messages += fetched.messages
    done.passed += fetched.reread
    done.mentions += fetched.mentions
    done.problems = (done.problems + fetched.problems)[:MANY]
    done.failed |= read.failed
    if read.channel.id == done.channel.id:
        done.channel = read.channel


def _keep(errand: Errand, fetched: Fetched, done: Backfilled, now: datetime) -> None:
    """Bring a chunk into the ledger: its posts, what is said of them, and the marks, in one move."""
    moved = [replace(mark, channel_id=errand.mark_of(mark.channel_id)) for mark in fetched.bookmarks]
    posts = {i: post for i, post in fetched.posts.items() if errand.period.begin <= post.shared_at < errand.period.end}
    if not posts and not moved:
        return
    said = Answers()
    if posts:
        # Asked before the analysis, since that may cost money; and again after it, since others write meanwhile.
        with visit(errand.ledger, errand.run, errand.patience) as (book, _):
            fresh = compare(posts.values(), book.known(list(posts)))
        said = _analyzed(load(Analyst, errand.analyst), ready([Entry(post) for post in fresh.new], now))
    analyses = {analysis.post_id: analysis for analysis in said.analyses}
    with visit(errand.ledger, errand.run, errand.patience) as (book, _):
        fresh = compare(posts.values(), book.known(list(posts)))
        entries = [entry_of(post, analyses.get(post.id), now) for post in fresh.new]
        done.added += book.bring(entries, fresh.changed, moved)
        if any(entry.status is PostStatus.SKIPPED for entry in entries):
            book.archive([PostStatus.SKIPPED], now)
    done.relevant += sum(bool(entry.analysis and entry.analysis.is_crypto) for entry in entries)
    done.candidates += sum(entry.status is PostStatus.ANALYZED for entry in entries)
    done.unanalyzed = (done.unanalyzed + in_lines(said.unanalyzed))[:MANY]
    done.tokens += said.tokens_in + said.tokens_out
    done.cost += said.cost
