"""The conditions of a simulated year: what must hold after every run, whatever happened.

Nothing here asks the pipeline: the servers' own memory is looked at, and what people and messages were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from blocks import columns
from blocks.ledger import readable
from blocks.records import DraftStatus, PostStatus, RunReport, Style
from scripts.year_world import Messages, Team
from tasks.draft import write as draft_of
from tasks.recipe import Recipe
from tasks.report import Day
from tasks.selection import WEEK, counted, told
from tests.services.everything import Everything
from tests.services.sheets_model import as_text

STUCK = timedelta(days=12)
"""A post is done some days after it was shared, outages, crashes and a person's look at an unsure draft included."""


@dataclass
class Conditions:
    """What must hold. Each finding is one line; none is the aim."""

    services: Everything
    messages: Messages
    team: Team
    publisher: str
    uploaded: int = 0
    reported: list[str] = field(default_factory=list)
    """What reports said so far: how many posts were uploaded, and which drafts published."""

    def after(self, moment: datetime, report: RunReport | None, ran: Day) -> list[str]:
        """What is broken after the run of a moment. The sheet's rows are held to after runs that say all went well.

        Args:
            moment: when the run began.
            report: what it says of itself; None if it crashed.
            ran: what its steps gave.
        """
        found = [*self.published_twice(), *self._untrue(report, ran)]
        if report and report.status == "SUCCESS":
            waits = bool(ran.fetched and ran.fetched.waiting)
            found += [*self.rows(None if waits else moment), *self.theirs(), *self._left_over(report, moment)]
        return found

    def out(self) -> list[str]:
        """The texts that are out, on X's or Typefully's word."""
        return self.services.x.texts if self.publisher == "twitter" else self.services.typefully.published

    def column(self, tab: str, *headers: str) -> list[tuple[str, ...]]:
        """Some columns of a tab's rows; nothing while the tab is not there."""
        found = next((t for t in self.services.book.tabs if t.title == tab), None)
        if found is None or not found.rows:
            return []
        head = [as_text(cell) for cell in found.rows[0]]
        places = [head.index(header) if header in head else len(head) + 99 for header in headers]
        return [tuple(as_text(row[p]) if p < len(row) else "" for p in places) for row in found.rows[1:]]

    def rows(self, until: datetime | None) -> Iterator[str]:
        """Every post that was shared until then stands once in Posts or Archive, archived ones with their analysis."""
        there = Counter(key for tab in ("Posts", "Archive") for (key,) in self.column(tab, "Post ID") if key)
        yield from (f"post {key} stands {n} times in the ledger" for key, n in there.items() if n > 1)
        yield from (f"post {key} was never shared" for key in there.keys() - self.messages.shared.keys())
        if until:
            lost = [k for k, at in self.messages.shared.items() if at <= until and k not in there]
            yield from (f"post {key}, shared {self.messages.shared[key]:%m-%d %H:%M}, is lost" for key in lost)
        for key, status, analysed in self.column("Archive", "Post ID", "Status", "AI Processed"):
            if key and (status not in ("published", "skipped") or not analysed):
                yield f"post {key} is archived as {status or 'nothing'}, analysed: {analysed or 'never'}"

    def theirs(self) -> Iterator[str]:
        """The people's own rows, cells and tabs."""
        if [tuple(row) for row in self.services.book.tab("Team").text()] != list(self.team.own):
            yield "the tab Team was changed"
        rows = [[text for text in map(as_text, row) if text] for row in self.services.book.tab("Posts").rows]
        own = Counter(row[0] for row in rows if row and row[0].startswith("note "))
        if own != Counter(self.team.notes):
            yield f"own rows: lost {Counter(self.team.notes) - own}, too many {own - Counter(self.team.notes)}"
        yield from (f"own row was written to: {row}" for row in rows if row and row[0] in own and len(row) > 1)
        views = {k: v for tab in ("Posts", "Archive") for k, v in self.column(tab, "Post ID", "Our view") if k}
        for key, text in self.team.comments.items():
            if views.get(key) != text:
                yield f"their cell {text!r} at post {key} is {views.get(key)!r}"

    def _left_over(self, report: RunReport, moment: datetime) -> Iterator[str]:
        """What a run that says SUCCESS should not have left."""
        for key, status, text in self.column("Posts", "Post ID", "Status", "Content"):
            if not key:
                continue
            if status in ("published", "skipped") or (status == "new" and text and not report.errors):
                yield f"SUCCESS, and post {key} is still {status} in Posts"
            if self.messages.shared[key] < moment - STUCK:
                yield f"post {key} of {self.messages.shared[key]:%m-%d} is stuck as {status}"
        for draft, status in self.column("Drafts", "Draft ID", "Status"):
            if status in ("proposed", "approved", "publishing", "failed"):
                yield f"SUCCESS, and draft {draft} is still {status}"

    def published_twice(self) -> Iterator[str]:
        out = Counter(self.out())
        yield from (f"published {n} times: {text[:60]!r}" for text, n in out.items() if n > 1)
        drafts = self.column("Drafts", "Draft ID", "Text", "Post IDs", "Status")
        rests = Counter(key for _, text, keys, _ in drafts if text in out for key in keys.split(", "))
        yield from (f"post {key} rests in {n} published digests" for key, n in rests.items() if n > 1)
        texts = {text for _, text, _, _ in drafts}
        yield from (f"published, and no draft: {text[:60]!r}" for text in out if text not in texts)
        for draft, text, _, status in drafts:
            if status == "published" and text not in out:
                yield f"draft {draft} is called published, and is not out"

    def _untrue(self, report: RunReport | None, ran: Day) -> Iterator[str]:
        """What a report says that is not so."""
        if report is None:
            return
        out = self.out()
        self.uploaded += report.counts["uploaded"]
        if self.uploaded > len(self.messages.shared):
            yield f"{self.uploaded} posts were reported as uploaded, of {len(self.messages.shared)}"
        receipts = ran.published.receipts if ran.published else ()
        for draft, _ in receipts:
            if draft.text not in out or draft.id in self.reported:
                yield f"draft {draft.id} is reported as published, and is not out or was reported before"
        if report.counts["published"] != len(receipts):
            yield f"{report.counts['published']} reported as published, and {len(receipts)} were"
        self.reported += [draft.id for draft, _ in receipts]
        runs = Counter(key for (key,) in self.column("Runs", "Run ID") if key)
        yield from (f"run {key} is reported {n} times" for key, n in runs.items() if n > 1)

    def is_good(self, day: date, moment: datetime) -> tuple[bool, str]:
        """Whether the day's digest is out, or there is rightly none."""
        mine = [(text, status) for key, text, status in self.column("Drafts", "Draft ID", "Text", "Status")
                if key == day.isoformat()]  # fmt: skip
        if mine:
            (text, status) = mine[0]
            return text in self.out() or status == "rejected", f"the draft is {status}"
        posts = self.services.book.rows("Posts") if self.team.posts else []
        entries = readable([row for row in posts if row.get("Post ID")], columns.entry_of_row)
        there = {e.post.id for e in entries} | {key for (key,) in self.column("Archive", "Post ID")}
        if any(at <= moment and key not in there for key, at in self.messages.shared.items()):
            return False, "messages were not read"
        if any(e.status is PostStatus.NEW and e.post.text for e in entries):
            return False, "posts were not analysed"
        ready = [e for e in entries if e.status is PostStatus.ANALYZED]
        drafts = readable(
            [row for row in self.services.book.rows("Drafts") if row.get("Draft ID")], columns.draft_of_row
        )
        week = told(d for d in drafts if d.status is not DraftStatus.REJECTED and day - WEEK < d.day < day)
        made, _ = draft_of(ready, day, Recipe(moment, Style(), counted(ready), week))
        return made is None, "no digest was drafted"
