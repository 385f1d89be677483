"""Hostile and broken input: one bad item costs that item, with one clear line, and never the run.

HOSTILE=100 searches at random, in a hundred times as many examples.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from blocks import columns, gemini_answers, lexicon, sheet_desk
from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError
from blocks.export_source import ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.google_sheet import GoogleSheet
from blocks.ledger import readable
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.records import (
    Analysis,
    Bookmark,
    Channel,
    DraftStatus,
    Embed,
    Entry,
    Message,
    PostStatus,
    Project,
    Snapshot,
)
from blocks.sheet_book import Value, to_text, to_value
from blocks.sqlite_ledger import SqliteLedger
from blocks.text import MAX_TEXT, clean, one_line
from tasks.analyze import Analyzed, analyze_batch, in_lines, ready
from tasks.dedupe import compare
from tasks.draft import Drafted
from tasks.fetch import Fetched, collect, sound
from tasks.final_look import problems
from tasks.links import posts_in
from tasks.report import Day, render
from tasks.report import write as report_of
from tasks.selection import passed_over
from tasks.sentence import PLAIN_TEXT, best_sentence, fit_to_print
from tests import exports
from tests.services.discord_server import DiscordServer
from tests.services.gemini_server import KEY, GeminiServer
from tests.services.gemini_server import text as gemini_text
from tests.services.server import Service, answers
from tests.services.sheets_server import SheetsServer
from tests.test_digest import EN, write
from tests.test_gemini import NEWS
from tests.test_sqlite_ledger import AT, crypto, draft_of, post

S = TypeVar("S", bound=Service)
TIMES = int(os.environ.get("HOSTILE", "1"))
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
DONE = [PostStatus.PUBLISHED, PostStatus.SKIPPED, PostStatus.DRAFTED]


def holds(examples: int) -> settings:
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def running(service: type[S], **switches: int) -> Callable[[], Iterator[S]]:
    def serve() -> Iterator[S]:
        with service() as server:
            for name, value in switches.items():
                setattr(server, name, value)
            yield server
            assert server.broken == []

    return serve


discord = pytest.fixture(scope="module", name="discord")(running(DiscordServer))
sheets = pytest.fixture(scope="module", name="sheets")(
    running(SheetsServer, reads_per_minute=10**9, writes_per_minute=10**9)
)
gemini = pytest.fixture(scope="module", name="gemini")(running(GeminiServer))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New ones, as many as there are examples."""
    return (tmp_path_factory.mktemp("example") for _ in count())


def opened(folders: Iterator[Path]) -> SqliteLedger:
    ledger = SqliteLedger(path=next(folders) / "ledger.sqlite3")
    ledger.open()
    return ledger


# What strangers write

PIECES = [
    *("\ud800", "\udfff", "\0", "\u202e", "\u200b", "\u200d", "\ufdfa", "\u01f0", "e\u0301", "👩‍🚀", "\r\n", "\u2028"),
    *("[](", "||", "<@1>", "```", "~~~", "@everyone", "$LINK", "@ada", ",", ", ,", "\n\n---\n\n", "=1+1", "' OR 1=1"),
    *("https://x.com/a/status/", "https://x.com/a/status/20", "twitter.com/i/web/status/0", "9" * 25, "9" * 5000),
    *("Chainlink is now live on the mainnet.", " ", "a.", "pump.fun", "x" * 40_000, "[" * 3000, "é" * 300),
]
CHARS = st.text(st.characters(exclude_categories=()), max_size=8)  # The halves of surrogate pairs, too.
TEXT = st.lists(st.sampled_from(PIECES) | CHARS, max_size=5).map("".join)
LEAF = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
JSON = st.recursive(LEAF, lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXT, of, max_size=3), max_leaves=6)

# JSON that Python's own writer does not write: numbers that nothing holds, nesting without end, half a character.
RAW = ["9" * 5000, "-1e999", "[" * 100_000 + "]" * 100_000, '{"a":' * 9000 + "1" + "}" * 9000, r'"\ud800"']
RAW_JSON = st.sampled_from([f"raw {number}" for number in range(len(RAW))])


