"""The rules by which text alone tells which crypto projects a post is about. No network, no clock.

The words are data: `data/projects.csv` (names, tickers, which of them are ordinary words) and
`data/context.csv` (words that belong to crypto, to news, to promotion, to the stock market).

Precision comes first. A project counts as named by
- its cashtag ("$NEAR"), unless that is a stock's ticker too;
- a name that nobody uses for anything else ("Chainlink", "NEAR Protocol"), in any case, or only as the project
  writes it ("Aave") or all in capitals;
- a name that is an ordinary word too ("Base", "Render"): only written as the project writes it, and only
  where other words of the post belong to crypto, or the project's bare ticker stands there too ("Optimism
  … 30M OP"); in the middle of a clause, where nothing but a name has a capital, one such word is enough;
- its ticker without the dollar sign, in capitals: only where other words belong to crypto; one of two letters
  only behind a figure ("30M OP") or beside another;
- a cashtag that the lexicon does not know: only where other words belong to crypto, and not to stocks;
- a name that it does not know, if it is coined as projects coin theirs ("TamaSwap", "Purse.io", "Chaos Labs"):
  only where other words belong to crypto.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from blocks.records import Analysis, Post, Project

ENOUGH_CONTEXT = 2
"""Points of crypto words that an ambiguous name needs: a strong word is worth 2, a project that is beyond doubt
and a medium word 1. One or two medium words alone ("protocol", "bridge") are not enough: other trades have them too."""

ENOUGH_MEDIUM = 3
"""Medium words that are enough without anything else."""

MAX_SUMMARY = 200

# A cashtag; a word of Latin letters (so that "ASTRの" is two words); a word of any other script.
_LATIN = r"[A-Za-z0-9\u00c0-\u024f]+"
_TOKEN = re.compile(rf"(?<![\w$])\$[A-Za-z][A-Za-z0-9]{{1,9}}\b|{_LATIN}(?:[.\-'’&]{_LATIN})*|[^\W_]+")
_NOT_WORDS = re.compile(r"https?://\S+|(?<!\w)@\w+", re.IGNORECASE)
# Some names begin small: "stETH", "dYdX".
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[\"'“$#]?(?:[A-Z0-9]|[a-z]{1,2}[A-Z]))|\n+")
_FIGURE = re.compile(r"[$€£]\s?\d|\d\s?%|\b\d+(?:[.,]\d+)?\s?(?:[kKmMbB]\b|million|billion)")
_POSSESSIVE = re.compile(r"['’]s$")
_CAMEL = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]+)+|[A-Z][a-z]{3,}[A-Z]{1,4}")
_DOMAIN = re.compile(r"[A-Z0-9][A-Za-z0-9]*\.(?:cash|fi|finance|xyz|io|eth|money|markets|exchange|trade|wtf|FI|IO)")
_KIND = (
    r"(?:block|side|app)?chain|protocol|rollup|[Ll]ayer[ -][12]|L[12]|DEX|exchange|wallet|stablecoin|memecoin|token"
    r"|cryptocurrency|crypto\w+|bridge|oracle|marketplace|DAO|platform|application|launchpad|aggregator|primitive"
)
_PROPER = r"[A-Z][\w]*(?:\.\w+)?(?: [A-Z]\w*)?"
_EXPLAINED = re.compile(
    rf"(?:^|[.!?:]\s+)(?P<subject>{_PROPER})(?: \([^)]*\))?(?:,| (?:is|was)) (?:an?|the) [^.!?]{{0,60}}?\b(?:{_KIND})\b"
    rf"|\b(?:DEX|exchange|bridge|wallet|stablecoin|memecoin|rollup|protocol) (?P<named>{_PROPER})",
    re.MULTILINE,
)
_LOSS = re.compile(
    r"\$\d[\d.,]*\s?(?:[kKmMbB]\b|million|billion)?\+? (?:exploit|hack|rug)\b"
    r"|\b(?:exploited|drained|hacked) (?:for|of) (?:over |about |around |~)?\$\d",
)
_STANDARD = re.compile(r"(?:[A-Z]{1,4}IP|ERC|BEP|BOLT)-?\d+")
_NO_NAMES = set(
    "a an the this that these those it its he she we you they i there here what who which how why when where our my "
    "your his her their one each every some any all no not as in on at by for from with and or but if so then now "
    "today yesterday tomorrow monday tuesday wednesday thursday friday saturday sunday new another us".split()
)
_NOUNS = {"protocol", "finance", "network", "dao", "labs", "chain", "wallet"}


@dataclass(frozen=True, slots=True)
class _Name:
    """One way to write a project: `plain` if it needs other evidence, `exact` if it counts in this spelling only."""

    project: Project
    category: str
    spelling: str
    plain: bool
    exact: bool
    coined: bool = False
    doubtful: bool = False

    @property
    def bare(self) -> bool:
        """Whether this is but the ticker."""
        return self.spelling == self.project.ticker

    def fits(self, written: str, *, shouted: bool) -> bool:
        """Whether the words as they stand may be this name: in its own spelling, or all in capitals."""
        spelling = " ".join(_tokens(self.spelling))
        return (
            not self.exact or written == spelling or (len(written) > 3 and written == spelling.upper() and not shouted)
        )


@dataclass(frozen=True, slots=True)
class _Lexicon:
    names: dict[tuple[str, ...], list[_Name]] = field(default_factory=dict)
    tickers: dict[str, _Name] = field(default_factory=dict)
    bare: dict[str, _Name] = field(default_factory=dict)
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
        mark = row["plain_word"]
        spellings = [_Name(project, row["category"], row["name"], mark == "1", mark != "0")]
        for kind, plain in (("aliases", False), ("short", True)):
            for other in filter(None, row[kind].split("|")):
                exact = plain or other.startswith("=")
                spellings.append(_Name(project, row["category"], other.removeprefix("="), plain, exact))
        for name in spellings:
            key = _key(name.spelling)
            lexicon.names.setdefault(key, []).append(name)
            if len(key) > 2:
                lexicon.names.setdefault((*key[:-2], "-".join(key[-2:])), []).append(
                    replace(name, spelling=f"{name.spelling.rpartition(' ')[0]}-{name.spelling.rpartition(' ')[2]}")
                )
        if ticker := row["ticker"]:
            sure = _Name(project, row["category"], ticker, row["ticker_plain"] == "1", False)
            lexicon.tickers.setdefault(ticker.lower(), sure)
            doubtful = row["ticker_plain"] != "0"
            lexicon.bare.setdefault(ticker, _Name(project, row["category"], ticker, True, True, doubtful=doubtful))
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
    inside: set[str] = field(default_factory=set)
    """The projects whose name stands elsewhere than where every word has a capital."""

    @property
    def certain(self) -> list[_Name]:
        return [name for name in self.read if not name.plain]

    @property
    def context(self) -> int:
        certain = {name.project.name for name in self.certain}
        others = {name.project.name for name in self.read if name.plain and not name.doubtful} - certain
        company = any(name.bare for name in self.read if name.project.name in others) or len(others) > 1
        return 2 * self.kinds["strong"] + min(self.kinds["medium"], 3) + len(certain) + company

    def named(self) -> list[_Name]:
        """The names that count, each project once, in the order in which they stand."""
        beyond_doubt = self.kinds["strong"] or self.certain
        enough = (bool(beyond_doubt) and self.context >= ENOUGH_CONTEXT) or self.kinds["medium"] >= ENOUGH_MEDIUM
        with_ticker = [n for n in self.read if not n.bare and n.project.ticker in self.capitals]
        likely = self.inside if self.kinds["medium"] else set()
        counted = [
            n
            for n in self.read
            if not n.plain
            or enough
            or (not n.coined and (n in with_ticker or (not n.bare and n.project.name in likely)))
        ]
        if enough and self.kinds["strong"]:
            counted += [_Name(Project(t, t), "Token", t, True, True) for t in self.unknown_tickers]
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


def _bare_ticker(tokens: list[str], at: int) -> list[_Name]:
    """The project whose ticker a word in capitals is; one that means something else too needs a figure before it."""
    name = _lexicon().bare.get(tokens[at])
    if not name:
        return []
    before = tokens[max(0, at - 2) : at]
    if before[-1:] == ["of"]:
        before.pop()
    behind_a_figure = bool(before) and before[-1][0].isdigit()
    among_others = any(token in _lexicon().bare for token in [*before[-1:], *tokens[at + 1 : at + 2]])
    return [name] if behind_a_figure or among_others or len(tokens[at]) > 2 else []


def _explained(text: str) -> set[str]:
    """The names of which a text says that they are a chain, an exchange, a wallet, whatever they look like."""
    found = (match["subject"] or match["named"] for match in _EXPLAINED.finditer(text))
    return {" ".join(_tokens(name)) for name in found if name.split()[0].lower() not in _NO_NAMES}


def _coined(tokens: list[str], at: int, explained: set[str], *, title: bool) -> tuple[list[_Name], int]:
    """A name that the lexicon does not know, coined as projects coin theirs, and of how many words it is.

    In a `title` every word has a capital: it says nothing there.
    """
    lexicon, token = _lexicon(), tokens[at]
    noun = tokens[at + 1] if at + 1 < len(tokens) else ""
    two = f"{token} {noun}"
    if (token.lower(),) in lexicon.context:
        return [], 1
    if (two in explained and (noun.lower(),) not in lexicon.context) or (
        token[0].isupper() and noun[:1].isupper() and noun.lower() in _NOUNS and not title
    ):
        found, step = two, 2
    elif _CAMEL.fullmatch(token) or _DOMAIN.fullmatch(token) or token in explained:
        found, step = token, 1
    else:
        return [], 1
    return [_Name(Project(found, ""), "Other", found, True, True, True)], step


def _one(tokens: list[str], lower: list[str], at: int, length: int, *, shouted: bool) -> tuple[list[_Name], str | None]:
    """What some words are: the name that they write, if any, and the kind of term."""
    lexicon, key = _lexicon(), tuple(lower[at : at + length])
    kind = "strong" if length == 1 and _STANDARD.fullmatch(tokens[at]) else lexicon.context.get(key)
    known = lexicon.names.get(key)
    if not known and length == 1 and tokens[at].endswith("DAO"):
        known = lexicon.names.get((lower[at][:-3],))
        tokens = [tokens[at][:-3]]
        at = 0
    if not known:
        return [], kind
    written = " ".join(tokens[at : at + length])
    names = [name for name in known if name.fits(written, shouted=shouted)]
    sure = [name for name in names if not name.plain]
    return (sure or names)[:1], kind


def _read(text: str) -> _Reading:
    lexicon, reading = _lexicon(), _Reading()
    tokens = _tokens(_NOT_WORDS.sub(" ", text))
    lower = [token.lower() for token in tokens]
    reading.capitals = {token for token in tokens if token.isupper()}
    explained = _explained(text)
    reading.kinds["strong"] += bool(_LOSS.search(text))
    title = sum(token[0].isupper() for token in tokens) > 0.7 * len(tokens) > 4
    shouted = 2 * sum(token.isupper() for token in tokens if len(token) > 1) > len(tokens)
    clauses = (clause for sentence in sentences(text) for clause in re.split("[;:]", sentence))
    starts = {words[0] for clause in clauses if (words := _tokens(clause))}
    at = 0
    while at < len(tokens):
        if tokens[at].startswith("$"):
            _cashtag(tokens[at], reading)
            at += 1
            continue
        step = 1
        for length in range(min(lexicon.longest, len(tokens) - at), 0, -1):
            found, kind = _one(tokens, lower, at, length, shouted=shouted)
            if found or kind:
                reading.read += found
                if found and not title and not shouted and tokens[at] not in starts:
                    reading.inside.add(found[0].project.name)
                if kind and not (found and not found[0].plain):
                    reading.kinds[kind] += 1
                    if kind in ("strong", "medium"):
                        reading.terms.append(" ".join(lower[at : at + length]))
                step = length
                break
        else:
            parts = tokens[at].split("-")
            ticker = [] if shouted else _bare_ticker(tokens, at)
            if ticker:
                reading.read += ticker
            elif len(parts) > 1:
                small = [part.lower() for part in parts]
                for place, part in enumerate(parts):
                    found, kind = _one(parts, small, place, 1, shouted=shouted)
                    reading.read += found if place == 0 or part[:1].isupper() else []
                    reading.kinds[kind or ""] += 1
            else:
                coined, step = _coined(tokens, at, explained, title=title)
                reading.read += coined
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
        points += 2 * min(reading.kinds["news"], 2) + any(char.isdigit() for char in sentence)
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
