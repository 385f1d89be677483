"""The house itself: which room knows which, what the packages are, what a block must show."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prefect.blocks.core import Block

import blocks
from blocks import errors
from blocks.loading import EMBEDDED, OUTSIDE

ROOT = Path(__file__).parents[1]
FLOORS = {"flows": {"flows", "tasks", "blocks"}, "tasks": {"tasks", "blocks"}, "blocks": {"blocks"}}
FILES = [file for floor in FLOORS for file in sorted((ROOT / floor).rglob("*.py"))]
BLOCKS = [getattr(blocks, name) for name in blocks.__all__]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_the_stairs(file: Path) -> None:
    floor = file.relative_to(ROOT).parts[0]
    roots = {name.split(".")[0] for name in imports(file)}
    assert roots & set(FLOORS) <= FLOORS[floor]


@pytest.mark.parametrize("name", ["links", "selection", "sentence", "digest", "x_text"])
def test_the_rooms_where_the_thinking_is_know_no_prefect_no_network_and_no_clock(name: str) -> None:
    file = ROOT / "tasks" / f"{name}.py"
    assert not {n.split(".")[0] for n in imports(file)} & {"prefect", "httpx", "requests", "sqlite3", "time"}
    assert "datetime.now" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_block_shows_what_it_is(block: type[Block]) -> None:
    assert block.get_description()
    assert str(block._logo_url).startswith("https://")
    assert str(block._documentation_url).startswith("https://")
    assert re.fullmatch(r"[a-z0-9-]+", block.get_block_type_slug())
    assert "```python" in (block.__doc__ or ""), "an example"
    for name, field in block.model_fields.items():
        assert field.description, name
        assert not field.is_required(), f"{name}: a new field without a default breaks older documents"
    assert block in EMBEDDED.values() or block in OUTSIDE


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_a_misspelt_field_is_refused(block: type[Block]) -> None:
    with pytest.raises(ValueError, match="misspelt"):
        block(misspelt="x")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_block_comes_back_as_it_was_saved(prefect_server: None, block: type[Block]) -> None:
    from blocks.loading import load

    block().save("saved", overwrite=True)
    loaded = load(block, f"{block.get_block_type_slug()}/saved")
    assert [getattr(loaded, name) for name in block.model_fields] == [
        getattr(block(), name) for name in block.model_fields
    ]


def test_a_block_made_elsewhere_works_like_a_saved_one(prefect_server: None, tmp_path: Path) -> None:
    from blocks.ledger import Ledger
    from blocks.loading import load
    from blocks.source import Source
    from blocks.sqlite_ledger import SqliteLedger

    SqliteLedger(path=tmp_path / "a.sqlite3").save("mine", overwrite=True)
    SqliteLedger(path=tmp_path / "b.sqlite3").save("mine", overwrite=True)
    saved: SqliteLedger = load(SqliteLedger, "sqlite-ledger/mine")
    assert saved.path == tmp_path / "b.sqlite3"
    assert load(SqliteLedger, "sqlite-ledger/never-saved").path == SqliteLedger().path
    with pytest.raises(errors.PermanentError, match="is no source"):
        load(Source, "sqlite-ledger/mine")
    with pytest.raises(errors.PermanentError, match="There is no usable block"):
        load(Ledger, "google-sheet/mine")


_AFTER_LOADING = """
import sys
from blocks.loading import is_saved, load
from blocks.source import Source

assert is_saved("discord-export/light") and not is_saved("discord-export/never") and not is_saved("discord-export/")
assert load(Source, "discord-export/light").path.name == "light.json"
print(sorted({"prefect_dask", "distributed", "discord", "gspread", "tweepy"} & sys.modules.keys()))
"""


def test_a_run_imports_no_integration_that_it_does_not_use(prefect_server: None) -> None:
    import prefect_dask
    from prefect.settings import PREFECT_API_URL

    from blocks.export_source import ExportSource

    assert prefect_dask
    ExportSource(path=Path("light.json")).save("light", overwrite=True)
    env = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    after = subprocess.run([sys.executable, "-c", _AFTER_LOADING], env=env, capture_output=True, text=True, check=False)
    assert after.stdout == "[]\n", after.stderr


MADE_BY_HAND: dict[str, dict[str, object]] = {
    "DiscordChannels": {"token": "a" * 30, "channel_ids": ["222", "333"]},
    "GoogleSheet": {"spreadsheet_id": "abcd", "service_account_key": {"private_key": "secret"}},
    "GeminiAnalyst": {"api_key": "a" * 30, "sdk": "google-genai"},
    "XPublisher": {"api_key": "a" * 30, "access_token_secret": "b" * 30},
    "TypefullyPublisher": {"api_key": "a" * 30, "social_set_id": "12"},
}


@pytest.mark.parametrize("name", MADE_BY_HAND)
def test_a_block_made_in_the_ui_works_like_a_saved_one(prefect_server: None, name: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import BlockDocumentCreate

    from blocks.loading import load

    kind: type[Block] = getattr(blocks, name)
    kind.register_type_and_schema()
    with get_client(sync_client=True) as client:
        block_type = client.read_block_type_by_slug(kind.get_block_type_slug())
        schema = client.read_block_schema_by_checksum(kind._calculate_schema_checksum())
        document = BlockDocumentCreate(
            name="by-hand", data=MADE_BY_HAND[name], block_schema_id=schema.id, block_type_id=block_type.id
        )
        client.create_block_document(document)
    loaded = load(kind, f"{kind.get_block_type_slug()}/by-hand")
    made = kind(**MADE_BY_HAND[name])
    assert [getattr(loaded, field) for field in kind.model_fields] == [
        getattr(made, field) for field in kind.model_fields
    ]


@pytest.mark.parametrize("url", ["http://discord.com/api", "ftp://x", "https://user:key@x.com", "x.com", ""])
@pytest.mark.parametrize("name", MADE_BY_HAND)
def test_a_secret_is_not_sent_just_anywhere(name: str, url: str) -> None:
    with pytest.raises(ValueError, match=r"https|nothing else|address"):
        getattr(blocks, name)(api_url=url)


def test_the_lock_holds_every_dependency_by_hash_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock, re.MULTILINE))
    assert "://" not in lock
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    wanted += PROJECT["build-system"]["requires"]
    for line in wanted:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), line


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in re.findall(r'^    "[a-z].*[=>~<].*$', text, re.MULTILINE):
        assert re.search(r'",\s+# \w+', line), line


def test_the_deployed_flow_takes_plain_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import date

    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint("flows/daily_pipeline.py:daily_pipeline")
    taken = flow.validate_parameters({"day": "2024-01-15", "dry_run": True, "publish_mode": "draft"})
    assert taken["day"] == date(2024, 1, 15)
    properties = flow.parameters.properties
    assert all(parameter.get("description") for parameter in properties.values()), "the run form explains itself"
    assert all(one["title"][0].isupper() for one in properties.values()), "and in a person's words"


def test_an_error_is_one_short_line() -> None:
    assert errors.reason(errors.PermanentError("what\nmore")) == "what"
    assert errors.reason(ValueError("x" * 500)).startswith("ValueError: xxx")
    assert len(errors.reason(ValueError("x" * 500))) == 200
    assert errors.reason(ValueError()) == "ValueError"
