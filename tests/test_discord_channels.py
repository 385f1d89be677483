"""Discord as the source: by discord.py, over HTTP, without the gateway."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError, PipelineError, TransientError
from blocks.export_source import SAMPLE, ExportSource
from blocks.records import Bookmark, ChannelRead, Message
from tasks.fetch import Fetched, collect
from tests.services.discord_server import BOT, TOKEN, DiscordServer, user
from tests.services.server import Fault, answers, cut, lost, malformed, reset, silent

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        server.channel()
        yield server
        assert server.broken == []


def source(discord: DiscordServer, *channels: str, **more: Any) -> DiscordChannels:
    fields = {"token": discord.token, "channel_ids": list(channels or ["222"]), "api_url": f"{discord.url}/api/v10"}
    return DiscordChannels(**fields | {"max_wait": 6} | more)


def read(
    block: DiscordChannels,
    marks: dict[str, Bookmark] | None = None,
    *,
    limit: int = 0,
    lookback: timedelta = DAY,
    channels: Sequence[str] = (),
) -> tuple[list[Message], dict[str, ChannelRead]]:
    events = list(block.read(marks or {}, limit=limit, lookback=lookback, channels=channels))
    return (
        [e for e in events if isinstance(e, Message)],
        {e.channel.id: e for e in events if isinstance(e, ChannelRead)},
    )


def test_messages_come_oldest_first_as_records(discord: DiscordServer) -> None:
    embed = {"type": "rich", "url": "https://x.com/a/status/1", "description": "Words.", "author": {"name": "A (@a)"}}
    first = discord.post("222", "look https://x.com/a/status/1", at=NOW - timedelta(hours=2), embeds=[embed])
    snapshot = {"message": {"content": "https://x.com/b/status/2", "embeds": [embed]}}
    second = discord.post("222", "", at=NOW - timedelta(hours=1), message_snapshots=[snapshot])
    messages, reads = read(source(discord))
    assert [m.id for m in messages] == [first, second]
    assert messages[0].author == "Ada Lovelace"
    assert messages[0].link == f"https://discord.com/channels/111/222/{first}"
    assert messages[0].embeds[0].description == "Words."
    assert messages[1].forwarded[0].content == "https://x.com/b/status/2"
    assert messages[1].forwarded[0].embeds[0].author_name == "A (@a)"
    done = reads["222"]
    assert (done.new, done.reread, done.waiting, done.failed) == (2, 0, 0, False)
    assert done.bookmark
    assert done.bookmark.last_message_id == second
    assert done.bookmark.name == "alpha"


def test_only_the_named_channels_are_read_whatever_is_set_up(discord: DiscordServer) -> None:
    for channel in ("333", "444"):
        discord.channel(channel, f"c{channel}")
        discord.post(channel, "hello", at=NOW - timedelta(hours=1))
    discord.post("222", "not asked for", at=NOW - timedelta(hours=1))
    messages, reads = read(source(discord, "222", "333"), channels=["333", "444"])
    assert list(reads) == ["333", "444"]
    assert [m.content for m in messages] == ["hello", "hello"]
    assert not any("/channels/222" in str(call) for call in discord.calls)
    assert list(read(source(discord, channel_ids=[]), channels=["444"])[1]) == ["444"], "none need be set up"


def test_a_named_channel_that_is_not_there_costs_one_line_and_the_others_go_on(discord: DiscordServer) -> None:
    discord.post("222", "hello", at=NOW - timedelta(hours=1))
    messages, reads = read(source(discord), channels=["987", "222"])
    assert reads["987"].failed
    assert reads["987"].problem
    assert len(messages) == 1


def test_what_can_be_no_channel_is_refused_before_anything_is_asked(discord: DiscordServer) -> None:
    with pytest.raises(PermanentError, match=r"^No channel id: alpha\. "):
        read(source(discord), channels=["222", "alpha"])
    assert discord.calls == []


@pytest.mark.parametrize("newest_of_all", [False, True])
def test_a_thousand_that_wait_come_in_five_reads_in_order(discord: DiscordServer, newest_of_all: bool) -> None:
    discord.newest_of_all = newest_of_all
    sent = [discord.post("222", f"number {i}", at=NOW - timedelta(seconds=2000 - i)) for i in range(1000)]
    marks = {"222": Bookmark("222", "alpha", str(int(sent[0]) - 1), NOW - timedelta(hours=1))}
    got: list[str] = []
    for turn in range(5):
        messages, reads = read(source(discord), marks, limit=200, lookback=timedelta(0))
        got += [message.id for message in messages if message.id not in got[-1:]]
        assert bool(reads["222"].waiting) == (turn < 4), "it is said that more waits"
        bookmark = reads["222"].bookmark
        assert bookmark
        marks["222"] = bookmark
    assert got == sent
    assert read(source(discord), marks, limit=200, lookback=timedelta(0))[1]["222"].bookmark is None


def test_calls_grow_with_the_new_messages_not_with_the_channel(discord: DiscordServer) -> None:
    for i in range(5000):
        discord.post("222", at=NOW - timedelta(days=30) + timedelta(seconds=i))
    new = [discord.post("222", at=NOW - timedelta(minutes=i)) for i in (3, 2, 1)]
    messages, _ = read(source(discord))
    assert [m.id for m in messages] == new
    assert len(discord.calls) <= 6


def test_what_may_have_been_edited_is_read_again(discord: DiscordServer) -> None:
    old = discord.post("222", at=NOW - timedelta(days=3))
    edited = discord.post("222", at=NOW - timedelta(hours=30))
    seen = discord.post("222", at=NOW - timedelta(hours=20))
    new = discord.post("222", at=NOW - timedelta(hours=1))
    marks = {"222": Bookmark("222", "alpha", seen, NOW - timedelta(hours=19))}
    messages, reads = read(source(discord), marks)
    assert [m.id for m in messages] == [edited, seen, new]
    assert (reads["222"].new, reads["222"].reread) == (1, 2)
    assert old not in [m.id for m in messages]


def test_a_week_of_downtime_is_caught_up(discord: DiscordServer) -> None:
    seen = discord.post("222", at=NOW - timedelta(days=8))
    sent = [discord.post("222", at=NOW - timedelta(days=7 - i)) for i in range(7)]
    discord.channel("555", "a closed thread", parent="222", archived_at=NOW - timedelta(days=4))
    in_thread = discord.post("555", "in a thread", at=NOW - timedelta(days=5))
    marks = {"222": Bookmark("222", "alpha", seen, NOW - timedelta(days=8))}
    messages, _ = read(source(discord), marks)
    assert [m.id for m in messages] == [seen, *sent, in_thread]


def test_a_channel_that_was_never_read_is_read_from_where_the_last_run_stopped(discord: DiscordServer) -> None:
    """It was added, or had been silent, and then runs failed: its messages of those days are as new as the others'."""
    discord.channel("333", "beta")
    seen = discord.post("222", at=NOW - timedelta(days=3, hours=1))
    missed = discord.post("333", at=NOW - timedelta(days=2))
    marks = {"222": Bookmark("222", "alpha", seen, NOW - timedelta(days=3))}
    messages, _ = read(source(discord, "222", "333"), marks)
    assert missed in [message.id for message in messages]


