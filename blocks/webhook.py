"""Telling the team: Prefect's own notification blocks, of which `NOTIFY_WEBHOOK_URL` makes one.

What is told holds text that strangers wrote. It is sent so that it mentions nobody and marks up nothing.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.fields import SecretDict
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from pydantic import SecretStr

from blocks.errors import PermanentError, PipelineError, TransientError
from blocks.text import clean

MAX_BODY = 1_900
"""Discord takes 2,000 characters in a message."""

TIMEOUT = 15.0
_TALKATIVE = ("httpx", "httpcore.connection", "httpcore.http11")
"""Their lines hold the whole address, which is a secret here."""

_BETWEEN = "\u200b"


def block_for(address: SecretStr) -> Block | None:
    """Prefect's block for a webhook of Discord, Slack or any other service that takes JSON; None without an address."""
    url = address.get_secret_value()
    if not url:
        return None
    host = urlsplit(url).hostname or ""
    slack, discord = host.endswith("slack.com"), host.endswith(("discord.com", "discordapp.com"))
    data: dict[str, object] = {} if discord else {"text": "{{body}}"}
    if not slack:
        data |= {"content": "{{body}}", "allowed_mentions": {"parse": []}}
    return CustomWebhookNotificationBlock(
        name="daily-pipeline",
        url="{{address}}",
        json_data=data,
        timeout=TIMEOUT,
        secrets=SecretDict({"address": url}),
    )


def harmless(text: str) -> str:
    """A text in which no service sees a mention, a link's markup or a command."""
    told = clean(text).replace("@", f"@{_BETWEEN}").replace("<", "‹").replace(">", "›").replace("`", "'")
    return told.replace("://", f":{_BETWEEN}//").replace("](", f"]{_BETWEEN}(")


def fenced(text: str, limit: int = MAX_BODY) -> str:
    """A harmless text as a block of code, cut at a line if it is too long."""
    told = harmless(text)
    if len(told) > limit:
        told = told[: limit - 2].rpartition("\n")[0] + "\n…"
    return f"```\n{told}\n```"


def send(block: NotificationBlock, body: str, subject: str) -> None:
    """Send a message, which must be harmless, by one of Prefect's notification blocks.

    Raises:
        PermanentError: it is refused. TransientError: the service is out of reach.
    """
    import httpx

    for name in _TALKATIVE:
        if logging.getLogger(name).getEffectiveLevel() < logging.WARNING:
            logging.getLogger(name).setLevel(logging.WARNING)
    problem: PipelineError | None = None
    try:
        block.notify(body, subject)  # type: ignore[unused-coroutine]  # a coroutine for callers in an event loop only
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == 429 or status >= 500:
            problem = TransientError(f"The webhook takes no message now ({status}): the next report tries again.")
        else:
            problem = PermanentError(f"The webhook refuses the message ({status}): check NOTIFY_WEBHOOK_URL.")
    except httpx.HTTPError as error:
        problem = TransientError(f"The webhook is out of reach ({type(error).__name__}): check NOTIFY_WEBHOOK_URL.")
    except Exception as error:  # noqa: BLE001 - apprise and others raise what they like, with the address in it
        problem = PermanentError(f"The message could not be sent ({type(error).__name__}): check the block.")
    # Raised out here: the library's error holds the address, which is a secret.
    if problem:
        raise problem