def written(value: Any) -> str:
    """A value as a file holds it, the raw pieces in their places."""
    text = json.dumps(value)
    for number, piece in enumerate(RAW):
        text = text.replace(f'"raw {number}"', piece)
    return text


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of which any field is missing, sound or anything at all; in half of them it is but one field."""

    def spoil(sound: dict[str, Any], name: str, instead: list[Any]) -> dict[str, Any]:
        return {key: value for key, value in sound.items() if key != name} | ({name: instead[0]} if instead else {})

    nearly = st.builds(
        spoil, st.fixed_dictionaries(fields), st.sampled_from(sorted(fields)), st.lists(JSON, max_size=1)
    )
    return nearly | st.fixed_dictionaries({}, optional={name: of | JSON for name, of in fields.items()})


FUTURE = exports.message_id(NOW + 30 * DAY)
SNOWFLAKES = (
    st.integers(0, 9999).map(lambda i: exports.message_id(NOW - i * DAY / 99))
    | st.integers(0, 2**65).map(str)
    | st.sampled_from([FUTURE, "", "0", "-7", "1e5", "0x10", " 7", "٣", "²", "9" * 19, "9" * 5000])
)
EMBED = objects(
    url=TEXT,
    title=TEXT,
    description=TEXT,
    author=objects(name=TEXT, url=TEXT),
    fields=st.lists(objects(name=TEXT, value=TEXT), max_size=3),
)
EMBEDS = st.lists(EMBED | JSON, max_size=3)
FORWARD = objects(content=TEXT, embeds=EMBEDS)
MESSAGE = objects(
    id=SNOWFLAKES,
    type=st.sampled_from([0, 19, "Default"]),
    content=TEXT,
    author=objects(nickname=TEXT, name=TEXT, global_name=TEXT, bot=st.booleans()),
    member=objects(nick=TEXT),
    embeds=EMBEDS,
    forwardedMessage=FORWARD,
    message_snapshots=st.lists(objects(message=FORWARD) | JSON, max_size=2),
)
MESSAGES = st.lists(MESSAGE | JSON, max_size=5)


def is_line(said: str, most: int = 400) -> bool:
    """Whether something can stand in a report as it is. What joins emoji is no printable character to Python."""
    return 0 < len(said) <= most and said.replace("\u200d", "").isprintable()


def can_be(message_id: object) -> bool:
    """Whether something is the id of a message that was sent by now."""
    text = message_id if isinstance(message_id, str) else ""
    return bool(re.fullmatch(r"0*[1-9][0-9]{0,18}", text)) and len(text) < 20 and int(text) <= int(FUTURE)


def are_sound(fetched: Fetched) -> bool:
    """Whether what goes on from a source can be stored, shown and followed."""
    link = re.compile(r"https://discord\.com/channels/(?:\d{1,19}|@me)/\d{1,19}/\d{1,19}")
    return all(map(is_line, fetched.problems)) and all(
        shared.text == clean(shared.text)
        and all(is_line(name, 60) for name in shared.shared_by)
        and link.fullmatch(shared.message_link)
        for shared in fetched.posts.values()
    )


def is_sane(marks: list[Bookmark]) -> bool:
    ids = [mark.channel_id for mark in marks]
    return len(ids) == len(set(ids)) and sound({m.channel_id: m for m in marks}, NOW).keys() == set(ids)


# Messages

ID = exports.status_id(exports.START)
GOOD_NEWS = "Chainlink is now live on the mainnet of Arbitrum, and 40 projects have moved to it."
GOOD = exports.message(5, f"look https://x.com/a/status/{ID}")


RAW_MESSAGES = st.lists(MESSAGE | JSON | RAW_JSON, max_size=5)


@given(before=RAW_MESSAGES, after=RAW_MESSAGES, head=JSON | RAW_JSON, name=JSON, limit=st.sampled_from([0, 1000]))
@holds(40)
def test_a_good_message_in_an_export_is_read_whatever_stands_around_it(
    tmp_path: Path, before: list[Any], after: list[Any], head: Any, name: Any, limit: int
) -> None:
    export = {"guild": head, "channel": {"id": "222", "name": name}, "dateRange": head}
    export |= {"messages": [*before, GOOD, *after], "messageCount": head}
    path = tmp_path / "alpha.json"
    path.write_text(written(export), encoding="utf-8")
    fetched = collect(ExportSource(path=path).read({}, limit=limit, lookback=DAY), NOW)
    assert ID in fetched.posts
    assert is_sane(fetched.bookmarks)
    assert fetched.bookmarks
    assert fetched.failed_channels == 0
    assert are_sound(fetched)
    assert fetched.messages + sum(int(line.split()[-5]) for line in fetched.problems) == len(before) + len(after) + 1


NO_EXPORT = objects(
    guild=objects(id=SNOWFLAKES) | RAW_JSON,
    dateRange=JSON | RAW_JSON,
    channel=objects(id=st.sampled_from([5, "", "0", "x", "9" * 25]), name=TEXT) | RAW_JSON,
    messages=MESSAGES,
)


@given(
    content=TEXT | (JSON | RAW_JSON | NO_EXPORT).map(written) | st.binary(max_size=60),
    name=st.sampled_from(["bad.json", "b\u202ea\nd.json"]),
)
@example(written({"guild": "raw 0"}), "bad.json")
@example(written({"guild": "raw 2"}), "bad.json")
@holds(60)
def test_any_other_file_costs_one_line(folders: Iterator[Path], content: str | bytes, name: str) -> None:
    folder = next(folders)
    exports.write(folder / "good.json", [GOOD])
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(raw)
    fetched = collect(ExportSource(path=folder).read({}, limit=0, lookback=DAY), NOW)
    assert list(fetched.posts) == [ID]
    assert fetched.failed_channels == len(fetched.problems) == 1
    assert are_sound(fetched)
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return
    assert "is not JSON" not in fetched.problems[0] or b"NaN" in raw or b"Infinity" in raw


def whole(value: Any) -> Any:
    """JSON as Discord can send it: its numbers are finite and its text is whole."""
    match value:
        case dict():
            return {whole(key): whole(inner) for key, inner in value.items()}
        case list():
            return [whole(inner) for inner in value]
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return None
    return value


def fetched_from(discord: DiscordServer, marks: dict[str, Bookmark]) -> Fetched:
    address = f"{discord.url}/api/v10"
    block = DiscordChannels(token=discord.token, channel_ids=["222"], api_url=address, max_wait=0)
    return collect(block.read(sound(marks, NOW), limit=0, lookback=DAY), NOW)


THREAD = objects(
    id=st.sampled_from(["222", "333", "444"]),
    parent_id=st.sampled_from(["222", "333", "444"]),
    name=TEXT,
    guild_id=TEXT,
    thread_metadata=objects(
        archive_timestamp=st.sampled_from([NOW.isoformat(), f"{NOW:%Y-%m-%dT%H:%M:%S}", "yesterday", "2024-13-45"])
    ),
    last_message_id=st.just(exports.message_id(NOW)),
)


@given(
    around=MESSAGES.map(whole),
    elsewhere=st.none() | MESSAGES.map(whole),
    threads=st.lists((THREAD | JSON).map(whole), max_size=4),
    channel=objects(name=TEXT, guild_id=st.sampled_from(["111", "x/y", 111]), last_message_id=SNOWFLAKES).map(whole),
)
@example([], None, [{"parent_id": "222", "last_message_id": exports.message_id(NOW)}], {})
@example([], None, [{"id": "333", "thread_metadata": {"archive_timestamp": f"{NOW:%Y-%m-%dT%H:%M:%S}"}}], {})
@example([], [], [{"id": "333", "parent_id": "222", "last_message_id": "x"}], {})
@holds(60)
def test_a_good_message_on_discord_is_read_whatever_stands_around_it(
    discord: DiscordServer, around: list[Any], elsewhere: list[Any] | None, threads: list[Any], channel: dict[str, Any]
) -> None:
    good = {"id": exports.message_id(NOW - DAY / 2), "type": 0, "content": f"https://x.com/a/status/{ID}"}
    alike = [*around, good]
    said = {
        "/messages": alike,
        "/(?:333|444)/messages": alike if elsewhere is None else elsewhere,
        "/threads/active": {"threads": threads},
        "/public": {"threads": [{}, *threads], "has_more": True},
        r"/channels/\d+": {"guild_id": "111", **channel},
    }
    discord.heal()
    for path, body in said.items():
        discord.plan(rf"GET /api/v10.*{path}$", answers(200, body), times=1000)
    fetched = fetched_from(discord, {})
    assert ID in fetched.posts
    assert is_sane(fetched.bookmarks)
    assert {"222"} <= {mark.channel_id for mark in fetched.bookmarks} <= {"222", "333", "444"}
    # Of a thread whose messages have no text at all it is said that they come without it.
    assert fetched.failed_channels == 0 or (elsewhere is not None and "222" not in str(fetched.problems))
    assert are_sound(fetched)
    unnamed = sum(not (isinstance(item, dict) and can_be(item.get("id"))) for item in around)
    assert not unnamed or fetched.problems, "what is left out is told"


@pytest.mark.parametrize("last", ["x", "", "-1", 5, None, [], "9" * 30])
def test_a_quiet_channel_is_quiet_whatever_is_said_of_its_last_message(discord: DiscordServer, last: Any) -> None:
    discord.heal()
    discord.channel()
    discord.plan(r"GET /api/v10.*/messages$", answers(200, []), times=10)
    discord.plan(r"GET /api/v10/channels/222$", answers(200, {"guild_id": "111", "last_message_id": last}), times=10)
    fetched = fetched_from(discord, {})
    assert (fetched.channels, fetched.failed_channels, fetched.problems) == (1, 0, [])


def test_archived_threads_that_lead_in_a_circle_are_left(discord: DiscordServer) -> None:
    discord.heal()
    discord.channel()
    discord.post("222", f"https://x.com/a/status/{ID}")
    discord.calls.clear()
    for turn in range(40):
        metadata = {"archive_timestamp": (NOW - timedelta(minutes=turn % 3)).isoformat()}
        page = {"threads": [{"id": "333", "thread_metadata": metadata}], "has_more": True}
        discord.plan("/public$", answers(200, page))
    fetched = fetched_from(discord, {})
    assert ID in fetched.posts
    assert len(discord.made("/public$")) < 6


ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(last_read=st.datetimes(timezones=ZONES).map(datetime.isoformat) | TEXT)
@example("0001-01-01T00:00:00Z")
@holds(40)
def test_a_bookmark_that_a_person_spoilt_costs_its_channel_a_fresh_start(
    discord: DiscordServer, last_read: str
) -> None:
    discord.heal()
    discord.channel()
    sent = discord.post("222", f"https://x.com/a/status/{ID}")
    row = {"Channel ID": "222", "Name": "alpha", "Last Message ID": str(int(sent) - 1), "Last Read": last_read}
    marks = {mark.channel_id: mark for mark in readable([row], columns.bookmark_of_row)}
    fetched = fetched_from(discord, marks)
    assert ID in fetched.posts


# Text

CLEAN = TEXT.map(clean)
EMBED_RECORDS = st.lists(st.builds(Embed, *[CLEAN] * 6), max_size=3).map(tuple)
SNAPSHOTS = st.lists(st.builds(Snapshot, CLEAN, EMBED_RECORDS), max_size=2).map(tuple)


@example("https://x.com/a/status/" + "9" * 5000, (), ())
@given(content=CLEAN, embeds=EMBED_RECORDS, forwarded=SNAPSHOTS)
@holds(80)
def test_any_message_gives_posts_that_can_be(
    content: str, embeds: tuple[Embed, ...], forwarded: tuple[Snapshot, ...]
) -> None:
    message = Message("1199000000000000000", Channel("5", "alpha", "4"), "Ada", NOW, content, embeds, forwarded)
    shared = posts_in(message, NOW)
    assert len({p.id for p in shared.posts}) == len(shared.posts)
    for found in shared.posts:
        assert columns.entry_of_row(dict.fromkeys(columns.POSTS, "") | columns.row_of_post(found)).post == replace(
            found, own_text=False
        )
    assert all(len(i) <= 40 and i.isascii() for i in shared.impossible)


@given(text=TEXT)
@example("e\u200b\u0301")
@holds(120)
def test_clean_text_stays_as_it_is(text: str) -> None:
    once = clean(text)
    assert len(once) <= MAX_TEXT
    assert clean(once) == once
    once.encode()
    assert not one_line(text) or is_line(one_line(text))


SENTENCES = st.lists(TEXT | st.sampled_from(["the", "of", "in", "is", "Chainlink", "to"]), max_size=12).map(" ".join)


@given(summary=SENTENCES, text=SENTENCES)
@example(summary="ǰa is now in the Chainlink of it", text="")
@holds(120)
def test_what_may_be_printed_is_plain_whatever_was_written(summary: str, text: str) -> None:
    told = Entry(post(1, clean(text)), PostStatus.ANALYZED, Analysis("1", True, (Project("Chainlink"),), "", summary))
    best = best_sentence(told, Project("Chainlink"), clean(summary), EN)
    for said in (fit_to_print(summary, EN), best.text):
        assert PLAIN_TEXT.fullmatch(said)
        assert not said or problems(f"• {said}") in ([], ["it is too long, empty, or holds characters that X refuses"])


@pytest.mark.parametrize("piece", "a. [a](b || < @ $A \xa0 \u3000\n -_ 1 1\xa0 ﷺ .com/ a".split(" "))
def test_long_text_is_looked_through_in_time(piece: str) -> None:
    long = clean(f"x{piece * MAX_TEXT}x")[:MAX_TEXT]
    began = time.process_time()
    message = Message("1199000000000000000", Channel("5", "alpha"), "Ada", NOW, f"https://x.com/a/status/{ID} {long}")
    (found,) = posts_in(message, NOW).posts
    lexicon.analyze(found)
    said = Analysis(found.id, True, (Project(f"Chainlink {long}"), Project("Chainlink")), summary=long, score=9)
    good = Entry(post(2, NEWS), PostStatus.ANALYZED, replace(said, post_id="1002", projects=(Project("Chainlink"),)))
    draft, _ = write([Entry(found, PostStatus.ANALYZED, said), good], NOW.date())
    assert draft
    gemini_answers.read([f"```{long}", long], [found], "gemini")
    assert time.process_time() - began < 3


# The ledger

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUE = (
    TEXT.map(whole).map(lambda text: {"stringValue": text[:9_000]} if text else {})
    | NUMBERS.map(lambda number: {"numberValue": number})
    | st.booleans().map(lambda yes: {"boolValue": yes})
    | st.sampled_from(["=1+1", "=A1:A9"]).map(lambda formula: {"formulaValue": formula})
    | st.sampled_from(["#N/A", "#REF!"]).map(lambda kind: {"errorValue": {"type": kind}})
    | st.sampled_from(["1001", "1002", "new", "analyzed", "2024-01-15"]).map(lambda text: {"stringValue": text})
    | st.just({})
)


INEXACT = st.sampled_from([1e15, 1.2e18, 2**53 + 2]).map(lambda number: {"numberValue": number})
TWIN = st.just({"stringValue": "1005"})


def spoilt(cell: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A few rows of which some cells hold anything, most often one that the row is read by."""
    header = st.sampled_from(("Post ID", "Status", "Date", "AI Processed")) | st.sampled_from(columns.POSTS)
    return st.lists(st.dictionaries(header, cell, min_size=1), max_size=3)