def test_threads_are_read_with_bookmarks_of_their_own(discord: DiscordServer) -> None:
    discord.channel("333", "other")
    discord.post("222", "in the channel")
    discord.channel("444", "a thread", parent="222")
    discord.channel("555", "a closed thread", parent="222", archived_at=NOW - timedelta(hours=1))
    discord.channel("666", "of another channel", parent="333")
    discord.channel("777", "long closed", parent="222", archived_at=NOW - timedelta(days=90))
    discord.post("444", "in a thread", at=NOW - timedelta(hours=3))
    discord.post("555", "in a closed thread", at=NOW - timedelta(hours=2))
    discord.post("666", "elsewhere")
    discord.post("777", "long ago", at=NOW - timedelta(days=91))
    messages, reads = read(source(discord))
    assert [m.content for m in messages] == ["in the channel", "in a thread", "in a closed thread"]
    assert {i: r.channel.name for i, r in reads.items()} == {
        "222": "alpha",
        "444": "alpha/a thread",
        "555": "alpha/a closed thread",
    }
    assert not discord.made("/channels/777/messages")
    assert read(source(discord, include_threads=False))[0][0].content == "in the channel"


def test_many_archived_threads_are_paged_and_old_ones_are_not(discord: DiscordServer) -> None:
    discord.post("222", "gm")
    for i in range(350):
        discord.channel(str(10_000 + i), f"t{i}", parent="222", archived_at=NOW - timedelta(hours=i / 5))
    read(source(discord))
    assert 2 <= len(discord.made("archived/public")) <= 3


