"""The rules by which text alone tells which crypto projects a post is about. No network, no clock.

The words are data: `data/projects.csv` (names, tickers, which of them are ordinary words) and
`data/context.csv` (words that belong to crypto, to news, to promotion, to the stock market).

Precision comes first. A project counts as named by
- its cashtag ("$NEAR"), unless that is a stock's ticker too;
- a name that nobody uses for anything else ("Chainlink", "NEAR Protocol"), in any case;
- a name that is an ordinary word too ("Base", "Render"): only written as the project writes it, and only
  where other words of the post belong to crypto, or the project's bare ticker stands there too ("Optimism
  … 30M OP");
- a cashtag that the lexicon does not know: only where other words belong to crypto, and not to stocks.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from blocks.records import Analysis, Post, Project

ENOUGH_CONTEXT = 2
"""Points of crypto words that an ambiguous name needs: a strong word is worth 2, a project that is beyond doubt
and a medium word 1. Medium words alone ("protocol", "bridge") are not enough: other trades have them too."""

MAX_SUMMARY = 200

# A cashtag; a word of Latin letters (so that "ASTRの" is two words); a word of any other script.
_LATIN = r"[A-Za-z0-9\u00c0-\u024f]+"
_TOKEN = re.compile(rf"(?<![\w$])\$[A-Za-z][A-Za-z0-9]{{1,9}}\b|{_LATIN}(?:[.\-'’&]{_LATIN})*|[^\W_]+")
_NOT_WORDS = re.compile(r"https?://\S+|(?<!\w)@\w+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[\"'“$#]?[A-Z0-9])|\n+")
_FIGURE = re.compile(r"[$€£]\s?\d|\d\s?%|\b\d+(?:[.,]\d+)?\s?(?:[kKmMbB]\b|million|billion)")
_POSSESSIVE = re.compile(r"['’]s$")


@dataclass(frozen=True, slots=True)
class _Name:
    """One way to write a project: `plain` if it is an ordinary word too, then in this spelling only."""

    project: Project
    category: str
    spelling: str
    plain: bool


@dataclass(frozen=True, slots=True)
class _Lexicon:
    names: dict[tuple[str, ...], list[_Name]] = field(default_factory=dict)
    tickers: dict[str, _Name] = field(default_factory=dict)
    context: dict[tuple[str, ...], str] = field(default_factory=dict)
    stocks: set[str] = field(default_factory=set)
    longest: int = 5


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("blocks") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _tokens(text: str) -> list[str]:
    return [_POSSESSIVE.sub("", token) for token in _TOKEN.findall(text)]


def _key(text: str) -> tuple[str, ...]:
    return tuple(token.lower() for token in _tokens(text))


@cache
def _lexicon() -> _Lexicon:
    lexicon = _Lexicon()
    for row in _rows("projects.csv"):
        project = Project(row["name"], row["ticker"])
        for spelling in [row["name"], *filter(None, row["aliases"].split("|"))]:
            plain = row["plain_word"] == "1" and spelling == row["name"]
            name = _Name(project, row["category"], spelling, plain)
            lexicon.names.setdefault(_key(spelling), []).append(name)
        if row["ticker"]:
            by_ticker = _Name(project, row["category"], row["ticker"], row["ticker_plain"] == "1")
            lexicon.tickers.setdefault(row["ticker"].lower(), by_ticker)
    for row in _rows("context.csv"):
        if row["kind"] == "stock":
            lexicon.stocks.add(row["term"].removeprefix("$"))
        else:
            lexicon.context[_key(row["term"])] = row["kind"]
    return lexicon


@dataclass(slots=True)
class _Reading:
    """What the words of one text are: names as they stand, and how many words of each kind."""

    read: list[_Name] = field(default_factory=list)
    unknown_tickers: list[str] = field(default_factory=list)
    capitals: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    terms: list[str] = field(default_factory=list)

    @property
    def certain(self) -> list[_Name]:
        return [name for name in self.read if not name.plain]

    @property
    def context(self) -> int:
        certain = len({name.project.name for name in self.certain})
        return 2 * self.kinds["strong"] + min(self.kinds["medium"], 3) + certain

    def named(self) -> list[_Name]:
        """The names that count, each project once, in the order in which they stand."""
        beyond_doubt = self.kinds["strong"] or self.certain
        enough = bool(beyond_doubt) and self.context >= ENOUGH_CONTEXT
        counted = [n for n in self.read if not n.plain or enough or n.project.ticker in self.capitals]
        if enough and self.kinds["strong"]:
            counted += [_Name(Project(t, t), "Token", t, True) for t in self.unknown_tickers]
        unique: dict[str, _Name] = {}
        for name in counted:
            unique.setdefault(name.project.name, name)
        return list(unique.values())


def _cashtag(token: str, reading: _Reading) -> None:
    lexicon = _lexicon()
    ticker = token[1:]
    known = lexicon.tickers.get(ticker.lower())
    if known and not known.plain:
        reading.read.append(known)
    elif ticker.lower() in lexicon.stocks:
        return
    elif known and ticker.isupper():
        reading.read.append(known)
    elif ticker.isupper() and ticker.isalpha():
        reading.unknown_tickers.append(ticker)


def _read(text: str) -> _Reading:
    lexicon, reading = _lexicon(), _Reading()
    tokens = _tokens(_NOT_WORDS.sub(" ", text))
    lower = [token.lower() for token in tokens]
    reading.capitals = {token for token in tokens if token.isupper()}
    at = 0
    while at < len(tokens):
        if tokens[at].startswith("$"):
            _cashtag(tokens[at], reading)
            at += 1
            continue
        step = 1
        for length in range(min(lexicon.longest, len(tokens) - at), 0, -1):
            key = tuple(lower[at : at + length])
            names = lexicon.names.get(key, [])
            written = " ".join(tokens[at : at + length])
            sure = [name for name in names if not name.plain]
            fits = [name for name in names if name.plain and " ".join(_tokens(name.spelling)) == written]
            kind = lexicon.context.get(key)
            if sure or fits or kind:
                reading.read += (sure or fits)[:1]
                if kind and not sure:
                    reading.kinds[kind] += 1
                    if kind in ("strong", "medium"):
                        reading.terms.append(" ".join(key))
                step = length
                break
        at += step
    return reading


def names(text: str) -> set[str]:
    """Every project that a text may name, whether or not its words decide it."""
    reading = _read(text)
    unknown = set(reading.unknown_tickers)
    return {name.project.name for name in reading.read} | unknown


def promotion(text: str) -> int:
    """How many words of a text sell something or tell the reader to act."""
    return _read(text).kinds["promo"]


def news(text: str) -> int:
    """How many words of a text tell that something happened: "launches", "raised", "hacked"."""
    return _read(text).kinds["news"]


@cache
def tickers() -> dict[str, str]:
    """By its name, the ticker of every project in the lexicon, empty where it has none."""
    return {row["name"]: row["ticker"] for row in _rows("projects.csv")}


def sentences(text: str) -> list[str]:
    """The sentences of a text, without its links and without line breaks."""
    plain = _NOT_WORDS.sub(lambda m: m[0] if m[0].startswith("@") else " ", text)
    parts = (" ".join(part.split()).strip(" •-–—·|>*_") for part in _SENTENCE.split(plain))
    return [part for part in parts if part]


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, ended at a word and with an ellipsis if something is left out."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:–—-") + "…"


def _summary(text: str, named: Sequence[_Name]) -> str:
    """The post's own sentence that says most: it names a project, brings news or a figure, and sells nothing."""
    wanted = {name.project.name for name in named}

    def worth(at: int, sentence: str) -> tuple[int, int]:
        reading = _read(sentence)
        points = 3 * len({n.project.name for n in reading.read} & wanted)
        points += 2 * min(reading.kinds["news"], 2) + bool(_FIGURE.search(sentence))
        points += min(len(sentence) // 30, 2) - len(sentence) // 120 - 5 * reading.kinds["promo"]
        return points, -at

    found = sentences(text)
    if not found:
        return ""
    best = max(range(len(found)), key=lambda at: worth(at, found[at]))
    return shorten(found[best], MAX_SUMMARY)


def _score(text: str, reading: _Reading, named: Sequence[_Name]) -> int:
    """0 to 10: does it name projects, bring news and figures, is it long enough, and sells it nothing?"""
    points = 3 + min(len(named) - 1, 1)
    points += min(reading.kinds["news"], 3)
    points += bool(_FIGURE.search(text)) + (reading.context >= ENOUGH_CONTEXT) + (len(text) >= 80)
    points -= 3 * reading.kinds["promo"]
    return max(0, min(10, points))


def analyze(post: Post, max_keywords: int = 6) -> Analysis:
    """What the lexicon says of one post: projects, category, a sentence of its own, keywords, score."""
    reading = _read(post.text)
    named = reading.named()
    if not named:
        return Analysis(post_id=post.id, is_crypto=False, analyst="lexicon")
    names = [name.project.name.lower() for name in named]
    return Analysis(
        post_id=post.id,
        is_crypto=True,
        projects=tuple(name.project for name in named),
        category=named[0].category,
        summary=_summary(post.text, named),
        keywords=tuple(dict.fromkeys(names + reading.terms))[:max_keywords],
        score=_score(post.text, reading, named),
        analyst="lexicon",
    )
