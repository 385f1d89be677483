"""What a digest looks like on X, and what it costs; and how far sentences are believed."""

from __future__ import annotations

from datetime import date

import pytest

from blocks.records import Layout, Project, Style
from scripts.bench_grounding import measured
from tasks.digest import compose, shortened
from tasks.final_look import all_problems
from tasks.language import languages
from tasks.selection import Item
from tasks.x_text import LIMIT, links, price, weighted_length

DAY = date(2024, 1, 15)
ITEMS = [
    Item("11", Project("Chainlink"), "Chainlink CCIP is now live on Arbitrum mainnet with 12 partners", ""),
    Item("12", Project("Solana"), "Solana validators approved the new fee proposal with 77% of the stake", ""),
    Item("13", Project("Pump.fun"), "It now has a million new tokens a day on the chain", ""),
    Item("14", Project("Aave"), "Aave governance passed the borrow rate of 4.72% with 512k votes", ""),
]
COST = {Layout.SINGLE: 0.015, Layout.LINKED: 0.200, Layout.THREAD: 0.060, Layout.LONG: 0.015}


@pytest.mark.parametrize("layout", Layout)
def test_a_layout_holds_what_x_takes_and_costs_what_x_says(layout: Layout) -> None:
    style = Style(layout)
    parts, used = compose(ITEMS, [Project("Sui")], DAY, style)
    assert all_problems(parts, [i.post_id for i in used], style, "Crypto projects, 15 Jan") == []
    assert price(parts) == COST[layout]
    assert all(weighted_length(part) <= LIMIT for part in parts) == (layout is not Layout.LONG)
    assert all(part.count("$") <= 1 for part in parts), "one cashtag a post"
    assert len(used) == len(ITEMS) or layout in (Layout.SINGLE, Layout.LINKED)


def test_a_link_is_the_best_items_or_the_teams_own() -> None:
    (text,), _ = compose(ITEMS, [], DAY, Style(Layout.LINKED))
    assert links(text)[0] == "https://x.com/i/status/11"
    (text,), _ = compose(ITEMS, [], DAY, Style(Layout.LINKED, page="https://example.org/a"))
    assert links(text)[0] == "https://example.org/a"
    assert all_problems([text], ["11"], Style(Layout.LINKED), ""), "another page is nobody's"


def test_a_thread_has_one_item_a_post_and_the_best_first() -> None:
    parts, used = compose(ITEMS, [Project("Sui")], DAY, Style(Layout.THREAD))
    assert len(parts) == len(used) == 4
    assert parts[0].startswith("Crypto projects, 15 Jan\n\n• Chainlink ($LINK) CCIP")
    assert parts[1].startswith("Solana ($SOL) validators")
    assert parts[3].endswith("Also: Sui")


def test_a_name_is_not_cut_in_two() -> None:
    line = "• The vote of the Render Network Foundation is over"
    assert shortened(line, 42) == ""
    assert shortened(f"• {'it is said that ' * 3}the Render Network Foundation is over", 75).endswith("said that the…")


def test_a_headline_of_the_teams_own_and_another_language() -> None:
    (text,), _ = compose(ITEMS[:1], [Project("Sui")], DAY, Style(language="de", headline="gm 🫡 {day} {month}"))
    assert text.startswith("gm 🫡 15 Jan\n")
    assert text.endswith("Außerdem: Sui")
    assert all_problems([text], ["11"], Style(language="de"), "gm 🫡 15 Jan") == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "The network has passed the vote on the new fee."),
        ("de", "Das Netzwerk hat über die neue Gebühr abgestimmt und sie gilt ab März."),
        ("es", "La red ha aprobado la nueva tarifa con el 77% de los votos."),
        ("fr", "Le réseau a adopté les nouveaux frais avec 77% des voix."),
    ],
)
def test_a_language_knows_its_own(code: str, text: str) -> None:
    assert [other for other, language in languages().items() if language.is_of(text)] == [code]


def test_what_a_post_does_not_say_is_seldom_believed() -> None:
    found = measured()
    printed = {kind: count[2] / count[0] for kind, count in found.items()}
    assert found["faithful"][3] >= 0.6, "the mean overlap"
    assert found["crossed"][3] <= 0.2
    assert printed["faithful"] >= 0.4
    assert printed["crossed"] == printed["invented"] == printed["hint"] == printed["praise"] == 0
    assert max(printed[kind] for kind in ("number", "name", "added")) <= 0.11
    assert printed["negation"] <= 0.22
    # Who did what to whom, and what is sure: words alone do not always tell. An honest limit.
    assert printed["role"] <= 0.3
    assert printed["overstated"] <= 0.5
