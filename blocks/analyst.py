"""The analyst family: who says which posts are about crypto projects, and why they matter."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.blocks.core import Block

from blocks.records import Analysis, Check, Post


class Analyst(Block):
    """Base of the analysts. Members: `LexiconAnalyst`; Gemini comes with the outside services."""

    def analyze(self, posts: Sequence[Post]) -> list[Analysis]:
        """One `Analysis` for each post that could be analysed, in any order.

        Raises:
            PipelineError: the analyst is out of reach.
        """
        raise NotImplementedError

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the analyst is ready."""
        raise NotImplementedError
