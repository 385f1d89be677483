"""Text as X sees it: how long it is, and what in it X would make a link of."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # It finds its table of emoji through pkg_resources, which warns at import.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    from twitter_text import extract_urls, parse_tweet


def weighted_length(text: str) -> int:
    """A text's length as X counts it: 280 at the most; an emoji, a CJK character or "…" is 2, a link 23."""
    return int(parse_tweet(text).weightedLength)


def is_valid(text: str) -> bool:
    """Whether X takes the text as one post: not empty, not too long, no character that it refuses."""
    return bool(parse_tweet(text).valid)


def links(text: str) -> list[str]:
    """What X would make a link of. A bare `pump.fun` or `jup.ag` is one."""
    return [*map(str, extract_urls(text))] + (["://"] if "://" in text else [])
