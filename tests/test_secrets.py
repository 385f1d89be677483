"""No secret leaks: marked ones are put into every setting, and looked for wherever the pipeline writes.

The services fail in ways that tempt to print: their errors repeat, in body and headers, what they were sent.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import io
import logging
import os
import pickle
import pkgutil
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, get_args, get_type_hints
from urllib.parse import quote

import httpx
import pytest
from prefect import Task
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import ValidationError

import blocks
import tasks
from blocks.errors import PermanentError, PipelineError
from blocks.loading import load, save
from flows import environment
from tests.services.everything import Everything
from tests.services.server import Answer, Call, Fault, Work, reset
from tests.services.webhook_server import WebhookServer
from tests.test_services import LUNCH, NEWS, share
from tests.test_sqlite_ledger import draft_of, post

ROOT = Path(__file__).parents[1]
SHORT = {"max_wait": 0.5, "settle": 0, "timeout": 5, "first_wait": 0.1, "poll": 0.05}
"""Waits of the blocks, in seconds, as far as they have such a field."""


class Marked:
    """The five services, each with secrets that occur nowhere else, and two channels with a post each."""

    def __init__(self) -> None:
        self.services = Everything()
        self.discord = f"MTE0{token_hex(8)}.G{token_hex(3)}.{token_hex(16)}"
        self.gemini = f"AIza{token_hex(18)}"
        self.typefully = token_hex(20)
        self.x = {
            "api_key": token_hex(13),
            "api_secret": token_hex(25),
            "access_token": f"2244994945-{token_hex(20)}",
            "access_token_secret": token_hex(23),
        }
        self.hook = token_hex(30)
        self.webhook = WebhookServer()
        self.services.discord.token = self.discord
        self.services.gemini.keys = {self.gemini}
        self.services.typefully.key = self.typefully
        self.services.x.keys.update(self.x)
        self.services.discord.channel("222", "alpha")
        self.services.discord.channel("333", "beta")
        share(self.services, NEWS, 90)
        share(self.services, LUNCH, 80)

    def settings(self, folder: Path, **more: str) -> dict[str, str]:
        keys = {"DISCORD_TOKEN": self.discord, "GEMINI_API_KEY": self.gemini, "TYPEFULLY_API_KEY": self.typefully}
        keys |= {f"X_{name.upper()}": value for name, value in self.x.items()}
        keys["NOTIFY_WEBHOOK_URL"] = f"{self.webhook.url}/api/webhooks/1/{self.hook}"
        return self.services.settings(folder, **keys, **more)

    def secrets(self) -> dict[str, str]:
        """Those of the settings, and those that were handed out or signed since."""
        found = {"Discord's token": self.discord, "Gemini's key": self.gemini, "Typefully's key": self.typefully}
        found |= {f"X's {name}": value for name, value in self.x.items()} | {"the webhook's": self.hook}
        lines = self.services.sheets.key_file["private_key"].splitlines()[1:-2]  # The last one may be short.
        found |= {f"line {number} of the private key": line[:40] for number, line in enumerate(lines)}
        found |= {f"access token {n}": token for n, token in enumerate(sorted(self.services.sheets._tokens))}
        signed = [call.body.decode() for call in self.services.sheets.made("POST /token")]
        return found | {f"signed request {n}": body[-80:] for n, body in enumerate(signed)}

    def leaks(self, text: str | bytes) -> list[str]:
        """The names of the secrets that a text holds, whole or in part, in clear, base64 or percent-encoded."""
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        return [name for name, secret in self.secrets().items() if any(form in raw for form in forms(secret))]


def forms(secret: str) -> set[bytes]:
    """What gives a secret away: stretches of it, as they stand and as they may be written."""
    middle = len(secret) // 2
    # In base64 it looks different after one or two other bytes, and its ends depend on what is beside it.
    encoded = {base64.b64encode(b"." * shift + secret.encode())[4:-4] for shift in range(3)}
    stretches = {secret[:20], secret[middle - 10 : middle + 10], secret[-20:], quote(secret, safe="")}
    return encoded | {stretch.encode() for stretch in stretches}


@pytest.fixture
def marked() -> Iterator[Marked]:
    here = Marked()
    with here.services, here.webhook:
        yield here
        assert [service.broken for service in (*here.services.all, here.webhook)] == [[]] * 6


def echoing(status: int) -> Fault:
    """A failure that tempts to print: its body and its headers repeat what was sent."""

    def fault(call: Call, _work: Work) -> Answer:
        sent = [call.headers.get("authorization"), call.headers.get("x-goog-api-key")]
        sent += [call.body.decode()] if call.path == "/token" else []
        said = f"bad credentials: {' '.join(filter(None, sent))}"
        shape = {"error": {"code": status, "message": said, "status": "INTERNAL"}, "message": said, "detail": said}
        return Answer(status, shape, {"X-Echo": said, "WWW-Authenticate": said})

    return fault


WAYS: dict[str, Fault] = {"401": echoing(401), "500": echoing(500), "reset": reset}


class House:
    """A Prefect server of this file's own, and `daily-pipeline` as a process that works with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.api = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environ = clean | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api,
            # All that anybody may switch on: every library's own lines, and what tasks and flows return.
            "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, folder: Path, what: str) -> str:
        """All that a command prints, in a folder with nothing but its `.env` and the service account's key."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.daily_pipeline", what, "--debug"],
            cwd=folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return f"{done.stdout}{done.stderr}exit code {done.returncode}\n"

    def told(self) -> str:
        """Every log line and artifact, as Prefect's API gives them."""
        with temporary_settings({PREFECT_API_URL: self.api}), get_client(sync_client=True) as client:
            lines: list[str] = []
            artifacts = [str(one.data) for one in client.read_artifacts(limit=200)]
            while page := client.read_logs(limit=200, offset=len(lines)):
                lines += [line.message for line in page]
        assert any("Daily Pipeline Run" in text for text in artifacts)
        assert lines
        return "\n".join(lines + artifacts)

    def kept(self) -> dict[str, bytes]:
        """Every file under PREFECT_HOME as it stands on the disk, and each table of the database in one piece."""
        found = {str(f): f.read_bytes() for f in self.home.rglob("*") if f.is_file()}
        assert any(name.endswith("prefect.db") for name in found)
        with closing(sqlite3.connect(self.home / "prefect.db")) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[f"table {table}"] = repr(db.execute(f'SELECT * FROM "{table}"').fetchall()).encode()
        assert len(found["table block_document"]) > 1000
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    here = House(tmp_path_factory.mktemp("prefect"))
    port = here.api.split(":")[2].removesuffix("/api")
    with subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
        env=here.environ | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            deadline = time.monotonic() + 120
            while server.poll() is None and time.monotonic() < deadline:
                try:
                    if httpx.get(f"{here.api}/health", trust_env=False).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield here
        finally:
            server.terminate()