def warned(caplog: pytest.LogCaptureFixture) -> bool:
    said = [record.getMessage() for record in caplog.records if record.name == "prefect.ledger"]
    assert all(map(is_line, said))
    caplog.clear()
    return bool(said)


@given(
    above=spoilt(VALUE | INEXACT),
    below=spoilt(VALUE | INEXACT | TWIN),
    extra=st.lists(st.sampled_from([*columns.POSTS, "mine", "MINE", ""]) | TEXT.map(whole), max_size=3),
    own=VALUE,
)
@example([{"Post ID": {"boolValue": True}}], [{"Post ID": {"numberValue": 1.2e18}}], [], {})
@example([], [], ["mine"], {"errorValue": {"type": "#N/A"}})
@holds(40)
def test_a_sheets_good_rows_go_their_way_and_the_others_stay(
    sheets: SheetsServer,
    caplog: pytest.LogCaptureFixture,
    above: list[dict[str, Value]],
    below: list[dict[str, Value]],
    extra: list[str],
    own: Value,
) -> None:
    sheet_desk.LEARNT.clear()
    book = sheets.share("community")
    fields = {"spreadsheet_id": "community", "service_account_key": sheets.key_file, "api_url": sheets.url}

    def ledger() -> GoogleSheet:
        return GoogleSheet(**fields)  # type: ignore[arg-type]

    ledger().open()
    tab = book.tab("Posts")
    head = [*columns.POSTS, *(name[:100] for name in extra)]
    usual = {name: {"stringValue": text} for name, text in columns.row_of_post(post(5)).items()}
    another = {**usual, "Post ID": {"stringValue": "1007"}}
    ours = {name.casefold() for name in columns.POSTS}
    good = usual | {name: own for name in head if name.strip().casefold() not in ours}
    rows = [{name: {"stringValue": name} for name in head}, *[another | row for row in above], good]
    rows += [another | row for row in below]
    tab.rows = [[{"userEnteredValue": row[name]} if row.get(name) else None for name in head] for row in rows]
    tab.column_count = max(tab.column_count, len(head))
    others = [row for at, row in enumerate(tab.text()) if at != 1 + len(above)]

    sheet_desk.LEARNT.clear()
    assert ledger().open() == {}
    ids = ["1005", "1006"]
    keys = {row["Post ID"] for row in book.rows("Posts")} - {""}
    assert set(ledger().known(ids).open) == {"1005"}
    there = keys & {"1001", "1002", "1005", "1007"}  # Others may be numbers, which the service shows in its own way.
    known = ledger().known([*there, "1008"])
    assert {*known.open, *known.archived} == there, "what cannot be read does not come in again"
    assert ledger().add([post(6)], [replace(post(5), text="It came late.")], []) == 1
    caplog.clear()
    entries = {entry.post.id: entry for entry in ledger().entries(*PostStatus)}
    assert set(ids) <= entries.keys() <= keys | {"1006"}
    assert entries["1005"].post.text == "It came late."
    assert all(re.fullmatch(r"0*[1-9]\d*", key) and len(key) < 20 for key in entries)
    assert "Post ID ''" not in caplog.text, "a row without an id is nobody's, and no news"
    assert warned(caplog) or len(entries) == len(keys | {"1006"}), "each row is read, or told of"
    ledger().note_analyses([crypto(i, yes=False) for i in ids], AT)
    ledger().note_analyses([crypto(i) for i in ids], AT)
    assert ledger().archive([PostStatus.SKIPPED], AT).moved >= 2, "what is analysed is not analysed again"
    assert {row["Post ID"] for row in book.rows("Archive")} >= set(ids)
    assert [row for row in book.tab("Posts").text() if any(row)] == others


