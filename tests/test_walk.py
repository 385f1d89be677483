"""A walk through a channel: from end to end in one go, in chunks, and on from any chunk's mark."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError
from blocks.export_source import ExportSource
from blocks.records import Bookmark, ChannelRead, Message, Period
from blocks.source import Source
from tests import exports
from tests.services.discord_server import DiscordServer

EVER = Period(datetime(2015, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
NOW = datetime.now(UTC).replace(microsecond=0)


def walk(
    source: Source, marks: dict[str, Bookmark] | None = None, *, chunk: int = 10, period: Period = EVER, stop: int = 0
) -> tuple[list[str], list[ChannelRead]]:
    """The ids of the messages, and the chunks; after `stop` chunks it is killed, and what belongs to none is gone."""
    taken: list[str] = []
    since: list[str] = []
    ends: list[ChannelRead] = []
    for event in source.walk("222", marks or {}, period, chunk):
        if isinstance(event, Message):
            since.append(event.id)
            continue
        taken += since
        since = []
        ends.append(event)
        if stop and len(ends) == stop:
            break
    return taken, ends


def marks_of(ends: list[ChannelRead]) -> dict[str, Bookmark]:
    return {end.channel.id: end.bookmark for end in ends if end.bookmark}


@pytest.mark.parametrize("order", ["as sent", "newest first", "shuffled"])
@pytest.mark.parametrize("stop", [1, 3, 7])
def test_it_goes_on_from_any_chunk_whatever_the_order_of_the_file(tmp_path: Path, order: str, stop: int) -> None:
    raws = [exports.message(i) for i in range(75)]
    if order == "newest first":
        raws.reverse()
    elif order == "shuffled":
        random.Random(2).shuffle(raws)
    source = ExportSource(path=exports.write(tmp_path / "a.json", raws))
    first, ends = walk(source, stop=stop)
    assert [end.new for end in ends] == [10] * stop
    rest, more = walk(source, marks_of(ends))
    assert first + rest == [raw["id"] for raw in raws], "each once"
    assert sum(end.new for end in more) == 75 - 10 * stop
    assert more[0].reread == 10 * stop
    assert walk(source, marks_of(more) or marks_of(ends))[0] == []


def test_several_parts_are_one_channel_and_the_share_grows_to_the_whole(tmp_path: Path) -> None:
    for part in range(3):
        exports.write(tmp_path / f"{part}.json", [exports.message(i) for i in range(part * 20, part * 20 + 20)])
    exports.write(tmp_path / "other.json", [exports.message(1)], channel="333")
    taken, ends = walk(ExportSource(path=tmp_path), chunk=15)
    assert len(taken) == 60
    assert [end.new for end in ends] == [15, 15, 15, 15, 0]
    shares = [end.share for end in ends]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1


def test_each_file_is_read_once_however_many_chunks(tmp_path: Path) -> None:
    path = exports.write(tmp_path / "a.json", [exports.message(i) for i in range(400)])
    opened: list[object] = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    walk(ExportSource(path=path), chunk=5)
    assert opened.count(str(path)) == 2, "for its head, and for its messages"


def test_what_could_not_be_read_keeps_the_marks_before_it(tmp_path: Path) -> None:
    good = [exports.message(i) for i in range(20)]
    bad = exports.write(tmp_path / "1.json", [exports.message(i) for i in range(20, 40)])
    exports.write(tmp_path / "0.json", good)
    exports.write(tmp_path / "2.json", [exports.message(i) for i in range(40, 60)])
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    taken, ends = walk(ExportSource(path=tmp_path), chunk=5)
    assert {m for m in taken if int(m) > int(exports.message(39)["id"])}, "the parts after it are read"
    assert ends[-1].failed
    assert ends[-1].problem == "1.json is cut short or broken JSON: export it again"
    bad.write_bytes(whole)
    mended, _ = walk(ExportSource(path=tmp_path), marks_of(ends), chunk=5)
    assert set(taken) | set(mended) == {exports.message(i)["id"] for i in range(60)}, "nothing is passed over"


def test_a_file_of_an_unknown_channel_keeps_all_marks_where_they_are(tmp_path: Path) -> None:
    exports.write(tmp_path / "b.json", [exports.message(i) for i in range(20)])
    (tmp_path / "a.json").write_text("here is no JSON")
    taken, ends = walk(ExportSource(path=tmp_path))
    assert len(taken) == 20
    assert marks_of(ends) == {}
    assert ends[-1].problem.startswith("a.json is not JSON")


def test_a_mark_of_another_export_leaves_nothing_out(tmp_path: Path) -> None:
    source = ExportSource(path=exports.write(tmp_path / "a.json", [exports.message(i) for i in range(20)]))
    elsewhere = {"222": Bookmark("222", "alpha", exports.message(500)["id"], NOW)}
    assert len(walk(source, elsewhere)[0]) == 20


def test_only_the_days_that_are_asked_for(tmp_path: Path) -> None:
    raws = [exports.message(i * 60) for i in range(72)]
    source = ExportSource(path=exports.write(tmp_path / "a.json", raws))
    begin = exports.START + timedelta(hours=10)
    taken, _ = walk(source, period=Period(begin, begin + timedelta(hours=24)))
    assert taken == [raw["id"] for raw in raws[10:34]]


def test_broken_messages_and_a_missing_channel_cost_a_line(tmp_path: Path) -> None:
    broken: list[Any] = [{"id": "x"}, 7, exports.message(1), {"id": "9223372036854775806"}]
    taken, ends = walk(ExportSource(path=exports.write(tmp_path / "a.json", broken)))
    assert len(taken) == 1
    assert (ends[-1].problem, ends[-1].failed) == ("3 broken messages left out", False)
    other = exports.write(tmp_path / "b" / "b.json", [exports.message(1)], channel="333")
    _, (missing,) = walk(ExportSource(path=other))
    assert missing.failed
    assert missing.problem.startswith("no export of this channel is in")


def test_the_channels_of_an_export(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("here is no JSON")
    with pytest.raises(PermanentError, match=r"a\.json is not JSON"):
        ExportSource(path=tmp_path).channels()
    exports.write(tmp_path / "b.json", [exports.message(1)], channel="333", name="beta")
    assert [channel.name for channel in ExportSource(path=tmp_path).channels()] == ["beta"]
    assert [channel.name for channel in ExportSource(path=tmp_path).channels(["444", "333"])] == ["444", "beta"]


def test_what_is_held_does_not_grow_with_the_export(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for size in (8_000, 24_000):
        path = tmp_path / f"{size}.json"
        messages = ",".join(json.dumps(exports.message(i)) for i in range(size))
        path.write_text('{"channel": {"id": "222", "name": "a"}, "messages": [' + messages + "]}")
        tracemalloc.start()
        for _ in ExportSource(path=path).walk("222", {}, EVER, 500):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5, "three times as much to read"


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        server.channel()
        yield server
        assert server.broken == []


def bot(discord: DiscordServer, *channels: str) -> DiscordChannels:
    api = f"{discord.url}/api/v10"
    return DiscordChannels(token=discord.token, channel_ids=list(channels or ["222"]), api_url=api, max_wait=6)


@pytest.mark.parametrize("stop", [0, 1, 2, 4])
def test_a_years_messages_of_discord_with_its_threads_in_chunks(discord: DiscordServer, stop: int) -> None:
    sent = [discord.post("222", f"{i}", at=NOW - timedelta(days=365 - i)) for i in range(300)]
    discord.channel("555", "a thread", parent="222", archived_at=NOW - timedelta(days=200))
    in_thread = [discord.post("555", f"t{i}", at=NOW - timedelta(days=300, minutes=-i)) for i in range(150)]
    discord.channel("666", "an old thread", parent="222", archived_at=NOW - timedelta(days=340))
    in_thread.append(discord.post("666", "t", at=NOW - timedelta(days=350)))
    source = bot(discord)
    first, ends = walk(source, chunk=40, stop=stop) if stop else ([], [])
    rest, more = walk(source, marks_of(ends), chunk=40)
    assert set(first + rest) == set(sent + in_thread)
    assert sum(end.new for end in ends + more) == 451, "each once; the marked ones come along, and are known"
    assert not any(end.failed for end in more)
    assert [end.share for end in more][-1] == 1


def test_a_long_thread_behind_a_hundred_others_is_read_to_its_end(discord: DiscordServer) -> None:
    """Archived threads are listed a hundred at a time, and only as far back as the channel was read."""
    for number in range(105):
        discord.channel(str(2000 + number), "short", parent="222", archived_at=NOW - timedelta(days=10, hours=number))
    discord.channel("555", "long", parent="222", archived_at=NOW - timedelta(days=300))
    sent = [discord.post("555", f"{i}", at=NOW - timedelta(days=310, minutes=-i)) for i in range(90)]
    sent.append(discord.post("222", at=NOW - timedelta(hours=1)))
    assert set(walk(bot(discord), chunk=40)[0]) == set(sent)


def test_a_walk_through_discord_keeps_to_its_days(discord: DiscordServer) -> None:
    for day in range(200):
        discord.post("222", at=NOW - timedelta(days=day))
    begin = NOW - timedelta(days=120, hours=1)
    taken, _ = walk(bot(discord), chunk=10, period=Period(begin, begin + timedelta(days=20)))
    assert len(taken) <= 30 + 3, "what lies behind the last day is not read, but for the rest of a chunk"
    calls = [call for call in discord.calls if "messages" in str(call)]
    assert len(calls) < 12
    assert [channel.id for channel in bot(discord, "222", "333").channels()] == ["222", "333"]
