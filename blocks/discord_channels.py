"""The source that reads Discord itself: channels and their threads, in one go, without the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, HttpUrl, SecretStr

from blocks.discord_messages import as_dict, as_list, channel_of, content_is_withheld, id_of, message_of
from blocks.errors import PermanentError, PipelineError, TransientError, reason
from blocks.logos import DISCORD
from blocks.records import DISCORD_EPOCH_MS, Bookmark, Channel, ChannelRead, Check, Message, message_time_ms
from blocks.service_url import ServiceUrl
from blocks.source import Source, chosen
from blocks.text import one_line

if TYPE_CHECKING:
    from blocks.discord_api import DiscordApi

_PAGE = 100
_INTENT = (1 << 18) | (1 << 19)
"""The application's flags that say it gets the content of messages: verified, or small enough."""

_NO_CONTENT = (
    "the messages come without their text: switch on Message Content Intent in the Developer Portal (Bot), then "
    "run again; nothing is skipped"
)
_NO_HISTORY = "its messages are not shown: give the bot's role Read Message History here; nothing is skipped"
_CLOCK_SLACK = timedelta(days=1)


def _snowflake(moment: datetime) -> int:
    """The smallest id that a message of this moment may have."""
    return max(0, int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22


@dataclass(frozen=True, slots=True)
class _Span:
    """What to read of a channel: from `start` on (exclusive); what is not after `mark` was read before."""

    start: int
    mark: int
    limit: int


@dataclass(slots=True)
class _Taken:
    """A channel's messages as Discord gave them, the oldest first, and how many of the new ones wait."""

    reread: list[dict[str, Any]]
    new: list[dict[str, Any]]
    waiting: int = 0
    broken: int = 0


class DiscordChannels(Source):
    """Messages of Discord channels and their threads, read by a bot.

    Example:
        ```python
        DiscordChannels(token="…", channel_ids=["1140000000000000000"]).save("daily-pipeline")
        ```
    """

    # A field that is refused is named, and what was put into it is not shown: it may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    _block_type_name = "Discord Channels"
    _block_type_slug = "discord-channels"
    _description = "Reads messages of Discord channels and their threads, by a bot, without the gateway."
    _logo_url = DISCORD
    _documentation_url = HttpUrl("https://docs.discord.com/developers/resources/message")

    token: SecretStr = Field(default=SecretStr(""), description="The bot's token, from the Developer Portal.")
    channel_ids: list[str] = Field(default=[], description="The ids of the channels to read.")
    include_threads: bool = Field(default=True, description="Whether the channels' public threads are read too.")
    api_url: ServiceUrl = Field(
        default="https://discord.com/api/v10", description="Where Discord's API is: there, or at a proxy."
    )
    timeout: float = Field(default=30, gt=0, description="Seconds that one call may take.")
    max_wait: float = Field(
        default=120, ge=0, description="Seconds that a run waits in all for rate limits and troubles to pass."
    )

    def _connect(self, channels: Sequence[str]) -> DiscordApi:
        from blocks.discord_api import DiscordApi

        token = self.token.get_secret_value().removeprefix("Bot ").strip()
        if not token:
            raise PermanentError("No bot is set: set DISCORD_TOKEN, run daily-pipeline --setup.")
        if not channels:
            raise PermanentError("No channel is set: set DISCORD_CHANNEL_ID, run daily-pipeline --setup.")
        return DiscordApi(token, api_url=self.api_url, timeout=self.timeout, max_wait=self.max_wait)

    def read(
        self, bookmarks: Mapping[str, Bookmark], *, limit: int, lookback: timedelta, channels: Sequence[str] = ()
    ) -> Iterator[Message | ChannelRead]:
        # Not more than the limit is held of a channel; it is handed on once it is known that its content is there.
        yield from asyncio.run(self._read(chosen(channels) or self.channel_ids, bookmarks, limit, lookback))

    async def _read(
        self, channels: Sequence[str], bookmarks: Mapping[str, Bookmark], limit: int, lookback: timedelta
    ) -> list[Message | ChannelRead]:
        now = datetime.now(UTC)
        events: list[Message | ChannelRead] = []
        guilds: dict[str, list[dict[str, Any]]] = {}
        # A channel that was never read is read from where the last run stopped, as others are: runs may have failed.
        last_run = max((mark.last_read for mark in bookmarks.values()), default=now)
        async with self._connect(channels) as api:
            # A thread may be named as a channel, or as its own parent: each is read once.
            asked = set(channels)
            for channel_id in dict.fromkeys(channels):
                mark = bookmarks.get(channel_id)
                since = min(now, mark.last_read if mark else last_run) - lookback
                channel = Channel(channel_id, mark.name if mark else channel_id)
                try:
                    raw = await api.get("/channels/{channel_id}", channel_id=channel_id)
                    channel = channel_of(raw | {"id": channel_id})
                    events += await _channel(api, raw, channel, mark, since, limit, lookback)
                except (PermanentError, TransientError) as error:
                    _stop_if_refused(error)
                    events.append(_failed(channel, reason(error), mark, since + lookback))
                    continue
                try:
                    threads = await _threads(api, channel, since, guilds) if self.include_threads else []
                except (PermanentError, TransientError) as error:
                    _stop_if_refused(error)
                    events[-1] = _without_threads(events[-1], since + lookback, reason(error))
                    continue
                for thread in threads:
                    mark = bookmarks.get(id_of(thread))
                    name = channel_of(thread, channel.name)
                    if id_of(thread) in asked or _is_read(thread, mark, since):
                        continue
                    asked.add(id_of(thread))
                    try:
                        events += await _channel(api, thread, name, mark, since, limit, lookback)
                    except (PermanentError, TransientError) as error:
                        _stop_if_refused(error)
                        events.append(_failed(name, reason(error), mark, since + lookback))
        return events

    def channels(self, named: Sequence[str] = ()) -> list[Channel]:
        ids = chosen(named) or tuple(self.channel_ids)
        if not ids:
            raise PermanentError("No channel is set: set DISCORD_CHANNEL_ID, run daily-pipeline --setup.")
        return [Channel(channel_id, channel_id) for channel_id in dict.fromkeys(ids)]

    def warm_up(self) -> None:
        import blocks.discord_api  # noqa: F401

    def check(self) -> list[Check]:
        try:
            return asyncio.run(self._check())
        except PipelineError as error:
            found, _, advice = str(error).partition(": ")
            return [Check("source", False, found, advice[:1].upper() + advice[1:])]

    async def _check(self) -> list[Check]:
        async with self._connect(self.channel_ids) as api:
            name = one_line(api.me.get("username"), 40) or "the bot"
            application = await api.get("/applications/@me")
            has_content = bool(int(application.get("flags") or 0) & _INTENT)
            checks = []
            for channel_id in self.channel_ids:
                try:
                    raw = await api.get("/channels/{channel_id}", channel_id=channel_id)
                    page = await api.get("/channels/{channel_id}/messages", {"limit": "5"}, channel_id=channel_id)
                except PermanentError as error:
                    found, _, advice = str(error).partition(": ")
                    checks.append(Check("source", False, f"{channel_id}: {found}", advice[:1].upper() + advice[1:]))
                    continue
                where = f"{name} reads #{channel_of(raw).name}"
                missing = ""
                if not page and raw.get("last_message_id"):
                    missing = _NO_HISTORY
                elif not has_content:
                    missing = _NO_CONTENT
                if missing:
                    found, _, advice = missing.partition(": ")
                    checks.append(Check("source", False, f"{where}, but {found}", advice[:1].upper() + advice[1:]))
                else:
                    checks.append(Check("source", True, where))
            return checks


def _failed(channel: Channel, why: str, mark: Bookmark | None, begin: datetime) -> ChannelRead:
    """One that could not be read. Its bookmark stays; without one, it gets one where its reading would have begun."""
    place = None if mark else Bookmark(channel.id, channel.name, str(_snowflake(begin)), begin)
    return ChannelRead(channel, 0, 0, 0, place, why, failed=True)


def _without_threads(event: Message | ChannelRead, since: datetime, why: str) -> Message | ChannelRead:
    """A channel whose threads could not be listed: the next run looks for threads that are as old as this one would."""
    if not isinstance(event, ChannelRead):
        return event
    mark = event.bookmark and replace(event.bookmark, last_read=min(event.bookmark.last_read, since))
    return replace(event, bookmark=mark, problem=f"its threads cannot be read: {why}", failed=True)


def _stop_if_refused(error: Exception) -> None:
    """A token that is refused is refused everywhere, and many refusals get this address banned."""
    from blocks.discord_api import NoAccessError

    if isinstance(error, PermanentError) and not isinstance(error, NoAccessError):
        raise error


def _is_read(thread: Mapping[str, Any], mark: Bookmark | None, since: datetime) -> bool:
    """Whether a thread holds nothing that is new, or that may still be edited."""
    last = id_of({"id": thread.get("last_message_id")})
    last_id = int(last) if last else _snowflake(since)
    return last_id <= _snowflake(since) and (mark is None or last_id <= int(mark.last_message_id))


async def _threads(
    api: DiscordApi, channel: Channel, since: datetime, guilds: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The channel's public threads: those that are active, and those archived since."""
    found: dict[str, dict[str, Any]] = {}
    if channel.guild_id and channel.guild_id not in guilds:
        answer = await api.get("/guilds/{guild_id}/threads/active", guild_id=channel.guild_id)
        guilds[channel.guild_id] = [as_dict(item) for item in as_list(answer.get("threads"))]
    for thread in guilds.get(channel.guild_id, []):
        if thread.get("parent_id") == channel.id and id_of(thread):
            found[id_of(thread)] = thread
    before, passed = "", set[str]()
    while True:
        params = {"limit": str(_PAGE)} | ({"before": before} if before else {})
        answer = await api.get("/channels/{channel_id}/threads/archived/public", params, channel_id=channel.id)
        page = [as_dict(item) for item in as_list(answer.get("threads"))]
        found |= {id_of(thread): thread for thread in page if id_of(thread)}
        archived = [str(as_dict(thread.get("thread_metadata")).get("archive_timestamp") or "") for thread in page]
        archived = list(filter(None, archived))
        if not answer.get("has_more") or not archived or archived[-1] in passed:
            break
        before = archived[-1]
        passed.add(before)
        try:
            if datetime.fromisoformat(before) < since:
                break
        except (ValueError, TypeError):
            break
    return list(found.values())


async def _channel(
    api: DiscordApi,
    raw: Mapping[str, Any],
    channel: Channel,
    mark: Bookmark | None,
    since: datetime,
    limit: int,
    lookback: timedelta,
) -> list[Message | ChannelRead]:
    """One channel's or thread's messages, and how its reading ended."""
    start = _snowflake(since)
    if mark:
        overlap = message_time_ms(mark.last_message_id) - int(lookback.total_seconds() * 1000)
        start = max(0, overlap - DISCORD_EPOCH_MS) << 22
    taken = await _take(api, channel.id, _Span(start, int(mark.last_message_id) if mark else start, limit))
    everything = taken.reread + taken.new
    problem = ""
    if not everything and id_of({"id": raw.get("last_message_id")}) and int(raw["last_message_id"]) > start:
        # A quiet day, a deleted message, or no right to the history: the newest message tells.
        newest = await api.get("/channels/{channel_id}/messages", {"limit": "1"}, channel_id=channel.id)
        problem = "" if newest else _NO_HISTORY
    elif content_is_withheld(everything):
        problem = _NO_CONTENT
    if problem:
        return [_failed(channel, problem, mark, since + lookback)]
    now = datetime.now(UTC)
    newest_id = id_of(taken.new[-1]) if taken.new else ""
    bookmark = Bookmark(channel.id, channel.name, newest_id, now) if newest_id else None
    left_out = f"{taken.broken} broken message{'s' * (taken.broken > 1)} left out" if taken.broken else ""
    end = ChannelRead(channel, len(taken.new), len(taken.reread), taken.waiting, bookmark, left_out)
    return [*(message_of(item, channel) for item in everything), end]


async def _take(api: DiscordApi, channel_id: str, span: _Span) -> _Taken:
    """Read on from the span's start until the limit is reached, or nothing is left."""
    taken = _Taken([], [])
    pages = _Pages(api, channel_id)
    after = span.start
    while True:
        page, is_last = await pages.after(after)
        taken.broken = pages.broken
        for item in page:
            number = int(id_of(item))
            if number <= span.mark:
                taken.reread.append(item)
            elif span.limit and len(taken.new) >= span.limit:
                taken.waiting += 1
            else:
                taken.new.append(item)
        if is_last or taken.waiting or not page:
            return taken
        after = int(id_of(page[-1]))


class _Pages:
    """A channel's messages in pages. Discord gives each with the newest first."""

    def __init__(self, api: DiscordApi, channel_id: str) -> None:
        self._api = api
        self._channel_id = channel_id
        self._are_next: bool | None = None
        self.broken = 0
        """How many messages were met that have no id, or one that cannot be."""

    async def _ask(self, size: int, above: int, **params: str) -> tuple[list[dict[str, Any]], bool]:
        """The messages of a page with ids above a number, the oldest first, and whether the page was full."""
        given = {"limit": str(size), **params}
        page = await self._api.get("/channels/{channel_id}/messages", given, channel_id=self._channel_id)
        # An id from the future would take the bookmark there, past every message to come.
        latest = _snowflake(datetime.now(UTC) + _CLOCK_SLACK)
        possible = [as_dict(item) for item in page if id_of(item) and int(id_of(item)) <= latest]
        self.broken += len(page) - len(possible)
        sound = [item for item in possible if int(id_of(item)) > above]
        return sorted(sound, key=lambda item: int(id_of(item))), len(page) >= size

    async def after(self, start: int) -> tuple[list[dict[str, Any]], bool]:
        """The messages next after an id, the oldest first, and whether they are all there are.

        That a page holds those *next* after the id, and not the newest of all that come after it, is looked at
        once: otherwise those between would be lost, and it is paged down to them.
        """
        page, full = await self._ask(_PAGE, start, after=str(start))
        if not full or not page:
            return page, True
        if self._are_next is None:
            between, _ = await self._ask(1, start, before=id_of(page[0]))
            self._are_next = not between
        below = page
        while below and not self._are_next:
            page = below
            below, _ = await self._ask(_PAGE, start, before=id_of(page[0]))
        return page, False
