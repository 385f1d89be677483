"""Links: a post on X is its status id, however the link is written."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.records import Channel, Embed, Message, Snapshot
from tasks.links import find_links, posts_in, status_time
from tests.exports import status_id

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ID = "1815000000000000000"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "x-links-sample.txt"


def ids(text: str) -> list[str]:
    return [link.id for link in find_links(text, NOW).posts]


@pytest.mark.parametrize(
    "text",
    [
        f"https://x.com/a_b/status/{ID}",
        f"http://twitter.com/a_b/status/{ID}",
        f"https://www.twitter.com/a_b/status/{ID}",
        f"https://mobile.twitter.com/a_b/status/{ID}",
        f"https://m.x.com/a_b/status/{ID}",
        f"https://fxtwitter.com/a_b/status/{ID}",
        f"https://d.fxtwitter.com/a_b/status/{ID}",
        f"https://vxtwitter.com/a_b/status/{ID}",
        f"https://c.vxtwitter.com/a_b/status/{ID}",
        f"https://fixupx.com/a_b/status/{ID}/en",
        f"https://fixvx.com/a_b/status/{ID}",
        f"https://twittpr.com/a_b/status/{ID}",
        f"https://nitter.net/a_b/status/{ID}#m",
        f"https://nitter.poast.org/a_b/status/{ID}#m",
        f"https://xcancel.com/a_b/status/{ID}?s=12",
        f"https://x.com/i/web/status/{ID}",
        f"https://x.com/i/status/{ID}",
        f"https://twitter.com/statuses/{ID}",
        f"https://twitter.com/a_b/statuses/{ID}",
        f"https://twitter.com/#!/a_b/status/{ID}",
        f"https://x.com/a_b/status/{ID}?s=20&t=AbC-d_e",
        f"https://x.com/a_b/status/{ID}?s=46&amp;t=AbC",
        f"https://x.com/a_b/status/{ID}/photo/1",
        f"https://x.com/a_b/status/{ID}/video/1?s=20",
        f"HTTPS://X.COM/A_B/STATUS/{ID}",
        f"<https://x.com/a_b/status/{ID}>",
        f"[read this](https://x.com/a_b/status/{ID})",
        f"||https://x.com/a_b/status/{ID}||",
        f"**https://x.com/a_b/status/{ID}**",
        f"_https://x.com/a_b/status/{ID}_",
        f"(see https://x.com/a_b/status/{ID}).",
        f"https://x.com/a_b/status/{ID}, and more",
        f"x.com/a_b/status/{ID}",
        f"_x.com/a_b/status/{ID}_",
        f"~~x.com/a_b/status/{ID}~~",
        f"see:x.com/a_b/status/{ID}",
        f"-x.com/a_b/status/{ID}",
        f"gm→https://x.com/a_b/status/{ID}",
        f"見てhttps://x.com/a_b/status/{ID}です",
        f"https://x.com:443/a_b/status/{ID}",
        f"https://x.com//a_b/status/{ID}",
    ],
)
def test_every_spelling_names_the_post(text: str) -> None:
    assert ids(text) == [ID]


@pytest.mark.parametrize(
    "text",
    [
        "https://x.com/a_b",
        "https://x.com/a_b/status/...",
        "https://x.com/a_b/status/SOME_ID",
        f"https://x.com/i/article/{ID}",
        "https://x.com/i/spaces/1LyxBgzAmVzKN/peek",
        f"https://x.com/i/broadcasts/{ID}",
        "https://x.com/search?q=status&src=typed_query",
        f"https://evilx.com/a_b/status/{ID}",
        f"https://x.com.evil.example/a_b/status/{ID}",
        f"https://x.com@evil.example/a_b/status/{ID}",
        f"https://evil.example/x.com/a_b/status/{ID}",
        f"https://evil.example/?u=x.com/a_b/status/{ID}",
        f"https://mastodon.example/@a_b/status/{ID}",
        f"somebody@x.com/a_b/status/{ID}",
        f"evil-x.com/a_b/status/{ID}",
        f"éx.com/a_b/status/{ID}",
        f"еx.com/a_b/status/{ID}",
        "",
    ],
)
def test_nothing_else_is_a_post(text: str) -> None:
    links = find_links(text, NOW)
    assert links.posts == []
    assert links.impossible == []


@pytest.mark.parametrize(
    "written",
    [
        "2016880021030522997m",
        "1821975861698154993https",
        "9999999999999999999",
        "99999999999999999999999",
        status_id(NOW + timedelta(hours=1)),
        "0",
        "007",
    ],
)
def test_an_id_that_cannot_be_is_left_out_and_counted(written: str) -> None:
    links = find_links(f"https://x.com/a_b/status/{written}", NOW)
    assert links.posts == []
    assert len(links.impossible) == 1


@pytest.mark.parametrize("written", ["20", "1110302988", "29700859247", status_id(NOW - timedelta(seconds=1))])
def test_old_ids_are_short_and_real(written: str) -> None:
    assert ids(f"https://twitter.com/halfin/status/{written}") == [written]


def test_a_snowflake_carries_its_time() -> None:
    moment = datetime(2024, 1, 15, 20, 0, tzinfo=UTC)
    assert status_time(status_id(moment, 7)) == moment
    assert status_time("1110302988") is None


def test_several_links_are_found_once_each_in_their_order() -> None:
    text = "https://x.com/a/status/20 https://fxtwitter.com/b/status/21 http://nitter.net/a/status/20#m"
    assert ids(text) == ["20", "21"]
    assert ids("https://x.com/a/status/20https://x.com/b/status/21") == ["21"]


@pytest.mark.skipif(not SHARED.is_file(), reason="the public sample of pasted links is not beside the project")
def test_the_public_sample_of_2500_links() -> None:
    lines = SHARED.read_text(encoding="utf-8").splitlines()
    found = [find_links(line, datetime(2026, 12, 1, tzinfo=UTC)) for line in lines]
    assert len(lines) == 2500
    assert sum(len(links.posts) for links in found) == 2477
    assert len({link.id for links in found for link in links.posts}) == 2466
    assert [i for links in found for i in links.impossible] == ["2016880021030522997m", "1821975861698154993https"]


@given(st.text())
def test_any_text_is_searched_without_an_error(text: str) -> None:
    links = find_links(text + "status", NOW)
    assert all(link.id.isdecimal() for link in links.posts)


@given(st.text(alphabet=st.characters(exclude_categories=["L", "N", "Cs"]), max_size=20))
def test_what_is_no_letter_or_digit_ends_an_id(tail: str) -> None:
    assert ids(f"https://x.com/a/status/{ID} {tail}") == [ID]


def _message(content: str = "", *, embeds: tuple[Embed, ...] = (), forwarded: tuple[Snapshot, ...] = ()) -> Message:
    return Message("1199000000000000000", Channel("5", "alpha", "4"), "Ada", NOW, content, embeds, forwarded)


def test_a_post_takes_its_text_and_author_from_its_embed() -> None:
    embed = Embed(f"https://twitter.com/real/status/{ID}", "", "What the post says.", "Real (@real)")
    (post,) = posts_in(_message(f"wow https://fxtwitter.com/claimed/status/{ID}", embeds=(embed,)), NOW).posts
    assert (post.text, post.author, post.own_text) == ("What the post says.", "real", True)
    assert post.link == f"https://x.com/i/status/{ID}"
    assert post.message_link == "https://discord.com/channels/4/5/1199000000000000000"


def test_without_an_embed_the_text_is_what_the_member_wrote_beside_the_link() -> None:
    (post,) = posts_in(_message(f"<@12> big news <:wow:123> https://x.com/a/status/{ID}?s=20 !"), NOW).posts
    assert (post.text, post.author, post.own_text) == ("big news !", "a", False)


def test_links_in_embeds_and_forwarded_messages_are_found() -> None:
    embed = Embed(
        "https://news.example/1", "News", "see https://x.com/a/status/20", fields="x\nhttps://x.com/b/status/21"
    )
    snapshot = Snapshot("https://x.com/c/status/22", (Embed("https://x.com/d/status/23", "", "Inside."),))
    found = posts_in(_message(embeds=(embed,), forwarded=(snapshot,)), NOW).posts
    assert [(post.id, post.text) for post in found] == [("20", ""), ("21", ""), ("22", ""), ("23", "Inside.")]


@pytest.mark.parametrize("piece", ["[", "](", "||[", "<https://", "https://x.com/", "status/", "x.com/", "nitter.a."])
def test_a_message_made_to_be_slow_is_not(piece: str) -> None:
    began = time.perf_counter()
    posts_in(_message("status " + piece * (30_000 // len(piece)) + f" https://x.com/a/status/{ID}"), NOW)
    assert time.perf_counter() - began < 2, "seconds for 30,000 characters; a quadratic search took 4"
