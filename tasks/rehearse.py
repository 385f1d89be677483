"""Rehearse: a copy of the ledger to try a run on, so that nothing outside is changed."""

from __future__ import annotations

from pathlib import Path

from blocks.ledger import Ledger
from blocks.loading import load
from tasks.step import step


@step("rehearse", run_name="copy {ledger} for a dry run", timeout_seconds=600)
def rehearse(ledger: str, folder: str) -> str:
    """Copy the ledger into a folder.

    Args:
        ledger: the ledger's block, as slug/name.
        folder: where the copy goes; it is the caller's to remove.

    Returns:
        The copy's name, as `load` takes it.
    """
    path = Path(folder) / "rehearsal.sqlite3"
    load(Ledger, ledger).rehearsal(path)
    return f"sqlite-ledger:{path}"
