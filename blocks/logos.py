"""Where the pictures of the block types come from: the logos that Prefect's own blocks use."""

from __future__ import annotations

from pydantic import HttpUrl

_LOGOS = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos"
)

DISCORD = HttpUrl(f"{_LOGOS}/discord.png")
FILES = HttpUrl(f"{_LOGOS}/filesystem.png")
PROCESS = HttpUrl(f"{_LOGOS}/process.png")
WEBHOOK = HttpUrl(f"{_LOGOS}/webhook.png")
GOOGLE = HttpUrl(
    "https://cdn.sanity.io/images/3ugk85nk/production/10424e311932e31c477ac2b9ef3d53cefbaad708-250x250.png"
)
