"""Which of a post's own sentences may stand in the digest, and in which form.

Everything here was written by people we do not know. A sentence may be printed if it names no handle and holds
no link (a bare `pump.fun` is one), sells nothing and gives no instruction, looks like English prose, and is
not a fragment. Cashtags and hashtags lose their sign, pictures and markup go.
"""

from __future__ import annotations

import re
import unicodedata

from blocks.lexicon import names, promotion, sentences
from blocks.records import Project
from tasks.x_text import links

MIN_WORDS = 5
MAX_CHARACTERS = 400
"""A longer sentence has no place in a post, and to look for links in it costs more than its length."""

_DOTTED = re.compile(r"(?:\w\.){3}\w")

_SIGNED = re.compile(r"(?<![\w$#])[$#](?=[A-Za-z])")
_MARKUP = re.compile(r"[*_`~|<>{}\\]|\[|\]")
_CODE = re.compile(r"=\w+\(|\w+\(\)|;\s*$|0x[0-9a-fA-F]{6,}|\b[1-9A-HJ-NP-Za-km-z]{30,}\b")
_ENGLISH = frozenset(
    "the a an of to in is are was for on and with has have at by from now its it this that will as be"
    " after over more than new first next into up".split()
)


def _without_pictures(text: str) -> str:
    kept = (" " if unicodedata.category(c) in ("So", "Sk", "Cf") or c in "\ufe0e\ufe0f" else c for c in text)
    return " ".join("".join(kept).split())


def _is_english(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = "".join(words)
    latin = sum(c.isascii() for c in letters)
    return bool(words) and latin == len(letters) and sum(w in _ENGLISH for w in words) * 8 >= len(words)


def fit_to_print(sentence: str) -> str:
    """The sentence as it may be printed, or an empty string if it may not."""
    if len(sentence) > MAX_CHARACTERS or _DOTTED.search(sentence):
        return ""
    plain = unicodedata.normalize("NFKC", sentence)
    if "@" in plain or promotion(plain) or _CODE.search(plain):
        return ""
    text = _without_pictures(_SIGNED.sub("", _MARKUP.sub(" ", plain)))
    text = text.strip(" -–—:•·>\"'“”")
    if len(text.split()) < MIN_WORDS or links(text) or not _is_english(text):
        return ""
    if text.endswith(("?", ":")):
        return ""
    return text[0].upper() + text[1:] if text[0].islower() and text.split()[0].isalpha() else text


def printable(summary: str, text: str, project: Project) -> str:
    """The best sentence of a post for an item about a project, or an empty string.

    The analyst's summary if it may be printed; else the first sentence of the post that names the project
    and may be printed.
    """
    if promotion(text):  # A post that sells something has no sentence for us.
        return ""
    for sentence in (summary, *sentences(text)):
        ready = fit_to_print(sentence)
        if ready and project.name in names(sentence):
            return ready
    return ""
