"""The command line: `daily-pipeline --setup | --test | --manual | --daemon | --redraft DAY [--debug]`.

Exit codes: 0 all well, 1 a step failed, 2 bad configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.pipeline_settings import PipelineSettings

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
    what.add_argument(
        "--redraft", metavar="DAY", type=date.fromisoformat, help="make a past day's draft again, and publish nothing"
    )
    parser.add_argument("--debug", action="store_true", help="log in full detail")
    return parser


def _say(mark: str, text: str) -> None:
    print(textwrap.fill(text, 78, initial_indent=f"{mark} ", subsequent_indent="   ", break_on_hyphens=False))


def _print_field(name: str, value: str) -> None:
    """A field and its value. A path is not broken: people copy it."""
    first, rest = " " * 5, " " * 7
    line = f"{name}: {value}"
    print(
        textwrap.fill(
            line, 78, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
    )


def _setup() -> int:
    from blocks.pipeline_settings import BLOCK_NAME
    from flows.setup import save_blocks

    for block in save_blocks():
        _say("✅", f"{block.get_block_type_slug()}/{BLOCK_NAME}")
        for field in type(block).model_fields:
            shown = str(getattr(block, field))
            _print_field(field, shown)
    print("Saved. Next: daily-pipeline --test")
    return ALL_WELL


def _settings() -> PipelineSettings:
    from blocks.errors import PermanentError
    from blocks.loading import is_saved, load
    from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings

    name = f"pipeline-settings/{BLOCK_NAME}"
    if Path(".env").is_file() and not is_saved(name):
        raise PermanentError("There is a .env, but its settings were never saved: run daily-pipeline --setup.")
    return load(PipelineSettings, name)


def _manual(*, dry_run: bool = False) -> int:
    from flows.daily_pipeline import daily_pipeline

    state = daily_pipeline(dry_run=dry_run, return_state=True)
    if state.is_completed():
        return ALL_WELL
    return INTERRUPTED if state.is_cancelled() or state.is_crashed() else A_STEP_FAILED


def _test(settings: PipelineSettings) -> int:
    from blocks.analyst import Analyst
    from blocks.errors import PipelineError
    from blocks.ledger import Ledger
    from blocks.loading import load
    from blocks.publisher import Publisher
    from blocks.records import Check
    from blocks.source import Source

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


def _redraft(settings: PipelineSettings, day: date) -> int:
    from blocks.ledger import Ledger
    from blocks.loading import load
    from tasks.redraft import redraft

    again = redraft(load(Ledger, settings.ledger), day)
    print(again.text)
    print("\n" + "\n".join(f"  {line}" for line in again.sources))
    _say("✅" if again.is_same else "⚠️ ", again.verdict)
    return ALL_WELL


def _with_prefect(options: argparse.Namespace, api: str) -> int:
    """What was asked for, now that there is a Prefect server at `api`."""
    from flows.daemon import serve

    if options.setup:
        return _setup()
    settings = _settings()
    if options.test:
        return _test(settings)
    if options.redraft:
        return _redraft(settings, options.redraft)
    if options.manual:
        return _manual()
    serve(settings, api)
    return ALL_WELL


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args(arguments)
    # A process that was started in the background may have been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    from blocks.errors import PipelineError
    from flows import environment
    from flows.daemon import is_serving, supervise
    from flows.server import prefect_server
    from flows.terminal import logging_to_terminal

    try:
        level = environment.read().LOG_LEVEL
        level = "DEBUG" if options.debug else level
        once = options.setup or options.test or options.manual or options.redraft
        if not (once or is_serving()):
            return supervise(debug=options.debug)
        with logging_to_terminal(level), prefect_server() as api:
            return _with_prefect(options, api)
    except PipelineError as error:
        for line in str(error).splitlines():
            _say("❌", line)
        return BAD_CONFIGURATION
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nInterrupted. What was done is in the ledger; the next run goes on from there.", file=sys.stderr)
        return INTERRUPTED
