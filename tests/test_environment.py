"""The settings: the process wins over the file, and all that is wrong is said at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blocks.errors import PermanentError
from blocks.export_source import SAMPLE, ExportSource
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings, PublishMode
from blocks.sqlite_ledger import SqliteLedger
from flows import environment

ROOT = Path(__file__).parents[1]


def test_with_nothing_set_the_embedded_members_work_on_the_sample(tmp_path: Path) -> None:
    source, ledger, _, outbox, settings = environment.blocks_of(environment.read(tmp_path / ".env", {}))
    assert isinstance(source, ExportSource)
    assert source.path == SAMPLE
    assert isinstance(ledger, SqliteLedger)
    assert ledger.path.is_absolute()
    assert isinstance(outbox, OutboxPublisher)
    assert settings == PipelineSettings()


def test_the_process_wins_over_the_file_and_an_empty_value_is_not_set(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DISCORD_FETCH_LIMIT=5\nPUBLISH_MODE=approve\nSCHEDULE_TIME=07:30 # morning\nLEDGER_PATH=\n")
    found = environment.read(file, {"DISCORD_FETCH_LIMIT": "0", "PUBLISH_MODE": "", "HOME": "/nowhere"})
    assert found.DISCORD_FETCH_LIMIT == 0
    assert found.PUBLISH_MODE is PublishMode.APPROVE
    assert found.SCHEDULE_TIME == "07:30"
    assert Path("data/ledger.sqlite3") == found.LEDGER_PATH


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    bad = {
        "DISCORD_FETCH_LIMIT": "many",
        "DISCORD_LOOKBACK_DAYS": "-1",
        "SCHEDULE_TIME": "25:00",
        "SCHEDULE_TIMEZONE": "Mars/Olympus",
        "PUBLISHER_TYPE": "pigeon",
        "PUBLISH_MODE": "maybe",
        "LOG_LEVEL": "LOUD",
    }
    with pytest.raises(PermanentError) as caught:
        environment.read(tmp_path / ".env", bad)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == sorted(bad, key=list(environment.Environment.model_fields).index)
    assert not any(value in str(caught.value) for value in ("pigeon", "LOUD"))


def test_paths_that_cannot_be_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad = {
        "DISCORD_EXPORT_PATH": str(tmp_path / "none.json"),
        "LEDGER_PATH": str(tmp_path),
        "OUTBOX_PATH": str(tmp_path / "file"),
    }
    with pytest.raises(PermanentError) as caught:
        environment.read(tmp_path / ".env", bad)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == list(bad)


def test_no_publisher(tmp_path: Path) -> None:
    settings = environment.blocks_of(environment.read(tmp_path / ".env", {"PUBLISHER_TYPE": "none"}))[-1]
    assert isinstance(settings, PipelineSettings)
    assert settings.publisher == ""


def test_the_cron_line_is_the_time_of_day() -> None:
    assert PipelineSettings(schedule_time="07:05").cron == "5 7 * * *"
    with pytest.raises(ValueError, match="time zone"):
        PipelineSettings(schedule_timezone="Mars/Olympus")


def test_the_example_explains_every_setting_and_is_valid() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#?\s*([A-Z_]{4,})=", text, re.MULTILINE)
    assert sorted(named) == sorted(environment.Environment.model_fields)
    uncommented = dict(re.findall(r"^#?\s*([A-Z_]{4,})=(\S*)", text, re.MULTILINE))
    uncommented.pop("DISCORD_EXPORT_PATH")
    assert environment.Environment.model_validate({k: v for k, v in uncommented.items() if v})
