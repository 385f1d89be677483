"""The world of a simulated year: its clock, its messages, the people who edit the sheet, and what goes wrong outside.

Everything is drawn from the seed, in the order in which it happens: a seed is a year that can be looked at again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import time_machine

from tests.exports import embed, status_id
from tests.services.discord_server import user
from tests.services.everything import Everything
from tests.services.gemini_server import failure, retry_info
from tests.services.server import Answer, Call, Fault, Service, answers, before, cut, lost, malformed, reset
from tests.services.sheets_model import Tab, as_text

FAULTS = 0.05
CRASHES = 0.05
EDITS = 0.03
"""Of all calls; of all runs; of all writes to the sheet."""

RUN_TIMES = [
    ("Europe/Berlin", "20:00"),
    ("America/New_York", "20:00"),
    ("Australia/Lord_Howe", "20:00"),
    ("Europe/Berlin", "02:30"),  # missing in March, doubled in October
    ("America/New_York", "01:30"),  # doubled in November
    ("Australia/Lord_Howe", "02:15"),  # half an hour is missing, or doubled
    ("America/Santiago", "00:15"),  # the clocks change at midnight
]
PROJECTS = (
    "Akash Network,Algorand,Alchemix,Ampleforth,Ankr,API3,Arbitrum,Arweave,Audius,Axie Infinity,Band Protocol,Benqi,"
    "Berachain,Biconomy,Bitcoin,Bitcoin Cash,Aethir,Arcium,AltLayer,Aeternity,Chainlink,Solana"
).split(",")
NEWS = (
    "{p} is now live on mainnet with {n} partners and ${m}M in value secured.",
    "{p} validators approved the new fee proposal with {n}% of the stake, and it activates in March.",
    "The {p} upgrade was released with {n} fixes, and fees are down {m}% since the launch.",
    "{p} raised ${m}M for its protocol, and {n} teams build on its mainnet.",
)
LUNCH = ("We had noodles by the lake, and the weather was lovely.", "The cat sleeps on the keyboard again.")
PEOPLE = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Mary, of Cork", "=cmd()")


class Clock:
    """The simulated time. Sleeping moves it, and so does every call a little."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def sleep(self, seconds: float) -> None:
        """As time.sleep."""
        self._traveller.shift(timedelta(seconds=max(0.0, seconds)))

    def to(self, moment: datetime) -> None:
        """Go on to a moment, never back."""
        self._traveller.move_to(max(moment, datetime.now(UTC)), tick=False)


@contextmanager
def simulated_time(start: datetime) -> Iterator[Clock]:
    """While this lasts the clock stands still unless somebody sleeps. time.monotonic goes on: loops live by it.

    Threads that were there before, of Prefect's or of another test, live in real time: their sleep moves nothing.
    """
    yield_to_others: Callable[[float], Awaitable[None]] = asyncio.sleep
    really_sleep = time.sleep
    strangers = {*threading.enumerate()} - {threading.current_thread()}

    with time_machine.travel(start, tick=False) as traveller:
        clock = Clock(traveller)

        def sleep(seconds: float) -> None:
            (really_sleep if threading.current_thread() in strangers else clock.sleep)(seconds)

        async def asleep(seconds: float, result: Any = None) -> Any:
            is_stranger = threading.current_thread() in strangers
            if not is_stranger:
                clock.sleep(seconds)
            await yield_to_others(seconds if is_stranger else 0)
            return result

        with patch.object(time, "sleep", sleep), patch.object(asyncio, "sleep", asleep):
            yield clock


def run_moments(day: date, zone: str, at: str) -> list[datetime]:
    """When the day's runs are, in UTC: two where that time of day comes twice."""
    local = datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=ZoneInfo(zone))
    second = local.replace(fold=1)
    doubled = local.utcoffset() != second.utcoffset() and local.astimezone(UTC) < second.astimezone(UTC)
    return [moment.astimezone(UTC) for moment in ([local, second] if doubled else [local])]


