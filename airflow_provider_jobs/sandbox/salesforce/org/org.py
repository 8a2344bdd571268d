"""The one door to the org; the HTTP side knows nothing behind it."""

from __future__ import annotations

import csv as csv_module
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.org import records, replication
from airflow_provider_jobs.sandbox.salesforce.org.csv_format import CsvFormat, ResultFile
from airflow_provider_jobs.sandbox.salesforce.org.describe import described, summary
from airflow_provider_jobs.sandbox.salesforce.org.ingest import job as ingest_job
from airflow_provider_jobs.sandbox.salesforce.org.model import Field
from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.sample import COUNTS
from airflow_provider_jobs.sandbox.salesforce.org.schema import changed_field
from airflow_provider_jobs.sandbox.salesforce.org.soql.translate import translate
from airflow_provider_jobs.sandbox.salesforce.org.store import Store
from airflow_provider_jobs.sandbox.salesforce.org.transactions import Change, Transaction, Transactions
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.ingest.job import IngestOutcome
    from airflow_provider_jobs.sandbox.salesforce.org.model import SObject
    from airflow_provider_jobs.sandbox.salesforce.org.soql.translate import QueryShape, Statement


_CURRENCIES = ("USD", "EUR", "JPY")


def _now() -> datetime:
    return datetime.now(tz=UTC)


