"""The records that pass between the steps: plain values, no network, no clock, no Prefect.

`Message` (as the source gave it) → `Post` (one X post) → `Analysis` → `Draft` → `Receipt`. An
`Entry` is a post as the ledger knows it: the post and what has been done with it so far.
Ids are strings everywhere. Times are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

DISCORD_EPOCH_MS = 1_420_070_400_000
"""Discord's snowflakes count milliseconds from the first second of 2015."""


class PostStatus(StrEnum):
    """How far a post has come: `new → analyzed → drafted → published`, or `skipped`."""

    NEW = "new"
    ANALYZED = "analyzed"
    DRAFTED = "drafted"
    PUBLISHED = "published"
    SKIPPED = "skipped"


class DraftStatus(StrEnum):
    """How far a draft has come. `UNSURE`: it may be out, and a person decides."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    REJECTED = "rejected"
    FAILED = "failed"
    UNSURE = "unsure"


class Layout(StrEnum):
    """What a digest looks like on X. Only a link makes a post dear.

    `single`: one post without a link. `linked`: one post with one link. `thread`: one item a post. `long`: one long
    post, for an account with Premium.
    """

    SINGLE = "single"
    LINKED = "linked"
    THREAD = "thread"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Style:
    """How a digest is written. `language` is a code of `tasks/data/languages.toml`.

    `headline` is the team's own first line, in which {day} and {month} are put in; empty: the language's. `page` is
    the team's own page, for the layout `linked`; empty: the best item's post.
    """

    layout: Layout = Layout.SINGLE
    language: str = "en"
    headline: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A Discord channel or thread. `guild_id` is empty where the source does not tell it."""

    id: str
    name: str
    guild_id: str = ""


@dataclass(frozen=True, slots=True)
class Embed:
    """What Discord shows below a link. Every field may be empty."""

    url: str = ""
    title: str = ""
    description: str = ""
    author_name: str = ""
    author_url: str = ""
    fields: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The text of a forwarded message, which has its words and links only here."""

    content: str
    embeds: tuple[Embed, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One Discord message as the source gave it."""

    id: str
    channel: Channel
    author: str
    created_at: datetime
    content: str
    embeds: tuple[Embed, ...] = ()
    forwarded: tuple[Snapshot, ...] = ()

    @property
    def link(self) -> str:
        """The address that opens this message in Discord."""
        return f"https://discord.com/channels/{self.channel.guild_id or '@me'}/{self.channel.id}/{self.id}"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a channel has been read: the id of the newest message that was taken."""

    channel_id: str
    name: str
    last_message_id: str
    last_read: datetime


@dataclass(frozen=True, slots=True)
class ChannelRead:
    """How the reading of one channel ended. It follows the channel's messages.

    `new` messages were taken, `reread` ones lie before the bookmark, `waiting` ones are left for later runs.
    `bookmark` is None where it must stay: nothing new, or `failed` (a part could not be read). A channel that was
    never read and failed has one where its reading would have begun.
    """

    channel: Channel
    new: int
    reread: int
    waiting: int
    bookmark: Bookmark | None
    problem: str = ""
    failed: bool = False
    share: float = 1.0
    """In a walk: how much of the channel is behind, 0 to 1, as far as the source can tell."""


@dataclass(frozen=True, slots=True)
class Period:
    """From a moment on until just before another one."""

    begin: datetime
    end: datetime

    def holds(self, message_id: str) -> bool:
        """Whether a message was sent in it, by its id."""
        moment = message_time_ms(message_id) / 1000
        return self.begin.timestamp() <= moment < self.end.timestamp()


@dataclass(frozen=True, slots=True)
class Post:
    """One post on X, known by its status id however its link was written.

    `author` is a handle without "@", or empty. `shared_at` is when it was first shared. `own_text` tells, while
    a post is on its way into the ledger, that `text` is the post's and not what a member wrote beside the link.
    """

    id: str
    author: str
    text: str
    shared_by: tuple[str, ...]
    shared_at: datetime
    message_link: str
    own_text: bool = False

    @property
    def link(self) -> str:
        """The canonical link. It holds the id alone: a handle in a link is the writer's claim."""
        return f"https://x.com/i/status/{self.id}"

    @property
    def author_link(self) -> str:
        """The author's page, or an empty string."""
        return f"https://x.com/{self.author}" if self.author else ""


@dataclass(frozen=True, slots=True)
class Project:
    """A crypto project, with its ticker (no "$") where it is known."""

    name: str
    ticker: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyst says of a post. `score` runs from 0 to 10."""

    post_id: str
    is_crypto: bool
    projects: tuple[Project, ...] = ()
    category: str = ""
    summary: str = ""
    keywords: tuple[str, ...] = ()
    score: int = 0
    analyst: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A post as the ledger knows it: the post, and what was done with it so far."""

    post: Post
    status: PostStatus = PostStatus.NEW
    analysis: Analysis | None = None
    analyzed_at: datetime | None = None
    draft_id: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A digest that waits to be published, or was. `cost` is in US dollars."""

    id: str
    day: date
    parts: tuple[str, ...]
    post_ids: tuple[str, ...]
    content_hash: str
    weighted_length: int
    cost: float
    status: DraftStatus = DraftStatus.PROPOSED
    published_ids: tuple[str, ...] = ()
    link: str = ""
    note: str = ""
    publisher: str = ""
    """The destination of the publisher that was asked to publish it: what may be out is out there, nowhere else."""

    projects: tuple[str, ...] = ()
    """The projects of its items: they are not told again within a week, unless there is news."""

    why: str = ""
    """For each item, why it is in: for people."""

    made_from: str = ""
    """All that its text was made from besides the posts, as JSON: with it, `--redraft` makes the same text again."""

    approved_hash: str = ""
    """The content hash of the text that a person approved, once a run has seen the approval."""

    @property
    def text(self) -> str:
        """The whole text, a thread's parts with an empty line between them."""
        return "\n\n".join(self.parts)


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a draft is out: where, under which ids, and when.

    `whole` is False where only the first parts of a thread are out: found so, the thread goes on after them;
    published so, the service takes no more of it, and `note` says why.
    """

    destination: str
    ids: tuple[str, ...]
    link: str
    published_at: datetime
    whole: bool = True
    note: str = ""

    def __str__(self) -> str:
        return f"{self.destination} {self.link or ' '.join(self.ids)}".strip()


@dataclass(frozen=True, slots=True)
class Check:
    """One answer of a block to "are you ready?", for `--test`. `advice` says what to do."""

    what: str
    ok: bool
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report: a mark (✅ ⚠️ ❌ 📝 📊) and a few words."""

    mark: str
    text: str


@dataclass(slots=True)
class RunReport:
    """What a run did, in the words and the order in which people read it."""

    run_id: str
    started: datetime
    sections: dict[str, list[Line]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    failed_steps: list[str] = field(default_factory=list)
    status: str = ""
    seconds: float = 0.0
    cost: float = 0.0


def is_snowflake(text: str) -> bool:
    """Whether a text is an id as Discord and X give them out: a number from 1 that fits 63 bits.

    The length comes first: Python refuses to read a number of thousands of digits.
    """
    return 0 < len(text) <= 19 and text.isascii() and text.isdecimal() and 0 < int(text) < 2**63


def message_time_ms(message_id: str) -> int:
    """The time, in Unix milliseconds, that a Discord snowflake carries."""
    return (int(message_id) >> 22) + DISCORD_EPOCH_MS


def first_id(moment: datetime) -> int:
    """The smallest id that a message of this moment may have, not below 1."""
    return max(1, (int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22)
