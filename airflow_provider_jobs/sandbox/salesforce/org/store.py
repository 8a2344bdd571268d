"""The DuckDB file of an org: shut off from the outside, used by many threads, filled when first needed.

A reader sees one snapshot for the length of its statement; writers take turns.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import duckdb

from airflow_provider_jobs.sandbox.salesforce.org.ids import id_macros
from airflow_provider_jobs.sandbox.salesforce.org.objects import OBJECTS
from airflow_provider_jobs.sandbox.salesforce.org.sample import SAMPLE_MACROS, insert_sample
from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema, spelled
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import VALUE_MACROS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject

_CONFIGURATION = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "512MB",  # larger sorts go to the disk
}


# counters: the number of the newest record of each object whose sample records are there.
# schema_changes: fields that are not as ``objects`` has them, in the order in which they were changed.
# deletions: records that were deleted; root is the one that was deleted by itself, and took others along.
# trimmed: until when the log of deletions of an object may lack some.
_TABLES = """
CREATE TABLE IF NOT EXISTS counters (object VARCHAR, newest BIGINT);
CREATE TABLE IF NOT EXISTS schema_changes (object VARCHAR, name VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS deletions (object VARCHAR, id VARCHAR, gone_at TIMESTAMP, root VARCHAR);
CREATE TABLE IF NOT EXISTS trimmed (object VARCHAR, trimmed_at TIMESTAMP);
"""


class Store:
    """The open database of one org.

    :param counts: how many sample records of each object there are.
    """

    def __init__(self, folder: Path, counts: Mapping[str, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._counts = counts
        self._connection = duckdb.connect(str(folder / "salesforce.duckdb"), config=dict(_CONFIGURATION))
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._connection.execute(id_macros() + VALUE_MACROS + SAMPLE_MACROS)
        self._connection.execute(_TABLES)
        self.schema = Schema(OBJECTS)
        for change in self._connection.execute("SELECT * FROM schema_changes ORDER BY rowid").fetchall():
            self.schema.restore(*change)
        self._make_tables()
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._filling = threading.Lock()
        self._writing = threading.Lock()
        self._filled = {
            name for (name,) in self._connection.execute("SELECT object FROM counters").fetchall()
        }

    def _make_tables(self) -> None:
        """Make what is missing; a file of an earlier version may lack objects and fields."""
        columns = self._connection.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall()
        known = set(columns)
        self._connection.execute("BEGIN TRANSACTION")
        tables = {table for table, _ in known}
        for each in self.schema.objects:
            if each.name not in tables:
                columns_sql = ", ".join(_column(field) for field in each.stored)
                self._connection.execute(f"CREATE TABLE {each.table} ({columns_sql})")
                continue
            for field in each.stored:
                if (each.name, field.name) not in known:
                    self._connection.execute(f"ALTER TABLE {each.table} ADD COLUMN {_column(field)}")
        self._connection.execute("COMMIT")

    def change_field(self, of: SObject, old: Field | None, new: Field) -> None:
        """Make a field another, or a new one; values that do not fit its type become null."""
        with self.writing([of]) as cursor:
            if old is None:
                cursor.execute(f"ALTER TABLE {of.table} ADD COLUMN {_column(new)}")
            elif old.name != new.name:
                cursor.execute(f"ALTER TABLE {of.table} RENAME COLUMN {old.column} TO {new.column}")
            elif old.stored_as != new.stored_as:
                kind = new.stored_as
                cast = f"TRY_CAST({old.column} AS {kind})"
                cursor.execute(f"ALTER TABLE {of.table} ALTER COLUMN {old.column} TYPE {kind} USING {cast}")
            change = [of.name, old.name if old else "", spelled(new)]
            cursor.execute("INSERT INTO schema_changes VALUES (?, ?, ?)", change)
        self.schema.put(of, old, new)

    def interrupt(self) -> None:
        """Let running statements end with an error."""
        for cursor in list(self._cursors):
            with contextlib.suppress(duckdb.ConnectionException):  # closed meanwhile
                cursor.interrupt()

    def close(self) -> None:
        """Close the file; no statement may be running."""
        self._connection.close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        try:
            yield cursor
        finally:
            self._cursors.discard(cursor)
            cursor.close()

    @contextlib.contextmanager
    def reading(self, objects: Iterable[SObject]) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection to objects whose sample records are there."""
        for each in objects:
            self._fill(each)
        with self._cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def writing(self, objects: Iterable[SObject]) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection for the one writer; all or nothing of what it does is kept."""
        with self._writing, self.reading(objects) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                # A failed COMMIT has already ended the transaction; then there is nothing left to roll back.
                with contextlib.suppress(duckdb.TransactionException, duckdb.ConnectionException):
                    cursor.execute("ROLLBACK")
                raise

    @staticmethod
    def newest(cursor: duckdb.DuckDBPyConnection, of: SObject) -> int:
        """Give the number of the newest record that there ever was."""
        found = cursor.execute("SELECT newest FROM counters WHERE object = ?", [of.name]).fetchone()
        return int(found[0]) if found else 0

    @staticmethod
    def set_newest(cursor: duckdb.DuckDBPyConnection, of: SObject, newest: int) -> None:
        """Keep the number of the newest record."""
        cursor.execute("UPDATE counters SET newest = ? WHERE object = ?", [newest, of.name])

    def _fill(self, wanted: SObject) -> None:
        if wanted.name in self._filled:
            return
        with self._filling:
            if wanted.name in self._filled:
                return
            with self._cursor() as cursor:
                self._insert(cursor, wanted)
            self._filled.add(wanted.name)

    def _insert(self, cursor: duckdb.DuckDBPyConnection, wanted: SObject) -> None:
        count = self._counts.get(wanted.name, 0)
        cursor.execute("BEGIN TRANSACTION")
        if count:
            insert_sample(cursor, wanted.name, count, self._counts.get("Contact", 0))
        cursor.execute("INSERT INTO counters VALUES (?, ?)", [wanted.name, count])
        cursor.execute("COMMIT")


def _column(field: Field) -> str:
    """Declare a column; where it is added later, old records have the field's default."""
    constant = field.default in ("true", "false") or field.default.startswith("'")
    default = f" DEFAULT {field.default}" if constant else ""
    return f"{field.column} {field.stored_as}{default}"
