"""The source family: where the members' messages come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from prefect.blocks.core import Block

from blocks.errors import PermanentError
from blocks.records import Bookmark, ChannelRead, Check, Message, is_snowflake
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

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the source can be read."""
        raise NotImplementedError
