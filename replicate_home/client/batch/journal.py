"""The journal of a batch: what was sent, what it became and how it ended, in an SQLite file that outlives the process.

A row is written before what it tells of is done: an intent before a create is sent, the id before the next request,
that predictions are about to be canceled before the first cancel, the outcome before it is handed out.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs

from ...exceptions import BatchLocked, InvalidInput
from ...records.prediction import Snapshot

APPLICATION_ID = 0x52486A31  # "RHj1"
VERSION = 1
_SCHEMA = """
CREATE TABLE batch (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE item (
  key BLOB NOT NULL,
  ordinal INTEGER NOT NULL,
  place INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('intent', 'created', 'leaving', 'done', 'failed')),
  sent BLOB,
  sent_at REAL,
  prediction_id TEXT,
  outcome TEXT,
  error TEXT,
  files TEXT,
  attempts INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (key, ordinal)) WITHOUT ROWID;
CREATE INDEX item_prediction ON item (prediction_id) WHERE prediction_id IS NOT NULL;
CREATE INDEX item_unanswered ON item (sent) WHERE prediction_id IS NULL;
"""
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_PERM: errno.EACCES,
}


class State(StrEnum):
    """What is known of an input: ``intent`` is a create of which no answer was seen.

    ``leaving`` is one that the batch was about to cancel, if it has an id, or an intent, if it has none.
    """

    INTENT = "intent"
    CREATED = "created"
    LEAVING = "leaving"
    DONE = "done"
    FAILED = "failed"


@attrs.frozen
class Row:
    """What the journal has of one input; ``sent`` is a digest of it as it was sent, at ``sent_at`` (epoch seconds)."""

    key: bytes
    ordinal: int
    state: State
    sent: bytes = b""
    sent_at: float = 0.0
    prediction_id: str | None = None
    outcome: Snapshot | None = None
    files: tuple[str, ...] = ()
    attempts: int = 1


class Journal:
    """An open journal, locked for this batch. Every method belongs in :meth:`commit`."""

    def __init__(self, path: Path, facts: Mapping[str, str]) -> None:
        self.path = path
        self._lock = _locked(path)
        try:
            self._database = _opened(path)
            self._check(facts)
        except BaseException:
            self._lock.close()
            raise

    def commit(self, operations: list[Callable[[], None]]) -> None:
        """Do these operations in one transaction; it is on disk when this returns. They raise nothing."""
        try:
            self._database.execute("BEGIN")
            for operation in operations:
                operation()
            self._database.execute("COMMIT")
        except Exception as error:  # also of a row that cannot be read
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise os_error(error, self.path) from None

    def close(self) -> None:
        """Close it, and let others have it."""
        self._database.close()
        self._lock.close()

    # ---- facts about the batch ----

    def fact(self, name: str) -> str | None:
        """A fact about the whole batch, such as its version."""
        found = self._database.execute("SELECT value FROM batch WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def state_fact(self, name: str, value: str) -> None:
        """Write a fact down, once and for all."""
        self._database.execute("INSERT INTO batch VALUES (?, ?)", (name, value))

    # ---- rows ----

    def meet(self, key: bytes) -> int:
        """How many inputs with this key have come before in this run."""
        sql = "INSERT INTO met VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        (times,) = self._database.execute(sql, (key,)).fetchone()
        return int(times) - 1

    def row(self, key: bytes, ordinal: int) -> Row | None:
        """What is known of an input."""
        sql = f"SELECT {_COLUMNS} FROM item WHERE key = ? AND ordinal = ?"  # noqa: S608 - our own names
        found = self._database.execute(sql, (key, ordinal)).fetchone()
        return None if found is None else _row(found)

    def intend(self, row: Row, place: int) -> None:
        """A create is about to be sent."""
        sql = (
            "INSERT INTO item (key, ordinal, place, state, sent, sent_at, attempts) "
            "VALUES (?, ?, ?, 'intent', ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET place = excluded.place, state = 'intent', sent = excluded.sent, "
            "sent_at = excluded.sent_at, attempts = excluded.attempts, prediction_id = NULL"
        )
        self._database.execute(sql, (row.key, row.ordinal, place, row.sent, row.sent_at, row.attempts))

    def created(self, key: bytes, ordinal: int, prediction_id: str) -> None:
        """The create has been answered."""
        sql = (
            "UPDATE item SET prediction_id = ?, state = CASE state WHEN 'leaving' THEN state ELSE 'created' END "
            "WHERE key = ? AND ordinal = ?"
        )
        self._database.execute(sql, (prediction_id, key, ordinal))

    def leave(self, keys: list[tuple[bytes, int]]) -> None:
        """The predictions of these inputs are about to be canceled."""
        sql = "UPDATE item SET state = 'leaving' WHERE key = ? AND ordinal = ? AND state IN ('intent', 'created')"
        self._database.executemany(sql, keys)

    def finish(self, key: bytes, ordinal: int, outcome: Snapshot, error: str | None, files: tuple[str, ...]) -> None:
        """The prediction has ended, and its files are saved."""
        sql = (
            "UPDATE item SET state = ?, outcome = ?, error = ?, files = ?, prediction_id = ? "
            "WHERE key = ? AND ordinal = ?"
        )
        state = State.DONE if error is None else State.FAILED
        told = json.dumps(dict(outcome))
        self._database.execute(sql, (state, told, error, json.dumps(files), outcome.id, key, ordinal))

    def forget(self, key: bytes, ordinal: int) -> None:
        """Nothing was created, or what was created is to be run once more."""
        self._database.execute("DELETE FROM item WHERE key = ? AND ordinal = ?", (key, ordinal))

    def strangers(self, ids: list[str], sent: bytes) -> tuple[list[str], int]:
        """Which of these predictions belong to no input, and how many creates of the input ``sent`` have no id."""
        sql = "SELECT 1 FROM item WHERE prediction_id = ?"
        free = [id for id in ids if self._database.execute(sql, (id,)).fetchone() is None]
        sql = "SELECT count(*) FROM item WHERE sent = ? AND prediction_id IS NULL"
        return free, int(self._database.execute(sql, (sent,)).fetchone()[0])

    def _check(self, facts: Mapping[str, str]) -> None:
        """Write down what the batch is about, or see that this is the same."""
        known = dict(self._database.execute("SELECT name, value FROM batch"))
        for name, value in facts.items():
            if known.setdefault(name, value) != value:
                raise InvalidInput(
                    f"the journal {self.path} belongs to a batch with the {name} {known[name]!r}, and this one has "
                    f"{value!r}: give each batch a journal of its own"
                )
        missing = [(name, value) for name, value in facts.items() if self.fact(name) is None]
        with self._database:
            self._database.executemany("INSERT INTO batch VALUES (?, ?)", missing)


def status(path: Path) -> dict[str, Any]:
    """What a journal is about, and how many items are done, have failed, run, or were not answered; it may be in use.

    Raises InvalidInput for a file that is no journal.
    """
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            facts = dict(database.execute("SELECT name, value FROM batch"))
            counts = dict(database.execute(_COUNTS))
        finally:
            database.close()
    except sqlite3.Error as error:
        message = f"{path} cannot be read as the journal of a batch: {error}"
    else:
        return {**facts, **{name: counts.get(name, 0) for name in ("done", "failed", "running", "unanswered")}}
    raise InvalidInput(message)


_COUNTS = """
SELECT
  CASE WHEN state IN ('done', 'failed') THEN state WHEN prediction_id IS NULL THEN 'unanswered' ELSE 'running' END
  AS standing, count(*)
