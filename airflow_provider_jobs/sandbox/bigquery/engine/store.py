"""The DuckDB file: how it is opened, shut off from the outside, and used by many threads at once.

Every job and every read has a cursor, that is a connection, of its own. A transaction sees one snapshot, so a
reader never sees half of a write. Writers of one table take turns.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# How soon a cancelled job stops a running statement, in seconds.
_CANCEL_CHECK_SECONDS = 0.05

_NO_NETWORK = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}

_LAYOUT = """
CREATE SCHEMA IF NOT EXISTS store;
CREATE SCHEMA IF NOT EXISTS meta;
CREATE TABLE IF NOT EXISTS meta.datasets (project VARCHAR, dataset VARCHAR, resource VARCHAR);
CREATE TABLE IF NOT EXISTS meta.tables (
    project VARCHAR, dataset VARCHAR, name VARCHAR, physical VARCHAR, resource VARCHAR, column_bytes VARCHAR);
"""


def quoted(identifier: str) -> str:
    """Quote an identifier for DuckDB."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string for DuckDB."""
    return "'" + value.replace("'", "''") + "'"


class Session:
    """One job's, or one read's, own connection; a cancelled job is interrupted inside a statement too."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cancelled: threading.Event | None = None) -> None:
        self.cursor = cursor
        self.cancelled = cancelled or threading.Event()
        self.running = False  # whether a statement may be interrupted right now
        self.held = False  # whether a transaction of several statements is open

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run one statement.

        :raises JobProblem: the job was cancelled.
        """
        with self._interruptible():
            return self.cursor.execute(sql, parameters or None)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and fetch everything."""
        with self._interruptible():
            return self.cursor.execute(sql, parameters or None).fetchall()

    def batches(self, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Fetch the rows of the last statement bit by bit."""
        while True:
            with self._interruptible():
                batch = self.cursor.fetchmany(size)
            if not batch:
                return
            yield batch

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Bind a query without running it; the result knows names and types."""
        with self._interruptible():
            return self.cursor.sql(sql)

    def clean_up(self, sql: str) -> None:
        """Run one statement for a job that may be cancelled already."""
        self.cursor.execute(sql)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        self.check()
        self.running = True
        try:
            yield
        except duckdb.InterruptException as error:
            raise stopped() from error
        finally:
            self.running = False

    def check(self) -> None:
        """Stop here if the job was cancelled."""
        if self.cancelled.is_set():
            raise stopped()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end; roll back if anything went wrong. Within a longer one, its end decides."""
        try:
            if self.held:
                yield
                self.check()
                return
            self.execute("BEGIN TRANSACTION")
            try:
                yield
                self.check()
                self.cursor.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        except duckdb.TransactionException as error:
            raise _not_serialized() from error

    def begin(self) -> None:
        """Begin a transaction of several statements."""
        self.execute("BEGIN TRANSACTION")
        self.held = True

    def commit(self) -> None:
        """End it, and keep what its statements changed.

        :raises JobProblem: somebody else has changed the same tables.
        """
        self.held = False
        try:
            self.check()
            self.cursor.execute("COMMIT")
        except duckdb.TransactionException as error:
            raise _not_serialized() from error
        finally:
            self._roll_back()

    def rollback(self) -> None:
        """End it, and undo what its statements changed."""
        self.held = False
        self._roll_back()

    def is_usable(self) -> bool:
        """Whether the open transaction can go on: DuckDB ends one at some errors."""
        try:
            self.cursor.execute("SELECT 1")
        except duckdb.Error:
            return False
        return True

    def _roll_back(self) -> None:
        # A COMMIT, failed or not, has ended the transaction; then there is nothing left to roll back.
        with contextlib.suppress(duckdb.TransactionException):
            self.cursor.execute("ROLLBACK")


def _not_serialized() -> JobProblem:
    message = "Could not serialize access to the table due to concurrent update"
    return JobProblem("invalidQuery", message)


def stopped() -> JobProblem:
    """How a cancelled job ends."""
    return JobProblem("stopped", "Job execution was cancelled: User requested cancellation")


@dataclass
class _Turn:
    """Who may write a table, and how many hold it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Store:
    """The open database of one sandbox root."""

    def __init__(self, root: Path, readable: Sequence[Path], macros: str) -> None:
        """Open or create it; ``readable`` are the only folders that DuckDB may touch besides its own file."""
        self._root = root
        self._connection = duckdb.connect(str(root / "bigquery.duckdb"), config=dict(_NO_NETWORK))
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._connection.execute("SET GLOBAL order_by_non_integer_literal = true")  # ORDER BY NULL is common
        self._connection.execute(_LAYOUT + macros)
        folders = ", ".join(text(str(path)) for path in readable)
        self._connection.execute(f"SET allowed_directories = [{folders}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._turns: dict[object, _Turn] = {}
        self._turns_guard = threading.Lock()
        self._drop_orphans()

    def close(self) -> None:
        """Close the file; running statements end with an error."""
        self._connection.close()

    @contextlib.contextmanager
    def session(self, cancelled: threading.Event | None = None) -> Iterator[Session]:
        """Open a connection for one job or read."""
        cursor = self._connection.cursor()
        session = Session(cursor, cancelled)
        try:
            if cancelled is None:
                yield session
            else:
                with _interrupting(session):
                    yield session
        finally:
            cursor.close()

    @contextlib.contextmanager
    def writing(self, session: Session, *names: object) -> Iterator[None]:
        """Hold the turn to write the named tables; give up waiting when the job is cancelled."""
        with contextlib.ExitStack() as held:
            for name in sorted(set(names), key=str):
                held.enter_context(self._turn(session, name))
            yield

    @contextlib.contextmanager
    def _turn(self, session: Session, name: object) -> Iterator[None]:
        with self._turns_guard:
            turn = self._turns.setdefault(name, _Turn())
            turn.users += 1
        try:
            while not turn.lock.acquire(timeout=_CANCEL_CHECK_SECONDS):
                session.check()
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            with self._turns_guard:
                turn.users -= 1
                if not turn.users:
                    del self._turns[name]

    @staticmethod
    def new_physical() -> str:
        """Name a new DuckDB table. Names of BigQuery tables are case-sensitive, DuckDB's are not."""
        return f"store.t_{uuid.uuid4().hex}"

    def _drop_orphans(self) -> None:
        """Drop what a killed process had staged and never published."""
        orphans = self._connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND NOT EXISTS "
            "(SELECT 1 FROM meta.tables WHERE physical = 'store.' || table_name)"
        ).fetchall()
        for (name,) in orphans:
            self._connection.execute(f"DROP TABLE store.{quoted(name)}")


@contextlib.contextmanager
def _interrupting(session: Session) -> Iterator[None]:
    """Interrupt the session's statements from the moment the job is cancelled."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_CANCEL_CHECK_SECONDS):
            if session.running and session.cancelled.is_set():
                session.cursor.interrupt()

    watcher = threading.Thread(target=watch, name="bigquery-cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
