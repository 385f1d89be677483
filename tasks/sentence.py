"""Which of a post's own sentences may stand in the digest, and in which form.

Everything here was written by people we do not know, so the rule says what is allowed, not what is forbidden:

- characters: Latin letters, digits, and the punctuation of plain prose. Nothing invisible, combining, or from
  another script. Pictures and paired markup go; cashtags and hashtags at the start of a word lose their sign;
- punctuation stands as prose has it: after a word and before a space, or between digits. That leaves no form of
  a link, a mail address or a domain name;
- no word is long enough to be an address of any chain, no number long enough to be a telephone's;
- nobody is spoken to: no "you", no call to do something, no word of promotion;
- it reads as English, and is a sentence and not a fragment;
- nothing in it is disguised (see `disguise`);
- what an analyst wrote says nothing that the post does not say: its words are the post's.

Whatever fails is not mended but left out.
"""

from __future__ import annotations

import re
import unicodedata

from blocks.lexicon import names, promotion, sentences
from blocks.records import Project
from tasks.disguise import is_disguised
from tasks.x_text import links

MIN_WORDS = 5
MAX_CHARACTERS = 400
"""A longer sentence has no place in a post, and to look for links in it costs more than its length."""

LETTERS = "A-Za-z0-9À-ÖØ-öø-ɏ"
PLAIN_TEXT = re.compile(rf"[{LETTERS} ,.;:!?'’\"“”()%+$€£&/~–—…-]*")
"""The characters that a stranger's sentence may have."""

_SIGN = re.compile(r"(?<![^\s(])[$#](?=[A-Za-z])")
_PAIRED = re.compile(r"(?<![\w*_~|`])([*_~|]{1,3})(?=\S)(.*?)(?<=\S)\1(?![\w*_~|`])")

_ODD_SHAPE = re.compile(
    rf"""
      [.][A-Za-z]                                  # a dot inside a word: a domain, a file, a method
    | (?<![v\d.]) \d+ (?: [.]\d+ ){{3}}            # an IP address; v0.18.3.2 is a version
    | \s [,.;:!?…](?!\d)                           # "evil . com"
    | [,;:!?] (?! [\s\d"”'’)] | $ )                # "evil,com", "javascript:alert"
    | / (?! [{LETTERS}] ) | (?<! [{LETTERS}] ) /   # "//", "gg / abc"
    | (?<! [\s"“] ) (?<! ^ ) [(] | [(] (?! [{LETTERS}$€£+~] )
    | [)] (?! [\s,.;:!?…] | $ ) | (?<! [{LETTERS}%.] ) [)]
    | [$€£] (?! \d ) | (?<! [\s(+~–—-] ) (?<! ^ ) [$€£]
    | [&~+] (?! [\s{LETTERS}$€£] )
    | \b (?= \w*\d ) (?= \w*[A-Za-z] ) \w{{16,}}   # an address or a key
    | \w{{26,}}
    | \d (?: [ ()-]* \d ){{8,}}                    # a telephone number
    """,
    re.VERBOSE,
)
_SPELT_LINK = re.compile(
    r"\bdot\s+[a-z]{2,8}\b|\b(?:https?|www|gg|gmail|whatsapp|wechat|onion|dotcom)\b|\bon telegram\b", re.IGNORECASE
)
_SPOKEN_TO = re.compile(
    r"\b(?:you|your|yours|yourself|u|ur|y'all)\b|\bcode [A-Z0-9]{4,}\b|\b\d+ ?[x×]\b", re.IGNORECASE
)
_CALL = re.compile(
    r"(?:^|[,.;:!?–—-]\s*|\b(?:and|then|now|please|just|or|to)\s+)"
    r"(?:act|ape|apply|buy|call|claim|click|connect|contact|deposit|double|download|earn|enter|follow|get|go|grab|"
    r"hurry|import|invest|join|message|register|scan|sell|send|sign up|subscribe|tap|text|visit|win|withdraw)\b",
    re.IGNORECASE,
)
_ENGLISH = frozenset(
    "the a an of to in is are was for on and with has have at by from now its it this that will as be"
    " after over more than new first next into up".split()
)


def _without_pictures(text: str) -> str:
    """Without emoji that stand between words; one inside a word stays, and the sentence is refused for it."""
    words = (word.strip("\ufe0e\ufe0f") for word in text.split())
    return " ".join(
        word for word in words if any(unicodedata.category(c) not in ("So", "Sk", "Cf", "Mn") for c in word)
    )


def _is_english(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return bool(words) and sum(word in _ENGLISH for word in words) * 8 >= len(words)


def _as_plain_text(sentence: str) -> str:
    text = _without_pictures(unicodedata.normalize("NFKC", sentence))
    for _ in range(3):  # **_both_**, one pair after the other
        text = _PAIRED.sub(r"\2", text)
    text = _SIGN.sub("", text).strip(" -–—:;,•·>\"'“”")
    # A sentence that ends in pictures or that begins with them has lost them here.
    return " ".join(text.strip("".join(c for c in text if unicodedata.category(c) in ("So", "Sk"))).split())


def fit_to_print(sentence: str) -> str:
    """The sentence as it may be printed, or an empty string if it may not."""
    if len(sentence) > MAX_CHARACTERS:
        return ""
    text = _as_plain_text(sentence)
    refused = (
        not PLAIN_TEXT.fullmatch(text)
        or _ODD_SHAPE.search(text)
        or _SPELT_LINK.search(text)
        or _SPOKEN_TO.search(text)
        or _CALL.search(text)
        or promotion(text)
        or is_disguised(sentence, text)
        or len(text.split()) < MIN_WORDS
        or not _is_english(text)
        or text.endswith("?")
        or links(text)
    )
    if refused:
        return ""
    # Some letters have no capital that is plain: that of "ǰ" is two characters.
    capital = text[0].upper()
    return capital + text[1:] if text.split()[0].isalpha() and PLAIN_TEXT.fullmatch(capital) else text


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def says_no_more(summary: str, text: str) -> bool:
    """Whether each word of a summary stands in the text too, perhaps in another form ("launched", "launches").

    So a model that was taken over can leave out, and cannot add. Numbers, short words and names must be the same.
    """
    if len(summary) > MAX_CHARACTERS:
        return False
    there = set(_words(text))
    for word in {*_words(summary)} - there - _ENGLISH:
        stem = word[: max(4, len(word) - 3)]
        if len(word) < 4 or not word.isalpha() or not any(other.startswith(stem) for other in there):
            return False
    return True


def printable(summary: str, text: str, project: Project) -> str:
    """The best sentence of a post for an item about a project, or an empty string.

    The analyst's summary if it may be printed and says no more than the post; else the first sentence of the post that
    names the project and may be printed.
    """
    if promotion(text):  # A post that sells something has no sentence for us.
        return ""
    for sentence in ([summary] if says_no_more(summary, text) else []) + sentences(text):
        ready = fit_to_print(sentence)
        if ready and project.name in names(sentence):
            return ready
    return ""
