"""The embedded analyst: a lexicon and rules, on this machine, at no cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ConfigDict, Field, HttpUrl

from blocks import lexicon
from blocks.analyst import AnalysisMode, Analyst, Answers, Progress, unheard
from blocks.logos import PROCESS
from blocks.records import Check, Post


class LexiconAnalyst(Analyst):
    """Finds crypto projects by a lexicon of names and tickers, and takes summaries from the post's own words.

    Example:
        ```python
        LexiconAnalyst().save("daily-pipeline")
        ```
    """

    model_config = ConfigDict(extra="forbid")

    _block_type_name = "Lexicon Analyst"
    _block_type_slug = "lexicon-analyst"
    _description = "Says which posts are about crypto projects by a lexicon and rules, without any service."
    _logo_url = PROCESS
    _documentation_url = HttpUrl("https://docs.python.org/3/library/re.html")

    # Prefect 3.8.8 cannot load a block that has no field of its own once misspelt fields are refused.
    max_keywords: int = Field(default=6, ge=0, le=20, description="How many keywords a post gets at the most.")

    mode: AnalysisMode = Field(
        default="summary", description="summary: a sentence on each post and keywords; keywords: keywords alone."
    )

    def analyze(self, posts: Sequence[Post], progress: Progress = unheard) -> Answers:  # noqa: ARG002 - it is quick
        found = tuple(lexicon.analyze(post, self.max_keywords) for post in posts)
        return Answers(found if self.mode == "summary" else tuple(replace(said, summary="") for said in found))

    def check(self) -> list[Check]:
        return [Check("analyst", True, "the lexicon on this machine")]
