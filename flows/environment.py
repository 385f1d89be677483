"""The settings of `.env` and the process environment: read, checked all at once, turned into blocks.

The process environment wins over the file. An empty value counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from prefect.blocks.core import Block
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from blocks.errors import PermanentError
from blocks.export_source import SAMPLE, ExportSource
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings, PublishMode
from blocks.sqlite_ledger import SqliteLedger

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

LATER = {
    "DISCORD_TOKEN": "reading Discord itself",
    "GOOGLE_SHEETS_ID": "a Google Sheet as the ledger",
    "GEMINI_API_KEY": "analysis by Gemini",
}
"""Settings of services that this version does not reach yet, and what they are for."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone: write it as Europe/Berlin or UTC") from error
    return value


class Environment(BaseModel):
    """The settings, each under its name in `.env`."""

    model_config = ConfigDict(extra="ignore")

    DISCORD_EXPORT_PATH: Path = SAMPLE
    DISCORD_FETCH_LIMIT: Annotated[int, Field(ge=0)] = 200
    DISCORD_LOOKBACK_DAYS: Annotated[float, Field(ge=0, le=30)] = 1
    LEDGER_PATH: Path = Path("data/ledger.sqlite3")
    PUBLISHER_TYPE: Literal["outbox", "none"] = "outbox"
    PUBLISH_MODE: PublishMode = PublishMode.AUTO
    OUTBOX_PATH: Path = Path("data/outbox")
    SCHEDULE_TIME: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "20:00"
    SCHEDULE_TIMEZONE: Annotated[str, AfterValidator(_zone)] = "UTC"
    LOG_LEVEL: LogLevel = "INFO"


_ADVICE = {
    "DISCORD_FETCH_LIMIT": "must be a whole number from 0 (no limit), as 200",
    "DISCORD_LOOKBACK_DAYS": "must be a number of days from 0 to 30, as 1",
    "PUBLISHER_TYPE": "must be outbox or none (X and Typefully come with a later version)",
    "PUBLISH_MODE": "must be auto, approve or draft",
    "SCHEDULE_TIME": "must be a time of day in 24 hours, as 20:00",
    "SCHEDULE_TIMEZONE": "is no time zone: write it as Europe/Berlin or UTC",
    "LOG_LEVEL": "must be DEBUG, INFO, WARNING or ERROR",
}


def values(file: Path, process: Mapping[str, str]) -> dict[str, str]:
    """Every setting that has a value: those of the file, and over them those of the process."""
    from_file = {k: v for k, v in dotenv_values(file).items() if v} if file.is_file() else {}
    return {**from_file, **{k: v for k, v in process.items() if v}}


def read(file: Path = Path(".env"), process: Mapping[str, str] | None = None) -> Environment:
    """The settings, checked.

    Raises:
        PermanentError: all that is wrong with them, one line each.
    """
    found = values(file, os.environ if process is None else process)
    problems: list[str] = []
    try:
        environment = Environment.model_validate(found)
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
        problems = [f"{name} {_ADVICE.get(name, 'cannot be used')}." for name in names]
    else:
        if not environment.DISCORD_EXPORT_PATH.exists():
            problems.append(f"DISCORD_EXPORT_PATH names nothing that is there: {environment.DISCORD_EXPORT_PATH}.")
        if environment.LEDGER_PATH.is_dir():
            problems.append(f"LEDGER_PATH is a folder; it must name a file: {environment.LEDGER_PATH}.")
        if environment.OUTBOX_PATH.exists() and not environment.OUTBOX_PATH.is_dir():
            problems.append(f"OUTBOX_PATH is a file; it must name a folder: {environment.OUTBOX_PATH}.")
    if problems:
        raise PermanentError("\n".join(problems))
    return environment


def not_yet(file: Path = Path(".env"), process: Mapping[str, str] | None = None) -> list[str]:
    """One line for each setting of a service that this version does not reach."""
    found = values(file, os.environ if process is None else process)
    return [f"{name} is set, but {what} comes with a later version." for name, what in LATER.items() if name in found]


def blocks_of(environment: Environment) -> list[Block]:
    """The blocks that these settings describe. Paths become absolute: a worker runs elsewhere."""
    settings = PipelineSettings(
        publisher="" if environment.PUBLISHER_TYPE == "none" else PipelineSettings().publisher,
        fetch_limit=environment.DISCORD_FETCH_LIMIT,
        lookback_days=environment.DISCORD_LOOKBACK_DAYS,
        publish_mode=environment.PUBLISH_MODE,
        schedule_time=environment.SCHEDULE_TIME,
        schedule_timezone=environment.SCHEDULE_TIMEZONE,
    )
    return [
        ExportSource(path=environment.DISCORD_EXPORT_PATH.absolute()),
        SqliteLedger(path=environment.LEDGER_PATH.absolute()),
        LexiconAnalyst(),
        OutboxPublisher(folder=environment.OUTBOX_PATH.absolute()),
        settings,
    ]
