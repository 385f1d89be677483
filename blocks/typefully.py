"""Typefully: the digest as a draft there, which it publishes on X in its own time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import ConfigDict, Field, HttpUrl, SecretStr

from blocks.calls import CallError, NoAnswerError, Patience, RefusedError, asked, retry_after, seconds_until
from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError, reason
from blocks.logos import WEBHOOK
from blocks.publisher import Publisher
from blocks.records import Check, Draft, Receipt, is_snowflake
from blocks.service_url import ServiceUrl
from blocks.text import one_line

if TYPE_CHECKING:
    from blocks.typefully_api import SocialSet, TypefullyApi, TypefullyDraft

R = TypeVar("R")

_MAX_PAGES = 20

_SLACK = timedelta(days=2)
"""A draft's day may begin 14 hours before it does in UTC, and this machine's clock may have been wrong."""

_KEY = re.compile(r"[!-~]+")
_SET_ID = re.compile(r"[A-Za-z0-9]{1,40}")
_POST_ID = re.compile(r"/status(?:es)?/(\d+)")
_LOOK = "look there, then set the draft's status in the Drafts tab to published or rejected"


class TypefullyPublisher(Publisher):
    """Makes a draft at Typefully and waits until Typefully has published it on X.

    Its title names our draft and the text, and is looked for before another is made: Typefully knows no other
    way to tell a repeated call.

    Example:
        ```python
        TypefullyPublisher(api_key="…", social_set_id="12345").save("daily-pipeline")
        ```
    """

    # A field that is refused is named, and what was put into it is not shown: it may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    _block_type_name = "Typefully"
    _block_type_slug = "typefully"
    _description = "Publishes the digest on X through Typefully, or leaves it there as a draft."
    _logo_url = WEBHOOK
    _documentation_url = HttpUrl("https://typefully.com/docs/api")

    api_key: SecretStr = Field(default=SecretStr(""), description="A key from Typefully's settings, page API.")
    social_set_id: str = Field(
        default="", description="The number of the social set to publish to; daily-pipeline --test lists them."
    )
    api_url: ServiceUrl = Field(
        default="https://api.typefully.com", description="Where Typefully's API is: there, or at a gateway."
    )
    publish_at: Literal["now", "draft"] = Field(
        default="now", description="now: it goes out at once. draft: it stays a draft at Typefully, for a person."
    )
    timeout: float = Field(default=30, gt=0, description="Seconds of silence after which a call is given up.")
    max_wait: float = Field(
        default=120,
        ge=0,
        description="Seconds that one piece of work may wait in all: until it is out, or for a limit.",
    )
    poll: float = Field(default=2, gt=0, description="Seconds between two looks whether it is out; fewer at first.")

    def find(self, draft: Draft) -> Receipt | None:
        api, patience = self._api(), Patience(self.max_wait)
        there = self._look(api, draft, patience)
        if there is None:
            return None
        try:
            there = self._settled(api, there, patience)
        except CallError as error:
            raise _problem(error) from None
        if self._is_done(there):
            return _receipt(there)
        if _is_held(there):
            _sure_not_out(there, draft)
            return None
        raise TransientError(f"Typefully has it as {there.status or 'nothing'}, not out yet: the next run looks again.")

    def publish(self, draft: Draft) -> Receipt:
        api, patience = self._api(), Patience(self.max_wait)
        there = self._look(api, draft, patience)
        if there is None:
            there = self._create(api, draft, patience)
        elif _is_held(there) and not self._is_done(there):
            _sure_not_out(there, draft)
            there = self._send(api, there, patience)
        try:
            there = self._settled(api, there, patience)
        except CallError as error:
            raise UnclearError(f"Typefully has it, but does not say whether it is out ({error}).") from None
        if self._is_done(there):
            return _receipt(there)
        if there.status == "error" and not there.working:
            _sure_not_out(there, draft)
            why = there.trouble or "it gives no reason"
            raise PermanentError(f"Typefully could not publish it: {why}. See {there.link or 'typefully.com'}")
        raise UnclearError(f"Typefully has it as {there.status or 'nothing'}, not out yet: the next run looks again.")

    def check(self) -> list[Check]:
        try:
            api, patience = self._api(), Patience(self.max_wait)
            name, sets = asked(api.me, patience, _waited), asked(api.social_sets, patience, _waited)
            chosen = next((one for one in sets if one.id == self.social_set_id), None)
            if not chosen:
                return [_no_set(self.social_set_id, sets)]
            account = asked(lambda: api.x_account(chosen.id), patience, _waited)
        except (CallError, PipelineError) as error:
            problem = _problem(error) if isinstance(error, CallError) else error
            return [Check("publisher", False, "Typefully cannot be used", reason(problem))]
        found = f"Typefully, as {name}, social set {chosen.id}"
        if not account:
            advice = f"Connect an X account to the social set {chosen.name or chosen.id} in Typefully."
            return [Check("publisher", False, f"{found}, has no X account", advice)]
        return [Check("publisher", True, f"{found} (@{account})")]

    def _api(self) -> TypefullyApi:
        key = self.api_key.get_secret_value().strip()
        if not _KEY.fullmatch(key):
            what = "is no key as Typefully gives them out" if key else "is not set"
            raise PermanentError(f"TYPEFULLY_API_KEY {what}: make one in Typefully's settings, page API.")
        from blocks.typefully_api import TypefullyApi

        return TypefullyApi(key, self.api_url, self.timeout)

    @property
    def _set(self) -> str:
        """The social set's number: it becomes part of an address."""
        if not _SET_ID.fullmatch(self.social_set_id):
            raise PermanentError(
                "TYPEFULLY_SOCIAL_SET_ID is not set, or no number: daily-pipeline --test lists those you may choose."
            )
        return self.social_set_id

    # The draft at Typefully

    def _look(self, api: TypefullyApi, draft: Draft, patience: Patience) -> TypefullyDraft | None:
        """Our draft at Typefully, if it is there: the list is read back to before it can have been made."""
        mine: list[TypefullyDraft] = []
        begin, offset = datetime.max.replace(tzinfo=UTC), 0
        for _ in range(_MAX_PAGES):
            try:
                page = asked(partial(api.drafts, self._set, offset), patience, _waited)
            except CallError as error:
                raise _problem(error) from None
            begin = min(begin, page.at - _SLACK, datetime(*draft.day.timetuple()[:3], tzinfo=UTC) - _SLACK)
            mine += [one for one in page.drafts if one.title.startswith(f"daily-pipeline {draft.id} [")]
            if not page.more or not page.drafts or page.drafts[-1].updated < begin:
                return _ours(mine, draft)
            offset += len(page.drafts)
        raise UndecidableError(f"Typefully has more than {offset} drafts since {begin:%Y-%m-%d}: {_LOOK}.")

    def _create(self, api: TypefullyApi, draft: Draft, patience: Patience) -> TypefullyDraft:
        """Make our draft at Typefully."""
        when: Literal["now", ""] = "now" if self.publish_at == "now" else ""
        try:
            return _written(lambda: api.create(self._set, title(draft), draft.parts, when), patience)
        except CallError as error:
            raise _problem(error) from None

    def _send(self, api: TypefullyApi, there: TypefullyDraft, patience: Patience) -> TypefullyDraft:
        """Let the draft that is there go out: Typefully publishes one draft once, so that a second is never made."""
        try:
            return _written(lambda: api.send(self._set, there.id), patience)
        except CallError as error:
            if isinstance(error, RefusedError) and error.status not in (401, 402, 403, 429):
                # Typefully takes no change of a draft that it has begun to publish.
                raise UndecidableError(
                    f"Typefully has it as {there.status}, and lets nobody send it: {_LOOK}."
                ) from None
            raise _problem(error) from None

    def _settled(self, api: TypefullyApi, there: TypefullyDraft, patience: Patience) -> TypefullyDraft:
        """Our draft once Typefully is done with it, or as it is when the patience is spent. Raises CallError."""
        pause = self.poll / 4
        while self.publish_at == "now" and not _is_final(there) and patience.wait(pause):
            pause = min(pause * 2, self.poll)
            there = asked(partial(api.draft, self._set, there.id), patience, _waited)
        return there

    def _is_done(self, there: TypefullyDraft) -> bool:
        return there.status == "published" or self.publish_at == "draft"


