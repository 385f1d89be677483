"""The whole day with the five services: from .env to the archive, with every library that reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.gemini import GeminiAnalyst
from blocks.loading import save
from flows import environment
from flows.daily_pipeline import daily_pipeline
from flows.publish_approved import publish_approved
from tasks.progress import LONG
from tests.exports import embed, status_id
from tests.services.everything import Everything
from tests.services.server import Answer, Call, Work, answers, before, lost

NAME = "services"
NEWS = "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners and $40M in value secured."
MORE = "Solana validators approved the new fee proposal with 77% of the stake, and it activates in March."
LUNCH = "We had noodles by the lake, and the weather was lovely all day."


def share(services: Everything, text: str, minutes_ago: int = 60, channel: str = "222") -> str:
    """Somebody shares a post. Gives its status id."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    post_id = status_id(moment - timedelta(minutes=5), minutes_ago)
    url = f"https://x.com/somebody_{minutes_ago}/status/{post_id}"
    shown = {"type": "rich"} | {k: v for k, v in embed(url, text, f"somebody_{minutes_ago}").items() if v}
    services.discord.post(channel, f"look {url}", at=moment, embeds=[shown])
    return post_id


@pytest.fixture
def services(prefect_server: None) -> Iterator[Everything]:
    with Everything() as everything:
        everything.discord.channel("222", "alpha")
        yield everything
        assert [service.broken for service in everything.all] == [[]] * 5


@pytest.fixture
def run(services: Everything, tmp_path: Path) -> Callable[..., State[Any]]:
    """Save the blocks as --setup does, and run the flow once."""

    def once(sdk: str = "google-generativeai", *, dry_run: bool = False, **settings: str) -> State[Any]:
        found = environment.read(tmp_path / "none", services.settings(tmp_path, **settings))
        for block in environment.blocks_of(found, NAME):
            if isinstance(block, GeminiAnalyst):
                block.sdk = sdk  # type: ignore[assignment]
            save(block, NAME)
        return daily_pipeline(settings=f"pipeline-settings/{NAME}", dry_run=dry_run, return_state=True)

    return once