def write_env(folder: Path, settings: dict[str, str]) -> None:
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def assert_clean(marked: Marked, house: House, folder: Path, shown: str) -> None:
    """None of the secrets is on the terminal, in Prefect's memory, in the sheet or in a file that was made."""
    assert marked.leaks(shown) == []
    assert marked.leaks(house.told()) == []
    assert {name: found for name, raw in house.kept().items() if (found := marked.leaks(raw))} == {}
    cells = "\n".join(str(tab.text()) for tab in marked.services.book.tabs)
    assert marked.leaks(cells) == []
    ours = {".env", "service-account.json"}
    made = [file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name not in ours]
    assert marked.leaks(b"\n".join(made)) == []


@pytest.mark.parametrize("publisher", ["twitter", "typefully"])
def test_a_day_writes_no_secret_anywhere(marked: Marked, house: House, tmp_path: Path, publisher: str) -> None:
    write_env(tmp_path, marked.settings(tmp_path, PUBLISHER_TYPE=publisher, LOG_LEVEL="DEBUG"))
    shown = "".join(house.run(tmp_path, what) for what in ("--setup", "--test", "--manual"))
    assert shown.count("exit code 0") == 3, shown[-3000:]
    assert "| DEBUG   | urllib3" in shown, "the libraries' own lines are there"
    assert len(marked.services.x.posts) + len(marked.services.typefully.published) == 1
    assert "SUCCESS" in str(marked.services.book.rows("Runs"))
    assert [call.status for call in marked.webhook.calls] == [204], "the team was told"
    assert [file.stat().st_size > 1000 for file in (tmp_path / "logs").iterdir()] == [True], "the log is looked at too"
    assert_clean(marked, house, tmp_path, shown)


