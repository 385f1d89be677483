"""What a run works with: the settings, with what its parameters say instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from blocks.pipeline_settings import OnHoliday, PipelineSettings, PublishMode
from tasks.holiday import holiday_on

AS_SET_UP: Final = "as set up"
"""What a parameter says where a run shall do as the settings' block says."""


@dataclass(slots=True)
class Plan:
    """The settings of one run. There are no secrets in it."""

    settings: PipelineSettings
    day: date
    run: str
    """Who asks for the ledger, in words for people."""

    channels: tuple[str, ...] = ()
    """Ids of the only channels to read; empty: all that are set up."""

    only_collects: bool = False
    """Whether neither a draft is made nor anything published."""

    holiday: str = ""
    """Which holiday the day is, where that changes the run."""

    def instead(self, **given: Any) -> None:
        """Take these fields instead of the settings', as far as they say something."""
        said = {name: value for name, value in given.items() if value is not None and value != AS_SET_UP}
        # Validated, so that a plain word becomes the choice that it names.
        fields = self.settings.model_dump() | said
        self.settings = PipelineSettings.model_validate({k: fields[k] for k in PipelineSettings.model_fields})

    def observe_holidays(self) -> bool:
        """Whether the run is left out, since its day is a holiday. If it may only draft, the plan says so from now on.

        Raises:
            PermanentError: there is no such calendar.
        """
        use = self.settings
        if use.on_holiday is OnHoliday.PUBLISH:
            return False
        self.holiday = holiday_on(self.day, use.holiday_calendar)
        if self.holiday and use.on_holiday is OnHoliday.DRAFT:
            self.instead(publish_mode=PublishMode.DRAFT)
        return bool(self.holiday) and use.on_holiday is OnHoliday.SKIP


def block_named(name: str) -> str:
    """The block that a parameter names: `none` is nobody, which the settings write as an empty name."""
    return "" if name.strip() == "none" else name.strip()
