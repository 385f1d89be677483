"""The words of the digest: the selected items within what X takes. Code alone writes it.

Four layouts. `single`, the default and the cheapest, is one post without a link:

    Crypto projects, 15 Jan

    • Chainlink ($LINK): CCIP is now live on …
    • Aave v3 passes …

    Also: Sui, Pyth

`linked` has one link below it: the team's own page, or the best item's post. `thread` has one item a post, the best
in the first, so that what is out is worth reading where X takes no more of it. `long` has every item, for an account
with Premium. The best item of a post is given its cashtag, of which X takes one a post.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from blocks import lexicon
from blocks.records import Layout, Project, Style
from tasks.final_look import problems
from tasks.language import Language, languages
from tasks.selection import Item
from tasks.x_text import LIMIT, LONG_LIMIT, links, weighted_length

MAX_ALSO = 5
"""How many projects are named besides, without an item of their own."""

MAX_NAME = 60
"""Characters of a name: a longer one names nothing, and to look for links in it costs more than its length."""

MIN_SENTENCE = 30
"""Characters that a shortened sentence must keep to say anything."""

_TICKER = re.compile(r"[A-Z]{2,6}")
_WORD = re.compile(r"\S+")
_GOES_ON = r"-\w+| (?:Chain|DAO|Finance|Foundation|Labs|Network|Protocol|Wallet)\b"
"""What belongs to the name that it follows."""


def spoken(project: Project) -> str:
    """A project's name without anything that X would make a link of: "Pump.fun" becomes "Pump fun"."""
    return project.name.replace(".", " ") if links(project.name) else project.name


def _line(item: Item) -> str:
    """One item as a line: its sentence, with the project's name before it where it does not stand in it."""
    name = spoken(item.project)
    head = "• " if name.lower() in item.sentence.lower() else f"• {name}: "
    return head + item.sentence.removesuffix(".")


def with_cashtag(line: str, project: Project) -> str:
    """A line with the project's cashtag after its name: the lexicon's, never one that somebody wrote."""
    ticker, name = lexicon.tickers().get(project.name, ""), spoken(project)
    # Not inside a name: "Lido DAO", "Aave-Governance".
    place = re.search(rf"(?<!\w)(?i:{re.escape(name)})(?!\w)(?:{_GOES_ON})*", line)
    if not place or not _TICKER.fullmatch(ticker) or re.search(rf"\b{ticker}\b", line) or "$" in line[: place.end()]:
        return line
    return f"{line[: place.end()]} (${ticker}){line[place.end() :]}"


def shortened(line: str, room: int) -> str:
    """A line within `room` weighted characters, never cut inside a word or a name; empty if too little is left.

    Two words with capitals side by side may be one name: no cut is made between them.
    """
    if weighted_length(line) <= room:
        return line
    words = list(_WORD.finditer(line))
    for left, right in zip(reversed(words[:-1]), reversed(words[1:]), strict=True):
        cut = line[: left.end()].rstrip(" ,;:(–—-") + "…"
        inside_a_name = (left[0][0].isupper() or left[0][0] == "(") and right[0][0].isupper()
        if left.end() <= room and not inside_a_name and weighted_length(cut) <= room:
            return cut if len(cut) > MIN_SENTENCE and cut.count("(") == cut.count(")") else ""
    return ""


def _fits(text: str, limit: int) -> bool:
    return weighted_length(text) <= limit


def _also(
    text: str, projects: Iterable[Project], language: Language, fits: Callable[[str], bool], before: str = ""
) -> str:
    """The text, with the names of further projects below it, as many as fit; none that stands in it or `before` it."""
    names: list[str] = []
    for project in dict.fromkeys(projects):
        name = spoken(project)
        if len(project.name) > MAX_NAME or name.lower() in f"{before}\n{text}".lower() or problems(name):
            continue
        if len(names) < MAX_ALSO and fits(f"{text}\n\n{language.also}: {', '.join([*names, name])}"):
            names.append(name)
    return f"{text}\n\n{language.also}: {', '.join(names)}" if names else text


def _one_post(
    items: Sequence[Item], also: Sequence[Project], headline: str, language: Language, limit: int
) -> tuple[str, list[Item]]:
    """One post: the items that fit whole; only where not one fits, the best is shortened."""
    text, used = f"{headline}\n", list[Item]()
    for item in items:
        line = _line(item)
        line = line if used else with_cashtag(line, item.project)
        # What would not pass the last look costs its item here, and not the day there.
        if not problems(line, limit=limit) and _fits(f"{text}\n{line}", limit):
            text = f"{text}\n{line}"
            used.append(item)
    if not used:
        for item in items[:1]:
            line = shortened(_line(item), limit - weighted_length(text) - 1)
            if line and not problems(line, limit=limit):
                text, used = f"{text}\n{line}", [item]
    if not used:
        return "", []
    named = [*(item.project for item in items), *also]
    return _also(text, named, language, lambda longer: _fits(longer, limit)), used


def _thread(
    items: Sequence[Item], also: Sequence[Project], headline: str, language: Language
) -> tuple[list[str], list[Item]]:
    """One item a post, the headline over the first, further projects below the last."""
    parts, used = list[str](), list[Item]()
    for item in items:
        head = "" if parts else f"{headline}\n\n"
        line = with_cashtag(_line(item), item.project)
        line = shortened(line if head else line.removeprefix("• "), LIMIT - (weighted_length(head) if head else 0))
        if line and not problems(line):
            parts.append(head + line)
            used.append(item)
    if parts:
        before = "\n".join(parts[:-1])
        parts[-1] = _also(parts[-1], also, language, lambda longer: _fits(longer, LIMIT), before)
    return parts, used


def compose(
    items: Sequence[Item], also: Sequence[Project], day: date, style: Style
) -> tuple[tuple[str, ...], list[Item]]:
    """The posts of a digest, and the items that are in them, the best first.

    An item stands there whole or not at all; only where not one fits, or in a thread, it is shortened.

    Returns:
        ((), []) if there is nothing to say.
    """
    language = languages()[style.language]
    headline = language.headed(day, style.headline)
    if style.layout is Layout.THREAD:
        parts, used = _thread(items, also, headline, language)
        return tuple(parts), used
    limit = LONG_LIMIT if style.layout is Layout.LONG else LIMIT
    room = limit
    if style.layout is Layout.LINKED:
        room -= weighted_length("\n\nhttps://x.com/i/status/1") + 1
    text, used = _one_post(items, also, headline, language, room)
    if text and style.layout is Layout.LINKED:
        text += f"\n\n{style.page or f'https://x.com/i/status/{used[0].post_id}'}"
    return ((text,), used) if text else ((), [])


def content_hash(parts: Sequence[str]) -> str:
    """What tells one text from another: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
