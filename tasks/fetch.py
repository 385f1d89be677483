"""Fetch: read the source from the bookmarks on, and keep the posts that its messages link to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from blocks.errors import PermanentError
from blocks.loading import load
from blocks.records import Bookmark, ChannelRead, Message, Post, is_snowflake, message_time_ms
from blocks.source import Source
from blocks.text import count
from tasks.links import posts_in
from tasks.step import say_what, step


@dataclass(slots=True)
class Fetched:
    """What the source gave: posts, each once; the bookmarks that rest on them; and what was met on the way.

    `messages` are new ones, `reread` those before the bookmark; `waiting` are left for later runs.
    `mentions` counts each post once for every message that shares it.
    """

    posts: dict[str, Post] = field(default_factory=dict)
    bookmarks: list[Bookmark] = field(default_factory=list)
    channels: int = 0
    messages: int = 0
    reread: int = 0
    waiting: int = 0
    mentions: int = 0
    impossible: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failed_channels: int = 0


def merge(first: Post, second: Post) -> Post:
    """Two sharings of one post as one: the earlier share, everybody who shared it, the post's own text."""
    early, late = (first, second) if first.shared_at <= second.shared_at else (second, first)
    text = next((post for post in (early, late) if post.own_text), early if early.text else late)
    return replace(
        early,
        author=text.author or early.author or late.author,
        text=text.text,
        own_text=text.own_text,
        shared_by=tuple(dict.fromkeys(early.shared_by + late.shared_by)),
    )


def sound(bookmarks: Mapping[str, Bookmark], now: datetime) -> dict[str, Bookmark]:
    """The channels' bookmarks that can be. One in the future would hide every message: its channel is read afresh.

    The marks of backfills stand beside them, under names that are no channel's id: they are left out.
    """
    latest = int((now + timedelta(days=1)).timestamp() * 1000)
    marks = ((i, mark) for i, mark in bookmarks.items() if is_snowflake(i))
    return {i: mark for i, mark in marks if message_time_ms(mark.last_message_id) <= latest}


def collect(events: Iterable[Message | ChannelRead], now: datetime) -> Fetched:
    """The posts in a stream of messages. Messages without a post are forgotten at once."""
    fetched = Fetched()
    for event in events:
        if isinstance(event, Message):
            shared = posts_in(event, now)
            fetched.impossible.update(dict.fromkeys(shared.impossible))
            for post in shared.posts:
                fetched.mentions += 1
                known = fetched.posts.get(post.id)
                fetched.posts[post.id] = merge(known, post) if known else post
            continue
        fetched.channels += 1
        fetched.messages += event.new
        fetched.reread += event.reread
        fetched.waiting += event.waiting
        fetched.failed_channels += event.failed
        if event.bookmark:
            fetched.bookmarks.append(event.bookmark)
        if event.problem:
            fetched.problems.append(f"#{event.channel.name}: {event.problem}" if event.channel.id else event.problem)
    return fetched


@step("fetch", run_name="fetch from {source}", timeout_seconds=1800)
def fetch(
    source: str, bookmarks: Mapping[str, Bookmark], limit: int, lookback_days: float, channels: Sequence[str] = ()
) -> Fetched:
    """Read each channel from its bookmark on, the oldest messages first.

    Args:
        source: the source's block, as slug/name.
        bookmarks: by channel id, where the last run stopped.
        limit: new messages to take from a channel; 0: all.
        lookback_days: messages this much older than the bookmark are read again.
        channels: the ids of those to read; empty: all that the source has, or is set up for.

    Raises:
        PipelineError: nothing could be read, or an id cannot be one.
    """
    now = datetime.now(UTC)
    lookback = timedelta(days=lookback_days)
    events = load(Source, source).read(sound(bookmarks, now), limit=limit, lookback=lookback, channels=channels)
    fetched = collect(events, now)
    say_what(f"fetch {count(fetched.messages, 'message')} from {source.partition('/')[0].partition(':')[0]}")
    if fetched.channels and fetched.failed_channels == fetched.channels and not fetched.messages + fetched.reread:
        raise PermanentError("; ".join(fetched.problems))
    return fetched
