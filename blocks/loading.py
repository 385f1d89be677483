"""From a block's name to the block. A step does this inside itself, so that no secret is ever an argument."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

# Prefect finds a saved block's class only if it was imported.
from blocks.analyst import Analyst
from blocks.background import in_background
from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError
from blocks.export_source import ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.google_sheet import GoogleSheet
from blocks.ledger import Ledger
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings
from blocks.publisher import Publisher
from blocks.source import Source
from blocks.sqlite_ledger import SqliteLedger
from blocks.typefully import TypefullyPublisher
from blocks.x_publisher import XPublisher

B = TypeVar("B", bound=Block)

EMBEDDED: dict[str, type[Block]] = {
    "discord-export": ExportSource,
    "sqlite-ledger": SqliteLedger,
    "lexicon-analyst": LexiconAnalyst,
    "outbox": OutboxPublisher,
    "pipeline-settings": PipelineSettings,
}
"""The blocks that need no account: they work with their defaults where none was saved."""

OUTSIDE: tuple[type[Block], ...] = (DiscordChannels, GoogleSheet, GeminiAnalyst, XPublisher, TypefullyPublisher)
"""The blocks of the outside services: they must have been saved."""

_BY_SLUG = EMBEDDED | {kind.get_block_type_slug(): kind for kind in OUTSIDE}

_MAIN_FIELD = {"discord-export": "path", "sqlite-ledger": "path", "outbox": "folder"}


def load(family: type[B], name: str) -> B:
    """The block called `slug/name`, as it was saved; an embedded one that was never saved has its defaults.

    `slug:path` gives an embedded block on another file or folder without saving it.

    Raises:
        PermanentError: there is no such block, it is of another family, or its saved fields do not fit.
    """
    slug, _, path = name.partition(":")
    if path and slug in _MAIN_FIELD:
        block = EMBEDDED[slug](**{_MAIN_FIELD[slug]: path})
    else:
        block = _of_this_run(name)
    if not isinstance(block, family):
        raise PermanentError(f"The block {name} is no {family.__name__.lower()}: name one of that family.")
    return block


def save(block: Block, name: str) -> None:
    """Save a block under a name, again and again without harm."""
    type(block).register_type_and_schema()
    block.save(name, overwrite=True)
    try:
        type(block).load(name)
    except RuntimeError:
        # Prefect merges a saved block with the older one; a field that the type has no longer stays, and is
        # refused. Then only a new document helps.
        type(block).delete(name)
        block.save(name)


def warm_up(*names: str) -> None:
    """Import the libraries of blocks aside, while the run waits for other services' answers.

    They take up to three seconds together. What is wrong with a block, the step that uses it says.
    """

    def work() -> None:
        for name in filter(None, names):
            with suppress(Exception):
                block = load(Block, name)
                if isinstance(block, Source | Ledger | Analyst | Publisher):
                    block.warm_up()

    in_background(work, "warm up")


def is_saved(name: str) -> bool:
    """Whether there is a saved block called `slug/name`."""
    try:
        _document(name)
    except ValueError:
        return False
    return True


_LOADED: dict[str, Block] = {}
_LOADED_FOR: list[str] = []
"""The saved blocks of the run that is under way, and its id: to ask Prefect for one takes 50 ms each time."""


def _of_this_run(name: str) -> Block:
    """A block of the caller's own, as it was when this run first asked for it."""
    run = flow_run.id
    if run is None:
        return _saved(name)
    if [run] != _LOADED_FOR:
        _LOADED.clear()
        _LOADED_FOR[:] = [run]
    if name not in _LOADED:
        _LOADED[name] = _saved(name)
    return _LOADED[name].model_copy()


def _document(name: str) -> Block:
    """What is saved as slug/name. Raises ValueError where nothing is, RuntimeError where it does not fit."""
    slug, _, document = name.partition("/")
    # `Block.load` would import every Prefect integration there is, to find the class: Dask takes 0.15 s and 15 MB.
    kind, known_as = (_BY_SLUG[slug], document) if document and slug in _BY_SLUG else (Block, name)
    # Typed as possibly a coroutine for callers in an event loop; a step is not one.
    return kind.load(known_as)  # type: ignore[return-value]


def _saved(name: str) -> Block:
    slug = name.partition("/")[0]
    try:
        return _document(name)
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound) and slug in EMBEDDED:
            return EMBEDDED[slug]()
        raise PermanentError(
            f"There is no usable block {name}: run `daily-pipeline --setup`, or make it in the Prefect UI."
        ) from error
    except RuntimeError as error:
        raise PermanentError(
            f"The block {name} cannot be read: save it again with `daily-pipeline --setup`."
        ) from error
