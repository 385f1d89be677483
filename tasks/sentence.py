"""Which of a post's own sentences may stand in the digest, and in which form.

Everything here was written by people we do not know, so the rule says what is allowed, not what is forbidden:

- characters: Latin letters, digits, and the punctuation of plain prose. Nothing invisible, combining, or from
  another script. Pictures and paired markup go; cashtags and hashtags at the start of a word lose their sign;
- punctuation stands as prose has it: after a word and before a space, or between digits. That leaves no form of
  a link, a mail address or a domain name;
- no word is long enough to be an address of any chain, no number long enough to be a telephone's;
- nobody is spoken to: no "you", no call to do something, no word of promotion;
- nobody speaks: "our launch" in the team's digest would be the team's. And it does not lean on a sentence before it
  that is not there ("However, this …");
- it reads as the digest's language, and is a sentence and not a fragment.

Whatever fails is not mended but left out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from blocks.lexicon import names, promotion, sentences, tickers
from blocks.records import Entry, Project
from tasks.disguise import is_disguised
from tasks.grounding import why_not
from tasks.language import Language, languages, words_of
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
_SALE = re.compile(r"\bcode [A-Z0-9]{4,}\b|\b\d+ ?[x×]\b", re.IGNORECASE)


def _without_pictures(text: str) -> str:
    """Without emoji that stand between words; one inside a word stays, and the sentence is refused for it."""
    words = (word.strip("\ufe0e\ufe0f") for word in text.split())
    return " ".join(
        word for word in words if any(unicodedata.category(c) not in ("So", "Sk", "Cf", "Mn") for c in word)
    )


def _addresses(text: str, language: Language) -> bool:
    """Whether a text speaks to its reader, tells him to act, or sells something. English is understood everywhere."""
    both = {language.code: language, "en": languages()["en"]}.values()
    return any(one.spoken_to.search(text) or one.call.search(text) for one in both) or sells(text, language)


def sells(text: str, language: Language) -> bool:
    """Whether a text sells something, in the digest's language or in English."""
    return bool(promotion(text)) or not language.promotion.isdisjoint(words_of(text))


def _as_plain_text(sentence: str) -> str:
    text = _without_pictures(unicodedata.normalize("NFKC", sentence))
    for _ in range(3):  # **_both_**, one pair after the other
        text = _PAIRED.sub(r"\2", text)
    text = _SIGN.sub("", text).strip(" -–—:;,•·>\"'“”")
    # A sentence that ends in pictures or that begins with them has lost them here.
    return " ".join(text.strip("".join(c for c in text if unicodedata.category(c) in ("So", "Sk"))).split())


def fit_to_print(sentence: str, language: Language) -> str:
    """The sentence as it may be printed, or an empty string if it may not."""
    if len(sentence) > MAX_CHARACTERS:
        return ""
    text = _as_plain_text(sentence)
    refused = (
        not PLAIN_TEXT.fullmatch(text)
        or _ODD_SHAPE.search(text)
        or _SPELT_LINK.search(text)
        or _SALE.search(text)
        or _addresses(text, language)
        or language.speaks.search(text)
        or language.leans.match(text)
        or is_disguised(sentence, text)
        or len(text.split()) < MIN_WORDS
        or not language.is_of(text)
        or text.endswith("?")
        or links(text)
    )
    if refused:
        return ""
    # Some letters have no capital that is plain: that of "ǰ" is two characters. Names that begin small stay: "dYdX".
    first, capital = text.split()[0], text[0].upper()
    return capital + text[1:] if first.isalpha() and first[1:].islower() and PLAIN_TEXT.fullmatch(capital) else text


_NEW_NAME = re.compile(rf"(?=.{{2,30}}$)[A-Z0-9][{LETTERS}.'’&-]*(?: [A-Z0-9][{LETTERS}.'’&-]*){{0,2}}")


def may_be_named(project: Project, language: Language) -> bool:
    """Whether a project's name may be printed: the lexicon has it, or it has the shape of a name and says nothing."""
    name = project.name
    return name in tickers() or bool(_NEW_NAME.fullmatch(name) and not links(name) and not _addresses(name, language))


def _names(sentence: str, project: Project) -> bool:
    """Whether a sentence names a project: by whatever alias, if the lexicon knows it, else by its name."""
    if project.name in tickers():
        return project.name in names(sentence)
    return re.search(rf"(?<!\w){re.escape(project.name)}(?!\w)", sentence, re.IGNORECASE) is not None


def _own_words(text: str, project: Project, language: Language) -> str:
    """The first sentence of a post that names a project and may be printed, or an empty string."""
    for sentence in sentences(text):
        ready = fit_to_print(sentence, language)
        if ready and _names(sentence, project):
            return ready
    return ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that may be printed, or an empty one. `refused`: why the model's was not taken, if it was not."""

    text: str = ""
    by_model: bool = False
    refused: str = ""


def best_sentence(entry: Entry, project: Project, said: str, language: Language) -> Sentence:
    """What the digest says of a post, about a project: the model's sentence if it holds, else the post's own words.

    Args:
        entry: the post, with its analysis.
        project: what the item is about. The sentence must name it, or the line is begun with it.
        said: what the model wrote for the digest; empty if it was not asked or wrote nothing.
        language: the digest's.
    """
    text, refused = entry.post.text, ""
    if not may_be_named(project, language):
        return Sentence()
    analysis = entry.analysis
    projects = analysis.projects if analysis else (project,)
    for sentence, by_model in ((said, True), (analysis.summary if analysis else "", False)):
        if not sentence:
            continue
        ready = fit_to_print(sentence, language)
        problem = why_not(ready, text, projects, language) if ready else "it is no plain prose, or speaks to the reader"
        if not problem and _names(sentence, project):
            return Sentence(ready, by_model, refused)
        refused = refused or (problem or f"it does not name {project.name}" if by_model else "")
    return Sentence(_own_words(text, project, language), refused=refused)