@dataclass
class Messages:
    """What is said on Discord. `shared` holds every distinct post, and when it was first shared."""

    random: Random
    services: Everything
    channels: list[str]
    shared: dict[str, datetime] = field(default_factory=dict)
    _bare: list[tuple[dict[str, Any], list[Any]]] = field(default_factory=list)

    def of_a_day(self, since: datetime, until: datetime) -> None:
        """The messages between two runs: none, a few, or very many."""
        self._embeds_arrive()
        kind = self.random.random()
        count = 0 if kind < 0.08 else self.random.randint(40, 260) if kind > 0.98 else self.random.randint(2, 14)
        seconds = (until - since).total_seconds()
        moments = sorted(since + timedelta(seconds=self.random.uniform(1, seconds - 1)) for _ in range(count))
        for moment in moments:
            self.one(moment, crypto=0.0 if kind < 0.14 else 0.55)

    def one(self, moment: datetime, crypto: float = 0.55) -> None:
        """One message: small talk, a new post, or one that was shared before, perhaps months ago."""
        channel = self.random.choice(self.channels)
        kind = self.random.random()
        who = user(str(self.random.randint(7, 9)), self.random.choice(PEOPLE))
        if kind < 0.25:
            self.services.discord.post(channel, self.random.choice(LUNCH), at=moment, author=who)
            return
        if kind < 0.38 and self.shared:
            post_id = self.random.choice(list(self.shared))
            form = self.random.choice(("https://twitter.com/i/status/{}?s=20", "<https://fxtwitter.com/a/status/{}>"))
            self.services.discord.post(channel, "again: " + form.format(post_id), at=moment, author=who)
            return
        handle = f"author_{self.random.randint(1, 60)}"
        post_id = status_id(moment - timedelta(minutes=5), self.random.randrange(4096))
        text = self.random.choice(LUNCH)
        if self.random.random() < crypto:
            n, m = self.random.randint(3, 97), self.random.randint(3, 97)
            text = self.random.choice(NEWS).format(p=self.random.choice(PROJECTS), n=n, m=m)
        url = f"https://x.com/{handle}/status/{post_id}"
        shown = [{"type": "rich"} | {k: v for k, v in embed(url, text, handle).items() if v}]
        is_late = self.random.random() < 0.05
        self.services.discord.post(channel, url, at=moment, author=who, embeds=[] if is_late else shown)
        if is_late:
            self._bare.append((self.services.discord.places[channel].messages[-1], shown))
        self.shared.setdefault(post_id, moment)

    def _embeds_arrive(self) -> None:
        for message, shown in self._bare:
            message["embeds"] = shown
        self._bare.clear()


@dataclass
class Team:
    """The people who work in the sheet, and what must be as they left it."""

    random: Random
    services: Everything
    notes: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    edits: int = 0
    own: tuple[tuple[str, ...], ...] = (("who", "what"), ("Ada", "tea"), ("Grace", "=1+1"))

    def prepare(self) -> None:
        """A tab of their own, before the first run."""
        self.services.book.tabs.append(Tab(77, "Team"))
        for row, values in enumerate(self.own):
            for column, value in enumerate(values):
                self.services.book.tab("Team").put(row, column, {"userEnteredValue": {"stringValue": value}})

    @property
    def posts(self) -> Tab | None:
        """The tab of posts, once it is there."""
        return next((tab for tab in self.services.book.tabs if tab.title == "Posts" and tab.rows), None)

    def edit(self) -> None:
        """One edit of the tab of posts, at any moment."""
        tab = self.posts
        if tab is None:
            return
        self.edits += 1
        last = tab.last_row()
        kind = self.random.choice(("insert", "insert", "delete", "sort", "move", "comment", "comment"))
        if kind == "insert":
            self.notes.append(f"note {self.edits}")
            tab.insert_row(self.random.randint(1, last), self.notes[-1])
        elif kind == "delete" and self.notes:
            note = self.random.choice(self.notes)
            rows = [index for index, row in enumerate(tab.rows) if any(as_text(cell) == note for cell in row)]
            if rows:  # A row that is about to be put back is not seen for a moment.
                tab.delete_row(rows[0])
                self.notes.remove(note)
        elif kind == "sort":
            tab.sort(self.random.randrange(len(tab.rows[0])), reverse=self.random.random() < 0.5)
        elif kind == "move" and last > 2:
            tab.move_row(self.random.randrange(1, last), self.random.randrange(1, last))
        elif kind == "comment":
            self._comment(tab)

    def between_runs(self) -> None:
        """What they do in peace: edits, now and then a new column, and drafts that wait for a person."""
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            self.edit()
        tab = self.posts
        if tab and (self.random.random() < 0.01 or "Our view" not in map(as_text, tab.rows[0])):
            name = f"Ours {self.edits}" if "Our view" in map(as_text, tab.rows[0]) else "Our view"
            tab.insert_column(self.random.randint(0, len(tab.rows[0])), name)
        self._look_at_drafts()

    def _comment(self, tab: Tab) -> None:
        head = [as_text(cell) for cell in tab.rows[0]]
        if "Our view" not in head:
            return
        key, ours = head.index("Post ID"), head.index("Our view")
        rows = [i for i, row in enumerate(tab.rows) if i and key < len(row) and as_text(row[key])]
        if rows:
            row = self.random.choice(rows)
            text = f"view {self.edits}"
            self.comments[as_text(tab.rows[row][key])] = text
            tab.type(row, ours, text)

    def _look_at_drafts(self) -> None:
        """A person settles what is unsure, by what is really out, and rejects now and then what is only proposed."""
        if not any(tab.title == "Drafts" for tab in self.services.book.tabs):
            return
        tab = self.services.book.tab("Drafts")
        column = [as_text(cell) for cell in tab.rows[0]].index("Status")
        out = {*self.services.x.texts, *self.services.typefully.published}
        for index, row in enumerate(self.services.book.rows("Drafts"), start=1):
            if row["Status"] == "unsure":
                tab.type(index, column, "published" if row["Text"] in out else "rejected")
            elif row["Status"] == "proposed" and self.random.random() < 0.3:
                tab.type(index, column, "rejected")