def test_one_channels_failure_is_its_own(discord: DiscordServer) -> None:
    discord.channel("333", "hidden", visible=False)
    hidden = discord.post("333", "gm", at=NOW - timedelta(hours=20))
    good = discord.post("222", "gm")
    messages, reads = read(source(discord, "333", "999", "222"))
    assert [m.id for m in messages] == [good]
    assert reads["333"].failed
    assert "View Channel" in reads["333"].problem
    assert "DISCORD_CHANNEL_ID" in reads["999"].problem
    assert not reads["222"].failed
    discord.places["333"].visible = True
    marks = {i: done.bookmark for i, done in reads.items() if done.bookmark}
    assert [m.id for m in read(source(discord, "333"), marks)[0]] == [hidden], "its reading begins where it would have"


def test_the_missing_intent_is_told_from_a_quiet_day(discord: DiscordServer) -> None:
    discord.message_content = False
    discord.post("222", "look https://x.com/a/status/1")
    discord.post("222", "a bot's own words", author=user(BOT, "Link Collector", bot=True))
    messages, reads = read(source(discord))
    assert messages == []
    assert reads["222"].failed
    assert "Message Content Intent" in reads["222"].problem
    assert reads["222"].bookmark
    discord.message_content = True
    discord.post("222", "", attachments=[{"id": "1", "filename": "a.png"}])
    messages, again = read(source(discord), {"222": reads["222"].bookmark})
    assert not again["222"].failed
    assert messages[0].content == "look https://x.com/a/status/1", "nothing is taken for read that was withheld"


def test_the_missing_right_to_the_history_is_told_from_an_empty_channel(discord: DiscordServer) -> None:
    assert not read(source(discord))[1]["222"].failed, "empty"
    discord.post("222", at=NOW - timedelta(days=9))
    assert not read(source(discord))[1]["222"].failed, "quiet"
    discord.post("222")
    discord.places["222"].history = False
    done = read(source(discord))[1]["222"]
    assert done.failed
    assert "Read Message History" in done.problem


TROUBLE = [
    answers(503, {"message": "unavailable", "code": 0}),
    answers(500, {"message": "internal", "code": 0}),
    reset,
    lost,
    cut,
    malformed,
    answers(200, b"[]", Content_Type="text/html"),
    answers(200, {"not": "a list"}),
    answers(429, {"message": "slow", "retry_after": 0.3, "global": False}, Retry_After="0.3"),
    answers(429, {"message": "slow", "retry_after": 0.3, "global": True}, Retry_After="0.3", Via="1.1 google"),
]


@pytest.mark.parametrize("fault", TROUBLE, ids=range(len(TROUBLE)))
def test_trouble_that_passes_costs_nothing(discord: DiscordServer, fault: Fault) -> None:
    sent = discord.post("222", "gm")
    discord.plan("/messages", fault)
    messages, reads = read(source(discord))
    assert [m.id for m in messages] == [sent]
    assert not reads["222"].failed


@pytest.mark.parametrize("fault", [TROUBLE[0], TROUBLE[2]], ids=["503", "reset"])
def test_trouble_that_stays_is_that_channels_failure(discord: DiscordServer, fault: Fault) -> None:
    discord.channel("333", "other")
    good = discord.post("333", "gm")
    discord.post("222", "gm")
    discord.plan("/channels/222/messages", fault, times=99)
    messages, reads = read(source(discord, "222", "333", max_wait=2))
    assert [m.id for m in messages] == [good]
    assert reads["222"].failed
    assert "the next run reads on from here" in reads["222"].problem


