"""README and docs: every link leads somewhere, every command is there, every message of the program is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = {f"{kind}Error" for kind in ("Permanent", "Transient", "Unclear", "Undecidable", "Forbidden", "Up", "Call")}
SHORT = 12


def constants(node: ast.expr) -> Iterator[str]:
    """The constant pieces of a text, between what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from constants(value)
    elif isinstance(node, ast.BinOp):
        yield from constants(node.left)
        yield from constants(node.right)


def messages() -> Iterator[tuple[str, str]]:
    """The longest constant piece of each error's text, with its file."""
    for floor in ("flows", "tasks", "blocks"):
        for file in sorted((ROOT / floor).glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                name = getattr(getattr(node, "func", None), "id", "")
                if isinstance(node, ast.Call) and name in OURS:
                    for argument in node.args:
                        piece = max(constants(argument), key=len, default="").strip()
                        if len(piece) >= SHORT:
                            yield file.name, " ".join(piece.split())


@pytest.mark.parametrize(("file", "message"), sorted(set(messages())))
def test_every_message_is_explained(file: str, message: str) -> None:
    told = " ".join((ROOT / "docs" / "messages.md").read_text(encoding="utf-8").split())
    assert message in told, file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets


def test_a_message_that_nobody_explains_is_found() -> None:
    assert len(set(messages())) > 80
    assert ("holiday.py", "There is no holiday calendar") in set(messages()) or any(
        file == "holiday.py" for file, _ in messages()
    )
