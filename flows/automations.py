"""What Prefect's server watches over by itself, as code: applied again and again, nothing doubles.

| automation | when | what it does |
|---|---|---|
| a run failed | a run ends as Failed, Crashed or TimedOut | tells the team, the report inside |
| a run hangs | a day's run is not over after two hours | tells the team |
| a run died | a run gives no heartbeat for nine minutes | marks it as Crashed, which tells the team |
| a day without a run | no day's run began for 26 hours | tells the team |
| the budget is spent | a run emits `daily-pipeline.budget.spent` | tells the team |
| no digest for days | a run emits `daily-pipeline.silent` | tells the team |

They tell by the notification block of the settings (`NOTIFY_WEBHOOK_URL`, `NOTIFY_BLOCK`). Without one, only the third
is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from blocks.errors import PermanentError
from blocks.pipeline_settings import BLOCK_NAME
from tasks.announce import BUDGET_SPENT, REPORT_LABEL, SILENT

_RUN = "prefect.flow-run."
_OVER = {_RUN + name for name in ("Completed", "Skipped", "Failed", "Crashed", "TimedOut", "Cancelled")}
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{BLOCK_NAME}"}
_DAYS = {"prefect.resource.role": "flow", "prefect.resource.name": "daily-pipeline"}

_PLACE = "{{ flow_run|ui_url }}"
_REPORT = "{{ flow_run.labels['" + REPORT_LABEL + "'] }}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is too long: for a run to last, for its heartbeat to be away, and from one day's run to the next."""

    run: timedelta = timedelta(hours=2)
    heartbeat: timedelta = timedelta(seconds=540)
    day: timedelta = timedelta(hours=26)


def automations(notify: UUID | None, patience: Patience | None = None) -> list[AutomationCore]:
    """All of them.

    Args:
        notify: the notification block's document; None: nobody is told.
        patience: how long is too long.
    """
    wait = patience or Patience()

    def tell(subject: str, body: str) -> list[ActionTypes]:
        if notify is None:
            return []
        # A Discord or Slack webhook shows the body alone.
        return [SendNotification(block_document_id=notify, subject=subject, body=f"🔴 {subject}\n{body}")]

    crash = ChangeFlowRunState(
        state=StateType.CRASHED, name="Crashed", message="It gave no sign of life: its process or machine died."
    )
    found = [
        AutomationCore(
            name="daily-pipeline: a run failed",
            description="A run ended as Failed, Crashed or TimedOut.",
            trigger=EventTrigger(
                expect={_RUN + "Failed", _RUN + "Crashed", _RUN + "TimedOut"},
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
            ),
            actions=tell(
                "daily-pipeline: {{ flow_run.name }} {{ flow_run.state.name }}",
                f"{{{{ flow_run.state.message }}}}\n{_PLACE}\n{_REPORT}",
            ),
        ),
        AutomationCore(
            name="daily-pipeline: a run hangs",
            description=f"A day's run is not over after {wait.run}.",
            trigger=EventTrigger(
                after={_RUN + "Running"},
                expect=_OVER,
                match_related=_DAYS,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                within=wait.run,
            ),
            actions=tell(
                "daily-pipeline: {{ flow_run.name }} is not over",
                f"After {wait.run} it is still at work.\n{_PLACE}",
            ),
        ),
        AutomationCore(
            name="daily-pipeline: a run died",
            description=f"A run gave no heartbeat for {wait.heartbeat}: it is marked as crashed.",
            trigger=EventTrigger(
                after={_RUN + "heartbeat"},
                expect={_RUN + "heartbeat", *_OVER},
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                within=wait.heartbeat,
            ),
            actions=[crash],
        ),
        AutomationCore(
            name="daily-pipeline: a day without a run",
            description=f"No day's run began for {wait.day}.",
            trigger=EventTrigger(
                expect={_RUN + "Running"},
                match_related=_DAYS,
                posture=Posture.Proactive,
                within=wait.day,
            ),
            actions=tell(
                "daily-pipeline: no run has begun",
                f"None for {wait.day}: is a worker at work, and the schedule switched on?",
            ),
        ),
        AutomationCore(
            name="daily-pipeline: the budget is spent",
            description="The day's budget is spent, or keeps something back.",
            trigger=EventTrigger(expect={BUDGET_SPENT}, for_each={"prefect.resource.id"}, posture=Posture.Reactive),
            actions=tell(
                "daily-pipeline: the budget is spent",
                "${{ event.payload.cost }} of ${{ event.payload.budget }}."
                "{% for line in event.payload.held %}\n{{ line }}{% endfor %}",
            ),
        ),
        AutomationCore(
            name="daily-pipeline: no digest for days",
            description="No digest has gone out for ALERT_AFTER_DAYS.",
            trigger=EventTrigger(expect={SILENT}, for_each={"prefect.resource.id"}, posture=Posture.Reactive),
            actions=tell(
                "daily-pipeline: no digest has gone out for {{ event.payload.days }} days",
                "Look at the Drafts tab, and at the last reports.",
            ),
        ),
    ]
    return [one for one in found if one.actions]


def notifier(name: str) -> UUID | None:
    """The document of a notification block, as slug/name; None without a name.

    Raises:
        PermanentError: there is no such block.
    """
    if not name:
        return None
    slug, _, block = name.partition("/")
    with get_client(sync_client=True) as client:
        try:
            return client.read_block_document_by_name(block, slug).id
        except ObjectNotFound:
            raise PermanentError(
                f"There is no block {name} to notify by: make it in the Prefect UI, or run daily-pipeline --setup."
            ) from None


def apply(wanted: Sequence[AutomationCore]) -> None:
    """Have exactly these automations of ours: new ones are made, known ones brought up to date, others removed.

    What a person switched off stays off. An automation is ours if its name begins with "daily-pipeline: ".
    """
    with get_client(sync_client=True) as client:
        there = [known for known in client.read_automations() if known.name.startswith("daily-pipeline: ")]
        by_name = {known.name: known for known in there}
        for one in wanted:
            known = by_name.get(one.name)
            if known is None:
                client.create_automation(one)
            else:
                client.update_automation(known.id, one.model_copy(update={"enabled": known.enabled}))
        names = {one.name for one in wanted}
        for known in there:
            if known.name not in names or by_name[known.name] is not known:
                client.delete_automation(known.id)
