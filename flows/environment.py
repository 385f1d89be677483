"""The settings of `.env` and the process environment: read, checked all at once, turned into blocks.

The process environment wins over the file. An empty value counts as not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from prefect.blocks.core import Block
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

from blocks import webhook
from blocks.analyst import AnalysisMode
from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError
from blocks.export_source import SAMPLE, ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.google_sheet import GoogleSheet, tab_titles
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import BLOCK_NAME, OnHoliday, PipelineSettings, PublishMode, plain_headline
from blocks.records import Layout, is_snowflake
from blocks.service_url import ServiceUrl
from blocks.sqlite_ledger import SqliteLedger
from blocks.typefully import TypefullyPublisher
from blocks.x_publisher import XPublisher
from tasks.holiday import holiday_on
from tasks.language import languages
from tasks.x_text import LINK_PRICE

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
PublisherType = Literal["twitter", "typefully", "outbox", "none"]


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone: write it as Europe/Berlin or UTC") from error
    return value


def _calendar(value: str) -> str:
    if value == "none":
        return ""
    try:
        holiday_on(date(2024, 1, 1), value)
    except PermanentError as error:
        raise ValueError("is no calendar") from error
    return value


def _ids(value: str) -> list[str]:
    ids = [part.strip() for part in value.split(",") if part.strip()]
    if not all(is_snowflake(channel_id) for channel_id in ids):
        raise ValueError("an id is a number")
    return list(dict.fromkeys(ids))


def _whole(value: str) -> str:
    token = value.removeprefix("Bot ").strip()
    if len(token) < 8 or len(token.split()) != 1 or not token.isprintable():
        raise ValueError("it was cut, or pasted with something else")
    return token


Secret = Annotated[SecretStr, BeforeValidator(_whole)]
"""A token or key."""

NO_SECRET = SecretStr("")


def _webhook(value: str) -> str:
    TypeAdapter(ServiceUrl).validate_python(value)
    return value


Webhook = Annotated[SecretStr, BeforeValidator(_webhook)]
"""An address that is a secret itself: whoever has it may write there."""


class Environment(BaseModel):
    """The settings, each under its name in `.env`."""

    model_config = ConfigDict(extra="ignore")

    DISCORD_TOKEN: Secret = NO_SECRET
    DISCORD_CHANNEL_ID: Annotated[list[str], BeforeValidator(_ids)] = []
    DISCORD_EXPORT_PATH: Path = SAMPLE
    DISCORD_FETCH_LIMIT: Annotated[int, Field(ge=0)] = 200
    DISCORD_LOOKBACK_DAYS: Annotated[float, Field(ge=0, le=30)] = 1
    DISCORD_API_URL: ServiceUrl = str(DiscordChannels.model_fields["api_url"].default)
    GOOGLE_SHEETS_ID: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{4,}$")] = ""
    GOOGLE_SERVICE_ACCOUNT_FILE: Path | None = None
    GOOGLE_SHEET_NAME: str = "Posts"
    ARCHIVE_SHEET_NAME: str = "Archive"
    GOOGLE_SHEETS_API_URL: ServiceUrl = str(GoogleSheet.model_fields["api_url"].default)
    LEDGER_PATH: Path = Path("data/ledger.sqlite3")
    GEMINI_API_KEY: Secret = NO_SECRET
    GEMINI_MODEL: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")] = str(
        GeminiAnalyst.model_fields["model"].default
    )
    GEMINI_API_URL: ServiceUrl = str(GeminiAnalyst.model_fields["api_url"].default)
    PUBLISHER_TYPE: PublisherType = "outbox"
    PUBLISH_MODE: PublishMode = PublishMode.AUTO
    X_API_KEY: Secret = NO_SECRET
    X_API_SECRET: Secret = NO_SECRET
    X_ACCESS_TOKEN: Secret = NO_SECRET
    X_ACCESS_TOKEN_SECRET: Secret = NO_SECRET
    X_API_URL: ServiceUrl = str(XPublisher.model_fields["api_url"].default)
    TYPEFULLY_API_KEY: Secret = NO_SECRET
    TYPEFULLY_SOCIAL_SET_ID: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")] = ""
    TYPEFULLY_API_URL: ServiceUrl = str(TypefullyPublisher.model_fields["api_url"].default)
    OUTBOX_PATH: Path = Path("data/outbox")
    SCHEDULE_TIME: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "20:00"
    SCHEDULE_AGAIN_AFTER: Annotated[int, Field(ge=0, le=720)] = 60
    SCHEDULE_TIMEZONE: Annotated[str, AfterValidator(_zone)] = "UTC"
    LOG_LEVEL: LogLevel = "INFO"
    LOG_PATH: Path = Path("data/logs")
    HOLIDAY_CALENDAR: Annotated[str, AfterValidator(_calendar)] = ""
    ON_HOLIDAY: OnHoliday = OnHoliday.SKIP
    NOTIFY_WEBHOOK_URL: Webhook = NO_SECRET
    NOTIFY_BLOCK: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] = ""
    ANALYSIS_MODE: AnalysisMode = "summary"
    PROMPTS_PATH: Path | None = None
    DIGEST_LAYOUT: Layout = Layout.SINGLE
    DIGEST_LANGUAGE: Literal["en", "de", "es", "fr"] = "en"
    DIGEST_VOICE: Annotated[str, Field(max_length=300)] = str(GeminiAnalyst.model_fields["voice"].default)
    DIGEST_HEADLINE: Annotated[str, Field(max_length=80, pattern=r"^[^\n]*$"), AfterValidator(plain_headline)] = ""
    DIGEST_PAGE: Annotated[str, Field(max_length=200, pattern=r"^https://[!-~]+$")] = ""
    DAILY_BUDGET: Annotated[float, Field(ge=0)] = 1.0
    ALERT_AFTER_DAYS: Annotated[int, Field(ge=0, le=60)] = 3
    APPROVAL_MINUTES: Annotated[int, Field(ge=1, le=60)] = 5


_URL = "must begin with https:// (http:// only on this machine's loopback): a secret is sent there"
_KEY = "is no key as that service gives them: copy it again, whole, without spaces"
_ADVICE = {
    "DISCORD_CHANNEL_ID": "must be a channel's id, or several with commas (right click, Copy Channel ID)",
    "DISCORD_FETCH_LIMIT": "must be a whole number from 0 (no limit), as 200",
    "DISCORD_LOOKBACK_DAYS": "must be a number of days from 0 to 30, as 1",
    "GOOGLE_SHEETS_ID": "must be the part of the sheet's address between /d/ and /edit",
    "GEMINI_MODEL": "must be a model's name, as gemini-3.6-flash",
    "TYPEFULLY_SOCIAL_SET_ID": "must be the social set's number",
    "PUBLISHER_TYPE": "must be twitter, typefully, outbox or none",
    "PUBLISH_MODE": "must be auto, approve or draft",
    "SCHEDULE_TIME": "must be a time of day in 24 hours, as 20:00",
    "SCHEDULE_AGAIN_AFTER": "must be a number of minutes from 0 to 720",
    "SCHEDULE_TIMEZONE": "is no time zone: write it as Europe/Berlin or UTC",
    "LOG_LEVEL": "must be DEBUG, INFO, WARNING or ERROR",
    "HOLIDAY_CALENDAR": "must be a country, as US, with a part of it, as DE-BY, or an exchange, as XNYS",
    "ON_HOLIDAY": "must be skip, draft or publish",
    "NOTIFY_BLOCK": "must be a block of Prefect's that notifies, as slug/name: slack-webhook/team",
    "NOTIFY_WEBHOOK_URL": "must be a webhook's address, as https://discord.com/api/webhooks/…",
    "ANALYSIS_MODE": "must be summary or keywords",
    "DIGEST_LAYOUT": "must be single, linked, thread or long",
    "DIGEST_LANGUAGE": "must be en, de, es or fr",
    "DIGEST_VOICE": "must have at most 300 characters",
    "DIGEST_HEADLINE": "must be one line of at most 80 characters without link, @ and $, as: gm, it is {day} {month}",
    "DIGEST_PAGE": "must be an address that begins with https://",
    "DAILY_BUDGET": "must be a number of US dollars, as 0.50; 0 for no limit",
    "ALERT_AFTER_DAYS": "must be a number of days from 0 (never) to 60",
    "APPROVAL_MINUTES": "must be a number of minutes from 1 to 60",
}

_NEEDED = {
    "DISCORD_TOKEN": ("DISCORD_CHANNEL_ID",),
    "DISCORD_CHANNEL_ID": ("DISCORD_TOKEN",),
    "GOOGLE_SHEETS_ID": ("GOOGLE_SERVICE_ACCOUNT_FILE",),
    "GOOGLE_SERVICE_ACCOUNT_FILE": ("GOOGLE_SHEETS_ID",),
    "twitter": ("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_TOKEN_SECRET"),
    "typefully": ("TYPEFULLY_API_KEY",),  # `--test` lists the social sets that this key may use.
}
"""What a setting, or a value of PUBLISHER_TYPE, cannot do without."""


def values(file: Path, process: Mapping[str, str]) -> dict[str, str]:
    """Every setting that has a value: those of the file, and over them those of the process."""
    from_file = {k: v for k, v in dotenv_values(file).items() if v} if file.is_file() else {}
    return {**from_file, **{k: v for k, v in process.items() if v}}


def _advice(name: str) -> str:
    if name in _ADVICE:
        return _ADVICE[name]
    if name.endswith("_API_URL"):
        return _URL
    return _KEY if name.endswith(("TOKEN", "KEY", "SECRET")) else "cannot be used"


def _lacking(found: Mapping[str, str]) -> list[str]:
    """One line for each setting that another one needs."""
    publisher = found.get("PUBLISHER_TYPE", "")
    because = {name: f"{name} is set" for name in _NEEDED if name in found}
    because |= {publisher: f"PUBLISHER_TYPE is {publisher}"} if publisher in _NEEDED else {}
    return [f"{n} is missing: {why}." for name, why in because.items() for n in _NEEDED[name] if n not in found]


def _account(file: Path) -> dict[str, Any]:
    """The service account's key. Raises ValueError with what is wrong with the file."""
    key, problem = None, ""
    try:
        key = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError:
        problem = "is not JSON"
    # Raised out here: the decoder's error holds the whole file.
    if problem:
        raise ValueError(problem)
    if not isinstance(key, dict) or key.get("type") != "service_account" or "private_key" not in key:
        raise ValueError("is not a service account's key: it has no private_key")
    return key


