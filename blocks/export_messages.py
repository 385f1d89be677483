"""From a file of DiscordChatExporter to our records. Everything in it was written by strangers.

Files are streamed. Format as of DiscordChatExporter 2.43: https://github.com/Tyrrrz/DiscordChatExporter
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from blocks.discord_messages import as_dict, embeds_of, id_of
from blocks.json_stream import BrokenJSONError, Reader, elements, members
from blocks.records import Channel, Message, Snapshot, message_time_ms
from blocks.text import clean, one_line

_HEAD = 1 << 14
"""Characters that are read at a time while only the head of a file is wanted: a folder may hold hundreds."""

_FOREIGN = "is no DiscordChatExporter export (it names no channel): take it out of the folder"


class BrokenFileError(Exception):
    """A file that is no sound export. The message says what is wrong with it and what to do."""


def opened(path: Path) -> TextIO:
    """The file, as text."""
    # A byte that is no UTF-8 costs one character, not the file.
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def channel_of(path: Path) -> Channel:
    """The channel that a file is an export of, from its head alone.

    Raises:
        BrokenFileError: it names none, or cannot be read.
    """
    head: dict[str, dict[str, Any]] = {}
    try:
        with opened(path) as file:
            reader = Reader(file, _HEAD)
            if reader.peek() in tuple('["-0123456789tfn'):
                raise BrokenFileError(_FOREIGN)
            for key in members(reader):
                if key == "messages":
                    break
                head[key] = as_dict(reader.value())
    except BrokenJSONError as error:
        if not id_of(head.get("channel")):
            raise BrokenFileError(
                "is not JSON: export the channel again with DiscordChatExporter, format JSON"
            ) from error
    except OSError as error:
        raise BrokenFileError(f"cannot be read ({error.strerror}): check the path and its rights") from error
    channel = head.get("channel", {})
    channel_id = id_of(channel)
    if not channel_id:
        raise BrokenFileError(_FOREIGN)
    return Channel(channel_id, one_line(channel.get("name")) or channel_id, id_of(head.get("guild")))


def messages_of(path: Path) -> Iterator[object]:
    """The elements of an export's `messages`. Raises BrokenJSONError where it breaks off, and OSError."""
    with opened(path) as file:
        yield from messages_in(file)


def messages_in(file: TextIO) -> Iterator[object]:
    """The same, of a file that is open: how far it was read is its position."""
    reader = Reader(file)
    for key in members(reader):
        if key == "messages" and reader.peek() == "[":
            yield from elements(reader)
        else:
            reader.value()


def message_of(raw: object, channel: Channel) -> Message:
    """One element of an export's `messages`.

    Raises:
        ValueError: it has no id that can be a Discord message.
    """
    data = as_dict(raw)
    message_id = id_of(data)
    if not message_id:
        raise ValueError("a message without an id")
    author = as_dict(data.get("author"))
    forward = as_dict(data.get("forwardedMessage"))
    return Message(
        id=message_id,
        channel=channel,
        author=one_line(author.get("nickname") or author.get("name"), 60) or "unknown",
        # The id carries the time: no other field can contradict it.
        created_at=datetime.fromtimestamp(message_time_ms(message_id) / 1000, UTC),
        content=clean(data.get("content")),
        embeds=embeds_of(data),
        forwarded=(Snapshot(clean(forward.get("content")), embeds_of(forward)),) if forward else (),
    )


def why_broken(path: Path, error: Exception) -> str:
    """What is wrong with a file that was read only in part, in a few words."""
    name = one_line(path.name)
    if isinstance(error, OSError):
        return f"{name} cannot be read ({error.strerror})"
    return f"{name} is cut short or broken JSON: export it again"
