"""The simulated year itself: some days of one seed, and that a broken condition is seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scripts.year import FIRST, Year
from tasks.report import Day
from tests.services.sheets_model import as_text


@pytest.fixture(scope="module")
def year() -> Year:
    return Year(seed=1, days=20).go()


def test_twenty_days_with_faults_and_crashes_break_no_condition(year: Year) -> None:
    assert year.broken == []
    assert year.weather.faults.total() > 0
    assert len(year.conditions.out()) > 10
    assert all(len(line) <= 80 for line in [*year.table().splitlines(), year.line])


def test_what_is_broken_is_named(year: Year) -> None:
    archive, out = year.services.book.tab("Archive"), year.services.typefully
    key = [as_text(cell) for cell in archive.rows[0]].index("Post ID")
    doubled, lost = as_text(archive.rows[1][key]), as_text(archive.rows[2][key])
    archive.rows[2] = archive.rows[1]
    found = [*year.conditions.rows(year.messages.shared[lost] + timedelta(seconds=1))]
    assert f"post {doubled} stands 2 times in the ledger" in found
    assert any(line.startswith(f"post {lost}, shared ") and line.endswith(" is lost") for line in found)

    year.services.book.tab("Team").rows.pop()
    assert "the tab Team was changed" in [*year.conditions.theirs()]

    out._published.append(out._published[0])
    year._check(FIRST, year.messages.shared[lost], None, Day("a", year.messages.shared[lost]))
    assert year.broken[0].startswith(f"{FIRST}: published 2 times: 'Crypto projects, ")