def test_long_work_has_a_progress_bar(services: Everything, run: Callable[..., State[Any]]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    for minute in range(LONG + 20):
        share(services, f"{NEWS} Part {minute}.", 10 + minute)
    state = run()
    with get_client(sync_client=True) as client:
        only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        bars = [one for one in client.read_artifacts(artifact_filter=only) if one.type == "progress"]
    assert [(bar.description, bar.data) for bar in bars] == [("posts analysed", 100.0)]


@pytest.mark.parametrize("sdk", ["google-generativeai", "google-genai"])
@pytest.mark.parametrize("publisher", ["twitter", "typefully"])
def test_a_day_with_the_real_libraries(
    services: Everything, run: Callable[..., State[Any]], sdk: str, publisher: str
) -> None:
    news, more, lunch = share(services, NEWS, 90), share(services, MORE, 80), share(services, LUNCH, 70)
    state = run(sdk, PUBLISHER_TYPE=publisher)
    assert state.is_completed(), state.message
    out = services.x.texts if publisher == "twitter" else services.typefully.published
    (digest,) = out
    assert "Chainlink CCIP is now live on Arbitrum mainnet" in digest
    assert "Solana ($SOL) validators approved" in digest
    archive = {row["Post ID"]: row for row in services.book.rows("Archive")}
    assert {i: row["Status"] for i, row in archive.items()} == {news: "published", more: "published", lunch: "skipped"}
    assert archive[news]["Publication Receipt"].startswith("https://x.com/")
    assert "gemini" in archive[news]["AI Processed"]
    assert services.book.rows("Posts") == []
    (row,) = services.book.rows("Runs")
    assert (row["Status"], row["Errors"], row["Published"]) == ("SUCCESS", "", "1")

    state = run(sdk, PUBLISHER_TYPE=publisher)
    assert state.is_completed()
    assert len(out if publisher == "twitter" else services.typefully.published) == 1, "again, and nothing twice"
    assert len(services.book.rows("Archive")) == 3


def test_a_run_takes_at_most_fifteen_calls_of_sheets(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS, 90)
    run()
    share(services, MORE, 20)
    services.sheets.calls.clear()
    assert run().is_completed()
    assert len(services.sheets.made("/v4/")) <= 15


def test_a_dry_run_writes_nothing_anywhere(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS)
    assert run(dry_run=True).is_completed()
    assert [tab.title for tab in services.book.tabs] == ["Sheet1"]
    assert services.x.posts == []
    for service in (services.discord, services.sheets, services.x, services.typefully):
        assert {call.method for call in service.made() if call.path != "/token"} <= {"GET"}, service.name


def test_a_model_out_of_reach_is_replaced_for_today(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS)
    services.gemini.keys.clear()
    state = run()
    assert state.is_failed()
    assert state.message == "1 of 7 steps failed: analyze"
    assert len(services.x.posts) == 1
    (row,) = services.book.rows("Archive")
    assert "lexicon" in row["AI Processed"], "marked as such"
    (report,) = services.book.rows("Runs")
    assert report["Status"] == "PARTIAL"
    assert "GEMINI_API_KEY" in report["Errors"]


def test_an_account_that_may_not_post_loses_nothing(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS)
    services.x.credits = 0
    assert run().message == "1 of 7 steps failed: publish"
    (draft,) = services.book.rows("Drafts")
    assert draft["Status"] == "failed"
    assert services.book.rows("Posts")[0]["Status"] == "drafted"
    services.x.credits = 100
    assert run().is_completed()
    assert len(services.x.posts) == 1
    assert services.book.rows("Archive")[0]["Status"] == "published"


@pytest.mark.parametrize("publisher", ["twitter", "typefully"])
def test_a_digest_whose_answer_was_lost_is_found_and_not_posted_again(
    services: Everything, run: Callable[..., State[Any]], publisher: str
) -> None:
    share(services, NEWS)
    services.x.plan("POST /2/tweets", lost)
    services.typefully.plan("POST ", lost)
    run(PUBLISHER_TYPE=publisher)
    assert run(PUBLISHER_TYPE=publisher).is_completed()
    assert len(services.x.texts if publisher == "twitter" else services.typefully.published) == 1
    assert services.book.rows("Drafts")[0]["Status"] == "published"
    assert services.book.rows("Archive")[0]["Status"] == "published"


def test_discord_away_and_the_rest_goes_on(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS)
    run(PUBLISH_MODE="draft")
    services.discord.plan("", answers(401, {"message": "401: Unauthorized", "code": 0}), times=99)
    state = run()
    assert state.message == "1 of 7 steps failed: fetch"
    assert len(services.x.posts) == 1, "what the ledger held was published"


def test_people_who_edit_while_it_runs(services: Everything, run: Callable[..., State[Any]]) -> None:
    for minutes, text in ((90, NEWS), (80, MORE), (70, LUNCH)):
        share(services, text, minutes)
    run(PUBLISHER_TYPE="none", PUBLISH_MODE="draft")
    share(services, LUNCH + " Again.", 30)
    writes = edits = 0

    def insert() -> None:
        nonlocal writes, edits
        if writes % 3 == 0:
            edits += 1
            services.book.tab("Posts").insert_row(1, f"a note of ours {edits}")
        writes += 1

    services.sheets.plan(":batchUpdate", before(insert), times=99)
    assert run().is_completed()
    services.sheets.heal()
    notes = [row["Date"] for row in services.book.rows("Posts")]
    assert sorted(notes) == sorted(f"a note of ours {n}" for n in range(1, edits + 1))
    assert len(services.book.rows("Archive")) == 4


def types(services: Everything, **cells: str) -> None:
    """What a person types into the row of the only draft."""
    drafts = services.book.tab("Drafts")
    head = drafts.text()[0]
    for header, text in cells.items():
        drafts.type(1, head.index(header), text)


def approved() -> State[Any]:
    """The small flow that publishes what people approved."""
    return publish_approved(settings=f"pipeline-settings/{NAME}", return_state=True)


def test_a_draft_is_edited_and_approved_in_the_sheet(services: Everything, run: Callable[..., State[Any]]) -> None:
    news = share(services, NEWS)
    assert run(PUBLISH_MODE="approve").is_completed()
    (draft,) = services.book.rows("Drafts")
    assert (draft["Status"], services.x.texts) == ("proposed", [])
    assert "" not in (draft["Cost"], draft["Length"])
    assert "score" in draft["Why"]
    services.sheets.calls.clear()
    assert approved().message == "Nothing is approved."
    assert len(services.sheets.made("/v4/")) == 1

    services.book.tab("Drafts").insert_column(0, "Who looks after it")
    edited = draft["Text"].replace("is now live", "is live")
    assert edited != draft["Text"]
    types(services, Text=edited, Status="approved")
    services.x.plan("POST /2/tweets", lost)
    approved()
    assert approved().is_completed()
    run(PUBLISH_MODE="approve")
    assert services.x.texts == [edited], "the answer was lost, and it is out once"
    assert services.book.rows("Drafts")[0]["Status"] == "published"
    (row,) = services.book.rows("Archive")
    assert (row["Post ID"], row["Status"]) == (news, "published")


def test_an_approval_in_the_sheet_is_for_the_text_that_was_approved(
    services: Everything, run: Callable[..., State[Any]]
) -> None:
    share(services, NEWS)
    assert run(PUBLISH_MODE="approve").is_completed()
    services.x.credits = 0
    types(services, Status="approved")
    assert approved().is_failed()
    services.x.credits = 100
    types(services, Text="Chainlink is live, and nobody has approved this.", Status="approved")
    approved()
    assert services.x.texts == []
    (draft,) = services.book.rows("Drafts")
    assert draft["Status"] == "proposed"
    assert "approve it again" in draft["Note"]


def test_what_changes_in_the_moment_of_publishing_does_not_go_out(
    services: Everything, run: Callable[..., State[Any]]
) -> None:
    share(services, NEWS)
    assert run(PUBLISH_MODE="approve").is_completed()
    types(services, Status="approved")
    later = "Chainlink is live, and somebody typed this a moment later."
    typed = 0

    def meanwhile(call: Call, work: Work) -> Answer:
        nonlocal typed
        if b'"publishing"' in call.body and not typed:
            typed += 1
            types(services, Text=later)
        return work()

    services.sheets.plan(":batchUpdate", meanwhile, times=99)
    approved()
    assert typed
    assert services.x.texts == []
    assert services.book.rows("Drafts")[0]["Text"] == later
    approved()
    assert services.x.texts == [later], "it stands there, and its status says approved"


def test_the_ledger_out_of_reach_ends_the_run(services: Everything, run: Callable[..., State[Any]]) -> None:
    share(services, NEWS)
    services.sheets.roles["community-links"] = ""
    state = run()
    assert state.message == "The ledger cannot be used: nothing was changed."
    assert services.x.posts == []
