"""The live tests themselves, as a person runs them, but on loopback: they pass, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.everything import Everything

ROOT = Path(__file__).parents[1]


@pytest.fixture
def services() -> Iterator[Everything]:
    with Everything() as everything:
        everything.discord.channel("222", "alpha")
        everything.discord.post("222", "gm")
        yield everything


def live(file: Path, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "live", "-rs", "-p", "no:cacheprovider", "tests/test_live.py", *more],
        cwd=ROOT,
        env=os.environ | {"DAILY_PIPELINE_LIVE_ENV": str(file)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def env(folder: Path, settings: dict[str, str]) -> Path:
    file = folder / ".env.live"
    file.write_text("\n".join(f"{name}={value}" for name, value in settings.items()))
    return file


def test_without_the_file_they_are_skipped_and_say_how_to_make_one(tmp_path: Path) -> None:
    shown = live(tmp_path / ".env.live")
    assert "7 skipped" in shown
    assert "copy .env.example to .env.live" in shown


def test_they_pass_and_leave_nothing_behind(services: Everything, tmp_path: Path) -> None:
    shown = live(env(tmp_path, services.settings(tmp_path)))
    assert "6 passed, 1 skipped" in shown, shown
    assert "add --publish" in shown
    assert services.x.posts == []
    assert services.typefully.drafts == []
    assert services.typefully.published == []
    assert [tab.title for tab in services.book.tabs] == ["Sheet1"]

    assert "7 passed" in live(env(tmp_path, services.settings(tmp_path)), "--publish")
    assert services.x.made("POST /2/tweets")
    assert services.x.posts == [], "it was deleted again"


def test_a_service_that_is_not_set_is_skipped_and_named(services: Everything, tmp_path: Path) -> None:
    all_of_them = services.settings(tmp_path)
    some = {name: value for name, value in all_of_them.items() if name.startswith("GEMINI")}
    shown = live(env(tmp_path, some))
    assert "does not set DISCORD_TOKEN" in shown
    assert "does not set GOOGLE_SHEETS_ID" in shown
    assert "2 passed" in shown, shown
