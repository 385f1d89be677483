"""From what Discord's API answers to our records. Everything in it was written by strangers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from blocks.records import Channel, Embed, Message, Snapshot, is_snowflake, message_time_ms
from blocks.text import clean, one_line

_WRITTEN = (0, 19, 20, 23)
"""The types of message that have what somebody wrote: plain, reply, and the two kinds of command."""

_OTHER_CONTENT = ("attachments", "sticker_items", "components", "message_snapshots", "poll", "embeds", "activity")


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is an object, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, an empty one otherwise."""
    return value if isinstance(value, list) else []


def id_of(raw: object) -> str:
    """A message's, channel's or guild's id, or an empty string."""
    value = as_dict(raw).get("id")
    return value if isinstance(value, str) and is_snowflake(value) else ""


def channel_of(raw: object, parent: str = "") -> Channel:
    """A channel or thread. A thread's name has its channel's before it."""
    data = as_dict(raw)
    name = one_line(data.get("name")) or id_of(data)
    guild = data.get("guild_id")
    guild_id = guild if isinstance(guild, str) and is_snowflake(guild) else ""
    return Channel(id_of(data), f"{parent}/{name}" if parent else name, guild_id)


def _embed(raw: object) -> Embed:
    data = as_dict(raw)
    author = as_dict(data.get("author"))
    fields = [as_dict(item) for item in as_list(data.get("fields"))]
    return Embed(
        url=clean(data.get("url")),
        title=clean(data.get("title")),
        description=clean(data.get("description")),
        author_name=clean(author.get("name")),
        author_url=clean(author.get("url")),
        fields="\n".join(f"{clean(item.get('name'))}\n{clean(item.get('value'))}" for item in fields),
    )


def embeds_of(raw: object) -> tuple[Embed, ...]:
    """A message's embeds. Those of an export have the API's shape."""
    return tuple(_embed(item) for item in as_list(as_dict(raw).get("embeds")))


def message_of(raw: object, channel: Channel) -> Message:
    """A message. Its id carries its time: no other field can contradict it.

    Raises:
        ValueError: it has no id that can be one.
    """
    data = as_dict(raw)
    message_id = id_of(data)
    if not message_id:
        raise ValueError("a message without an id")
    author, member = as_dict(data.get("author")), as_dict(data.get("member"))
    names = (member.get("nick"), author.get("global_name"), author.get("username"))
    forwarded = [as_dict(as_dict(item).get("message")) for item in as_list(data.get("message_snapshots"))]
    return Message(
        id=message_id,
        channel=channel,
        author=next(filter(None, (one_line(name, 60) for name in names)), "unknown"),
        created_at=datetime.fromtimestamp(message_time_ms(message_id) / 1000, UTC),
        content=clean(data.get("content")),
        embeds=embeds_of(data),
        forwarded=tuple(Snapshot(clean(inner.get("content")), embeds_of(inner)) for inner in forwarded),
    )


def content_is_withheld(raws: Iterable[object]) -> bool:
    """Whether people wrote, and nothing of it comes through: as it is without the MESSAGE CONTENT intent."""
    written = [
        data
        for data in map(as_dict, raws)
        if data.get("type") in _WRITTEN and not as_dict(data.get("author")).get("bot")
    ]
    return bool(written) and not any(
        data.get("content") or any(data.get(name) for name in _OTHER_CONTENT) for data in written
    )
