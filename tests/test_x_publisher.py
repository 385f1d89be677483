"""X: one post for one draft, whatever the network does to it, and a plain word where it cannot be."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.calls import CallError
from blocks.errors import PermanentError, PipelineError, TransientError, UnclearError, UndecidableError
from blocks.ledger import Ledger
from blocks.records import Draft, DraftStatus
from blocks.sqlite_ledger import SqliteLedger
from blocks.x_publisher import XPublisher, comparable
from tasks.publish import _attempt
from tests.conftest import House
from tests.services import server as faults
from tests.services.x_server import KEYS, Limit, XServer
from tests.test_daily_pipeline import with_news

TODAY = datetime.now(UTC).date()
DRAFT = Draft(TODAY.isoformat(), TODAY, ("The digest.\n\n• 🚀 one & two",), ("20",), "abc", 20, 0.0)
THREAD = replace(DRAFT, parts=("First part.", "Second part.", "Third part."))


@pytest.fixture
def x() -> Iterator[XServer]:
    with XServer() as service:
        yield service
        assert not service.broken


@pytest.fixture
def account(x: XServer) -> XPublisher:
    return account_at(x.url)


def account_at(url: str, **more: Any) -> XPublisher:
    return XPublisher(**{**KEYS, "api_url": url, "timeout": 1, "max_wait": 0, "settle": 0, **more})


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# Publishing


def test_a_draft_is_one_post(x: XServer, account: XPublisher) -> None:
    receipt = account.publish(DRAFT)
    assert x.texts == [DRAFT.text]
    assert (receipt.destination, receipt.ids, receipt.whole) == ("twitter", (x.posts[0].id,), True)
    assert receipt.link == f"https://x.com/i/status/{x.posts[0].id}"
    assert len(x.calls) == 1, "one call, no more: each costs money"


def test_a_thread_is_posts_that_answer_each_other(x: XServer, account: XPublisher) -> None:
    receipt = account.publish(THREAD)
    assert x.texts == list(THREAD.parts)
    assert receipt.ids == tuple(post.id for post in x.posts)
    assert [post.reply_to for post in x.posts] == ["", *receipt.ids[:2]]
    assert receipt.link.endswith(receipt.ids[0])


def test_a_thread_goes_on_after_its_last_published_part(x: XServer, account: XPublisher) -> None:
    first = x.publish("First part.").id
    receipt = account.publish(replace(THREAD, published_ids=(first,)))
    assert x.texts == list(THREAD.parts)
    assert receipt.ids == tuple(post.id for post in x.posts)
    assert [post.reply_to for post in x.posts] == ["", *receipt.ids[:2]]


@pytest.mark.parametrize(
    ("fault", "out"),
    [
        (faults.reset, False),
        (faults.lost, True),
        (faults.cut, True),
        (faults.malformed, True),
        (faults.answers(500), False),
        (faults.answers(503, {"title": "Service Unavailable", "status": 503}), False),
        (faults.answers(504, b"<html>upstream"), False),
        (faults.answers(408), False),
        (faults.answers(200, {"data": {}}), False),
        (faults.answers(200, [1]), False),
        (faults.silent(1.5), False),
        (faults.silent(1.5, after_work=True), True),
        (faults.late(1.5), True),
    ],
)
def test_no_answer_is_unclear_and_looked_up_before_it_is_tried_again(
    x: XServer, fault: faults.Fault, out: bool
) -> None:
    account = account_at(x.url, timeout=0.5)
    x.plan("POST", fault)
    with pytest.raises(UnclearError, match="may have published"):
        account.publish(DRAFT)
    assert len(x.made("POST")) == 1, "it is not repeated blindly"
    found = account.find(DRAFT)
    assert bool(found) == out
    receipt = found or account.publish(DRAFT)
    assert receipt.ids == (x.posts[0].id,)
    assert x.texts == [DRAFT.text], "once"


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "https://127.0.0.1:{port}", "https://nowhere.invalid"])
def test_what_was_never_sent_is_certainly_not_out(url: str) -> None:
    account = account_at(url.format(port=free_port()))
    with pytest.raises(TransientError, match="out of reach"):
        account.publish(DRAFT)


def test_a_server_without_tls_gets_nothing(x: XServer) -> None:
    account = account_at(x.url.replace("http:", "https:"))
    with pytest.raises(TransientError, match="no secure connection"):
        account.publish(DRAFT)
    assert not x.calls


@pytest.mark.parametrize("left_out", list(KEYS))
def test_a_wrong_key_is_refused(x: XServer, left_out: str) -> None:
    account = account_at(x.url, **{left_out: "2244994945-SECRETofsomebodyelse"})
    with pytest.raises(PermanentError, match=r"X refuses \(401\): the keys are not valid\. Make new ones"):
        account.publish(DRAFT)
    assert not x.posts


def refused(x: XServer, account: XPublisher, draft: Draft = DRAFT) -> str:
    with pytest.raises(PermanentError) as caught:
        account.publish(draft)
    assert not isinstance(caught.value, UnclearError)
    assert len(x.made("POST")) == 1, "it is not repeated"
    return str(caught.value)


def test_used_up_credits_are_said(x: XServer, account: XPublisher) -> None:
    x.credits = 0
    assert "credits are used up. Buy credits" in refused(x, account)


def test_an_app_that_may_only_read_is_told_from_other_refusals(x: XServer, account: XPublisher) -> None:
    x.access_level = "read"
    assert "Set the app's permissions to Read and write" in refused(x, account)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 281, "too long"),
        ("", "parameters"),
        ("$BTC and $ETH", "only one cashtag"),
        ("字" * 141, "too long"),
    ],
)
def test_a_text_that_x_does_not_take_is_refused_in_its_own_words(
    x: XServer, account: XPublisher, text: str, said: str
) -> None:
    assert said in refused(x, account, replace(DRAFT, parts=(text,)))


@pytest.mark.parametrize(
    "body", [[], {"errors": None}, {"detail": 5}, b"<html>", b"[" * 100_000, {"errors": [[[["a"]]]]}]
)
def test_a_refusal_of_any_shape_is_a_refusal(x: XServer, account: XPublisher, body: Any) -> None:
    x.plan("POST", faults.answers(403, body))
    assert "X refuses (403)" in refused(x, account)


def test_a_refusal_has_one_short_line(x: XServer, account: XPublisher) -> None:
    x.plan("POST", faults.answers(403, {"detail": "no\u202e\n" + "way " * 5000}))
    message = refused(x, account)
    assert len(message) < 200
    assert "\n" not in message
    assert "\u202e" not in message


# Limits


def test_a_rate_limit_is_waited_out(x: XServer) -> None:
    x.limits["POST /2/tweets"] = Limit(1, 1.2)
    account = account_at(x.url, max_wait=5)
    account.publish(replace(DRAFT, parts=("Before.",)))
    account.publish(DRAFT)
    assert x.texts == ["Before.", DRAFT.text]
    assert [call.status for call in x.made("POST")] == [201, 429, 201]


def test_a_rate_limit_that_ends_too_late_is_not_waited_for(x: XServer) -> None:
    x.limits["POST /2/tweets"] = Limit(0, 900)
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"rate limit is used up until 20\d\d-\d\d-\d\d \d\d:\d\d UTC"):
        account_at(x.url, max_wait=60).publish(DRAFT)
    assert time.monotonic() - began < 1
    assert len(x.calls) == 1


@pytest.mark.parametrize("reset", ["", "soon", "9" * 400, "-1", "1e9"])
def test_a_rate_limit_without_a_sound_hint_is_not_waited_for(x: XServer, reset: str) -> None:
    headers = {"x_rate_limit_reset": reset} if reset else {}
    x.plan("POST", faults.answers(429, {"title": "Too Many Requests"}, **headers), times=9)
    with pytest.raises(TransientError):
        account_at(x.url, max_wait=5).publish(DRAFT)
    assert len(x.calls) == 1


def test_a_limit_that_never_lifts_is_waited_for_within_the_bound(x: XServer) -> None:
    x.plan("POST", faults.answers(429, {}, x_rate_limit_reset="1"), times=99)
    with pytest.raises(TransientError):
        account_at(x.url, max_wait=2.5).publish(DRAFT)
    assert len(x.calls) == 3


def test_the_limit_of_a_day_is_not_waited_for(x: XServer) -> None:
    x.user_day = Limit(1, 86_400)
    account = account_at(x.url, max_wait=5)
    account.publish(replace(DRAFT, parts=("Before.",)))
    with pytest.raises(PermanentError, match=r"limit for a day is used up until 20"):
        account.publish(DRAFT)
    assert len(x.calls) == 2


def test_a_monthly_cap_is_not_waited_for(x: XServer) -> None:
    body = {"title": "UsageCapExceeded", "detail": "Usage cap exceeded: Monthly product cap", "period": "Monthly"}
    x.plan("POST", faults.answers(429, body, x_rate_limit_reset="1"))
    assert "Monthly product cap" in refused(x, account_at(x.url, max_wait=5))


# What is out already


def test_a_duplicate_is_the_post_that_is_out(x: XServer, account: XPublisher) -> None:
    out = x.publish(DRAFT.text, age=timedelta(minutes=5))
    assert account.publish(DRAFT).ids == (out.id,)
    assert len(x.posts) == 1


def test_a_duplicate_that_the_timeline_does_not_show_is_for_a_person(x: XServer, account: XPublisher) -> None:
    x.publish(DRAFT.text, age=timedelta(days=30))
    with pytest.raises(UndecidableError, match="does not show it"):
        account.publish(DRAFT)


@pytest.mark.parametrize(("status", "kind"), [(500, UnclearError), (401, UnclearError), (403, UndecidableError)])
def test_a_duplicate_is_never_called_not_out(
    x: XServer, account: XPublisher, status: int, kind: type[PipelineError]
) -> None:
    x.publish(DRAFT.text)
    x.plan("GET", faults.answers(status, {"detail": "no"}), times=9)
    with pytest.raises(UnclearError) as caught:
        account.publish(DRAFT)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "text",
    [
        "A & B < C > D &amp; E &lt;",
        "See https://x.com/i/status/20?s=20&t=abc and jup.ag, or https://pump.fun/ now",
        "  Many   spaces\n\n\n\nand lines  ",
        "e\u0301 and ﬁ and ≈",
        "Line one\r\nline two",
        "🚀" * 100,
    ],
)
def test_a_post_is_found_by_what_x_made_of_its_text(x: XServer, account: XPublisher, text: str) -> None:
    draft = replace(DRAFT, parts=(text,))
    x.publish("Something else.")
    receipt = account.publish(draft)
    found = account.find(draft)
    assert found
    assert found.ids == receipt.ids


def test_a_long_post_is_found_by_the_whole_of_its_text(x: XServer, account: XPublisher) -> None:
    x.premium = True
    draft = replace(DRAFT, parts=("Long & wide. " * 100 + "See jup.ag.",))
    receipt = account.publish(draft)
    found = account.find(draft)
    assert found
    assert found.ids == receipt.ids
    assert account.find(replace(draft, parts=(draft.text + " More.",))) is None


def test_other_texts_are_not_taken_for_it() -> None:
    assert comparable("The digest.") != comparable("The digest")
    assert comparable("Up 5%") != comparable("Up 50%")
    assert comparable("see a.io/x") != comparable("see a.io/y")


def test_an_empty_timeline_is_read_in_one_call(x: XServer, account: XPublisher) -> None:
    assert account.find(DRAFT) is None
    assert [call.what for call in x.calls] == ["GET /2/users/2244994945/tweets"]


def test_a_busy_account_is_read_back_to_before_the_draft(x: XServer, account: XPublisher) -> None:
    out = x.publish(DRAFT.text, age=timedelta(hours=20))
    for number in range(60):
        x.publish(f"Other post {number}", age=timedelta(minutes=number))
    found = account.find(DRAFT)
    assert found
    assert found.ids == (out.id,)
    assert len(x.calls) == 3


def test_reading_ends_where_the_draft_cannot_be(x: XServer, account: XPublisher) -> None:
    for number in range(60):
        x.publish(f"Old post {number}", age=timedelta(days=4, minutes=number))
    x.publish(DRAFT.text, age=timedelta(days=3, hours=1))
    assert account.find(DRAFT) is None, "an older post of the same text is another"
    assert len(x.calls) == 1


@pytest.mark.parametrize("days", [-40, -3, 0, 3, 40])
def test_a_post_is_found_though_the_clock_was_wrong_when_it_was_drafted(
    x: XServer, account: XPublisher, days: int
) -> None:
    x.publish(DRAFT.text)
    for number in range(30):
        x.publish(f"Other post {number}")
    assert account.find(replace(DRAFT, day=TODAY + timedelta(days=days)))


def test_a_timeline_without_end_is_for_a_person(x: XServer, account: XPublisher) -> None:
    for number in range(510):
        x.publish(f"Other post {number}")
    with pytest.raises(UnclearError, match="more than 500 posts"):
        account.find(DRAFT)


def test_a_timeline_that_lags_is_read_again(x: XServer) -> None:
    x.lag = 0.5
    x.publish(DRAFT.text)
    assert account_at(x.url).find(DRAFT) is None
    assert account_at(x.url, settle=0.7).find(DRAFT)
    assert len(x.calls) == 3


@pytest.mark.parametrize(
    "fault",
    [faults.reset, faults.cut, faults.malformed, faults.answers(503), faults.answers(200, {}), faults.silent(1.2)],
)
def test_a_look_up_is_repeated(x: XServer, fault: faults.Fault) -> None:
    x.publish(DRAFT.text)
    x.plan("GET", fault)
    assert account_at(x.url, max_wait=3, timeout=0.5).find(DRAFT)
    assert len(x.calls) == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.reset, TransientError),
        (faults.answers(503), TransientError),
        (faults.answers(200, {"data": [{"id": "20"}]}), TransientError),
        (faults.answers(200, {"data": "none", "meta": {}}), TransientError),
        (faults.answers(429, {}, x_rate_limit_reset="9999999999"), TransientError),
        (faults.answers(401, {"title": "Unauthorized"}), PermanentError),
        (faults.answers(402, {"title": "CreditsDepleted"}), PermanentError),
        (faults.answers(403, {"detail": "Client Forbidden"}), UnclearError),
    ],
)
def test_a_look_up_that_fails_never_says_not_out(
    x: XServer, account: XPublisher, fault: faults.Fault, kind: type[PipelineError]
) -> None:
    x.publish(DRAFT.text)
    x.plan("GET", fault, times=99)
    with pytest.raises(kind) as caught:
        account.find(DRAFT)
    assert type(caught.value) is kind


def test_an_account_whose_token_has_no_id_is_asked_for_it(x: XServer) -> None:
    x.keys["access_token"] = "SECRETgatewaytoken0000000000"
    x.publish(DRAFT.text)
    assert account_at(x.url, access_token=x.keys["access_token"]).find(DRAFT)
    assert x.calls[0].what == "GET /2/users/me"


# Threads that break off


@pytest.mark.parametrize(("fault", "out"), [(faults.lost, 2), (faults.reset, 1), (faults.answers(500), 1)])
def test_a_thread_that_broke_off_tells_what_is_out_and_is_found(
    x: XServer, account: XPublisher, fault: faults.Fault, out: int
) -> None:
    x.plan("POST", fault, skip=1)
    with pytest.raises(UnclearError) as caught:
        account.publish(THREAD)
    assert caught.value.published_ids == (x.posts[0].id,)
    for known in ((), caught.value.published_ids):
        found = account.find(replace(THREAD, published_ids=known))
        assert found
        assert found.ids == tuple(post.id for post in x.posts)
        assert len(found.ids) == out
        assert not found.whole


def test_a_whole_thread_is_found(x: XServer, account: XPublisher) -> None:
    receipt = account.publish(THREAD)
    found = account.find(THREAD)
    assert found
    assert (found.ids, found.whole) == (receipt.ids, True)


def test_a_thread_with_a_hole_is_for_a_person(x: XServer, account: XPublisher) -> None:
    x.publish("First part.")
    x.publish("Third part.")
    with pytest.raises(UnclearError, match="Part 2 of the thread is not out, but a later one is"):
        account.find(THREAD)


def test_a_thread_that_x_refuses_ends_with_what_is_out(x: XServer, account: XPublisher) -> None:
    x.replies_allowed = False
    receipt = account.publish(THREAD)
    assert (receipt.ids, receipt.whole) == ((x.posts[0].id,), False)
    assert receipt.note.startswith("X took no more of the thread, 1 of 3 parts are out (403): Reply to this")


def test_a_thread_may_go_on_another_day(x: XServer, account: XPublisher) -> None:
    x.user_day = Limit(2, 86_400)
    with pytest.raises(PermanentError) as caught:
        account.publish(THREAD)
    assert caught.value.published_ids == tuple(post.id for post in x.posts)
    x.user_day = Limit(2, 86_400)
    account.publish(replace(THREAD, published_ids=caught.value.published_ids))
    assert x.texts == list(THREAD.parts)


# The draft in the ledger


@pytest.fixture
def book(tmp_path: Path) -> SqliteLedger:
    ledger = SqliteLedger(path=tmp_path / "ledger.sqlite3")
    ledger.open()
    return ledger


def stored(book: Ledger, draft: Draft = DRAFT) -> Draft:
    kept = book.draft(draft.id)
    assert kept
    return kept


def attempt(book: Ledger, account: XPublisher, draft: Draft) -> PipelineError | None:
    if not book.draft(draft.id):
        book.add_draft(draft, [])
    try:
        _attempt(book, account, stored(book))
    except PipelineError as error:
        return error
    return None


@pytest.mark.parametrize("fault", [faults.reset, faults.lost, faults.answers(500), faults.cut])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_thread_is_whole_after_two_attempts(
    x: XServer, account: XPublisher, book: SqliteLedger, fault: faults.Fault, skip: int
) -> None:
    x.plan("POST", fault, skip=skip)
    assert isinstance(attempt(book, account, THREAD), UnclearError)
    between = stored(book)
    assert between.status is DraftStatus.PUBLISHING
    assert between.published_ids == tuple(post.id for post in x.posts[:skip])
    assert attempt(book, account, THREAD) is None
    assert x.texts == list(THREAD.parts)
    assert [post.reply_to for post in x.posts] == ["", *(post.id for post in x.posts[:2])]
    kept = stored(book)
    assert (kept.status, kept.published_ids) == (DraftStatus.PUBLISHED, tuple(post.id for post in x.posts))


def test_a_thread_that_met_the_days_limit_is_failed_with_what_is_out_and_goes_on(
    x: XServer, account: XPublisher, book: SqliteLedger
) -> None:
    x.user_day = Limit(1, 86_400)
    assert isinstance(attempt(book, account, THREAD), PermanentError)
    kept = stored(book)
    assert (kept.status, kept.published_ids) == (DraftStatus.FAILED, (x.posts[0].id,))
    assert "limit for a day" in kept.note
    x.user_day = Limit(9, 86_400)
    assert attempt(book, account, THREAD) is None
    assert x.texts == list(THREAD.parts)


def test_a_rate_limit_in_a_thread_keeps_what_is_out(x: XServer, account: XPublisher, book: SqliteLedger) -> None:
    x.limits["POST /2/tweets"] = Limit(2, 900)
    assert isinstance(attempt(book, account, THREAD), TransientError)
    kept = stored(book)
    assert (kept.status, len(kept.published_ids)) == (DraftStatus.PROPOSED, 2)
    x.limits["POST /2/tweets"] = Limit(9, 900)
    assert attempt(book, account, THREAD) is None
    assert x.texts == list(THREAD.parts)


def test_a_refused_thread_is_published_with_a_note(x: XServer, account: XPublisher, book: SqliteLedger) -> None:
    x.replies_allowed = False
    assert attempt(book, account, THREAD) is None
    kept = stored(book)
    assert (kept.status, kept.published_ids) == (DraftStatus.PUBLISHED, (x.posts[0].id,))
    assert "1 of 3 parts are out" in kept.note


def test_nobody_publishes_what_may_be_out(x: XServer, account: XPublisher, book: SqliteLedger) -> None:
    x.plan("POST", faults.lost)
    assert isinstance(attempt(book, account, DRAFT), UnclearError)
    x.plan("GET", faults.answers(503), times=1)
    assert isinstance(attempt(book, account, DRAFT), TransientError)
    assert stored(book).status is DraftStatus.PUBLISHING, "asked again later"
    x.plan("GET", faults.answers(401), times=1)
    assert isinstance(attempt(book, account, DRAFT), PermanentError)
    assert stored(book).status is DraftStatus.PUBLISHING, "asked again when the keys are mended"
    x.plan("GET", faults.answers(403), times=1)
    assert isinstance(attempt(book, account, DRAFT), UnclearError)
    assert stored(book).status is DraftStatus.UNSURE
    assert len(x.made("POST")) == 1


def test_a_duplicate_that_cannot_be_found_is_unsure(x: XServer, account: XPublisher, book: SqliteLedger) -> None:
    x.publish(DRAFT.text, age=timedelta(days=30))
    assert isinstance(attempt(book, account, DRAFT), UndecidableError)
    kept = stored(book)
    assert kept.status is DraftStatus.UNSURE
    assert "does not show it" in kept.note


def test_the_whole_day_with_an_answer_lost(house: House, x: XServer) -> None:
    account_at(x.url).save("test", overwrite=True)
    x.plan("POST", faults.lost)
    day = TODAY.isoformat()
    state = with_news(house).run(publisher="x-account/test", day=day)
    assert state.message == "1 of 7 steps failed: publish"
    assert house.rows("Drafts")[0]["Status"] == "publishing"
    assert house.run(publisher="x-account/test", day=day).is_completed()
    assert len(x.posts) == 1
    (draft,) = house.rows("Drafts")
    assert (draft["Status"], draft["Published IDs"]) == ("published", x.posts[0].id)


# Readiness, settings, secrets


def test_the_check_says_who_and_what_it_may(x: XServer, account: XPublisher) -> None:
    (ready,) = account.check()
    assert (ready.ok, ready.found) == (True, "X, as @the_digest (read-write)")
    x.access_level = "read"
    (ready,) = account.check()
    assert not ready.ok
    assert "Read and write" in ready.advice
    x.credits = 0
    (ready,) = account.check()
    assert "Buy credits" in ready.advice
    assert not x.made("POST")


def test_the_check_of_a_service_out_of_reach_is_no_exception() -> None:
    (ready,) = account_at(f"http://127.0.0.1:{free_port()}").check()
    assert not ready.ok


def test_missing_keys_are_all_named_before_anything_is_sent(x: XServer) -> None:
    with pytest.raises(PermanentError, match=r"^X_API_SECRET, X_ACCESS_TOKEN: not set"):
        account_at(x.url, api_secret="", access_token=" \n").publish(DRAFT)
    (ready,) = XPublisher(api_url=x.url).check()
    assert "X_API_KEY, X_API_SECRET, X_ACCESS_TOKEN, X_ACCESS_TOKEN_SECRET" in ready.advice
    with pytest.raises(PermanentError, match="X_API_KEY: no key") as caught:
        account_at(x.url, api_key="SECRET with é").publish(DRAFT)
    assert "SECRET" not in str(caught.value)
    assert not x.calls


def test_a_key_with_a_line_end_works(x: XServer) -> None:
    account_at(x.url, **{name: f"{key}\n" for name, key in KEYS.items()}).publish(DRAFT)


@pytest.mark.parametrize("url", ["http://api.x.com", "https://user@api.x.com", "ftp://127.0.0.1"])
def test_keys_go_to_no_other_kind_of_address(url: str) -> None:
    with pytest.raises(ValueError, match="api_url"):
        account_at(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(x: XServer, account: XPublisher, status: int) -> None:
    with XServer() as elsewhere:
        x.plan("", faults.answers(status, None, Location=f"{elsewhere.url}/2/tweets"), times=9)
        with pytest.raises(PermanentError if status in (301, 307, 308) else UnclearError):
            account.publish(DRAFT)
        with pytest.raises(PipelineError):
            account.find(DRAFT)
        assert not elsewhere.calls


def test_proxies_of_the_machine_are_none_of_ours(
    x: XServer, account: XPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    account.publish(DRAFT)
    assert len(x.posts) == 1


def told(error: BaseException | None) -> Iterator[str]:
    """All that an exception, and those behind it, would show. A library's own would hold the whole request."""
    while error:
        assert isinstance(error, PipelineError | CallError)
        yield f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_no_secret_is_told(x: XServer, account: XPublisher, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(account), str(account), account.model_dump_json()]
    for fault in (faults.reset, faults.answers(401), faults.answers(500), faults.silent(1.5), faults.malformed):
        x.plan("", fault)
        for work in (account.publish, account.find):
            try:
                work(DRAFT)
            except PipelineError as error:
                shown += told(error)
    shown += [str(account.check()), caplog.text]
    assert "POST" in caplog.text, "there are logs of the calls"
    for text in shown:
        assert "SECRET" not in text
        assert "oauth_signature" not in text
