"""The embedded publisher: a folder with one text file a draft, ready to be pasted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import ConfigDict, Field, HttpUrl

from blocks.errors import PermanentError, UnclearError
from blocks.logos import FILES
from blocks.publisher import Publisher
from blocks.records import Check, Draft, Receipt


class _AlreadyThereError(Exception):
    """A file of this name is in the outbox."""


class OutboxPublisher(Publisher):
    """Writes each draft into a folder, once: `2024-01-15.txt` holds the digest and nothing else.

    Example:
        ```python
        OutboxPublisher(folder="outbox").save("daily-pipeline")
        ```
    """

    model_config = ConfigDict(extra="forbid")

    _block_type_name = "Outbox"
    _block_type_slug = "outbox"
    _description = "Publishes the digest as a text file in a folder, for a person to paste."
    _logo_url = FILES
    _documentation_url = HttpUrl("https://docs.python.org/3/library/pathlib.html")

    folder: Path = Field(default=Path("data/outbox"), description="The folder. It is made if it is missing.")

    def _file(self, draft: Draft) -> Path:
        return self.folder / f"{draft.id}.txt"

    def find(self, draft: Draft) -> Receipt | None:
        file = self._file(draft)
        try:
            text = file.read_text(encoding="utf-8")
            written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UnclearError(
                f"{file} is there but cannot be read ({error}): look whether the digest is in it."
            ) from error
        if text.strip() != draft.text.strip():
            raise UnclearError(f"{file} is there with another text: move it away, or reject the draft.")
        return Receipt("outbox", (file.name,), str(file), written)

    def publish(self, draft: Draft) -> Receipt:
        file = self._file(draft)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_once(file, draft.text + "\n")
        except _AlreadyThereError:
            return self.find(draft) or self._receipt(file)
        except OSError as error:
            raise PermanentError(
                f"The outbox {self.folder} cannot be written ({error.strerror}): check OUTBOX_PATH."
            ) from error
        return self._receipt(file)

    def _receipt(self, file: Path) -> Receipt:
        return Receipt("outbox", (file.name,), str(file), datetime.now(UTC))

    def _write_once(self, file: Path, text: str) -> None:
        """Write aside and link into place: the file is there whole or not at all, and never replaced."""
        with NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, prefix=".", delete=False) as aside:
            aside.write(text)
            aside.flush()
            os.fsync(aside.fileno())
        Path(aside.name).chmod(0o644)
        try:
            os.link(aside.name, file)
        except FileExistsError as error:
            raise _AlreadyThereError from error
        finally:
            Path(aside.name).unlink()

    def check(self) -> list[Check]:
        folder = self.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            found = f"{self.folder} cannot be written"
            return [Check("publisher", False, found, "Set OUTBOX_PATH to a folder you may write.")]
        return [Check("publisher", True, f"the outbox {self.folder}")]
