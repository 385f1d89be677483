"""What Gemini is asked, and what of its answers is believed. No network, no clock, no library."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from blocks import lexicon
from blocks.records import Analysis, Post, Project
from blocks.text import clean, one_line

MAX_POST = 4_000
"""Characters of a post that are sent. What a post is about stands at its beginning."""

MAX_REQUEST = 48_000
"""Characters of posts in one request: at most as many tokens, in any script, which every current model takes."""

MAX_ANSWER = 1_000_000
MAX_SUMMARY, MAX_KEYWORDS, MAX_KEYWORD, MAX_PROJECTS, MAX_NAME, MAX_CATEGORY = 300, 8, 40, 10, 60, 40

_STRING = {"type": "STRING"}
_PROJECT = {
    "type": "OBJECT",
    "properties": {"name": _STRING, "ticker": {"type": "STRING", "nullable": True}},
    "required": ["name", "ticker"],
}
_ANALYSIS = {
    "type": "OBJECT",
    "properties": {
        "post_id": _STRING,
        "is_crypto": {"type": "BOOLEAN"},
        "projects": {"type": "ARRAY", "items": _PROJECT},
        "category": _STRING,
        "summary": _STRING,
        "keywords": {"type": "ARRAY", "items": _STRING},
        "score": {"type": "INTEGER", "description": "0 to 10"},
    },
    "required": ["post_id", "is_crypto", "projects", "category", "summary", "keywords", "score"],
}
SCHEMA: Mapping[str, Any] = {
    "type": "OBJECT",
    "properties": {"analyses": {"type": "ARRAY", "items": _ANALYSIS}},
    "required": ["analyses"],
}
"""The response schema of an analysis as DESIGN.md has it, in the words of the Gemini API."""

_ITEM = {"type": "OBJECT", "properties": {"post_id": _STRING, "text": _STRING}, "required": ["post_id", "text"]}
DIGEST_SCHEMA: Mapping[str, Any] = {
    "type": "OBJECT",
    "properties": {"title": _STRING, "items": {"type": "ARRAY", "items": _ITEM}},
    "required": ["title", "items"],
}
"""The same for a day's draft."""

_TICKER = re.compile(r"[A-Za-z0-9]{1,11}")
_LATIN = "A-Za-z0-9\u00c0-\u024f"
_NAME = re.compile(r"[^\W_]{1,15}(?:[ '’&-]{1,3}[^\W_]{1,15}){0,2}")
"""What a project can be called that the lexicon does not know: three words, without a sign, a dot or a long number. It
may be printed, and a stranger chose it: no link, address or sentence has this form."""

_NO_NAME = re.compile(
    r"\d(?:\D?\d){4,}|(?=\w*\d)(?=\w*[^\W\d])\w{9,}"
    r"|\b(?:and|at|dot|for|from|has|in|is|now|or|the|to|with|you|your|[^\W\d_] [^\W\d_])\b",
    re.IGNORECASE,
)


class _Project(BaseModel, strict=True):
    name: str
    ticker: str | None = None


class _Said(BaseModel, strict=True):
    post_id: str
    is_crypto: bool
    projects: list[_Project]
    category: str
    summary: str
    keywords: list[str]
    score: int = Field(ge=0, le=10)


def _as_data(post: Post) -> str:
    fields = {"post_id": post.id, "author": one_line(post.author, 30), "text": clean(post.text)[:MAX_POST]}
    return json.dumps(fields, ensure_ascii=False)


def content(posts: Sequence[Post]) -> str:
    """The posts as JSON."""
    return f'{{"posts": [{", ".join(map(_as_data, posts))}]}}'


def told(posts: Sequence[tuple[Post, Project]]) -> str:
    """Posts, and the project that each is to be told of, as JSON."""
    fields = [
        {"post_id": post.id, "project": one_line(project.name, MAX_NAME), "text": clean(post.text)[:MAX_POST]}
        for post, project in posts
    ]
    return json.dumps({"posts": fields}, ensure_ascii=False)


def sentences(parts: Sequence[str], post_ids: Collection[str]) -> dict[str, str] | None:
    """The sentences of a day's draft by post id, cleaned; None where the answer is not of the form asked for.

    What is said of any other post is not listened to, and of a post that is spoken of twice nothing is believed.
    """
    entries = _objects(parts, "items")
    if entries is None:
        return None
    ids = Counter(map(_id, entries))
    found = {_id(entry): one_line(entry.get("text"), MAX_SUMMARY) for entry in entries}
    return {i: text for i, text in found.items() if text and i in post_ids and ids[i] == 1}


def batches(posts: Sequence[Post], size: int) -> list[list[Post]]:
    """The posts in groups of at most `size` that fit into one request each."""
    made: list[list[Post]] = []
    room = 0
    for post in posts:
        length = len(_as_data(post)) + 2
        if not made or len(made[-1]) >= size or length > room:
            made.append([])
            room = MAX_REQUEST
        made[-1].append(post)
        room -= length
    return made


