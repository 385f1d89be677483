"""The parameters that people set, as Prefect's form and `--param` show them: a title, choices, and why one is refused.

What a parameter does stands in its flow's docstring, where Prefect finds it. The title reaches the form only as an
extra of the schema: over any other, Prefect writes the parameter's name.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

RULES = ("pattern", "minimum", "maximum", "maxLength")
"""What a schema here asks of a value beyond its type."""


@dataclass(frozen=True)
class Asks:
    """Has the form say what it asks for, where a schema's own words would be "'general' does not match '^[0-9]+$'".

    The schema with its rules becomes a condition, and what fails it would have to be these words: a validator then
    says that they were expected. JSON Schema has no other place for an author's words.
    """

    words: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Called by pydantic."""
        schema = handler(core)
        shown = deepcopy(schema)
        for part in (shown, *shown.get("anyOf", ())):
            for rule in RULES:
                part.pop(rule, None)
        return shown | {"if": schema, "else": {"const": self.words}}


Channel = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,19}$"),
    Asks("the id of a channel, all digits (right click the channel, Copy Channel ID)"),
]
"""A Discord channel's id. Discord shows Copy Channel ID once Developer Mode is on."""

DryRun = Annotated[bool, Field(json_schema_extra={"title": "Dry run"})]
OnlyCollect = Annotated[bool, Field(json_schema_extra={"title": "Only collect"})]
Day = Annotated[date | None, Field(json_schema_extra={"title": "Day"}), Asks("a day, as 2024-01-15")]
Channels = Annotated[list[Channel], Field(json_schema_extra={"title": "Channels"})]
PublishMode = Annotated[
    Literal["as set up", "auto", "approve", "draft"], Field(json_schema_extra={"title": "Publish mode"})
]
Layout = Annotated[
    Literal["as set up", "single", "linked", "thread", "long"], Field(json_schema_extra={"title": "Layout"})
]
Limit = Annotated[
    int | None, Field(ge=0, json_schema_extra={"title": "Messages a channel"}), Asks("how many messages, or 0 for all")
]
Lookback = Annotated[
    float | None, Field(ge=0, le=30, json_schema_extra={"title": "Days to look back"}), Asks("days, from 0 to 30")
]
Budget = Annotated[
    float | None, Field(ge=0, json_schema_extra={"title": "Budget in US dollars"}), Asks("dollars, or 0 for no limit")
]
Calendar = Annotated[
    str, Field(max_length=20, json_schema_extra={"title": "Holidays"}), Asks("a country, as US or DE-BY")
]
OnHoliday = Annotated[
    Literal["as set up", "skip", "draft", "publish"], Field(json_schema_extra={"title": "On a holiday"})
]
Source = Annotated[str, Field(json_schema_extra={"title": "Source"})]
Ledger = Annotated[str, Field(json_schema_extra={"title": "Ledger"})]
Analyst = Annotated[str, Field(json_schema_extra={"title": "Analyst"})]
Publisher = Annotated[str, Field(json_schema_extra={"title": "Publisher"})]
Settings = Annotated[str, Field(json_schema_extra={"title": "Settings"})]
