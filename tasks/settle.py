"""What becomes of drafts without a run's doing: people decide on them, and their time goes by. Their posts follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from blocks.ledger import Ledger
from blocks.records import DraftStatus, PostStatus

STALE = timedelta(days=2)
"""A draft older than this is not news any more, and is not published by itself."""


_OPEN = (DraftStatus.PROPOSED, DraftStatus.APPROVED, DraftStatus.FAILED)
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
    for draft in book.drafts(DraftStatus.PUBLISHED, DraftStatus.REJECTED, ids=holding) if holding else ():
        book.move_draft(draft, draft.status)
