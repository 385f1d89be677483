"""How people, browsers and X read a text: every form in which an attacker's wish could be understood after all.

It reads more than any filter needs to: a text is suspected if in any of its readings a mark stands.
"""

from __future__ import annotations

import base64
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from urllib.parse import unquote

from tests.attack_encodings import CYRILLIC, GREEK, LOWER, MORSE, SMALL_CAPITALS, UPSIDE_DOWN

_LOOK_ALIKE = {theirs: ours.lower() for table in (CYRILLIC, GREEK, SMALL_CAPITALS) for ours, theirs in table.items()}
_LOOK_ALIKE |= {chr(0x1F1E6 + at): char for at, char in enumerate(LOWER)}
_LOOK_ALIKE |= {chr(0xE0000 + code): chr(code) for code in range(0x20, 0x7F)}
_TURNED_ALONE = {theirs: ours for ours, theirs in UPSIDE_DOWN.items() if not theirs.isascii()}
_TURNED = {theirs: ours for ours, theirs in UPSIDE_DOWN.items()}
_FROM_MORSE = {code: char for char, code in MORSE.items()}
_SAME_TO_THE_EYE = str.maketrans("0134578|l", "oieastbii")
"""Digits that stand for letters, and letters that look like others: the mark is folded in the same way."""

_SPELT = [
    (re.compile(r"\s*[(\[{]\s*(?:\.|dot)\s*[)\]}]\s*|\s+dot\s+|\s+\.\s+|[\u3002\u2024]", re.IGNORECASE), "."),
    (re.compile(r"\s*[(\[{]\s*(?:@|at)\s*[)\]}]\s*|\s+at\s+", re.IGNORECASE), "@"),
]


def seen(text: str) -> str:
    """The text as the eye has it: what is invisible is gone, look-alikes are Latin, and all is small."""
    folded = unicodedata.normalize("NFKC", text).translate(str.maketrans(_LOOK_ALIKE))
    apart = unicodedata.normalize("NFKD", folded)
    return "".join(char for char in apart if unicodedata.category(char) not in ("Cf", "Mn", "Me", "Cc")).casefold()


@lru_cache(maxsize=50_000)
def bare(text: str) -> str:
    """Letters and digits alone, with those that pass for one another made one."""
    return re.sub(r"[^a-z0-9|]", "", seen(text)).translate(_SAME_TO_THE_EYE)


def _decoded(text: str) -> Iterator[str]:
    yield html.unescape(text)
    yield unquote(text)
    yield codecs.encode(text, "rot13")
    yield text[::-1]
    if not _TURNED_ALONE.keys().isdisjoint(text):
        yield text.translate(str.maketrans(_TURNED))[::-1]
    yield from _from_morse(text)
    spelt = text
    for pattern, sign in _SPELT:
        spelt = pattern.sub(sign, spelt)
    yield spelt
    for token in re.findall(r"[A-Za-z0-9+/_=-]{8,}", text):
        yield from _from_token(token)
    yield re.sub(r"xn--([!-~]+)", lambda match: _from_punycode(match[1]), text)


def _from_punycode(token: str) -> str:
    try:
        return token.encode().decode("punycode")
    except UnicodeError:
        return token


def _from_morse(text: str) -> Iterator[str]:
    dashed = text.replace("–", "-").replace("—", "-").replace("…", "...")
    for run in re.findall(r"[.\-/ ]{8,}", dashed):
        yield "".join(_FROM_MORSE.get(code, " ") for code in run.split())


def _from_token(token: str) -> Iterator[str]:
    standard = token.rstrip("=").replace("-", "+").replace("_", "/")
    # One character too many tells nothing; the padding is filled up.
    standard = standard[:-1] if len(standard) % 4 == 1 else standard
    with suppress(ValueError):
        yield bytes.fromhex(token[: len(token) // 2 * 2]).decode("utf-8", "ignore")
    with suppress(ValueError):
        yield base64.b64decode(standard + "=" * (-len(standard) % 4)).decode("utf-8", "ignore")


def readings(text: str, depth: int = 2) -> set[str]:
    """The text and whatever it decodes to, in any two steps."""
    found = {text, unicodedata.normalize("NFKC", text)}
    fresh = set(found)
    for _ in range(depth):
        fresh = {decoded for known in fresh for decoded in _decoded(known)} - found
        found |= fresh
    return found


class Reader:
    """A text in all its readings, to be asked for many marks."""

    def __init__(self, text: str) -> None:
        self.text = text
        everything = readings(text) if text else set[str]()
        self._seen = "\n".join(map(seen, everything))
        self._bare = "\n".join({bare(form) for form in everything})

    def finds(self, mark: str) -> bool:
        """Whether the mark stands there, in any reading. One with a sign in it is looked for with its signs."""
        if re.search(r"[^\w\s]", mark):
            return seen(mark) in self._seen
        return bare(mark) in self._bare
