"""A server that speaks the Gemini API (v1beta REST) as both client libraries call it.

Its model reads the posts out of the prompt and analyses them with the lexicon, in the form that the response schema
asks for. The fields of `Model` let it answer badly, or say anything at all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from blocks import lexicon
from blocks.records import Post
from tests.services.server import Answer, Call, Service

KEY = "AIza-test-key-0123456789"
MODEL = "gemini-3.6-flash"

FINISH = [
    *("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST"),
    *("PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY"),
]
"""In the order of their numbers, which the old library asks for."""
BLOCK = ["BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"]

STATES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RPC = "type.googleapis.com/google.rpc."

Asked = list[dict[str, Any]]
"""The posts of a request, as they stand in the prompt."""


def failure(status: int, message: str, *details: dict[str, Any], state: str = "") -> dict[str, Any]:
    """An error's body as Google writes it."""
    error: dict[str, Any] = {"code": status, "message": message, "status": state or STATES.get(status, "UNKNOWN")}
    return {"error": error | ({"details": list(details)} if details else {})}


def error_info(reason: str) -> dict[str, Any]:
    """The detail that names an error's reason."""
    return {"@type": f"{_RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def retry_info(delay: str) -> dict[str, Any]:
    """The detail that says when to try again, as "36s"."""
    return {"@type": f"{_RPC}RetryInfo", "retryDelay": delay}


def quota_failure(quota_id: str, model: str = MODEL) -> dict[str, Any]:
    """The detail that names the quota which is used up."""
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    violation = {"quotaMetric": metric, "quotaId": quota_id, "quotaDimensions": {"model": model}, "quotaValue": "5"}
    return {"@type": f"{_RPC}QuotaFailure", "violations": [violation]}


def analyses(posts: Asked) -> list[dict[str, Any]]:
    """What the model says of posts: the lexicon's word on them."""
    said = []
    for asked in posts:
        post = Post(asked["post_id"], asked["author"], asked["text"], (), datetime(2024, 1, 1, tzinfo=UTC), "")
        found = lexicon.analyze(post)
        said.append(
            {
                "post_id": post.id,
                "is_crypto": found.is_crypto,
                "projects": [{"name": p.name, "ticker": p.ticker or None} for p in found.projects],
                "category": found.category,
                "summary": found.summary,
                "keywords": list(found.keywords),
                "score": found.score,
            }
        )
    return said


def text(said: list[dict[str, Any]]) -> str:
    """Analyses as the answer's text."""
    return json.dumps({"analyses": said}, ensure_ascii=False)


def draft(posts: Asked) -> str:
    """A day's draft as the answer's text: of each post the sentence that says most."""
    told = {p["post_id"]: Post(p["post_id"], "", p["text"], (), datetime(2024, 1, 1, tzinfo=UTC), "") for p in posts}
    items = [{"post_id": post_id, "text": lexicon.analyze(post).summary} for post_id, post in told.items()]
    return json.dumps({"title": "The day", "items": items}, ensure_ascii=False)


@dataclass(slots=True)
class Model:
    """What the model does with the posts it is asked about."""

    answer: Callable[[Asked], str] = field(default=lambda posts: text(analyses(posts)))
    write: Callable[[Asked], str] = field(default=draft)
    """What it writes of posts for the day's draft."""
    finish: Callable[[Asked], str] = field(default=lambda _posts: "STOP")
    blocks: Callable[[Asked], str] = field(default=lambda _posts: "")
    """The reason for which the prompt is blocked, if it is."""
    thoughts: list[str] = field(default_factory=list)
    """Thoughts that come before the answer, a part each."""
    without_candidates: bool = False
    asked: list[list[str]] = field(default_factory=list)
    """The ids of the posts of each request for analyses, in the order in which they came."""
    written: list[list[str]] = field(default_factory=list)
    """The same of each request for a draft."""


class GeminiServer(Service):
    """The Gemini API with one model.

    Attributes:
        model: what it does with posts.
        models: the models there are, and their methods.
        per_minute, minute: the quota of requests, 0 for none, and how long the minute lasts, in seconds.
        per_day: the day's quota, 0 for none.
    """

    name = "Gemini"

    def __init__(self) -> None:
        super().__init__()
        self.keys = {KEY}
        self.model = Model()
        self.models = {MODEL: ["generateContent", "countTokens", "batchGenerateContent"], "embed-1": ["embedContent"]}
        self.per_minute, self.minute, self.per_day = 0, 60.0, 0
        self._taken: list[float] = []

    def error(self, status: int, message: str) -> Answer:
        return Answer(status, failure(status, message))

    def handle(self, call: Call) -> Answer:
        key = call.headers.get("x-goog-api-key") or call.one("key")
        if not key:
            said = (
                "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
            )
            return Answer(403, failure(403, said))
        if key not in self.keys:
            invalid = "API key not valid. Please pass a valid API key."
            return Answer(400, failure(400, invalid, error_info("API_KEY_INVALID")))
        if call.what == "GET /v1beta/models":
            return Answer(200, {"models": [self._described(name) for name in self.models]})
        path = re.fullmatch(r"/v1beta/models/([^/:]+)(?::(\w+))?", call.path)
        if not path:
            return Answer(404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", {"Content-Type": "text/html"})
        name, method = path[1], path[2] or ""
        if name not in self.models or (method and method not in self.models[name]):
            said = f"models/{name} is not found for API version v1beta, or is not supported for {method or 'getModel'}."
            return Answer(404, failure(404, f"{said} Call ListModels to see the list of available models."))
        if call.method == "GET" and not method:
            return Answer(200, self._described(name))
        if call.method == "POST" and method == "countTokens":
            return Answer(200, {"totalTokens": max(1, len(call.body) // 4)})
        if call.method == "POST" and method == "generateContent":
            return self._quota() or self._generate(call)
        return self.error(404, "Method not found.")

    def _described(self, name: str) -> dict[str, Any]:
        return {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": self.models[name],
            "thinking": True,
        }

    def _quota(self) -> Answer | None:
        now = time.monotonic()
        recent = [at for at in self._taken if at > now - self.minute]
        said = "You exceeded your current quota, please check your plan and billing details."
        if self.per_day and len(self._taken) >= self.per_day:
            quota = quota_failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
            return Answer(429, failure(429, said, quota, retry_info("36s")))
        if self.per_minute and len(recent) >= self.per_minute:
            quota = quota_failure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
            delay = recent[-self.per_minute] + self.minute - now
            return Answer(429, failure(429, said, quota, retry_info(f"{delay:.9f}s")))
        self._taken.append(now)
        return None

    def _generate(self, call: Call) -> Answer:
        body, model = call.data, self.model
        told = "".join(part.get("text", "") for content in body["contents"] for part in content["parts"])
        posts: Asked = json.loads(told)["posts"]
        config = body.get("generationConfig", {})
        is_draft = "items" in (config.get("responseSchema") or {}).get("properties", {})
        (model.written if is_draft else model.asked).append([post["post_id"] for post in posts])
        if not config.get("responseSchema") or config.get("responseMimeType") != "application/json":
            return self.error(400, "The test's model answers only by a response schema.")
        numbers = "enum-encoding=int" in call.one("$alt")
        into = len(call.body) // 4
        usage = {"promptTokenCount": into, "totalTokenCount": into}
        blocked = "" if is_draft else model.blocks(posts)
        if blocked:
            reason: str | int = BLOCK.index(blocked) if numbers else blocked
            return Answer(200, {"promptFeedback": {"blockReason": reason}, "usageMetadata": usage})
        if model.without_candidates:
            return Answer(200, {"usageMetadata": usage, "modelVersion": MODEL})
        finish, said = ("STOP", model.write(posts)) if is_draft else (model.finish(posts), model.answer(posts))
        room = 4 * int(config.get("maxOutputTokens", 65_536))
        if len(said) > room:
            finish, said = "MAX_TOKENS", said[:room]
        parts: list[dict[str, Any]] = [{"text": thought, "thought": True} for thought in model.thoughts]
        if finish in ("STOP", "MAX_TOKENS"):
            parts.append({"text": said, "thoughtSignature": "c2lnbmVk"})
        answered, thought = len(said) // 4 + 1, sum(map(len, model.thoughts)) // 4
        usage |= {"candidatesTokenCount": answered, "totalTokenCount": into + answered + thought}
        usage |= {"thoughtsTokenCount": thought} if thought else {}
        coded: str | int = FINISH.index(finish) if numbers and finish in FINISH else finish
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": coded, "index": 0}
        return Answer(200, {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL})
