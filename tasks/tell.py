"""Tell: the evening's report, and a draft that waits for approval, to the team's channel."""

from __future__ import annotations

from prefect.blocks.abstract import NotificationBlock

from blocks.loading import load
from blocks.records import Draft, RunReport
from blocks.webhook import fenced, harmless, send
from tasks.step import step


def asking(draft: Draft) -> str:
    """A draft as it is shown to those who approve it: its text, its length and cost, and why each item is in."""
    posts = f"{len(draft.parts)} posts" if len(draft.parts) > 1 else "one post"
    head = f"Draft {draft.id} waits for you: {posts}, {draft.weighted_length} characters, ${draft.cost:.3f} on X."
    how = "In the sheet's Drafts tab set its Status to approved or rejected; its Text may be edited before."
    return f"{head}\n{fenced(draft.text, 1_000)}\n{harmless(draft.why)[:400]}\n{how}"


def message(report: RunReport, text: str, asked: Draft | None) -> str:
    """What is sent: the report as a block of code, and above it the draft that waits."""
    if asked is None:
        return fenced(text)
    return f"{asking(asked)}\nThe run ended as {report.status}."


@step("tell", run_name="tell {notify}", timeout_seconds=60, retries=1)
def tell(notify: str, report: RunReport, text: str, asked: Draft | None) -> None:
    """Send the report by a notification block.

    Args:
        notify: the block, as slug/name: any of Prefect's notification blocks.
        report: the run's report.
        text: the same as people read it.
        asked: the draft that waits for a person, if there is one.

    Raises:
        PipelineError: it could not be sent. The day is not the worse for it.
    """
    send(load(NotificationBlock, notify), message(report, text, asked), f"daily-pipeline: {report.status}")  # type: ignore[type-abstract]
