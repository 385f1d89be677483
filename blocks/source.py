"""The source family: where the members' messages come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from prefect.blocks.core import Block

from blocks.records import Bookmark, ChannelRead, Check, Message


class Source(Block):
    """Base of the sources. Members: `ExportSource`, `DiscordChannels`."""

    def read(
        self, bookmarks: Mapping[str, Bookmark], *, limit: int, lookback: timedelta
    ) -> Iterator[Message | ChannelRead]:
        """Read every channel from its bookmark on.

        Args:
            bookmarks: by channel id, where the last run stopped.
            limit: how many messages after the bookmark to take from a channel, the oldest first; 0: all.
            lookback: messages this much older than the bookmark are read again (embeds arrive late,
                people edit). They do not count towards the limit.

        Yields:
            The messages, and after those of a channel one `ChannelRead`.

        Raises:
            PipelineError: nothing at all can be read. One channel's trouble is in its `ChannelRead`.
        """
        raise NotImplementedError

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the source can be read."""
        raise NotImplementedError
