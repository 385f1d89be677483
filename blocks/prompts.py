"""What a model is told: files that people can read and change. A prompt's version is noted with what came of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from blocks.errors import PermanentError

Name = Literal["analysis-summary", "analysis-keywords", "digest"]

MAX_PROMPT = 20_000
"""Characters of a prompt: it is sent with each request."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its blanks filled in. `version` changes with the file: the first 8 digits of its SHA-256."""

    text: str
    version: str


@cache
def _built_in(name: Name) -> str:
    return (files("blocks") / "data" / "prompts" / f"{name}.txt").read_text(encoding="utf-8")


def prompt(name: Name, folder: Path | None, language: str, voice: str) -> Prompt:
    """A prompt by its name: the folder's file, or the built-in one if the folder has none.

    Args:
        name: the file's name without ".txt".
        folder: where the team keeps its own.
        language: what stands for {language} in it, as "English".
        voice: what stands for {voice}, a sentence.

    Raises:
        PermanentError: the file cannot be read, is empty or too long.
    """
    own = folder / f"{name}.txt" if folder else None
    try:
        text = own.read_text(encoding="utf-8") if own and own.exists() else _built_in(name)
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"The prompt {own} cannot be read ({type(error).__name__}): check PROMPTS_PATH."
        ) from error
    if not text.strip() or len(text) > MAX_PROMPT:
        raise PermanentError(f"The prompt {own} is empty, or longer than {MAX_PROMPT:,} characters: mend the file.")
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Prompt(text.replace("{language}", language).replace("{voice}", voice).strip() + "\n", version)
