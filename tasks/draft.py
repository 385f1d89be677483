"""Draft: choose the day's best posts and write the digest, once a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from blocks.analyst import Analyst, Written
from blocks.errors import PipelineError, reason
from blocks.ledger import Ledger
from blocks.loading import load
from blocks.records import Draft, DraftStatus, Entry, PostStatus, Style
from tasks import final_look, selection
from tasks.digest import compose, content_hash
from tasks.language import languages
from tasks.recipe import MAX_CANDIDATES, Recipe
from tasks.selection import Candidate, Selection
from tasks.sentence import Sentence, best_sentence
from tasks.settle import settle
from tasks.step import step
from tasks.x_text import price, weighted_length


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft that was made, or None and why there is none; how it came about, and what the model took for it.

    `problem`: why the model wrote nothing, where it should have.
    """

    draft: Draft | None
    note: str = ""
    selection: Selection = field(default_factory=Selection)
    tokens: int = 0
    cost: float = 0.0
    problem: str = ""


def considered(entries: Sequence[Entry], recipe: Recipe) -> list[Candidate]:
    """The candidates that are looked at, the best first."""
    return selection.candidates(entries, recipe.made, recipe.counts)[:MAX_CANDIDATES]


def write(entries: Sequence[Entry], day: date, recipe: Recipe) -> tuple[Draft | None, Selection]:
    """The digest of a day, made by code alone from analysed posts and a recipe. The same again gives the same.

    Returns:
        The draft, None if nothing is worth saying, and what was chosen: its items are those that are in the text.
    """
    language = languages()[recipe.style.language]

    def sentence_of(candidate: Candidate) -> Sentence:
        entry = candidate.entry
        return best_sentence(entry, candidate.project, recipe.said.get(entry.post.id, ""), language)

    found = considered(entries, recipe)
    chosen = selection.select(found, recipe.before, language, sentence_of)
    also = selection.others(found, chosen.items, {*recipe.before, *recipe.mentioned}, language)
    parts, used = compose(chosen.items, also, day, recipe.style)
    for item in chosen.items:
        if item not in used:
            chosen.left_out[item.post_id] = "there was no room for it"
    chosen.items = used
    if not parts:
        return None, chosen
    post_ids = tuple(item.post_id for item in used)
    final_look.check(parts, post_ids, recipe.style, language.headed(day, recipe.style.headline))
    made_hash = content_hash(parts)
    draft = Draft(
        id=day.isoformat(),
        day=day,
        parts=parts,
        post_ids=post_ids,
        content_hash=made_hash,
        weighted_length=max(map(weighted_length, parts)),
        cost=price(parts),
        projects=tuple(item.project.name for item in used),
        why="\n".join(f"{item.project.name}: {item.why}" for item in used),
        made_from=recipe.to_json(made_hash),
    )
    return draft, chosen


STANDING = [status for status in DraftStatus if status is not DraftStatus.REJECTED]


def claim_all(book: Ledger) -> None:
    """Let no post be drafted twice: one that rests in a draft is `drafted`.

    Where rows were moved while a draft was added, and no answer came, the draft stands there and its posts were put
    back as they had been.
    """
    free = {entry.post.id for entry in book.entries(PostStatus.ANALYZED)}
    for old in book.drafts(*STANDING, resting_on=free) if free else ():
        book.claim(old)


def _ask(analyst: str, short: Sequence[Candidate], style: Style) -> tuple[Written, str]:
    """What the model writes for the best candidates, and why it wrote nothing. The day does not wait for it."""
    if not short or not analyst:
        return Written(), ""
    try:
        told = [(candidate.entry.post, candidate.project) for candidate in short]
        return load(Analyst, analyst).write(told, languages()[style.language].name), ""
    except PipelineError as error:
        return Written(), reason(error)


@step("draft", run_name="draft the digest of {day}", timeout_seconds=300)
def draft(ledger: str, analyst: str, day: date, style: Style) -> Drafted:
    """Make the day's draft from the ledger's analysed posts. A day has one digest: a second is never made.

    Args:
        ledger: the ledger's block, as slug/name.
        analyst: the analyst's block, as slug/name: it may write sentences, which code checks. Empty: nobody does.
        day: the day, in the team's time zone. It is the draft's id.
        style: how the digest is written.
    """
    book = load(Ledger, ledger)
    settle(book, day)
    claim_all(book)
    made = book.draft(day.isoformat())
    if made:
        return Drafted(None, f"the digest of {day} was made before ({made.status.value})")
    entries = book.entries(PostStatus.ANALYZED)
    now = datetime.now(UTC).replace(microsecond=0)
    week = [old for old in book.drafts(*STANDING, since=day - selection.WEEK) if day - selection.WEEK < old.day < day]
    counts = selection.counted(entries)
    recipe = Recipe(now, style, counts, selection.told(week))
    found = considered(entries, recipe)
    recipe = replace(recipe, mentioned=selection.mentioned(week, found))
    counts = {c.entry.post.id: (c.members, c.backers) for c in found}
    short = selection.shortlist(found, recipe.before, languages()[style.language])
    written, problem = _ask(analyst, short, style)
    said = {post_id: text for post_id, text in written.sentences.items() if post_id in counts}
    recipe = replace(recipe, counts=counts, said=said, by=written.by)
    considered_entries = [candidate.entry for candidate in found]
    new, chosen = write(considered_entries, day, recipe)
    old = selection.passed_over(entries, chosen.items, now)
    tokens = written.tokens_in + written.tokens_out
    if (new or old) and not book.add_draft(new, old):
        note = f"the digest of {day} was made by another run just now"
        return Drafted(None, note, chosen, tokens, written.cost, problem)
    return Drafted(new, "" if new else "nothing worth saying today", chosen, tokens, written.cost, problem)
