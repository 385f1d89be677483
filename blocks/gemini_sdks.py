"""The two libraries that speak to Gemini, each behind the same two functions and one kind of error.

`google-generativeai` is no longer maintained, and `google-genai` is its successor. Nothing outside this file knows
which of them is used, nor any of their types.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from importlib import import_module
from typing import Any, Literal, ParamSpec, TypeVar, cast

from blocks.errors import PermanentError
from blocks.text import one_line

Sdk = Literal["google-generativeai", "google-genai"]
Schema = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Trouble(StrEnum):
    """Why a call gave nothing, by what can be done about it."""

    REFUSED = auto()
    """The key, the account, the address: a person has to do something."""
    NO_MODEL = auto()
    """There is no such model, or it does not take such requests."""
    EXHAUSTED = auto()
    """The day's quota is used up."""
    BUSY = auto()
    """The minute's quota is used up: `CallError.retry_after` may say for how long."""
    AWAY = auto()
    """The service is out of reach: overloaded, or the connection fails."""
    BROKEN = auto()
    """The service failed at this call, or did not end it in time. Some posts make it do so."""
    NOT_TAKEN = auto()
    """This very request is not taken: too long, say."""


class CallError(Exception):
    """A call that gave nothing. `found` says what happened and `advice` what to do, both without secrets."""

    def __init__(self, trouble: Trouble, found: str, advice: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{found}: {advice}" if advice else found)
        self.trouble, self.found, self.advice, self.retry_after = trouble, found, advice, retry_after


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered. `finish` and `blocked` are the API's own words ("STOP", "SAFETY"), or empty.

    `parts` are the texts of the first candidate. The old library cannot tell thoughts from answers: with it,
    they may begin with thoughts.
    """

    parts: tuple[str, ...] = ()
    finish: str = ""
    blocked: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Gemini:
    """One model, ready to be called from several threads. Both functions raise `CallError`.

    `generate(instructions, content, schema, max_output_tokens)` gives the model's answer as JSON of that schema.
    `methods()` asks what the model can do ("generateContent"), and then whether it takes this key's requests, by
    counting the tokens of one word, which costs nothing.
    """

    generate: Callable[[str, str, Schema, int], Reply]
    methods: Callable[[], tuple[str, ...]]


def connect(sdk: Sdk, *, key: str, url: str, model: str, timeout: float) -> Gemini:
    """A model by one of the two libraries. Their own retries are off. `timeout` is in seconds, for each call.

    Raises:
        PermanentError: the library is not installed.
    """
    make = _old if sdk == "google-generativeai" else _new
    return make(key, url, model, timeout)


# What the service's errors mean, however a library hands them over

_DELAY = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_ADDRESS, _LATER = "check GEMINI_API_URL.", "try again later."


def _entries(value: object, name: str) -> list[Mapping[str, Any]]:
    """The JSON objects in a list that is one of an object's values, whatever either of them really is."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _retry_after(details: list[Mapping[str, Any]]) -> float:
    for detail in details:
        told = _DELAY.fullmatch(str(detail.get("retryDelay", "")))
        if told:
            return float(told[1])
    return 0.0


def _quota(model: str, shown: str, details: list[Mapping[str, Any]]) -> CallError:
    quotas = " ".join(str(broken.get("quotaId", "")) for d in details for broken in _entries(d, "violations"))
    # Google names a delay of seconds for the day's quota too.
    if "PerDay" in quotas or re.search(r"\bper day\b|\blimit: 0\b", shown, re.IGNORECASE):
        advice = "wait until tomorrow, or raise the quota at aistudio.google.com."
        return CallError(Trouble.EXHAUSTED, f"Gemini's daily quota for {model} is used up ({shown})", advice)
    advice = "lower the requests_per_minute of the Gemini block."
    found = f"Gemini's rate limit for {model} is reached ({shown})"
    return CallError(Trouble.BUSY, found, advice, _retry_after(details))


def judge(status: int, payload: object, *, key: str, model: str) -> CallError:
    """What an error of the service means.

    Args:
        status: the HTTP status.
        payload: the body as JSON, if it is any.
        key: the API key, which the message must not hold even if the service says it back.
        model: for the message.
    """
    error = payload.get("error") if isinstance(payload, Mapping) else None
    # A gateway that is not Gemini, or a wrong address, answers in another shape.
    of_google: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    details = _entries(of_google, "details")
    said = one_line(str(of_google.get("message", "")).replace(key, "…"), 120).rstrip(".")
    shown = f"{status}: {said}" if said else f"{status}"
    bad_key = any(str(detail.get("reason", "")).startswith("API_KEY") for detail in details)
    bad_state = of_google.get("status") == "FAILED_PRECONDITION"

    if status in (401, 403) or bad_key:
        advice = "make a new one at aistudio.google.com/apikey, set GEMINI_API_KEY, run daily-pipeline --setup."
        trouble = CallError(Trouble.REFUSED, f"Gemini refuses the API key ({shown})", advice)
    elif status == 404 and of_google:
        advice = "set GEMINI_MODEL to one that is offered today, see ai.google.dev/gemini-api/docs/models."
        trouble = CallError(Trouble.NO_MODEL, f"Gemini has no model {model} ({shown})", advice)
    elif status == 429:
        trouble = _quota(model, shown, details)
    elif status in (408, 499, 500, 504):
        trouble = CallError(Trouble.BROKEN, f"Gemini failed ({shown})", _LATER, _retry_after(details))
    elif status > 500:
        trouble = CallError(Trouble.AWAY, f"Gemini is out of reach ({shown})", _LATER, _retry_after(details))
    elif status == 413 or (status == 400 and of_google and not bad_state):
        trouble = CallError(
            Trouble.NOT_TAKEN, f"Gemini does not take the request ({shown})", "set another GEMINI_MODEL."
        )
    elif of_google:
        advice = "see aistudio.google.com for the state of the account."
        trouble = CallError(Trouble.REFUSED, f"Gemini does not serve this account ({shown})", advice)
    else:
        trouble = CallError(Trouble.REFUSED, f"What answers is not Gemini ({shown})", _ADDRESS)
    return trouble


def _guarded(
    generate: Callable[[str, str, Schema, int], Reply],
    methods: Callable[[], tuple[str, ...]],
    meaning: Callable[[Exception], CallError | None],
) -> Gemini:
    """The two functions, raising `CallError` alone. The library's exception is no part of it: it holds headers."""

    def called(function: Callable[P, T]) -> Callable[P, T]:
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - whatever a library makes of a strange answer
                found = f"Gemini's answer cannot be read ({type(error).__name__})"
                trouble = meaning(error) or CallError(Trouble.BROKEN, found, _ADDRESS)
            raise trouble

        return call

    return Gemini(called(generate), called(methods))


def _unreachable(error: Exception) -> CallError:
    found = f"Gemini is out of reach ({type(error).__name__})"
    return CallError(Trouble.AWAY, found, "check the network and GEMINI_API_URL.")


def _late(timeout: float) -> CallError:
    return CallError(Trouble.BROKEN, f"Gemini gave no answer within {timeout:g} s", _LATER)


def _word(value: object) -> str:
    """The name of an enumeration's member in either library. 0 and None are "nothing was said"."""
    return str(getattr(value, "name", value)) if value else ""


def _tokens(usage: Any) -> tuple[int, int]:
    """Tokens in and out. What is neither in the prompt nor in the answer was thought, and is paid for as output."""
    into = max(int(getattr(usage, "prompt_token_count", 0) or 0), 0)
    answered = int(getattr(usage, "candidates_token_count", 0) or 0)
    total = int(getattr(usage, "total_token_count", 0) or 0)
    return into, max(answered, total - into, 0)


def library(sdk: Sdk) -> Any:
    """The library, imported.

    Raises:
        PermanentError: it is the one that is an extra, and not installed.
    """
    if sdk == "google-genai":
        try:
            return import_module("google.genai")
        except ImportError:
            raise PermanentError("The library google-genai is not installed: install daily-pipeline[genai].") from None
    with warnings.catch_warnings():
        # It says at every import that it is no longer maintained. This file exists because of that.
        warnings.filterwarnings("ignore", r"\s*All support for the `google.generativeai`", FutureWarning)
        return import_module("google.generativeai")


# google-generativeai: support ended in November 2025, and this is what was asked for


def _old(key: str, url: str, model: str, timeout: float) -> Gemini:
    genai = library("google-generativeai")
    service: Any = import_module("google.ai.generativelanguage")
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth import api_key
    from google.auth.exceptions import RefreshError

    class Key(api_key.Credentials):
        """A key that is not refreshed: after a 401 the session would send the request twice more."""

        def refresh(self, _request: object) -> None:
            raise RefreshError("refused")

    # Clients of our own: genai.configure() is global, and two blocks would share their keys.
    own: dict[str, Any] = {
        "credentials": cast(Any, Key)(key),
        "transport": "rest",
        "client_options": {"api_endpoint": url},
    }
    writer = genai.GenerativeModel(model)
    writer._client = service.GenerativeServiceClient(**own)
    models = service.ModelServiceClient(**own)
    # Left alone, it repeats a 503 for ten minutes.
    options = {"retry": None, "timeout": timeout}

    def meaning(error: Exception) -> CallError | None:
        if isinstance(error, RefreshError):
            return judge(401, None, key=key, model=model)
        if isinstance(error, GoogleAPICallError):
            try:
                payload = error.response.json()
            except (AttributeError, ValueError, RecursionError):
                payload = None
            return judge(int(error.code or 0), payload, key=key, model=model)
        if isinstance(error, requests.Timeout):
            return _late(timeout)
        return _unreachable(error) if isinstance(error, requests.RequestException) else None

    def generate(instructions: str, content: str, schema: Schema, max_output_tokens: int) -> Reply:
        config = {
            "response_mime_type": "application/json",
            "response_schema": schema,
            "max_output_tokens": max_output_tokens,
        }
        asked = genai.GenerativeModel(model, generation_config=config, system_instruction=instructions)
        asked._client = writer._client
        answer = asked.generate_content(content, request_options=options)
        into, out = _tokens(answer.usage_metadata)
        blocked = _word(answer.prompt_feedback.block_reason)
        if not answer.candidates:
            return Reply(blocked=blocked, tokens_in=into, tokens_out=out)
        first = answer.candidates[0]
        parts = tuple(part.text for part in first.content.parts if part.text)
        return Reply(parts, _word(first.finish_reason), blocked, into, out)

    def methods() -> tuple[str, ...]:
        found = genai.get_model(f"models/{model}", client=models, request_options=options)
        writer.count_tokens("ready?", request_options=options)
        return tuple(found.supported_generation_methods)

    return _guarded(generate, methods, meaning)


# google-genai: maintained, and an extra

_TALKATIVE = ("httpcore.http11", "httpcore2.http11")
"""Loggers that print the headers of every answer at level DEBUG: one may repeat the key."""


def _new(key: str, url: str, model: str, timeout: float) -> Gemini:
    genai = library("google-genai")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    import httpx
    from google.genai import errors, types

    client = genai.Client(
        vertexai=False,
        api_key=key,
        http_options=types.HttpOptions(
            base_url=url,
            api_version="v1beta",
            timeout=max(1, round(timeout * 1000)),
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )

    def meaning(error: Exception) -> CallError | None:
        if isinstance(error, errors.APIError):
            return judge(int(error.code or 0), error.details, key=key, model=model)
        # The library may use httpx or its successor, whose classes have the same names.
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if httpx.TimeoutException.__name__ in kinds:
            return _late(timeout)
        return _unreachable(error) if httpx.TransportError.__name__ in kinds else None

    def generate(instructions: str, content: str, schema: Schema, max_output_tokens: int) -> Reply:
        config = types.GenerateContentConfig(
            system_instruction=instructions,
            response_mime_type="application/json",
            max_output_tokens=max_output_tokens,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            # Where the library knows the schema it reads the answer itself, and fails at hostile JSON.
            http_options=types.HttpOptions(extra_body={"generationConfig": {"responseSchema": dict(schema)}}),
        )
        answer = client.models.generate_content(model=model, contents=content, config=config)
        into, out = _tokens(answer.usage_metadata)
        blocked = _word(answer.prompt_feedback.block_reason) if answer.prompt_feedback else ""
        if not answer.candidates:
            return Reply(blocked=blocked, tokens_in=into, tokens_out=out)
        first = answer.candidates[0]
        parts = (first.content.parts if first.content else None) or []
        texts = tuple(part.text for part in parts if part.text and not part.thought)
        return Reply(texts, _word(first.finish_reason), blocked, into, out)

    def methods() -> tuple[str, ...]:
        found = client.models.get(model=model)
        client.models.count_tokens(model=model, contents="ready?")
        return tuple(found.supported_actions or ())

    return _guarded(generate, methods, meaning)
