"""The outside analyst: Google's Gemini, in batches, by either of its two libraries."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from pydantic import ConfigDict, Field, HttpUrl, PrivateAttr, SecretStr

from blocks import gemini_answers
from blocks.analyst import OVER_BUDGET, AnalysisMode, Analyst, Answers, Progress, Written, unheard
from blocks.errors import PermanentError, PipelineError, TransientError
from blocks.gemini_sdks import CallError, Gemini, Reply, Sdk, Trouble, connect, library
from blocks.logos import GOOGLE
from blocks.pace import Pace
from blocks.prompts import Name, Prompt, prompt
from blocks.records import Analysis, Check, Post, Project
from blocks.service_url import ServiceUrl
from blocks.text import one_line

TRIES = 3
"""Calls of one request that fails: another one may well succeed."""

FAILED_IN_A_ROW = 6
"""So many requests in a row that failed, each after its tries, are the service's matter, not the posts'."""

_LASTING = {Trouble.REFUSED, Trouble.NO_MODEL, Trouble.EXHAUSTED}
_REFUSALS = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR"}
_KEY = re.compile(r"[\x21-\x7e]{1,500}")


class GeminiAnalyst(Analyst):
    """Asks Gemini which posts are about crypto projects, which ones, and why they matter.

    Example:
        ```python
        GeminiAnalyst(api_key="AIza...", model="gemini-3.6-flash").save("daily-pipeline")
        ```
    """

    # A field that is refused is named, and what was put into it is not shown: it may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    _block_type_name = "Gemini"
    _block_type_slug = "gemini"
    _description = "Says which posts are about crypto projects, with a summary and a score, by Google's Gemini."
    _logo_url = GOOGLE
    _documentation_url = HttpUrl("https://ai.google.dev/gemini-api/docs")

    api_key: SecretStr = Field(
        default=SecretStr(""), description="The API key, made at aistudio.google.com/apikey. GEMINI_API_KEY."
    )
    model: str = Field(
        # Of the models that were current in autumn 2026, neither the newest, which is dearest, nor the oldest, which
        # is shut down first. Whichever it is, it will be shut down one day: `check` asks whether it is still there.
        default="gemini-3.6-flash",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description='The model\'s name, without "models/". Models come and go: --test says whether it exists.',
    )
    sdk: Sdk = Field(
        default="google-generativeai",
        description="The library: google-generativeai, or its successor google-genai (install daily-pipeline[genai]).",
    )
    api_url: ServiceUrl = Field(
        default="https://generativelanguage.googleapis.com", description="Where the Gemini API is: for a gateway."
    )
    mode: AnalysisMode = Field(
        default="summary", description="summary: a sentence on each post and keywords; keywords: keywords alone."
    )
    language: str = Field(default="English", max_length=40, description="The language of summaries, by its name.")
    voice: str = Field(
        default="Its tone is sober and brief, like a news agency's.",
        max_length=300,
        description="A sentence on the digest's tone, for the model.",
    )
    prompts: Path | None = Field(
        default=None, description="A folder with prompts of your own; one that is not there is the built-in one."
    )
    max_cost: float = Field(
        default=0, ge=0, description="US dollars after which a run asks nothing more, by the prices below; 0: no limit."
    )
    batch_size: int = Field(default=20, ge=1, le=100, description="How many posts are asked about in one request.")
    max_output_tokens: int = Field(
        default=16_384,
        ge=256,
        le=65_536,
        description="The longest answer to one request, its thoughts included. 20 posts take about 4,000.",
    )
    parallel: int = Field(default=4, ge=1, le=10, description="How many requests are under way at a time.")
    requests_per_minute: int = Field(
        default=60, ge=0, le=10_000, description="How many requests may start within a minute; 0 for any number."
    )
    timeout: float = Field(default=60, gt=0, le=600, description="Seconds that one request may take.")
    max_wait: float = Field(
        default=120, ge=0, le=800, description="Seconds that may go by in waiting for rate limits and failures to pass."
    )
    first_wait: float = Field(
        default=1, gt=0, le=60, description="Seconds before a failed request is tried again; then twice that."
    )
    price_in: float = Field(
        default=0.50,
        ge=0,
        description="US dollars for a million tokens asked: an estimate, see the price list.",
    )
    price_out: float = Field(default=3.00, ge=0, description="US dollars for a million tokens answered: an estimate.")

    _starts: deque[float] = PrivateAttr(default_factory=lambda: deque(maxlen=10_000))

    def analyze(self, posts: Sequence[Post], progress: Progress = unheard) -> Answers:
        """One `Analysis` for each post that could be analysed, and for the others why there is none.

        What is missing or invalid in an answer is asked again once; then the batch is split, until the post that
        cannot be analysed stands alone. A request that is refused for what the posts say is split at once.

        Raises:
            PermanentError: the key, the model or the day's quota; or none of several posts could be analysed.
            TransientError: Gemini is out of reach. Both only if nothing was analysed: what is done is given back,
                with the reason at each post that is not.
        """
        unique = {post.id: post for post in posts}
        # Nothing can be said of a post without text, and to ask would cost.
        silent = [Analysis(post.id, is_crypto=False, analyst=self.model) for post in unique.values() if not post.text]
        told = [post for post in unique.values() if post.text]
        name: Name = "analysis-keywords" if self.mode == "keywords" else "analysis-summary"
        run = _Run(self, told, prompt(name, self.prompts, self.language, self.voice))
        if told:
            run.go(progress)
        return Answers((*silent, *run.analyses), run.unanalyzed, run.tokens_in, run.tokens_out, run.cost)

    def write(self, told: Sequence[tuple[Post, Project]], language: str) -> Written:
        """A sentence for each of some posts, in one request. In the mode `keywords` nothing is written.

        Raises:
            PermanentError: the key, the model or the day's quota. TransientError: Gemini is out of reach, or its
            answer is not what was asked for.
        """
        if self.mode == "keywords" or not told:
            return Written()
        run = _Run(self, [], prompt("digest", self.prompts, language, self.voice))
        outcome = run.ask(self._connect(), gemini_answers.told(told), gemini_answers.DIGEST_SCHEMA)
        if isinstance(outcome, CallError):
            raise _as_error(outcome)
        run.count(outcome)
        found = gemini_answers.sentences(outcome.parts, {post.id for post, _ in told})
        if found is None or outcome.finish != "STOP":
            raise TransientError("Gemini wrote no draft in the form that was asked for.")
        return Written(found, f"{self.model} {run.prompt.version}", run.tokens_in, run.tokens_out, run.cost)

    def warm_up(self) -> None:
        library(self.sdk)

    def check(self) -> list[Check]:
        """Whether the model exists and takes requests. It costs nothing."""
        found, advice = "", ""
        try:
            methods = self._connect().methods()
        except CallError as error:
            found, advice = error.found, error.advice
        except PermanentError as error:
            found, _, advice = str(error).partition(": ")
        else:
            if "generateContent" in methods:
                return [Check("analyst", True, f"{self.model} takes requests")]
            found, advice = f"{self.model} writes no text", "set GEMINI_MODEL to a model that does."
        return [Check("analyst", False, found, advice[:1].upper() + advice[1:])]

    def _connect(self) -> Gemini:
        key = self.api_key.get_secret_value().strip()
        if not key:
            raise PermanentError("Gemini has no API key: set GEMINI_API_KEY, run daily-pipeline --setup.")
        if not _KEY.fullmatch(key):
            raise PermanentError("The API key of Gemini holds characters that no key has: copy GEMINI_API_KEY again.")
        return connect(self.sdk, key=key, url=self.api_url, model=self.model, timeout=self.timeout)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Posts to be asked about in one request. `again`: what they were asked before was answered badly."""

    posts: list[Post]
    again: bool = False