def read(parts: Sequence[str], posts: Sequence[Post], analyst: str) -> tuple[list[Analysis], dict[str, str]]:
    """What a whole answer says of the posts that were asked about.

    Args:
        parts: the answer's texts. If thoughts come before the answer, they are passed over.
        posts: those that were asked about. What is said of any other is not listened to.
        analyst: who says it, to be noted.

    Returns:
        The analyses that hold, and for each other post, by its id, why there is none.
    """
    said = _objects(parts, "analyses")
    if said is None:
        return [], {post.id: "the answer is not the JSON that was asked for" for post in posts}
    ids = Counter(map(_id, said))
    by_id = {_id(entry): entry for entry in said}
    held: list[Analysis] = []
    wrong: dict[str, str] = {}
    for post in posts:
        if post.id not in by_id:
            wrong[post.id] = "the answer leaves it out"
        elif ids[post.id] > 1:
            # One of them may be another post's doing: neither is believed.
            wrong[post.id] = "the answer speaks of it twice"
        else:
            try:
                held.append(_believed(_Said.model_validate(by_id[post.id]), post, analyst))
            except ValidationError as error:
                field = ".".join(str(step) for step in error.errors()[0]["loc"])
                wrong[post.id] = f"the answer's {one_line(field, 30)} cannot be"
    return held, wrong


def _id(entry: Mapping[str, Any]) -> str:
    """Which post an entry speaks of. A number is looked up too, so that it is told what is wrong with it."""
    found = entry.get("post_id")
    return str(found) if isinstance(found, str | int) else ""


def _objects(parts: Sequence[str], key: str) -> list[dict[str, Any]] | None:
    """The entries of the answer; None where it is not of the form that was asked for."""
    for start in range(min(len(parts), 10)):
        text = "".join(parts[start:])
        if len(text) > MAX_ANSWER:
            continue
        bare = text.strip()
        if bare.startswith("```") and bare.endswith("```"):
            bare = bare.strip("`").removeprefix("json")
        try:
            whole = json.loads(bare)
        except (ValueError, RecursionError):
            continue
        entries = whole.get(key) if isinstance(whole, dict) else None
        if isinstance(entries, list):
            return [entry for entry in entries if isinstance(entry, dict)]
    return None


def _believed(said: _Said, post: Post, analyst: str) -> Analysis:
    """An analysis, cleaned, and without projects that the post does not name.

    A post is about crypto if the model says so and at least one of the projects it gives is named there: what the
    digest can stand on. It is the lexicon's rule too.
    """
    projects = _named(said.projects, post.text) if said.is_crypto else []
    if not projects:
        return Analysis(post_id=post.id, is_crypto=False, summary=one_line(said.summary, MAX_SUMMARY), analyst=analyst)
    keywords = (one_line(word, MAX_KEYWORD) for word in said.keywords[: 4 * MAX_KEYWORDS])
    return Analysis(
        post_id=post.id,
        is_crypto=True,
        projects=tuple(projects),
        category=one_line(said.category, MAX_CATEGORY),
        summary=one_line(said.summary, MAX_SUMMARY),
        keywords=tuple(dict.fromkeys(filter(None, keywords)))[:MAX_KEYWORDS],
        score=said.score,
        analyst=analyst,
    )


def _named(said: Sequence[_Project], text: str) -> list[Project]:
    known = lexicon.names(text)
    plain = _comparable(text)
    found: dict[str, Project] = {}
    for project in said[: 4 * MAX_PROJECTS]:
        name = one_line(project.name, MAX_NAME)
        ticker = (project.ticker or "").strip().removeprefix("$")
        if not (_TICKER.fullmatch(ticker) and _has_ticker(plain, ticker)):
            ticker = ""
        # The lexicon knows that "$LINK" names Chainlink; a name that nobody wrote and it does not know is invented.
        if not name or not (name in known or (_can_be_name(name) and _has_name(plain, name))):
            name = ticker.upper()
        if name:
            found.setdefault(name.casefold(), Project(name, ticker.upper()))
    return list(found.values())[:MAX_PROJECTS]


def _can_be_name(name: str) -> bool:
    """Whether a name that the lexicon need not know has the form of one."""
    by_itself = name in lexicon.names(name)
    plain = unicodedata.normalize("NFKC", name)
    return by_itself or bool(_NAME.fullmatch(plain) and not _NO_NAME.search(plain) and not lexicon.promotion(plain))


def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _has_name(plain: str, name: str) -> bool:
    """Whether a name stands in a text, not as a part of a longer Latin word. Other scripts write without spaces."""
    wanted = _comparable(name)
    if not any(char.isalnum() for char in wanted):
        return False
    at_start = rf"(?<![{_LATIN}])" if re.match(rf"[{_LATIN}]", wanted) else ""
    at_end = rf"(?![{_LATIN}])" if re.search(rf"[{_LATIN}]$", wanted) else ""
    return re.search(at_start + re.escape(wanted) + at_end, plain) is not None


def _has_ticker(plain: str, ticker: str) -> bool:
    """Whether a ticker stands in a text. One or two letters without a "$" are a word of any language ("on", "op")."""
    sign = r"\$" if len(ticker) < 3 else r"\$?"
    return re.search(rf"(?<![\w$]){sign}{re.escape(ticker.casefold())}(?!\w)", plain) is not None
