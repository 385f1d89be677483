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
from tasks.x_text import is_valid, links, weighted_length

_CASHTAG = re.compile(r"(?<![A-Za-z0-9])[$＄][A-Za-z]")

LIMIT = 280
"""Weighted characters that a post on X may have."""

ITEM_LIMIT = 100
"""Weighted characters that one item may take while there are others to print."""

MIN_SENTENCE = 30
"""Characters that a shortened sentence must keep to say anything."""


def spoken(project: Project) -> str:
    """A project's name without anything that X would make a link of: "Pump.fun" becomes "Pump fun"."""
    return project.name.replace(".", " ") if links(project.name) else project.name


def _shortened(sentence: str, room: int) -> str:
    """A sentence within `room` weighted characters, ended at a word; empty if too little would be left."""
    if weighted_length(sentence) <= room:
        return sentence
    for limit in range(min(len(sentence) - 1, room), MIN_SENTENCE, -1):
        cut = shorten(sentence, limit)
        if cut.endswith("…") and weighted_length(cut) <= room:
            return cut
    return ""


def _line(item: Item, limit: int) -> str:
    """One item, at most `limit` weighted characters, or an empty string if that leaves nothing to say."""
    name = spoken(item.project)
    head = "• " if name.lower() in item.sentence.lower() else f"• {name}: "
    sentence = _shortened(item.sentence.removesuffix("."), limit - weighted_length(head))
    return head + sentence if sentence else ""


def compose(items: Sequence[Item], also: Sequence[Project], day: date) -> tuple[str, int]:
    """The text of a digest, and how many of the items it holds (the first so many).

    Returns:
        ("", 0) if there is nothing to say.
    """
    head = f"Crypto projects, {day.day} {day:%b}"
    text = head + "\n"
    used = 0
    for item in items:
        room = LIMIT - weighted_length(text) - 1
        line = _line(item, min(room, ITEM_LIMIT) if len(items) > 1 else room)
        if not line or weighted_length(f"{text}\n{line}") > LIMIT:
            break
        text += f"\n{line}"
        used += 1
    if not used:
        return "", 0
    names: list[str] = []
    shown = {item.project.name for item in items[:used]}
    rest = [item.project for item in items[used:]]
    for project in dict.fromkeys([*rest, *also]):
        tail = f"\n\nAlso: {', '.join([*names, spoken(project)])}"
        if project.name not in shown and len(names) < 5 and weighted_length(text + tail) <= LIMIT:
            names.append(spoken(project))
    return (f"{text}\n\nAlso: {', '.join(names)}" if names else text), used


def check(text: str) -> None:
    """The last look at a text before it may be published.

    Raises:
        PermanentError: it is too long, or holds a link, a handle or a cashtag that code did not put there.
    """
    found = []
    if not is_valid(text):
        found.append("it is too long or holds characters that X refuses")
    if links(text):
        found.append("it holds a link")
    if "@" in text:
        found.append("it holds a handle")
    if _CASHTAG.search(text):
        found.append("it holds a cashtag")
    if found:
        raise PermanentError(f"The digest must not be published: {', '.join(found)}.")


def content_hash(parts: Sequence[str]) -> str:
    """What tells one text from another: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
