"""The parameters that people set, as Prefect's form and `--param` show them: a title, choices, and what is refused.

What a parameter does stands in its flow's docstring, where Prefect finds it. The title reaches the form only as an
extra of the schema: over any other, Prefect writes the parameter's name.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

Channel = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
"""A Discord channel's id: Copy Channel ID gives it, once Developer Mode is on."""

DryRun = Annotated[bool, Field(json_schema_extra={"title": "Dry run"})]
OnlyCollect = Annotated[bool, Field(json_schema_extra={"title": "Only collect"})]
Day = Annotated[date | None, Field(json_schema_extra={"title": "Day"})]
Channels = Annotated[list[Channel], Field(json_schema_extra={"title": "Channels"})]
PublishMode = Annotated[
    Literal["as set up", "auto", "approve", "draft"], Field(json_schema_extra={"title": "Publish mode"})
]
Layout = Annotated[
    Literal["as set up", "single", "linked", "thread", "long"], Field(json_schema_extra={"title": "Layout"})
]
Limit = Annotated[int | None, Field(ge=0, json_schema_extra={"title": "Messages a channel"})]
Lookback = Annotated[float | None, Field(ge=0, le=30, json_schema_extra={"title": "Days to look back"})]
Budget = Annotated[float | None, Field(ge=0, json_schema_extra={"title": "Budget in US dollars"})]
Calendar = Annotated[str, Field(max_length=20, json_schema_extra={"title": "Holidays"})]
OnHoliday = Annotated[
    Literal["as set up", "skip", "draft", "publish"], Field(json_schema_extra={"title": "On a holiday"})
]
Source = Annotated[str, Field(json_schema_extra={"title": "Source"})]
Ledger = Annotated[str, Field(json_schema_extra={"title": "Ledger"})]
Analyst = Annotated[str, Field(json_schema_extra={"title": "Analyst"})]
Publisher = Annotated[str, Field(json_schema_extra={"title": "Publisher"})]
Settings = Annotated[str, Field(json_schema_extra={"title": "Settings"})]
