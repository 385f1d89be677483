"""The rule by which posts get into the digest. It stands here and nowhere else.

A post is a candidate once it is analysed as being about crypto projects. Candidates are ranked by

    score (0–10, the analyst's)  +  1 for each further member who shared it, at most 2

and of equals the newer stands first. Then, from the top: at most one item for a project, at most one for an
author, at most `MAX_ITEMS` in all, nothing below `MIN_SCORE`, nothing that has no sentence fit to print.

A candidate that was not taken may still be news tomorrow: it waits until it is `WAIT` old, then it is passed
over for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.records import Entry, Project
from tasks.sentence import printable

MAX_ITEMS = 5
MIN_SCORE = 4
WAIT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the digest: the post it rests on, the project it is about, its sentence, and why it is in."""

    post_id: str
    project: Project
    sentence: str
    why: str


def rank(entry: Entry) -> int:
    """A candidate's points."""
    score = entry.analysis.score if entry.analysis else 0
    return score + min(len(entry.post.shared_by) - 1, 2)


def _why(entry: Entry) -> str:
    score = entry.analysis.score if entry.analysis else 0
    members = len(entry.post.shared_by)
    return f"score {score}, shared by {members} member{'s'[: members != 1]}"


def select(entries: Iterable[Entry]) -> list[Item]:
    """The items of a digest, by the rule above."""
    candidates = [entry for entry in entries if entry.analysis and entry.analysis.score >= MIN_SCORE]
    candidates.sort(key=lambda entry: (rank(entry), entry.post.shared_at, entry.post.id), reverse=True)
    items: list[Item] = []
    projects, authors = set[str](), set[str]()
    for entry in candidates:
        analysis = entry.analysis
        if not analysis or not analysis.projects or len(items) == MAX_ITEMS:
            continue
        project, author = analysis.projects[0], entry.post.author.lower()
        if project.name in projects or (author and author in authors):
            continue
        sentence = printable(analysis.summary, entry.post.text, project)
        if sentence:
            items.append(Item(entry.post.id, project, sentence, _why(entry)))
            projects.add(project.name)
            authors.add(author)
    return items


def others(entries: Iterable[Entry], items: Iterable[Item]) -> list[Project]:
    """The projects that candidates name besides those of the items, the best ranked first."""
    named = {item.project.name for item in items}
    ranked = sorted((e for e in entries if e.analysis and e.analysis.score >= MIN_SCORE), key=rank, reverse=True)
    found = (p for e in ranked if e.analysis for p in e.analysis.projects)
    return [project for project in dict.fromkeys(found) if project.name not in named]


def passed_over(entries: Iterable[Entry], items: Iterable[Item], now: datetime) -> list[str]:
    """The post ids of the candidates that will not be news any more, when these items are in the digest.

    `now` is when the digest is made: candidates shared more than `WAIT` before it are passed over.
    """
    taken = {item.post_id for item in items}
    return [e.post.id for e in entries if e.post.id not in taken and e.post.shared_at < now - WAIT]
