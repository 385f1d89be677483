"""The embedded publisher: a digest is in the outbox once, whole, and is never replaced."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from blocks.errors import PermanentError, UnclearError
from blocks.outbox_publisher import OutboxPublisher
from blocks.records import Draft

DRAFT = Draft("2024-01-15", date(2024, 1, 15), ("The digest.\n\n• 🚀 one",), ("20",), "abc", 20, 0.0)


def test_a_draft_is_published_once_ready_to_be_pasted(tmp_path: Path) -> None:
    outbox = OutboxPublisher(folder=tmp_path / "new" / "outbox")
    assert outbox.find(DRAFT) is None
    receipt = outbox.publish(DRAFT)
    assert receipt.ids == ("2024-01-15.txt",)
    assert Path(receipt.link).read_text(encoding="utf-8") == DRAFT.text + "\n"
    assert [file.name for file in outbox.folder.iterdir()] == ["2024-01-15.txt"], "nothing is left beside it"
    written = (outbox.folder / "2024-01-15.txt").stat().st_mtime_ns
    found = outbox.find(DRAFT)
    assert found
    assert found.ids == receipt.ids
    assert outbox.publish(DRAFT).ids == receipt.ids
    assert (outbox.folder / "2024-01-15.txt").stat().st_mtime_ns == written


def test_a_file_with_another_text_is_left_alone_and_a_person_asked(tmp_path: Path) -> None:
    (tmp_path / "2024-01-15.txt").write_text("My own notes.")
    outbox = OutboxPublisher(folder=tmp_path)
    with pytest.raises(UnclearError, match="another text"):
        outbox.find(DRAFT)
    with pytest.raises(UnclearError, match="another text"):
        outbox.publish(DRAFT)
    assert (tmp_path / "2024-01-15.txt").read_text() == "My own notes."


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outbox = OutboxPublisher(folder=tmp_path / "file")
    with pytest.raises(PermanentError, match="check OUTBOX_PATH"):
        outbox.publish(DRAFT)
    assert not outbox.check()[0].ok


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_check_sees_a_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not OutboxPublisher(folder=tmp_path / "outbox").check()[0].ok
