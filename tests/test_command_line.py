"""The command line, as a process: what a person types, and what it answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest
from prefect.settings import PREFECT_API_URL

from tests import exports

NEWS = "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners and $40M in value secured."


class Terminal:
    """A folder, and commands that run in it against the session's Prefect server."""

    def __init__(self, folder: Path, api: str) -> None:
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environ = inherited | {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(folder / "prefect"),
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flows.daily_pipeline", *arguments]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def api(prefect_server: None) -> str:
    from prefect.server.api.server import SubprocessASGIServer

    address = PREFECT_API_URL.value() or SubprocessASGIServer().api_url
    return str(address)


@pytest.fixture
def terminal(tmp_path: Path, api: str) -> Terminal:
    exports.write(tmp_path / "exports" / "alpha.json", [exports.shared(1, NEWS), exports.message(2)])
    (tmp_path / ".env").write_text("DISCORD_EXPORT_PATH=exports\nOUTBOX_PATH=out\nLEDGER_PATH=book/ledger.sqlite3\n")
    return Terminal(tmp_path, api)


def test_settings_that_were_never_saved_are_not_passed_over(terminal: Terminal) -> None:
    del terminal.environ["PREFECT_API_URL"]
    done = terminal.run("--manual")
    assert done.returncode == 2
    assert "run daily-pipeline --setup" in " ".join(done.stdout.split())
    assert not (terminal.folder / "data").exists()


def test_setup_test_and_manual(terminal: Terminal) -> None:
    setup = terminal.run("--setup")
    assert setup.returncode == 0, setup.stderr
    assert "✅ sqlite-ledger/daily-pipeline" in setup.stdout
    assert str(terminal.folder / "book" / "ledger.sqlite3") in setup.stdout
    assert terminal.run("--setup").stdout == setup.stdout, "again and again without harm"

    test = terminal.run("--test")
    assert test.returncode == 0, test.stderr
    assert "✅ source:    alpha.json: #alpha" in test.stdout
    assert "Daily Pipeline Dry Run" in test.stderr
    assert "Would publish" in test.stderr
    assert not (terminal.folder / "book").exists()
    assert not (terminal.folder / "out").exists()

    manual = terminal.run("--manual")
    assert manual.returncode == 0, manual.stderr
    assert "Overall Status: ✅ SUCCESS" in manual.stderr
    (digest,) = (terminal.folder / "out").iterdir()
    assert "CCIP is now live" in digest.read_text()
    redraft = terminal.run("--redraft", digest.stem)
    assert redraft.returncode == 0, redraft.stderr
    assert redraft.stdout.startswith(digest.read_text())
    assert f"To the letter what was drafted on {digest.stem}" in redraft.stdout
    missing = terminal.run("--redraft", "2020-01-01")
    assert (missing.returncode, "There is no draft of 2020-01-01" in missing.stdout) == (2, True)
    again = terminal.run("--manual")
    assert again.returncode == 0
    assert "Uploaded 0 new posts" in again.stderr
    assert "Nothing to publish" in again.stderr
    wide = [line for line in manual.stderr.splitlines() if len(line) > 80 and "View at" not in line]
    assert wide == []

    (terminal.folder / "exports" / "alpha.json").write_text("{")
    broken = terminal.run("--manual")
    assert broken.returncode == 1, "a step failed"
    assert "❌ Fetching failed: alpha.json is not JSON" in broken.stderr
    checked = terminal.run("--test")
    assert checked.returncode == 2
    assert "❌ source:" in checked.stdout


def test_prefect_itself_registers_the_block_types(terminal: Terminal) -> None:
    import blocks

    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "blocks"],
        cwd=terminal.folder,
        env=terminal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"Successfully registered {len(blocks.__all__)} blocks" in done.stdout


def test_bad_settings_are_named_all_at_once_before_anything_is_contacted(terminal: Terminal) -> None:
    bad = terminal.run("--manual", SCHEDULE_TIME="noon", PUBLISH_MODE="maybe", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert bad.returncode == 2
    assert "❌ PUBLISH_MODE must be auto, approve or draft." in bad.stdout
    assert "❌ SCHEDULE_TIME must be a time of day in 24 hours, as 20:00." in bad.stdout


def test_debug_says_more(terminal: Terminal) -> None:
    assert " | DEBUG " in terminal.run("--manual", "--debug").stderr


def _until(output: IO[str], words: str) -> str:
    said = ""
    while words not in said:
        line = output.readline()
        assert line, said
        said += line
    return said


def _start(terminal: Terminal, *arguments: str) -> subprocess.Popen[str]:
    """A command in the foreground of a terminal of its own."""
    return subprocess.Popen(
        terminal.command(*arguments),
        cwd=terminal.folder,
        env=terminal.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _ctrl_c(process: subprocess.Popen[str], seconds: float) -> str:
    """What a terminal does: every process of the foreground gets the signal."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def _many_messages(terminal: Terminal) -> None:
    """An export that takes some seconds to read."""
    from scripts.make_export import write

    write(terminal.folder / "exports" / "big.json", 60)


def test_ctrl_c_ends_a_manual_run_soon_and_the_next_run_goes_on(terminal: Terminal) -> None:
    del terminal.environ["PREFECT_API_URL"]  # It brings a server of its own then, as on a new machine.
    _many_messages(terminal)
    terminal.environ |= {"DISCORD_FETCH_LIMIT": "0"}
    assert terminal.run("--setup").returncode == 0
    with _start(terminal, "--manual") as manual:
        assert manual.stdout
        _until(manual.stdout, "open sqlite-ledger")
        rest = _ctrl_c(manual, 30)
    assert manual.returncode == 130, rest
    assert "the next run goes on from there" in rest
    assert "Traceback" not in rest
    assert terminal.run("--manual").returncode == 0


def test_ctrl_c_ends_the_daemon_and_lets_a_run_in_progress_finish(terminal: Terminal) -> None:
    _many_messages(terminal)
    terminal.environ |= {"DISCORD_FETCH_LIMIT": "0"}
    assert terminal.run("--setup").returncode == 0
    with _start(terminal, "--daemon") as daemon:
        assert daemon.stdout
        _until(daemon.stdout, "Ctrl-C ends it")
        time.sleep(3)
        started = subprocess.run(
            [sys.executable, "-m", "prefect", "deployment", "run", "daily-pipeline/daily-pipeline"],
            env=terminal.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        _until(daemon.stdout, "open sqlite-ledger")
        rest = _ctrl_c(daemon, 90)
    assert daemon.returncode == 0, rest
    assert "Traceback" not in rest
    assert "Overall Status: ✅ SUCCESS" in rest
    assert len(list((terminal.folder / "out").iterdir())) == 1
