"""Holidays: the days on which a team does not want to be read, by the `holidays` library's calendars."""

from __future__ import annotations

from datetime import date

from blocks.errors import PermanentError


def holiday_on(day: date, calendar: str) -> str:
    """The name of the holiday that a day is, in English where the calendar has it; empty on any other day.

    Args:
        day: a day in the team's time zone.
        calendar: a country's code, as US, with a part of it, as DE-BY; or a stock exchange's, as XNYS. Empty: none.

    Raises:
        PermanentError: there is no such calendar.
    """
    if not calendar:
        return ""
    import holidays

    country, _, part = calendar.strip().upper().partition("-")
    try:
        if country in holidays.list_supported_financial():
            return str(holidays.financial_holidays(country, years=day.year).get(day) or "")
        found = holidays.country_holidays(country, subdiv=part or None, years=day.year, language="en_US")
    except NotImplementedError:
        found = None
    if found is None:
        raise PermanentError(
            f"There is no holiday calendar {calendar!r}: name a country, as US, with a part of it, as DE-BY, or an"
            " exchange, as XNYS."
        )
    return str(found.get(day) or "")
