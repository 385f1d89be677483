"""Typefully's API v2 on loopback: drafts that are published on X a while after they were asked for.

What is out stands in `published`. A draft passes through its statuses by the clock; each is published once.
"""

from __future__ import annotations

import itertools
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.services.server import Answer, Call, Service
from tests.services.x_server import Limit

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    from twitter_text import parse_tweet

KEY = "SECRETtypefullykey00000000000000"
SOCIAL_SET = "12345"
_DRAFTS = f"/v2/social-sets/{SOCIAL_SET}/drafts"


@dataclass(slots=True)
class Held:
    """A draft at Typefully."""

    id: int
    title: str
    posts: list[str]
    created: datetime
    updated: datetime
    status: str = "draft"
    asked: float | None = None
    x_ids: list[str] = field(default_factory=list)
    trouble: str = ""


class TypefullyServer(Service):
    """One user with two social sets, of which the second has no X account. The attributes are switches for tests."""

    name = "Typefully"

    def __init__(self) -> None:
        super().__init__()
        self.key = KEY
        self.drafts: list[Held] = []
        self.takes = 0.0
        """Seconds from "now" until it is out."""
        self.url_takes = 0.0
        """Seconds more until its address is known."""
        self.stuck = False
        self.fails = ""
        self.keeps_draft = False
        """Whether "now" is forgotten, so that it stays a draft."""
        self.paid = True
        self.limits = {"user": Limit(1000, 60), "socialset": Limit(100, 60)}
        self._published: list[str] = []
        self._numbers = itertools.count(1001)

    # For tests

    @property
    def published(self) -> list[str]:
        """The posts that are out on X, the oldest first."""
        with self._lock:
            self._advance()
            return list(self._published)

    def hold(self, title: str, *, age: timedelta = timedelta(0), status: str = "draft") -> Held:
        """Put a draft there, as a person or another program would."""
        at = datetime.now(UTC) - age
        held = Held(next(self._numbers), title, ["A text."], at, at, status)
        self.drafts.append(held)
        return held

    # The service

    def error(self, status: int, message: str) -> Answer:
        codes = {401: "UNAUTHORIZED", 402: "PAYMENT_REQUIRED", 403: "FORBIDDEN", 404: "NOT_FOUND"}
        codes |= {400: "BAD_REQUEST", 422: "VALIDATION_ERROR", 429: "RATE_LIMITED"}
        told = {"code": codes.get(status, "ERROR"), "message": message}
        return Answer(status, {"error": {**told, "details": []}} if status in (400, 422) else told)

    def handle(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "Invalid or missing API key")
        self._advance()
        within = [self.limits["user"].take(), call.method == "GET" or self.limits["socialset"].take()]
        answer = self._route(call) if all(within) else self.error(429, "Too many requests")
        for who, limit in self.limits.items():
            end = (limit.made[0] if limit.made else time.time()) + limit.seconds
            left = limit.calls - len(limit.made)
            told = {"Limit": limit.calls, "Remaining": left, "Reset": int(end) + 1}
            name = {"user": "User", "socialset": "SocialSet"}[who]
            answer.headers |= {f"X-RateLimit-{name}-{what}": str(value) for what, value in told.items()}
        return answer

    def _route(self, call: Call) -> Answer:
        routes: list[tuple[str, Callable[[Call], Answer]]] = [
            ("GET /v2/me", self._me),
            (r"GET /v2/social-sets", self._sets),
            (r"GET /v2/social-sets/\d+/", self._one_set),
            (f"GET {_DRAFTS}", self._list),
            (f"POST {_DRAFTS}", self._create),
            (rf"GET {_DRAFTS}/\d+", self._get),
            (rf"PATCH {_DRAFTS}/\d+", self._change),
            (rf"DELETE {_DRAFTS}/\d+", self._delete),
        ]
        for pattern, answer in routes:
            if re.fullmatch(pattern, call.what):
                return answer(call)
        return self.error(404, "Not found")

    def _me(self, call: Call) -> Answer:
        return Answer(200, {"id": 7, "name": "Ada", "email": "ada@example.com", "api_key_label": "pipeline"})

    def _sets(self, call: Call) -> Answer:
        sets = [{"id": int(SOCIAL_SET), "username": "the_digest", "name": "The Digest", "team": None}]
        sets.append({"id": 67890, "username": "linkedin_only", "name": "No X here", "team": None})
        return Answer(200, {"results": sets, "count": 2, "limit": 50, "offset": 0, "next": None, "previous": None})

    def _one_set(self, call: Call) -> Answer:
        account = {"platform": "x", "username": "the_digest", "name": "The Digest"}
        platforms = {"x": account if call.path.split("/")[-2] == SOCIAL_SET else None, "linkedin": None}
        return Answer(200, {"id": int(call.path.split("/")[-2]), "username": "the_digest", "platforms": platforms})

    def _list(self, call: Call) -> Answer:
        limit, offset = int(call.one("limit", "10")), int(call.one("offset", "0"))
        if not 1 <= limit <= 50:
            return self.error(422, "limit: Input should be less than or equal to 50")
        if call.one("order_by", "-updated_at") != "-updated_at":
            return self.error(422, "order_by: unexpected value")
        status = call.one("status")
        found = [held for held in self.drafts if not status or held.status == status]
        found.sort(key=lambda held: held.updated, reverse=True)
        page = [self._shown(held) for held in found[offset : offset + limit]]
        more = f"{self.url}{_DRAFTS}?limit={limit}&offset={offset + limit}" if offset + limit < len(found) else None
        return Answer(200, {"results": page, "count": len(found), "limit": limit, "offset": offset, "next": more})

    def _create(self, call: Call) -> Answer:
        data = call.data if isinstance(call.data, dict) else {}
        if not self.paid:
            return self.error(402, "Your account is paused")
        try:
            posts = [post["text"] for post in data["platforms"]["x"]["posts"]]
        except (KeyError, TypeError):
            return self.error(422, "platforms: Field required")
        if not posts or not all(isinstance(text, str) and text.strip() for text in posts):
            return self.error(400, "A post cannot be empty")
        if data["platforms"]["x"].get("enabled") is not True or len(str(data.get("draft_title", ""))) > 512:
            return self.error(422, "enabled: Input should be true")
        at = datetime.now(UTC)
        held = Held(next(self._numbers), str(data.get("draft_title", "")), posts, at, at)
        self.drafts.append(held)
        self._ask(held, data)
        return Answer(201, self._shown(held))

    def _change(self, call: Call) -> Answer:
        held = self._held(call)
        if not held:
            return self.error(404, "Draft not found")
        if held.status in ("publishing", "published") or held.asked is not None:
            return self.error(400, "This draft cannot be edited")
        self._ask(held, call.data)
        return Answer(200, self._shown(held))

    def _get(self, call: Call) -> Answer:
        held = self._held(call)
        return Answer(200, self._shown(held)) if held else self.error(404, "Draft not found")

    def _delete(self, call: Call) -> Answer:
        held = self._held(call)
        if held is None:
            return self.error(404, "Not found")
        self.drafts.remove(held)
        return Answer(204)

    def _held(self, call: Call) -> Held | None:
        return next((held for held in self.drafts if str(held.id) == call.path.split("/")[-1]), None)

    def _ask(self, held: Held, data: dict[str, Any]) -> None:
        held.updated = datetime.now(UTC)
        if data.get("publish_at") == "now" and not self.keeps_draft:
            # Its status is still "draft" for a while: only `publish_state` tells that it goes out.
            held.asked, held.status, held.trouble = time.time(), "draft", ""

    def _advance(self) -> None:
        """What happened meanwhile."""
        for held in self.drafts:
            if held.asked is None:
                continue
            passed = time.time() - held.asked
            step = int(3 * passed / self.takes) if self.takes else 2
            held.status = ("draft", "scheduled", "publishing")[min(step, 2)]
            if passed >= self.takes and not self.stuck:
                held.asked = None
                held.updated = datetime.now(UTC)
                self._publish(held)

    def _publish(self, held: Held) -> None:
        too_long = any(parse_tweet(text).weightedLength > 280 for text in held.posts)
        again = any(text in self._published for text in held.posts)
        held.trouble = self.fails or ("The post is too long" if too_long else "") or ("Duplicate" if again else "")
        held.status = "error" if held.trouble else "published"
        if not held.trouble:
            self._published += held.posts
            held.x_ids = [str(2_000_000_000_000_000_000 + held.id * 100 + n) for n in range(len(held.posts))]

    def _shown(self, held: Held) -> dict[str, Any]:
        known = held.x_ids and datetime.now(UTC) - held.updated >= timedelta(seconds=self.url_takes)
        shown: dict[str, Any] = {
            "id": held.id,
            "social_set_id": int(SOCIAL_SET),
            "status": held.status,
            "publish_state": "in_progress" if held.asked is not None else "finished" if held.x_ids else None,
            "created_at": held.created.isoformat().replace("+00:00", "Z"),
            "updated_at": held.updated.isoformat().replace("+00:00", "Z"),
            "scheduled_date": None,
            "draft_title": held.title,
            "preview": held.posts[0][:50],
            "share_url": None,
            "private_url": f"https://typefully.com/?d={held.id}",
            "platforms": {"x": {"enabled": True, "posts": [{"text": text, "media_ids": []} for text in held.posts]}},
            "x_published_url": f"https://x.com/the_digest/status/{held.x_ids[0]}" if known else None,
        }
        if held.trouble:
            shown["error_message"] = held.trouble
        return shown
