"""All that a draft is made from besides the posts themselves: kept with the draft, so that it can be made again.

Posts and what analysts say of them stand in the ledger, one row a post. What else decides the text is in here: when it
was made, the style, how many members had shared each post by then, what the week's digests had said, and what the model
wrote for each post.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from blocks.columns import stamp, unstamp
from blocks.records import Layout, Style
from tasks.language import languages

MAX_CANDIDATES = 60
"""How many candidates are looked at, the best ranked first. The recipe stays within a cell."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a draft is made from. `said` is the model's sentence by post id, `by` the model and its prompt's version.

    `counts` are the members who shared a post, and those who shared posts about its project, for each candidate.
    """

    made: datetime
    style: Style
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    mentioned: tuple[str, ...] = ()
    """Projects that stood in the week's digests without being told of."""

    def to_json(self, content_hash: str) -> str:
        """As the ledger keeps it, with the hash of the text that was made from it."""
        told: dict[str, Any] = {
            "made": stamp(self.made),
            "style": asdict(self.style),
            "counts": {post_id: list(counts) for post_id, counts in self.counts.items()},
            "before": dict(self.before),
            "said": dict(self.said),
            "by": self.by,
            "mentioned": list(self.mentioned),
            "hash": content_hash,
        }
        return json.dumps(told, ensure_ascii=False)


def from_json(text: str) -> tuple[Recipe, str]:
    """The recipe that a draft was made from, and the hash of the text that came of it.

    Raises:
        ValueError: it is none: the draft is older than recipes, or somebody wrote into its cell.
    """
    try:
        told = json.loads(text)
        style = Style(**{**told["style"], "layout": Layout(told["style"]["layout"])})
        if style.language not in languages():
            raise ValueError("there is no such language")
        counts = {str(post_id): (int(members), int(backers)) for post_id, (members, backers) in told["counts"].items()}
        before = {str(project): str(line) for project, line in told["before"].items()}
        said = {str(post_id): str(sentence) for post_id, sentence in told["said"].items()}
        mentioned = tuple(str(name) for name in told.get("mentioned", []))  # Older drafts have none.
        recipe = Recipe(unstamp(told["made"]), style, counts, before, said, str(told["by"]), mentioned)
        return recipe, str(told["hash"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("its Made From cell holds no recipe") from error


def layout_of(text: str) -> Layout | None:
    """The layout that a draft was made in, None if its recipe cannot be read.

    Nothing else in a recipe says what may be published: people write to that cell.
    """
    try:
        return from_json(text)[0].style.layout
    except ValueError:
        return None