CELL = TEXT.map(whole) | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.binary(max_size=5)


@given(rows=spoilt(CELL), raw=st.binary(max_size=6))
@holds(25)
def test_a_files_good_rows_go_their_way_and_the_others_stay(
    folders: Iterator[Path], caplog: pytest.LogCaptureFixture, rows: list[dict[str, Any]], raw: bytes
) -> None:
    ledger = opened(folders)
    ledger.add([post(5)], [], [])
    rows = [*rows, {"Content": raw}]
    with sqlite3.connect(ledger.path) as db:
        for number, row in enumerate(rows, 10):
            cells = columns.row_of_post(post(number)) | row
            names, marks = '", "'.join(cells), ", ".join("?" * len(cells))
            sql = f'INSERT OR IGNORE INTO "Posts" ("{names}") VALUES ({marks})'
            db.execute(sql, [whole(cell) for cell in cells.values()])
        sql = 'INSERT OR IGNORE INTO "Posts" ("Post ID", "Status", "Content") VALUES (?, ?, CAST(? AS TEXT))'
        db.execute(sql, ("7", "new", raw))

        def others() -> list[Any]:
            kept = "SELECT * FROM \"Posts\" WHERE \"Post ID\" NOT IN ('1005', '1006') ORDER BY rowid"
            return [[str(cell) for cell in row] for row in db.execute(kept)]

        db.text_factory = bytes
        before = others()
        db.commit()
        ids = ["1005", "1006"]
        assert set(ledger.known([*ids, "7"]).open) == {"1005"}
        assert ledger.add([post(6)], [replace(post(5), text="It came late.")], []) == 1
        entries = {entry.post.id: entry.post for entry in ledger.entries(*PostStatus)}
        assert entries.keys() >= {"1005", "1006"}
        assert entries["1005"].text == "It came late."
        assert entries[str(1009 + len(rows))].text == raw.decode("utf-8", "replace"), "a blob is read as text"
        ledger.note_analyses([crypto(i, yes=False) for i in ids], AT)
        ledger.note_analyses([crypto(i) for i in ids], AT)
        assert ledger.archive([PostStatus.SKIPPED], AT).moved == 2, "what is analysed is not analysed again"
        assert others() == before
    db.close()
    assert ledger.known(["1005", "1006"]).archived == {"1005", "1006"}
    caplog.clear()
    assert "7" in ledger.known(["7"]).archived, "it has no date: it cannot be read, and does not come in again"
    assert warned(caplog)


