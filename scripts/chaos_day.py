"""The day that `make chaos` disturbs: a community, an owner's sheet, and what must be so whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.exports import embed, status_id
from tests.services.everything import Everything

DAY = datetime.now(UTC).date()
"""The digest's day, the same for all runs: midnight may pass."""

_TEXTS = (
    "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners and $40M in value secured.",
    "Solana validators approved the new fee proposal with 77% of the stake, and it activates in March.",
    "We had noodles by the lake, and the weather was lovely all day.",
    "Uniswap v4 is live on Base, and the first hooks passed two audits this week.",
    "My cat has learned to open the fridge.",
)
_OWNER = (("Team notes", "Post ID", "Status"), ("call Ada about the venue", "", ""))
_BUDGET = (("Item", "Euro"), ("Pizza", "40"), ("Stickers", "12"))
NOTE, BUDGET = "Team notes", "Budget"


def make(first_port: int, publisher: str, folder: Path) -> tuple[Everything, dict[str, str]]:
    """The services on fixed ports, with a morning's messages and the owner's sheet; and the settings for them."""
    everything = Everything(first_port)
    everything.sheets.reads_per_minute = everything.sheets.writes_per_minute = 1_000_000
    everything.typefully.takes = 0.2
    everything.discord.channel("222", "alpha")
    now = datetime.now(UTC)
    for number, text in enumerate([*_TEXTS, _TEXTS[0]]):
        at = now - timedelta(minutes=90 - number)
        # The last one is the first post again, in another spelling.
        post_id = status_id(now - timedelta(minutes=120), number % len(_TEXTS))
        url = f"https://{'twitter' if number == len(_TEXTS) else 'x'}.com/writer/status/{post_id}"
        shown = {"type": "rich"} | {key: value for key, value in embed(url, text, "writer").items() if value}
        everything.discord.post("222", f"look {url}", at=at, embeds=[shown])
    for title, rows in (("Posts", _OWNER), (BUDGET, _BUDGET)):
        tab = everything.book.tabs[0] if title == "Posts" else type(everything.book.tabs[0])(77, title)
        tab.title = title
        if title == BUDGET:
            everything.book.tabs.append(tab)
        for row, cells in enumerate(rows):
            tab.insert_row(row, *cells)
    return everything, everything.settings(folder, PUBLISHER_TYPE=publisher)


def shared(everything: Everything) -> set[str]:
    """The status ids of the source's posts."""
    return {m["embeds"][0]["url"].rsplit("/", 1)[1] for m in everything.discord.places["222"].messages}


def out(everything: Everything) -> list[str]:
    """The texts that are out, on whichever service."""
    return [*everything.x.texts, *everything.typefully.published]


def never(everything: Everything) -> Iterator[str]:
    """What must not be at any moment, one line for each violation."""
    titles = {tab.title for tab in everything.book.tabs}
    found = Counter(
        row["Post ID"] for tab in ("Posts", "Archive") if tab in titles for row in everything.book.rows(tab)
    )
    found.pop("", None)
    yield from (f"post {post_id} stands {times} times in the ledger" for post_id, times in found.items() if times > 1)
    yield from (f"post {post_id} was never shared" for post_id in found.keys() - shared(everything))
    texts = Counter(out(everything))
    yield from (f"a text is out {times} times" for times in texts.values() if times > 1)
    if len(texts) > 1:
        yield f"{len(texts)} digests are out for one day"
    notes = [row for row in everything.book.rows("Posts") if row[NOTE] == _OWNER[1][0]]
    if len(notes) != 1 or notes[0]["Post ID"] or notes[0]["Status"]:
        yield f"the owner's row was touched: {notes}"
    if everything.book.tab("Posts").text()[0][: len(_OWNER[0])] != list(_OWNER[0]):
        yield "the owner's columns were touched"
    if everything.book.tab(BUDGET).text() != [list(row) for row in _BUDGET]:
        yield "the owner's tab was touched"
    runs = everything.book.rows("Runs") if "Runs" in titles else []
    for count, most in (("Uploaded", len(shared(everything))), ("Published", len(texts))):
        told = sum(int(float(row[count] or 0)) for row in runs)
        if told > most:
            yield f"the reports say {told} {count}, and it was {most}"


def done(everything: Everything) -> Iterator[str]:
    """What must be so once a run says that all went well, beside `never`."""
    rows = [row for tab in ("Posts", "Archive") for row in everything.book.rows(tab) if row["Post ID"]]
    missing = shared(everything) - {row["Post ID"] for row in rows}
    yield from (f"post {post_id} is not in the ledger" for post_id in missing)
    yield from (f"post {row['Post ID']} has no analysis" for row in rows if not row["AI Processed"])
    if len(out(everything)) != 1:
        yield f"{len(out(everything))} digests are out"
    drafts = everything.book.rows("Drafts")
    if [row["Status"] for row in drafts] != ["published"]:
        yield f"the draft is {[row['Status'] for row in drafts]}"
    rested = {post_id for row in drafts for post_id in row["Post IDs"].split(", ")}
    kept = {row["Post ID"] for row in everything.book.rows("Archive") if row["Status"] == "published"}
    if kept != rested:
        yield f"published are {sorted(rested)}, archived as such {sorted(kept)}"
    left = [tab.title for tab in everything.book.tabs if tab.title == "daily-pipeline lock"]
    if left:
        yield "the lock is still there"


def truth(everything: Everything, exits: Sequence[int]) -> Iterator[str]:
    """Whether the Runs tab says so often that all went well as runs ended so. A killed one may have said it before."""
    has_runs = any(tab.title == "Runs" for tab in everything.book.tabs)
    said = sum(row["Status"] == "SUCCESS" for row in (everything.book.rows("Runs") if has_runs else ()))
    well, killed = exits.count(0), sum(code < 0 for code in exits)
    if not well <= said <= well + killed:
        yield f"{well} runs ended well, and the sheet says so of {said}"
