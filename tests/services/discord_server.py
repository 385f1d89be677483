"""Discord's REST API on loopback, as far as a bot that reads channels uses it.

`newest_of_all` chooses what `after` gives: the page next after the id, as Discord does, or the newest page of all
that come after it. Both come with the newest first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks.records import DISCORD_EPOCH_MS, message_time_ms
from tests.services.server import Answer, Call, Service

TOKEN = "SECRETdiscord0000000000000.Gabcde.SECRETdiscordtoken000000000000000000000"
BOT = "900000000000000001"
_STATUS = re.compile(r"^/api/v10")


def snowflake(moment: datetime, sequence: int = 0) -> str:
    """The id that a message of this moment gets."""
    return str((max(0, int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22) + sequence)


def user(user_id: str, name: str, *, bot: bool = False) -> dict[str, Any]:
    """A user as messages name them."""
    return {
        "id": user_id,
        "username": name.lower().replace(" ", "_"),
        "global_name": name,
        "avatar": None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
        "bot": bot,
    }


@dataclass(slots=True)
class Place:
    """A channel or thread: what it is, what stands in it, and what the bot may do there."""

    id: str
    name: str
    guild: str = "111"
    parent: str = ""
    archived_at: datetime | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    visible: bool = True
    history: bool = True

    def shown(self) -> dict[str, Any]:
        last = max((int(m["id"]) for m in self.messages), default=0)
        base: dict[str, Any] = {
            "id": self.id,
            "type": 11 if self.parent else 0,
            "flags": 0,
            "guild_id": self.guild,
            "name": self.name,
            "last_message_id": str(last) if last else None,
            "parent_id": self.parent or None,
        }
        if not self.parent:
            return base | {"position": 0}
        at = (self.archived_at or datetime.now(UTC)).isoformat()
        metadata = {"archived": self.archived_at is not None, "archive_timestamp": at, "auto_archive_duration": 1440}
        counts = {"message_count": len(self.messages), "member_count": 2, "total_message_sent": len(self.messages)}
        return base | {"owner_id": "7", "thread_metadata": metadata | {"locked": False}, **counts}


class DiscordServer(Service):
    """One bot, and the channels of its guilds. The attributes are switches for tests."""

    name = "Discord"

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.places: dict[str, Place] = {}
        self.message_content = True
        self.newest_of_all = False
        self.content_type = "application/json"
        self._sequence = 0

    @property
    def listed_channels(self) -> list[str]:
        """The ids of the channels, without threads."""
        return [place.id for place in self.places.values() if not place.parent]

    def channel(self, channel_id: str = "222", name: str = "alpha", **more: Any) -> Place:
        """A new channel, or a thread if a parent is given."""
        self.places[channel_id] = Place(channel_id, name, **more)
        return self.places[channel_id]

    def post(self, channel_id: str, content: str = "gm", *, at: datetime | None = None, **more: Any) -> str:
        """Somebody sends a message. Gives its id."""
        self._sequence += 1
        moment = at or datetime.now(UTC)
        message = {
            "id": snowflake(moment, self._sequence % 4096),
            "channel_id": channel_id,
            "type": 0,
            "content": content,
            "author": user("7", "Ada Lovelace"),
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": False,
            "attachments": [],
            "embeds": [],
            "components": [],
            "timestamp": moment.isoformat(),
            "edited_timestamp": None,
            "flags": 0,
            "pinned": False,
            "tts": False,
        }
        self.places[channel_id].messages.append(message | more)
        return str(message["id"])

    def load_export(self, file: Path, *, ends: datetime | None = None) -> Place:
        """A channel with the messages of an export, moved in time so that the last one was sent when it `ends`."""
        data = json.loads(file.read_text(encoding="utf-8"))
        place = self.channel(data["channel"]["id"], data["channel"]["name"], guild=data["guild"]["id"])
        times = [message_time_ms(raw["id"]) for raw in data["messages"]]
        shift = int(ends.timestamp() * 1000) - max(times) if ends else 0
        for raw, sent in zip(data["messages"], times, strict=True):
            author = raw["author"]
            forward = raw.get("forwardedMessage")
            more: dict[str, Any] = {
                "author": user(author["id"], author.get("nickname") or author["name"], bot=author.get("isBot", False)),
                "embeds": [_embed(embed) for embed in raw.get("embeds", [])],
            }
            if forward:
                inner = {
                    "content": forward.get("content", ""),
                    "embeds": [_embed(e) for e in forward.get("embeds", [])],
                }
                more["message_snapshots"] = [{"message": _minimal(inner)}]
            at = datetime.fromtimestamp((sent + shift) / 1000, UTC)
            self.post(place.id, raw.get("content", ""), at=at, **more)
        return place

    # Answers

    def error(self, status: int, message: str, code: int = 0) -> Answer:
        return Answer(status, {"message": message, "code": code}, {"Via": "1.1 google"})

    def handle(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bot {self.token}":
            return self.error(401, "401: Unauthorized")
        answer = self._route(call)
        answer.headers.setdefault("Content-Type", self.content_type)
        answer.headers.setdefault("Via", "1.1 google")
        return answer

    def _route(self, call: Call) -> Answer:
        path = _STATUS.sub("", call.path)
        if path == "/users/@me":
            me = user(BOT, "Link Collector", bot=True)
            return Answer(200, me | {"mfa_enabled": False, "locale": "en-US", "verified": True})
        if path == "/applications/@me":
            return Answer(200, self._application())
        match = re.fullmatch(r"/guilds/(\d+)/threads/active", path)
        if match:
            threads = [p for p in self.places.values() if p.parent and not p.archived_at and p.guild == match[1]]
            return Answer(200, {"threads": [p.shown() for p in threads if p.visible], "members": [], "has_more": False})
        match = re.fullmatch(r"/channels/(\d+)(/messages|/threads/archived/public)?", path)
        if not match or match[1] not in self.places:
            return self.error(404, "Unknown Channel", 10003)
        place = self.places[match[1]]
        if not place.visible:
            return self.error(403, "Missing Access", 50001)
        if match[2] == "/messages":
            return self._messages(place, call)
        return self._archived(place, call) if match[2] else Answer(200, place.shown())

    def _application(self) -> dict[str, Any]:
        return {
            "id": BOT,
            "name": "Link Collector",
            "icon": None,
            "description": "",
            "type": None,
            "verify_key": "0" * 64,
            "flags": (1 << 19) if self.message_content else 0,
            "flags_new": "0",
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": user("7", "Ada Lovelace"),
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": ["bot"],
        }

    def _messages(self, place: Place, call: Call) -> Answer:
        around = [name for name in ("around", "before", "after") if name in call.query]
        limit = call.one("limit", "50")
        if len(around) > 1 or not limit.isdecimal() or not 1 <= int(limit) <= 100:
            return self.error(400, "Invalid Form Body", 50035)
        if not place.history:
            return Answer(200, [])
        messages = sorted(place.messages, key=lambda m: int(m["id"]), reverse=True)
        size = int(limit)
        if "before" in call.query:
            found = [m for m in messages if int(m["id"]) < int(call.one("before"))][:size]
        elif "after" in call.query:
            later = [m for m in messages if int(m["id"]) > int(call.one("after"))]
            found = later[:size] if self.newest_of_all else later[-size:]
        else:
            found = messages[:size]
        return Answer(200, [m if self.message_content else _without_content(m) for m in found])

    def _archived(self, place: Place, call: Call) -> Answer:
        before = datetime.fromisoformat(call.one("before")) if "before" in call.query else None
        threads = [p for p in self.places.values() if p.parent == place.id and p.archived_at and p.visible]
        threads.sort(key=lambda p: p.archived_at or datetime.min, reverse=True)
        later = [p for p in threads if before is None or (p.archived_at and p.archived_at < before)]
        size = int(call.one("limit", "50"))
        shown = [p.shown() for p in later[:size]]
        return Answer(200, {"threads": shown, "members": [], "has_more": len(later) > size})


def _embed(raw: dict[str, Any]) -> dict[str, Any]:
    author = raw.get("author") or {}
    named = {"author": {name: author[name] for name in ("name", "url") if author.get(name)}} if author else {}
    texts = {name: raw[name] for name in ("title", "description", "url") if raw.get(name)}
    fields = [{"name": f["name"], "value": f["value"], "inline": False} for f in raw.get("fields", [])]
    return {"type": "rich", **texts, **named, "fields": fields}


def _minimal(raw: dict[str, Any]) -> dict[str, Any]:
    rest = {"type": 0, "mentions": [], "mention_roles": [], "attachments": [], "components": [], "flags": 0}
    return rest | {"timestamp": "2024-01-01T00:00:00+00:00", "edited_timestamp": None} | raw


def _without_content(message: dict[str, Any]) -> dict[str, Any]:
    """What an application gets that may not read content."""
    if message["author"].get("id") == BOT:
        return message
    return {k: v for k, v in message.items() if k != "message_snapshots"} | {
        "content": "",
        "embeds": [],
        "attachments": [],
        "components": [],
    }
