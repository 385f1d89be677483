"""The embedded source: DiscordChatExporter's JSON, whole or broken, from the bookmark on."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import PermanentError
from blocks.export_messages import message_of
from blocks.export_source import ExportSource
from blocks.json_stream import BrokenJSONError, Reader, elements, members
from blocks.records import Bookmark, Channel, ChannelRead, Message
from tasks.fetch import fetch
from tests import exports

DAY = timedelta(days=1)


def read(
    path: Path,
    bookmarks: dict[str, Bookmark] | None = None,
    *,
    limit: int = 0,
    lookback: timedelta = DAY,
    channels: Sequence[str] = (),
) -> tuple[list[Message], list[ChannelRead]]:
    events = list(ExportSource(path=path).read(bookmarks or {}, limit=limit, lookback=lookback, channels=channels))
    return [e for e in events if isinstance(e, Message)], [e for e in events if isinstance(e, ChannelRead)]


def bookmark(raw: dict[str, Any], channel: str = "222") -> dict[str, Bookmark]:
    return {channel: Bookmark(channel, "alpha", raw["id"], datetime.now(UTC))}


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    raw = exports.message(
        3,
        "look",
        author="Grace",
        type="Reply",
        reference={"messageId": "1", "channelId": "222", "guildId": "111"},
        embeds=[exports.embed("https://x.com/a/status/20", "The post.", "a")],
        forwardedMessage={"content": "fwd", "timestamp": None, "embeds": [], "attachments": []},
    )
    (message,), _ = read(exports.write(tmp_path / "a.json", [raw]))
    assert message.content == "look"
    assert message.author == "Grace"
    assert message.created_at == exports.START + timedelta(minutes=3)
    assert message.embeds[0].description == "The post."
    assert message.forwarded[0].content == "fwd"
    assert message.link == f"https://discord.com/channels/111/222/{raw['id']}"


def test_a_folder_of_parts_and_channels_is_read_by_channel(tmp_path: Path) -> None:
    exports.write(tmp_path / "beta.json", [exports.message(1)], channel="333", name="beta")
    exports.write(tmp_path / "alpha [part 2].json", [exports.message(3)])
    exports.write(tmp_path / "sub" / "alpha [part 1].json", [exports.message(2)])
    messages, channels = read(tmp_path)
    assert [(c.channel.name, c.new) for c in channels] == [("alpha", 2), ("beta", 1)]
    assert len(messages) == 3


def test_only_the_named_channels_are_read_each_once(tmp_path: Path) -> None:
    for number in range(3, 6):
        content, channel = [exports.shared(number, "a post")], str(number) * 3
        exports.write(tmp_path / f"{number}.json", content, channel=channel, name=f"c{number}")
    messages, channels = read(tmp_path, channels=["555", "333", " 555"])
    assert [(c.channel.name, c.new) for c in channels] == [("c5", 1), ("c3", 1)]
    assert len(messages) == 2
    fetched = fetch.fn(f"discord-export:{tmp_path}", {}, 0, 1, ["444"])
    assert [mark.channel_id for mark in fetched.bookmarks] == ["444"], "the step hands them on"
    assert len(fetched.posts) == 1


def test_a_named_channel_that_is_not_there_costs_one_line_and_the_others_go_on(tmp_path: Path) -> None:
    exports.write(tmp_path / "a.json", [exports.message(1)])
    messages, (missing, there) = read(tmp_path, channels=["999", "222"])
    assert missing.problem == f"no export of this channel is in {tmp_path}: export it, or name another"
    assert (missing.channel.id, missing.failed, missing.bookmark) == ("999", True, None)
    assert (len(messages), there.new) == (1, 1)


@pytest.mark.parametrize("wrong", ["alpha", "", "<#222>", "-5", "0", "9" * 20, "2" * 5000])
def test_what_can_be_no_channel_is_refused_in_one_line_before_anything_is_read(tmp_path: Path, wrong: str) -> None:
    exports.write(tmp_path / "a.json", [exports.message(1)])
    with pytest.raises(PermanentError, match=r"^No channel id: .{1,41}\. An id is the number [^\n]+$"):
        read(tmp_path, channels=["222", wrong])


def test_with_a_limit_the_oldest_come_first_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    raws = [exports.message(i, f"m{i}") for i in range(1000)]
    random.Random(1).shuffle(raws)
    path = exports.write(tmp_path / "a.json", raws)
    bookmarks: dict[str, Bookmark] = {}
    taken: list[str] = []
    for left in (800, 600, 400, 200, 0):
        messages, (channel,) = read(path, bookmarks, limit=200, lookback=timedelta(0))
        taken += [m.content for m in messages if m.id not in {b.last_message_id for b in bookmarks.values()}]
        assert channel.waiting == left
        assert channel.bookmark
        bookmarks = {"222": channel.bookmark}
    assert taken == [f"m{i}" for i in range(1000)]


def test_messages_before_the_bookmark_are_read_again_within_the_lookback(tmp_path: Path) -> None:
    raws = [exports.message(i * 60, f"hour {i}") for i in range(72)]
    path = exports.write(tmp_path / "a.json", raws)
    messages, (channel,) = read(path, bookmark(raws[48]), limit=5)
    assert (channel.new, channel.reread, channel.waiting) == (5, 25, 18)
    assert [m.content for m in messages] == [f"hour {i}" for i in range(24, 54)]
    assert channel.bookmark
    assert channel.bookmark.last_message_id == raws[53]["id"]


def test_nothing_new_leaves_the_bookmark(tmp_path: Path) -> None:
    raws = [exports.message(i) for i in range(3)]
    _, (channel,) = read(exports.write(tmp_path / "a.json", raws), bookmark(raws[-1]))
    assert (channel.new, channel.bookmark, channel.failed) == (0, None, False)


def test_a_file_cut_short_keeps_its_whole_messages_and_its_bookmark(tmp_path: Path) -> None:
    good = exports.write(tmp_path / "beta.json", [exports.message(1)], channel="333", name="beta")
    bad = exports.write(tmp_path / "alpha.json", [exports.message(i) for i in range(10)])
    bad.write_bytes(bad.read_bytes()[:-900])
    messages, channels = read(tmp_path)
    assert good.exists()
    assert len(messages) > 5
    cut, whole = channels
    assert cut.failed
    assert cut.bookmark is None
    assert cut.problem == "alpha.json is cut short or broken JSON: export it again"
    assert whole.bookmark


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not JSON"),
        (b"hello", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[]", "is no DiscordChatExporter export"),
        (b"7", "is no DiscordChatExporter export"),
        (b'{"a": 1}', "is no DiscordChatExporter export"),
        (b'{"messages": []}', "is no DiscordChatExporter export"),
        (b'{"channel": {"id": 5}, "messages": []}', "is no DiscordChatExporter export"),
    ],
)
def test_a_foreign_file_costs_one_line_and_the_others_go_on(tmp_path: Path, content: bytes, says: str) -> None:
    exports.write(tmp_path / "a.json", [exports.message(1)])
    (tmp_path / "b.json").write_bytes(content)
    messages, channels = read(tmp_path)
    assert len(messages) == 1
    (problem,) = [c.problem for c in channels if c.problem]
    assert problem.startswith(f"b.json {says}")
    assert "\n" not in problem


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = exports.write(tmp_path / "a.json", [exports.message(1)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read(path)[0]) == 1


def test_a_path_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="There is no export at"):
        read(tmp_path / "nothing.json")
    with pytest.raises(PermanentError, match=r"holds no \*.json file"):
        read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("id", "content", "author", "embeds", "forwardedMessage", "timestamp", "reference")


@given(st.lists(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_broken_message_costs_itself_alone(tmp_path: Path, broken: list[Any]) -> None:
    path = exports.write(tmp_path / "a.json", [*broken, exports.message(1, "the good one"), *broken])
    messages, (channel,) = read(path)
    assert "the good one" in [m.content for m in messages]
    assert channel.bookmark
    assert not channel.failed


def test_hidden_characters_and_surrogates_do_not_come_in() -> None:
    raw = json.loads('{"id": "5", "content": "a\\ud800b\\u200bc\\u202ed\\u0000e", "author": {"name": 5}}')
    message = message_of(raw, Channel("1", "alpha"))
    assert message.content == "abcde"
    assert message.author == "unknown"


GOOD = '{"id": "1195000000000000001", "content": "https://x.com/a/status/20"}'


@pytest.mark.parametrize(
    ("bad", "taken"),
    [
        pytest.param(r'{"id": "1195000000000000000", "content": "\udc00 hi"}', 2, id="low surrogate"),
        pytest.param(r'{"id": "1195000000000000000", "\ud83d": "\ud83d"}', 2, id="surrogate in a key"),
        pytest.param('{"id": "1195000000000000000", "n": ' + "1" * 5000 + "}", 2, id="a number of 5,000 digits"),
        pytest.param('{"id": ' + "1" * 5000 + "}", 1, id="a number for an id"),
        pytest.param('{"id": "' + "1" * 5000 + '"}', 1, id="an id of 5,000 digits"),
        pytest.param('{"id": "9223372036854775806"}', 1, id="an id from the future"),
        pytest.param('{"id": "5", "z": ' + "[" * 200_000 + "]" * 200_000 + "}", 1, id="nested 200,000 deep"),
        pytest.param(
            '{"id": "5", "z": ' + '{"a\\"}": ' * 9_000 + '"]"' + "}" * 9_001, 1, id="deep, with brackets in text"
        ),
    ],
)
def test_one_hostile_message_costs_itself_alone(tmp_path: Path, bad: str, taken: int) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"channel": {"id": "7", "name": "c"}, "messages": [' + f"{bad}, {GOOD}, {bad}" + "]}")
    messages, (channel,) = read(path)
    assert len({m.id for m in messages}) == taken
    assert channel.bookmark
    assert channel.bookmark.last_message_id == "1195000000000000001"
    assert not channel.failed


@given(st.lists(JSON, max_size=6), st.integers(min_value=1, max_value=9), st.sampled_from([None, 1, 2]))
@settings(deadline=None)
def test_a_list_is_read_whole_however_it_is_cut_into_chunks(values: list[Any], chunk: int, indent: int | None) -> None:
    text = json.dumps({"head": {"a": 1}, "messages": values, "tail": 5}, indent=indent)
    reader = Reader(io.StringIO(text), chunk)
    found: list[object] = []
    for key in members(reader):
        found += elements(reader) if key == "messages" else [reader.value()]
    assert found == [{"a": 1}, *values, 5]


@given(st.text(alphabet='{}[]",:\\ \nabtrue0123.-', max_size=60), st.integers(min_value=1, max_value=9))
@settings(deadline=None, max_examples=300)
def test_any_text_is_json_or_a_clear_error(text: str, chunk: int) -> None:
    def streamed() -> bool:
        reader = Reader(io.StringIO(text), chunk)
        try:
            for _ in members(reader):
                reader.value()
        except BrokenJSONError:
            return False
        return True

    try:
        sound = isinstance(json.loads(text, strict=False), dict)
    except ValueError:
        sound = False
    assert streamed() or not sound, "what is sound is read"
