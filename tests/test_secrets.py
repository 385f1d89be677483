"""No secret leaks: marked ones are put into every setting, and looked for wherever the pipeline writes."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.errors import PipelineError
from flows import environment
from tests.services import gemini_server, typefully_server, x_server
from tests.services.everything import Everything
from tests.services.server import Answer, Call, Work, reset
from tests.test_services import LUNCH, NEWS, share
from tests.test_sqlite_ledger import draft_of, post


def secrets_of(services: Everything) -> dict[str, str]:
    """Every secret that the settings hold, and those that the services handed out."""
    body = services.sheets.key_file["private_key"].splitlines()
    found = {
        "Discord's token": services.discord.token,
        "Gemini's key": gemini_server.KEY,
        "Typefully's key": typefully_server.KEY,
        **{f"X's {name}": value for name, value in x_server.KEYS.items()},
        **{f"line {number} of the private key": line for number, line in enumerate(body[1:-1])},
        **{f"access token {n}": token for n, token in enumerate(services.sheets._tokens)},
    }
    return found | {f"{name} in base64": base64.b64encode(v.encode()).decode().rstrip("=") for name, v in found.items()}


def leaks(services: Everything, text: str | bytes) -> list[str]:
    """The names of the secrets in a text."""
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    return [name for name, value in secrets_of(services).items() if value.encode() in raw]


@pytest.fixture
def services() -> Iterator[Everything]:
    with Everything() as everything:
        everything.discord.channel("222", "alpha")
        share(everything, NEWS, 90)
        share(everything, LUNCH, 80)
        yield everything


def echoing(status: int) -> object:
    """A failure that tempts to print: its body and its headers repeat what was sent."""

    def fault(call: Call, _work: Work) -> Answer:
        said = f"bad credentials: {call.headers.get('authorization')} {call.headers.get('x-goog-api-key')}"
        shape = {"error": {"code": status, "message": said, "status": "INTERNAL"}, "message": said, "detail": said}
        return Answer(status, shape, {"X-Echo": said})

    return fault


class Commands:
    """`daily-pipeline` in a folder of its own, with a Prefect home of its own."""

    def __init__(self, folder: Path, services: Everything, **settings: str) -> None:
        self.folder = folder
        self.home = folder / "prefect"
        lines = [f"{name}={value}" for name, value in services.settings(folder, **settings).items()]
        (folder / ".env").write_text("\n".join(lines) + "\n")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environ = clean | {"PREFECT_HOME": str(self.home), "LOG_LEVEL": "DEBUG", "PREFECT_LOGGING_LEVEL": "DEBUG"}

    def run(self, what: str) -> str:
        """All that a command prints. It brings a Prefect server of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.daily_pipeline", what, "--debug"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return f"{done.stdout}{done.stderr}exit code {done.returncode}\n"

    def whole_day(self) -> str:
        return "".join(self.run(what) for what in ("--setup", "--test", "--manual"))

    def written(self) -> dict[str, bytes]:
        """Every file but the settings themselves: Prefect's database, its results, the outbox."""
        ours = {".env", "service-account.json"}
        return {str(f): f.read_bytes() for f in self.folder.rglob("*") if f.is_file() and f.name not in ours}


def test_a_day_writes_no_secret_anywhere(services: Everything, tmp_path: Path) -> None:
    commands = Commands(tmp_path, services)
    shown = commands.whole_day()
    assert shown.count("exit code 0") == 3, shown[-3000:]
    assert "DEBUG" in shown
    assert leaks(services, shown) == []
    files = commands.written()
    assert any(name.endswith("prefect.db") for name in files)
    assert {name: found for name, raw in files.items() if (found := leaks(services, raw))} == {}
    cells = "\n".join(str(tab.text()) for tab in services.book.tabs)
    assert "SUCCESS" in cells
    assert leaks(services, cells) == []


def test_failures_that_repeat_what_was_sent_write_no_secret_either(services: Everything, tmp_path: Path) -> None:
    commands = Commands(tmp_path, services, PUBLISHER_TYPE="typefully")
    for service in services.all:
        service.plan("", echoing(500), skip=6, times=2)  # type: ignore[arg-type]
        service.plan("", reset, skip=1, times=1)
    services.gemini.plan("POST", echoing(400), times=99)  # type: ignore[arg-type]
    services.typefully.plan("POST", echoing(401), times=99)  # type: ignore[arg-type]
    shown = commands.whole_day()
    assert "exit code" in shown
    assert leaks(services, shown) == []
    assert {name: found for name, raw in commands.written().items() if (found := leaks(services, raw))} == {}
    assert leaks(services, "\n".join(str(tab.text()) for tab in services.book.tabs)) == []


@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize("publisher", ["twitter", "typefully"])
def test_no_error_holds_a_secret(services: Everything, tmp_path: Path, status: int, publisher: str) -> None:
    found = environment.read(tmp_path / "none", services.settings(tmp_path, PUBLISHER_TYPE=publisher))
    for service in services.all:
        service.plan("", echoing(status), times=9999)  # type: ignore[arg-type]
    text = []
    for block in environment.blocks_of(found):
        for name, short in {"max_wait": 0.1, "settle": 0, "timeout": 1, "first_wait": 0.1}.items():
            if name in type(block).model_fields:
                setattr(block, name, short)
        text += [repr(block), str(block), block.model_dump_json()]
        for act in ("check", "open", "read", "analyze", "publish", "find"):
            try:
                _do(block, act)
            except PipelineError as error:
                text += traceback.format_exception(error)
                text.append(str(pickle.dumps(error)))
    assert leaks(services, "\n".join(text)) == []


def _do(block: object, act: str) -> None:
    method = getattr(block, act, None)
    if method is None:
        return
    match act:
        case "read":
            list(method({}, limit=1, lookback=timedelta(1)))
        case "analyze":
            method([post(1)])
        case "publish" | "find":
            method(draft_of(post(1)))
        case _:
            method()
