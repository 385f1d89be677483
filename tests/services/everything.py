"""The five services together, and the settings with which the pipeline reaches them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.services import gemini_server, typefully_server, x_server
from tests.services.discord_server import DiscordServer
from tests.services.gemini_server import GeminiServer
from tests.services.server import Service
from tests.services.sheets_server import SheetsServer
from tests.services.typefully_server import TypefullyServer
from tests.services.x_server import XServer

SHEET = "community-links"


class Everything:
    """All servers, with a spreadsheet that is shared with the service account. Use as a context."""

    def __init__(self, first_port: int = 0) -> None:
        self.discord = DiscordServer()
        self.sheets = SheetsServer()
        self.gemini = GeminiServer()
        self.x = XServer()
        self.typefully = TypefullyServer()
        self.book = self.sheets.share(SHEET)
        self._first_port = first_port
        self._running = ExitStack()

    @property
    def all(self) -> tuple[Service, ...]:
        """The servers, in the order of the day."""
        return self.discord, self.sheets, self.gemini, self.x, self.typefully

    def __enter__(self) -> Self:
        for offset, service in enumerate(self.all):
            service.start(self._first_port + offset if self._first_port else 0)
            self._running.callback(service.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def settings(self, folder: Path, **more: str) -> dict[str, str]:
        """What `.env` must say. The service account's key is written into the folder."""
        key_file = folder / "service-account.json"
        key_file.write_text(json.dumps(self.sheets.key_file, indent=2), encoding="utf-8")
        return {
            "DISCORD_TOKEN": self.discord.token,
            "DISCORD_CHANNEL_ID": ",".join(self.discord.listed_channels),
            "DISCORD_LOOKBACK_DAYS": "8",
            "DISCORD_API_URL": f"{self.discord.url}/api/v10",
            "GOOGLE_SHEETS_ID": SHEET,
            "GOOGLE_SERVICE_ACCOUNT_FILE": str(key_file),
            "GOOGLE_SHEETS_API_URL": self.sheets.url,
            "GEMINI_API_KEY": gemini_server.KEY,
            "GEMINI_API_URL": self.gemini.url,
            "PUBLISHER_TYPE": "twitter",
            "X_API_KEY": x_server.KEYS["api_key"],
            "X_API_SECRET": x_server.KEYS["api_secret"],
            "X_ACCESS_TOKEN": x_server.KEYS["access_token"],
            "X_ACCESS_TOKEN_SECRET": x_server.KEYS["access_token_secret"],
            "X_API_URL": self.x.url,
            "TYPEFULLY_API_KEY": typefully_server.KEY,
            "TYPEFULLY_SOCIAL_SET_ID": typefully_server.SOCIAL_SET,
            "TYPEFULLY_API_URL": self.typefully.url,
            "LOG_PATH": str(folder / "logs"),
        } | more
