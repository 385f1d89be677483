"""Text as X sees it: how long it is, what in it X would make a link of, and what a post costs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

with warnings.catch_warnings():
    # It finds its table of emoji through pkg_resources, which warns at import.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    from twitter_text import extract_urls, parse_tweet


LIMIT = 280
"""Weighted characters that a post may have."""

LONG_LIMIT = 25_000
"""The same for an account with Premium."""

POST_PRICE, LINK_PRICE = 0.015, 0.200
"""US dollars for a post by the API, and for one with a link (docs.x.com, pay per use, autumn 2026)."""

CASHTAG = re.compile(r"[$＄][A-Za-z][A-Za-z0-9_.]{0,15}")
_REFUSED = re.compile("[\ufffe\ufeff\uffff\u202a-\u202e\u2066-\u2069]")


def weighted_length(text: str) -> int:
    """A text's length as X counts it: 280 at the most; an emoji, a CJK character or "…" is 2, a link 23."""
    return int(parse_tweet(text).weightedLength)


def is_valid(text: str, limit: int = LIMIT) -> bool:
    """Whether X takes the text as one post: not empty, not too long, no character that it refuses."""
    if limit == LIMIT:
        return bool(parse_tweet(text).valid)
    return bool(text.strip()) and weighted_length(text) <= limit and not _REFUSED.search(text)


def price(parts: Iterable[str]) -> float:
    """What these posts cost on X, in US dollars."""
    return round(sum(LINK_PRICE if links(part) else POST_PRICE for part in parts), 3)


def links(text: str) -> list[str]:
    """What X would make a link of. A bare `pump.fun` or `jup.ag` is one."""
    return [*map(str, extract_urls(text))] + (["://"] if "://" in text else [])
