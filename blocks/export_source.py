"""The embedded source: channel exports that DiscordChatExporter wrote as JSON, one file or a folder.

What is held in memory is one message at a time and, with a limit, that many more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from pydantic import ConfigDict, Field, HttpUrl

from blocks.discord_messages import id_of
from blocks.errors import PermanentError
from blocks.export_messages import BrokenFileError, channel_of, message_of, messages_in, messages_of, opened, why_broken
from blocks.json_stream import BrokenJSONError
from blocks.logos import DISCORD
from blocks.records import (
    Bookmark,
    Channel,
    ChannelRead,
    Check,
    Message,
    Period,
    message_time_ms,
)
from blocks.source import Source, chosen
from blocks.text import one_line

SAMPLE = Path(str(files("blocks") / "data" / "sample"))
"""The export that comes with the project: two channels of an invented community, one week."""

_CLOCK_SLACK = timedelta(days=1)


def _told_broken(broken: int) -> list[str]:
    return [f"{broken} broken message{'s' * (broken > 1)} left out"] if broken else []


@dataclass(slots=True)
class _Reading:
    """One channel while it is read: what to take, and what was met."""

    channel: Channel
    since: int
    overlap_from: int
    limit: int
    latest: int
    new: int = 0
    reread: int = 0
    broken: int = 0
    newest: int = 0
    oldest_waiting: list[tuple[int, int, Message]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def take(self, raw: object) -> Message | None:
        """The message if it is to be handed on at once; one that waits for its turn is kept in the heap."""
        identity = id_of(raw)
        # An id from the future would take the bookmark there, past every message to come.
        if not identity or message_time_ms(identity) > self.latest:
            self.broken += 1
            return None
        number = int(identity)
        if number <= self.since:
            if message_time_ms(identity) < self.overlap_from:
                return None
            self.reread += 1
            return message_of(raw, self.channel)
        self.new += 1
        if not self.limit:
            self.newest = max(self.newest, number)
            return message_of(raw, self.channel)
        # A heap of the oldest `limit` messages, the newest of them on top: exports may come in any order. Parts that
        # overlap hold a message twice, so that the id alone does not put them in order.
        if len(self.oldest_waiting) < self.limit:
            heapq.heappush(self.oldest_waiting, (-number, self.new, message_of(raw, self.channel)))
        elif number < -self.oldest_waiting[0][0]:
            heapq.heapreplace(self.oldest_waiting, (-number, self.new, message_of(raw, self.channel)))
        return None

    def rest(self) -> Iterator[Message]:
        """The messages that waited for their turn, the oldest first."""
        for negative, _, message in sorted(self.oldest_waiting, key=lambda waiting: -waiting[0]):
            self.newest = max(self.newest, -negative)
            yield message

    def end(self, now: datetime) -> ChannelRead:
        """What came of it. A channel with a part that could not be read keeps its bookmark."""
        taken = len(self.oldest_waiting) if self.limit else self.new
        moves = self.newest > self.since and not self.unreadable
        broken = _told_broken(self.broken)
        return ChannelRead(
            channel=self.channel,
            new=taken,
            reread=self.reread,
            waiting=self.new - taken,
            bookmark=Bookmark(self.channel.id, self.channel.name, str(self.newest), now) if moves else None,
            problem="; ".join(self.unreadable + broken),
            failed=bool(self.unreadable),
        )


@dataclass(slots=True)
class _Walk:
    """One channel on a walk through its files: where it is, and what was met."""

    channel: Channel
    period: Period
    latest: int
    mark: str
    """The message to go on behind; empty once it was met, and where there is none."""

    keeps: bool
    """Whether bookmarks may be given: not once something before them could not be read."""

    problems: list[str] = field(default_factory=list)
    new: int = 0
    passed: int = 0
    broken: int = 0
    last: str = ""

    def take(self, raw: object) -> Message | None:
        """The message, if it is wanted and comes after the mark."""
        identity = id_of(raw)
        if self.mark:
            self.passed += 1
            if identity == self.mark:
                self.mark = ""
            return None
        if not identity or message_time_ms(identity) > self.latest:
            self.broken += 1
            return None
        if not self.period.holds(identity):
            return None
        self.new += 1
        self.last = identity
        return message_of(raw, self.channel)

    def through(self, paths: list[Path], chunk: int) -> Iterator[Message | ChannelRead]:
        """All files in turn, as they are. What is unreadable of one leaves the bookmarks where they are."""
        sizes = [path.stat().st_size if path.exists() else 0 for path in paths]
        for at, path in enumerate(paths):
            try:
                with opened(path) as file:
                    for raw in messages_in(file):
                        if message := self.take(raw):
                            yield message
                            if self.new == chunk:
                                behind = sum(sizes[:at]) + file.buffer.tell()
                                yield self.read(behind / max(1, sum(sizes)))
            except (BrokenJSONError, OSError) as error:
                self.keeps = False
                self.problems.append(why_broken(path, error))

    def read(self, share: float) -> ChannelRead:
        """The chunk that ends here."""
        channel, now = self.channel, datetime.now(UTC)
        mark = Bookmark(channel.id, channel.name, self.last, now) if self.keeps and self.new else None
        told = ChannelRead(channel, self.new, self.passed, 0, mark, share=share)
        self.new = self.passed = 0
        return told

    def end(self) -> ChannelRead:
        """The last chunk, and what could not be read."""
        broken = _told_broken(self.broken)
        return replace(self.read(1.0), problem="; ".join(self.problems + broken), failed=bool(self.problems))


class ExportSource(Source):
    """Messages from DiscordChatExporter JSON: one file, or a folder of parts and channels.

    Example:
        ```python
        ExportSource(path="exports/").save("daily-pipeline")
        ```
    """

    model_config = ConfigDict(extra="forbid")

    _block_type_name = "Discord Export"
    _block_type_slug = "discord-export"
    _description = "Reads messages from channel exports made with DiscordChatExporter (format JSON)."
    _logo_url = DISCORD
    _documentation_url = HttpUrl("https://github.com/Tyrrrz/DiscordChatExporter/tree/master/.docs")

    path: Path = Field(
        default=SAMPLE,
        description="A JSON file, or a folder whose *.json files are read. The default is the sample export.",
    )

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            found = sorted(self.path.rglob("*.json"))
            if not found:
                raise PermanentError(f"{self.path} holds no *.json file: put exports there, format JSON.")
            return found
        if not self.path.is_file():
            raise PermanentError(f"There is no export at {self.path}: check DISCORD_EXPORT_PATH.")
        return [self.path]

    def read(
        self, bookmarks: Mapping[str, Bookmark], *, limit: int, lookback: timedelta, channels: Sequence[str] = ()
    ) -> Iterator[Message | ChannelRead]:
        wanted = chosen(channels)
        found, unknown = self._by_channel()
        for name, why in unknown.items():
            yield ChannelRead(Channel("", name), 0, 0, 0, None, why, failed=True)
        for channel_id in wanted or found:
            if channel_id not in found:
                yield self._missing(channel_id)
                continue
            channel, paths = found[channel_id]
            yield from self._read_channel(channel, paths, bookmarks.get(channel.id), limit, lookback)

    def _by_channel(self) -> tuple[dict[str, tuple[Channel, list[Path]]], dict[str, str]]:
        """The files by channel id; and of those whose channel cannot be known, by name, why."""
        found: dict[str, tuple[Channel, list[Path]]] = {}
        unknown: dict[str, str] = {}
        for path in self._files():
            try:
                channel = channel_of(path)
            except BrokenFileError as error:
                unknown[one_line(path.name)] = f"{one_line(path.name)} {error}"
                continue
            found.setdefault(channel.id, (channel, []))[1].append(path)
        return found, unknown

    def _missing(self, channel_id: str) -> ChannelRead:
        why = f"no export of this channel is in {self.path}: export it, or name another"
        return ChannelRead(Channel(channel_id, channel_id), 0, 0, 0, None, why, failed=True)

    def channels(self, named: Sequence[str] = ()) -> list[Channel]:
        wanted = chosen(named)
        found, unknown = self._by_channel()
        if not found and not wanted:
            raise PermanentError("; ".join(unknown.values()))
        return [found[i][0] if i in found else Channel(i, i) for i in wanted or found]

    def walk(
        self, channel: str, marks: Mapping[str, Bookmark], period: Period, chunk: int
    ) -> Iterator[Message | ChannelRead]:
        # A mark says by its place what is behind it, not by its number: exports may come in any order.
        found, unknown = self._by_channel()
        if channel not in found:
            yield self._missing(channel)
            return
        place, paths = found[channel]
        mark = marks[channel].last_message_id if channel in marks else ""
        latest = int((datetime.now(UTC) + _CLOCK_SLACK).timestamp() * 1000)
        # A file whose channel is unknown may be a part of this one, and lie before the mark once it is mended.
        walk = _Walk(place, period, latest, mark, not unknown, list(unknown.values()))
        yield from walk.through(paths, chunk)
        if walk.mark:
            # The marked message is in none of the files: they are others than it was set in. All of it is new.
            walk = _Walk(place, period, latest, "", not unknown, list(unknown.values()))
            yield from walk.through(paths, chunk)
        yield walk.end()

    def _read_channel(
        self,
        channel: Channel,
        paths: list[Path],
        bookmark: Bookmark | None,
        limit: int,
        lookback: timedelta,
    ) -> Iterator[Message | ChannelRead]:
        since = int(bookmark.last_message_id) if bookmark else 0
        overlap = int(lookback.total_seconds() * 1000)
        overlap_from = message_time_ms(bookmark.last_message_id) - overlap if bookmark else 0
        now = datetime.now(UTC)
        latest = int((now + _CLOCK_SLACK).timestamp() * 1000)
        reading = _Reading(channel, since, overlap_from, limit, latest)
        for path in paths:
            try:
                for raw in messages_of(path):
                    message = reading.take(raw)
                    if message:
                        yield message
            except (BrokenJSONError, OSError) as error:
                reading.unreadable.append(why_broken(path, error))
        yield from reading.rest()
        yield reading.end(now)

    def check(self) -> list[Check]:
        try:
            paths = self._files()
        except PermanentError as error:
            return [Check("source", False, str(error), "Set DISCORD_EXPORT_PATH to an export.")]
        checks = []
        for path in paths:
            try:
                channel = channel_of(path)
                checks.append(Check("source", True, f"{path.name}: #{channel.name}"))
            except BrokenFileError as error:
                checks.append(
                    Check(
                        "source",
                        False,
                        f"{path.name} {error}",
                        "Export it again as JSON, or take it out of the folder.",
                    )
                )
        return checks
