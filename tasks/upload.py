"""Upload: new posts and the bookmarks that rest on them go into the ledger in one move."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Bookmark
from blocks.text import count
from tasks.dedupe import Fresh
from tasks.step import say_what, step


@step("upload", run_name="upload to {ledger}", timeout_seconds=300)
def upload(ledger: str, fresh: Fresh, bookmarks: Sequence[Bookmark]) -> int:
    """Add what is new. Nothing is half-written: rows and bookmarks move together or not at all.

    Args:
        ledger: the ledger's block, as slug/name.
        fresh: the posts to add, and those whose rows change.
        bookmarks: how far each channel was read.

    Returns:
        How many posts were added.
    """
    if not (fresh.new or fresh.changed or bookmarks):
        return 0
    added = load(Ledger, ledger).add(fresh.new, fresh.changed, bookmarks)
    say_what(f"upload {count(added, 'post')}")
    return added
