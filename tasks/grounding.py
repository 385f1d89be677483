"""Whether a sentence says what a post says. Names, figures and words are compared, not meanings.

A sentence rests on a post if

- every figure in it stands in the post, however it is written ("$1.2B", "1.2 billion", "three");
- every name in it (a word with a capital or a digit; common words may begin a sentence) stands in the post;
- it says "not" where the post's nearest sentence does, and only there;
- it praises nothing that the post does not, and calls nothing the first or the largest;
- its names stand in the same order as there: who did what to whom is not turned round;
- what is certain in it ("will", "has launched") is not merely possible in the post ("could", "proposes");
- at least `ENOUGH` of its words of content stand in the post.

`ENOUGH` was chosen by measuring (`make bench`): sentences that say what a post says share most of their words with it,
those of another post nearly none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from blocks import lexicon
from blocks.records import Project
from tasks.language import Language, words_of

ENOUGH = 0.6
"""The share of a sentence's words of content that must stand in the post."""

_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_SCALE = re.compile(r"(\d)\s?(k|m|mm|mn|b|bn|t|tn|thousand|million|billion|trillion)\b", re.IGNORECASE)
_AMOUNT = re.compile(r"\d[\d.,]*(?:k|m|mm|mn|b|bn|t|tn)?", re.IGNORECASE)
_SCALES = {"k": "k", "m": "m", "b": "b", "t": "t"}
_TOKEN = re.compile(r"[^\W_]+(?:[.'’&/-][^\W_]+)*")
_CONTRACTED = re.compile(r"\b(\w+)n['’]t\b", re.IGNORECASE)
_MAYBE = frozenset(
    "could may might would should proposes proposed proposal propose proposing considers considering considered plans"
    " plan planned planning aims hopes expects expected rumored rumoured rumor reportedly alleged allegedly if"
    " testnet devnet potential potentially possibly vote voting votes draft exploring explores explore roadmap soon"
    " conditional conditionally targeted targets once".split()
)
_PRAISE = frozenset(
    "best superb leading leader revolutionary flawless impressive remarkable incredible amazing attractive undervalued"
    " cheap upside bullish exciting strongest safest smartest outstanding unmatched unrivaled unrivalled brilliant"
    " excellent promising powerful groundbreaking stunning finest elegant compelling opportunity worth poised dominant"
    " pioneering unstoppable exceptional ideal perfect superior visionary legendary must trusted innovative masterpiece"
    " first most fastest cheapest highest lowest largest biggest greatest record unprecedented".split()
)
_SUFFIXES = ("'s", "ing", "ies", "ied", "es", "ed", "ly", "s", "e", "y")


def stem(word: str) -> str:
    """A word without its ending, so that "launches" and "launched" are one."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word


def _content(text: str, language: Language) -> set[str]:
    return {stem(w) for w in words_of(text) if w not in language.common and w not in language.negations and len(w) > 1}


def _figures(text: str, language: Language) -> set[str]:
    """The figures of a text, each with its scale: "1,200" is "1200", "$1.20 billion" is "1.2b", "three" is "3"."""
    found = {language.numbers[word] for word in words_of(text) if word in language.numbers}
    plain = _SCALE.sub(lambda m: f"{m[1]}{_SCALES[m[2][0].lower()]}", text)
    for match in _FIGURE.finditer(plain):
        figure = match[0]
        if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", figure):
            figure = figure.replace(",", "")
        figure = figure.replace(",", ".").rstrip(".")
        if figure.count(".") == 1:
            figure = figure.rstrip("0").rstrip(".")
        after = plain[match.end() : match.end() + 1]
        word = plain[match.end() + 1 : match.end() + 2]
        found.add(figure + (after.lower() if after.lower() in _SCALES and not word.isalnum() else ""))
    return found


def _expanded(figures: Collection[str]) -> set[str]:
    """The figures, each in full too: "2k" is "2000"."""
    zeros = {"k": 3, "m": 6, "b": 9, "t": 12}
    out = set(figures)
    for figure in figures:
        if figure[-1:] in zeros and figure[:-1].replace(".", "", 1).isdigit():
            whole, _, rest = figure[:-1].partition(".")
            if len(rest) <= zeros[figure[-1]]:
                out.add((whole + rest.ljust(zeros[figure[-1]], "0")).lstrip("0"))
    return out


def _names(sentence: str, language: Language) -> Iterator[str]:
    """The words that name something: with a capital or a digit, no mere amounts. The first may be an ordinary one."""
    for at, match in enumerate(_TOKEN.finditer(sentence)):
        token = re.sub(r"['’]s$", "", match[0])
        inside = any(char.isupper() or char.isdigit() for char in token[1:])
        is_ordinary = at == 0 and (token.lower() in language.opens or token.lower() in language.numbers)
        is_word = any(char.isalpha() for char in token) and not _AMOUNT.fullmatch(token)
        if is_word and (inside or (token[0].isupper() and not is_ordinary)):
            yield token


def _clauses(text: str) -> list[str]:
    return lexicon.sentences(text) or [text]


def _negated(text: str, language: Language) -> bool:
    words = set(words_of(_CONTRACTED.sub(r"\1 not", text)))
    return not words.isdisjoint(language.negations)


def overlap(sentence: str, text: str, language: Language) -> float:
    """The share of a sentence's words of content that stand in a text, from 0 to 1."""
    words = _content(sentence, language)
    return len(words & _content(text, language)) / len(words) if words else 0.0


