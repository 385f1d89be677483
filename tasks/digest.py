"""The words of the digest: the selected items within what X takes. Code alone writes it.

The one layout so far is a single post without a link, which is the cheapest:

    Crypto projects, 15 Jan

    • Chainlink: CCIP is now live on …
    • Aave v3 passes …

    Also: Sui, Pyth
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date

from blocks.errors import PermanentError
from blocks.lexicon import shorten
from blocks.records import Project
from tasks.selection import Item
from tasks.sentence import PLAIN_TEXT
from tasks.x_text import is_valid, links, weighted_length

_SIGNS = re.compile(r"[@＠#＃]|[$＄](?!\d)")
_OURS = re.compile(r"[\n•]")

LIMIT = 280
"""Weighted characters that a post on X may have."""

MAX_ALSO = 5
"""How many projects are named besides, without an item of their own."""

MAX_NAME = 60
"""Characters of a name: a longer one names nothing, and to look for links in it costs more than its length."""

MIN_SENTENCE = 30
"""Characters that a shortened sentence must keep to say anything."""


def spoken(project: Project) -> str:
    """A project's name without anything that X would make a link of: "Pump.fun" becomes "Pump fun"."""
    return project.name.replace(".", " ") if links(project.name) else project.name


def _line(item: Item) -> str:
    """One item as a line: its sentence, with the project's name before it where it does not stand in it."""
    name = spoken(item.project)
    head = "• " if name.lower() in item.sentence.lower() else f"• {name}: "
    return head + item.sentence.removesuffix(".")


def _shortened(line: str, room: int) -> str:
    """A line within `room` weighted characters, ended at a word; empty if too little would be left."""
    for limit in range(min(len(line), room), MIN_SENTENCE, -1):
        cut = shorten(line, limit)
        if weighted_length(cut) <= room and (cut == line or cut.endswith("…")):
            return cut
    return ""


def compose(items: Sequence[Item], also: Sequence[Project], day: date) -> tuple[str, list[Item]]:
    """The text of a digest, and the items that are in it, the best first.

    An item stands there whole or not at all; only where not one fits, the best is shortened.

    Returns:
        ("", []) if there is nothing to say.
    """
    text = f"Crypto projects, {day.day} {day:%b}\n"
    used: list[Item] = []
    for item in items:
        line = _line(item)
        longer = f"{text}\n{line}"
        # What would not pass the last look costs its item here, and not the day there.
        if not problems(line) and weighted_length(longer) <= LIMIT:
            text = longer
            used.append(item)
    if not used and items:
        line = _shortened(_line(items[0]), LIMIT - weighted_length(text) - 1)
        fits = bool(line) and not problems(line)
        text, used = (f"{text}\n{line}", [items[0]]) if fits else ("", [])
    if not used:
        return "", []
    names: list[str] = []
    for project in dict.fromkeys([*(item.project for item in items), *also]):
        if len(names) == MAX_ALSO:
            break
        if len(project.name) > MAX_NAME:
            continue
        longer = f"{text}\n\nAlso: {', '.join([*names, spoken(project)])}"
        is_named = spoken(project).lower() in text.lower()
        if not is_named and not problems(spoken(project)) and weighted_length(longer) <= LIMIT:
            names.append(spoken(project))
    return (f"{text}\n\nAlso: {', '.join(names)}" if names else text), used


def problems(text: str) -> list[str]:
    """What keeps a text from being published, in a few words each."""
    found = []
    if not is_valid(text):
        found.append("it is too long, empty, or holds characters that X refuses")
    if links(text):
        found.append("it holds a link")
    if _SIGNS.search(text):
        found.append("it holds a handle, a hashtag or a cashtag")
    if not PLAIN_TEXT.fullmatch(_OURS.sub(" ", text)):
        found.append("it holds characters that are not plain text")
    return found


def check(text: str) -> None:
    """The last look at a text before it may be published.

    Raises:
        PermanentError: it is no valid post, or holds what code did not put there.
    """
    found = problems(text)
    if found:
        raise PermanentError(f"The digest must not be published: {', '.join(found)}.")


def content_hash(parts: Sequence[str]) -> str:
    """What tells one text from another: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
