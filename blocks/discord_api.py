"""How Discord is reached: discord.py's own HTTP client, without the gateway; its errors turned into ours."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
from discord import DiscordServerError, Forbidden, HTTPException, LoginFailure, NotFound, RateLimited
from discord.http import HTTPClient, Route

from blocks.errors import PermanentError, TransientError

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_TOO_MANY = 429
_NO_ACCESS = {
    403: "the bot may not see it (403): give its role View Channel and Read Message History here",
    404: "there is no such channel (404): check DISCORD_CHANNEL_ID",
}


class NoAccessError(PermanentError):
    """One channel may not be seen, or is not there. The others may be."""


class _Client(HTTPClient):
    """The library's client, at our host and with a timeout on every call."""

    def __init__(self, api_url: str, timeout: float, max_wait: float) -> None:
        super().__init__(asyncio.get_running_loop(), max_ratelimit_timeout=max_wait)
        self._api_url = api_url
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def request(self, route: Route, **more: Any) -> Any:
        route.url = route.url.replace(Route.BASE, self._api_url, 1)
        return await super().request(route, timeout=self._timeout, allow_redirects=False, **more)


class DiscordApi:
    """The few calls that reading takes. Use as an async context: it logs in.

    Calls only read, so they are repeated after trouble that may pass. All waiting together, for rate limits and
    for the trouble to pass, takes at most `max_wait` seconds.
    """

    def __init__(self, token: str, *, api_url: str, timeout: float, max_wait: float) -> None:
        self._token = token
        self._client = _Client(api_url, timeout, max_wait)
        self._timeout = timeout
        self._left = max_wait
        self.me: dict[str, Any] = {}

    async def __aenter__(self) -> DiscordApi:
        try:
            self.me = await self._patiently(lambda: self._client.static_login(self._token), {})
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def get(self, path: str, params: dict[str, str] | None = None, **ids: str) -> Any:
        """What Discord answers, as JSON.

        Raises:
            NoAccessError: 403 or 404: this one thing cannot be had.
            PermanentError: the token is refused, or the request is.
            TransientError: Discord is out of reach, or wants to be left alone for longer than we may wait.
        """
        wanted: type = list if path.endswith("/messages") else dict
        return await self._patiently(
            lambda: self._client.request(Route("GET", path, **ids), params=params or {}), wanted()
        )

    async def _patiently(self, call: Any, like: Any) -> Any:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                # The library waits by itself, too, and for longer than we may.
                async with asyncio.timeout(self._timeout + self._left):
                    answer = await call()
                if not isinstance(answer, type(like)):
                    raise ValueError("not the JSON that was asked for")
            except (LoginFailure, Forbidden, NotFound, RateLimited, HTTPException) as error:
                wait = self._wait(error, pause)
                why = f"Discord answers {getattr(error, 'status', _TOO_MANY)}"
            except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                wait, why = pause, f"Discord gave no whole answer ({type(error).__name__})"
            else:
                self._left -= max(0.0, time.monotonic() - began - self._timeout)
                return answer
            # Raised out here: the library's errors hold what Discord said, which may be what it was sent.
            if isinstance(wait, PermanentError):
                raise wait
            self._left -= wait + max(0.0, time.monotonic() - began - self._timeout)
            if self._left < 0:
                raise TransientError(f"{why}, and waiting did not help: the next run reads on from here.")
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _wait(self, error: Exception, pause: float) -> float | PermanentError:
        """Seconds to wait before another try, or the error to raise where no other try makes sense."""
        if isinstance(error, LoginFailure) or getattr(error, "status", 0) == 401:
            return PermanentError(
                "Discord refuses the bot's token (401): make a new one in the Developer Portal (Bot, Reset Token), "
                "set DISCORD_TOKEN, run daily-pipeline --setup."
            )
        if isinstance(error, Forbidden | NotFound):
            return NoAccessError(_NO_ACCESS[error.status])
        if isinstance(error, RateLimited):
            return error.retry_after
        if isinstance(error, HTTPException) and error.status == _TOO_MANY:
            hint = error.response.headers.get("Retry-After", "")
            return float(hint) if hint.replace(".", "", 1).isdecimal() else _LONGEST_PAUSE
        if isinstance(error, DiscordServerError) or getattr(error, "status", 0) >= 500:
            return pause
        return PermanentError(f"Discord refuses the request ({getattr(error, 'status', '?')}): check DISCORD_API_URL.")