@pytest.mark.parametrize(("way", "publisher"), [("401", "typefully"), ("500", "twitter"), ("reset", "typefully")])
def test_a_day_on_which_all_fail_writes_no_secret_either(
    marked: Marked, house: House, tmp_path: Path, way: str, publisher: str
) -> None:
    """One of the channels, the model, the publisher and a write of the sheet's fail within one run."""
    write_env(tmp_path, marked.settings(tmp_path, PUBLISHER_TYPE=publisher))
    with temporary_settings({PREFECT_API_URL: house.api}):
        for block in environment.blocks_of(environment.read(tmp_path / ".env", {})):
            save(short(block), "daily-pipeline")
    services = marked.services
    # A 401 of Discord's ends the reading, and there would be nothing to do for the others.
    services.discord.plan("/channels/333/messages", echoing(403) if way == "401" else WAYS[way], times=99)
    # After a few other failures than a refused key it may go on: no step is tried again then, which takes long.
    services.gemini.plan("POST .*:generateContent", WAYS[way], times=99 if way == "401" else 4)
    services.x.plan("POST /2/tweets", WAYS[way], times=99)
    services.typefully.plan("POST .*/drafts", WAYS[way], times=99)
    services.sheets.plan("POST .*:batchUpdate", WAYS[way], skip=1)
    services.sheets.plan("POST /token", WAYS[way], skip=1)
    marked.webhook.plan("", WAYS[way], times=99)
    shown = house.run(tmp_path, "--manual")
    assert "exit code 1" in shown, shown[-3000:]
    wanted = 0 if way == "reset" else int(way)
    publishing = services.x if publisher == "twitter" else services.typefully
    assert {call.status for call in services.discord.made("333/messages")} == {403 if way == "401" else wanted}
    for service in (services.gemini, services.sheets, publishing, marked.webhook):
        assert wanted in {call.status for call in service.calls}, service.name
    assert_clean(marked, house, tmp_path, shown)


def short(block: Block) -> Block:
    for name, seconds in SHORT.items():
        if name in type(block).model_fields:
            setattr(block, name, seconds)
    return block


def every_block(marked: Marked, folder: Path) -> list[Block]:
    """One of each outside service, the analyst once for each of its libraries."""
    found: list[Block] = []
    for publisher in ("twitter", "typefully"):
        read = environment.read(folder / "none", marked.settings(folder, PUBLISHER_TYPE=publisher))
        found += environment.blocks_of(read)
    by_slug = {block.get_block_type_slug(): block for block in found}
    return [*by_slug.values(), by_slug["gemini"].model_copy(update={"sdk": "google-genai"})]


@pytest.fixture
def debug_lines() -> Iterator[io.StringIO]:
    """All that any library logs."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("way", WAYS)
def test_no_error_holds_a_secret(marked: Marked, tmp_path: Path, way: str, debug_lines: io.StringIO) -> None:
    every = [short(block) for block in every_block(marked, tmp_path)]
    for service in marked.services.all:
        # Google's library asks for a token again and again after a 500, which takes seconds each time.
        service.plan("^(?!POST /token)" if way == "500" else "", WAYS[way], times=9999)
    failed = set()
    for block in every:
        if "max_wait" in type(block).model_fields:
            block.max_wait = 0  # type: ignore[attr-defined]
        for name, act in acts(block).items():
            try:
                answer = act()
                told = [repr(list(answer) if isinstance(answer, Iterator) else answer)]
            except PipelineError as error:
                failed.add(block.get_block_type_slug())
                told = [text for one in chain(error) for text in all_of(one)]
            assert marked.leaks("\n".join(told)) == [], f"{type(block).__name__}.{name}"
    assert failed == {"discord-channels", "google-sheet", "gemini", "x-account", "typefully"}
    assert "urllib3" in debug_lines.getvalue() or "http" in debug_lines.getvalue()
    assert marked.leaks(debug_lines.getvalue()) == []


def acts(block: Any) -> dict[str, Callable[[], object]]:
    """What a block can be asked for."""
    known: dict[str, tuple[Any, ...]] = {
        "check": (),
        "open": (),
        "read": ({},),
        "analyze": ([post(1)],),
        "publish": (draft_of(post(1)),),
        "find": (draft_of(post(1)),),
    }
    more = {"read": {"limit": 1, "lookback": timedelta(1)}}
    return {
        name: partial(getattr(block, name), *given, **more.get(name, {}))
        for name, given in known.items()
        if hasattr(block, name)
    }


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and all that it came from, shown or not."""
    seen: list[BaseException] = []
    left = [error]
    while left:
        one = left.pop()
        if one is not None and one not in seen:
            seen.append(one)
            yield one
            left += [one.__cause__, one.__context__]


def all_of(error: BaseException) -> list[str]:
    texts = [*traceback.format_exception(error), repr(error), repr(error.args), repr(vars(error))]
    return texts + ([repr(pickle.dumps(error))] if isinstance(error, PipelineError) else [])


