"""Which posts on X a text links to. A post is its status id, however the link is written.

Rules:
- Hosts: x.com and twitter.com (also www., mobile., m.), the mirrors that people paste to get better embeds
  (fxtwitter, vxtwitter, fixupx, fixvx, twittpr, with their subdomains), nitter and its instances, xcancel.
- Paths: `/name/status/ID`, `/name/statuses/ID`, `/i/status/ID`, `/i/web/status/ID`, `/statuses/ID`; in any case,
  with anything after the id that does not change it (`?s=20`, `#m`, `/photo/1`, a full stop, a bracket).
- With a scheme a link may stand anywhere; without one it must begin where a word could.
- An id that cannot be is not guessed at: letters glued to it, a leading zero, or a snowflake time in the
  future. Ids from before November 2010 carry no time; they are short, and real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from blocks.records import Embed, Message, Post
from blocks.text import MAX_TEXT

X_EPOCH_MS = 1_288_834_974_657
"""X's snowflakes count milliseconds from November 4th, 2010."""

LAST_SEQUENTIAL_ID = 29_700_859_247
"""The last id given out before snowflakes: up to here ids carry no time. (TweetedAt, Web Science group at ODU)"""

_MAX_ID = 2**63 - 1
_CLOCK_SLACK = timedelta(minutes=5)

_HOST = r"""
    (?:(?:www|mobile|m)\.)?(?:x|twitter)\.com
  | (?:[a-z0-9]{1,9}\.)?(?:fxtwitter|vxtwitter|fixupx|fixvx|twittpr|girlcockx|cunnyx|fixuptwitter|stupidpenisx)\.com
  | (?:www\.)?(?:nitter|xcancel|lightbrd|twiiit|twstalker)\.[a-z]{2,6}(?:\.[a-z]{2,12}){0,2}
  | nitter\.[a-z0-9-]{2,30}\.[a-z]{2,12}(?:\.[a-z]{2,12})?
"""
_LINK = re.compile(
    rf"""
    (?: https?://+ | (?<![A-Za-z0-9.@/%=&?+\u00c0-\u04ff]) (?<![A-Za-z0-9]-) )
    (?: {_HOST} ) \.? (?::(?:80|443))? /+
    (?: \#!/+ )?
    (?: (?: i/+web | i | @?(?P<handle>[a-z0-9_]{{1,20}}) ) /+ )?
    status(?:es)? /+
    (?P<id> [0-9]+ ) (?= (?P<glued> _* [a-z0-9] [a-z0-9_]* )? )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_HANDLE = re.compile(r"@([A-Za-z0-9_]{1,15})\b|(?:x|twitter)\.com/([A-Za-z0-9_]{1,15})/?(?:[?#]|$)", re.ASCII)
_ANY_LINK = re.compile(r"<?https?://[^\s<>|]+[>|]*", re.IGNORECASE)
_DISCORD_MARKUP = re.compile(r"<(?:@[!&]?|#|a?:\w+:)\d+>|@(?:everyone|here)\b")
# Bounded, so that a message of nothing but brackets costs no more than another.
_SPOILER_OR_LABEL = re.compile(r"\|\||\[([^\[\]]{0,300})\]\([^()]{0,2000}\)")
_NO_HANDLES = {"i", "home", "search", "explore", "intent", "share", "hashtag", "status", "statuses"}


@dataclass(frozen=True, slots=True)
class PostLink:
    """A link to a post: its status id, and the handle that the link claims (or an empty string)."""

    id: str
    handle: str = ""


@dataclass(slots=True)
class Links:
    """What a text links to: posts, each once, and ids that cannot be, as they were written."""

    posts: list[PostLink] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)


def status_time(status_id: str) -> datetime | None:
    """When a post was made, by its snowflake; None for an id from before snowflakes."""
    number = int(status_id)
    if number <= LAST_SEQUENTIAL_ID:
        return None
    return datetime.fromtimestamp(((number >> 22) + X_EPOCH_MS) / 1000, UTC)


def is_possible(status_id: str, now: datetime) -> bool:
    """Whether a post with this id can exist at this moment."""
    if len(status_id) > 19 or status_id.startswith("0") or int(status_id) > _MAX_ID:
        return False
    made = status_time(status_id)
    return made is None or made <= now + _CLOCK_SLACK


def find_links(text: str, now: datetime) -> Links:
    """Every post that a text links to, once, in the order in which they stand."""
    links, seen = Links(), set[str]()
    # A cheap look first: most messages link to nothing, and the pattern is dear.
    if "status" not in text.lower():
        return links
    for match in _LINK.finditer(text):
        status_id = match["id"]
        if match["glued"] or not is_possible(status_id, now):
            links.impossible.append((status_id + (match["glued"] or ""))[:40])
        elif status_id not in seen:
            seen.add(status_id)
            handle = match["handle"] or ""
            links.posts.append(PostLink(status_id, "" if handle.lower() in _NO_HANDLES else handle))
    return links


@dataclass(slots=True)
class MessagePosts:
    """The posts that one message shares, and the ids in it that cannot be."""

    posts: list[Post]
    impossible: list[str]


def _texts(message: Message) -> Iterator[tuple[str, tuple[Embed, ...]]]:
    yield message.content, message.embeds
    for snapshot in message.forwarded:
        yield snapshot.content, snapshot.embeds


def _words(content: str) -> str:
    """What a member wrote around the links, without Discord's markup."""
    text = _SPOILER_OR_LABEL.sub(lambda m: m[1] or " ", content)
    text = _DISCORD_MARKUP.sub(" ", _ANY_LINK.sub(" ", text))
    lines = (" ".join(line.split()).strip("<>|*_ ") for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _author(embed: Embed) -> str:
    # Discord names the author in the author's line, the mirrors in the title.
    found = (_HANDLE.search(text) for text in (embed.author_name, embed.title, embed.author_url))
    match = next((match for match in found if match), None)
    return (match[1] or match[2]) if match else ""


def posts_in(message: Message, now: datetime) -> MessagePosts:
    """The posts that a message shares: by its content, its embeds, or the message it forwards.

    A post's text and author are those of its embed. Without one, the text is what the member wrote around
    the link, and the author is what the link claims.
    """
    found: dict[str, tuple[str, str]] = {}
    impossible: dict[str, None] = {}
    quoted = set[str]()
    own_words = ""
    for content, embeds in _texts(message):
        links = find_links(content, now)
        impossible.update(dict.fromkeys(links.impossible))
        words = _words(content) if links.posts or embeds else ""
        own_words = own_words or words
        for link in links.posts:
            found.setdefault(link.id, (link.handle, words))
        for embed in embeds:
            named = find_links(f"{embed.url}\n{embed.author_url}", now)
            about = named.posts[:1] if embed.description else []
            inside = find_links(f"{embed.title}\n{embed.description}\n{embed.fields}", now)
            impossible.update(dict.fromkeys(named.impossible + inside.impossible))
            for link in named.posts + inside.posts:
                found.setdefault(link.id, (link.handle, own_words))
            for link in about:
                quoted.add(link.id)
                handle = _author(embed) or found[link.id][0]
                found[link.id] = (handle, "\n".join(filter(None, (embed.description, embed.fields))))
    posts = [
        Post(
            id=status_id,
            author=handle,
            text=text[:MAX_TEXT].strip(),
            shared_by=(message.author,),
            shared_at=message.created_at,
            message_link=message.link,
            own_text=status_id in quoted,
        )
        for status_id, (handle, text) in found.items()
    ]
    return MessagePosts(posts, list(impossible))
