"""Where the pictures of the block types come from: the logos that Prefect's own blocks use."""

from __future__ import annotations

from pydantic import HttpUrl

_LOGOS = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos"
)

DISCORD = HttpUrl(f"{_LOGOS}/discord.png")
FILES = HttpUrl(f"{_LOGOS}/filesystem.png")
PROCESS = HttpUrl(f"{_LOGOS}/process.png")
