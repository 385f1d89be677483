"""The last look at a text before it is published, whoever wrote it: what it must be, and what must never be in it.

It is held against what code itself puts into a digest (a link, a cashtag, the headline), and against
`data/never.txt`: what errors, prompts, placeholders and schemas look like.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files

from blocks import lexicon
from blocks.errors import PermanentError
from blocks.records import Draft, Layout, Style
from tasks.sentence import PLAIN_TEXT
from tasks.x_text import CASHTAG, LIMIT, LONG_LIMIT, is_valid, links

_SIGNS = re.compile(r"[@＠#＃]|[$＄](?!\d)")
_OURS = re.compile(r"[\n•]")
MAX_PARTS = 25


@cache
def _never() -> list[re.Pattern[str]]:
    lines = (files("tasks") / "data" / "never.txt").read_text(encoding="utf-8").splitlines()
    return [re.compile(line, re.IGNORECASE) for line in lines if line and not line.startswith("# ")]


def never(text: str) -> str:
    """The first piece of a text that no digest has: of an error, a prompt, a placeholder, a schema. Empty: none."""
    for pattern in _never():
        if match := pattern.search(text):
            return match[0].strip()
    return ""


def problems(text: str, headline: str = "", our_links: Collection[str] = (), limit: int = LIMIT) -> list[str]:
    """What keeps one post from being published, in a few words each.

    Args:
        text: the post.
        headline: the team's own first line: what it says is the team's matter.
        our_links: the links that code may have put there.
        limit: weighted characters that the post may have.
    """
    found = []
    if not is_valid(text, limit):
        found.append("it is too long, empty, or holds characters that X refuses")
    rest = text.removeprefix(headline)
    for link in our_links:
        rest = re.sub(rf"(?<!\S){re.escape(link)}(?!\S)", "", rest)
    if links(rest):
        found.append("it holds a link that is not its own")
    tags = CASHTAG.findall(text)
    if len(tags) > 1:
        found.append("it holds more than one cashtag")
    for tag in tags:
        if tag[1:] in lexicon.tickers().values() and tag[0] == "$":
            rest = rest.replace(tag, tag[1:])
    if _SIGNS.search(rest):
        found.append("it holds a handle, a hashtag or an unknown cashtag")
    if not PLAIN_TEXT.fullmatch(_OURS.sub(" ", rest)):
        found.append("it holds characters that are not plain text")
    if piece := never(rest):
        found.append(f"it reads like an error or a template ({piece[:40]!r})")
    return found


def all_problems(parts: Sequence[str], post_ids: Collection[str], style: Style, headline: str) -> list[str]:
    """What keeps a draft from being published, over all its parts, each said once."""
    ours = [f"https://x.com/i/status/{post_id}" for post_id in post_ids] + ([style.page] if style.page else [])
    limit = LONG_LIMIT if style.layout is Layout.LONG else LIMIT
    found = [p for at, part in enumerate(parts) for p in problems(part, headline if at == 0 else "", ours, limit)]
    if len(parts) > MAX_PARTS:
        found.append(f"it has more than {MAX_PARTS} parts")
    if len(set(parts)) < len(parts):
        found.append("two of its parts are the same, which X refuses")
    return list(dict.fromkeys(found))


def check(parts: Sequence[str], post_ids: Collection[str], style: Style, headline: str) -> None:
    """Refuse what must not be published.

    Raises:
        PermanentError: it is no valid post, or holds what code did not put there.
    """
    found = all_problems(parts, post_ids, style, headline)
    if found:
        raise PermanentError(f"The digest must not be published: {', '.join(found)}.")


def check_draft(draft: Draft, style: Style, headline: str) -> None:
    """The same for a draft as it stands in the ledger, where a person may have changed its text."""
    check(draft.parts, draft.post_ids, style, headline)
