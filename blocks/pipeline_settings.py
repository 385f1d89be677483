"""What is the same for every run: which blocks, how much to read, when. No secrets in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, field_validator

from blocks.logos import PROCESS
from blocks.records import Layout, Style

BLOCK_NAME = "daily-pipeline"
"""The name under which `--setup` saves its blocks."""


class PublishMode(StrEnum):
    """`auto`: a draft is published at once. `approve`: when a person has approved it. `draft`: never."""

    AUTO = "auto"
    APPROVE = "approve"
    DRAFT = "draft"


class OnHoliday(StrEnum):
    """What a run does on a holiday. `skip`: nothing. `draft`: all but publishing. `publish`: as on any day."""

    SKIP = "skip"
    DRAFT = "draft"
    PUBLISH = "publish"


def plain_headline(value: str) -> str:
    """A headline as it is; raises ValueError for one with a link, a handle or a cashtag."""
    if "://" in value or "@" in value or "$" in value:
        raise ValueError("a headline holds no link, handle or cashtag")
    return value


class PipelineSettings(Block):
    """Which blocks a run works with, and its plain settings: cron, command line and UI share them.

    Example:
        ```python
        PipelineSettings(fetch_limit=500, schedule_timezone="Europe/Berlin").save("daily-pipeline")
        ```
    """

    model_config = ConfigDict(extra="forbid")

    _block_type_name = "Pipeline Settings"
    _block_type_slug = "pipeline-settings"
    _description = "Which blocks daily-pipeline works with, how much it reads, and when it runs."
    _logo_url = PROCESS
    _documentation_url = HttpUrl("https://docs.prefect.io/latest/develop/blocks")

    source: str = Field(
        default=f"discord-export/{BLOCK_NAME}", description="The block that messages come from, as slug/name."
    )
    ledger: str = Field(
        default=f"sqlite-ledger/{BLOCK_NAME}", description="The block that holds the ledger, as slug/name."
    )
    analyst: str = Field(
        default=f"lexicon-analyst/{BLOCK_NAME}",
        description="The block that analyses posts, as slug/name; empty: nobody does.",
    )
    publisher: str = Field(
        default=f"outbox/{BLOCK_NAME}",
        description="The block that publishes the digest, as slug/name; empty: nobody does.",
    )
    fetch_limit: int = Field(default=200, ge=0, description="How many new messages of a channel one run takes; 0: all.")
    lookback_days: float = Field(
        default=1,
        ge=0,
        le=30,
        description="Messages this many days older than the last one read are read again.",
    )
    publish_mode: PublishMode = Field(
        default=PublishMode.AUTO, description="auto, approve (a person sets the draft's status) or draft."
    )
    layout: Layout = Field(
        default=Layout.SINGLE,
        description="single (one post), linked (one post with a link, dear), thread, or long (Premium).",
    )
    language: Literal["en", "de", "es", "fr"] = Field(default="en", description="The digest's language.")
    headline: str = Field(
        default="",
        max_length=80,
        pattern=r"^[^\n]*$",
        description="The digest's first line, as: gm, it is {day} {month}. Empty: the language's own.",
    )
    page: str = Field(
        default="",
        max_length=200,
        pattern=r"^(https://[!-~]+)?$",
        description="The team's own page, for the layout linked; empty: the best item's post.",
    )
    daily_budget: float = Field(
        default=1.0, ge=0, description="US dollars that a day may cost, posts and model together; 0: no limit."
    )
    alert_after_days: int = Field(
        default=3, ge=0, le=60, description="Days without a digest after which the team is alerted; 0: never."
    )
    notify: str = Field(
        default="", description="A notification block, as slug/name, that the evening's report is sent to; empty: none."
    )
    approval_minutes: int = Field(
        default=5, ge=1, le=60, description="Minutes between two looks at what was approved, in the mode approve."
    )
    schedule_time: str = Field(
        default="20:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="When the day's run starts, 24 hours.",
    )
    schedule_again_after: int = Field(
        default=60,
        ge=0,
        le=720,
        description="Minutes after which the day's run is repeated, to finish what went wrong; 0: it is not.",
    )
    holiday_calendar: str = Field(
        default="",
        max_length=20,
        description="The calendar of holidays, as US, DE-BY or XNYS (a stock exchange); empty: there are none.",
    )
    on_holiday: OnHoliday = Field(
        default=OnHoliday.SKIP, description="On a holiday: skip the run, only draft, or publish as on any day."
    )
    log_folder: str = Field(
        default="", description="Where runs keep a log file a day, the last seven; empty: in Prefect alone."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="How much runs log: DEBUG, INFO, WARNING or ERROR."
    )
    schedule_timezone: str = Field(default="UTC", description="The team's time zone, as Europe/Berlin.")

    @field_validator("schedule_timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone: write it as Europe/Berlin or UTC") from error
        return value

    @field_validator("headline")
    @classmethod
    def _is_no_link(cls, value: str) -> str:
        return plain_headline(value)

    @property
    def style(self) -> Style:
        """How the digest is written."""
        return Style(self.layout, self.language, self.headline, self.page)

    @property
    def crons(self) -> list[str]:
        """The schedule as cron writes it: the day's run, and its repeat, which never falls on the next day."""
        hour, minute = map(int, self.schedule_time.split(":"))
        first = 60 * hour + minute
        last = min(first + self.schedule_again_after, 24 * 60 - 1)
        return [f"{at % 60} {at // 60} * * *" for at in dict.fromkeys((first, last))]
