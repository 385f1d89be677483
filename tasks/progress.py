"""A progress bar on the run's page, for work that takes more than a moment."""

from __future__ import annotations

from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext
from prefect.logging import get_logger

LONG = 100
"""Work of fewer pieces than this has no bar: it would be full before anybody looks."""

_STEP = 5.0
"""Per cent between two signs: each is a call to Prefect."""

_LOG = get_logger("progress")


class Progress:
    """A bar that fills as pieces get done. What is wrong with it never costs the work itself."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._shown = 0.0
        self._bar: UUID | None = None
        # Outside a run, as in the simulated year, there is no page.
        self._is_on = total >= LONG and TaskRunContext.get() is not None

    def at(self, done: int) -> None:
        """Say how many pieces are done by now."""
        percent = min(100.0, 100.0 * done / max(self._total, 1))
        if not self._is_on or (self._bar is not None and percent < min(self._shown + _STEP, 100.0)):
            return
        try:
            if self._bar is None:
                made = create_progress_artifact(progress=percent, description=self._what)
                self._bar = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(artifact_id=self._bar, progress=percent)
        except Exception as error:  # noqa: BLE001 - whatever Prefect's server says to a bar
            _LOG.debug("no progress can be shown: %s", type(error).__name__)
            self._is_on = False
        self._shown = percent
