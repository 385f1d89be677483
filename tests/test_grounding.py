"""A sentence is believed only where the post says it: each rule alone, on one post."""

from __future__ import annotations

import pytest

from blocks.records import Project
from tasks.grounding import why_not
from tasks.language import languages

POST = (
    "Bhutan moved its national ID for 800k citizens from Polygon to Ethereum. The three audits are done. "
    "A vote on the fee of 1.2 billion may follow in March."
)
PROJECTS = (Project("Ethereum", "ETH"), Project("Polygon", "POL"))


@pytest.mark.parametrize(
    "sentence",
    [
        "Bhutan moved its national ID from Polygon to Ethereum",
        "Bhutan's national ID for 800,000 citizens moved from Polygon to Ethereum",
        "After 3 audits the national ID is moved from Polygon to Ethereum",
        "A vote on the fee of $1.2B may follow in March",
    ],
)
def test_what_the_post_says_is_believed(sentence: str) -> None:
    assert why_not(sentence, POST, PROJECTS, languages()["en"]) == ""


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("Bhutan moved its national ID for 900k citizens from Polygon to Ethereum", "the figure 900k"),
        ("The four audits of the national ID are done", "the figure 4"),
        ("Nepal moved its national ID for 800k citizens from Polygon to Ethereum", "the name Nepal"),
        ("Bhutan moved its national ID from Arbitrum to Ethereum", "the name Arbitrum"),
        ("Bhutan moved its national ID from Ethereum to Polygon", "another order"),
        ("Bhutan moved its revolutionary national ID from Polygon to Ethereum", "'revolutionary'"),
        ("Bhutan moved its national ID from Polygon to Ethereum, a first", "'first'"),
        ("Bhutan has not moved its national ID from Polygon to Ethereum", "says not"),
        ("A fee of 1.2 billion will follow in March", "only possible"),
        ("Bhutan now pays salaries, taxes and pensions of citizens on chain", "it shares"),
    ],
)
def test_what_the_post_does_not_say_is_not(sentence: str, why: str) -> None:
    assert why in why_not(sentence, POST, PROJECTS, languages()["en"])


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("de", "Drei Prüfungen folgen"), ("es", "Tres auditorías siguen"), ("fr", "Trois audits suivent")],
)
def test_small_numbers_in_words_are_figures_in_each_language(code: str, sentence: str) -> None:
    assert why_not(sentence, sentence, (), languages()[code]) == ""
    other = {"de": "Vier Prüfungen folgen", "es": "Cuatro auditorías siguen", "fr": "Quatre audits suivent"}[code]
    assert "the figure 4" in why_not(other, sentence, (), languages()[code])