@dataclass(slots=True)
class _Run:
    """One call of `analyze`: threads ask, and the caller's thread keeps the books."""

    block: GeminiAnalyst
    posts: list[Post]
    prompt: Prompt
    analyses: list[Analysis] = field(default_factory=list)
    unanalyzed: dict[str, str] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    over: CallError | None = None
    """Why nothing is asked any more."""
    failed_in_a_row: int = 0
    more: int = 0
    """How many requests there may be beyond the first for each batch."""
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        block = self.block
        self.pace = Pace(block.requests_per_minute, block.max_wait, block._starts)

    @property
    def cost(self) -> float:
        """US dollars so far, by the block's prices."""
        return (self.tokens_in * self.block.price_in + self.tokens_out * self.block.price_out) / 1_000_000

    def go(self, progress: Progress) -> None:
        """Ask about all posts, and about what is missing again."""
        gemini = self.block._connect()
        first = [_Batch(posts) for posts in gemini_answers.batches(self.posts, self.block.batch_size)]
        # Posts that are made to spoil answers must not make the day dear, or long.
        self.more = 20 + 2 * len(first)
        todo: SimpleQueue[_Batch | None] = SimpleQueue()
        done: SimpleQueue[tuple[_Batch, Reply | CallError]] = SimpleQueue()
        for batch in first:
            todo.put(batch)

        def work() -> None:
            while batch := todo.get():
                done.put((batch, self.ask(gemini, gemini_answers.content(batch.posts), gemini_answers.SCHEMA)))

        threads = min(self.block.parallel, 2 * len(first))
        for _ in range(threads):
            # A daemon's thread ends with the process: Ctrl-C does not wait for an answer.
            Thread(target=work, name="gemini", daemon=True).start()
        under_way = len(first)
        try:
            while under_way:
                try:
                    batch, outcome = done.get(timeout=1)  # Python hears of an interruption between two waits.
                except Empty:
                    continue
                more = self._settle(batch, outcome)
                for part in more:
                    todo.put(part)
                under_way += len(more) - 1
                progress(len(self.analyses) + len(self.unanalyzed))
        finally:
            self.pace.stop()
            for _ in range(threads):
                todo.put(None)
        self._judge()

    # In the threads

    def ask(self, gemini: Gemini, content: str, schema: Mapping[str, Any]) -> Reply | CallError:
        """One request, with its tries. An error that no try mends ends the run."""
        failed = busy = 0
        while self.pace.turn():
            began = time.monotonic()
            try:
                return gemini.generate(self.prompt.text, content, schema, self.block.max_output_tokens)
            except CallError as error:
                trouble = error
            except Exception as error:  # noqa: BLE001 - a thread that ends would never be heard of
                trouble = CallError(Trouble.NOT_TAKEN, f"Gemini cannot be asked ({type(error).__name__})")
            if trouble.trouble is Trouble.BUSY:
                busy += 1
            else:
                failed += 1
                self.pace.lost(began)
            if trouble.trouble is Trouble.NOT_TAKEN or (trouble.trouble is Trouble.BROKEN and failed == TRIES):
                return trouble
            delay = max(trouble.retry_after, self.block.first_wait * 2 ** min(failed + busy - 1, 10))
            if trouble.trouble in _LASTING or failed == TRIES or not self.pace.pause(delay):
                self._end(trouble)
        return self.over or CallError(Trouble.AWAY, "Gemini was not asked any more")

    def _end(self, why: CallError) -> None:
        self.over = self.over or why
        self.pace.stop()

    # In the caller's thread

    def count(self, reply: Reply) -> None:
        """Add what a reply took. Once that is as much as a run may cost, nothing more is asked."""
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        if self.block.max_cost and self.cost >= self.block.max_cost:
            self._end(CallError(Trouble.EXHAUSTED, f"{OVER_BUDGET} of ${self.block.max_cost:.2f} is spent"))

    def _settle(self, batch: _Batch, outcome: Reply | CallError) -> list[_Batch]:
        """Write down what a request gave, and say what is to be asked now."""
        ids = [post.id for post in batch.posts]
        if isinstance(outcome, CallError):
            if outcome is self.over:
                self.unanalyzed |= dict.fromkeys(ids, outcome.found)
                return []
            self.failed_in_a_row += outcome.trouble is Trouble.BROKEN
            if self.failed_in_a_row == FAILED_IN_A_ROW:
                self._end(outcome)
            return self._split(batch, dict.fromkeys(ids, outcome.found))
        self.failed_in_a_row = 0
        self.count(outcome)
        if outcome.finish in _REFUSALS or (outcome.blocked and not outcome.parts):
            why = one_line(outcome.blocked or outcome.finish, 40)
            return self._split(batch, dict.fromkeys(ids, f"Gemini refuses it ({why})"))
        if outcome.finish == "STOP":
            held, wrong = gemini_answers.read(outcome.parts, batch.posts, f"{self.block.model} {self.prompt.version}")
        else:
            why = one_line(outcome.finish, 40) or "no answer"
            held, wrong = [], dict.fromkeys(ids, f"Gemini's answer is not whole ({why})")
        self.analyses += held
        left = [post for post in batch.posts if post.id in wrong]
        if not left:
            return []
        if batch.again or (outcome.finish == "MAX_TOKENS" and len(left) > 1):
            return self._split(_Batch(left, batch.again), wrong)
        return self._spend([_Batch(left, again=True)], wrong)

    def _split(self, batch: _Batch, why: Mapping[str, str]) -> list[_Batch]:
        """The halves of a batch that gave nothing; a post that stands alone is left out."""
        if len(batch.posts) == 1:
            self.unanalyzed |= why
            return []
        middle = len(batch.posts) // 2
        return self._spend([_Batch(batch.posts[:middle], batch.again), _Batch(batch.posts[middle:], batch.again)], why)

    def _spend(self, batches: list[_Batch], why: Mapping[str, str]) -> list[_Batch]:
        """These batches, if there may be so many more requests; else their posts wait for the next run."""
        if self.more < len(batches):
            self.unanalyzed |= why
            return []
        self.more -= len(batches)
        return batches

    def _judge(self) -> None:
        """Raise where nothing was analysed and that is not the posts' own matter."""
        if self.analyses:
            return
        if self.over:
            raise _as_error(self.over)
        if self.failed_in_a_row:
            raise TransientError("Gemini failed at every request: try again later.")
        if len(self.posts) > 1:
            why = next(iter(self.unanalyzed.values()), "")
            raise PermanentError(f"Gemini analysed none of {len(self.posts)} posts ({why}): try another GEMINI_MODEL.")


def _as_error(trouble: CallError) -> PipelineError:
    return PermanentError(str(trouble)) if trouble.trouble in _LASTING else TransientError(str(trouble))
