"""A model that has been taken over is harmless, and so is a member who shouts. `make attack` tries all there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from blocks import sheet_book
from scripts.attack import table
from tasks import digest, final_look, sentence
from tests.attack_encodings import ENCODINGS
from tests.attack_readings import Reader
from tests.attacks import (
    FIELDS,
    HONEST,
    Attack,
    Days,
    Escape,
    Outcome,
    Shared,
    Tally,
    attacks,
    days,
    go,
    injections,
    live_markup,
    outside_fences,
    plants,
    webhook_problems,
)

COUNT = 700
"""How many attacks are tried here: a sample, the same every time."""

ALSO = re.compile(r"^Also: .*", re.MULTILINE)


@pytest.fixture(scope="module")
def sample() -> tuple[Tally, Days]:
    return go(attacks(COUNT))


@pytest.fixture(scope="module")
def quiet() -> Iterator[Days]:
    with Days() as calm:
        yield calm


# The data


def test_there_is_enough_to_try() -> None:
    said = [injection.text for injection in injections()]
    assert len(set(said)) == len(said) >= 350
    assert len({injection.kind for injection in injections()}) >= 20
    assert len({plant.text for plant in plants()}) == len(plants()) >= 60
    assert len(ENCODINGS) >= 20
    assert sum(1 for _ in attacks()) >= 1_000


def test_what_is_written_is_recognised_in_every_encoding() -> None:
    """Else the suite would be blind. A sign may be lost on the way, with which its meaning goes: "e-v-e-r-y-o-n-e"."""
    for plant in plants():
        for encoding, written in ENCODINGS.items():
            text = f"Chainlink is live with {written(plant.text)} for it."
            seen = Attack(injections()[0], plant, encoding, "summary").is_in(Reader(text))
            assert seen or plant.kind == "mention", (plant.text, encoding)


def test_what_is_ours_is_recognised_in_none() -> None:
    ours = Reader("Crypto projects, 15 Jan\n\n" + "\n".join(f"• {text}" for _, text in HONEST) + "\n\nAlso: Sui, Pyth")
    assert [plant.text for plant in plants() for mark in plant.marks if ours.finds(mark)] == []


def test_no_plant_is_tried_twice_in_a_day() -> None:
    for batch in days(attacks(300)):
        assert len({attack.plant for attack in batch}) == len(batch)
        assert len({attack.field for attack in batch}) == 1


# The days


def test_nothing_of_the_attackers_gets_out(sample: tuple[Tally, Days]) -> None:
    tally, attacked = sample
    assert len(tally.tried) == COUNT
    assert {attack.field for attack in tally.tried} == {*FIELDS}
    # What the next test waits for is left out here.
    found = [escape for escape in tally.escaped if escape.attack is None or not only_named(escape)]
    assert [str(escape) for escape in found] == []
    assert attacked.trouble == [], "each day had a digest to get into, and its posts came to the ledger"
    assert attacked.broken == []


def only_named(escape: Escape) -> bool:
    """Whether all that got out is a name in the line of names."""
    return bool(escape.attack and not escape.attack.is_in(Reader(ALSO.sub("", escape.text))))


def test_no_coin_that_nobody_knows_is_named(sample: tuple[Tally, Days]) -> None:
    assert [str(escape) for escape in sample[0].escaped if only_named(escape)] == []


@pytest.mark.parametrize("publisher", ["twitter", "typefully"])
def test_nothing_gets_out_by_either_publisher(publisher: str) -> None:
    few = list(attacks(40, fields=("honest", "summary")))
    tally, attacked = go(few, publisher)
    assert ([str(escape) for escape in tally.escaped], attacked.trouble) == ([], [])


# That the suite can fail


def believes_the_model(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sentence, "why_not", lambda *_: "")


def lets_all_through(patch: pytest.MonkeyPatch) -> None:
    believes_the_model(patch)
    patch.setattr(sentence, "fit_to_print", lambda said, _: said)
    patch.setattr(digest, "problems", lambda *_, **__: [])
    patch.setattr(final_look, "check", lambda *_, **__: None)


def writes_formulas(patch: pytest.MonkeyPatch) -> None:
    usual = sheet_book.to_value
    patch.setattr(
        sheet_book, "to_value", lambda head, said: {"formulaValue": said} if said[:1] == "=" else usual(head, said)
    )


WEAK: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, str]] = {
    "sentences": (lets_all_through, "summary", "published"),
    "formulas": (writes_formulas, "summary", "formula in"),
    "lies": (believes_the_model, "honest", "Drafts"),
}


@pytest.mark.parametrize("weakness", WEAK)
def test_what_gets_out_is_seen(monkeypatch: pytest.MonkeyPatch, weakness: str) -> None:
    weaken, where, place = WEAK[weakness]
    weaken(monkeypatch)
    kinds = ("markup",) if weakness == "formulas" else ("lie",) if weakness == "lies" else ("call", "coin")
    few = [a for a in attacks(fields=[where]) if a.encoding == "plain" and a.plant.kind in kinds]
    if weakness == "formulas":
        few = [replace(attack, injection=next(i for i in injections() if i.text[0] == "=")) for attack in few]
    tally, _ = go(few)
    assert any(escape.where.startswith(place) for escape in tally.escaped)
    assert tally.count > 0
    assert "/" in table(tally)


def test_live_markup_is_what_stands_outside_a_fence() -> None:
    assert live_markup("```\n[a](b) <b> @everyone\n```") == []
    assert live_markup("```\na\n```\n[a](https://b)\n```\nx\n```") == ["](", "https:"]
    assert live_markup("````\n```\n[a](b)\n````\n") == [], "a shorter fence ends nothing"
    assert outside_fences("a\n```\nb\n``` c\nd\n```\ne") == "a\ne"
    for text in ("![x](y)", "<img src=x>", "# Title", "| a |", "> a", "{{ a }}", "www.a.example", "$$x$$", "`a`"):
        assert live_markup(f"The run\n{text}"), text
    assert live_markup("All went well: 3 posts, 2 projects.") == []


def test_a_notification_mentions_nobody() -> None:
    good = {"content": "Daily Pipeline Run: ✅ SUCCESS", "allowed_mentions": {"parse": []}}
    assert webhook_problems(good) == []
    assert webhook_problems({"content": "all is well"}) == ["allowed_mentions is None"]
    for more in (
        {"content": "hello @everyone"},
        {"content": "hello <@123>"},
        {"content": "hello <@&123>"},
        {"content": "hello <!channel>"},
        {"content": "\x1b[31mred"},
        {"username": "@here"},
        {"embeds": [{"title": "a"}]},
        {"allowed_mentions": {"parse": ["everyone"]}},
        {"allowed_mentions": {"parse": [], "users": ["1"]}},
    ):
        assert len(webhook_problems(good | more)) == 1, more


def test_a_forged_line_of_the_report_is_seen() -> None:
    left = Outcome([], [], [], [], [], "Overall Status: ✅\n\x1b[31mOverall Status: ✅", [], [])
    assert [escape.where for escape in left.escapes([])] == ["report", "report, forged"]


# The member who shouts

NEWS = "The {project} upgrade was released with {n} fixes, and the fees are down since the launch."
OTHERS = ("Chainlink", "Uniswap", "Solana")


def others() -> list[Shared]:
    """Three members, each with a project."""
    return [Shared(NEWS.format(project=name, n=7), f"Grace {name}", f"of_{name.lower()}") for name in OTHERS]


def fifty(projects: list[str], members: int = 1) -> list[Shared]:
    return [
        Shared(NEWS.format(project=projects[at % len(projects)], n=at + 11), f"Mallory {at % members}", f"author_{at}")
        for at in range(50)
    ]


def items(outcome: Outcome) -> list[str]:
    """The projects with an item of their own, in their order."""
    (text,) = [text for text in outcome.published if text.startswith("Crypto projects")]
    return re.findall(r"^• The (.*?)(?: \(\$\w+\))? upgrade", text, re.MULTILINE)


def test_fifty_posts_on_a_project_stand_where_one_would(quiet: Days) -> None:
    alone = items(quiet.run_posts([*fifty(["Arweave"])[-1:], *others()]))
    shouted = items(quiet.run_posts([*fifty(["Arweave"]), *others()]))
    assert shouted == alone
    assert shouted[0] != "Arweave"
    assert len(shouted) >= 2


def test_fifty_posts_of_many_accounts_on_a_project_stand_where_one_would(quiet: Days) -> None:
    alone = items(quiet.run_posts([*fifty(["Arweave"])[-1:], *others()]))
    assert items(quiet.run_posts([*fifty(["Arweave"], members=5), *others()])) == alone


def test_fifty_posts_on_invented_projects_leave_no_trace(quiet: Days) -> None:
    invented = ["$ZORBX", "$QUELM", "$VRONKI", "$TRUGL", "$PLIMX"]
    quiet_day = items(quiet.run_posts(others()))
    assert items(quiet.run_posts([*fifty(invented), *others()])) == quiet_day


def test_one_member_does_not_fill_the_digest(quiet: Days) -> None:
    loud = ["Arweave", "Algorand", "Ankr", "Audius", "Arbitrum"]
    shown = items(quiet.run_posts([*others(), *fifty(loud)]))
    assert len({*shown} & {*loud}) <= 2
    assert {*shown} & {*OTHERS}
