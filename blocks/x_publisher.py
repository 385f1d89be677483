"""X itself: the digest as a post or a thread of the account whose tokens are given."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pydantic import ConfigDict, Field, HttpUrl, SecretStr

from blocks.calls import (
    CallError,
    NoAnswerError,
    Patience,
    RefusedError,
    asked,
    retry_after,
    seconds_until,
    server_time,
)
from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError, reason
from blocks.logos import WEBHOOK
from blocks.publisher import Publisher
from blocks.records import Check, Draft, Receipt
from blocks.service_url import ServiceUrl
from blocks.text import one_line

if TYPE_CHECKING:
    from blocks.x_api import XApi, XPost

R = TypeVar("R")

_PAGE = 25
"""Posts a page. Each costs $0.001 to read, and an account seldom has more in two days."""

_MAX_PAGES = 20

_SLACK = timedelta(days=2)
"""A draft's day may begin 14 hours before it does in UTC, and this machine's clock may have been wrong."""

_KEY = re.compile(r"[!-~]+")
_SCHEME = re.compile(r"https?://")
_SLASH = re.compile(r"/(?!\S)")

_DUPLICATE = "duplicate content"
"""What X's refusal of a text that is out already has in it."""

_LOOK = "look at the account, then set the draft's status in the Drafts tab to published or rejected"


