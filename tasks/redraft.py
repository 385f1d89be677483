"""A past day's draft made again from the ledger: no model is asked, and nothing is published or written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from blocks.columns import PART
from blocks.errors import PermanentError
from blocks.ledger import Ledger
from tasks.draft import write
from tasks.recipe import from_json


@dataclass(frozen=True, slots=True)
class Redrafted:
    """The text, a line for each source it rests on, and whether it is what was drafted on that day."""

    text: str
    sources: tuple[str, ...]
    is_same: bool
    verdict: str


def redraft(book: Ledger, day: date) -> Redrafted:
    """Make a day's draft again, from its recipe and the rows of its candidates.

    Raises:
        PermanentError: there is no draft of that day, or it has no recipe.
    """
    draft = book.draft(day.isoformat())
    if draft is None:
        raise PermanentError(f"There is no draft of {day} in the ledger: look into its Drafts tab.")
    try:
        recipe, made_hash = from_json(draft.made_from)
    except ValueError as error:
        raise PermanentError(f"The draft of {day} cannot be made again: {error}.") from error
    entries = {entry.post.id: entry for entry in book.recall(list(recipe.counts))}
    again, chosen = write(list(entries.values()), day, recipe)
    if again is None:
        return Redrafted("", (), False, "Nothing worth saying comes of what the ledger holds of that day now.")
    sources = tuple(f"{item.project.name}: {entries[item.post_id].post.link} ({item.why})" for item in chosen.items)
    missing = len(recipe.counts) - len(entries)
    is_same = again.content_hash == made_hash
    verdict = f"To the letter what was drafted on {day}, by {recipe.by or 'code alone'}."
    if not is_same:
        why = f"{missing} of its posts are gone" if missing else "rows, lexicon, rules or languages are others by now"
        verdict = f"Not what was drafted on {day}: {why}."
    return Redrafted(PART.join(again.parts), sources, is_same, verdict)
