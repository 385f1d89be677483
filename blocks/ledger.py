"""The ledger family: the memory and the queue. Every step reads from it what it still has to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.logging import get_logger

from blocks import columns
from blocks.errors import PermanentError, reason
from blocks.records import Analysis, Bookmark, Check, Draft, DraftStatus, Entry, Post, PostStatus, RunReport
from blocks.text import one_line

_LOG = get_logger("ledger")


@dataclass(frozen=True, slots=True)
class Known:
    """Which of some status ids the ledger has: as rows of Posts, or for good.

    `archived` holds those in the archive, and those whose row in Posts cannot be read: neither is touched.
    """

    open: Mapping[str, Entry]
    archived: frozenset[str]


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archiving moved, and how many rows the archive holds now."""

    moved: int
    total: int


R = TypeVar("R")


def readable(rows: Iterable[columns.Row], parse: Callable[[columns.Row], R]) -> list[R]:
    """The records of the rows that can be read. People edit the ledger: a bad row costs itself, and one line."""
    records = []
    for row in rows:
        try:
            records.append(parse(row))
        except (ValueError, KeyError) as error:
            _LOG.warning("A row of the ledger is left alone: %s. Mend its cell.", reason(error))
    return records


def the_draft(row: columns.Row) -> Draft:
    """The one draft that was asked for: if it cannot be read, nobody may take it for missing."""
    try:
        return columns.draft_of_row(row)
    except (ValueError, KeyError) as error:
        raise PermanentError(f"The draft {one_line(row['Draft ID'], 40)} cannot be read: {reason(error)}.") from error


class Ledger(Block):
    """Base of the ledgers. Members: `SqliteLedger`, `GoogleSheet`.

    Each method is one move: it happens whole or not at all, and may be repeated. All raise `PipelineError`.
    """

    @property
    def address(self) -> str:
        """Where people look at it in a browser; empty if it is not there."""
        return ""

    def take(self, run: str) -> str:
        """Take the ledger for a run: no other has it meanwhile, on whatever machine. It comes before `open`.

        Args:
            run: who asks, in words for people; the same again is the same run.

        Returns:
            Empty if it is ours now; else who has it, and when that gives way. A dead run gives way by itself.
        """
        raise NotImplementedError

    def stay(self) -> None:
        """Give a sign of life: without one for a few minutes, the ledger goes to the next run that asks."""

    def leave(self) -> None:
        """Let the next run in, if this one still has the ledger. `add_run` may have done so already."""
        raise NotImplementedError

    def open(self) -> dict[str, Bookmark]:
        """Make the tabs that are missing, and return the bookmarks by channel id."""
        raise NotImplementedError

    def known(self, post_ids: Collection[str]) -> Known:
        """Which of these posts the ledger has already. The cost grows with the question, not the archive."""
        raise NotImplementedError

    def add(self, posts: Sequence[Post], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        """Add new posts, mend rows whose text or sharers became known later, and move the bookmarks.

        Rows and bookmarks move together. A post that the ledger has already is not added.

        Returns:
            How many posts were added.
        """
        return self.bring([Entry(post) for post in posts], changed, bookmarks)

    def bring(self, entries: Sequence[Entry], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        """As `add`, for posts that come with their analysis and status: all of it moves together."""
        raise NotImplementedError

    def entries(self, *statuses: PostStatus) -> list[Entry]:
        """The rows of Posts with one of these statuses, the oldest first."""
        raise NotImplementedError

    def note_analyses(self, analyses: Sequence[Analysis], at: datetime) -> None:
        """Write analyses to rows that are `new`: they become `analyzed`, or `skipped` if not about crypto."""
        raise NotImplementedError

    def drafts(
        self,
        *statuses: DraftStatus,
        since: date | None = None,
        ids: Collection[str] | None = None,
        resting_on: Collection[str] | None = None,
    ) -> list[Draft]:
        """The drafts with one of these statuses, the oldest first. The cost grows with these, not with all there are.

        Args:
            statuses: theirs.
            since: the first day.
            ids: the ids that they may have; None: any.
            resting_on: posts of which at least one is theirs; None: any.
        """
        raise NotImplementedError

    def last_published(self) -> date | None:
        """The day of the newest draft that is published."""
        raise NotImplementedError

    def draft(self, draft_id: str) -> Draft | None:
        """The draft with this id."""
        raise NotImplementedError

    def add_draft(self, draft: Draft | None, passed_over: Collection[str]) -> bool:
        """Add a draft, mark its posts `drafted`, and those passed over for good `skipped`.

        Returns:
            False if a draft with this id stood there already: nothing is changed then.
        """
        raise NotImplementedError

    def claim(self, draft: Draft) -> None:
        """Mark those posts of a draft that stands there `drafted` which are still `analyzed`."""
        raise NotImplementedError

    def move_draft(self, draft: Draft, expected: DraftStatus) -> bool:
        """Write what changes of a draft (`columns.MOVED`), if its status is still the expected one.

        The move to `publishing` asks for more: the text must be the one that was read too. What a person changes in
        that second is not published, and not what was there before it either.

        A draft that becomes `published` takes its posts along, with the receipt; one that becomes `rejected` lets
        them go: they are `analyzed` again. It may have been so before, by a person's hand: then only its posts move.

        Returns:
            False if somebody else moved it meanwhile: nothing is changed then.
        """
        raise NotImplementedError

    def peek(self, *statuses: DraftStatus) -> list[Draft]:
        """The drafts with one of these statuses, read without having the ledger: nothing is mended or made."""
        raise NotImplementedError

    def recall(self, post_ids: Collection[str]) -> list[Entry]:
        """The posts with these ids, wherever they are by now, archived ones too."""
        raise NotImplementedError

    def first_run(self) -> datetime | None:
        """When the first run that is noted in Runs began."""
        raise NotImplementedError

    def archive(self, done: Collection[PostStatus], at: datetime) -> Archived:
        """Move the rows with one of these statuses from Posts to Archive."""
        raise NotImplementedError

    def add_run(self, report: RunReport) -> None:
        """Write the run's row. The same run id again replaces it."""
        raise NotImplementedError

    def rehearsal(self, path: Path) -> Ledger:
        """A ledger at `path` in the same state, to try a run on without changing this one."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the ledger can be read and written."""
        raise NotImplementedError
