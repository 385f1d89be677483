"""How good the embedded analyst is on texts that people wrote: floors a little below what was measured.

The lexicon has learned from all splits but `fresh-c2`: a floor of theirs says that it still finds what it found. How
good it is on texts that it has not seen, `fresh-c2` says. See `tests/data/SOURCES.md`; `make bench` prints them all.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from scripts import bench_lexicon as bench


@pytest.fixture(scope="module")
def texts() -> list[bench.Labelled]:
    return bench.labelled()


@pytest.mark.parametrize(
    ("split", "precision", "recall", "f1"),
    [
        ("dev", 0.95, 0.935, 0.945),
        ("held-out", 0.925, 0.88, 0.9),
        ("fresh-a", 0.965, 0.93, 0.95),
        ("fresh-b", 0.965, 0.84, 0.9),
        ("fresh-c1", 0.975, 0.95, 0.96),
        ("fresh-c2", 0.9, 0.85, 0.875),
    ],
)
def test_mentions_are_found(
    texts: list[bench.Labelled], split: str, precision: float, recall: float, f1: float
) -> None:
    got = bench.count(one for one in texts if one.split == split)
    assert got.precision >= precision
    assert got.recall >= recall
    assert got.f1 >= f1


@pytest.mark.parametrize("name", [name for names in bench.ORDINARY.values() for name in names])
def test_of_1000_ordinary_texts_at_most_5_are_called_crypto(name: str) -> None:
    posts = bench.ordinary(name)
    assert len(posts) > 2900
    assert 1000 * len(bench.false_alarms(posts)) <= 5 * len(posts)


def test_the_fresh_texts_are_split_by_their_own_digest_and_stand_nowhere_else(texts: list[bench.Labelled]) -> None:
    lines = (bench.DATA / "crypto-posts-fresh.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        digest = int(hashlib.sha256(row["text"].encode()).hexdigest()[:8], 16)
        assert row["split"] == ("fresh-a" if digest % 100 < 35 else "fresh-b")
        assert 40 <= len(row["text"]) <= 280
    assert len({one.text for one in texts}) == len(texts)
    assert sum(row["split"] == "fresh-b" for row in rows) >= 150
