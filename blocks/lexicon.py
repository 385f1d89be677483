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
  only where other words belong to crypto; one that is not coined so only where a project's name stands ("live on
  Meter", "Kanpeki launched"): `unlisted.py` tells how and where.

What speaks for a name that is an ordinary word, besides: a capital within a clause beside a weak word of the trade or a
project beyond doubt, a word behind it that goes with projects ("Sushi governance"), a neighbour beyond doubt ("Dharma
and Uniswap"). What speaks against it: it is a part of a longer name ("Anthony Towns").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from blocks import unlisted
from blocks.records import Analysis, Post, Project
from blocks.vocabulary import TOKEN, Name, rows_of, tokens_of, vocabulary

ENOUGH_CONTEXT = 2
"""Points of crypto words that an ambiguous name needs: a strong word is worth 2, a project that is beyond doubt
and a medium word 1. One or two medium words alone ("protocol", "bridge") are not enough: other trades have them too."""

ENOUGH_MEDIUM = 3
"""Medium words that are enough without anything else."""

MAX_SUMMARY = 200

_NOT_WORDS = re.compile(r"https?://\S+|(?<!\w)@\w+", re.IGNORECASE)
# Some names begin small: "stETH", "dYdX".
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[\"'“$#]?(?:[A-Z0-9]|[a-z]{1,2}[A-Z]))|\n+")
_FIGURE = re.compile(r"[$€£]\s?\d|\d\s?%|\b\d+(?:[.,]\d+)?\s?(?:[kKmMbB]\b|million|billion)")
# What stands behind a project's name, and seldom behind the same word elsewhere: "Sushi governance", "Base mainnet".
_BESIDE = set(
    "protocol dao mainnet testnet devnet token tokens validators stakers holders tokenholders v2 v3 v4 ecosystem "
    "governance vaults pools lps blockchain foundation developers devs labs chain rollup dapp dapps defi nft nfts "
    "staking wallet wallets users community treasury delegates contributors".split()
)
_LOSS = re.compile(
    r"\$\d[\d.,]*\s?(?:[kKmMbB]\b|million|billion)?\+? (?:exploit|hack|rug)\b"
    r"|\b(?:exploited|drained|hacked) (?:for|of) (?:over |about |around |~)?\$?\d",
)
_STANDARD = re.compile(r"(?:[A-Z]{1,4}IP|ERC|BEP|BOLT)-?\d+")


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one text, and how they stand."""

    tokens: list[str]
    lower: list[str]
    joined: list[bool]
    """For every word, whether only a space stands between it and the next: no comma, no colon."""
    starts: set[str]
    """The words with which a clause begins."""
    title: bool
    """Whether nearly every word has a capital, so that a capital says nothing."""
    shouted: bool
    explained: set[str]
    placed: set[str]
    tools: set[str]
    """The words of which the text says that they are a library or the like."""

    def before_the_trade(self, at: int) -> bool:
        return at < len(self.lower) and self.lower[at] in _BESIDE


@dataclass(slots=True)
class _Reading:
    """What the words of one text are: names as they stand, and how many words of each kind."""

    read: list[Name] = field(default_factory=list)
    unknown_tickers: list[str] = field(default_factory=list)
    capitals: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    terms: list[str] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)
    """The projects whose name stands elsewhere than where every word has a capital."""
    beside: set[str] = field(default_factory=set)
    """The projects whose name stands before a word of the trade: "Sushi governance"."""
    listed: set[str] = field(default_factory=set)
    """The projects whose name stands beside one that is beyond doubt: "Dharma and Uniswap"."""
    last: Name | None = None
    behind: int = 0
    """The name before, and where it ends."""

    def place(self, name: Name, at: int, length: int, words: _Words) -> None:
        """Note what the place of a name says for it: between which words it stands."""
        project = name.project.name
        beside = words.lower[self.behind : at] in ([], ["and"], ["or"])
        if self.last and beside and not (self.last.plain and name.plain):
            self.listed |= {self.last.project.name, project}
        self.last, self.behind = name, at + length
        if not words.shouted:
            capital = any(char.isupper() for char in words.tokens[at])
            self.inside |= {project} if capital and words.tokens[at] not in words.starts else set()
            self.beside |= {project} if words.before_the_trade(at + length) else set()

    @property
    def certain(self) -> list[Name]:
        return [name for name in self.read if not name.plain]

    @property
    def context(self) -> int:
        certain = {name.project.name for name in self.certain}
        others = {name.project.name for name in self.read if name.plain and not name.doubtful} - certain
        company = any(name.bare for name in self.read if name.project.name in others) or len(others) > 1
        return 2 * self.kinds["strong"] + min(self.kinds["medium"], 3) + len(certain) + company

    def named(self) -> list[Name]:
        """The names that count, each project once, in the order in which they stand."""
        beyond_doubt = self.kinds["strong"] or self.certain
        context = self.context + (self.kinds["weak"] > 0)
        enough = (bool(beyond_doubt) and context >= ENOUGH_CONTEXT) or self.kinds["medium"] >= ENOUGH_MEDIUM
        with_ticker = [n for n in self.read if not n.bare and n.project.ticker in self.capitals]
        hints = self.kinds["medium"] + self.kinds["weak"] + len(self.certain)
        likely = self.inside if hints else self.inside & self.beside
        if self.certain:
            likely = likely | self.beside | self.listed
        counted = [
            n
            for n in self.read
            if not n.plain
            or enough
            or (not n.coined and (n in with_ticker or (n.project.name in likely and not n.doubtful)))
        ]
        if enough and self.kinds["strong"]:
            counted += [Name(Project(t, t), "Token", t, True, True) for t in self.unknown_tickers]
        unique: dict[str, Name] = {}
        for name in counted:
            unique.setdefault(name.project.name, name)
        return list(unique.values())


def _cashtag(token: str, reading: _Reading) -> None:
    lexicon = vocabulary()
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


def _bare_ticker(tokens: list[str], at: int) -> list[Name]:
    """The project whose ticker a word in capitals is; one that means something else too needs a figure before it."""
    name = vocabulary().bare.get(tokens[at])
    if not name:
        return []
    before = tokens[max(0, at - 2) : at]
    if before[-1:] == ["of"]:
        before.pop()
    behind_a_figure = bool(before) and before[-1][0].isdigit()
    among_others = any(token in vocabulary().bare for token in [*before[-1:], *tokens[at + 1 : at + 2]])
    return [name] if behind_a_figure or among_others or len(tokens[at]) > 2 else []


def _coined(words: _Words, at: int) -> tuple[list[Name], int]:
    """A name that the lexicon does not know, coined or placed as projects' names are, and of how many words it is."""
    token, context = words.tokens[at], vocabulary().context
    if (token.lower(),) in context or token in words.tools:
        return [], 1
    noun = words.tokens[at + 1] if at + 1 < len(words.tokens) else ""
    pair = (noun.lower(),) not in context
    found = unlisted.coined(token, noun, words.explained, pair=pair, title=words.title)
    guessed = not found and token in words.placed and not words.title
    if found or guessed:
        name = found or token
        return [Name(Project(name, ""), "Other", name, True, True, coined=True, guessed=guessed)], 1 + name.count(" ")
    return [], 1


def _one(tokens: list[str], lower: list[str], at: int, length: int, *, shouted: bool) -> tuple[list[Name], str | None]:
    """What some words are: the name that they write, if any, and the kind of term."""
    lexicon, key = vocabulary(), tuple(lower[at : at + length])
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


def _part_of_a_name(words: _Words, at: int, name: Name) -> bool:
    """Whether a word stands in a longer name that is none of a project: "Anthony Towns", "Core Team", "Gas Station"."""

    def strange(token: str) -> bool:
        known = (token.lower(),) in vocabulary().names or (token.lower(),) in vocabulary().context
        return token.istitle() and not known and token.lower() not in _BESIDE

    before = words.tokens[at - 1] if at else ""
    nickname = name.spelling != name.project.name
    return (bool(before) and words.joined[at - 1] and before not in words.starts and strange(before)) or (
        nickname and words.joined[at] and strange(words.tokens[at + 1])
    )


def _words(text: str) -> _Words:
    plain = _NOT_WORDS.sub(" ", text)
    tokens, between = tokens_of(plain), pairwise(TOKEN.finditer(plain))
    clauses = (clause for sentence in sentences(text) for clause in re.split("[;:]", sentence))
    return _Words(
        tokens=tokens,
        lower=[token.lower() for token in tokens],
        joined=[plain[one.end() : other.start()] == " " for one, other in between] + [False],
        starts={words[0] for clause in clauses if (words := tokens_of(clause))},
        title=sum(token[0].isupper() for token in tokens) > 0.7 * len(tokens) > 4,
        shouted=2 * sum(token.isupper() for token in tokens if len(token) > 1) > len(tokens),
        explained=unlisted.explained(plain),
        placed=unlisted.placed(plain),
        tools=unlisted.tools(plain),
    )


def _read_unlisted(words: _Words, at: int, reading: _Reading) -> int:
    """Read a word that is neither name nor term as it stands: a ticker, a compound, a coined name. Gives its words."""
    token, parts = words.tokens[at], words.tokens[at].split("-")
    if ticker := [] if words.shouted else _bare_ticker(words.tokens, at):
        reading.read += ticker
        if not ticker[0].doubtful and not words.title:
            project = ticker[0].project.name
            reading.inside.add(project)
            if (at and words.tokens[at - 1][0].isdigit()) or words.before_the_trade(at + 1):
                reading.beside.add(project)
    elif len(parts) > 1:
        small = [part.lower() for part in parts]
        for place, part in enumerate(parts):
            found, kind = _one(parts, small, place, 1, shouted=words.shouted)
            reading.read += found if place == 0 or part[:1].isupper() else []
            reading.kinds[kind or ""] += 1
    elif token:
        coined, step = _coined(words, at)
        reading.read += coined
        return step
    return 1


def _read(text: str) -> _Reading:
    lexicon, reading, words = vocabulary(), _Reading(), _words(text)
    tokens, lower = words.tokens, words.lower
    reading.capitals = {token for token in tokens if token.isupper()}
    reading.kinds["strong"] += bool(_LOSS.search(text))
    at = 0
    while at < len(tokens):
        if tokens[at].startswith("$"):
            _cashtag(tokens[at], reading)
            at += 1
            continue
        for length in range(min(lexicon.longest, len(tokens) - at), 0, -1):
            found, kind = _one(tokens, lower, at, length, shouted=words.shouted)
            if length == 1 and found and found[0].plain and _part_of_a_name(words, at, found[0]):
                found = []
            if found or kind:
                reading.read += found
                if found and not words.title:
                    reading.place(found[0], at, length, words)
                if kind and not (found and not found[0].plain):
                    reading.kinds[kind] += 1
                    if kind in ("strong", "medium"):
                        reading.terms.append(" ".join(lower[at : at + length]))
                at += length
                break
        else:
            at += _read_unlisted(words, at, reading)
    return reading


def names(text: str) -> set[str]:
    """Every project that a text may name, whether or not its words decide it; not those only guessed by their place."""
    reading = _read(text)
    unknown = set(reading.unknown_tickers)
    return {name.project.name for name in reading.read if not name.guessed} | unknown


def promotion(text: str) -> int:
    """How many words of a text sell something or tell the reader to act."""
    return _read(text).kinds["promo"]


def news(text: str) -> int:
    """How many words of a text tell that something happened: "launches", "raised", "hacked"."""
    return _read(text).kinds["news"]


@cache
def tickers() -> dict[str, str]:
    """By its name, the ticker of every project in the lexicon, empty where it has none."""
    return {row["name"]: row["ticker"] for row in rows_of("projects.csv")}


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


def _summary(text: str, named: Sequence[Name]) -> str:
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


def _score(text: str, reading: _Reading, named: Sequence[Name]) -> int:
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