FROM item GROUP BY standing
"""
_COLUMNS = "key, ordinal, state, sent, sent_at, prediction_id, outcome, files, attempts"


def _row(found: tuple[Any, ...]) -> Row:
    key, ordinal, state, sent, sent_at, prediction_id, outcome, files, attempts = found
    return Row(
        key, ordinal, State(state), sent or b"", sent_at or 0.0, prediction_id,
        None if outcome is None else Snapshot(json.loads(outcome)), tuple(json.loads(files or "[]")), attempts,
    )  # fmt: skip


def _locked(path: Path) -> sqlite3.Connection:
    """A lock that ends with the process, whichever way that ends; the journal itself stays readable."""
    itself = path.resolve()  # by whichever name it is called
    beside = itself.with_name(f"{itself.name}.lock")
    try:
        lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise os_error(error, path) from None
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise os_error(error, beside) from None
    else:
        return lock
    raise BatchLocked(f"the journal {path} is in use by another batch, in this process or in another")


def _opened(path: Path) -> sqlite3.Connection:
    """The database, made if there is none; InvalidInput for a file that is no journal, or a damaged one."""
    database = None
    try:
        # To SQLite some names are no files, such as ":memory:".
        database = sqlite3.connect(path.absolute(), isolation_level=None, check_same_thread=False)
        _check_file(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TEMP TABLE met (key BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
    except BaseException as error:
        if database is not None:
            database.close()
        if not isinstance(error, sqlite3.Error):
            raise
        if isinstance(error, sqlite3.OperationalError):
            raise os_error(error, path) from None
    else:
        return database
    raise InvalidInput(f"{path} is damaged, or no journal of a batch: move it away, or name another file")


def _check_file(database: sqlite3.Connection, path: Path) -> None:
    ours, version = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    is_new = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if is_new and not ours:
        about = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        database.executescript(f"BEGIN; {about} {_SCHEMA} COMMIT;")
        return
    if ours != APPLICATION_ID:
        raise InvalidInput(f"{path} is a database, but no journal of a batch: name another file")
    if version != VERSION:
        raise InvalidInput(f"the journal {path} is of another version of this package ({version}, not {VERSION})")
    sound = database.execute("PRAGMA quick_check").fetchone()[0]
    if sound != "ok":
        raise InvalidInput(f"the journal {path} is damaged ({sound}): nothing was sent, and it was left as it is")


def os_error(error: Exception, path: Path) -> OSError:
    """What is wrong with a file, as the OSError that a file of the caller's own raises."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    return OSError(_ERRNO.get(code, errno.EIO), f"the journal cannot be used: {error}", str(path))
