"""Publish: what is drafted goes out, once. The ledger decides whether it was published, never the retry.

The intent (`publishing`) is written before the call, the outcome after it. A draft that is found `publishing`
may be out: the publisher is asked first, and nobody publishes it blindly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.pipeline_settings import PublishMode
from blocks.publisher import Publisher
from blocks.records import Draft, DraftStatus, PostStatus, Receipt
from tasks.step import step

STALE = timedelta(days=2)
"""A draft older than this is not news any more, and is not published by itself."""


@dataclass(frozen=True, slots=True)
class Published:
    """The drafts that are out now, with their receipts, those that wait for a person, and what went wrong."""

    receipts: tuple[tuple[Draft, Receipt], ...] = ()
    waiting: tuple[Draft, ...] = ()
    problems: tuple[str, ...] = ()


_Statuses = tuple[DraftStatus, ...]

_PENDING: dict[PublishMode, _Statuses] = {
    PublishMode.AUTO: (DraftStatus.PUBLISHING, DraftStatus.APPROVED, DraftStatus.FAILED, DraftStatus.PROPOSED),
    PublishMode.APPROVE: (DraftStatus.PUBLISHING, DraftStatus.APPROVED),
    PublishMode.DRAFT: (DraftStatus.PUBLISHING,),
}
"""What a mode takes up. A draft that may be out already is looked after in every mode."""


_OPEN: _Statuses = (DraftStatus.PROPOSED, DraftStatus.APPROVED, DraftStatus.FAILED)
"""A draft of these is not out, or not wholly, and nobody is about to publish it."""


def settle(book: Ledger, day: date) -> None:
    """Let posts follow what became of their draft: by a person's hand, or because its time is over."""
    for draft in book.drafts(*_OPEN):
        if draft.day < day - STALE:
            over = replace(draft, status=DraftStatus.REJECTED, note="Lapsed: it was not published within two days.")
            if draft.published_ids:
                over = replace(draft, status=DraftStatus.PUBLISHED, note=f"Only its first parts are out. {draft.note}")
            book.move_draft(over, draft.status)
    holding = {entry.draft_id for entry in book.entries(PostStatus.DRAFTED)}
    for draft in book.drafts(DraftStatus.PUBLISHED, DraftStatus.REJECTED):
        if draft.id in holding:
            book.move_draft(draft, draft.status)


_DECIDE = "look there, then set the draft's status in the Drafts tab to published or rejected"


def _is_elsewhere(draft: Draft, here: str) -> bool:
    """Whether some of it may be out by another publisher: this one could not find it, and would publish it again."""
    may_be_out = draft.status is DraftStatus.PUBLISHING or bool(draft.published_ids)
    return may_be_out and draft.publisher not in ("", here)


def _attempt(book: Ledger, publisher: Publisher, draft: Draft) -> Receipt | None:
    """Publish one draft, or find that it is out. None: somebody else has it in hand.

    Raises:
        PipelineError: it is not out (`failed` in the ledger), or nobody can tell (`publishing` or `unsure`).
    """
    here = publisher.destination
    under_way = replace(draft, status=DraftStatus.PUBLISHING, publisher=here)
    receipt = None
    if _is_elsewhere(draft, here):
        problem = UndecidableError(f"It may be out by {draft.publisher}, and now {here} is set: {_DECIDE}.")
        book.move_draft(replace(draft, status=DraftStatus.UNSURE, note=reason(problem)), draft.status)
        raise problem
    if draft.status is DraftStatus.PUBLISHING:
        try:
            receipt = publisher.find(draft)
        except UnclearError as error:
            book.move_draft(replace(draft, status=DraftStatus.UNSURE, note=reason(error)), draft.status)
            raise
        if receipt and not receipt.whole:
            under_way = replace(under_way, published_ids=receipt.ids, link=receipt.link)
            book.move_draft(under_way, draft.status)
            receipt = None
    elif not book.move_draft(under_way, draft.status):
        return None
    if receipt is None:
        try:
            receipt = publisher.publish(under_way)
        except PipelineError as error:
            _note(book, draft, under_way, error)
            raise
    done = replace(under_way, status=DraftStatus.PUBLISHED, published_ids=receipt.ids, link=receipt.link)
    book.move_draft(replace(done, note=receipt.note or draft.note), DraftStatus.PUBLISHING)
    return receipt


def _note(book: Ledger, draft: Draft, under_way: Draft, error: PipelineError) -> None:
    """Write down how publishing failed, and which parts of a thread are out all the same."""
    known = replace(under_way, published_ids=error.published_ids or under_way.published_ids)
    match error:
        case PermanentError():
            known = replace(known, status=DraftStatus.FAILED, note=reason(error))
        case TransientError():
            # It was in hand, so somebody had let it go out; the rest of it is certainly not out.
            handed = draft.status is DraftStatus.PUBLISHING
            known = replace(known, status=DraftStatus.APPROVED if handed else draft.status)
        case UndecidableError():
            known = replace(known, status=DraftStatus.UNSURE, note=reason(error))
        case _ if known == under_way:
            return  # it stays `publishing`: the next attempt finds out first
    book.move_draft(known, DraftStatus.PUBLISHING)


@step("publish", run_name="publish to {publisher}", timeout_seconds=600)
def publish(ledger: str, publisher: str, mode: PublishMode, day: date) -> Published:
    """Publish the drafts that wait for it.

    Args:
        ledger: the ledger's block, as slug/name.
        publisher: the publisher's block, as slug/name.
        mode: which drafts may go out without a person.
        day: today; drafts much older have lapsed.

    Raises:
        TransientError: a draft is not out, and another try may succeed.
    """
    book, channel = load(Ledger, ledger), load(Publisher, publisher)
    receipts: list[tuple[Draft, Receipt]] = []
    problems: list[str] = []
    settle(book, day)
    for draft in book.drafts(*_PENDING[mode]):
        try:
            receipt = _attempt(book, channel, draft)
        except (PermanentError, UnclearError) as error:
            problems.append(f"{draft.id}: {reason(error)}")
            continue
        if receipt:
            receipts.append((draft, receipt))
        if receipt and not receipt.whole:
            problems.append(f"{draft.id}: {receipt.note}")
    waiting = book.drafts(DraftStatus.UNSURE)
    if mode is not PublishMode.AUTO:
        waiting += book.drafts(DraftStatus.PROPOSED)
    return Published(tuple(receipts), tuple(waiting), tuple(problems))
