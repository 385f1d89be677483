"""How well code tells what a post says from what it does not: run by `make bench`.

The sentences are in `tests/data/grounding.jsonl`: written by a language model as one writes a digest, and the same
distorted in ten ways.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from blocks import lexicon
from blocks.records import Post
from tasks.grounding import overlap, why_not
from tasks.language import languages
from tasks.sentence import fit_to_print

DATA = Path(__file__).parent.parent / "tests" / "data" / "grounding.jsonl"


def measured() -> dict[str, tuple[int, int, int, float]]:
    """By kind: how many there are, how many `grounding` refuses, how many are printed, and their mean overlap."""
    language = languages()["en"]
    found: dict[str, list[tuple[bool, bool, float]]] = defaultdict(list)
    for line in DATA.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        post = Post("20", "", told["post"], (), datetime(2024, 1, 15, tzinfo=UTC), "")
        projects = lexicon.analyze(post).projects
        refused = bool(why_not(told["sentence"], post.text, projects, language))
        printed = not refused and bool(fit_to_print(told["sentence"], language))
        found[told["kind"]].append((refused, printed, overlap(told["sentence"], post.text, language)))
    return {
        kind: (len(rows), sum(r for r, _, _ in rows), sum(p for _, p, _ in rows), sum(o for *_, o in rows) / len(rows))
        for kind, rows in sorted(found.items(), key=lambda entry: entry[0] != "faithful")
    }


def main() -> None:
    """Print the figures."""
    print("\nSentences held against their posts     there   refused  printed  mean overlap")
    for kind, (count, refused, printed, share) in measured().items():
        print(f"  {kind:<34}{count:>8}{refused / count:>10.0%}{printed / count:>9.0%}{share:>14.2f}")


if __name__ == "__main__":
    main()
