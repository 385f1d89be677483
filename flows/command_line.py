"""The command line: `daily-pipeline --setup | --test | --manual | --daemon [--debug]`.

Exit codes: 0 all well, 1 a step failed, 2 bad configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ALL_WELL, A_STEP_FAILED, BAD_CONFIGURATION, INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = "Collect the links that a Discord community shares, and publish the day's digest, once."
_EPILOG = "With no .env and nothing set up, the embedded members do the job on the sample export."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("daily-pipeline", description=_DESCRIPTION, epilog=_EPILOG)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--setup", action="store_true", help="read .env and save the Prefect blocks")
    what.add_argument("--test", action="store_true", help="check every service, then show what a run would do")
    what.add_argument("--manual", action="store_true", help="run once and exit")
    what.add_argument("--daemon", action="store_true", help="run on the schedule until interrupted (the default)")
    parser.add_argument("--debug", action="store_true", help="log in full detail")
    return parser


def _say(mark: str, text: str) -> None:
    print(textwrap.fill(text, 78, initial_indent=f"{mark} ", subsequent_indent="   ", break_on_hyphens=False))


_SHORT_LINES = {
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FORMAT": "%(asctime)s  %(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(asctime)s  %(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(asctime)s  %(task_run_name)s: %(message)s",
}


class _NoServerTalk(logging.Filter):
    """Leaves out where Prefect's temporary server lives: it is gone with the run."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "temporary server" not in record.getMessage()


@contextmanager
def _logging(level: str) -> Iterator[None]:
    """Prefect's settings for a run in a terminal: our level, and lines that fit 80 columns."""
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

    if level != "DEBUG":
        for name, value in _SHORT_LINES.items():
            os.environ.setdefault(name, value)
    # A run must not wait for, or complain about, statistics that Prefect would like to send.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    with temporary_settings({PREFECT_LOGGING_LEVEL: level}):
        setup_logging(incremental=False)
        logging.getLogger("prefect").addFilter(_NoServerTalk())
        yield


def _setup() -> int:
    from blocks.pipeline_settings import BLOCK_NAME
    from flows import environment

    for block in environment.blocks_of(environment.read()):
        type(block).register_type_and_schema()
        block.save(BLOCK_NAME, overwrite=True)
        _say("✅", f"{block.get_block_type_slug()}/{BLOCK_NAME}")
        for field in type(block).model_fields:
            print(f"     {field}: {getattr(block, field)}")
    for line in environment.not_yet():
        _say("⚠️ ", line)
    print("Saved. Next: daily-pipeline --test")
    return ALL_WELL


def _settings() -> Any:
    from blocks.loading import load
    from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings

    return load(PipelineSettings, f"pipeline-settings/{BLOCK_NAME}")


def _manual(*, dry_run: bool = False) -> int:
    from flows.daily_pipeline import daily_pipeline

    state = daily_pipeline(dry_run=dry_run, return_state=True)
    if state.is_completed():
        return ALL_WELL
    return INTERRUPTED if state.is_cancelled() or state.is_crashed() else A_STEP_FAILED


def _test() -> int:
    from blocks.analyst import Analyst
    from blocks.errors import PipelineError
    from blocks.ledger import Ledger
    from blocks.loading import load
    from blocks.publisher import Publisher
    from blocks.records import Check
    from blocks.source import Source

    settings = _settings()
    families: list[tuple[type[Source | Ledger | Analyst | Publisher], str]] = [
        (Source, settings.source),
        (Ledger, settings.ledger),
        (Analyst, settings.analyst),
        (Publisher, settings.publisher),
    ]
    checks: list[Check] = []
    for family, name in families:
        what = family.__name__.lower()
        if not name:
            checks.append(Check(what, True, "none: this step is left out"))
            continue
        try:
            checks += load(family, name).check()
        except PipelineError as error:
            checks.append(Check(what, False, str(error), "Run daily-pipeline --setup."))
    for check in checks:
        _say("✅" if check.ok else "❌", f"{check.what + ':':<11}{check.found}")
        if check.advice:
            print(textwrap.fill(check.advice, 78, initial_indent="   → ", subsequent_indent="     "))
    if not all(check.ok for check in checks):
        return BAD_CONFIGURATION
    print()
    return _manual(dry_run=True)


def _daemon() -> int:
    from flows.daemon import serve

    return serve(_settings())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args(arguments)

    from blocks.errors import PipelineError
    from flows import environment

    try:
        level = "DEBUG" if options.debug else environment.read().LOG_LEVEL
        with _logging(level):
            if options.setup:
                return _setup()
            if options.test:
                return _test()
            if options.manual:
                _settings()
                return _manual()
            return _daemon()
    except PipelineError as error:
        for line in str(error).splitlines():
            _say("❌", line)
        if Path(".env").is_file():
            print("Mend the settings in .env, then run daily-pipeline --setup.", file=sys.stderr)
        return BAD_CONFIGURATION
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nInterrupted. What was done is in the ledger; the next run goes on from there.", file=sys.stderr)
        return INTERRUPTED
