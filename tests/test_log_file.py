"""The log file: one a day, seven kept, written by several processes, with no line of an HTTP library in it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from prefect.logging import get_logger

from flows.log_file import keeping_logs
from tests.conftest import House
from tests.test_daily_pipeline import save, with_news

NOON = datetime(2024, 1, 15, 12).astimezone()


@pytest.fixture(autouse=True)
def _talkative() -> None:
    get_logger().setLevel(logging.DEBUG)


def test_a_file_a_day_and_seven_kept(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "other.log").write_text("somebody's own")
    with keeping_logs(str(folder), "INFO"):
        for day in range(10):
            with time_machine.travel(NOON + timedelta(days=day)):
                get_logger("test").info("line of day %s", day)
    files = sorted(file.name for file in folder.iterdir())
    days = [f"daily-pipeline-{NOON + timedelta(days=day):%Y-%m-%d}.log" for day in range(3, 10)]
    assert files == [*days, "other.log"]
    assert "line of day 9" in (folder / days[-1]).read_text()


def test_the_level_counts_and_http_libraries_are_not_in_it(tmp_path: Path) -> None:
    with keeping_logs(str(tmp_path), "WARNING"):
        get_logger("test").info("too quiet")
        get_logger("test").warning("loud")
        logging.getLogger("httpx").warning("https://discord.com/api/webhooks/1/secret")
    (file,) = tmp_path.iterdir()
    assert "loud" in file.read_text()
    assert "quiet" not in file.read_text()
    assert "secret" not in file.read_text()


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file")
    with keeping_logs(str(in_the_way), "INFO"):
        get_logger("test").info("said all the same")
    assert in_the_way.read_text() == "a file"


def test_a_run_writes_its_steps_and_its_report(house: House) -> None:
    from blocks.pipeline_settings import PipelineSettings

    folder = house.folder / "logs"
    name = save(PipelineSettings(log_folder=str(folder)))
    with_news(house).run(settings=name)
    (file,) = folder.iterdir()
    text = file.read_text()
    assert "2024-01-15 digest: " in text
    assert "Overall Status: ✅ SUCCESS" in text