@given(cells=st.dictionaries(st.sampled_from(columns.DRAFTS[1:]), TEXT.map(whole), min_size=1))
@holds(25)
def test_a_draft_that_a_person_spoilt_is_neither_missing_nor_a_crash(
    folders: Iterator[Path], cells: dict[str, str]
) -> None:
    ledger = opened(folders)
    draft = draft_of(post(1))
    ledger.add_draft(draft, [])
    ledger.fill("Drafts", [columns.row_of_draft(draft) | cells])
    readable_rows = ledger.drafts(*DraftStatus)
    if readable_rows:
        assert ledger.draft(draft.id) == readable_rows[0]
    else:
        with pytest.raises(PermanentError) as caught:
            ledger.draft(draft.id)
        assert is_line(str(caught.value))
    assert not ledger.add_draft(draft, [])


@given(header=st.sampled_from(columns.POSTS), text=TEXT.map(clean))
@example("Projects", "Infinity")
@example("Projects", "007")
@holds(200)
def test_a_cell_gives_back_the_text_that_was_put_in(header: str, text: str) -> None:
    value = to_value(header, text)
    json.dumps(value, allow_nan=False)
    assert "formulaValue" not in value
    back = to_text(value)
    assert back == text or (text.startswith(back) and len(back) > 20_000) or float(back) == float(text)


