"""A sample of `make chaos`, and that its judge sees what it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from scripts import chaos, chaos_day
from tests.services.everything import Everything

SAMPLE = {
    ("twitter", "X: POST /2/tweets", "kill after"),
    ("twitter", "Google Sheets: write: appendCells, updateCells", "kill after"),
    ("twitter", "Google Sheets: write: deleteDimension, copyPaste", "lost"),
    ("typefully", "Typefully: POST /v2/social-sets/12345/drafts", "lost"),
}


def test_a_sample_of_the_faults_is_survived(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in chaos.SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    met: set[tuple[str, str, str]] = set()

    def chosen(case: chaos.Case) -> bool:
        key = (case.publisher, f"{case.service}: {case.call}", case.fault)
        is_new = key in SAMPLE and key not in met
        met.add(key)
        return is_new

    outcomes = chaos.run(len(SAMPLE), chosen)
    assert len(outcomes) == len(SAMPLE)
    assert [(outcome.case, outcome.violations) for outcome in outcomes if outcome.violations] == []
    killed = [outcome.exits[0] for outcome in outcomes if outcome.case.fault.startswith("kill")]
    assert set(killed) == {-9}, "the faults befell the runs"


@pytest.fixture
def world(tmp_path: Path) -> Everything:
    """A day that went well, without a run."""
    everything, _ = chaos_day.make(0, "twitter", tmp_path)
    head = [*everything.book.tab("Posts").text()[0], "AI Processed", "Uploaded", "Published"]
    everything.book.tab("Posts").rows.clear()
    for row, cells in enumerate([head, ["call Ada about the venue"]]):
        everything.book.tab("Posts").insert_row(row, *cells)
    for title in ("Archive", "Drafts", "Runs"):
        everything.book.tabs.append(type(everything.book.tabs[0])(len(everything.book.tabs) + 100, title))
    ids = sorted(chaos_day.shared(everything))
    everything.book.tab("Archive").insert_row(0, "Post ID", "Status", "AI Processed")
    for number, post_id in enumerate(ids):
        status = "published" if number == 0 else "skipped"
        everything.book.tab("Archive").insert_row(1, post_id, status, "2024-01-15T20:00:00Z gemini")
    everything.book.tab("Drafts").insert_row(0, "Status", "Post IDs")
    everything.book.tab("Drafts").insert_row(1, "published", ids[0])
    everything.book.tab("Runs").insert_row(0, "Status", "Uploaded", "Published")
    everything.book.tab("Runs").insert_row(1, "SUCCESS", str(len(ids)), "1")
    everything.x.publish("The digest.")
    return everything


def _doubled(world: Everything) -> None:
    world.book.tab("Archive").rows.append(world.book.tab("Archive").rows[1])


def _lost(world: Everything) -> None:
    world.book.tab("Archive").delete_row(2)


def _twice(world: Everything) -> None:
    world.x.publish("The digest.")


def _touched(world: Everything) -> None:
    world.book.tab("Posts").type(1, 2, "new")


def _boasted(world: Everything) -> None:
    world.book.tab("Runs").insert_row(1, "FAILED", "1", "0")


def _unanalyzed(world: Everything) -> None:
    world.book.tab("Archive").type(1, 2, "")
    world.book.tab("Archive").rows[1][2] = None


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_doubled, "stands 2 times in the ledger"),
        (_lost, "is not in the ledger"),
        (_twice, "a text is out 2 times"),
        (_touched, "the owner's row was touched"),
        (_boasted, "the reports say"),
        (_unanalyzed, "has no analysis"),
    ],
)
def test_the_judge_sees_it(world: Everything, harm: Callable[[Everything], None], said: str) -> None:
    assert [*chaos_day.never(world), *chaos_day.done(world), *chaos_day.truth(world, [0])] == []
    harm(world)
    assert said in "\n".join([*chaos_day.never(world), *chaos_day.done(world)])