def title(draft: Draft) -> str:
    """What our draft is called at Typefully: its id, and what tells its text from another."""
    text = hashlib.sha256("\0".join(draft.parts).encode(errors="replace")).hexdigest()[:16]
    return f"daily-pipeline {draft.id} [{text}]"


def _ours(mine: list[TypefullyDraft], draft: Draft) -> TypefullyDraft | None:
    """Of the drafts with our id, the one with our text; the one that got farthest, if a person made copies."""
    order = ("published", "publishing", "scheduled", "draft", "error")
    mine.sort(key=lambda one: order.index(one.status) if one.status in order else 1)
    same = [one for one in mine if one.title == title(draft)]
    if not same and any(not _is_held(one) for one in mine):
        raise UndecidableError(f"Typefully has a draft {draft.id} with another text: {_LOOK}.")
    return same[0] if same else None


def _post_id(there: TypefullyDraft) -> str:
    found = _POST_ID.search(there.x_url)
    return found[1] if found and is_snowflake(found[1]) else ""


def _is_final(there: TypefullyDraft) -> bool:
    """Whether waiting changes nothing any more. The address on X may follow a moment after the status."""
    return not there.working and (there.status == "error" or (there.status == "published" and bool(_post_id(there))))


def _is_held(there: TypefullyDraft) -> bool:
    """Whether it does not go out by itself."""
    return there.status in ("draft", "error") and not there.working


