"""The embedded ledger: one SQLite file whose tables are the tabs of the sheet."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ConfigDict, Field, HttpUrl

from blocks import columns
from blocks.errors import PermanentError, TransientError
from blocks.ledger import Archived, Known, Ledger, readable, the_draft
from blocks.logos import FILES
from blocks.records import (
    Analysis,
    Bookmark,
    Check,
    Draft,
    DraftStatus,
    Entry,
    Post,
    PostStatus,
    RunReport,
)


def _names(headers: Collection[str]) -> str:
    return ", ".join(f'"{header}"' for header in headers)


def _marks(headers: Collection[str]) -> str:
    return ", ".join("?" for _ in headers)


def _text(value: bytes) -> str:
    # Other programs write to the file too: bytes that are no text cost their characters, not the table.
    return value.decode("utf-8", "replace")


def _row(cells: sqlite3.Row) -> columns.Row:
    return {header: _text(cell) if isinstance(cell, bytes) else str(cell) for header, cell in dict(cells).items()}


def _upsert(db: sqlite3.Connection, table: str, row: Mapping[str, str]) -> None:
    db.execute(f'INSERT OR REPLACE INTO "{table}" ({_names(row)}) VALUES ({_marks(row)})', tuple(row.values()))


def _update(db: sqlite3.Connection, table: str, row: Mapping[str, str], where: str, *values: str) -> int:
    sets = ", ".join(f'"{header}" = ?' for header in row)
    return db.execute(f'UPDATE "{table}" SET {sets} WHERE {where}', (*row.values(), *values)).rowcount


_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_HELD: dict[Path, tuple[str, sqlite3.Connection]] = {}
"""The ledgers that runs of this process have: by whom, and the transaction that keeps others out."""


_ANYWHERE = " UNION ALL ".join(
    f'SELECT {_names(columns.POSTS)} FROM "{tab}" WHERE "Post ID" = ?' for tab in ("Posts", "Archive")
)


def _claim(db: sqlite3.Connection, draft: Draft) -> None:
    cells = {"Status": PostStatus.DRAFTED.value, "Draft ID": draft.id}
    for post_id in draft.post_ids:
        _update(db, "Posts", cells, '"Post ID" = ? AND "Status" = \'analyzed\'', post_id)


class SqliteLedger(Ledger):
    """The ledger in a SQLite file, in WAL mode: two runs may meet, each move is one transaction.

    Example:
        ```python
        SqliteLedger(path="data/ledger.sqlite3").save("daily-pipeline")
        ```
    """

    model_config = ConfigDict(extra="forbid")

    _block_type_name = "SQLite Ledger"
    _block_type_slug = "sqlite-ledger"
    _description = "Keeps posts, drafts, archive, bookmarks and runs in one SQLite file on this machine."
    _logo_url = FILES
    _documentation_url = HttpUrl("https://www.sqlite.org/wal.html")

    path: Path = Field(
        default=Path("data/ledger.sqlite3"),
        description="The file. It is made, with its folder, if it is missing.",
    )
    busy_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait while another run writes to the file.")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection whose work is committed as one transaction, or rolled back as a whole."""
        try:
            db = sqlite3.connect(self.path, timeout=self.busy_timeout, isolation_level=None)
        except sqlite3.Error as error:
            raise PermanentError(f"The ledger {self.path} cannot be opened ({error}): check LEDGER_PATH.") from error
        db.row_factory = sqlite3.Row
        db.text_factory = _text
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise TransientError(
                    f"The ledger {self.path} is busy: another run has written for {self.busy_timeout:g} s."
                ) from error
            raise PermanentError(f"The ledger {self.path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise PermanentError(f"The ledger {self.path} is not a sound SQLite file: {error}.") from error
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.close()

    def _made_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PermanentError(f"The ledger's folder {self.path.parent} cannot be made: {error.strerror}.") from error

    def take(self, run: str) -> str:
        # A transaction on a file beside the ledger, open as long as the run lasts. The operating system ends it
        # with the process, however that dies: no clock and no sign of life are needed.
        path = self.path.absolute()
        if path in _HELD and _HELD[path][0] == run:
            return ""
        self._made_folder()
        beside = path.with_name(f"{path.name}.lock")
        try:
            db = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                db.close()
                if "locked" not in str(error):
                    raise
                return self._holder()
        except sqlite3.Error as error:
            raise PermanentError(f"The file {beside} cannot be used ({error}): check LEDGER_PATH.") from error
        _HELD[path] = run, db
        return ""

    def _holder(self) -> str:
        row = None
        if self.path.exists():
            with self._connect() as db:
                there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'Lock'").fetchone()
                row = db.execute('SELECT "Run", "Since" FROM "Lock"').fetchone() if there else None
        return f"{row['Run']} works on it since {row['Since']}" if row else "it has just begun"

    def _note_holder(self, db: sqlite3.Connection) -> None:
        """Who has the ledger, for those who ask meanwhile."""
        run, _ = _HELD.get(self.path.absolute(), ("", None))
        if run:
            db.execute('CREATE TABLE IF NOT EXISTS "Lock" ("Run", "Since")')
            db.execute('DELETE FROM "Lock"')
            db.execute('INSERT INTO "Lock" VALUES (?, ?)', (run, columns.stamp(datetime.now(UTC))))

    def leave(self) -> None:
        _, db = _HELD.pop(self.path.absolute(), ("", None))
        if db:
            db.close()

    def open(self) -> dict[str, Bookmark]:
        self._made_folder()
        try:
            with sqlite3.connect(self.path, timeout=self.busy_timeout) as db:
                db.execute("PRAGMA journal_mode = WAL")
            db.close()
        except sqlite3.Error as error:
            raise PermanentError(f"The ledger {self.path} is not a sound SQLite file: {error}.") from error
        with self._connect() as db:
            for table, headers in columns.TABS.items():
                key = columns.KEYS[table]
                cells = ", ".join(
                    f"\"{h}\" TEXT NOT NULL DEFAULT ''{' PRIMARY KEY' if h == key else ''}" for h in headers
                )
                db.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({cells})')
                have = {row["name"] for row in db.execute(f'PRAGMA table_info("{table}")')}
                for header in headers:
                    if header not in have:
                        db.execute(f'ALTER TABLE "{table}" ADD COLUMN "{header}" TEXT NOT NULL DEFAULT \'\'')
            db.execute('CREATE INDEX IF NOT EXISTS posts_by_status ON "Posts" ("Status")')
            self._note_holder(db)
            rows = db.execute('SELECT * FROM "Channels"').fetchall()
        bookmarks = readable(map(_row, rows), columns.bookmark_of_row)
        return {bookmark.channel_id: bookmark for bookmark in bookmarks}

    def known(self, post_ids: Collection[str]) -> Known:
        asked = json.dumps(list(post_ids))
        among = '"Post ID" IN (SELECT value FROM json_each(?))'
        with self._connect() as db:
            rows = db.execute(f'SELECT * FROM "Posts" WHERE {among}', (asked,)).fetchall()
            archived = db.execute(f'SELECT "Post ID" FROM "Archive" WHERE {among}', (asked,)).fetchall()
        entries = {entry.post.id: entry for entry in readable(map(_row, rows), columns.entry_of_row)}
        # A row that cannot be read is known all the same: its post must not come in a second time.
        unreadable = {row["Post ID"] for row in rows} - entries.keys()
        return Known(entries, frozenset(row[0] for row in archived) | unreadable)

    def bring(self, entries: Sequence[Entry], changed: Sequence[Post], bookmarks: Sequence[Bookmark]) -> int:
        added = 0
        with self._connect() as db:
            for entry in entries:
                row = columns.row_of_entry(entry)
                added += db.execute(
                    f'INSERT INTO "Posts" ({_names(row)}) SELECT {_marks(row)}'
                    ' WHERE NOT EXISTS (SELECT 1 FROM "Archive" WHERE "Post ID" = ?)'
                    ' ON CONFLICT ("Post ID") DO NOTHING',
                    (*row.values(), entry.post.id),
                ).rowcount
            for post in changed:
                row = columns.row_of_post(post)
                late = {header: row[header] for header in ("Content", "Author", "Author Link", "Shared By")}
                _update(db, "Posts", late, '"Post ID" = ?', post.id)
            for bookmark in bookmarks:
                _upsert(db, "Channels", columns.row_of_bookmark(bookmark))
        return added

    def entries(self, *statuses: PostStatus) -> list[Entry]:
        with self._connect() as db:
            rows = db.execute(
                f'SELECT * FROM "Posts" WHERE "Status" IN ({_marks(statuses)}) ORDER BY "Date", "Time", "Post ID"',
                [status.value for status in statuses],
            ).fetchall()
        return readable(map(_row, rows), columns.entry_of_row)

    def note_analyses(self, analyses: Sequence[Analysis], at: datetime) -> None:
        with self._connect() as db:
            for analysis in analyses:
                row = columns.row_of_analysis(analysis, at)
                _update(db, "Posts", row, '"Post ID" = ? AND "Status" = \'new\'', analysis.post_id)

    def drafts(
        self,
        *statuses: DraftStatus,
        since: date | None = None,
        ids: Collection[str] | None = None,
        resting_on: Collection[str] | None = None,
    ) -> list[Draft]:
        where, values = f'"Status" IN ({_marks(statuses)})', [status.value for status in statuses]
        if since is not None:
            # One whose day nobody can read is told of.
            where += f' AND ("Date" >= ? OR "Date" NOT GLOB \'{_DAY}\')'
            values.append(since.isoformat())
        if ids is not None:
            where += ' AND "Draft ID" IN (SELECT value FROM json_each(?))'
            values.append(json.dumps(list(ids)))
        if resting_on is not None:
            where += (
                " AND EXISTS (SELECT 1 FROM json_each(?) WHERE"
                " instr(',' || replace(\"Post IDs\", ' ', '') || ',', ',' || value || ','))"
            )
            values.append(json.dumps(list(resting_on)))
        with self._connect() as db:
            rows = db.execute(f'SELECT * FROM "Drafts" WHERE {where} ORDER BY "Date", "Draft ID"', values).fetchall()
        return readable(map(_row, rows), columns.draft_of_row)

    def last_published(self) -> date | None:
        sql = f'SELECT max("Date") FROM "Drafts" WHERE "Status" = ? AND "Date" GLOB \'{_DAY}\''
        with self._connect() as db:
            last = db.execute(sql, (DraftStatus.PUBLISHED.value,)).fetchone()[0]
        try:
            return date.fromisoformat(last) if last else None
        except ValueError:
            return None

    def peek(self, *statuses: DraftStatus) -> list[Draft]:
        return self.drafts(*statuses) if self.path.exists() else []

    def recall(self, post_ids: Collection[str]) -> list[Entry]:
        with self._connect() as db:
            found = [_row(row) for post_id in post_ids for row in db.execute(_ANYWHERE, (post_id, post_id))]
        return readable(found, columns.entry_of_row)

    def first_run(self) -> datetime | None:
        with self._connect() as db:
            first = db.execute('SELECT min("Started") FROM "Runs" WHERE "Started" <> \'\'').fetchone()[0]
        try:
            return columns.unstamp(first) if first else None
        except ValueError:
            return None

    def draft(self, draft_id: str) -> Draft | None:
        with self._connect() as db:
            row = db.execute('SELECT * FROM "Drafts" WHERE "Draft ID" = ?', (draft_id,)).fetchone()
        return the_draft(_row(row)) if row else None

    def add_draft(self, draft: Draft | None, passed_over: Collection[str]) -> bool:
        with self._connect() as db:
            if draft:
                row = columns.row_of_draft(draft)
                added = db.execute(
                    f'INSERT INTO "Drafts" ({_names(row)}) VALUES ({_marks(row)}) ON CONFLICT DO NOTHING',
                    tuple(row.values()),
                ).rowcount
                if not added:
                    return False
                _claim(db, draft)
            for post_id in passed_over:
                cells = {"Status": PostStatus.SKIPPED.value}
                _update(db, "Posts", cells, '"Post ID" = ? AND "Status" = \'analyzed\'', post_id)
        return True

    def claim(self, draft: Draft) -> None:
        with self._connect() as db:
            _claim(db, draft)

    def move_draft(self, draft: Draft, expected: DraftStatus) -> bool:
        row = columns.row_of_draft(draft)
        cells = {header: row[header] for header in columns.MOVED}
        with self._connect() as db:
            where, is_so = '"Draft ID" = ? AND "Status" = ?', [draft.id, expected.value]
            if columns.goes_out(draft, expected):
                found = db.execute(f'SELECT "Text" FROM "Drafts" WHERE {where}', is_so).fetchone()
                if found is None or columns.parts_of(found["Text"]) != draft.parts:
                    return False
            if not _update(db, "Drafts", cells, where, *is_so):
                return False
            posts = columns.cells_of_posts(draft)
            if posts:
                _update(db, "Posts", posts, '"Draft ID" = ? AND "Status" = \'drafted\'', draft.id)
        return True

    def archive(self, done: Collection[PostStatus], at: datetime) -> Archived:
        statuses = [status.value for status in done]
        where = f'"Status" IN ({_marks(statuses)})'
        with self._connect() as db:
            moved = db.execute(
                f'INSERT OR IGNORE INTO "Archive" ({_names(columns.ARCHIVE)})'
                f' SELECT {_names(columns.POSTS)}, ? FROM "Posts" WHERE {where}',
                (columns.stamp(at), *statuses),
            ).rowcount
            db.execute(f'DELETE FROM "Posts" WHERE {where}', statuses)
            total = db.execute('SELECT count(*) FROM "Archive"').fetchone()[0]
        return Archived(moved, total)

    def add_run(self, report: RunReport) -> None:
        with self._connect() as db:
            _upsert(db, "Runs", columns.row_of_run(report))

    def fill(self, table: str, rows: Iterable[columns.Row]) -> None:
        """Put rows into a table as they are: for a rehearsal of another ledger. Rows that stand there are replaced."""
        with self._connect() as db:
            for row in rows:
                _upsert(db, table, row)

    def rehearsal(self, path: Path) -> SqliteLedger:
        if self.path.exists():
            try:
                source, copy = sqlite3.connect(self.path), sqlite3.connect(path)
                source.backup(copy)
                source.close()
                copy.close()
            except sqlite3.Error as error:
                raise PermanentError(f"The ledger {self.path} cannot be copied: {error}.") from error
        made = SqliteLedger(path=path)
        made.open()
        with made._connect() as db:
            # What is tried on the copy goes to another place than the real one, and may.
            db.execute('UPDATE "Drafts" SET "Publisher" = \'\'')
        return made

    def check(self) -> list[Check]:
        folder = self.path.parent
        while not folder.exists():
            folder = folder.parent
        if not os.access(self.path if self.path.exists() else folder, os.W_OK):
            return [Check("ledger", False, f"{self.path} cannot be written", "Give this user the right to write.")]
        if not self.path.exists():
            return [Check("ledger", True, f"{self.path} will be made")]
        try:
            with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as db:
                count = db.execute('SELECT count(*) FROM "Archive"').fetchone()[0]
            db.close()
        except sqlite3.Error as error:
            return [Check("ledger", False, f"{self.path}: {error}", "Point LEDGER_PATH at a ledger or a new file.")]
        return [Check("ledger", True, f"{self.path}, {count:,} posts archived")]
