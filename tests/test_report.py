"""The report: the design's words, readable at 80 columns, and true."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime

from blocks.ledger import Archived
from blocks.records import Draft, Project, Receipt
from tasks.analyze import Analyzed
from tasks.dedupe import Fresh
from tasks.draft import Drafted
from tasks.fetch import Fetched
from tasks.publish import Published
from tasks.report import Day, render, write
from tasks.selection import NO_SENTENCE, Item, Selection

START = datetime(2024, 1, 15, 20, 0, tzinfo=UTC)
DRAFT = Draft("2024-01-15", START.date(), ("Crypto projects\n\n• one\n• two",), ("1", "2"), "abc", 31, 0.0)

GOOD_DAY = """\
================================================================================
Daily Pipeline Run - 2024-01-15 20:00:00
================================================================================
Data Collection:
  ✅ Fetched 25 Discord messages
  ✅ Found 18 links to Twitter/X posts
  ✅ Uploaded 15 new posts (3 duplicates skipped)

AI Analysis:
  ✅ Analyzed 15 posts, 5 about crypto
  ✅ Found 1 crypto project
  ✅ Generated daily draft (2 items, 31 characters, $0.000 on X)

Publishing:
  ✅ Published 2024-01-15 to X/Twitter
  📝 Post ID: 123456789

Archive:
  ✅ Archived 15 processed posts
  📊 Total archived: 1,234 posts

The Digest:
    │ Crypto projects
    │
    │ • one
    │ • two

Overall Status: ✅ SUCCESS
Runtime: 45.3 seconds
================================================================================"""


def good_day() -> Day:
    receipt = Receipt("twitter", ("123456789",), "https://x.com/i/status/123456789", START)
    return Day(
        "run",
        START,
        fetched=Fetched(messages=25, mentions=18, channels=1),
        fresh=Fresh((), ()),
        uploaded=15,
        analyzed=Analyzed(posts=15, relevant=5, projects={"Sui"}),
        drafted=Drafted(DRAFT),
        published=Published(((DRAFT, receipt),)),
        archived=Archived(15, 1234),
    )


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line if unicodedata.category(c) != "Mn")


def test_a_good_day_reads_as_designed() -> None:
    assert render(write(good_day(), 45.3), START) == GOOD_DAY


def test_trouble_is_said_with_its_reason_and_what_was_left_out() -> None:
    day = good_day()
    day.fetched = None
    day.fresh = day.uploaded = None
    day.failed = {"fetch": "the source is away", "archive": "the disk is full"}
    day.left_out = {"dedupe": "nothing was fetched", "upload": "nothing was fetched"}
    day.archived = None
    report = write(day, 1)
    text = render(report, START)
    assert "❌ Fetching failed: the source is away" in text
    assert "Uploading skipped: nothing was fetched" in text
    assert "❌ Archiving failed: the disk is full" in text
    assert "The rows stay in Posts" in text
    assert "⚠️ PARTIAL (fetch, archive failed)" in text
    assert report.errors == ["fetch: the source is away", "archive: the disk is full"]


def test_whatever_a_file_is_called_the_report_fits_80_columns_and_stays_text() -> None:
    day = good_day()
    assert day.fetched
    day.fetched.problems = [f"{'很长的名字' * 8} ```\n# heading " + "word " * 60 for _ in range(30)]
    day.fetched.impossible = {"9" * 400: None}
    text = render(write(day, 1), START)
    assert max(columns(line) for line in text.splitlines()) <= 80
    assert "and 20 more problems like these" in text
    assert not any(line.startswith(("#", "```")) for line in text.splitlines())


def test_a_ledger_that_cannot_be_used_is_a_failed_run() -> None:
    report = write(Day("run", START, failed={"ledger": "no rights"}), 1)
    assert report.status == "FAILED"
    assert "Nothing was changed" in render(report, START)


def test_a_quiet_day_says_so() -> None:
    day = good_day()
    day.drafted, day.published = Drafted(None, "nothing worth saying today"), Published()
    text = render(write(day, 1), START)
    assert "No new draft: nothing worth saying today" in text
    assert "Nothing to publish" in text
    assert "The Digest" not in text


def test_drafts_that_wait_are_named() -> None:
    day = good_day()
    day.published = Published(waiting=(DRAFT,))
    assert "Draft 2024-01-15 (proposed) waits for a person" in render(write(day, 1), START)


def test_whose_words_stand_there_is_counted() -> None:
    day = good_day()
    chosen = Selection(
        [
            Item("1", Project("Sui"), "Sui is live.", "", by_model=True),
            Item("2", Project("Aave"), "Aave is live.", "", refused="the figure 9 does not stand in the post"),
        ],
        {"3": NO_SENTENCE, "4": "its project is in already", "5": "its project is in already"},
    )
    day.drafted = Drafted(DRAFT, selection=chosen, problem="Gemini is away")
    text = " ".join(render(write(day, 1), START).split())
    assert "1 sentence by the model, each held against its post" in text
    assert "1 sentence of the model not taken, the posts' own words stand there" in text
    assert "1 post left out: no sentence that may be printed" in text
    assert "Left out of 5 candidates: 2 (its project is in already)" in text
    assert "The model wrote nothing, the posts' own words stand there: Gemini is away" in text


def test_a_dry_run_says_would() -> None:
    day = good_day()
    day.dry_run = True
    text = render(write(day, 1), START, dry_run=True)
    assert "Daily Pipeline Dry Run" in text
    assert "Would publish 2024-01-15" in text
    assert date(2024, 1, 15).isoformat() in text
