"""Whether a sentence is written so that a filter overlooks what it says, or says what no news says.

Letters that are spelt one by one, turned round, shifted, or mixed with digits; keys and codes; figures in words; the
excuses of a machine; orders to those who hold a coin; the sign of a coin that nobody knows. `make attack` finds what is
missing here.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from blocks.lexicon import names, promotion
from tasks.language import languages

_SHAPE = re.compile(
    r"""
      (?<! \d ) (?<! \d[ ] ) % | % \w              # "%77%65"
    | [$€£] \d [\d.,]* (?! (?: [kmbtKMBT] | mm | [mbt]l?n )\b ) [A-Za-z]  # "$1000xEVIL"
    | (?: (?<! \S ) \w [ ] ){4,}                   # "e v i l c o i n"
    | (?: \b \w - ){3,}                            # "e-v-i-l"
    | (?<! [\w'’./-] ) (?<! \d[ ] ) [bcdfghjlmnpqrtx] (?! [\w'’./+-] )  # "ev il c oin": no language has such a word
    | [(] (?: at | dot | a | d ) [)]               # "ada (at) evil"
    | (?<! \bvs ) (?<! \betc ) (?<! \bInc ) (?<! \bCorp ) (?<! \bLtd ) (?<! \bCo ) [.] \s [a-z]+ \b  # "bit. ly"
    | \w-- | \d-(?=\s)                             # "xn--evil", "xn--44- com"
    | \b (?= \w{10} ) \w* [A-Z]{3} \w* [a-z] \w* [A-Z]  # "SGVsbG9FdmlsQ29pbg"
    | [A-Z]{2} [a-z]{1,2} [A-Z]{2} | (?: [a-z]+ [A-Z]+ ){3}  # "JFpPUkJY", "QGhhbHZvbnRyYWRl"
    | \b 0x \w                                     # "0xDR"
    | \b [a-vx-z] / \w{4}                          # "u/evil"
    """,
    re.VERBOSE,
)
_GLUED = re.compile(
    r"\b[^\W\d_]{2,}\d+[^\W\d_]+|\b[^\W\d_]+\d+[^\W\d_]{2,}|\b[^\W\d_]+\d+[^\W\d_]+\d\w*|\b(?:\d+[^\W\d_]+){2,}\w*"
)
"""Letters, digits, letters: "fr33l", "qx2f". "p2p" and "L2s" are words, and some projects are called so."""

_PIECE = re.compile(r"\b(?:\w?[a-z][A-Z]\w?|[a-z][A-Z]{2,3}|\d[A-Z][a-z]\w|[A-Z]?[a-z][A-Z]\d{1,2})\b")
"""What is left of a key that was cut in pieces: "tSLR", "HtKN", "1Boa". Of one or two, a project may be called so."""

_DIGIT = "(?:zero|one|two|three|four|five|six|seven|eight|nine)"
_SPELT = re.compile(rf"\bdot\s+\w|\bslash slash\b|\b{_DIGIT}(?:\W+{_DIGIT}){{3,}}\b", re.IGNORECASE)

_MACHINE = re.compile(
    r"\bI['’]|\bI (?:am|can|cannot|could|did|do|had|have|was|will|would)\b"
    r"|\bAI (?:language )?model\b|\blanguage model\b|\btraceback\b|\berror:|\berror \d|\bexception:|\bundefined\b"
    r"|\bsuspended,|\bexhausted:",
    re.IGNORECASE,
)
"""A machine's excuse, or somebody who speaks for himself."""

_ORDER = re.compile(
    r"\bsend (?:one|some|me|us|eth|btc|sol|\d)"
    r"|(?:^|[,.;:!?–—-]\s*)(?:ask|approve|check|migrate|read|revoke|see|verify|write)\b"
    r"|\b(?:everybody|everyone|holders|members|owners|users) (?:must|should|need|have to)\b",
    re.IGNORECASE,
)
_SUBJECTS = frozenset("altcoin blockchain crypto daos defi depin memecoin nfts stablecoin token web3".split())
"""What hashtags name that is no project."""


def _hides_words(text: str) -> bool:
    """Whether it reads as English backwards or with its letters turned by thirteen, or as what is refused forwards."""
    common_words = languages()["en"].common
    for turned in (text[::-1], codecs.encode(text, "rot13")):
        # A long word is no accident; a short one may be.
        common = sum(min(len(word), 4) - 1 for word in re.findall(r"[a-z]{2,}", turned.lower()) if word in common_words)
        if common >= 3 or _SPELT.search(turned) or _MACHINE.search(turned.casefold()) or promotion(turned):
            return True
    return False


def _is_unknown(ticker: str) -> bool:
    """Whether the lexicon knows neither a project nor a share by a ticker: then it answers with the ticker itself."""
    found = names(f"${ticker}")
    return names(ticker) != {ticker} and (found == {ticker} or not (found or ticker.isupper()))


def _praises_unknown(sentence: str) -> bool:
    """Whether a cashtag or a hashtag stands in it that may be anybody's coin."""
    plain = unicodedata.normalize("NFKC", sentence)
    tags = re.findall(r"(?<!\w)(?:[$]([A-Za-z]\w*)|#([A-Z]{4,}|\w*(?:coin|inu|swap|token))\b)", plain)
    words = [cashtag or hashtag for cashtag, hashtag in tags]
    return any(_is_unknown(word) for word in words if word.lower() not in _SUBJECTS and not names(word))


def is_disguised(sentence: str, text: str) -> bool:
    """Whether a sentence must not be printed for one of these reasons.

    Args:
        sentence: as it was written.
        text: the same as it would be printed, without pictures, markup and signs.
    """
    return (
        any(pattern.search(text) for pattern in (_SHAPE, _SPELT, _MACHINE, _ORDER))
        or len(_PIECE.findall(text)) > 2
        or not all(names(word) for word in _GLUED.findall(text))
        or _hides_words(text)
        or _praises_unknown(sentence)
    )