def _sure_not_out(there: TypefullyDraft, draft: Draft) -> None:
    """Raises UndecidableError if a part of it may be out though Typefully says error."""
    if there.x_url or (there.status == "error" and len(draft.parts) > 1):
        raise UndecidableError(f"Typefully failed, but a part of it may be out: {_LOOK}.")


def _receipt(there: TypefullyDraft) -> Receipt:
    post_id = _post_id(there)
    link = f"https://x.com/i/status/{post_id}" if post_id else there.link
    return Receipt("typefully", (post_id or there.id,), link, datetime.now(UTC))


def _written(call: Callable[[], R], patience: Patience) -> R:
    """Change something at Typefully, again only after a limit was waited out. Raises CallError if it was not done."""
    while True:
        try:
            return call()
        except NoAnswerError as error:
            raise UnclearError(f"Typefully may have it, but {error}: the next run looks first.") from None
        except RefusedError as error:
            if error.status != 429 or not _waited(error, patience):
                raise


def _waited(refusal: RefusedError, patience: Patience) -> bool:
    """Wait for a rate limit to end. False: nobody says when it ends, or that is too far away."""
    seconds = _reset(refusal)
    return seconds is not None and patience.wait(max(seconds, 1.0))


def _reset(refusal: RefusedError) -> float | None:
    """Seconds until the limits that are used up have ended: there is one for the user and one for the social set."""
    spent = [who for who in ("user", "socialset") if refusal.headers.get(f"x-ratelimit-{who}-remaining") == "0"]
    ends = [seconds_until(refusal.headers.get(f"x-ratelimit-{who}-reset", ""), refusal.headers) for who in spent]
    return max((end for end in ends if end is not None), default=retry_after(refusal.headers))


def _problem(error: CallError) -> PipelineError:
    """What a call without success means for a person, where nothing was changed by it."""
    if not isinstance(error, RefusedError):
        return TransientError(f"Typefully is out of reach ({error}): check the network and TYPEFULLY_API_URL.")
    if error.status == 429:
        seconds = _reset(error)
        when = "" if seconds is None else f", for {seconds:.0f} more seconds"
        return TransientError(f"Typefully's rate limit is used up{when} (429): nothing goes out before.")
    advice = {
        401: "Make a new key in Typefully's settings, set TYPEFULLY_API_KEY, run daily-pipeline --setup.",
        402: "Typefully asks for a paid plan: see its settings, page Billing.",
        403: "The key's owner may not publish to this social set: choose another with daily-pipeline --test.",
        404: "Is TYPEFULLY_SOCIAL_SET_ID right? daily-pipeline --test lists those you may choose.",
    }.get(error.status, "" if error.words else "Check TYPEFULLY_API_URL.")
    said = f": {error.words.rstrip('.')}" if error.words else ""
    return PermanentError(f"Typefully refuses ({error.status}){said}. {advice}".strip())


def _no_set(chosen: str, sets: list[SocialSet]) -> Check:
    found = f"Typefully has no social set {one_line(chosen, 40)} for this key" if chosen else "no social set is chosen"
    names = ", ".join(f"{one.id} (@{one.name})" for one in sets[:10])
    advice = f"Set TYPEFULLY_SOCIAL_SET_ID to one of: {names}." if names else "Connect an X account in Typefully first."
    return Check("publisher", False, found, advice)
