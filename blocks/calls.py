"""How a call to an outside service can end without success, and how long a refused one should wait.

A write may be repeated after `NotSentError` and, once its cause is gone, after `RefusedError`: it was not done.
After `NoAnswerError` nobody knows. A read may be repeated after any of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

from blocks.text import said

R = TypeVar("R")


class CallError(Exception):
    """A call without success. Its text names the kind of trouble: no address, header or body is in it."""


class NotSentError(CallError):
    """The service was never reached: nothing was done."""


class NoAnswerError(CallError):
    """The request went out, and no usable answer came back: it may have been done."""


_TIMES = {"date", "retry-after"}


class RefusedError(CallError):
    """The service answered that it will not: it was not done.

    `words` are the service's own, on one line. `headers` are those that tell of limits and times, their names in
    lower case: another may repeat what was sent.
    """

    def __init__(self, status: int, words: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status} {words}".strip())
        self.status, self.words = status, words
        small = {name.lower(): value for name, value in headers.items()}
        self.headers = {name: value for name, value in small.items() if name in _TIMES or "limit" in name}


REPEATED = {301, 307, 308}
"""Redirects that ask for the same request elsewhere. They are not followed: our credentials would go there."""


def outcome(status: int, body: object, headers: Mapping[str, str]) -> CallError | None:
    """What an answer's status means: None for success."""
    if 200 <= status < 300:
        return None
    # A gateway that gave up (408, 499) had passed the request on; 302 and 303 are also an answer to what was done.
    if status in REPEATED or (400 <= status < 500 and status not in (408, 499)):
        return RefusedError(status, words(body), headers)
    return NoAnswerError(f"it answered {status} {words(body)}".strip())


_SAYING = ("detail", "error", "message", "msg", "errors", "title")


def words(body: object) -> str:
    """What an error's body says, on one line: services write it in several shapes."""
    for _ in range(3):
        if isinstance(body, list):
            body = body[0] if body else None
        if not isinstance(body, dict):
            break
        body = next((body[key] for key in _SAYING if body.get(key)), "")
    return said(body)


def seconds_until(moment: str, headers: Mapping[str, str]) -> float | None:
    """How far away a Unix time is by the service's own clock, which the header `date` tells. None: no such time."""
    at = _number(moment)
    if at is None:
        return None
    return max(0.0, at - server_time(headers))


def server_time(headers: Mapping[str, str]) -> float:
    """The service's clock as a Unix time; ours where it does not tell."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the header `retry-after` asks for."""
    seconds = _number(headers.get("retry-after", ""))
    return None if seconds is None else max(0.0, seconds)


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if 0 < len(text) <= 12 and text.isascii() and text.replace(".", "", 1).isdecimal() else None


class Patience:
    """The waiting that one piece of work may do in all."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self, seconds: float) -> bool:
        """Wait so long, if that much is left. False: it is not, and no time was spent."""
        seconds = max(seconds, 0.05)
        if seconds > self._left:
            return False
        self._left -= seconds
        time.sleep(seconds)
        return True


def asked(call: Callable[[], R], patience: Patience, waited: Callable[[RefusedError, Patience], bool]) -> R:
    """What a read gives, repeated after a fault that may pass and after a limit that was `waited` out.

    Raises:
        CallError: the last one, when the patience is spent or the refusal will not pass.
    """
    pause = 1.0
    while True:
        try:
            return call()
        except CallError as error:
            problem = error
        if isinstance(problem, RefusedError):
            again = problem.status == 429 and waited(problem, patience)
        else:
            again = patience.wait(pause)
            pause *= 2
        if not again:
            raise problem