class XPublisher(Publisher):
    """Publishes each draft on X: as a post, or as a thread if it has several parts.

    X has no key by which a repeated call would be harmless: what got no answer is looked for in the timeline.

    Example:
        ```python
        XPublisher(
            api_key="…", api_secret="…", access_token="…", access_token_secret="…"
        ).save("daily-pipeline")
        ```
    """

    # A field that is refused is named, and what was put into it is not shown: it may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    charges = True

    _block_type_name = "X Account"
    _block_type_slug = "x-account"
    _description = "Publishes the digest on X, with the two keys of an app and the two tokens of an account."
    _logo_url = WEBHOOK
    _documentation_url = HttpUrl("https://docs.x.com/x-api/posts/create-post")

    api_key: SecretStr = Field(default=SecretStr(""), description="The app's API key, also called consumer key.")
    api_secret: SecretStr = Field(default=SecretStr(""), description="The app's API key secret.")
    access_token: SecretStr = Field(
        default=SecretStr(""), description="The account's access token, made after the app got Read and write."
    )
    access_token_secret: SecretStr = Field(default=SecretStr(""), description="The account's access token secret.")
    api_url: ServiceUrl = Field(default="https://api.x.com", description="Where X's API is: there, or at a gateway.")
    timeout: float = Field(default=30, gt=0, description="Seconds of silence after which a call is given up.")
    max_wait: float = Field(
        default=60, ge=0, description="Seconds that one piece of work may wait in all, for a rate limit or a fault."
    )
    settle: float = Field(
        default=15, ge=0, description="Seconds before a post that was not found is looked for again: timelines lag."
    )

    def find(self, draft: Draft) -> Receipt | None:
        ids = draft.published_ids
        if len(ids) >= len(draft.parts):
            return _receipt(draft, ids)
        return self._find(self._api(), draft, Patience(self.max_wait))

    def publish(self, draft: Draft) -> Receipt:
        api, patience = self._api(), Patience(self.max_wait)
        ids = list(draft.published_ids[: len(draft.parts)])
        try:
            while len(ids) < len(draft.parts):
                ids.append(self._publish_next(api, draft, ids, patience))
        except _ThreadEndedError as error:
            return _receipt(draft, ids, note=str(error))
        except PipelineError as error:
            error.published_ids = tuple(ids)
            raise
        return _receipt(draft, ids)

    def warm_up(self) -> None:
        import blocks.x_api  # noqa: F401

    def check(self) -> list[Check]:
        try:
            me = asked(self._api().me, Patience(self.max_wait), _waited)
        except (CallError, PipelineError) as error:
            problem = _problem(error) if isinstance(error, CallError) else error
            return [Check("publisher", False, "X cannot be used", reason(problem))]
        found = f"X, as @{one_line(me.username, 30)}"
        if me.access_level == "read":
            return [Check("publisher", False, f"{found}, which may only read", f"{_WRITABLE}.")]
        return [Check("publisher", True, f"{found} ({me.access_level})" if me.access_level else found)]

    def _api(self) -> XApi:
        given = {
            "X_API_KEY": self.api_key,
            "X_API_SECRET": self.api_secret,
            "X_ACCESS_TOKEN": self.access_token,
            "X_ACCESS_TOKEN_SECRET": self.access_token_secret,
        }
        keys = {name: secret.get_secret_value().strip() for name, secret in given.items()}
        for problem, names in (
            ("not set", [name for name, key in keys.items() if not key]),
            ("no key as X gives them out", [name for name, key in keys.items() if key and not _KEY.fullmatch(key)]),
        ):
            if names:
                raise PermanentError(
                    f"{', '.join(names)}: {problem}. Copy all four from the app's page in X's developer portal."
                )
        from blocks.x_api import XApi

        key, secret, token, token_secret = keys.values()
        return XApi((key, secret, token, token_secret), self.api_url, self.timeout)

    # Publishing

    def _publish_next(self, api: XApi, draft: Draft, ids: Sequence[str], patience: Patience) -> str:
        """Publish the part that follows those that are out, and return its id."""
        while True:
            try:
                return api.post(draft.parts[len(ids)], ids[-1] if ids else "")
            except CallError as error:
                problem = error
            if isinstance(problem, NoAnswerError):
                raise UnclearError(f"X may have published it, but {problem}: the next run looks first.")
            if not isinstance(problem, RefusedError):
                raise _problem(problem)
            if problem.status == 429 and _waited(problem, patience):
                continue
            if problem.status == 403 and _DUPLICATE in problem.words.lower():
                return self._out_already(api, replace(draft, published_ids=tuple(ids)), patience)
            if problem.status == 403 and ids and not _may_not_write(problem):
                out = f"{len(ids)} of {len(draft.parts)} parts are out"
                raise _ThreadEndedError(f"X took no more of the thread, {out} (403): {problem.words}")
            raise _refusal(problem)

    def _out_already(self, api: XApi, draft: Draft, patience: Patience) -> str:
        """The id of the part that X says is out, as an earlier attempt got that far."""
        try:
            found = self._find(api, draft, patience)
        except UnclearError as error:
            raise UndecidableError(f"X says that this text is out already, but: {reason(error)}") from None
        except PipelineError as error:
            raise UnclearError(f"X says that this text is out already, but: {reason(error)}") from None
        if found and len(found.ids) > len(draft.published_ids):
            return found.ids[len(draft.published_ids)]
        raise UndecidableError(f"X says that this text is out already, but the timeline does not show it: {_LOOK}.")

    # Finding

    def _find(self, api: XApi, draft: Draft, patience: Patience) -> Receipt | None:
        """What is out of a draft. None: nothing, for certain."""
        receipt = self._look(api, draft, patience)
        if self.settle and not (receipt and receipt.whole):
            time.sleep(self.settle)
            receipt = self._look(api, draft, patience)
        return receipt

    def _look(self, api: XApi, draft: Draft, patience: Patience) -> Receipt | None:
        """Read the own timeline back to before the draft was made, or until all parts are found."""
        # An access token begins with its account's id: that saves a call of $0.010.
        user_id = self.access_token.get_secret_value().strip().partition("-")[0]
        if not user_id.isdecimal():
            user_id = self._asked(api.me, patience).id
        posts: dict[str, XPost] = {}
        token, begin = "", datetime.max.replace(tzinfo=UTC)
        for _ in range(_MAX_PAGES):
            page = self._asked(partial(api.timeline, user_id, _PAGE, token), patience)
            begin = min(begin, page.at - _SLACK, datetime(*draft.day.timetuple()[:3], tzinfo=UTC) - _SLACK)
            posts |= {comparable(post.text): post for post in page.posts if post.created_at >= begin}
            ids = _parts_out(draft, posts)
            if len(ids) == len(draft.parts) or not page.next or (page.posts and page.posts[-1].created_at < begin):
                break
            token = page.next
        else:
            raise UnclearError(f"The account has more than {_PAGE * _MAX_PAGES} posts since {begin:%Y-%m-%d}: {_LOOK}.")
        if any(comparable(part) in posts for part in draft.parts[len(ids) + 1 :]):
            raise UnclearError(f"Part {len(ids) + 1} of the thread is not out, but a later one is: {_LOOK}.")
        return _receipt(draft, ids) if ids else None

    def _asked(self, call: Callable[[], R], patience: Patience) -> R:
        """What X answers about the own account.

        Where the keys, the credits or a limit are in the way, a later run asks again. Where X will not show it at
        all, only a person can look.
        """
        try:
            return asked(call, patience, _waited)
        except CallError as error:
            problem = error
        if not isinstance(problem, RefusedError) or problem.status in (401, 402, 429):
            raise _problem(problem)
        raise UnclearError(f"X does not show the account's posts ({problem}): {_LOOK}.")


