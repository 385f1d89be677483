"""Archive: rows that are done move from Posts to Archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from blocks.ledger import Archived, Ledger
from blocks.loading import load
from blocks.records import PostStatus
from blocks.text import count
from tasks.step import say_what, step


def done_statuses(*, has_analyst: bool, has_publisher: bool) -> list[PostStatus]:
    """With which statuses a post is done. Without a publisher `drafted` is the end, without an analyst `new` is."""
    done = [PostStatus.PUBLISHED, PostStatus.SKIPPED]
    if not has_publisher:
        done.append(PostStatus.DRAFTED)
    if not has_analyst:
        done.append(PostStatus.NEW)
    return done


@step("archive", run_name="archive what is done", timeout_seconds=300)
def archive(ledger: str, done: Sequence[PostStatus]) -> Archived:
    """Move the rows that are done, as one move.

    Args:
        ledger: the ledger's block, as slug/name.
        done: the statuses of rows that are done.
    """
    archived = load(Ledger, ledger).archive(done, datetime.now(UTC))
    say_what(f"archive {count(archived.moved, 'post')}")
    return archived
