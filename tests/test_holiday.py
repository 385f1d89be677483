"""Holidays: a run on one is left out or only drafts, and says so; the next day's takes up what was shared."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from blocks.errors import PermanentError
from blocks.loading import save
from blocks.pipeline_settings import OnHoliday, PipelineSettings
from tasks.holiday import holiday_on
from tests.conftest import House
from tests.test_daily_pipeline import last_run, with_news

THANKSGIVING = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("calendar", "day", "name"),
    [
        ("US", THANKSGIVING, "Thanksgiving Day"),
        ("us", THANKSGIVING, "Thanksgiving Day"),
        ("XNYS", THANKSGIVING, "Thanksgiving Day"),
        ("DE-BY", date(2026, 1, 6), "Epiphany"),
        ("DE", date(2026, 1, 6), ""),
        ("US", date(2026, 11, 25), ""),
        ("", THANKSGIVING, ""),
    ],
)
def test_the_calendars(calendar: str, day: date, name: str) -> None:
    assert holiday_on(day, calendar) == name


@pytest.mark.parametrize("calendar", ["ZZ", "DE-XX", "United States", "-", "US-"])
def test_a_calendar_that_is_not_there_is_said(calendar: str) -> None:
    if calendar == "US-":
        assert holiday_on(THANKSGIVING, calendar)
        return
    with pytest.raises(PermanentError, match="There is no holiday calendar"):
        holiday_on(THANKSGIVING, calendar)


def on_thanksgiving(house: House, **more: Any) -> Any:
    return with_news(house).run(day="2026-11-26", holiday_calendar="US", **more)


def test_a_run_on_a_holiday_is_skipped_and_says_so(house: House) -> None:
    state = on_thanksgiving(house, on_holiday="skip")
    assert (state.name, state.is_completed()) == ("Skipped", True)
    assert state.message == "2026-11-26 is a holiday: Thanksgiving Day. Nothing was done."
    assert not (house.folder / "ledger.sqlite3").exists()
    assert not house.outbox.exists()


def test_or_it_only_drafts_and_the_next_day_publishes(house: House) -> None:
    state = on_thanksgiving(house, on_holiday="draft")
    assert state.message == "Only drafted: it is Thanksgiving Day."
    assert [row["Status"] for row in house.rows("Drafts")] == ["proposed"]
    assert not house.digests()
    assert house.run(day="2026-11-27", holiday_calendar="US").is_completed()
    assert [*house.digests()] == ["2026-11-26.txt"]


def test_or_it_is_a_day_like_any_other(house: House) -> None:
    assert on_thanksgiving(house, on_holiday="publish").message == "All steps done."
    assert [*house.digests()] == ["2026-11-26.txt"]


def test_the_settings_know_the_calendar_and_a_run_may_have_another(house: House) -> None:
    save(PipelineSettings(holiday_calendar="US", on_holiday=OnHoliday.SKIP), "with-holidays")
    name = "pipeline-settings/with-holidays"
    assert with_news(house).run(settings=name, day="2026-11-26").name == "Skipped"
    assert house.run(settings=name, day="2026-11-26", holiday_calendar="none").name == "Completed"


def test_a_run_that_only_collects_leaves_the_digest_to_the_evening(house: House) -> None:
    assert with_news(house).run(only_collect=True).is_completed()
    assert {row["Status"] for row in house.rows("Posts")} == {"analyzed"}
    assert house.rows("Drafts") == []
    assert last_run(house)["Status"] == "SUCCESS"
    assert house.run().is_completed()
    assert len(house.digests()) == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"layout": "weekly"}, "layout"),
        ({"publish_mode": "sometimes"}, "publish_mode"),
        ({"channels": ["general"]}, "channels"),
        ({"fetch_limit": -1}, "fetch_limit"),
        ({"day": "yesterday"}, "day"),
    ],
)
def test_a_bad_parameter_is_refused_by_name_before_anything_is_done(
    house: House, parameters: dict[str, Any], said: str
) -> None:
    state = with_news(house).run(**parameters)
    assert state.is_failed()
    assert said in str(state.message)
    assert not (house.folder / "ledger.sqlite3").exists()
