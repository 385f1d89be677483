"""README and docs: every link leads somewhere, every command is there, every message of the program is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from flows import environment

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FILES = [file for floor in ("flows", "tasks", "blocks") for file in sorted((ROOT / floor).glob("*.py"))]
SHORT = 12
"""A piece of a text that is shorter says nothing by itself."""

INSIDE = {"BrokenJSONError", "_AlreadyThereError", "ValueError"}
"""Errors that never get out of the module that raises them, or only with other words around them."""

ENDINGS = {"Failed", "Completed", "Crashed", "ChangeFlowRunState"}
"""The states that a run ends in."""

split = re.compile(r"\{+[^{}]*\}+|%s|\n").split
"""Cuts a text where something is filled in later, and at the ends of its lines."""


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def our_errors() -> frozenset[str]:
    """The names of the errors that this program defines; `kind` is a variable that holds one of two."""
    nodes = [node for file in FILES for node in ast.walk(tree(file))]
    defined = {node.name for node in nodes if isinstance(node, ast.ClassDef) and node.name.endswith("Error")}
    return frozenset(defined - INSIDE | {"kind"})


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


class Texts:
    """The texts that an expression may come to: through variables, tables and functions of its module."""

    def __init__(self, file: Path) -> None:
        self.known: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._learn(target, node.value)
            elif isinstance(node, ast.FunctionDef):
                returned = [r.value for r in ast.walk(node) if isinstance(r, ast.Return) and r.value]
                self.known.setdefault(node.name, []).extend(returned)

    def _learn(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.known.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._learn(one, its)

    def of(self, node: ast.expr, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The longest constant piece of each text."""
        below: list[ast.expr] = []
        match node:
            case ast.Constant(value=str(text)):
                yield max(split(text), key=len)
            case ast.JoinedStr(values=parts):
                pieces = [piece for part in parts if isinstance(part, ast.Constant) for piece in split(str(part.value))]
                yield max(pieces, key=len, default="")
                below = [p.value for p in parts if isinstance(p, ast.FormattedValue) and isinstance(p.value, ast.Name)]
            case ast.Name(id=name) if name not in seen:
                below, seen = self.known.get(name, []), seen | {name}
            case ast.Dict(values=values):
                below = values
            case ast.IfExp(body=body, orelse=orelse):
                below = [body, orelse]
            case ast.Subscript(value=table):
                below = [table]
            case ast.Call(func=ast.Attribute(value=table, attr="get" | "format"), args=args):
                below = [table, *args[1:]]
            case ast.Call(func=ast.Name(id=name)) if name not in seen:
                below, seen = self.known.get(name, []), seen | {name}
        for one in below:
            yield from self.of(one, seen)


def told_by(node: ast.Call) -> list[ast.expr]:
    """What a call puts before people, if it does: an error, a run's end, a line of the report or the check."""
    name, args = called(node), node.args
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    match name, args:
        case _ if name in our_errors():
            return args
        case _ if name in ENDINGS:
            return [given["message"]] if "message" in given else []
        case "Line", [ast.Name(id="_WARN" | "_BAD" | "mark"), text]:
            return [text]
        case "Check", [_, ast.Constant(value=False), *found]:
            return found
        case "replace", _ if "note" in given:
            return [given["note"]]
        case "append", [text] if ast.unparse(node.func).endswith(
            ("problems.append", "unreadable.append", "found.append")
        ):
            return [text]
        case (("leave_out" | "tell" | "warning" | "_failed"), _):
            return args
        case "_ended", [_, text]:
            return [text]
        case "print", [ast.Constant() as text]:
            return [text]
    return []


def messages() -> set[tuple[str, str]]:
    """The longest constant piece of each text that people may see, with its file."""
    found = set()
    for file in FILES:
        texts = Texts(file)
        for node in ast.walk(tree(file)):
            for argument in told_by(node) if isinstance(node, ast.Call) else ():
                found |= {(file.name, " ".join(piece.split())) for piece in texts.of(argument)}
    return {(name, piece) for name, piece in found if len(piece) >= SHORT}


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in a link, as GitHub makes it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("file", "message"), sorted(messages()))
def test_every_message_is_explained(file: str, message: str) -> None:
    told = " ".join((ROOT / "docs" / "messages.md").read_text(encoding="utf-8").split())
    assert message in told, f"{file} says it, docs/messages.md does not"


def test_messages_are_found_however_they_are_put_together() -> None:
    found = {piece for _, piece in messages()}
    assert len(found) > 150
    assert "holds no *.json file: put exports there, format JSON." in found, "an f-string"
    assert "the bot may not see it (403): give its role View Channel and Read Message History here" in found, "a table"
    assert "The webhook refuses the message (" in found, "a variable that holds the error's class"
    assert any("start it again, it goes on where it stopped" in piece for piece in found), "a function"
    assert "The ledger cannot be used: nothing was changed." in found, "a run's end"
    assert "The rows stay in Posts; the next run moves them" in found, "a line of the report"


@pytest.mark.parametrize("setting", sorted(environment.Environment.model_fields))
def test_what_is_said_of_each_setting_is_explained(setting: str) -> None:
    told = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    assert environment._advice(setting) in told
    if setting in environment._ADVICE:
        assert f"| {setting} {environment._ADVICE[setting]}. |" in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not heading or heading in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:`|^\$? *)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets
