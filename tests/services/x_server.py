"""X's API v2 on loopback, as far as an account that publishes uses it.

Signatures are verified, texts are measured, duplicates and second cashtags are refused, links are shortened, and the
timeline comes in pages, the newest post first, a little late if `lag` says so.
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
from urllib.parse import quote, urlencode

from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

from tests.services.server import Answer, Call, Service

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    from twitter_text import extract_urls_with_indices, parse_tweet

KEYS = {
    "api_key": "SECRETapikey0000000000001",
    "api_secret": "SECRETapisecret00000000000000000000000000000000000",
    "access_token": "2244994945-SECRETaccesstoken0000000000000000000000000",
    "access_token_secret": "SECRETaccesstokensecret00000000000000000000000",
}
USER_ID = "2244994945"
_CASHTAG = re.compile(r"(?<!\S)\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")
_X_EPOCH_MS = 1_288_834_974_657


@dataclass(slots=True)
class Posted:
    """A post as it was published."""

    id: str
    text: str
    at: datetime
    reply_to: str = ""


@dataclass(slots=True)
class Limit:
    """So many calls in so many seconds."""

    calls: int
    seconds: float
    made: list[float] = field(default_factory=list)

    def take(self) -> bool:
        now = time.time()
        self.made = [at for at in self.made if at > now - self.seconds]
        if len(self.made) >= self.calls:
            return False
        self.made.append(now)
        return True

    def headers(self) -> dict[str, str]:
        end = (self.made[0] if self.made else time.time()) + self.seconds
        left = self.calls - len(self.made)
        names = ("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset")
        return dict(zip(names, (str(self.calls), str(left), str(int(end) + 1)), strict=True))


class _Keys(RequestValidator):  # type: ignore[misc]
    """Whose signature is valid. The library asks in this way."""

    enforce_ssl = False
    client_key_length = access_token_length = nonce_length = (8, 100)
    safe_characters = frozenset("-_" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")  # type: ignore[assignment]
    dummy_client = "dummy-client"
    dummy_access_token = "dummy-token"

    def __init__(self, keys: dict[str, str]) -> None:
        super().__init__()
        self.keys = keys
        self.nonces: set[str] = set()

    def validate_client_key(self, client_key: str, request: object) -> bool:
        return client_key == self.keys["api_key"]

    def get_client_secret(self, client_key: str, request: object) -> str:
        return self.keys["api_secret"]

    def get_access_token_secret(self, client_key: str, token: str, request: object) -> str:
        return self.keys["access_token_secret"]

    def validate_timestamp_and_nonce(self, client_key: str, timestamp: str, nonce: str, *_: Any, **__: Any) -> bool:
        if nonce in self.nonces:
            return False
        self.nonces.add(nonce)
        return True


class XServer(Service):
    """One account, one app. The attributes are switches for tests."""

    name = "X"

    def __init__(self) -> None:
        super().__init__()
        self.keys = dict(KEYS)
        self.username = "the_digest"
        self.access_level = "read-write"
        self.posts: list[Posted] = []
        self.credits = 100.0
        self.replies_allowed = True
        self.premium = False
        self.lag = 0.0
        self.limits = {"POST /2/tweets": Limit(100, 900), "GET": Limit(900, 900)}
        self.user_day = Limit(10_000, 86_400)
        self._signatures = _Keys(self.keys)
        self._sequence = itertools.count()

    # For tests

    @property
    def texts(self) -> list[str]:
        """What was published, the oldest first."""
        return [post.text for post in self.posts]

    def publish(self, text: str, *, age: timedelta = timedelta(0), reply_to: str = "") -> Posted:
        """Put a post on the account, as a person or another program would."""
        at = datetime.now(UTC) - age
        number = (int(at.timestamp() * 1000) - _X_EPOCH_MS << 22) + next(self._sequence)
        posted = Posted(str(number), text, at, reply_to)
        self.posts.append(posted)
        self.posts.sort(key=lambda post: int(post.id))
        return posted

    # The service

    def error(self, status: int, message: str, title: str = "", kind: str = "about:blank") -> Answer:
        titles = {400: "Invalid Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
        titles |= {429: "Too Many Requests", 500: "Internal Server Error"}
        body = {"title": title or titles.get(status, "Error"), "detail": message, "type": kind, "status": status}
        return Answer(status, body)

    def handle(self, call: Call) -> Answer:
        if not self._signed(call):
            return self.error(401, "Unauthorized")
        limit = self.limits["POST /2/tweets" if call.method == "POST" else "GET"]
        if not limit.take():
            answer = self.error(429, "Too Many Requests")
        else:
            answer = self._route(call)
        answer.headers = {**limit.headers(), "x-access-level": self.access_level, **answer.headers}
        return answer

    def _route(self, call: Call) -> Answer:
        routes: dict[str, Callable[[Call], Answer]] = {
            "POST /2/tweets": self._create,
            "GET /2/users/me": self._me,
            f"GET /2/users/{USER_ID}/tweets": self._timeline,
        }
        gone = re.fullmatch(r"DELETE /2/tweets/(\d+)", call.what)
        if gone:
            self.posts = [posted for posted in self.posts if posted.id != gone[1]]
            return Answer(200, {"data": {"deleted": True}})
        if call.what not in routes:
            return self.error(404, "Not Found")
        if self.credits <= 0:
            detail = f"Your enrolled account [{USER_ID}] does not have any credits to fulfill this request."
            return self.error(402, detail, "CreditsDepleted", "https://api.twitter.com/2/problems/credits")
        return routes[call.what](call)

    def _signed(self, call: Call) -> bool:
        query = urlencode(call.query, doseq=True, quote_via=quote)
        url = f"http://{call.headers.get('host', '')}{quote(call.path)}" + (f"?{query}" if query else "")
        headers = {"Authorization": call.headers.get("authorization", "")}
        valid, _ = SignatureOnlyEndpoint(self._signatures).validate_request(url, call.method, None, headers)
        # The library leaves to its callers whether the token is one that was given out.
        return bool(valid) and f'oauth_token="{self.keys["access_token"]}"' in headers["Authorization"]

    def _me(self, call: Call) -> Answer:
        self.credits -= 0.010
        return Answer(200, {"data": {"id": USER_ID, "name": "The Digest", "username": self.username}})

    def _create(self, call: Call) -> Answer:
        if self.access_level == "read":
            detail = "Your client app is not configured with the appropriate oauth1 app permissions for this endpoint."
            return self.error(403, detail, kind="https://api.twitter.com/2/problems/oauth1-permissions")
        if not self.user_day.take():
            answer = self.error(429, "Too Many Requests")
            end = str(int(self.user_day.made[0] + self.user_day.seconds))
            names = ("x-user-limit-24hour-limit", "x-user-limit-24hour-remaining", "x-user-limit-24hour-reset")
            answer.headers = dict(zip(names, (str(self.user_day.calls), "0", end), strict=True))
            return answer
        data = call.data if isinstance(call.data, dict) else {}
        text, reply = data.get("text"), (data.get("reply") or {}).get("in_reply_to_tweet_id", "")
        refusal = self._refusal(text, reply)
        if refusal:
            return refusal
        self.credits -= 0.200 if extract_urls_with_indices(text) else 0.015
        posted = self.publish(text.strip(), reply_to=reply)
        shown, _ = _shortened(posted.text)
        return Answer(201, {"data": {"id": posted.id, "text": shown, "edit_history_tweet_ids": [posted.id]}})

    def _refusal(self, text: Any, reply: str) -> Answer | None:
        if not isinstance(text, str) or not text.strip():
            return self.error(400, "One or more parameters to your request was invalid.")
        if parse_tweet(text).weightedLength > (25_000 if self.premium else 280):
            return self.error(400, "Your Tweet text is too long.")
        if len(_CASHTAG.findall(text)) > 1:
            return self.error(403, "You may include only one cashtag in a post.")
        if any(text.strip() == post.text for post in self.posts):
            return self.error(403, "You are not allowed to create a Tweet with duplicate content.")
        if reply and not any(post.id == reply for post in self.posts):
            return self.error(403, "You attempted to reply to a Tweet that is deleted or not visible to you.")
        if reply and not self.replies_allowed:
            detail = (
                "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged "
                "by the author of the post you are replying to."
            )
            return self.error(403, detail)
        return None

    def _timeline(self, call: Call) -> Answer:
        size = int(call.one("max_results", "10"))
        if not 5 <= size <= 100:
            return self.error(400, f"The `max_results` query parameter value [{size}] is not between 5 and 100")
        now = datetime.now(UTC)
        seen = [post for post in reversed(self.posts) if now - post.at >= timedelta(seconds=self.lag)]
        # A token stands for the last post that was shown, so a new post shifts nothing.
        last = call.one("pagination_token")
        rest = [post for post in seen if not last or int(post.id) < int(last.removeprefix("t"), 36)]
        page = rest[:size]
        self.credits -= 0.001 * len(page)
        if not page:
            return Answer(200, {"meta": {"result_count": 0}})
        meta: dict[str, Any] = {"result_count": len(page), "newest_id": page[0].id, "oldest_id": page[-1].id}
        if len(rest) > size:
            meta["next_token"] = "t" + _base36(int(page[-1].id))
        fields = set(call.one("tweet.fields").split(","))
        return Answer(200, {"data": [self._shown(post, fields) for post in page], "meta": meta})

    def _shown(self, post: Posted, fields: set[str]) -> dict[str, Any]:
        text, entities = _shortened(post.text)
        shown: dict[str, Any] = {"id": post.id, "edit_history_tweet_ids": [post.id]}
        if parse_tweet(post.text).weightedLength > 280:
            if "note_tweet" in fields:
                shown["note_tweet"] = {"text": text, "entities": entities}
            text, entities = text[:270] + "… https://t.co/NoteTweet0", {}
        shown["text"] = text
        if "entities" in fields and entities:
            shown["entities"] = entities
        if "created_at" in fields:
            shown["created_at"] = f"{post.at:%Y-%m-%dT%H:%M:%S}.{post.at.microsecond // 1000:03d}Z"
        return shown


def _shortened(text: str) -> tuple[str, dict[str, Any]]:
    """A text as X shows it: its links shortened, three characters escaped, and what the short links stand for."""
    shown, end, urls = "", 0, []
    for number, link in enumerate(extract_urls_with_indices(text)):
        start, stop = link["indices"]
        short = f"https://t.co/{number:02d}{abs(hash(link['url'])) % 10**8:08d}"
        long = link["url"] if "://" in link["url"] else f"http://{link['url']}"
        shown += _escaped(text[end:start])
        urls.append({"start": len(shown), "end": len(shown) + len(short), "url": short, "expanded_url": long})
        urls[-1]["display_url"] = long.split("://")[1][:26]
        shown, end = shown + short, stop
    shown += _escaped(text[end:])
    return shown, {"urls": urls} if urls else {}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text
