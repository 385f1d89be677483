"""The rule by which posts get into the digest. It stands here and nowhere else.

A post is a candidate once it is analysed as being about crypto projects. Candidates are ranked by

    score (0–10, the analyst's)
    +  1 for each further member who shared it, at most 2
    −  1 for each day since it was shared, at most 3
    −  1 for each better one that the same member alone shared, at most 3

and of equals the newer stands first. Then, from the top:

- nothing with a score below `MIN_SCORE`;
- a project stands there once, and not again for `WEEK` unless the post brings news about it that was not told;
- at most one item for an author;
- a project that the lexicon does not know needs `MIN_BACKERS` members who shared posts about it, since to invent one
  costs nothing; where one member shares all (a bot that forwards, an editor), that is asked of nobody;
- nothing that sells something, and nothing without a sentence that may be printed (see `sentence`, `grounding`);
- at most `MAX_ITEMS` in all.

A candidate that was not taken may still be news tomorrow: it waits until it is `WAIT` old, then it is passed
over for good.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from blocks import lexicon
from blocks.records import Draft, Entry, Project
from tasks.grounding import overlap
from tasks.language import Language
from tasks.sentence import Sentence, sells

MAX_ITEMS = 5
MIN_SCORE = 4
MIN_BACKERS = 2
WAIT = timedelta(days=2)
WEEK = timedelta(days=7)

NO_SENTENCE = "it has no sentence that may be printed"
SAME_NEWS = 0.5
"""What shares so many words with what was told within the week is the same news."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post that may get into the digest, about a project. `why` says in a few words why it stands where it does.

    `backers` is how many members shared posts about its project.
    """

    entry: Entry
    project: Project
    members: int
    backers: int
    points: int
    why: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the digest: the post it rests on, the project it is about, its sentence, and why it is in.

    `by_model` tells whether the sentence is the model's; `refused`, where it stands in the place of one, why that was
    not taken.
    """

    post_id: str
    project: Project
    sentence: str
    why: str
    by_model: bool = False
    refused: str = ""


@dataclass(slots=True)
class Selection:
    """The items, the best first, and by post id why other candidates are not among them."""

    items: list[Item] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def told(drafts: Iterable[Draft]) -> dict[str, str]:
    """By project, what digests said of it: the line that names it, or all lines if none does."""
    found: dict[str, str] = {}
    for draft in drafts:
        for project in draft.projects:
            lines = [line for line in draft.text.splitlines() if project.casefold() in line.casefold()]
            found[project] = " ".join([found.get(project, ""), *lines]).strip()
    return found


def _days(entry: Entry, made: datetime) -> int:
    return max((made - entry.post.shared_at).days, 0)


def rank(entry: Entry, made: datetime, members: int) -> int:
    """A candidate's points, when the digest is made at `made` and so many members shared it."""
    score = entry.analysis.score if entry.analysis else 0
    return score + min(max(members - 1, 0), 2) - min(_days(entry, made), 3)


def _why(entry: Entry, made: datetime, members: int) -> str:
    score = entry.analysis.score if entry.analysis else 0
    age = {0: "new today", 1: "a day old"}.get(_days(entry, made), f"{_days(entry, made)} days old")
    return f"score {score}, shared by {members} member{'s'[: members != 1]}, {age}"


def counted(entries: Iterable[Entry]) -> dict[str, tuple[int, int]]:
    """By post id, how many members shared the post, and how many shared any post about its project."""
    backers: dict[str, set[str]] = {}
    told_of = [(e.post, e.analysis.projects[0].name) for e in entries if e.analysis and e.analysis.projects]
    for post, project in told_of:
        backers.setdefault(project, set()).update(post.shared_by)
    is_one = len(set[str]().union(*backers.values())) == 1
    counts = {project: MIN_BACKERS if is_one else len(members) for project, members in backers.items()}
    return {post.id: (len(post.shared_by), counts[project]) for post, project in told_of}


def candidates(entries: Iterable[Entry], made: datetime, counts: Mapping[str, tuple[int, int]]) -> list[Candidate]:
    """All that may get into the digest, the best first.

    Args:
        entries: posts that are analysed.
        made: when the digest is made.
        counts: what `counted` gave then.
    """
    found = [
        Candidate(
            entry, entry.analysis.projects[0], members, backers, rank(entry, made, members), _why(entry, made, members)
        )
        for entry in entries
        if entry.analysis and entry.analysis.projects and entry.analysis.is_crypto
        for members, backers in [counts.get(entry.post.id, (1, 1))]
    ]
    found.sort(key=lambda c: (c.points, c.entry.post.shared_at, int(c.entry.post.id)), reverse=True)
    alone = Counter[str]()
    for at, candidate in enumerate(found):
        if len(candidate.entry.post.shared_by) == 1:
            member = candidate.entry.post.shared_by[0]
            found[at] = replace(candidate, points=candidate.points - min(alone[member], 3))
            alone[member] += 1
    return sorted(found, key=lambda c: -c.points)


