"""The run's page: what a person finds there, and that nobody else's words are more than words."""

from __future__ import annotations

import base64
import json
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId

from blocks.google_sheet import GoogleSheet
from blocks.records import RunReport
from tasks import figures
from tasks.fetch import Fetched
from tasks.report import STEPS, Day
from tasks.run_page import Links, key_for, left_out, markdown
from tests.conftest import House
from tests.test_daily_pipeline import faulty, with_news
from tests.test_report import DRAFT, START, good_day

TODAY = date(2024, 1, 15)


def page_of(state: Any) -> dict[str, Any]:
    """A run's artifacts by key, and the names of its tasks."""
    run_id = state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        artifacts = client.read_artifacts(artifact_filter=only)
        run = client.read_flow_run(run_id)
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    found: dict[str, Any] = {str(one.key): one.data for one in artifacts}
    return found | {"run": run, "tasks": {one.name for one in tasks}}


def test_the_page_of_a_good_day(house: House) -> None:
    page = page_of(with_news(house).run())
    assert page["run"].name == "2024-01-15 digest"
    report = page["daily-report"]
    assert report.startswith("# ✅ Monday, 15 January 2024: digest, SUCCESS\n")
    assert "## The digest, as it is out" in report
    assert "Chainlink CCIP is now live" in report
    assert "Overall Status: ✅ SUCCESS" in report
    names = [row["Project"] for row in json.loads(page["projects"])]
    assert {"Chainlink", "Solana"} <= set(names)
    svg = base64.b64decode(page["thirty-days"].removeprefix("data:image/svg+xml;base64,"))
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    today = next(row for row in json.loads(page["daily-figures"]) if row["Day"] == "2024-01-15")
    assert today["Posts"] >= 3, "the other tests' runs of that day too"


def test_the_figures_go_on_from_day_to_day(house: House) -> None:
    with_news(house).run(day="2024-02-01")
    page = page_of(house.run(day="2024-02-02"))
    assert [row["Day"] for row in json.loads(page["daily-figures"])][:2] == ["2024-02-02", "2024-02-01"]


def test_tasks_are_named_by_what_they_did(house: House) -> None:
    tasks = page_of(with_news(house).run())["tasks"]
    assert {"fetch 4 messages from discord-export", "upload 3 posts", "archive 3 posts"} <= tasks
    assert any(name.startswith("analyze 3 posts with ") for name in tasks)
    assert "publish 2024-01-15 to outbox" in tasks


def test_a_failed_run_carries_its_report_to_the_alert(house: House) -> None:
    page = page_of(with_news(house).run(publisher=faulty("faulty-publisher")))
    assert "Overall Status: ⚠️ PARTIAL" in page["run"].labels["daily-pipeline.report"]
    assert "❌" in page["daily-report"]


def test_a_dry_run_is_named_and_tagged_and_leaves_the_figures_alone(house: House) -> None:
    page = page_of(with_news(house).run(dry_run=True))
    assert page["run"].name == "2024-01-15 dry run"
    assert page["run"].tags == ["dry-run"]
    assert "## The digest, as it will appear" in page["daily-report"]
    assert "daily-figures" not in page


def test_what_was_left_out_stands_there_with_its_reason() -> None:
    day = good_day()
    assert day.fetched
    day.fetched.impossible["99999999999999999999"] = None
    day.fetched.problems.append("#beta: not to be read")
    whys = {row["What"]: row["Why"] for row in left_out(day)}
    assert whys["99999999999999999999"] == "a link to no post that can exist"
    assert whys["a channel"] == "#beta: not to be read", "no heading without a space"


def test_a_strangers_words_in_a_cell_have_no_markup() -> None:
    day = Day("run", START, fetched=Fetched(problems=["# **b** <b>x</b> [a](https://e.vil) www.e.vil `c` | @everyone"]))
    (row,) = left_out(day)
    assert not any(mark in row["Why"] for mark in ("**", "<b>", "](", "://", "www.e", "`", "|", "@e"))
    assert "e.vil" in row["Why"]


def test_a_digest_cannot_end_its_block() -> None:
    day = good_day()
    day.published = None
    assert day.drafted
    text = markdown(day, RunReport("run", START, status="SUCCESS"), "a\n```\n# b", Links())
    assert text.count("```") == 4
    assert DRAFT.text.splitlines()[0] in text


def test_each_team_has_keys_of_its_own() -> None:
    assert key_for("daily-report", "pipeline-settings/daily-pipeline") == "daily-report"
    assert key_for("daily-report", "pipeline-settings/Team B") == "daily-report-team-b"


def test_the_sheets_link_is_made_of_an_id_alone() -> None:
    assert GoogleSheet(spreadsheet_id="1AbC-_9").address == "https://docs.google.com/spreadsheets/d/1AbC-_9/edit"
    assert GoogleSheet(spreadsheet_id='x") [a](https://e.vil').address == ""


def report_of(run: str, **counts: int) -> RunReport:
    return RunReport(run, START, counts=counts, cost=0.015, status="SUCCESS")


def test_figures_add_up_a_days_runs_and_forget_after_thirty_days() -> None:
    known: list[figures.Figures] = []
    for back in range(40, -1, -1):
        at = TODAY - timedelta(back)
        known = figures.with_run(known, at, report_of(f"{at}", uploaded=3, projects=2), {"fetch": 1.5})
    known = figures.with_run(known, TODAY, report_of("later", uploaded=1), {"fetch": 0.5, "analyze": 2.0})
    known = figures.with_run(known, TODAY, report_of("later", uploaded=1), {"fetch": 9.0})
    assert len(known) == figures.DAYS
    newest = known[-1]
    assert (newest.day, newest.posts, newest.projects, round(newest.cost, 3)) == (TODAY, 4, 2, 0.03)
    assert (newest.seconds["fetch"], newest.seconds["analyze"]) == (1.5, 2.0)
    assert figures.of_rows(json.dumps(figures.to_rows(known)))[0] == newest


def test_figures_that_somebody_spoilt_are_left_out() -> None:
    good = figures.to_rows([figures.Figures(TODAY, 3)])[0]
    rows = [good, {"Day": "x"}, None, 7, {**good, "Posts": "many"}, {**good, "Cost in $": []}]
    assert [one.posts for one in figures.of_rows(json.dumps(rows))] == [3]
    for text in ("", "null", "{}", "[[", '"x"', "[1e999]"):
        assert figures.of_rows(text) == []


def test_the_picture_has_a_bar_for_each_day_and_names_the_steps() -> None:
    days = [figures.Figures(TODAY - timedelta(n), n + 1, 1, 0.01, dict.fromkeys(STEPS, 1.0)) for n in range(30)]
    root = ElementTree.fromstring(figures.chart(days, TODAY))
    rects = [one for one in root if one.tag.endswith("rect")]
    assert len(rects) == 1 + 30 * (3 + len(STEPS)) + len(STEPS)
    words = [one.text for one in root if one.tag.endswith("text")]
    assert {*STEPS, "new posts", "projects", "cost", "seconds"} <= set(words)
    assert ElementTree.fromstring(figures.chart([], TODAY)) is not None