def nearest(sentence: str, text: str, language: Language) -> str:
    """The sentence of a text that shares most words with this one."""
    words = _content(sentence, language)
    return max(_clauses(text), key=lambda clause: len(words & _content(clause, language)))


def _strange_figure(sentence: str, text: str, language: Language) -> str:
    there = _expanded(_figures(text, language))
    strange = sorted(figure for figure in _figures(sentence, language) if _expanded({figure}).isdisjoint(there))
    return f"the figure {strange[0]} does not stand in the post" if strange else ""


def _strange_name(sentence: str, text: str, known: str, projects: Collection[Project], language: Language) -> str:
    there = {stem(token) for token in words_of(known)} | {token.lower() for token in _TOKEN.findall(known)}
    for name in _names(sentence, language):
        parts = [stem(part) for part in words_of(name)]
        if name.lower() not in there and not all(part in there for part in parts):
            return f"the name {name} does not stand in the post"
    invented = lexicon.names(sentence) - lexicon.names(text) - {project.name for project in projects}
    return f"the project {sorted(invented)[0]} does not stand in the post" if invented else ""


def _turned_round(sentence: str, near: str, language: Language) -> str:
    """Whether names of the post stand in another order. A passive that says the same is lost by it."""
    there = [re.sub(r"['’]s$", "", token).casefold() for token in _TOKEN.findall(near)]
    names = [name.casefold() for name in dict.fromkeys(_names(sentence, language)) if name.casefold() in there]
    places = [there.index(name) for name in names]
    return "the post has its names in another order" if places != sorted(places) else ""


def _strange_turn(sentence: str, text: str, near: str, language: Language) -> str:
    """Whether a sentence praises, denies or is sure where the post does not, is not."""
    words = words_of(sentence)
    praise = _PRAISE.intersection(words).difference(words_of(text))
    if praise:
        return f"the post does not say {sorted(praise)[0]!r}"
    if _negated(sentence, language) != _negated(near, language):
        return "one of them says not, and the other does not"
    if _MAYBE.isdisjoint(words) and not _MAYBE.isdisjoint(words_of(near)):
        return "what is only possible in the post is told as certain"
    return ""


def why_not(sentence: str, text: str, projects: Collection[Project], language: Language) -> str:
    """Why a sentence does not rest on a text, in a few words; empty if it does.

    Args:
        sentence: what somebody says that the text says.
        text: the post.
        projects: those that the post names, by whatever ticker or alias: their names count as standing there.
        language: the digest's.
    """
    known = " ".join([text, *(p.name for p in projects), *(p.ticker for p in projects)])
    near = nearest(sentence, text, language)
    problem = (
        _strange_figure(sentence, text, language)
        or _strange_name(sentence, text, known, projects, language)
        or _strange_turn(sentence, text, near, language)
        or _turned_round(sentence, near, language)
    )
    if problem:
        return problem
    share = overlap(sentence, known, language)
    return "" if share >= ENOUGH else f"it shares {share:.0%} of its words with the post"