class _ThreadEndedError(Exception):
    """X takes no more parts of this thread."""


_WRITABLE = "Set the app's permissions to Read and write in X's developer portal, then make new access tokens"


def _waited(refusal: RefusedError, patience: Patience) -> bool:
    """Wait for a rate limit to end. False: it is the day's limit, nobody says when it ends, or that is too far away."""
    if _spent(refusal):
        return False
    seconds = retry_after(refusal.headers)
    if seconds is None:
        seconds = seconds_until(refusal.headers.get("x-rate-limit-reset", ""), refusal.headers)
    return seconds is not None and patience.wait(max(seconds, 1.0))


def _spent(refusal: RefusedError) -> str:
    """The limit that will not end within minutes: whose day's limit, or "cap"; empty if it is an ordinary one."""
    if "usage cap" in refusal.words.lower():
        return "cap"
    whose = (who for who in ("user", "app") if refusal.headers.get(f"x-{who}-limit-24hour-remaining") == "0")
    return next(whose, "")


def _problem(error: CallError) -> PipelineError:
    """What a call without success means for a person, where nothing was changed by it."""
    if isinstance(error, RefusedError):
        return _refusal(error)
    return TransientError(f"X is out of reach ({error}): check the network and X_API_URL.")


def _refusal(refusal: RefusedError) -> PipelineError:
    """What a refused call means for a person."""
    status, said = refusal.status, f": {refusal.words}" if refusal.words else ""
    if status == 429:
        return _limit(refusal)
    advice = ""
    if status == 401:
        said = ": the keys are not valid"
        advice = "Make new ones in the developer portal, set the four X_… settings, run daily-pipeline --setup."
    elif status == 402:
        said, advice = ": the credits are used up", "Buy credits at console.x.com."
    elif status == 403 and _may_not_write(refusal):
        advice = f"{_WRITABLE}."
    elif not said:
        advice = "Check X_API_URL."
    return PermanentError(f"X refuses ({status}){said.rstrip('.')}. {advice}".strip())


def _limit(refusal: RefusedError) -> PipelineError:
    """What a rate limit means that was not waited out."""
    whose = _spent(refusal)
    if whose == "cap":
        return PermanentError(
            f"X's cap on use is reached (429): {refusal.words.rstrip('.')}. Raise it at console.x.com."
        )
    reset = refusal.headers.get(f"x-{whose}-limit-24hour-reset" if whose else "x-rate-limit-reset", "")
    seconds = seconds_until(reset, refusal.headers)
    until = "" if seconds is None else f" until {_clock(refusal, seconds)}"
    then = "the next run tries again" if seconds is None else "nothing more goes out before"
    if whose:
        return PermanentError(f"X's limit for a day is used up{until} (429): {then}.")
    return TransientError(f"X's rate limit is used up{until} (429): {then}.")


def _may_not_write(refusal: RefusedError) -> bool:
    return "permission" in refusal.words.lower()


def _clock(refusal: RefusedError, seconds: float) -> str:
    at = datetime.fromtimestamp(min(server_time(refusal.headers) + seconds, 4e9), UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _parts_out(draft: Draft, posts: dict[str, XPost]) -> list[str]:
    """The ids of the parts that are out, from the first on: those that are known, and those found."""
    ids = list(draft.published_ids[: len(draft.parts)])
    for part in draft.parts[len(ids) :]:
        post = posts.get(comparable(part))
        if not post:
            break
        ids.append(post.id)
    return ids


def _receipt(draft: Draft, ids: Sequence[str], note: str = "") -> Receipt:
    link = f"https://x.com/i/status/{ids[0]}"
    return Receipt("twitter", tuple(ids), link, datetime.now(UTC), len(ids) >= len(draft.parts), note)


def comparable(text: str) -> str:
    """A text without what X changes in it: white space, composed characters, and the form of links."""
    text = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    return _SLASH.sub("", _SCHEME.sub("", text))
