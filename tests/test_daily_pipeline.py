"""The day, through Prefect: every step in turn fails, and the others go on as the design's table says."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from blocks.records import Bookmark
from tasks.step import may_succeed
from tests import exports
from tests.conftest import House
from tests.faulty import FAULTY

NEWS = "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners and $40M in value secured."
MORE = "Solana validators approved the new fee proposal with 77% of the stake, and it activates in March."
LUNCH = "We had noodles by the lake, and the weather was lovely all day."


@pytest.fixture(autouse=True, scope="module")
def _blocks_that_fail(prefect_server: None) -> None:
    for kind in FAULTY:
        kind.register_type_and_schema()


def save(block: Any) -> str:
    block.save("test", overwrite=True)
    return f"{block.get_block_type_slug()}/test"


def faulty(slug: str, **fields: Any) -> str:
    (kind,) = [k for k in FAULTY if k._block_type_slug == slug]
    return save(kind(**fields))


def with_news(house: House) -> House:
    house.share([exports.shared(1, NEWS), exports.message(2), exports.shared(3, LUNCH), exports.shared(4, MORE)])
    return house


def last_run(house: House) -> dict[str, str]:
    """The row that was written last."""
    return house.rows("Runs")[-1]


def counts(house: House) -> dict[str, int]:
    names = ("Fetched", "Found", "Uploaded", "Analyzed", "Drafted", "Published", "Archived")
    return {name: int(last_run(house)[name]) for name in names}


def test_a_good_day(house: House) -> None:
    state = with_news(house).run()
    assert state.is_completed()
    assert state.name == "Completed"
    assert last_run(house)["Status"] == "SUCCESS"
    assert counts(house) == {
        "Fetched": 4,
        "Found": 3,
        "Uploaded": 3,
        "Analyzed": 3,
        "Drafted": 1,
        "Published": 1,
        "Archived": 3,
    }
    assert list(house.digests()) == ["2024-01-15.txt"]
    digest = house.digests()["2024-01-15.txt"]
    assert "Chainlink CCIP is now live on Arbitrum mainnet" in digest
    assert "Solana ($SOL) validators approved" in digest
    archive = {row["Content"]: row for row in house.rows("Archive")}
    assert archive[NEWS]["Status"] == "published"
    assert archive[NEWS]["Draft ID"] == "2024-01-15"
    assert archive[LUNCH]["Status"] == "skipped"
    assert house.rows("Posts") == []
    assert house.rows("Drafts")[0]["Status"] == "published"


def test_a_second_run_does_nothing_twice(house: House) -> None:
    with_news(house).run()
    before = house.digests()
    state = house.run()
    assert state.is_completed()
    assert counts(house) == dict.fromkeys(counts(house), 0) | {"Found": 3}
    assert house.digests() == before
    assert len(house.rows("Archive")) == 3
    assert len(house.rows("Runs")) == 2


def test_the_report_is_a_markdown_artifact(house: House) -> None:
    state = with_news(house).run()
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["daily-report"])))
    (artifact,) = [a for a in found if a.flow_run_id == state.state_details.flow_run_id]
    assert artifact.type == "markdown"
    assert "Overall Status: ✅ SUCCESS" in str(artifact.data)


def test_fetch_of_one_channel_fails(house: House) -> None:
    house.share([exports.shared(1, NEWS)], "beta.json", channel="333", name="beta")
    house.share([exports.shared(i, LUNCH) for i in range(2, 8)])
    cut = house.exports / "alpha.json"
    cut.write_bytes(cut.read_bytes()[:-400])
    state = house.run()
    assert state.is_failed()
    assert state.message == "1 of 7 steps failed: fetch"
    assert [row["Channel ID"] for row in house.rows("Channels")] == ["333"], "the broken one's bookmark stays"
    assert last_run(house)["Status"] == "PARTIAL"
    assert "alpha.json is cut short" in last_run(house)["Errors"]
    assert len(house.digests()) == 1

    house.share([exports.shared(i, LUNCH) for i in range(2, 8)])
    assert house.run().is_completed()
    assert len(house.rows("Archive")) == 7, "the next run reads the same messages, and each post stands once"
    assert len(house.rows("Channels")) == 2


def test_fetch_of_all_fails(house: House) -> None:
    with_news(house).run(analyst="", publisher="")
    house.ledger.add([], [], [])
    state = house.run(source=faulty("faulty-source"))
    assert state.message == "1 of 7 steps failed: fetch"
    assert json.loads(last_run(house)["Errors"]) == ["fetch: the source is away"]
    assert counts(house)["Archived"] == 0


def test_after_a_failed_fetch_the_run_goes_on_with_what_the_ledger_holds(house: House) -> None:
    house.share([exports.shared(1, NEWS)])
    ledger = house.folder / "ledger.sqlite3"
    house.run(ledger=faulty("faulty-ledger", path=ledger, fails="entries"))
    assert [row["Status"] for row in house.rows("Posts")] == ["new"]
    state = house.run(source=faulty("faulty-source"))
    assert state.message == "1 of 7 steps failed: fetch"
    assert len(house.digests()) == 1
    assert [row["Status"] for row in house.rows("Archive")] == ["published"]


@pytest.mark.parametrize(("method", "step"), [("known", "dedupe"), ("add", "upload")])
def test_dedupe_or_upload_fails(house: House, method: str, step: str) -> None:
    house.share([exports.shared(1, MORE)])
    ledger = house.folder / "ledger.sqlite3"
    house.run(ledger=faulty("faulty-ledger", path=ledger, fails="entries"))
    bookmarks = house.rows("Channels")
    house.share([exports.shared(1, MORE), exports.shared(90, NEWS)])

    state = house.run(ledger=faulty("faulty-ledger", path=ledger, fails=method))
    assert state.message == f"1 of 7 steps failed: {step}"
    assert house.rows("Channels") == bookmarks, "bookmarks stay"
    assert len(house.rows("Posts")) + len(house.rows("Archive")) == 1, "nothing is half-written"
    assert len(house.digests()) == 1, "the run goes on with what the ledger holds"

    assert house.run(day="2024-01-16").is_completed()
    assert len(house.rows("Archive")) == 2
    assert len(house.digests()) == 2


def test_analyze_fails_for_one_post_alone(house: House) -> None:
    house.share([exports.shared(1, NEWS), exports.shared(2, "Poison for Solana."), exports.shared(3, LUNCH)])
    state = house.run(analyst=faulty("choking", word="Poison"))
    assert state.is_completed()
    assert counts(house)["Analyzed"] == 2, "the rest is kept"
    assert [row["Content"] for row in house.rows("Posts")] == ["Poison for Solana."]
    assert len(house.digests()) == 1
    assert "the batch was refused" in last_run(house)["Errors"]


def test_an_analyst_that_can_do_none_of_them_is_replaced(house: House) -> None:
    house.share([exports.shared(1, NEWS + " Poison."), exports.shared(2, "Poison for Solana.")])
    state = house.run(analyst=faulty("choking", word="Poison"))
    assert state.message == "1 of 7 steps failed: analyze"
    assert counts(house)["Analyzed"] == 2, "the embedded analyst takes over"
    assert "None of 2 posts: 2 posts: RuntimeError: the batch was refused" in last_run(house)["Errors"]


def test_analyst_out_of_reach(house: House) -> None:
    state = with_news(house).run(analyst=faulty("out-of-reach"))
    assert state.message == "1 of 7 steps failed: analyze"
    assert counts(house)["Analyzed"] == 3, "the embedded analyst takes over"
    assert all(row["AI Processed"].endswith(" lexicon") for row in house.rows("Archive")), "marked as such"
    assert len(house.digests()) == 1


def test_draft_fails(house: House) -> None:
    ledger = house.folder / "ledger.sqlite3"
    state = with_news(house).run(ledger=faulty("faulty-ledger", path=ledger, fails="add_draft"))
    assert state.message == "1 of 7 steps failed: draft"
    assert {row["Status"] for row in house.rows("Posts")} == {"analyzed"}
    assert [row["Status"] for row in house.rows("Archive")] == ["skipped"]
    assert house.digests() == {}
    assert house.run().is_completed()
    assert len(house.digests()) == 1, "the next run catches it up"


def test_publish_is_refused(house: House) -> None:
    publisher = faulty("faulty-publisher", folder=house.outbox, fault="refused")
    state = with_news(house).run(publisher=publisher)
    assert state.message == "1 of 7 steps failed: publish"
    (draft,) = house.rows("Drafts")
    assert (draft["Status"], draft["Note"]) == ("failed", "the account may not post")
    assert {row["Status"] for row in house.rows("Posts")} == {"drafted"}
    assert house.run().is_completed()
    assert len(house.digests()) == 1, "the next run takes it up"
    assert house.rows("Drafts")[0]["Status"] == "published"


@pytest.mark.parametrize("fault", ["lost before", "lost after"])
def test_the_answer_to_publishing_is_lost(house: House, fault: str) -> None:
    state = with_news(house).run(publisher=faulty("faulty-publisher", folder=house.outbox, fault=fault))
    assert state.message == "1 of 7 steps failed: publish"
    assert house.rows("Drafts")[0]["Status"] == "publishing"
    before = house.digests()
    assert house.run().is_completed()
    assert len(house.digests()) == 1
    assert house.digests() == (before or house.digests()), "it was found, not written again"
    assert house.rows("Drafts")[0]["Status"] == "published"


def test_nobody_can_tell_whether_it_was_published(house: House) -> None:
    with_news(house).run(publisher=faulty("faulty-publisher", folder=house.outbox, fault="lost before"))
    unsure = faulty("faulty-publisher", folder=house.outbox, fault="cannot tell")
    assert house.run(publisher=unsure).message == "1 of 7 steps failed: publish"
    assert house.rows("Drafts")[0]["Status"] == "unsure"
    assert house.run().is_completed()
    assert house.digests() == {}, "a person decides"


def test_what_may_be_out_by_one_publisher_is_never_published_by_another(house: House) -> None:
    with_news(house).run(publisher=faulty("faulty-publisher", folder=house.outbox, fault="lost before"))
    with house.ledger._connect() as db:
        assert db.execute('SELECT "Publisher" FROM "Drafts"').fetchone()[0] == "outbox"
        db.execute('UPDATE "Drafts" SET "Publisher" = \'typefully\'')
    assert house.run(dry_run=True).is_completed(), "a rehearsal may publish to its own outbox"
    state = house.run()
    assert state.message == "1 of 7 steps failed: publish"
    (draft,) = house.rows("Drafts")
    assert draft["Status"] == "unsure"
    assert "may be out by typefully, and now outbox is set" in draft["Note"]
    assert house.digests() == {}


def test_archive_fails(house: House) -> None:
    ledger = house.folder / "ledger.sqlite3"
    state = with_news(house).run(ledger=faulty("faulty-ledger", path=ledger, fails="archive"))
    assert state.message == "1 of 7 steps failed: archive"
    assert len(house.rows("Posts")) == 3, "rows stay where they are"
    assert "archive is broken" in last_run(house)["Errors"]
    assert house.run().is_completed()
    assert (len(house.rows("Posts")), len(house.rows("Archive"))) == (0, 3), "the next run moves them"


def test_the_ledger_itself_fails(house: House) -> None:
    ledger = house.folder / "ledger.sqlite3"
    with_news(house)
    state = house.run(ledger=faulty("faulty-ledger", path=ledger, fails="open"))
    assert state.is_failed()
    assert state.message == "The ledger cannot be used: nothing was changed."
    assert not ledger.exists()
    assert house.digests() == {}


def test_several_steps_fail_and_the_state_names_them(house: House) -> None:
    ledger = house.folder / "ledger.sqlite3"
    publisher = faulty("faulty-publisher", folder=house.outbox, fault="refused")
    state = with_news(house).run(ledger=faulty("faulty-ledger", path=ledger, fails="archive"), publisher=publisher)
    assert state.message == "2 of 7 steps failed: publish, archive"


def test_the_report_that_cannot_be_kept_is_a_failure_too(house: House) -> None:
    ledger = house.folder / "ledger.sqlite3"
    state = with_news(house).run(ledger=faulty("faulty-ledger", path=ledger, fails="add_run"))
    assert state.is_failed()
    assert len(house.digests()) == 1


def test_five_runs_bring_a_thousand_messages_in_order(house: House) -> None:
    chatter = [exports.message(i, f"chatter {i}") for i in range(1000)]
    for i in (250, 251, 999):
        chatter[i] = exports.shared(i, NEWS)
    house.share(chatter)
    seen: list[tuple[str, str]] = []
    for _ in range(5):
        house.run(fetch_limit=200, lookback_days=0)
        seen.append((last_run(house)["Fetched"], last_run(house)["Uploaded"]))
    assert seen == [("200", "0"), ("200", "2"), ("200", "0"), ("200", "0"), ("200", "1")]


def test_a_bookmark_in_the_future_hides_nothing(house: House) -> None:
    with_news(house)
    house.ledger.open()
    house.ledger.add([], [], [Bookmark("222", "alpha", "9223372036854775806", exports.START)])
    assert house.run().is_completed()
    assert counts(house)["Uploaded"] == 3


def test_a_dry_run_changes_nothing(house: House) -> None:
    state = with_news(house).run(dry_run=True)
    assert state.is_completed()
    assert not (house.folder / "ledger.sqlite3").exists()
    assert house.digests() == {}
    house.run()
    before = (house.folder / "ledger.sqlite3").read_bytes()
    house.run(dry_run=True, day="2024-01-16")
    assert (house.folder / "ledger.sqlite3").read_bytes() == before


def test_without_a_publisher_drafted_is_the_end(house: House) -> None:
    assert with_news(house).run(publisher="").is_completed()
    assert {row["Status"] for row in house.rows("Archive")} == {"drafted", "skipped"}


def test_without_an_analyst_new_is_the_end(house: House) -> None:
    assert with_news(house).run(analyst="", publisher="").is_completed()
    assert {row["Status"] for row in house.rows("Archive")} == {"new"}


@pytest.mark.parametrize("mode", ["approve", "draft"])
def test_a_draft_waits_for_a_person(house: House, mode: str) -> None:
    with_news(house).run(publish_mode=mode)
    assert house.rows("Drafts")[0]["Status"] == "proposed"
    assert house.digests() == {}


def test_a_day_with_nothing_worth_saying_gives_no_draft(house: House) -> None:
    house.share([exports.shared(1, LUNCH)])
    assert house.run().is_completed()
    assert house.rows("Drafts") == []
    assert house.digests() == {}


def test_a_text_that_arrives_late_reaches_the_row(house: House) -> None:
    bare = exports.shared(1, NEWS)
    house.share([{**bare, "embeds": [], "content": bare["content"].removeprefix("look ")}])
    ledger = house.folder / "ledger.sqlite3"
    house.run(ledger=faulty("faulty-ledger", path=ledger, fails="entries"))
    assert [row["Content"] for row in house.rows("Posts")] == [""]
    house.share([bare, exports.shared(2, LUNCH)])
    house.run()
    assert {row["Content"] for row in house.rows("Archive")} == {NEWS, LUNCH}


def test_a_post_that_many_shared_stands_once_with_all_of_them(house: House) -> None:
    first = exports.shared(1, NEWS, author="Ada")
    again = exports.message(9, first["content"].replace("x.com", "fxtwitter.com") + "?s=20", author="Grace")
    house.share([first, again])
    house.run()
    (row,) = house.rows("Archive")
    assert row["Shared By"] == "Ada, Grace"


@pytest.mark.parametrize("name", ["sqlite-ledger/none", "outbox/daily-pipeline", "nothing", "no-such-type/x", ""])
def test_a_block_that_is_not_there_costs_its_step(house: House, name: str) -> None:
    state = with_news(house).run(source=name or "x")
    assert state.message == "1 of 7 steps failed: fetch"


def test_every_step_is_a_task_with_its_own_retries_and_timeout() -> None:
    from flows import daily_pipeline as module

    steps = [getattr(module, name) for name in ("fetch", "dedupe", "upload", "analyze", "draft", "publish", "archive")]
    assert [task.name for task in steps] == ["fetch", "dedupe", "upload", "analyze", "draft", "publish", "archive"]
    for task in [*steps, module.write_report, module.open_ledger]:
        assert task.retries == 2
        assert task.timeout_seconds
        assert task.retry_condition_fn is may_succeed
        assert task.task_run_name
    assert module.daily_pipeline.retries == 0


def test_what_may_succeed_is_tried_again(house: House, tmp_path: Path) -> None:
    import sqlite3
    import threading

    from blocks.sqlite_ledger import SqliteLedger

    with_news(house)
    house.ledger.open()
    busy = save(SqliteLedger(path=house.folder / "ledger.sqlite3", busy_timeout=0.2))
    blocker = sqlite3.connect(house.folder / "ledger.sqlite3", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(timedelta(seconds=1).total_seconds(), lambda: blocker.execute("ROLLBACK"))
    timer.start()
    assert house.run(ledger=busy).is_completed()
    timer.join()
    blocker.close()


def test_a_ctrl_c_that_prefect_turns_into_an_error_is_still_one() -> None:
    from flows.steps import was_interrupted

    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("Task run is not set")

    with pytest.raises(ValueError, match="not set") as caught:
        interrupted()
    assert was_interrupted(caught.value)
    assert not was_interrupted(ValueError("Task run is not set"))
