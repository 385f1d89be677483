"""Open the ledger: the one thing without which a run changes nothing."""

from __future__ import annotations

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Bookmark
from tasks.step import step


@step("ledger", run_name="open {ledger}", timeout_seconds=120)
def open_ledger(ledger: str) -> dict[str, Bookmark]:
    """Make the tabs that are missing, and return the bookmarks by channel id.

    Args:
        ledger: the ledger's block, as slug/name.

    Raises:
        PipelineError: it cannot be read and written.
    """
    return load(Ledger, ledger).open()
