"""People decide: a draft waits, is edited, approved, rejected; what must not go out does not, whoever wrote it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks import webhook
from blocks.errors import PipelineError
from blocks.loading import save
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings, PublishMode
from blocks.sqlite_ledger import SqliteLedger
from blocks.x_publisher import XPublisher
from flows.publish_approved import publish_approved
from tasks.redraft import redraft
from tests.conftest import House
from tests.services.webhook_server import WebhookServer
from tests.services.x_server import XServer
from tests.test_daily_pipeline import NEWS, with_news
from tests.test_x_publisher import KEYS

TODAY = datetime.now(UTC).date()


def change(house: House, **cells: str) -> None:
    """What a person does in the Drafts tab."""
    with sqlite3.connect(house.folder / "ledger.sqlite3") as db:
        for header, text in cells.items():
            db.execute(f'UPDATE "Drafts" SET "{header}" = ?', (text,))
    db.close()


def the_draft(house: House) -> dict[str, str]:
    (row,) = house.rows("Drafts")
    return row


def approve(house: House, **more: Any) -> State[Any]:
    """The small flow, on the house's ledger and outbox."""
    save(SqliteLedger(path=house.folder / "ledger.sqlite3"), "approval")
    save(OutboxPublisher(folder=house.outbox), "approval")
    fields = {"ledger": "sqlite-ledger/approval", "publisher": "outbox/approval", "publish_mode": PublishMode.APPROVE}
    save(PipelineSettings(**fields | more), "approval")
    return publish_approved(settings="pipeline-settings/approval", return_state=True)


@pytest.fixture
def waiting(house: House) -> House:
    """A house whose draft waits for a person."""
    assert with_news(house).run(day=TODAY, publish_mode="approve").is_completed()
    assert the_draft(house)["Status"] == "proposed"
    assert house.digests() == {}
    return house


def test_nothing_approved_is_nothing_done(waiting: House) -> None:
    state = approve(waiting)
    assert (state.name, state.message) == ("Completed", "Nothing is approved.")
    assert len(waiting.rows("Runs")) == 1
    assert waiting.digests() == {}


def test_what_is_approved_goes_out_as_edited_and_once(waiting: House) -> None:
    text = the_draft(waiting)["Text"].replace("Crypto projects", "Our projects")
    change(waiting, Text=text, Status="approved")
    assert approve(waiting).message == "What was approved is out."
    assert waiting.digests() == {f"{TODAY}.txt": text + "\n"}
    row = the_draft(waiting)
    assert row["Status"] == "published"
    assert row["Approved Hash"] == row["Content Hash"] != ""
    assert approve(waiting).message == "Nothing is approved."


def test_an_approval_is_for_the_text_that_was_approved(waiting: House) -> None:
    # A run has seen the approval, and could not publish: the outbox is a file.
    waiting.outbox.write_text("in the way")
    change(waiting, Status="approved")
    assert approve(waiting).is_failed()
    assert the_draft(waiting)["Approved Hash"] != ""
    waiting.outbox.unlink()
    change(waiting, Status="approved", Text="Another text that nobody has approved.")
    approve(waiting)
    assert waiting.digests() == {}
    assert the_draft(waiting)["Status"] == "proposed"
    assert "approve it again" in the_draft(waiting)["Note"]
    change(waiting, Status="approved")
    approve(waiting)
    assert list(waiting.digests().values()) == ["Another text that nobody has approved.\n"]


@pytest.mark.parametrize(
    "text",
    [
        "Error: 429 Too Many Requests",
        "I'm sorry, but I cannot help with that request.",
        "Today: [insert link here]",
        'Traceback (most recent call last): File "x"',
        "Look at https://evil.example now",
        "Ask @somebody about it",
        "$SOL and $SUI on one day",
        "{{ title }} of the day",
        "The answer is not the JSON schema",
        "x" * 300,
    ],
)
def test_some_texts_never_go_out_whoever_approves_them(waiting: House, text: str) -> None:
    change(waiting, Status="approved", Text=text)
    assert approve(waiting).is_failed()
    assert waiting.digests() == {}
    assert the_draft(waiting)["Status"] == "failed"
    assert "must not be published" in the_draft(waiting)["Note"]


def test_rejected_frees_its_posts_for_the_next_day(waiting: House) -> None:
    change(waiting, Status="rejected")
    assert waiting.run(day=TODAY + timedelta(days=1), publish_mode="approve").is_completed()
    first, second = waiting.rows("Drafts")
    assert (first["Status"], second["Status"]) == ("rejected", "proposed")
    assert second["Post IDs"] == first["Post IDs"]


def test_the_mode_draft_never_publishes(house: House) -> None:
    assert with_news(house).run(day=TODAY, publish_mode="draft").is_completed()
    assert house.run(day=TODAY, publish_mode="draft").is_completed()
    assert house.digests() == {}


