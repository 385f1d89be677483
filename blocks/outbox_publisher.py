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
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UnclearError(
                f"{file} is there but cannot be read ({error}): look whether the digest is in it."
            ) from error
        if text.strip() != draft.text.strip():
            raise UnclearError(f"{file} is there with another text: move it away, or reject the draft.")
        return Receipt("outbox", (file.name,), str(file), written)

    def publish(self, draft: Draft) -> Receipt:
        # Written aside and linked into place: the file is there whole or not at all, and never replaced.
        file = self._file(draft)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, prefix=".", delete=False) as aside:
                aside.write(draft.text + "\n")
                aside.flush()
                os.fsync(aside.fileno())
            Path(aside.name).chmod(0o644)
            try:
                os.link(aside.name, file)
            finally:
                Path(aside.name).unlink()
        except FileExistsError:
            found = self.find(draft)
            if found:
                return found
            raise
        except OSError as error:
            raise PermanentError(
                f"The outbox {self.folder} cannot be written ({error.strerror}): check OUTBOX_PATH."
            ) from error
        return Receipt("outbox", (file.name,), str(file), datetime.now(UTC))

    def check(self) -> list[Check]:
        folder = self.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            found = f"{self.folder} cannot be written"
            return [Check("publisher", False, found, "Set OUTBOX_PATH to a folder you may write.")]
        return [Check("publisher", True, f"the outbox {self.folder}")]
