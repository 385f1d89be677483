"""A build step of `prefect.yaml`: what the deployments take from the saved settings.

Prefect runs it at each `prefect deploy`, and puts what it returns where the file says `{{ settings.… }}`.
"""

import asyncio

from blocks.loading import load
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode


async def from_settings(block: str = f"pipeline-settings/{BLOCK_NAME}") -> dict[str, str | int | bool]:
    """The values of a settings block that schedules and runs need; the defaults where none was saved.

    Args:
        block: the settings' block, as slug/name.

    Returns:
        `block`; `cron` and `timezone` of the day's run; `cron_again` and `again` (whether there is a second run);
        `log_level`; `approve` (whether people approve drafts), and `cron_look` (when to look at what they approved).
    """
    # Prefect's sync client must not be asked from within an event loop.
    settings = await asyncio.to_thread(load, PipelineSettings, block)
    crons, minutes = settings.crons, settings.approval_minutes
    return {
        "block": block,
        "cron": crons[0],
        "cron_again": crons[-1],
        "again": len(crons) > 1,
        "timezone": settings.schedule_timezone,
        "log_level": settings.log_level,
        "approve": settings.publish_mode is PublishMode.APPROVE,
        "cron_look": f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *",
    }
