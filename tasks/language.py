"""The languages in which a digest can be written: its own words, and the words by which a sentence is judged.

The words are data: `data/languages.toml`. To add a language is to add a section there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case, without figures."""
    return _WORD.findall(text.lower().replace("’", "'"))


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `common` are the words by which it is known, `headline` holds {day} and {month}."""

    code: str
    name: str
    headline: str
    also: str
    months: tuple[str, ...]
    common: frozenset[str]
    opens: frozenset[str]
    """Words that begin a sentence with a capital and name nothing; the common ones are among them."""

    numbers: Mapping[str, str]
    """Small numbers as words, and their figures."""

    negations: frozenset[str]
    promotion: frozenset[str]
    spoken_to: re.Pattern[str]
    call: re.Pattern[str]
    speaks: re.Pattern[str]
    """Words of who speaks of himself."""

    leans: re.Pattern[str]
    """The beginning of a sentence that goes on from the one before it."""

    def is_of(self, text: str) -> bool:
        """Whether a text reads as this language, and as no other one more."""
        words = words_of(text)
        mine = sum(word in self.common for word in words)
        others = (language for code, language in languages().items() if code != self.code)
        return mine * 8 >= len(words) > 0 and all(
            sum(word in other.common for word in words) <= mine for other in others
        )

    def headed(self, day: date, own: str = "") -> str:
        """The headline of a day: the team's own, or this language's."""
        pattern = own or self.headline
        return pattern.replace("{day}", str(day.day)).replace("{month}", self.months[day.month - 1])


@cache
def languages() -> dict[str, Language]:
    """All languages by their code."""
    text = (files("tasks") / "data" / "languages.toml").read_text(encoding="utf-8")
    return {code: _language(code, section) for code, section in tomllib.loads(text).items()}


def _any_of(words: str) -> str:
    return "|".join(map(re.escape, words.split()))


def _language(code: str, section: dict[str, str]) -> Language:
    return Language(
        code=code,
        name=section["name"],
        headline=section["headline"],
        also=section["also"],
        months=tuple(section["months"]),
        common=frozenset(section["words"].split()),
        opens=frozenset(f"{section['words']} {section['opens']}".split()),
        numbers={word: str(number) for number, word in enumerate(section["numbers"].split(), start=2)},
        negations=frozenset(section["negations"].split()),
        promotion=frozenset(section["promotion"].split()),
        spoken_to=re.compile(rf"\b(?:{_any_of(section['spoken_to'])})\b", re.IGNORECASE),
        call=re.compile(
            rf"(?:^|[,.;:!?–—-]\s*|\b(?:and|then|now|please|just|or|to|und|oder|bitte|y|o|et|ou)\s+)"
            rf"(?:{_any_of(section['calls'])})\b",
            re.IGNORECASE,
        ),
        # "US" is a country.
        speaks=re.compile(rf"\b(?:{_any_of(section['speaks'])}|{_any_of(section['speaks'].title())})\b"),
        leans=re.compile(rf"(?:{_any_of(section['leans'])})\b(?!-)", re.IGNORECASE),
    )