@given(name=TEXT.map(lambda text: one_line(text, 60) or "unknown"), times=st.integers(1, 3))
@holds(25)
def test_who_shares_a_post_again_changes_nothing(folders: Iterator[Path], name: str, times: int) -> None:
    ledger = opened(folders)
    shared = post(1, shared_by=(name,))
    ledger.add([shared], [], [])
    for _ in range(times):
        fresh = compare([shared], ledger.known([shared.id]))
        assert (fresh.new, fresh.changed) == ((), ())
    assert [len(entry.post.shared_by) for entry in ledger.entries(PostStatus.NEW)] == [1]


# The model

SAID = objects(
    post_id=st.sampled_from(["1001", "1002", "1005", 1001, 1001.0, 1005, "7"]),
    is_crypto=st.booleans(),
    projects=st.lists(objects(name=TEXT | st.just("Chainlink"), ticker=TEXT | st.just("$LINK")), max_size=3),
    category=TEXT,
    summary=TEXT,
    keywords=st.lists(TEXT, max_size=3),
    score=st.integers(-1, 11),
)
SOUND = {"is_crypto": True, "projects": [{"name": "Chainlink", "ticker": "LINK"}, {"name": "Sui", "ticker": "SUI"}]}
SOUND |= {"category": "DeFi", "summary": "It is live.", "keywords": ["ccip"], "score": 7, "post_id": "1005"}
AROUND = st.lists(SAID | JSON, max_size=4)


