"""What can go wrong, as two kinds: what another try may mend, and what only a person can."""

from __future__ import annotations


class PipelineError(Exception):
    """A step could not do its work. The message is one line that a person can act on.

    It never holds a secret, nor a stranger's text without bounds: it goes to logs and reports.
    `published_ids` are the parts of a thread, the first ones, that are out all the same.
    """

    def __init__(self, message: str = "", *, published_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.published_ids = published_ids


class TransientError(PipelineError):
    """Another try may succeed, and may be made: nothing was changed, or repeating is harmless."""


class PermanentError(PipelineError):
    """No retry helps today: a missing file, a refused credential, a setting that cannot be."""


class UnclearError(PipelineError):
    """A write may or may not have happened. Never repeat it without finding out first."""


class UndecidableError(UnclearError):
    """A write may or may not have happened, and asking again will not tell: a person decides."""


def reason(error: BaseException) -> str:
    """The first line of an error, at most 200 characters, for the log and the report."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else ""
    if not isinstance(error, PipelineError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