def test_no_block_shows_its_secrets(marked: Marked, tmp_path: Path) -> None:
    for block in every_block(marked, tmp_path):
        texts = [repr(block), str(block), f"{block}", block.model_dump_json(), repr(block.model_dump())]
        assert marked.leaks("\n".join(texts)) == [], type(block).__name__


def kinds_in(kind: Any, seen: set[Any]) -> set[Any]:
    """A type, and those that it is made of."""
    if kind in seen:
        return seen
    seen.add(kind)
    for part in get_args(kind):
        kinds_in(part, seen)
    if dataclasses.is_dataclass(kind):
        for part in get_type_hints(kind).values():
            kinds_in(part, seen)
    return seen


def test_no_task_takes_or_returns_a_block() -> None:
    """Prefect may store and show what goes into a task and what comes out of it."""
    modules = [importlib.import_module(f"tasks.{found.name}") for found in pkgutil.iter_modules(tasks.__path__)]
    steps = {step.name: step for module in modules for step in vars(module).values() if isinstance(step, Task)}
    assert len(steps) >= 7
    for name, step in steps.items():
        kinds: set[Any] = set()
        for kind in get_type_hints(step.fn).values():
            kinds_in(kind, kinds)
        bad = [kind for kind in kinds if isinstance(kind, type) and (issubclass(kind, Block) or "Secret" in str(kind))]
        assert bad == [], name


# Where a secret may be sent

ADDRESSES = [
    "DISCORD_API_URL",
    "GOOGLE_SHEETS_API_URL",
    "GEMINI_API_URL",
    "X_API_URL",
    "TYPEFULLY_API_URL",
]


def test_setup_refuses_an_address_that_is_neither_https_nor_loopback(marked: Marked, tmp_path: Path) -> None:
    elsewhere = {name: f"http://{name.lower()}.example" for name in ADDRESSES}
    write_env(tmp_path, marked.settings(tmp_path) | elsewhere)
    nobody = House(tmp_path / "prefect")  # No Prefect server is there: not even that is contacted.
    shown = nobody.run(tmp_path, "--setup")
    assert "exit code 2" in shown
    named = [line.split()[1] for line in shown.splitlines() if line.startswith("❌")]
    assert named == ADDRESSES
    assert "must begin with https://" in shown
    assert [service.calls for service in marked.services.all] == [[]] * 5
    assert marked.leaks(shown) == []


OUTSIDE = {
    "discord-channels": "token",
    "google-sheet": "service_account_key",
    "gemini": "api_key",
    "x-account": "api_secret",
    "typefully": "api_key",
}
"""The blocks of the outside services, and where each has a secret."""

TYPES = {kind.get_block_type_slug(): kind for kind in (getattr(blocks, name) for name in blocks.__all__)}


@pytest.mark.parametrize("slug", OUTSIDE)
@pytest.mark.parametrize("address", ["http://service.example", "ftp://127.0.0.1", "https://me:secret@service.example"])
def test_a_block_refuses_such_an_address_too(slug: str, address: str) -> None:
    with pytest.raises(ValidationError, match="api_url"):
        TYPES[slug](api_url=address)
    TYPES[slug](api_url="https://service.example")


@pytest.mark.parametrize("slug", OUTSIDE)
def test_a_block_made_wrongly_in_the_ui_is_refused_and_not_shown(house: House, slug: str) -> None:
    """The UI takes what it is given: only our reading of the block stands between it and the service."""
    kind, secret = TYPES[slug], token_hex(12)
    held: Any = {"private_key": secret} if slug == "google-sheet" else secret
    wrong = [{OUTSIDE[slug]: held, "api_url": "http://service.example"}, {OUTSIDE[slug]: [secret]}]
    wrong += [{OUTSIDE[slug]: f'{{"private_key": "{secret}"}}'}] if slug == "google-sheet" else []
    with temporary_settings({PREFECT_API_URL: house.api}), get_client(sync_client=True) as client:
        kind.register_type_and_schema()
        schema = client.read_block_schema_by_checksum(kind._calculate_schema_checksum())
        for data in wrong:
            name = f"ui-{token_hex(4)}"
            client.create_block_document(
                BlockDocumentCreate(name=name, data=data, block_type_id=schema.block_type_id, block_schema_id=schema.id)
            )
            with pytest.raises(PermanentError) as caught:
                load(Block, f"{slug}/{name}")
            text = "".join(text for one in chain(caught.value) for text in traceback.format_exception(one))
            assert "api_url" in text or OUTSIDE[slug] in text
            assert secret not in text