def is_the_good_one(analysis: Analysis) -> bool:
    return (analysis.post_id, analysis.projects, analysis.score) == ("1005", (Project("Chainlink", "LINK"),), 7)


def is_as_asked(entry: dict[str, Any]) -> bool:
    """Whether an entry has the form that was asked for, to the types of its values."""
    texts = [entry["category"], entry["summary"], *entry["keywords"], *(p["name"] for p in entry["projects"])]
    texts += [p.get("ticker") or "" for p in entry["projects"]]
    return (
        type(entry["is_crypto"]) is bool
        and type(entry["score"]) is int
        and 0 <= entry["score"] <= 10
        and all(isinstance(text, str) for text in texts)
    )


@example([SOUND | {"post_id": "1001", "score": 11}], [], "{}")
@example([SOUND | {"post_id": "1001", "is_crypto": "yes"}], [], "{}")
@example([SOUND | {"post_id": "1002", "is_crypto": False}], [], "{}")
@given(above=AROUND, below=AROUND, fence=st.sampled_from(["{}", "```json\n{}\n```", " ```{}``` "]))
@holds(80)
def test_a_good_analysis_is_believed_whatever_stands_around_it(above: list[Any], below: list[Any], fence: str) -> None:
    asked = [post(1), post(2, f"{NEWS} today"), post(5, NEWS)]
    answer = fence.replace("{}", json.dumps({"analyses": [*above, SOUND, *below]}))
    held, wrong = gemini_answers.read([answer], asked, "gemini")
    said = [entry for entry in [*above, SOUND, *below] if isinstance(entry, dict)]
    times = sum(entry.get("post_id") in ("1005", 1005) for entry in said)
    assert any(map(is_the_good_one, held)) if times == 1 else "twice" in wrong["1005"]
    for analysis in held:
        (entry,) = [entry for entry in said if entry.get("post_id") == analysis.post_id]
        assert is_as_asked(entry)
        assert entry["is_crypto"] or not (analysis.is_crypto or analysis.projects)
    assert sorted([a.post_id for a in held] + [*wrong]) == ["1001", "1002", "1005"]
    assert all(map(is_line, wrong.values()))
    assert {p.name for a in held for p in a.projects} <= {"Chainlink"}