@dataclass(slots=True)
class _Places:
    """Who is in already: each of these has its number of places."""

    projects: set[str] = field(default_factory=set)
    authors: set[str] = field(default_factory=set)

    def why_not(self, candidate: Candidate) -> str:
        post = candidate.entry.post
        if candidate.project.name.casefold() in self.projects:
            return "its project is in already"
        if post.author and post.author.casefold() in self.authors:
            return "its author is in already"
        return ""

    def take(self, candidate: Candidate) -> None:
        post = candidate.entry.post
        self.projects.add(candidate.project.name.casefold())
        self.authors.add(post.author.casefold())


def _is_known(candidate: Candidate) -> bool:
    return candidate.project.name in lexicon.tickers() or candidate.backers >= MIN_BACKERS


def _too_weak(candidate: Candidate, before: Mapping[str, str], language: Language) -> str:
    analysis, text = candidate.entry.analysis, candidate.entry.post.text
    if not analysis or analysis.score < MIN_SCORE:
        return f"a score below {MIN_SCORE}"
    if sells(text, language):
        return "it sells something"
    if not _is_known(candidate):
        return f"nobody knows its project, and fewer than {MIN_BACKERS} members shared it"
    line = before.get(candidate.project.name)
    if line is not None:
        if not lexicon.news(text):
            return "its project was in the digest within the week, and this is no news"
        if line and overlap(line, text, language) >= SAME_NEWS:
            return "this was told within the week"
    return ""


def shortlist(found: Sequence[Candidate], before: Mapping[str, str], language: Language) -> list[Candidate]:
    """Those for which it is worth to have a sentence written: twice as many as there are places."""
    places, short = _Places(), list[Candidate]()
    for candidate in found:
        if len(short) < 2 * MAX_ITEMS and not _too_weak(candidate, before, language) and not places.why_not(candidate):
            places.take(candidate)
            short.append(candidate)
    return short


def select(
    found: Sequence[Candidate],
    before: Mapping[str, str],
    language: Language,
    sentence_of: Callable[[Candidate], Sentence],
) -> Selection:
    """The items of a digest, by the rule above.

    Args:
        found: the candidates, the best first.
        before: by project, what the digests of the last week said of it.
        language: the digest's.
        sentence_of: gives a candidate's sentence, an empty one if none may be printed.
    """
    chosen, places = Selection(), _Places()
    for candidate in found:
        post_id = candidate.entry.post.id
        why_not = _too_weak(candidate, before, language) or places.why_not(candidate)
        if not why_not and len(chosen.items) == MAX_ITEMS:
            why_not = f"{MAX_ITEMS} others stand before it"
        if why_not:
            chosen.left_out[post_id] = why_not
            continue
        sentence = sentence_of(candidate)
        if not sentence.text:
            chosen.left_out[post_id] = NO_SENTENCE
            continue
        told = (candidate.project, sentence.text, candidate.why, sentence.by_model, sentence.refused)
        chosen.items.append(Item(post_id, *told))
        places.take(candidate)
    return chosen


def mentioned(drafts: Iterable[Draft], found: Iterable[Candidate]) -> tuple[str, ...]:
    """The candidates' projects that stand in the text of one of these digests, if only as "Also"."""
    text = "\n".join(draft.text for draft in drafts).casefold()
    names = {candidate.project.name for candidate in found}
    return tuple(sorted(n for n in names if re.search(rf"(?<!\w){re.escape(n.casefold())}(?!\w)", text)))


def others(
    found: Iterable[Candidate], items: Iterable[Item], told: Collection[str], language: Language
) -> list[Project]:
    """The projects that other candidates are about than the items, the best ranked first.

    What a post names by the way ("44M USDC paid") is nothing that members shared. `told` are the projects that stood in
    the week's digests: once is enough where there is nothing to say.
    """
    items = list(items)
    posts, named = {item.post_id for item in items}, {item.project.name for item in items} | {*told}
    left = (c for c in found if c.entry.post.id not in posts)
    strong = (c for c in left if c.entry.analysis and c.entry.analysis.score >= MIN_SCORE)
    projects = (c.project for c in strong if not sells(c.entry.post.text, language))
    # Nobody says anything of these: they are named only where the lexicon knows them.
    return [p for p in dict.fromkeys(projects) if p.name not in named and p.name in lexicon.tickers()]


def passed_over(entries: Iterable[Entry], items: Iterable[Item], now: datetime) -> list[str]:
    """The post ids of the candidates that will not be news any more, when these items are in the digest.

    `now` is when the digest is made: candidates shared more than `WAIT` before it are passed over.
    """
    taken = {item.post_id for item in items}
    return [e.post.id for e in entries if e.post.id not in taken and e.post.shared_at < now - WAIT]
