"""The drafts that a run has to do with, so that its readings do not grow with all that were ever made.

Of every draft a few columns are read, once a run (`SEEN`). What follows reads the rows whole that matter: those that
are still open, the newest, and those on which posts wait, at the places where they stood, and all rows below the last
one. That a reading is good is seen by its rows' keys: people move rows. Where one is not, or where a row is asked for
that was not foreseen, the whole tab is read, as if there were no glance: it spares, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

from blocks import columns
from blocks.records import DraftStatus
from blocks.sheet_book import Tab, Value, assembled, letters, quoted

SEEN = ("Draft ID", "Date", "Post IDs", "Status")
"""What is read of every draft."""

RECENT = timedelta(days=9)
"""The digests of the last week are looked into; two days more are for a day that was left out."""

_STATUSES = {status.value for status in DraftStatus}
_CLOSED = {DraftStatus.PUBLISHED.value, DraftStatus.REJECTED.value}


def day_of(tab: Tab, index: int) -> date | None:
    """A draft's day, None if its cell holds none."""
    try:
        return date.fromisoformat(tab.text(index, "Date"))
    except ValueError:
        return None


def post_ids_of(tab: Tab, index: int) -> set[str]:
    """The posts that a draft rests on."""
    return {part.strip() for part in tab.text(index, "Post IDs").split(",")} - {""}


def places_of(tab: Tab | None) -> dict[str, int]:
    """Where the columns stand: as they were seen last, else as in a tab of our own making."""
    return {header: (tab.places if tab else {}).get(header, columns.DRAFTS.index(header)) for header in SEEN}


def column_ranges(title: str, places: Mapping[str, int]) -> list[str]:
    """The ranges of the first look: the header, and some columns of all rows."""
    names = [letters(places[header]) for header in SEEN]
    return [f"{quoted(title)}!1:1", *(f"{quoted(title)}!{name}1:{name}" for name in names)]


def seen_in(sheet: Mapping[str, object], empty: Tab, places: Mapping[str, int]) -> Tab | None:
    """The tab after the first look: no row of it is whole. None if the columns stand elsewhere."""
    tab = replace(empty, rows=assembled([sheet]), places={})
    if any(tab.places.get(header) != place for header, place in places.items()):
        return None
    tab.unread, tab.glimpsed = frozenset(range(1, len(tab.rows))), SEEN
    return tab


@dataclass(frozen=True, slots=True)
class Glance:
    """What was seen of the drafts, and which rows are to be read whole. `rows` hold the columns `SEEN` at least."""

    rows: list[list[Value]]
    whole: frozenset[int]
    row_count: int
    column_count: int

    @classmethod
    def of(cls, drafts: Tab, posts: Tab) -> Glance:
        """What a reading shows. `posts` is the tab of those that are not archived yet."""
        there = posts.keyed()
        claimed = {posts.text(index, "Draft ID") for index in there.values()}
        newest = max(filter(None, (day_of(drafts, index) for index in drafts.keyed().values())), default=None)

        def matters(key: str, index: int) -> bool:
            day = day_of(drafts, index)
            is_old = day is not None and newest is not None and day < newest - RECENT
            is_over = is_old and drafts.text(index, "Status") in _CLOSED
            return not is_over or key in claimed or not there.keys().isdisjoint(post_ids_of(drafts, index))

        whole = frozenset(index for key, index in drafts.keyed().items() if matters(key, index))
        kept = {drafts.places[header] for header in SEEN}
        rows = [drafts.rows[0] if drafts.rows else []]
        rows += [[cell if at in kept else {} for at, cell in enumerate(row)] for row in drafts.rows[1:]]
        return cls(rows, whole, drafts.row_count, drafts.column_count)

    def ranges(self, title: str) -> list[str]:
        """What to read: the header, the rows that matter, and all below the last one."""
        runs = groupby(enumerate(sorted(self.whole)), lambda pair: pair[1] - pair[0])
        rows = [[index for _, index in run] for _, run in runs]
        # A range that begins below the grid is refused.
        tail = f"A{min(len(self.rows) + 1, self.row_count)}:{letters(self.column_count - 1)}"
        spans = ["1:1", *(f"{run[0] + 1}:{run[-1] + 1}" for run in rows), tail]
        return [f"{quoted(title)}!{span}" for span in spans]

    def filled(self, sheet: Mapping[str, object], empty: Tab) -> Tab | None:
        """The tab, with the rows that were read now. None if a row does not stand where it stood."""
        got = assembled([sheet])
        rows = [list(row) for row in self.rows]
        for index in (0, *self.whole):
            rows[index] = got[index] if index < len(got) else []
        rows += got[len(rows) :]
        before, now = replace(empty, rows=self.rows, places={}), replace(empty, rows=rows, places={})
        if before.places != now.places or any(
            before.text(i, "Draft ID") != now.text(i, "Draft ID") for i in self.whole
        ):
            return None
        now.unread, now.glimpsed = frozenset(range(1, len(self.rows))) - self.whole, SEEN
        return now


def asked_for(
    tab: Tab,
    statuses: Collection[str],
    since: date | None = None,
    ids: Collection[str] | None = None,
    resting_on: Collection[str] | None = None,
) -> list[int]:
    """The rows of drafts that may be among those that are asked for (see `Ledger.drafts`).

    One whose status or day nobody can read is among them: whoever reads it tells of it.
    """

    def may_be(key: str, index: int) -> bool:
        status, day = tab.text(index, "Status"), day_of(tab, index)
        if day is None or status not in _STATUSES:
            return True
        return (
            status in statuses
            and (since is None or day >= since)
            and (ids is None or key in ids)
            and (resting_on is None or not post_ids_of(tab, index).isdisjoint(resting_on))
        )

    return [index for key, index in tab.keyed().items() if may_be(key, index)]