@given(
    parts=st.lists(TEXT | (JSON | RAW_JSON | objects(analyses=JSON)).map(written), max_size=3),
    cut=st.integers(0, 300),
)
@example(['{"analyses": 5}'], 0)
@holds(80)
def test_an_answer_that_is_none_gives_a_reason_for_each_post(parts: list[str], cut: int) -> None:
    for said in (parts, [json.dumps({"analyses": [SOUND]})[:cut]]):
        held, wrong = gemini_answers.read(said, [post(5, NEWS)], "gemini")
        assert [a.post_id for a in held] + [*wrong] == ["1005"]
        assert all(map(is_line, wrong.values()))


TOGETHER = st.builds(
    lambda around, good: json.dumps({"analyses": around + good}), AROUND, st.sampled_from([[], [SOUND]])
)


@given(answer=TOGETHER | TEXT.map(whole))
@holds(20)
def test_what_the_model_says_of_one_post_costs_that_post(gemini: GeminiServer, answer: str) -> None:
    def said(posts: list[dict[str, Any]]) -> str:
        return answer if any(p["post_id"] == "1001" for p in posts) else gemini_text([SOUND])

    gemini.model.answer = said
    block = GeminiAnalyst(api_key=KEY, api_url=gemini.url, first_wait=0.01, max_wait=5, requests_per_minute=0)
    answers = block.analyze([post(1), post(5, NEWS)])
    assert any(map(is_the_good_one, answers.analyses))
    told = {a.post_id for a in answers.analyses} | set(answers.unanalyzed)
    assert told == {"1001", "1005"}
    assert all(map(is_line, in_lines(answers.unanalyzed)))


# The day


@given(messages=MESSAGES, texts=st.lists(SENTENCES, max_size=4))
@holds(15)
def test_a_whole_day_of_anything_ends_with_a_report(
    folders: Iterator[Path], messages: list[Any], texts: list[str]
) -> None:
    folder, ledger = next(folders), opened(folders)
    shared = [exports.shared(i, text, author=text[:50]) for i, text in enumerate([*texts, GOOD_NEWS])]
    (folder / "alpha.json").write_text(json.dumps(exports.export([*messages, *shared, *messages])), encoding="utf-8")
    now = exports.START + DAY
    for turn in range(2):
        day = Day(f"run-{turn}", now)
        marks = sound(ledger.open(), NOW)
        day.fetched = collect(ExportSource(path=folder).read(marks, limit=0, lookback=DAY), NOW)
        assert turn == 0 or day.fetched.messages == 0, "what was read is not read as new again"
        day.fresh = compare(day.fetched.posts.values(), ledger.known(list(day.fetched.posts)))
        day.uploaded = ledger.add(day.fresh.new, day.fresh.changed, day.fetched.bookmarks)
        answers = analyze_batch(LexiconAnalyst().analyze, ready(ledger.entries(PostStatus.NEW), NOW))
        ledger.note_analyses(answers.analyses, now)
        day.analyzed = Analyzed(len(answers.analyses), unanalyzed=in_lines(answers.unanalyzed))
        entries = ledger.entries(PostStatus.ANALYZED)
        draft, items = write(entries, (now + turn * DAY).date())
        day.drafted = Drafted(draft)
        assert ledger.add_draft(draft, passed_over(entries, items, NOW))
        assert bool(draft) == (turn == 0), "the good news is told, once"
        assert not draft or problems(draft.text) == []
        day.archived = ledger.archive(DONE, now)
        report = report_of(day, 1.0)
        ledger.add_run(report)
        assert report.status == "SUCCESS"
        assert all(is_line(line) for line in render(report, now).split("\n") if line)
    assert day.fresh.new == ()
    assert ledger.entries(*PostStatus) == []