def test_a_rate_limit_is_waited_out_up_to_a_bound(discord: DiscordServer) -> None:
    discord.post("222", "gm")
    hour = answers(429, {"message": "slow", "retry_after": 3600, "global": False}, Retry_After="3600", Via="1.1 google")
    discord.plan("/messages", hour, times=99)
    done = read(source(discord, max_wait=1))[1]["222"]
    assert done.failed
    assert len(discord.made("/messages")) == 1, "it is not hammered"


def test_a_call_that_is_not_answered_ends(discord: DiscordServer) -> None:
    discord.plan("/channels/222$", silent(5), times=9)
    assert read(source(discord, timeout=0.3, max_wait=0.5))[1]["222"].failed


def test_a_token_that_is_refused_stops_at_once(discord: DiscordServer) -> None:
    with pytest.raises(PermanentError, match="Reset Token"):
        read(source(discord, "222", "333", token="wrong" * 4))
    assert len(discord.calls) == 1


def test_a_service_that_is_away(discord: DiscordServer) -> None:
    block = source(discord, max_wait=0.5)
    discord.stop()
    with pytest.raises(TransientError, match="no whole answer"):
        read(block)


HOSTILE: list[dict[str, Any]] = [
    {"id": "not a number"},
    {"id": 5},
    {"id": None},
    {"id": "9" * 5000},
    {"id": str(2**62)},
]
ODD: list[dict[str, Any]] = [
    {"thread": None},
    {"content": None},
    {"content": ["a", "list"]},
    {"author": None},
    {"author": {"username": 7, "global_name": "\u202eevil\u200b"}},
    {"embeds": "none"},
    {"embeds": [None, 5, {"author": "x", "fields": [None, {"name": 3}]}]},
    {"message_snapshots": [{"message": None}, None, 7]},
    {"type": "odd"},
    {"content": "x" * 200_000},
]


def test_a_broken_message_costs_itself(discord: DiscordServer) -> None:
    good = discord.post("222", "gm", at=NOW - timedelta(minutes=1))
    raw = discord.places["222"].messages
    discord.plan("/channels/222/messages", answers(200, [raw[0] | odd for odd in HOSTILE] + ["text", None, raw[0]]))
    messages, reads = read(source(discord))
    assert [m.id for m in messages] == [good]
    assert reads["222"].bookmark
    assert reads["222"].bookmark.last_message_id == good


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_odd_message_does_no_harm(discord: DiscordServer, odd: dict[str, Any]) -> None:
    discord.post("222", "a good one", at=NOW - timedelta(minutes=2))
    discord.post("222", **{"content": "words", "at": NOW - timedelta(minutes=1)} | odd)
    messages, _ = read(source(discord))
    assert len(messages) == 2
    assert "\u202e" not in messages[1].author
    assert len(messages[1].content) <= 30_000


def test_two_blocks_at_two_addresses_in_one_process(discord: DiscordServer) -> None:
    with DiscordServer() as other:
        other.channel("222", "theirs")
        other.post("222", "there")
        discord.post("222", "here")
        assert [m.content for m in read(source(other))[0]] == ["there"]
        assert [m.content for m in read(source(discord))[0]] == ["here"]


def test_the_sample_from_discord_is_the_sample_from_its_export(discord: DiscordServer) -> None:
    for file in sorted(SAMPLE.glob("*.json")):
        discord.load_export(file, ends=NOW - timedelta(minutes=1))
    block = source(discord, *[i for i in discord.listed_channels if i != "222"])
    far = {"limit": 0, "lookback": timedelta(days=30)}
    ours: Fetched = collect(block.read({}, **far), NOW)  # type: ignore[arg-type]
    theirs = collect(ExportSource().read({}, **far), NOW)  # type: ignore[arg-type]
    assert (ours.messages, ours.mentions, ours.impossible) == (theirs.messages, theirs.mentions, theirs.impossible)
    assert {i: (p.author, p.text) for i, p in ours.posts.items()} == {
        i: (p.author, p.text) for i, p in theirs.posts.items()
    }


def test_a_check_says_what_is_missing(discord: DiscordServer) -> None:
    discord.post("222", "gm")
    (good,) = source(discord).check()
    assert good.ok
    assert good.found == "link_collector reads #alpha"
    discord.channel("333", "hidden", visible=False)
    discord.message_content = False
    no_intent, hidden = source(discord, "222", "333").check()
    assert "Message Content Intent" in no_intent.advice
    assert "View Channel" in hidden.advice
    discord.message_content = True
    discord.places["222"].history = False
    assert "Read Message History" in source(discord).check()[0].advice
    assert "Reset Token" in source(discord, token="wrong" * 4).check()[0].advice
    assert {call.method for call in discord.calls} == {"GET"}