def _misplaced(environment: Environment) -> list[str]:
    """One line for each path that cannot be, and for a tab that cannot."""
    problems = []
    if not environment.DISCORD_EXPORT_PATH.exists():
        problems.append(f"DISCORD_EXPORT_PATH names nothing that is there: {environment.DISCORD_EXPORT_PATH}.")
    if environment.GOOGLE_SERVICE_ACCOUNT_FILE:
        try:
            _account(environment.GOOGLE_SERVICE_ACCOUNT_FILE)
        except ValueError as error:
            file = environment.GOOGLE_SERVICE_ACCOUNT_FILE
            problems.append(f"GOOGLE_SERVICE_ACCOUNT_FILE {error}: {file}. Google gives it as JSON when a key is made.")
    try:
        tab_titles(environment.GOOGLE_SHEET_NAME, environment.ARCHIVE_SHEET_NAME)
    except PermanentError as error:
        problems.append(str(error))
    if environment.PROMPTS_PATH and not environment.PROMPTS_PATH.is_dir():
        problems.append(f"PROMPTS_PATH names no folder: {environment.PROMPTS_PATH}.")
    if environment.LEDGER_PATH.is_dir():
        problems.append(f"LEDGER_PATH is a folder; it must name a file: {environment.LEDGER_PATH}.")
    if environment.OUTBOX_PATH.exists() and not environment.OUTBOX_PATH.is_dir():
        problems.append(f"OUTBOX_PATH is a file; it must name a folder: {environment.OUTBOX_PATH}.")
    return problems