def test_the_budget_keeps_back_what_would_exceed_it(waiting: House) -> None:
    with XServer() as x:
        save(XPublisher(**KEYS, api_url=x.url, settle=0), "approval")
        change(waiting, Status="approved")
        assert approve(waiting, publisher="x-account/approval", daily_budget=0.01).is_completed()
        assert x.texts == []
        assert "raise DAILY_BUDGET" in the_draft(waiting)["Note"]
        assert the_draft(waiting)["Status"] == "approved"
        assert "raise DAILY_BUDGET" in waiting.rows("Runs")[-1]["Errors"]
        approve(waiting, publisher="x-account/approval", daily_budget=0.02)
        assert x.texts == [the_draft(waiting)["Text"]]
        assert (the_draft(waiting)["Status"], the_draft(waiting)["Note"]) == ("published", "")
        assert waiting.rows("Runs")[-1]["Cost"] == "0.015"


def test_a_draft_is_judged_by_the_layout_that_it_was_made_in(house: House) -> None:
    assert with_news(house).run(day=TODAY, publish_mode="approve", layout="long").is_completed()
    text = the_draft(house)["Text"] + "\n\n" + "It is a long story of the chain and its validators. " * 9
    change(house, Status="approved", Text=text.strip())
    assert approve(house).message == "What was approved is out."


def test_days_without_a_digest_raise_an_alarm(waiting: House) -> None:
    with sqlite3.connect(waiting.folder / "ledger.sqlite3") as db:
        db.execute('UPDATE "Runs" SET "Started" = ?', (f"{TODAY - timedelta(days=4)}T20:00:00Z",))
    db.close()
    waiting.run(day=TODAY, publish_mode="approve")
    assert "no digest has gone out for 4 days" in waiting.rows("Runs")[-1]["Errors"]


def test_a_past_day_is_drafted_again_to_the_letter(house: House) -> None:
    assert with_news(house).run().is_completed()
    assert house.rows("Posts") == [], "its posts are archived"
    again = redraft(house.ledger, date(2024, 1, 15))
    assert again.is_same, again.verdict
    assert again.text + "\n" == house.digests()["2024-01-15.txt"]
    with sqlite3.connect(house.folder / "ledger.sqlite3") as db:
        db.execute('UPDATE "Archive" SET "Content" = "Nothing of it is left.", "AI Summary" = ""')
    db.close()
    assert not redraft(house.ledger, date(2024, 1, 15)).is_same, "nothing is left to say"
    with sqlite3.connect(house.folder / "ledger.sqlite3") as db:
        db.execute('UPDATE "Archive" SET "Content" = ? WHERE "Projects" LIKE "Chainlink%"', (NEWS,))
    db.close()
    less = redraft(house.ledger, date(2024, 1, 15))
    assert ("Chainlink" in less.text, "validators" in less.text, less.is_same) == (True, False, False)
    with pytest.raises(PipelineError, match="no draft of 2024-01-16"):
        redraft(house.ledger, date(2024, 1, 16))


def test_the_team_is_told_and_nobody_mentioned(house: House, tmp_path: Path) -> None:
    from pydantic import SecretStr

    with WebhookServer() as service:
        address = f"{service.url}/api/webhooks/1/Secret-token-of-the-hook"
        notifier = webhook.block_for(SecretStr(address))
        assert notifier
        save(notifier, "approval")
        save(PipelineSettings(notify="custom-webhook/approval", publish_mode=PublishMode.APPROVE), "told")
        run = {"day": TODAY, "settings": "pipeline-settings/told"}
        assert with_news(house).run(**run).is_completed()
        (call,) = service.calls
        assert call.data["allowed_mentions"] == {"parse": []}
        assert f"Draft {TODAY} waits for you" in call.data["content"]
        assert "Solana" in call.data["content"]
        assert "shared by 1 member" in call.data["content"]
        assert len(call.data["content"]) <= 2_000
        service.plan("", lambda _call, _work: service.error(401, "Secret-token-of-the-hook"))
        with pytest.raises(PipelineError) as error:
            webhook.send(notifier, "hello", "hello")  # type: ignore[arg-type]
        assert "Secret-token" not in f"{error.value!r} {error.value.__context__!r} {error.value.__cause__!r}"
        assert "(401)" in str(error.value)


def test_what_strangers_wrote_mentions_nobody() -> None:
    told = webhook.fenced("@everyone <@123> <!channel> [x](https://evil.example) ```\n" + "long\n" * 900)
    assert "@everyone" not in told
    assert "<" not in told
    assert "](" not in told
    assert "://" not in told
    assert told.count("```") == 2
    assert len(told) <= 2_000
