"""Members of the families that fail where a test says so. All else is the real thing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from blocks.analyst import Analyst, Answers, Progress, unheard
from blocks.errors import PermanentError, UnclearError
from blocks.ledger import Archived, Known
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.records import Analysis, Bookmark, ChannelRead, Draft, Entry, Message, Post, PostStatus, Receipt, RunReport
from blocks.source import Source
from blocks.sqlite_ledger import SqliteLedger


class FaultyLedger(SqliteLedger):
    """A SQLite ledger of which one method fails."""

    _block_type_name = "Test faulty-ledger"
    _block_type_slug = "faulty-ledger"
    fails: str = Field(default="")

    def _fault(self, method: str) -> None:
        if method == self.fails:
            raise PermanentError(f"{method} is broken")

    def open(self) -> dict[str, Bookmark]:
        self._fault("open")
        return super().open()

    def known(self, post_ids: Collection[str]) -> Known:
        self._fault("known")
        return super().known(post_ids)

    def add(self, posts: Sequence[Post], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        self._fault("add")
        return super().add(posts, changed, bookmarks)

    def bring(self, entries: Sequence[Entry], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        self._fault("bring")
        return super().bring(entries, changed, bookmarks)

    def note_analyses(self, analyses: Sequence[Analysis], at: datetime) -> None:
        self._fault("note_analyses")
        super().note_analyses(analyses, at)

    def add_draft(self, draft: Draft | None, passed_over: Collection[str]) -> bool:
        self._fault("add_draft")
        return super().add_draft(draft, passed_over)

    def archive(self, done: Collection[PostStatus], at: datetime) -> Archived:
        self._fault("archive")
        return super().archive(done, at)

    def entries(self, *statuses: PostStatus) -> list[Entry]:
        self._fault("entries")
        return super().entries(*statuses)

    def add_run(self, report: RunReport) -> None:
        self._fault("add_run")
        super().add_run(report)


class FaultySource(Source):
    """A source that gives nothing."""

    _block_type_name = "Test faulty-source"
    _block_type_slug = "faulty-source"

    def read(
        self, bookmarks: Mapping[str, Bookmark], *, limit: int, lookback: timedelta, channels: Sequence[str] = ()
    ) -> Iterator[Message | ChannelRead]:
        raise PermanentError("the source is away")


class OutOfReach(Analyst):
    """An analyst that cannot be reached."""

    _block_type_name = "Test out-of-reach"
    _block_type_slug = "out-of-reach"

    def analyze(self, posts: Sequence[Post], progress: Progress = unheard) -> Answers:
        raise PermanentError("the model is out of reach")


class Choking(LexiconAnalyst):
    """The lexicon, but a batch fails as a whole where one post holds a certain word."""

    _block_type_name = "Test choking"
    _block_type_slug = "choking"
    word: str = Field(default="")

    def analyze(self, posts: Sequence[Post], progress: Progress = unheard) -> Answers:
        if any(self.word in post.text for post in posts):
            raise RuntimeError("the batch was refused")
        return super().analyze(posts)


class FaultyPublisher(OutboxPublisher):
    """An outbox that refuses, or whose answer never comes: before or after the work is done."""

    _block_type_name = "Test faulty-publisher"
    _block_type_slug = "faulty-publisher"
    fault: str = Field(default="refused")

    @property
    def destination(self) -> str:
        return "outbox"

    def publish(self, draft: Draft) -> Receipt:
        if self.fault == "refused":
            raise PermanentError("the account may not post")
        if self.fault == "lost after":
            super().publish(draft)
        raise UnclearError("no answer came")

    def find(self, draft: Draft) -> Receipt | None:
        if self.fault == "cannot tell":
            raise UnclearError("the timeline cannot be read")
        return super().find(draft)


FAULTY: list[type[Any]] = [FaultyLedger, FaultySource, OutOfReach, Choking, FaultyPublisher]
