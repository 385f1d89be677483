"""Text from outside, made fit to be stored and shown. Every source passes its strings through here."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 30_000
"""More characters than the longest post on X (25,000) has; a sheet's cell takes 50,000."""

_JOINER = "\u200d"
_VARIATION = {"\ufe0e", "\ufe0f"}


def clean(value: object) -> str:
    """A string without what nobody can see; anything but a string gives an empty one.

    Removes control characters but newline and tab, lone surrogates, private and unassigned code points,
    and the invisible formatting characters (zero-width, bidirectional, tags) with which text hides text.
    The zero-width joiner stays where it joins emoji. Lines end in a newline. Cut at `MAX_TEXT` characters.
    """
    if not isinstance(value, str):
        return ""
    text = value[: MAX_TEXT * 2].replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and text.isprintable():
        return text[:MAX_TEXT].strip()
    kept: list[str] = []
    for char in text:
        if char in "\n\t" or char in _VARIATION:
            kept.append(char)
        elif char == _JOINER:
            if kept and (kept[-1] in _VARIATION or unicodedata.category(kept[-1]) in ("So", "Sk")):
                kept.append(char)
        elif unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"):
            kept.append(char)
    # Last, since a character that was taken out may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", "".join(kept))[:MAX_TEXT].strip()


_TOKEN = re.compile(r"[^\s\"']{20,}")


def said(value: object, limit: int = 120) -> str:
    """What a service said, on one line. It may repeat what it was sent: nothing that could be a key is handed on."""
    return one_line(_TOKEN.sub("…", clean(value)), limit)


def one_line(value: object, limit: int = 100) -> str:
    """A cleaned string on one line, at most `limit` characters: for names, logs and reports."""
    text = " ".join(clean(value).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def count(number: int, one: str, many: str = "") -> str:
    """A number of things in words, as "1 post" and "1,234 posts"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