def read(file: Path = Path(".env"), process: Mapping[str, str] | None = None) -> Environment:
    """The settings, checked. Nothing is contacted.

    Raises:
        PermanentError: all that is wrong with them, one line each. No value of a secret is in it.
    """
    found = values(file, os.environ if process is None else process)
    problems: list[str] = []
    environment = Environment()
    try:
        environment = Environment.model_validate(found)
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
        problems = [f"{name} {_advice(name)}." for name in names]
        sound = {name: value for name, value in found.items() if name not in names}
        environment = Environment.model_validate(sound)
    problems += _lacking(found) + _misplaced(environment)
    if problems:
        raise PermanentError("\n".join(problems))
    return environment


def blocks_of(environment: Environment, name: str = BLOCK_NAME) -> list[Block]:
    """The blocks that these settings describe, to be saved under a name; the last one holds the names of the others.

    Paths become absolute: a worker runs elsewhere.
    """

    def named(block: Block) -> str:
        return f"{type(block).get_block_type_slug()}/{name}"

    source, ledger = _source(environment), _ledger(environment)
    # The lexicon takes over when Gemini is out of reach.
    analysts = [LexiconAnalyst(mode=environment.ANALYSIS_MODE), *_gemini(environment)]
    publisher = _publisher(environment)
    notifier = webhook.block_for(environment.NOTIFY_WEBHOOK_URL)
    settings = PipelineSettings(
        source=named(source),
        ledger=named(ledger),
        analyst=named(analysts[-1]),
        publisher=named(publisher) if publisher else "",
        fetch_limit=environment.DISCORD_FETCH_LIMIT,
        lookback_days=environment.DISCORD_LOOKBACK_DAYS,
        publish_mode=environment.PUBLISH_MODE,
        schedule_time=environment.SCHEDULE_TIME,
        schedule_again_after=environment.SCHEDULE_AGAIN_AFTER,
        schedule_timezone=environment.SCHEDULE_TIMEZONE,
        layout=environment.DIGEST_LAYOUT,
        language=environment.DIGEST_LANGUAGE,
        headline=environment.DIGEST_HEADLINE,
        page=environment.DIGEST_PAGE,
        daily_budget=environment.DAILY_BUDGET,
        alert_after_days=environment.ALERT_AFTER_DAYS,
        notify=environment.NOTIFY_BLOCK or (named(notifier) if notifier else ""),
        holiday_calendar=environment.HOLIDAY_CALENDAR,
        on_holiday=environment.ON_HOLIDAY,
        log_folder=str(environment.LOG_PATH.absolute()),
        log_level=environment.LOG_LEVEL,
        approval_minutes=environment.APPROVAL_MINUTES,
    )
    return [source, ledger, *analysts, *filter(None, (publisher, notifier)), settings]


