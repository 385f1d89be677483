"""Typefully: one draft there and one post on X for one draft of ours, however long it takes and whatever is lost."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError
from blocks.records import Draft, DraftStatus
from blocks.sqlite_ledger import SqliteLedger
from blocks.typefully import TypefullyPublisher, title
from tasks.publish import _attempt
from tests.services import server as faults
from tests.services.typefully_server import KEY, SOCIAL_SET, TypefullyServer
from tests.services.x_server import Limit
from tests.test_x_publisher import told

TODAY = datetime.now(UTC).date()
DRAFT = Draft(TODAY.isoformat(), TODAY, ("The digest.\n\n• 🚀 one & two",), ("20",), "abc", 20, 0.0)
THREAD = replace(DRAFT, parts=("First part.", "Second part."))


@pytest.fixture
def typefully() -> Iterator[TypefullyServer]:
    with TypefullyServer() as service:
        yield service
        assert not service.broken


def account_at(url: str, **more: Any) -> TypefullyPublisher:
    usual = {"api_key": KEY, "social_set_id": SOCIAL_SET, "api_url": url, "timeout": 1, "max_wait": 2, "poll": 0.1}
    return TypefullyPublisher(**usual | more)


@pytest.fixture
def account(typefully: TypefullyServer) -> TypefullyPublisher:
    return account_at(typefully.url)


# Publishing


@pytest.mark.parametrize("takes", [0.0, 0.5])
def test_a_draft_is_published_and_waited_for(
    typefully: TypefullyServer, account: TypefullyPublisher, takes: float
) -> None:
    typefully.takes = takes
    receipt = account.publish(DRAFT)
    assert typefully.published == [DRAFT.text]
    (held,) = typefully.drafts
    assert held.title == title(DRAFT)
    assert DRAFT.id in held.title
    assert (receipt.destination, receipt.ids) == ("typefully", (held.x_ids[0],))
    assert receipt.link == f"https://x.com/i/status/{held.x_ids[0]}"


def test_a_thread_is_one_draft(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    receipt = account.publish(THREAD)
    assert typefully.published == list(THREAD.parts)
    assert receipt.whole
    assert account.find(THREAD) is not None


def test_it_is_made_once(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    assert account.find(DRAFT) is None
    receipt = account.publish(DRAFT)
    found = account.find(DRAFT)
    assert found
    assert found.ids == account.publish(DRAFT).ids == receipt.ids
    assert len(typefully.made("POST")) == 1
    assert typefully.published == [DRAFT.text]


def test_the_address_on_x_may_follow(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    typefully.url_takes = 0.4
    assert account.publish(DRAFT).ids == (typefully.drafts[0].x_ids[0],)
    typefully.url_takes = 99
    receipt = account_at(typefully.url, max_wait=0.2).find(DRAFT)
    assert receipt, "it is out, though under which id is not known"
    assert receipt.link == f"https://typefully.com/?d={typefully.drafts[0].id}"


def test_it_may_stay_a_draft_for_a_person(typefully: TypefullyServer) -> None:
    account = account_at(typefully.url, publish_at="draft")
    receipt = account.publish(DRAFT)
    assert typefully.published == []
    assert receipt.link == f"https://typefully.com/?d={typefully.drafts[0].id}"
    found = account.find(DRAFT)
    assert found
    assert found.ids == account.publish(DRAFT).ids == receipt.ids
    assert len(typefully.drafts) == 1


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        (faults.reset, False),
        (faults.lost, True),
        (faults.cut, True),
        (faults.malformed, True),
        (faults.answers(500), False),
        (faults.answers(503, b"<html>"), False),
        (faults.answers(201, {"status": "draft"}), False),
        (faults.silent(0.8), False),
        (faults.silent(0.8, after_work=True), True),
    ],
)
def test_no_answer_is_unclear_and_looked_up_before_it_is_tried_again(
    typefully: TypefullyServer, fault: faults.Fault, there: bool
) -> None:
    account = account_at(typefully.url, timeout=0.4)
    typefully.plan("POST", fault)
    with pytest.raises(UnclearError, match="Typefully may have it"):
        account.publish(DRAFT)
    assert len(typefully.made("POST")) == 1
    found = account.find(DRAFT)
    assert bool(found) == there
    receipt = found or account.publish(DRAFT)
    assert receipt.ids == (typefully.drafts[0].x_ids[0],)
    assert len(typefully.drafts) == 1
    assert typefully.published == [DRAFT.text], "once"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_was_never_sent_is_certainly_not_out(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        account = account_at(f"{scheme}://127.0.0.1:{taken.getsockname()[1]}", max_wait=0)
        with pytest.raises(TransientError, match="out of reach"):
            account.publish(DRAFT)


def test_while_it_takes_long_it_is_unclear_and_then_found(typefully: TypefullyServer) -> None:
    typefully.takes = 3600
    account = account_at(typefully.url, max_wait=0.3)
    with pytest.raises(UnclearError, match="not out yet"):
        account.publish(DRAFT)
    with pytest.raises(TransientError, match="not out yet"):
        account.find(DRAFT)
    typefully.takes = 0
    assert account.find(DRAFT)
    assert len(typefully.made("POST")) == 1


def test_what_is_going_out_is_not_taken_for_a_draft(typefully: TypefullyServer) -> None:
    typefully.takes = 3.0
    account = account_at(typefully.url, max_wait=0)
    typefully.plan("POST", faults.lost)
    with pytest.raises(UnclearError):
        account.publish(DRAFT)
    with pytest.raises(TransientError, match="as draft, not out yet"):
        account.find(DRAFT)
    with pytest.raises(UnclearError, match="not out yet"):
        account.publish(DRAFT)
    assert not typefully.made("PATCH")


def test_polling_survives_a_fault(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    typefully.takes = 0.2
    typefully.plan(r"GET .*/drafts/\d+$", faults.lost)
    assert account.publish(DRAFT)


def test_polling_that_fails_is_unclear(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    typefully.plan(r"GET .*/drafts/\d+$", faults.answers(401), times=99)
    typefully.takes = 0.1
    with pytest.raises(UnclearError, match="does not say whether it is out"):
        account.publish(DRAFT)
    typefully.heal()
    assert account.find(DRAFT)


def test_a_failure_there_is_permanent_and_the_same_draft_is_sent_again(
    typefully: TypefullyServer, account: TypefullyPublisher
) -> None:
    typefully.fails = "X account disconnected"
    with pytest.raises(PermanentError, match=r"could not publish it: X account disconnected\. See https://typefully"):
        account.publish(DRAFT)
    assert account.find(DRAFT) is None
    typefully.fails = ""
    assert account.publish(DRAFT)
    assert len(typefully.drafts) == 1
    assert typefully.published == [DRAFT.text]


def test_a_thread_that_failed_there_is_for_a_person(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    typefully.fails = "X said no"
    for work in (account.publish, account.find, account.publish):
        with pytest.raises(UndecidableError, match="a part of it may be out"):
            work(THREAD)
    assert len(typefully.drafts) == 1


def test_a_draft_that_was_left_lying_is_sent(typefully: TypefullyServer) -> None:
    account = account_at(typefully.url, max_wait=0.3)
    typefully.keeps_draft = True
    with pytest.raises(UnclearError):
        account.publish(DRAFT)
    assert account.find(DRAFT) is None
    typefully.keeps_draft = False
    account.publish(DRAFT)
    assert [call.method for call in typefully.calls if call.method != "GET"] == ["POST", "PATCH"]
    assert typefully.published == [DRAFT.text]


def test_a_draft_that_cannot_be_sent_is_for_a_person(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    typefully.hold(title(DRAFT))
    typefully.plan("PATCH", faults.answers(400, {"error": {"code": "BAD_REQUEST", "message": "cannot be edited"}}))
    with pytest.raises(UndecidableError, match="lets nobody send it"):
        account.publish(DRAFT)


def test_another_text_of_the_same_day_is_for_a_person(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    account.publish(DRAFT)
    edited = replace(DRAFT, parts=("Another text.",))
    for work in (account.find, account.publish):
        with pytest.raises(UndecidableError, match="with another text"):
            work(edited)
    assert typefully.published == [DRAFT.text]


def test_an_older_text_that_never_went_out_is_left_alone(
    typefully: TypefullyServer, account: TypefullyPublisher
) -> None:
    typefully.hold(title(DRAFT))
    account.publish(replace(DRAFT, parts=("Another text.",)))
    assert typefully.published == ["Another text."]


def test_of_two_copies_the_one_that_is_out_counts(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    receipt = account.publish(DRAFT)
    typefully.hold(title(DRAFT))
    typefully.hold(title(DRAFT), status="error")
    assert account.publish(DRAFT).ids == receipt.ids


# Looking it up


def test_it_is_found_among_many(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    account.publish(DRAFT)
    for number in range(120):
        typefully.hold(f"daily-pipeline {number} [x]")
    assert account.find(DRAFT)
    assert account.find(replace(DRAFT, id="2024-01-1")) is None


def test_the_list_is_read_only_as_far_as_needed(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    for number in range(120):
        typefully.hold(f"Old {number}", age=timedelta(days=4))
    assert account.find(DRAFT) is None
    assert len(typefully.calls) == 1


def test_a_list_without_end_is_for_a_person(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    for number in range(1001):
        typefully.hold(f"New {number}")
    with pytest.raises(UndecidableError, match="more than 1000 drafts"):
        account.find(DRAFT)


@pytest.mark.parametrize("fault", [faults.reset, faults.cut, faults.malformed, faults.answers(503)])
def test_a_look_up_is_repeated(typefully: TypefullyServer, account: TypefullyPublisher, fault: faults.Fault) -> None:
    account.publish(DRAFT)
    typefully.plan("GET", fault)
    assert account.find(DRAFT)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.reset, TransientError),
        (faults.answers(200, {"results": [5]}), TransientError),
        (faults.answers(200, {"results": [{"id": None}]}), TransientError),
        (faults.answers(429, {}), TransientError),
        (faults.answers(401, {"code": "UNAUTHORIZED", "message": "Invalid key"}), PermanentError),
        (faults.answers(404, b""), PermanentError),
    ],
)
def test_a_look_up_that_fails_never_says_not_out(
    typefully: TypefullyServer, fault: faults.Fault, kind: type[PipelineError]
) -> None:
    account = account_at(typefully.url, max_wait=0)
    account_at(typefully.url).publish(DRAFT)
    typefully.plan("GET", fault, times=99)
    for work in (account.find, account.publish):
        with pytest.raises(kind) as caught:
            work(DRAFT)
        assert type(caught.value) is kind
    assert len(typefully.made("POST")) == 1


# Refusals


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"code": "UNAUTHORIZED", "message": "Invalid key"}, r"\(401\): Invalid key\. Make a new key"),
        (402, {"error": "Account is paused", "details": {}}, r"\(402\): Account is paused\. Typefully asks for a paid"),
        (403, {"error": {"code": "FORBIDDEN", "message": "No access"}}, r"\(403\): No access\. The key's owner"),
        (404, None, r"\(404\)\. Is TYPEFULLY_SOCIAL_SET_ID right"),
        (422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, r"\(422\): Field required\."),
        (418, [[]], r"\(418\)\. Check TYPEFULLY_API_URL"),
        (301, None, r"\(301\)\. Check TYPEFULLY_API_URL"),
    ],
)
def test_a_refusal_is_said_and_not_repeated(
    typefully: TypefullyServer, account: TypefullyPublisher, status: int, body: Any, said: str
) -> None:
    typefully.plan("POST", faults.answers(status, body, Location="https://elsewhere.invalid/"), times=9)
    with pytest.raises(PermanentError, match=said):
        account.publish(DRAFT)
    assert len(typefully.made("POST")) == 1


def test_a_rate_limit_is_waited_out(typefully: TypefullyServer) -> None:
    typefully.limits["socialset"] = Limit(1, 1.0)
    account = account_at(typefully.url, max_wait=5)
    account.publish(replace(DRAFT, id="2024-01-14", parts=("Before.",)))
    account.publish(DRAFT)
    assert [call.status for call in typefully.made("POST")] == [201, 429, 201]
    assert typefully.published == ["Before.", DRAFT.text]


def test_a_rate_limit_that_ends_too_late_is_not_waited_for(typefully: TypefullyServer) -> None:
    typefully.limits["socialset"] = Limit(0, 600)
    with pytest.raises(TransientError, match=r"rate limit is used up, for \d+ more seconds"):
        account_at(typefully.url).publish(DRAFT)
    assert len(typefully.made("POST")) == 1


# The draft in the ledger


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("POST", faults.lost),
        ("POST", faults.reset),
        ("POST", faults.answers(503)),
        (r"GET .*/drafts/\d+$", faults.answers(403)),
        (r"GET .*/drafts$", faults.answers(401)),
    ],
)
def test_after_two_attempts_it_is_out_once(
    typefully: TypefullyServer, account: TypefullyPublisher, tmp_path: Path, pattern: str, fault: faults.Fault
) -> None:
    book = SqliteLedger(path=tmp_path / "ledger.sqlite3")
    book.open()
    book.add_draft(DRAFT, [])
    typefully.takes = 0.1
    typefully.plan(pattern, fault)
    with pytest.raises(PipelineError):
        _attempt(book, account, DRAFT)
    between = book.draft(DRAFT.id)
    assert between
    _attempt(book, account, between)
    kept = book.draft(DRAFT.id)
    assert kept
    assert (kept.status, kept.published_ids) == (DraftStatus.PUBLISHED, tuple(typefully.drafts[0].x_ids))
    assert len(typefully.drafts) == 1
    assert typefully.published == [DRAFT.text]


# Readiness, settings, secrets


def test_the_check_says_who_and_which_set(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    (ready,) = account.check()
    assert (ready.ok, ready.found) == (True, "Typefully, as Ada, social set 12345 (@the_digest)")
    for wrong in ("", "99999", "../../me"):
        (ready,) = account_at(typefully.url, social_set_id=wrong).check()
        assert not ready.ok
        assert "one of: 12345 (@the_digest), 67890 (@linkedin_only)" in ready.advice
    (ready,) = account_at(typefully.url, social_set_id="67890").check()
    assert not ready.ok
    assert ready.advice.startswith("Connect an X account")
    (ready,) = account_at(typefully.url, api_key="SECRETwrong").check()
    assert not ready.ok
    assert "(401)" in ready.advice
    assert {call.method for call in typefully.calls} == {"GET"}


@pytest.mark.parametrize(
    ("field", "value"), [("api_key", ""), ("api_key", "SECRET é"), ("api_key", "SECRET\nkey"), ("social_set_id", "a/b")]
)
def test_a_setting_that_cannot_be_is_named_before_anything_is_sent(
    typefully: TypefullyServer, field: str, value: str
) -> None:
    account = account_at(typefully.url, **{field: value})
    with pytest.raises(PermanentError, match=f"TYPEFULLY_{field.upper()}") as caught:
        account.publish(DRAFT)
    assert "SECRET" not in str(caught.value)
    assert not typefully.calls


def test_a_text_of_any_kind_arrives_as_it_is(typefully: TypefullyServer, account: TypefullyPublisher) -> None:
    text = 'A "quoted" 🚀 \u2028 line\n\ttab \\ é & <b>'
    account.publish(replace(DRAFT, parts=(text,)))
    assert typefully.published == [text]


def test_proxies_of_the_machine_are_none_of_ours(account: TypefullyPublisher, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert account.publish(DRAFT)


def test_no_secret_is_told(typefully: TypefullyServer, caplog: pytest.LogCaptureFixture) -> None:
    account = account_at(typefully.url, timeout=0.3, max_wait=0.2)
    caplog.set_level(logging.DEBUG)
    shown = [repr(account), str(account), account.model_dump_json()]
    for fault in (faults.reset, faults.answers(401), faults.answers(500), faults.silent(0.5), faults.malformed):
        for work, pattern in ((account.publish, "POST"), (account.find, "GET")):
            typefully.plan(pattern, fault)
            try:
                work(replace(DRAFT, id=f"{DRAFT.id}-{len(shown)}"))
            except PipelineError as error:
                shown += told(error)
    shown += [str(account.check()), caplog.text]
    assert "POST" in caplog.text, "there are logs of the calls"
    assert len(shown) > 8
    for text in shown:
        assert "SECRET" not in text