@dataclass(frozen=True)
class Outage:
    """Services that are away for some days, the first one included."""

    first: int
    days: int
    services: frozenset[str]

    def on(self, day: int) -> bool:
        return self.first <= day < self.first + self.days


@dataclass
class Weather:
    """What befalls the calls of a run. `dead`: the run crashed, and no call of its process comes through."""

    random: Random
    clock: Clock
    services: Everything
    team: Team
    messages: Messages
    outages: list[Outage] = field(default_factory=list)
    away: frozenset[str] = frozenset()
    calls: int = 0
    crash_at: int = 0
    dead: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    by_service: Counter[str] = field(default_factory=Counter)

    def plan(self, days: int, names: list[str]) -> None:
        """The outages of the time to come, and every service's ear for the weather."""
        for _ in range(max(1, days // 45)):
            struck = names if self.random.random() < 0.3 else [self.random.choice(names)]
            self.outages.append(
                Outage(self.random.randrange(2, days), self.random.choice((1, 1, 2)), frozenset(struck))
            )
        for service in self.services.all:
            service.weather = self._for(service)

    def new_run(self, day: int) -> None:
        """Before a run: which services are away, and whether and where it will crash."""
        self.away = frozenset(name for outage in self.outages if outage.on(day) for name in outage.services)
        crashes = self.random.random() < CRASHES
        self.crash_at = self.random.randint(1, max(self.calls, 20)) if crashes else 0
        self.calls, self.dead = 0, False

    def _for(self, service: Service) -> Callable[[Call], Fault | None]:
        return lambda call: self._befalls(service, call)

    def _befalls(self, service: Service, call: Call) -> Fault | None:
        if self.dead:
            return reset
        self.clock.sleep(self.random.uniform(0.05, 0.6))
        self.calls += 1
        self.by_service[service.name] += 1
        if self.calls == self.crash_at:
            self.dead = True
            return self.random.choice((reset, lost))
        if service.name in self.away:
            return self.random.choice((reset, answers(503, service.error(503, "Service unavailable").body)))
        if self.random.random() < FAULTS:
            return self._fault(service)
        return self._people(service, call)

    def _people(self, service: Service, call: Call) -> Fault | None:
        """What people do in this very moment: edit what is about to be written, write what is about to be read."""
        if call.path.endswith(":batchUpdate") and self.random.random() < EDITS:
            return before(self.team.edit)
        if service.name == "Discord" and self.random.random() < 0.02:
            return before(lambda: self.messages.one(datetime.now(UTC)))
        return None

    def _fault(self, service: Service) -> Fault:
        name = self.random.choice(("500", "503", "429", "reset", "lost", "cut", "malformed"))
        self.faults[name] += 1
        kinds: dict[str, Fault] = {"reset": reset, "lost": lost, "cut": cut, "malformed": malformed}
        return kinds.get(name) or self._refusal(service, int(name))

    def _refusal(self, service: Service, status: int) -> Fault:
        """An error as the service writes it; "too many" with its hint when to come again."""
        answer = service.error(status, "Too many requests" if status == 429 else "Trouble of our own")
        if status == 429:
            in_two = str(int(time.time()) + 3)
            hints = {
                "Discord": {"Retry-After": "2", "Via": "1.1 google"},
                "Google Sheets": {"Retry-After": "2"},
                "X": {"x-rate-limit-reset": in_two, "x-rate-limit-remaining": "0"},
                "Typefully": {"X-RateLimit-User-Remaining": "0", "X-RateLimit-User-Reset": in_two},
            }
            answer.headers |= hints.get(service.name, {})
            if service.name == "Discord":
                answer.body |= {"retry_after": 2.0, "global": False}
            elif service.name == "Gemini":
                answer.body = failure(429, "Too many requests", retry_info("0.01s"))
        return lambda _call, _work: Answer(answer.status, answer.body, dict(answer.headers))
