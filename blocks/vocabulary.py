"""The words that the lexicon knows, read from `data/projects.csv` and `data/context.csv`, and what a word is."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from blocks.records import Project

# A cashtag; a word of Latin letters (so that "ASTRの" is two words); a word of any other script.
_LATIN = r"[A-Za-z0-9\u00c0-\u024f]+"
TOKEN = re.compile(rf"(?<![\w$])\$[A-Za-z][A-Za-z0-9]{{1,9}}\b|{_LATIN}(?:[.\-'’&]{_LATIN})*|[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s$")


@dataclass(frozen=True, slots=True)
class Name:
    """One way to write a project: `plain` if it needs other evidence, `exact` if it counts in this spelling only."""

    project: Project
    category: str
    spelling: str
    plain: bool
    exact: bool
    coined: bool = False
    guessed: bool = False
    doubtful: bool = False

    @property
    def bare(self) -> bool:
        """Whether this is but the ticker."""
        return self.spelling == self.project.ticker

    def fits(self, written: str, *, shouted: bool) -> bool:
        """Whether the words as they stand may be this name: in its own spelling, or all in capitals."""
        spelling = " ".join(tokens_of(self.spelling))
        return (
            not self.exact or written == spelling or (len(written) > 3 and written == spelling.upper() and not shouted)
        )


@dataclass(frozen=True, slots=True)
class Vocabulary:
    names: dict[tuple[str, ...], list[Name]] = field(default_factory=dict)
    tickers: dict[str, Name] = field(default_factory=dict)
    bare: dict[str, Name] = field(default_factory=dict)
    context: dict[tuple[str, ...], str] = field(default_factory=dict)
    stocks: set[str] = field(default_factory=set)
    longest: int = 5


def rows_of(name: str) -> list[dict[str, str]]:
    text = (files("blocks") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def tokens_of(text: str) -> list[str]:
    return [_POSSESSIVE.sub("", token) for token in TOKEN.findall(text)]


def key_of(text: str) -> tuple[str, ...]:
    return tuple(token.lower() for token in tokens_of(text))


@cache
def vocabulary() -> Vocabulary:
    known = Vocabulary()
    for row in rows_of("projects.csv"):
        project = Project(row["name"], row["ticker"])
        mark = row["plain_word"]
        spellings = [Name(project, row["category"], row["name"], mark == "1", mark != "0")]
        for kind, plain in (("aliases", False), ("short", True)):
            for other in filter(None, row[kind].split("|")):
                exact = plain or other.startswith("=")
                spellings.append(Name(project, row["category"], other.removeprefix("="), plain, exact))
        for name in spellings:
            key = key_of(name.spelling)
            known.names.setdefault(key, []).append(name)
            if len(key) > 2:
                known.names.setdefault((*key[:-2], "-".join(key[-2:])), []).append(
                    replace(name, spelling=f"{name.spelling.rpartition(' ')[0]}-{name.spelling.rpartition(' ')[2]}")
                )
        if ticker := row["ticker"]:
            sure = Name(project, row["category"], ticker, row["ticker_plain"] == "1", False)
            known.tickers.setdefault(ticker.lower(), sure)
            doubtful = row["ticker_plain"] != "0"
            known.bare.setdefault(ticker, Name(project, row["category"], ticker, True, True, doubtful=doubtful))
    for row in rows_of("context.csv"):
        if row["kind"] == "stock":
            known.stocks.add(row["term"].removeprefix("$"))
        else:
            known.context[key_of(row["term"])] = row["kind"]
    return known
