"""Dedupe: which of the fetched posts the ledger does not have yet, and which rows learn something new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from blocks.columns import listed
from blocks.ledger import Known, Ledger
from blocks.loading import load
from blocks.records import Post, PostStatus
from blocks.text import count
from tasks.step import say_what, step


@dataclass(frozen=True, slots=True)
class Fresh:
    """Posts to add, the oldest first, and posts whose rows change: a late text, another member who shared it."""

    new: tuple[Post, ...]
    changed: tuple[Post, ...]


def compare(posts: Iterable[Post], known: Known) -> Fresh:
    """Hold posts against what the ledger has. What is archived is done, and stays as it is."""
    new: list[Post] = []
    changed: list[Post] = []
    for post in posts:
        entry = known.open.get(post.id)
        if entry is None:
            if post.id not in known.archived:
                new.append(post)
            continue
        row = entry.post
        late_text = entry.status is PostStatus.NEW and post.text and (post.own_text or not row.text)
        sharers = tuple(dict.fromkeys(row.shared_by + tuple(map(listed, post.shared_by))))
        updated = replace(row, shared_by=sharers)
        if late_text:
            updated = replace(updated, text=post.text, author=post.author or row.author)
        if updated != row:
            changed.append(updated)
    return Fresh(tuple(sorted(new, key=lambda post: (post.shared_at, int(post.id)))), tuple(changed))


@step("dedupe", run_name="dedupe against {ledger}", timeout_seconds=300)
def dedupe(ledger: str, posts: Mapping[str, Post]) -> Fresh:
    """Ask the ledger which of these posts it has.

    Args:
        ledger: the ledger's block, as slug/name.
        posts: by status id, what was fetched.
    """
    fresh = compare(posts.values(), load(Ledger, ledger).known(list(posts)))
    say_what(f"dedupe {count(len(posts), 'post')}, {len(fresh.new):,} new")
    return fresh
