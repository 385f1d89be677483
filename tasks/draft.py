"""Draft: choose the day's best posts and write the digest, once a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Draft, DraftStatus, Entry, PostStatus
from tasks.digest import check, compose, content_hash
from tasks.selection import Selection, select, settle
from tasks.step import step
from tasks.x_text import weighted_length


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft that was made, or None and why there is none."""

    draft: Draft | None
    note: str = ""


def write(entries: Sequence[Entry], day: date, now: datetime) -> tuple[Draft | None, Selection]:
    """The digest of a day from the candidates, and what becomes of them. No draft if nothing is worth saying."""
    items = select(entries)
    text, used = compose(items, settle(entries, items, len(items), now).also, day)
    selection = settle(entries, items, used, now)
    if not text:
        return None, selection
    check(text)
    note = "; ".join(f"{item.project.name}: {item.why}" for item in selection.items)
    draft = Draft(
        id=day.isoformat(),
        day=day,
        parts=(text,),
        post_ids=tuple(item.post_id for item in selection.items),
        content_hash=content_hash([text]),
        weighted_length=weighted_length(text),
        cost=0.0,
        status=DraftStatus.PROPOSED,
        note=note,
    )
    return draft, selection


@step("draft", run_name="draft the digest of {day}", timeout_seconds=120)
def draft(ledger: str, day: date) -> Drafted:
    """Make the day's draft from the ledger's analysed posts. A day has one digest: a second is never made.

    Args:
        ledger: the ledger's block, as slug/name.
        day: the day, in the team's time zone. It is the draft's id.
    """
    book = load(Ledger, ledger)
    made = book.draft(day.isoformat())
    if made:
        return Drafted(None, f"the digest of {day} was made before ({made.status.value})")
    entries = book.entries(PostStatus.ANALYZED)
    new, selection = write(entries, day, datetime.now(UTC))
    if new is None and not selection.passed_over:
        return Drafted(None, "nothing worth saying today")
    if not book.add_draft(new, selection.passed_over):
        return Drafted(None, f"the digest of {day} was made by another run just now")
    return Drafted(new, "" if new else "nothing worth saying today")
