"""The source family: where the members' messages come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prefect.blocks.core import Block

from blocks.errors import PermanentError
from blocks.records import (
    Bookmark,
    Channel,
    ChannelRead,
    Check,
    Message,
    Period,
    first_id,
    is_snowflake,
    message_time_ms,
)
from blocks.text import one_line


def chosen(channels: Sequence[str]) -> tuple[str, ...]:
    """The ids of channels that somebody named, each once.

    Raises:
        PermanentError: one of them cannot be a channel's id.
    """
    ids = tuple(dict.fromkeys(channel.strip() for channel in channels))
    wrong = [one_line(channel, 40) or "an empty word" for channel in ids if not is_snowflake(channel)]
    if wrong:
        raise PermanentError(
            f"No channel id: {', '.join(wrong)}. An id is the number that Discord's Copy Channel ID gives."
        )
    return ids


def _share(mark: Bookmark | None, period: Period) -> float:
    """How much of a period, as far as it has come, lies before a bookmark."""
    if mark is None:
        return 0.0
    passed = message_time_ms(mark.last_message_id) / 1000 - period.begin.timestamp()
    whole = (min(period.end, datetime.now(UTC)) - period.begin).total_seconds()
    return min(1.0, max(0.0, passed / max(1.0, whole)))


class Source(Block):
    """Base of the sources. Members: `ExportSource`, `DiscordChannels`."""

    def read(
        self, bookmarks: Mapping[str, Bookmark], *, limit: int, lookback: timedelta, channels: Sequence[str] = ()
    ) -> Iterator[Message | ChannelRead]:
        """Read each channel from its bookmark on.

        Args:
            bookmarks: by channel id, where the last run stopped.
            limit: how many messages after the bookmark to take from a channel, the oldest first; 0: all.
            lookback: messages this much older than the bookmark are read again (embeds arrive late,
                people edit). They do not count towards the limit.
            channels: the ids of those to read; empty: all that the source has, or is set up for.

        Yields:
            The messages, and after those of a channel one `ChannelRead`.

        Raises:
            PipelineError: nothing at all can be read, or an id cannot be one. One channel's trouble is in its
                `ChannelRead`.
        """
        raise NotImplementedError

    def channels(self, named: Sequence[str] = ()) -> list[Channel]:
        """The channels that were named, or all that the source has or is set up for. Not all need be there.

        Raises:
            PipelineError: there are none, or an id cannot be one.
        """
        raise NotImplementedError

    def walk(
        self, channel: str, marks: Mapping[str, Bookmark], period: Period, chunk: int
    ) -> Iterator[Message | ChannelRead]:
        """Read one channel from end to end in one go, holding no more of it than a chunk.

        Args:
            channel: its id.
            marks: by id of the channel and of its threads, the bookmarks that an earlier walk of this period gave.
            period: which messages, by when they were sent. Others may come with them.
            chunk: after so many messages at the most comes a `ChannelRead`.

        Yields:
            Messages, and after each chunk a `ChannelRead` whose bookmark stands for all that came before it. A walk
            that is given the bookmark goes on behind it. The last one tells of what could not be read.

        Raises:
            PipelineError: nothing can be read.
        """
        begin = Bookmark(channel, channel, str(first_id(period.begin)), period.begin)
        # A thread is looked for from the day on which its channel was read last: here, from the very beginning.
        at = {channel: begin} | {i: replace(mark, last_read=period.begin) for i, mark in marks.items()}
        goes_on = True
        while goes_on:
            goes_on = False
            for event in self.read(at, limit=chunk, lookback=timedelta(0), channels=[channel]):
                if isinstance(event, Message):
                    yield event
                    continue
                mark = None if event.failed else event.bookmark
                is_over = mark is not None and message_time_ms(mark.last_message_id) >= period.end.timestamp() * 1000
                goes_on |= bool(event.waiting and mark and not is_over)
                if mark:
                    at[event.channel.id] = replace(mark, last_read=period.begin)
                yield replace(event, bookmark=mark, share=_share(mark, period) if event.waiting else 1.0)

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the source can be read."""
        raise NotImplementedError
