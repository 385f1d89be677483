"""The sample export that comes with the project gives the result that was written down for it by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from blocks import lexicon
from blocks.export_source import SAMPLE, ExportSource
from blocks.records import Entry, PostStatus, Style
from tasks.draft import write
from tasks.fetch import Fetched, collect
from tasks.recipe import Recipe
from tasks.selection import counted
from tests.conftest import House

EXPECTED = json.loads((Path(__file__).parent / "data" / "sample-expected.json").read_text(encoding="utf-8"))
LABELS = EXPECTED["labels"]
DIGEST = """\
Crypto projects, 15 Jan

• Aave governance: the proposal to lift the GHO borrow rate to 4.72% passed with 512k AAVE
• Jupiter confirms it: JUP goes live on Solana on 31 January
• The Uniswap DAO has passed the delegate reward vote, 41.2M UNI for and 0.9M against

Also: Osmosis"""


@pytest.fixture(scope="module")
def fetched() -> Fetched:
    events = ExportSource(path=SAMPLE).read({}, limit=0, lookback=timedelta(days=1))
    return collect(events, datetime(2024, 1, 15, 20, 0, tzinfo=UTC))


def test_every_post_is_found_once_and_nothing_else(fetched: Fetched) -> None:
    assert fetched.messages == EXPECTED["messages"]
    assert fetched.mentions == EXPECTED["links"]
    assert len(fetched.posts) == EXPECTED["posts"]
    assert set(fetched.posts) == set(LABELS)
    assert len(fetched.impossible) == EXPECTED["impossible"]


def test_texts_are_known_where_they_can_be(fetched: Fetched) -> None:
    assert {i: bool(post.text) for i, post in fetched.posts.items()} == {
        i: label["text_known"] for i, label in LABELS.items()
    }


def test_the_lexicon_finds_the_crypto_posts_and_no_others(fetched: Fetched) -> None:
    said = {i for i, post in fetched.posts.items() if lexicon.analyze(post).is_crypto}
    meant = {i for i, label in LABELS.items() if label["is_crypto"]}
    assert said - meant == set(), "precision first"
    assert len(meant & said) >= 0.95 * len(meant)


def test_the_lexicon_names_the_projects(fetched: Fetched) -> None:
    said = {(i, p.name) for i, post in fetched.posts.items() for p in lexicon.analyze(post).projects}
    meant = {(i, name) for i, label in LABELS.items() for name in label["projects"]}
    assert len(said & meant) >= 0.95 * len(said)
    assert len(said & meant) >= 0.93 * len(meant)


def test_the_digest_says_what_was_written_down(fetched: Fetched) -> None:
    analyses = ((post, lexicon.analyze(post)) for post in fetched.posts.values())
    candidates = [Entry(post, PostStatus.ANALYZED, analysis) for post, analysis in analyses if analysis.is_crypto]
    made = datetime(2024, 1, 25, 20, tzinfo=UTC)  # as in a run long after: no post is newer than another
    draft, chosen = write(candidates, date(2024, 1, 15), Recipe(made, Style(), counted(candidates)))
    items = chosen.items
    assert draft
    assert draft.text == DIGEST
    assert draft.weighted_length == 280
    assert not any(LABELS[item.post_id].get("mischief") for item in items)


def test_the_whole_run_on_the_sample(house: House) -> None:
    assert house.run(source=f"discord-export:{SAMPLE}").is_completed()
    (run,) = house.rows("Runs")
    assert (run["Fetched"], run["Found"], run["Uploaded"], run["Duplicates"]) == ("306", "105", "83", "22")
    assert house.digests()["2024-01-15.txt"] == DIGEST + "\n"
    assert len(house.rows("Archive")) == 83
    assert house.run(source=f"discord-export:{SAMPLE}").is_completed()
    again = house.rows("Runs")[-1]
    assert (again["Uploaded"], again["Published"], len(house.digests())) == ("0", "0", 1)