@pytest.mark.parametrize(("fields", "words"), [({"token": ""}, "DISCORD_TOKEN"), ({"channel_ids": []}, "DISCORD_CH")])
def test_what_is_not_set_is_named(discord: DiscordServer, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        read(source(discord, **fields))
    assert discord.calls == []


def test_no_secret_is_shown(discord: DiscordServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    discord.post("222", "gm")
    block = source(discord)
    read(block)
    with pytest.raises(PipelineError) as caught:
        read(source(discord, token=f"{TOKEN}x"))
    assert TOKEN not in f"{block!r} {block} {block.model_dump_json()} {caught.value!r} {caplog.text}"


SPECS = Path(__file__).parents[2] / "shared" / "specs" / "discord-openapi.json"


@pytest.mark.skipif(not SPECS.is_file(), reason="the published API description is not beside the project")
def test_the_server_answers_as_the_api_describes(discord: DiscordServer) -> None:
    from jsonschema import Draft202012Validator

    spec = json.loads(SPECS.read_text(encoding="utf-8"))
    for file in sorted(SAMPLE.glob("*.json")):
        discord.load_export(file, ends=NOW)
    discord.channel("555", "a thread", parent="222")
    discord.channel("556", "closed", parent="222", archived_at=NOW)
    discord.post("555", "gm")
    seen: dict[str, Any] = {}
    handle: Callable[[Any], Any] = discord.handle

    def noting(call: Any) -> Any:
        answer = handle(call)
        for path in spec["paths"]:
            if call.path.removeprefix("/api/v10").split("/")[1:3:2] == path.split("/")[1:3:2]:
                fixed = [part if part.startswith("{") else None for part in path.split("/")]
                parts = call.path.removeprefix("/api/v10").split("/")
                plain = path.split("/")
                if len(parts) == len(plain) and all(f or a == b for f, a, b in zip(fixed, parts, plain, strict=True)):
                    if "@me" in parts and "@me" not in plain:
                        continue
                    seen.setdefault(path, []).append(answer.body)
        return answer

    discord.handle = noting  # type: ignore[method-assign]
    block = source(discord, *discord.listed_channels)
    read(block, lookback=timedelta(days=30))
    block.check()
    assert set(seen) == {
        "/users/@me",
        "/applications/@me",
        "/channels/{channel_id}",
        "/channels/{channel_id}/messages",
        "/channels/{channel_id}/threads/archived/public",
        "/guilds/{guild_id}/threads/active",
    }
    for path, bodies in seen.items():
        answer = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**answer, "components": spec["components"]})
        for body in bodies:
            problems = [f"{path}: {e.json_path} {e.message[:200]}" for e in validator.iter_errors(body)]
            assert not problems, problems[:3]


@pytest.mark.parametrize("broken", ["/channels/900/messages", "/threads/active"])
def test_a_thread_that_cannot_be_read_for_days_is_read_from_where_it_began(discord: DiscordServer, broken: str) -> None:
    """Its channel is read meanwhile, and goes on without it."""
    discord.channel("900", "a thread", parent="222")
    told = discord.post("900", "https://x.com/a/status/1", at=NOW - timedelta(days=2))
    discord.post("222", "gm", at=NOW - timedelta(hours=3))
    first = discord.post("222", "gm", at=NOW - timedelta(days=6))
    marks = {"222": Bookmark("222", "alpha", first, NOW - timedelta(days=3))}
    discord.plan(broken, answers(500, {}), times=99)
    messages, reads = read(source(discord, max_wait=0), marks)
    assert told not in [m.id for m in messages]
    assert any(done.failed for done in reads.values())
    marks |= {i: done.bookmark for i, done in reads.items() if done.bookmark}
    assert marks["222"].last_message_id != first, "what was read of the channel is not read again"
    discord.heal()
    messages, _ = read(source(discord), marks)
    assert told in [m.id for m in messages]
