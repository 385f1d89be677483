"""The analyst family: who says which posts are about crypto projects, and why they matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prefect.blocks.core import Block

from blocks.records import Analysis, Check, Post, Project

AnalysisMode = Literal["summary", "keywords"]
"""Whether an analyst says in a sentence why a post matters, or gives its keywords alone."""


Progress = Callable[[int], None]
"""Is told now and then how many posts are done by now."""


def unheard(_done: int) -> None:
    """Nobody waits to hear how far it is."""


OVER_BUDGET = "the day's budget"
"""How the reason begins why a post was not analysed, where that would have cost too much."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What an analyst says of the posts it was asked about, and what that took.

    `unanalyzed` holds, by the post's id, why there is no analysis: the analyst has done what it can, and is not to
    be asked again today. `cost` is in US dollars, an estimate.
    """

    analyses: tuple[Analysis, ...] = ()
    unanalyzed: Mapping[str, str] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """Sentences for the digest by post id, as a model wrote them: nothing of them is believed yet.

    `by` names the model and its prompt's version. `cost` is in US dollars, an estimate.
    """

    sentences: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Analyst(Block):
    """Base of the analysts. Members: `LexiconAnalyst`, `GeminiAnalyst`."""

    def analyze(self, posts: Sequence[Post], progress: Progress = unheard) -> Answers:
        """One `Analysis` for each post that could be analysed, in any order, and for the others why there is none.

        Raises:
            PipelineError: the analyst is out of reach, and nothing was analysed.
        """
        raise NotImplementedError

    def write(self, told: Sequence[tuple[Post, Project]], language: str) -> Written:  # noqa: ARG002
        """A sentence for each of some posts, about a project, in a language (as "English"). This one writes nothing.

        Raises:
            PipelineError: nothing could be had.
        """
        return Written()

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether the analyst is ready."""
        raise NotImplementedError
