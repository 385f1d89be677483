"""Channel exports as DiscordChatExporter writes them, made for a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blocks.records import DISCORD_EPOCH_MS
from tasks.links import X_EPOCH_MS

START = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)
Raw = dict[str, Any]


def message_id(moment: datetime, sequence: int = 0) -> str:
    return str(((int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22) + sequence)


def status_id(moment: datetime, sequence: int = 0) -> str:
    return str(((int(moment.timestamp() * 1000) - X_EPOCH_MS) << 22) + sequence)


def message(minute: int, content: str = "gm", *, author: str = "Ada", **more: Any) -> Raw:
    """A message that was sent so many minutes after `START`."""
    moment = START + timedelta(minutes=minute)
    return {
        "id": message_id(moment, minute % 4096),
        "type": "Default",
        "timestamp": moment.isoformat(),
        "timestampEdited": None,
        "content": content,
        "author": {"id": "7", "name": author.lower(), "nickname": author, "isBot": False},
        "attachments": [],
        "embeds": [],
        "reactions": [],
        "mentions": [],
    } | more


def embed(url: str, text: str, handle: str = "some_handle") -> Raw:
    """How Discord shows a post on X."""
    author = {"name": f"Somebody (@{handle})", "url": f"https://twitter.com/{handle}"}
    return {"title": "", "url": url, "description": text, "author": author, "fields": [], "footer": {"text": "X"}}


def shared(minute: int, text: str, *, author: str = "Ada", handle: str = "") -> Raw:
    """A message with a link to a post of its own, and the post's embed."""
    handle = handle or f"handle_{minute}"
    url = f"https://x.com/{handle}/status/{status_id(START + timedelta(minutes=minute - 5), minute)}"
    return message(minute, f"look {url}", author=author, embeds=[embed(url, text, handle)])


def export(messages: list[Any], *, channel: str = "222", name: str = "alpha", guild: str = "111") -> Raw:
    return {
        "guild": {"id": guild, "name": "A guild"},
        "channel": {"id": channel, "type": "GuildTextChat", "name": name},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2024-01-15T00:00:00+00:00",
        "messages": messages,
        "messageCount": len(messages),
    }


def write(path: Path, messages: list[Any], **more: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(export(messages, **more), ensure_ascii=False), encoding="utf-8")
    return path