def _source(environment: Environment) -> Block:
    if not environment.DISCORD_TOKEN.get_secret_value():
        return ExportSource(path=environment.DISCORD_EXPORT_PATH.absolute())
    return DiscordChannels(
        token=environment.DISCORD_TOKEN,
        channel_ids=environment.DISCORD_CHANNEL_ID,
        api_url=environment.DISCORD_API_URL,
    )


def _ledger(environment: Environment) -> Block:
    if not (environment.GOOGLE_SHEETS_ID and environment.GOOGLE_SERVICE_ACCOUNT_FILE):
        return SqliteLedger(path=environment.LEDGER_PATH.absolute())
    return GoogleSheet(
        spreadsheet_id=environment.GOOGLE_SHEETS_ID,
        service_account_key=_account(environment.GOOGLE_SERVICE_ACCOUNT_FILE),
        posts_tab=environment.GOOGLE_SHEET_NAME,
        archive_tab=environment.ARCHIVE_SHEET_NAME,
        api_url=environment.GOOGLE_SHEETS_API_URL,
    )


def _for_the_model(budget: float) -> float:
    """What a run may spend on the model: the digest's price is kept back, or a day of many posts would have none."""
    return max(budget - LINK_PRICE, budget / 2)


def _gemini(environment: Environment) -> list[GeminiAnalyst]:
    """Gemini, if there is a key for it."""
    if not environment.GEMINI_API_KEY.get_secret_value():
        return []
    gemini = GeminiAnalyst(
        api_key=environment.GEMINI_API_KEY,
        model=environment.GEMINI_MODEL,
        api_url=environment.GEMINI_API_URL,
        mode=environment.ANALYSIS_MODE,
        language=languages()[environment.DIGEST_LANGUAGE].name,
        voice=environment.DIGEST_VOICE,
        prompts=environment.PROMPTS_PATH.absolute() if environment.PROMPTS_PATH else None,
        max_cost=_for_the_model(environment.DAILY_BUDGET),
    )
    return [gemini]


def _publisher(environment: Environment) -> Block | None:
    match environment.PUBLISHER_TYPE:
        case "twitter":
            return XPublisher(
                api_key=environment.X_API_KEY,
                api_secret=environment.X_API_SECRET,
                access_token=environment.X_ACCESS_TOKEN,
                access_token_secret=environment.X_ACCESS_TOKEN_SECRET,
                api_url=environment.X_API_URL,
            )
        case "typefully":
            return TypefullyPublisher(
                api_key=environment.TYPEFULLY_API_KEY,
                social_set_id=environment.TYPEFULLY_SOCIAL_SET_ID,
                api_url=environment.TYPEFULLY_API_URL,
            )
        case "outbox":
            return OutboxPublisher(folder=environment.OUTBOX_PATH.absolute())
        case "none":
            return None