class Org:
    """Objects and records of one org; every method may be called from any thread.

    Sample records of an object are made when it is first needed; all are kept in the folder's
    ``salesforce.duckdb``.

    :param folder: where records are kept; made if missing.
    :param contacts: how many sample contacts there are.
    :param now: the org's clock, for date literals and system fields.
    :param sample_records: without them only users are there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        contacts: int = 200_000,
        now: Callable[[], datetime] = _now,
        sample_records: bool = True,
    ) -> None:
        self._now = now
        counts = {**COUNTS, "Contact": contacts} if sample_records else {"User": COUNTS["User"]}
        self._store = Store(folder, counts)
        self._transactions = Transactions()

    def interrupt(self) -> None:
        """Let running queries and ingests end with an error, soon."""
        self._store.interrupt()

    def close(self) -> None:
        """Close the database; nothing may be running."""
        self._store.close()

    def fields(self, object_name: str) -> tuple[Field, ...]:
        """Give the fields of an object.

        :raises SalesforceRefusal: there is no such object.
        """
        return self._object(object_name).visible

    def check_query(self, soql: str, *, all_rows: bool = False) -> QueryShape:
        """Check a query as the creation of a query job does; it reads no record.

        :param all_rows: the operation is ``queryAll``.
        :raises SalesforceRefusal: Salesforce would answer 400.
        """
        return self._translated(soql, all_rows=all_rows).shape

    def run_query(
        self,
        soql: str,
        *,
        into: Path,
        all_rows: bool = False,
        delimiter: str = "COMMA",
        line_ending: str = "LF",
        with_ids: bool = False,
    ) -> ResultFile:
        """Write header and records to ``into``, as Bulk API 2.0 does: every value quoted, nulls empty.

        :param all_rows: with deleted records, as ``queryAll``.
        :param delimiter: ``columnDelimiter`` of the job: COMMA, TAB, PIPE, SEMICOLON, CARET or BACKQUOTE.
        :param line_ending: ``lineEnding`` of the job, LF or CRLF; newlines inside values are left alone.
        :param with_ids: before the values of a row, object and id of each record that they are of.
        :raises SalesforceRefusal: as in ``check_query``.
        """
        form = CsvFormat(delimiter, line_ending)
        statement = self._translated(soql, all_rows=all_rows)
        values = [text_of(field, column) for field, column in statement.values]
        columns = statement.columns
        if with_ids:
            columns = tuple(part for path, *_ in statement.records for part in (path, f"{path}.Id")) + columns
            values = [part for _, *parts in statement.records for part in parts] + values
        record = form.record_sql(values)
        with self._store.reading(statement.objects) as cursor:
            cursor.execute(f"SELECT {record} {statement.tail}", list(statement.parameters))
            return form.write(into, columns, cursor)

    def _translated(self, soql: str, *, all_rows: bool) -> Statement:
        return translate(soql, self._store.schema, all_rows=all_rows, now=self._now().astimezone(UTC))

    def check_ingest(self, object_name: str, operation: str, external_id_field: str | None = None) -> str:
        """Check what the creation of an ingest job names; give the object in its own spelling.

        :raises SalesforceRefusal: Salesforce would answer 400.
        """
        schema = self._store.schema
        return ingest_job.checked_job(schema, object_name, operation, external_id_field).object.name

    def ingest(
        self,
        object_name: str,
        operation: str,
        external_id_field: str | None,
        csv: Path,
        *,
        into: Path,
        delimiter: str = "COMMA",
        line_ending: str = "LF",
        limit: int | None = None,
        locked: tuple[int, str] = (0, ""),
        now: datetime | None = None,
    ) -> IngestOutcome:
        """Insert, update, upsert, delete or hardDelete the records of a CSV file.

        :param into: a folder for the three result files, made if missing.
        :param limit: leave records after this many unprocessed.
        :param locked: how many records at the beginning a lock keeps out, and what is told of them.
        :param now: the moment of the stamps, as ``moment`` gives it.
        :raises SalesforceRefusal: as in ``check_ingest``.
        :raises IngestFailed: the job fails as a whole, with this ``errorMessage``; nothing was changed.
        """
        job = ingest_job.checked_job(self._store.schema, object_name, operation, external_id_field)
        form = CsvFormat(delimiter, line_ending)
        began = self._moment()
        running = self._transactions.begin(began)  # what it writes is seen later than its stamps say
        try:
            return ingest_job.run(
                self._store, job, csv, form, into=into, now=now or began, limit=limit, locked=locked
            )
        finally:
            self._transactions.end(running)

    # -- what REST tells of objects -----------------------------------------------------------------

    def describe_global(self, version: str) -> list[dict[str, Any]]:
        """Give all objects, without their fields."""
        return [summary(each, version) for each in self._store.schema.objects]

    def describe(self, object_name: str, version: str) -> dict[str, Any]:
        """Give an object with its fields.

        :raises SalesforceRefusal: there is no such object; so in all that follows.
        """
        return described(self._object(object_name), self._store.schema, version)

    def changes(self, which: str, object_name: str, start: str, end: str, *, most: int) -> dict[str, Any]:
        """Give what was ``updated`` or ``deleted`` in a span of time.

        :param most: ids that are given; more are refused.
        """
        ask = {"updated": replication.updated, "deleted": replication.deleted}[which]
        of, now = self._object(object_name), self._moment()
        since = self._transactions.open_since()
        return ask(self._store, of, start, end, now=now, open_since=since, most=most)

    # -- what tests do to records and objects ---------------------------------------------------------

    def bin(self, object_name: str, ids: Sequence[str], *, stamps: bool = True) -> None:
        """Delete live records softly, and what goes with them.

        :param stamps: whether what goes with them gets new stamps.
        """
        of = self._object(object_name)
        with self._store.writing(self._store.schema.family_of(of)) as cursor:
            self._check(cursor, of, ids, deleted=False)
            records.bin_records(cursor, self._store.schema, of, ids, self._moment(), stamps=stamps)

    def undelete(self, object_name: str, ids: Sequence[str]) -> None:
        """Take records out of the bin, and what went with them."""
        of = self._object(object_name)
        with self._store.writing(self._store.schema.family_of(of)) as cursor:
            self._check(cursor, of, ids, deleted=True)
            records.undelete_records(cursor, self._store.schema, of, ids, self._moment())

    def merge(self, object_name: str, winner: str, losers: Sequence[str]) -> None:
        """Merge records into another."""
        of = self._object(object_name)
        with self._store.writing(self._store.schema.family_of(of)) as cursor:
            self._check(cursor, of, [winner, *losers], deleted=False)
            records.merge_records(cursor, self._store.schema, of, winner, losers, self._moment())

    def purge(self, object_name: str, ids: Sequence[str], *, trimmed: bool = False) -> None:
        """Take records out of the org for good, live ones too, with what goes with them.

        :param trimmed: the log of deletions does not know them either.
        """
        of, now = self._object(object_name), self._moment()
        schema = self._store.schema
        with self._store.writing(schema.family_of(of)) as cursor:
            live = self._check(cursor, of, ids, deleted=None)
            records.bin_records(cursor, schema, of, live, now)
            records.purge_records(cursor, schema, of, ids, trimmed=now if trimmed else None)

    def begin(self) -> str:
        """Open a long transaction; give its id."""
        return self._transactions.begin(self._moment())

    def write(self, transaction: str, object_name: str, operation: str, key: str | None, csv: bytes) -> None:
        """Write records in a transaction: they have stamps of now, and are seen after the commit."""
        job = ingest_job.checked_job(self._store.schema, object_name, operation, key)
        change = Change(job.object.name, operation, key, csv, self._moment())
        self._open(transaction).changes.append(change)

    def commit(self, transaction: str) -> list[str]:
        """Let what a transaction wrote be seen; give the errors of records that were not written."""
        found = self._open(transaction)
        errors: list[str] = []
        try:
            for each in found.changes:
                errors += self._apply(each)
        finally:
            self._transactions.end(transaction)
        return errors

    def roll_back(self, transaction: str) -> None:
        """Forget what a transaction wrote."""
        self._open(transaction)
        self._transactions.end(transaction)

    def change_field(self, object_name: str, action: str, name: str, given: dict[str, Any]) -> None:
        """Add, hide, show, rename or retype a field; see :func:`.schema.changed_field`."""
        of = self._object(object_name)
        self._store.change_field(of, *changed_field(of, action, name, given))

    def use_currencies(self) -> None:
        """Let every object that is written have a CurrencyIsoCode."""
        for each in self._store.schema.objects:
            if each.writable and "CurrencyIsoCode" not in each.columns:
                code = Field(
                    "CurrencyIsoCode", "picklist", "Currency ISO Code", length=3, values=_CURRENCIES,
                    default=f"'{_CURRENCIES[0]}'",
                )  # fmt: skip
                self._store.change_field(each, None, code)

    def _moment(self) -> datetime:
        """Give the moment of a stamp: whole seconds of UTC, without the time zone."""
        return self._now().astimezone(UTC).replace(tzinfo=None, microsecond=0)

    def _object(self, name: str) -> SObject:
        found = self._store.schema.find(name)
        if found is None:
            raise SalesforceRefusal("INVALIDENTITY", f"Unable to find object: {name}")
        return found

    def _open(self, transaction: str) -> Transaction:
        found = self._transactions.find(transaction)
        if found is None:
            raise SalesforceRefusal("INVALID_ID_FIELD", f"there is no open transaction {transaction}")
        return found

    @staticmethod
    def _check(
        cursor: duckdb.DuckDBPyConnection, of: SObject, ids: Sequence[str], *, deleted: bool | None
    ) -> list[str]:
        """See that records are there, in the bin or not as wanted; give the live ones."""
        if not of.deletable or "IsDeleted" not in of.columns:
            raise SalesforceRefusal(
                "INVALID_TYPE_FOR_OPERATION", f"entity type {of.name} does not support delete"
            )
        cursor.execute(
            f'SELECT "Id", "IsDeleted" FROM {of.table} WHERE "Id" IN (SELECT unnest(?::VARCHAR[]))',  # noqa: S608 - our names
            [list(ids)],
        )
        found = dict(cursor.fetchall())
        for each in ids:
            if each not in found or deleted not in (None, found[each]):
                where = {True: " in the bin", False: " outside the bin", None: ""}[deleted]
                raise SalesforceRefusal("ENTITY_IS_DELETED", f"there is no {of.name} {each}{where}")
        return [each for each in ids if not found[each]]

    def _apply(self, change: Change) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="salesforce-transaction-") as folder:
            path = Path(folder) / "records.csv"
            path.write_bytes(change.csv)
            outcome = self.ingest(
                change.object_name, change.operation, change.key, path, into=Path(folder), now=change.at
            )
            with outcome.failed.open(encoding="utf-8", newline="") as file:
                return [row["sf__Error"] for row in csv_module.DictReader(file)]
