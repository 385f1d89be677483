"""How good the embedded analyst is, side by side: on texts about crypto and on ordinary ones. `make bench` runs it.

The lexicon has learned from all but "fresh-c2": their figures say how well it fits them, not how good it is. "fresh-c2"
was labelled by somebody else, and nobody who works on the lexicon looks into it. See `tests/data/SOURCES.md`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

from blocks import lexicon
from blocks.records import Post

DATA = Path(__file__).parent.parent / "tests" / "data"
FILES = ("crypto-posts.jsonl", "crypto-posts-fresh.jsonl", "crypto-posts-fresh-c.jsonl")
SPLITS = ("dev", "held-out", "fresh-a", "fresh-b", "fresh-c1", "fresh-c2")
_NOUN = re.compile(r" (?:protocol|finance|network|dao|labs|chain|wallet)$")
ORDINARY = {"dev": ["ordinary-posts.txt"], "held-out": ["ordinary-messages.txt", "ordinary-reviews.txt"]}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text, and the projects that a reader found named in it."""

    text: str
    projects: frozenset[str]
    split: str
    source: str


@dataclass(slots=True)
class Count:
    """Mentions over some texts: rightly found, wrongly found, missed."""

    texts: int = 0
    found: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong or 1)

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed or 1)

    @property
    def f1(self) -> float:
        return 2 * self.found / (2 * self.found + self.wrong + self.missed or 1)


@cache
def _canonical() -> dict[str, str]:
    """Every name, alias, ticker and nickname of the lexicon in lower case, and the project that it stands for.

    A project's name without "Finance" and the like stands for it too, where nothing else goes by it: "Convex".
    """
    text = (files("blocks") / "data" / "projects.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    meant: dict[str, str] = {}
    for row in rows:
        meant.setdefault(row["name"].lower(), row["name"].lower())
    for row in rows:
        for other in filter(None, [*row["aliases"].split("|"), row["ticker"]]):
            meant.setdefault(other.removeprefix("=").lower(), row["name"].lower())
    for row in rows:
        for other in filter(None, [*row["short"].split("|"), _NOUN.sub("", row["name"].lower())]):
            meant.setdefault(other.lower(), row["name"].lower())
    return meant


def canonical(name: str) -> str:
    """The one spelling by which names are compared; for one that the lexicon lacks, without "Network" and the like."""
    return _canonical().get(name.lower()) or _NOUN.sub("", name.lower()) or name.lower()


def labelled() -> list[Labelled]:
    """All texts about crypto, with the labels in their one spelling."""
    found = (DATA / name for name in FILES if (DATA / name).exists())
    rows = [json.loads(line) for file in found for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        Labelled(row["text"], frozenset(map(canonical, row["projects"])), row["split"], row["source"]) for row in rows
    ]


def ordinary(name: str) -> list[str]:
    """The ordinary texts of one file."""
    return (DATA / name).read_text(encoding="utf-8").splitlines()


def said(text: str) -> set[str]:
    """The projects that the analyst finds named in a text."""
    post = Post("20", "ada", text, (), datetime(2024, 1, 15, tzinfo=UTC), "")
    return {canonical(project.name) for project in lexicon.analyze(post).projects}


def count(texts: Iterable[Labelled]) -> Count:
    """What the analyst finds in some texts against what a reader found."""
    total = Count()
    for one in texts:
        found, meant = said(one.text), one.projects
        total.texts += 1
        total.found += len(found & meant)
        total.wrong += len(found - meant)
        total.missed += len(meant - found)
    return total


def false_alarms(texts: Iterable[str]) -> list[str]:
    """The ordinary texts that the analyst takes for crypto."""
    return [text for text in texts if said(text)]


def main() -> None:
    """Print the table."""
    texts = labelled()
    print("Project mentions in texts about crypto          texts  mentions  precision  recall    F1")

    def line(split: str, name: str, got: Count) -> None:
        print(
            f"  {split:9} {name:34} {got.texts:6} {got.found + got.missed:9} "
            f"{got.precision:10.3f} {got.recall:7.3f} {got.f1:5.3f}"
        )

    for split in SPLITS:
        mine = [one for one in texts if one.split == split]
        for source in sorted({one.source for one in mine}):
            line(split, source, count(one for one in mine if source == one.source))
        if mine:
            line(split, "all", count(mine))
    print("Ordinary texts taken for crypto                 texts    alarms  per 1,000")
    for split, names in ORDINARY.items():
        for name in names:
            posts = ordinary(name)
            alarms = len(false_alarms(posts))
            print(f"  {split:9} {name:34} {len(posts):6} {alarms:9} {1000 * alarms / len(posts):10.2f}")


if __name__ == "__main__":
    main()
