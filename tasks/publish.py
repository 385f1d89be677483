"""Publish: what is drafted goes out, once. The ledger decides whether it was published, never the retry.

The intent (`publishing`) is written before the call, the outcome after it. A draft that is found `publishing`
may be out: the publisher is asked first, and nobody publishes it blindly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.pipeline_settings import PublishMode
from blocks.publisher import Publisher
from blocks.records import Draft, DraftStatus, Receipt, Style
from tasks.digest import content_hash
from tasks.final_look import check_draft
from tasks.language import languages
from tasks.recipe import layout_of
from tasks.settle import settle
from tasks.step import say_what, step
from tasks.x_text import price, weighted_length


@dataclass(frozen=True, slots=True)
class Published:
    """The drafts that are out now, with their receipts, those that wait for a person, and what went wrong.

    `held` are drafts that the budget keeps back, in a line each. `paid` is what was paid for posts, in US dollars.
    `quiet_since` is the day of the newest digest that is out, or else of the first run.
    """

    receipts: tuple[tuple[Draft, Receipt], ...] = ()
    waiting: tuple[Draft, ...] = ()
    problems: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    paid: float = 0.0
    quiet_since: date | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms drafts go out: which may without a person, how they must look, and for how much a day.

    `spent` is what today's run has spent so far, `budget` what a day may cost, both in US dollars; 0: no budget.
    """

    mode: PublishMode = PublishMode.AUTO
    style: Style = field(default_factory=Style)
    budget: float = 0.0
    spent: float = 0.0


_Statuses = tuple[DraftStatus, ...]

_PENDING: dict[PublishMode, _Statuses] = {
    PublishMode.AUTO: (DraftStatus.PUBLISHING, DraftStatus.APPROVED, DraftStatus.FAILED, DraftStatus.PROPOSED),
    PublishMode.APPROVE: (DraftStatus.PUBLISHING, DraftStatus.APPROVED),
    PublishMode.DRAFT: (DraftStatus.PUBLISHING,),
}
"""What a mode takes up. A draft that may be out already is looked after in every mode."""


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
    book.move_draft(replace(done, note=receipt.note), DraftStatus.PUBLISHING)
    return receipt


def _as_it_stands(book: Ledger, draft: Draft) -> Draft | None:
    """The draft with the length, cost and hash of the text that stands there now: a person may have changed it.

    An approval is for the text that was approved: None if that was changed after a run had seen the approval, and the
    draft waits again.
    """
    now = content_hash(draft.parts)
    if draft.status is DraftStatus.APPROVED and draft.approved_hash not in ("", now):
        note = "The text was changed after it was approved: approve it again."
        book.move_draft(replace(draft, status=DraftStatus.PROPOSED, approved_hash="", note=note), draft.status)
        return None
    return replace(
        draft,
        content_hash=now,
        weighted_length=max(map(weighted_length, draft.parts)),
        cost=price(draft.parts),
        approved_hash=now if draft.status is DraftStatus.APPROVED else draft.approved_hash,
    )


def _refused(book: Ledger, draft: Draft, style: Style) -> str:
    """Why a text must not go out, whoever wrote it; the draft waits for a person then. Empty if it may."""
    # The settings may be others by now; and a run may have asked for a layout of its own.
    made_as = replace(style, layout=layout_of(draft.made_from) or style.layout)
    try:
        check_draft(draft, made_as, languages()[style.language].headed(draft.day, style.headline))
    except PermanentError as error:
        note = f"{reason(error)} Mend the text in the Drafts tab, then set its status to approved."
        if draft.note != note or draft.status is not DraftStatus.FAILED:
            book.move_draft(replace(draft, status=DraftStatus.FAILED, approved_hash="", note=note), draft.status)
        return note
    return ""


def _too_dear(book: Ledger, draft: Draft, spent: float, budget: float) -> str:
    """Why the day's budget keeps a draft back; empty if it does not."""
    if not budget or spent + draft.cost <= budget + 1e-9:
        return ""
    why = (
        f"It would cost ${draft.cost:.3f}, and ${spent:.3f} of today's ${budget:.2f} is spent: raise DAILY_BUDGET, or"
        " choose the layout single."
    )
    if draft.note != why:
        book.move_draft(replace(draft, note=why), draft.status)
    return f"{draft.id}: {why}"


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


def _quiet_since(book: Ledger) -> date | None:
    last = book.last_published()
    first = None if last else book.first_run()
    return last or (first.date() if first else None)


def _spent_on(book: Ledger, day: date) -> float:
    """What the day's digest has cost so far, or may have."""
    out = (DraftStatus.PUBLISHED, DraftStatus.PUBLISHING, DraftStatus.UNSURE)
    return sum(draft.cost for draft in book.drafts(*out, since=day) if draft.day == day)


@step("publish", run_name="publish to {publisher}", timeout_seconds=600)
def publish(ledger: str, publisher: str, terms: Terms, day: date) -> Published:
    """Publish the drafts that wait for it.

    Args:
        ledger: the ledger's block, as slug/name.
        publisher: the publisher's block, as slug/name.
        terms: which drafts may go out without a person, and on which terms.
        day: today; drafts much older have lapsed.

    Raises:
        TransientError: a draft is not out, and another try may succeed.
    """
    book, channel = load(Ledger, ledger), load(Publisher, publisher)
    receipts: list[tuple[Draft, Receipt]] = []
    problems: list[str] = []
    held: list[str] = []
    settle(book, day)
    budget = terms.budget if channel.charges else 0.0
    spent = terms.spent + _spent_on(book, day) if budget else 0.0
    for found in book.drafts(*_PENDING[terms.mode]):
        draft: Draft | None = found
        if found.status is not DraftStatus.PUBLISHING:
            draft = _as_it_stands(book, found)
            why = draft and _refused(book, draft, terms.style)
            dear = draft and not why and _too_dear(book, draft, spent, budget)
            problems += [f"{found.id}: {why}"] if why else []
            held += [dear] if dear else []
            draft = None if why or dear else draft
        if draft is None:
            continue
        try:
            receipt = _attempt(book, channel, draft)
        except (PermanentError, UnclearError) as error:
            problems.append(f"{draft.id}: {reason(error)}")
            continue
        if receipt:
            receipts.append((draft, receipt))
            spent += draft.cost
        if receipt and not receipt.whole:
            problems.append(f"{draft.id}: {receipt.note}")
    waiting = book.drafts(DraftStatus.UNSURE)
    if terms.mode is not PublishMode.AUTO:
        waiting += book.drafts(DraftStatus.PROPOSED)
    if receipts:
        say_what(f"publish {', '.join(draft.id for draft, _ in receipts)} to {channel.destination}")
    paid = sum(draft.cost for draft, _ in receipts) if channel.charges else 0.0
    return Published(tuple(receipts), tuple(waiting), tuple(problems), tuple(held), paid, _quiet_since(book))
