"""Look: whether a person has approved a draft. One reading, without taking the ledger from a run that has it."""

from __future__ import annotations

from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import DraftStatus
from tasks.step import step


@step("look", run_name="look into {ledger}", timeout_seconds=60, retries=1)
def look(ledger: str) -> int:
    """How many drafts are approved.

    Args:
        ledger: the ledger's block, as slug/name.
    """
    return len(load(Ledger, ledger).peek(DraftStatus.APPROVED))
