"""How X is reached: tweepy's client with a session of ours, which rewrites the host, signs, and says how it ended.

tweepy writes its host into each request, sends no timeout and stumbles over errors of an unknown shape. The session
stands between tweepy and the network, so the address is ours before OAuth signs it: a signature covers the host, and
one that is made for another is refused.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
import tweepy  # type: ignore[import-untyped]
import urllib3

from blocks.calls import CallError, NoAnswerError, NotSentError, outcome, server_time
from blocks.records import is_snowflake

_TWEEPYS_HOST = "https://api.twitter.com/"

_HANDSHAKE = {"WRONG_VERSION_NUMBER", "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_PROTOCOL_VERSION"}
"""What OpenSSL says when two sides cannot begin to talk."""

_TALKATIVE = ("oauthlib.oauth1.rfc5849", "oauthlib.oauth1.rfc5849.signature", "requests_oauthlib.oauth1_auth")
"""Loggers that print keys and signatures at level DEBUG."""


@dataclass(frozen=True, slots=True)
class XPost:
    """A post as the timeline tells it. `text` has the author's own links in it, as far as X tells them."""

    id: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a timeline, the newest post first. `at` is X's clock, `next` leads to older posts or is empty."""

    posts: tuple[XPost, ...]
    next: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Me:
    """The account, and what its tokens may do: "read", "read-write", … or empty where X does not tell."""

    id: str
    username: str
    access_level: str


class XApi:
    """The calls we make of X. All raise `CallError`; none is repeated here."""

    def __init__(self, keys: tuple[str, str, str, str], api_url: str, timeout: float) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.INFO)
        self._client = tweepy.Client(
            consumer_key=keys[0],
            consumer_secret=keys[1],
            access_token=keys[2],
            access_token_secret=keys[3],
            return_type=requests.Response,
        )
        self._client.session = _Session(api_url, timeout)

    def post(self, text: str, reply_to: str = "") -> str:
        """Publish one post, and return its id."""
        answer = self._client.create_tweet(text=text, in_reply_to_tweet_id=reply_to or None)
        post_id = _dict(_json(answer).get("data")).get("id")
        if not isinstance(post_id, str) or not is_snowflake(post_id):
            raise NoAnswerError("it answered without the post's id")
        return post_id

    def me(self) -> Me:
        """Whose keys these are."""
        answer = self._client.get_me()
        data = _dict(_json(answer).get("data"))
        user_id, username = data.get("id"), data.get("username")
        if not isinstance(user_id, str) or not is_snowflake(user_id):
            raise NoAnswerError("it answered without the account's id")
        return Me(user_id, str(username or ""), answer.headers.get("x-access-level", ""))

    def timeline(self, user_id: str, size: int, token: str) -> Page:
        """A page of an account's posts, replies among them."""
        answer = self._client.get_users_tweets(
            user_id,
            user_auth=True,
            max_results=size,
            tweet_fields=["created_at", "entities", "note_tweet"],
            pagination_token=token or None,
        )
        body = _json(answer)
        data = body.get("data", [])
        if not isinstance(data, list) or ("data" not in body and "meta" not in body):
            raise NoAnswerError("it answered without the posts")
        follow = _dict(body.get("meta")).get("next_token")
        at = datetime.fromtimestamp(server_time({k.lower(): v for k, v in answer.headers.items()}), UTC)
        return Page(tuple(_posts(data)), follow if isinstance(follow, str) else "", at)


class _Session(requests.Session):
    """Sends what tweepy asks for to our address, with a timeout, once, and tells how it ended."""

    def __init__(self, api_url: str, timeout: float) -> None:
        super().__init__()
        self._api_url, self._timeout = api_url, timeout
        self.trust_env = False  # a proxy or a .netrc of the machine's is none of our settings
        self.headers["Connection"] = "close"

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, **more: Any
    ) -> requests.Response:
        if not url.startswith(_TWEEPYS_HOST):
            raise NotSentError("tweepy names another host than it used to")
        url = f"{self._api_url}/{url.removeprefix(_TWEEPYS_HOST)}"
        answer, error = self._send(method, url, args, {**more, "timeout": self._timeout, "allow_redirects": False})
        # Raised out here: requests' exceptions hold the request, and with it the signature.
        if answer is None:
            raise error or NoAnswerError("no answer came")
        problem = outcome(answer.status_code, _body(answer), answer.headers)
        if problem:
            raise problem
        return answer

    def _send(
        self, method: str, url: str, args: tuple[Any, ...], more: Mapping[str, Any]
    ) -> tuple[requests.Response | None, CallError | None]:
        try:
            return super().request(method, url, *args, **more), None
        except requests.RequestException as error:
            return None, _ending(error)
        finally:
            # Each call has a connection of its own: one that idled until the other side closed it would make the
            # next call look like a lost answer.
            self.close()


_NOT_SENT: list[tuple[type[BaseException], str]] = [
    (urllib3.exceptions.ConnectTimeoutError, "it cannot be reached in time"),
    (urllib3.exceptions.NameResolutionError, "its name cannot be resolved"),
    (urllib3.exceptions.NewConnectionError, "no connection can be made"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (requests.exceptions.InvalidURL, "its address cannot be used"),
]


def _ending(error: requests.RequestException) -> CallError:
    """Whether a request went out before it failed. When in doubt, it did."""
    for cause in _causes(error):
        for kind, told in _NOT_SENT:
            if isinstance(cause, kind):
                return NotSentError(told)
        if isinstance(cause, ssl.SSLError) and cause.reason in _HANDSHAKE:
            return NotSentError("no secure connection can be made")
    return NoAnswerError("no answer came in time" if isinstance(error, requests.Timeout) else "the connection broke")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it holds, came from or was raised over."""
    seen: list[BaseException] = []
    queue = [error]
    while queue and len(seen) < 20:
        one = queue.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            yield one
            queue += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def _body(answer: requests.Response) -> object:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def _json(answer: requests.Response) -> dict[str, Any]:
    body = _body(answer)
    if not isinstance(body, dict):
        raise NoAnswerError("its answer cannot be read")
    return body


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _posts(data: list[Any]) -> Iterator[XPost]:
    for item in data:
        post = _dict(item)
        note = _dict(post.get("note_tweet"))  # the whole of a long post, whose `text` is cut
        told = note if isinstance(note.get("text"), str) else post
        post_id, text, created = post.get("id"), told.get("text"), post.get("created_at")
        if not isinstance(post_id, str) or not is_snowflake(post_id) or not isinstance(text, str):
            raise NoAnswerError("it shows a post that cannot be read")  # it might be the one that is looked for
        yield XPost(post_id, _as_written(text, _dict(told.get("entities"))), _time(created))


def _as_written(text: str, entities: Mapping[str, Any]) -> str:
    """A post's text with its author's links and signs: X shortens links and escapes three characters."""
    for sign, escaped in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        text = text.replace(escaped, sign)
    urls = entities.get("urls")
    for link in urls if isinstance(urls, list) else []:
        short, long = _dict(link).get("url"), _dict(link).get("expanded_url")
        if isinstance(short, str) and isinstance(long, str) and short:
            text = text.replace(short, long)
    return text


def _time(value: object) -> datetime:
    """A post's time. One that cannot be read counts as now: such a post ends no search."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    return at.astimezone(UTC) if at and at.tzinfo else datetime.now(UTC)
