"""Draft: choose the day's best posts and write the digest, once a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Draft, DraftStatus, Entry, PostStatus
from tasks.digest import check, compose, content_hash
from tasks.selection import Item, others, passed_over, select
from tasks.step import step
from tasks.x_text import weighted_length


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft that was made, or None and why there is none."""

    draft: Draft | None
    note: str = ""


def write(entries: Sequence[Entry], day: date) -> tuple[Draft | None, list[Item]]:
    """The digest of a day from the candidates, and its items. No draft if nothing is worth saying."""
    items = select(entries)
    text, used = compose(items, others(entries, items), day)
    if not text:
        return None, []
    check(text)
    note = "; ".join(f"{item.project.name}: {item.why}" for item in used)
    draft = Draft(
        id=day.isoformat(),
        day=day,
        parts=(text,),
        post_ids=tuple(item.post_id for item in used),
        content_hash=content_hash([text]),
        weighted_length=weighted_length(text),
        cost=0.0,
        status=DraftStatus.PROPOSED,
        note=note,
    )
    return draft, used


_STANDING = [status for status in DraftStatus if status is not DraftStatus.REJECTED]


def claim_all(book: Ledger) -> None:
    """Let no post be drafted twice: one that rests in a draft is `drafted`.

    Where rows were moved while a draft was added, and no answer came, the draft stands there and its posts were put
    back as they had been.
    """
    free = {entry.post.id for entry in book.entries(PostStatus.ANALYZED)}
    for old in book.drafts(*_STANDING) if free else ():
        if not free.isdisjoint(old.post_ids):
            book.claim(old)


@step("draft", run_name="draft the digest of {day}", timeout_seconds=120)
def draft(ledger: str, day: date) -> Drafted:
    """Make the day's draft from the ledger's analysed posts. A day has one digest: a second is never made.

    Args:
        ledger: the ledger's block, as slug/name.
        day: the day, in the team's time zone. It is the draft's id.
    """
    book = load(Ledger, ledger)
    claim_all(book)
    made = book.draft(day.isoformat())
    if made:
        return Drafted(None, f"the digest of {day} was made before ({made.status.value})")
    entries = book.entries(PostStatus.ANALYZED)
    new, items = write(entries, day)
    old = passed_over(entries, items, datetime.now(UTC))
    if (new or old) and not book.add_draft(new, old):
        return Drafted(None, f"the digest of {day} was made by another run just now")
    return Drafted(new, "" if new else "nothing worth saying today")
