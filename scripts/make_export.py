"""Make a channel export of any size, for the benchmark: `python -m scripts.make_export big.json --megabytes 300`.

The same seed gives the same file. One message in ten shares a post, a third of those about crypto.
"""

from __future__ import annotations

import argparse
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blocks.records import DISCORD_EPOCH_MS
from tasks.links import X_EPOCH_MS

START = datetime(2023, 1, 1, tzinfo=UTC)
WORDS = "gm the a this of chart looks like lunch we up down wen maybe not sure who knows again today lol nice".split()
NEWS = (
    "Chainlink CCIP is now live on {n} networks, and ${n}M were moved last week.",
    "Arbitrum governance approved the proposal with {n}% of the votes.",
    "Solana validators now run v1.{n}, and the upgrade is live on mainnet.",
)
OTHER = (
    "The museum opens {n} new rooms next week.",
    "Rain for {n} hours, then a rainbow over the lake.",
    "Chapter {n} of the book is the best one.",
)


def _snowflake(moment: datetime, epoch: int, sequence: int) -> str:
    return str(((int(moment.timestamp() * 1000) - epoch) << 22) + sequence)


def message(number: int, chance: random.Random) -> dict[str, object]:
    """The so-and-so-many-th message of the channel, one a half minute."""
    moment = START + timedelta(seconds=30 * number)
    author = f"member{chance.randrange(200)}"
    content = " ".join(chance.choices(WORDS, k=chance.randint(2, 30)))
    embeds: list[dict[str, object]] = []
    if number % 10 == 0:
        handle = f"poster_{chance.randrange(3000)}"
        status = _snowflake(moment - timedelta(minutes=chance.randrange(1, 600)), X_EPOCH_MS, number % 4096)
        url = f"https://x.com/{handle}/status/{status}"
        text = chance.choice(NEWS if chance.random() < 1 / 3 else OTHER).format(n=chance.randrange(2, 99))
        content += " " + url
        author_line = {"name": f"Poster (@{handle})", "url": f"https://twitter.com/{handle}"}
        embeds = [{"title": "", "url": url, "description": text, "author": author_line, "fields": []}]
    return {
        "id": _snowflake(moment, DISCORD_EPOCH_MS, number % 4096),
        "type": "Default",
        "timestamp": moment.isoformat(),
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": content,
        "author": {
            "id": str(10**17 + int(author[6:])),
            "name": author,
            "discriminator": "0000",
            "nickname": author.title(),
            "color": None,
            "isBot": False,
            "roles": [],
            "avatarUrl": f"https://cdn.discordapp.example/avatars/{author}.png",
        },
        "attachments": [],
        "embeds": embeds,
        "stickers": [],
        "reactions": [],
        "mentions": [],
        "inlineEmojis": [],
    }


def write(
    path: Path, megabytes: float, seed: int = 1, *, messages: int = 0, channel: str = "222", name: str = "firehose"
) -> int:
    """Write an export of about this size, or of so many messages, and return how many messages it has."""
    chance, number, size = random.Random(seed), 0, 0
    head = {"guild": {"id": "111", "name": "Bench"}, "channel": {"id": channel, "name": name}}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "messages": [\n')
        while number < messages if messages else size < megabytes * 1_000_000:
            text = json.dumps(message(number, chance), indent=1)
            size += file.write((",\n" if number else "") + text)
            number += 1
        file.write(f'\n], "messageCount": {number}}}\n')
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--megabytes", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{write(options.path, options.megabytes, options.seed):,} messages")
