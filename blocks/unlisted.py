"""The names of projects that no list has: how they are coined, and where in a sentence they stand.

All of it only counts in a text that is about crypto beyond that name: `lexicon.py` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Set

_CAMEL = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]+)+|[A-Z][a-z]{3,}[A-Z]{1,4}")
_DOMAIN = re.compile(r"[A-Z0-9][A-Za-z0-9]*\.(?:cash|fi|finance|xyz|io|eth|money|markets|exchange|trade|wtf|FI|IO)")
_NOUNS = {"protocol", "finance", "network", "dao", "labs", "chain", "wallet"}
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
_NO_NAMES = set(
    "a an the this that these those it its he she we you they i there here what who which how why when where our my "
    "your his her their one each every some any all no not as in on at by for from with and or but if so then now "
    "today yesterday tomorrow monday tuesday wednesday thursday friday saturday sunday new another us "
    "google yahoo apple samsung microsoft amazon meta digital personal public behavioral initial".split()
)

# What is coined like a project's name and is none: "ASICs", "LedgerJS", "FrameTx", "Lyra2REv2".
_THING = re.compile(r"[A-Z]{2,}s|\w+(?:JS|Tx|SDK|API|Pair|Kit|Lib|RPC|CLI|Bench|v\d)")
_THING_BEHIND = set("toolkit library hook sdk compiler language framework algorithm upgrade hardfork standard".split())
_CAPITAL_BEFORE = re.compile(r"\b[A-Z]\w* $")
_TOOL = re.compile(
    r"\b(?P<tool>[A-Z]\w{1,24})(?: \w{1,24}){0,2}(?: v?\d[\d.]{0,9})? "
    r"\((?:[a-z.]{1,12} )?(?:library|language|framework|toolkit|compiler|course|benchmark|SDK)\)"
)

# A name of one word with a small letter in it, so that "API", "CEO" and "P2P" are none; bounded, so that it is read in
# linear time.
_WORD = r"\b(?=[A-Z0-9]{1,9}[a-z])[A-Z][A-Za-z0-9]{1,24}\b"
_DOES = (
    r"(?:(?:has |have |had |is |are |was )?(?:now |also |recently |officially |just )?(?:launch|deploy|integrat|unveil"
    r"|rais|introduc|releas|migrat|list|announc|upgrad|partner|enabl|acquir|expand)(?:e|es|s|ed|d|ing|ting)?"
    r"|goes live|went live|is (?:now )?live|rolls out|rolled out|joins|joined|ships|shipped|brings|brought)"
)
_TRADE = (
    r"(?:protocol|DAO|DEX|AMM|DApp|dApp|tokens?|mainnet|validators?|stakers|vaults?|pools?|[vV][1-9](?:\.\d+)?|chain"
    r"|blockchain|rollup|parachain|sidechain|subnet|appchain|wallet|bridge|stablecoin|holders|marketplace|NFTs?"
    r"|airdrop|liquidity|staking|LPs)"
)
_PLACED = re.compile(
    # "Xyz launches", at the beginning of a clause
    rf"(?:^|[.!?:;\n•] ?)(?P<does>{_WORD})(?:,[^,.]{{1,40}},)? (?={_DOES}\b)"
    # "Xyz (wallet): ..."
    rf"|^(?P<heading>{_WORD})(?= ?\((?:[a-z]+ )?(?:{_KIND}|app|game|lending|staking|payments)\))"
    # "the Xyz protocol", "Xyz's validators"
    rf"|(?<=[a-z,] )(?P<trade>{_WORD})(?=(?:['’]s)? {_TRADE}\b)"
    # "deployed on Xyz"
    r"|\b(?:live|deployed|launch(?:ed|es|ing)?|built|available|listed|traded?|trading|staked|bridged|integrat\w{1,4}"
    r"|partner\w{0,8}|swap\w{0,4}|lending|borrow\w{0,3}) (?:on|to|via|with|by|through) "
    rf"(?P<there>{_WORD})(?! [A-Z])",
    re.MULTILINE,
)


def explained(text: str) -> set[str]:
    """The names of which a text says that they are a chain, an exchange, a wallet, whatever they look like."""
    found = (match["subject"] or match["named"] for match in _EXPLAINED.finditer(text))
    return {name for name in found if name.split()[0].lower() not in _NO_NAMES}


def coined(word: str, noun: str, explained: Set[str], *, pair: bool, title: bool) -> str:
    """The name that a word, or it and the one behind it, is if it is coined as projects coin theirs; else empty.

    Empty too for what is coined so and is a thing: a library, an algorithm, the plural of an acronym.

    In a `title` every word has a capital: it says nothing there. `pair`: the two words may be one name.
    """
    two = f"{word} {noun}"
    if _THING.fullmatch(word) or noun.lower() in _THING_BEHIND:
        return ""
    if (pair and two in explained) or (
        word[0].isupper()
        and noun[:1].isupper()
        and noun.lower() in _NOUNS
        and not title
        and word.lower() not in _NO_NAMES
    ):
        return two
    return word if _CAMEL.fullmatch(word) or _DOMAIN.fullmatch(word) or word in explained else ""


def placed(text: str) -> set[str]:
    """The words with a capital that stand where the names of projects stand: before "launches", behind "live on".

    The last word of a longer name is none: "Privacy Boost V2".
    """
    found: set[str] = set()
    for match in _PLACED.finditer(text):
        before = text[max(0, match.start() - 30) : match.start()]
        if not (match["trade"] and _CAPITAL_BEFORE.search(before)):
            found |= {word for word in match.groups() if word and not _THING.fullmatch(word)}
    return {word for word in found if word.lower() not in _NO_NAMES}


def tools(text: str) -> set[str]:
    """The words of which a text says that they are a library, a language, a course: no project of that name."""
    return {match["tool"] for match in _TOOL.finditer(text)}
