"""How Typefully's API v2 is reached: its few calls over httpx, and how each ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import httpx

from blocks.calls import CallError, NoAnswerError, NotSentError, outcome, server_time
from blocks.text import one_line, said

PAGE = 50
"""The most that Typefully gives at a time."""


@dataclass(frozen=True, slots=True)
class TypefullyDraft:
    """A draft at Typefully.

    `status` is draft, scheduled, publishing, published or error. `working`: it is going out this moment, whatever
    the status says. `x_url` is the post's address on X once it is out, `link` the draft's own at Typefully.
    """

    id: str
    title: str
    status: str
    working: bool
    updated: datetime
    x_url: str
    link: str
    trouble: str


@dataclass(frozen=True, slots=True)
class DraftPage:
    """A page of drafts, the latest change first. `at` is Typefully's clock; `more`: there are older ones."""

    drafts: tuple[TypefullyDraft, ...]
    more: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class SocialSet:
    """Accounts that belong together: what Typefully calls a social set."""

    id: str
    name: str


_TALKATIVE = "httpcore.http11"
"""A logger that prints the headers of every answer at level DEBUG: one may repeat the key."""


class TypefullyApi:
    """The calls we make of Typefully. All raise `CallError`; none is repeated here."""

    def __init__(self, key: str, api_url: str, timeout: float) -> None:
        logging.getLogger(_TALKATIVE).setLevel(logging.INFO)
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._url, self._timeout = f"{api_url}/v2", timeout

    def me(self) -> str:
        """Whose key this is."""
        body, _ = self._call("GET", "/me")
        return one_line(body.get("name"), 40) or "somebody"

    def social_sets(self) -> list[SocialSet]:
        """The social sets that this key reaches, at most a page of them."""
        body, _ = self._call("GET", f"/social-sets?limit={PAGE}")
        return [SocialSet(_id(item), one_line(item.get("username") or item.get("name"), 30)) for item in _results(body)]

    def x_account(self, social_set: str) -> str:
        """The handle of the X account in a social set, empty if none is connected."""
        body, _ = self._call("GET", f"/social-sets/{social_set}/")
        account = _dict(_dict(body.get("platforms")).get("x"))
        return one_line(account.get("username") or account.get("name"), 30)

    def drafts(self, social_set: str, offset: int) -> DraftPage:
        """A page of the drafts of a social set, in every status."""
        body, headers = self._call(
            "GET", f"/social-sets/{social_set}/drafts?order_by=-updated_at&limit={PAGE}&offset={offset}"
        )
        at = datetime.fromtimestamp(server_time(headers), UTC)
        drafts = tuple(map(_draft, _results(body)))
        return DraftPage(drafts, bool(body.get("next")) or len(drafts) >= PAGE, at)

    def draft(self, social_set: str, draft_id: str) -> TypefullyDraft:
        """One draft as it is now."""
        body, _ = self._call("GET", f"/social-sets/{social_set}/drafts/{draft_id}")
        return _draft(body)

    def create(self, social_set: str, title: str, parts: tuple[str, ...], when: Literal["now", ""]) -> TypefullyDraft:
        """Make a draft of these posts, to go out now or to stay a draft."""
        posts = {"platforms": {"x": {"enabled": True, "posts": [{"text": part} for part in parts]}}}
        return self._write("POST", f"/social-sets/{social_set}/drafts", {**posts, "draft_title": title}, when)

    def send(self, social_set: str, draft_id: str) -> TypefullyDraft:
        """Let a draft that is there already go out now."""
        return self._write("PATCH", f"/social-sets/{social_set}/drafts/{draft_id}", {}, "now")

    def _write(self, method: str, path: str, data: dict[str, Any], when: Literal["now", ""]) -> TypefullyDraft:
        body, _ = self._call(method, path, {**data, "publish_at": when} if when else data)
        return _draft(body)

    def _call(self, method: str, path: str, data: object = None) -> tuple[dict[str, Any], dict[str, str]]:
        """One request on a connection of its own. The answer, and its headers under names in lower case."""
        answer, problem = self._request(method, path, data)
        # Raised out here: httpx's exceptions hold the request, and with it the key.
        if answer is None:
            raise problem or NoAnswerError("no answer came")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            body = None
        refused = outcome(answer.status_code, body, headers)
        if refused:
            raise refused
        if not isinstance(body, dict):
            raise NoAnswerError("its answer cannot be read")
        return body, headers

    def _request(self, method: str, path: str, data: object) -> tuple[httpx.Response | None, CallError | None]:
        content = None if data is None else json.dumps(data)  # ASCII: no text that people wrote can break it
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        try:
            with httpx.Client(timeout=self._timeout, trust_env=False, follow_redirects=False) as client:
                return client.request(method, self._url + path, content=content, headers=headers), None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
            return None, NotSentError("no connection can be made")
        except httpx.TimeoutException:
            return None, NoAnswerError("no answer came in time")
        except httpx.HTTPError:
            return None, NoAnswerError("the connection broke")


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _results(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = body.get("results")
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise NoAnswerError("it answered without the list")
    return iter(results)


def _id(item: Mapping[str, Any]) -> str:
    found = item.get("id")
    if isinstance(found, bool) or not isinstance(found, int | str) or not str(found).isalnum():
        raise NoAnswerError("it answered without an id")
    return str(found)


def _draft(item: Mapping[str, Any]) -> TypefullyDraft:
    try:
        updated = datetime.fromisoformat(str(item.get("updated_at") or item.get("created_at")))
    except ValueError:
        updated = datetime.max.replace(tzinfo=UTC)  # such a draft ends no search
    reasons = (item.get(name) for name in ("error", "error_message", "error_reason", "publish_error"))
    trouble = next((reason for reason in reasons if reason), "")
    return TypefullyDraft(
        id=_id(item),
        title=str(item.get("draft_title") or ""),
        status=str(item.get("status") or ""),
        working=item.get("publish_state") == "in_progress",
        updated=updated if updated.tzinfo else updated.replace(tzinfo=UTC),
        x_url=str(item.get("x_published_url") or ""),
        link=one_line(item.get("private_url"), 200),
        trouble=said(_dict(trouble).get("message") or trouble),
    )
