"""The one door to the org; the HTTP side knows nothing behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.csv_format import CsvFormat
from airflow_provider_jobs.sandbox.salesforce.org.ingest import job as ingest_job
from airflow_provider_jobs.sandbox.salesforce.org.objects import OBJECTS, find_object
from airflow_provider_jobs.sandbox.salesforce.org.outcomes import IngestOutcome, QueryShape
from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.sample import COUNTS
from airflow_provider_jobs.sandbox.salesforce.org.soql.translate import translate
from airflow_provider_jobs.sandbox.salesforce.org.store import Store
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.result_file import ResultFile


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

    def interrupt(self) -> None:
        """Let running queries and ingests end with an error, soon."""
        self._store.interrupt()

    def close(self) -> None:
        """Close the database; nothing may be running."""
        self._store.close()

    def object_names(self) -> list[str]:
        """List the objects by name."""
        return [each.name for each in OBJECTS]

    def fields(self, object_name: str) -> tuple[Field, ...]:
        """Give the fields of an object.

        :raises SalesforceRefusal: there is no such object.
        """
        return _object(object_name).fields

    def check_query(self, soql: str, *, all_rows: bool = False) -> QueryShape:
        """Check a query as the creation of a query job does; it reads no record.

        :param all_rows: the operation is ``queryAll``.
        :raises SalesforceRefusal: Salesforce would answer 400.
        """
        statement = translate(soql, all_rows=all_rows, now=self._now().astimezone(UTC))
        return QueryShape(statement.source.name, statement.columns, statement.chunkable)

    def run_query(
        self,
        soql: str,
        *,
        into: Path,
        all_rows: bool = False,
        delimiter: str = "COMMA",
        line_ending: str = "LF",
    ) -> ResultFile:
        """Write header and records to ``into``, as Bulk API 2.0 does: every value quoted, nulls empty.

        :param all_rows: with deleted records, as ``queryAll``.
        :param delimiter: ``columnDelimiter`` of the job: COMMA, TAB, PIPE, SEMICOLON, CARET or BACKQUOTE.
        :param line_ending: ``lineEnding`` of the job, LF or CRLF; newlines inside values are left alone.
        :raises SalesforceRefusal: as in ``check_query``.
        """
        form = CsvFormat(delimiter, line_ending)
        statement = translate(soql, all_rows=all_rows, now=self._now().astimezone(UTC))
        record = form.record_sql([text_of(field, column) for field, column in statement.values])
        with self._store.reading(statement.objects) as cursor:
            cursor.execute(f"SELECT {record} {statement.tail}", list(statement.parameters))
            return form.write(into, statement.columns, cursor)

    def check_ingest(self, object_name: str, operation: str, external_id_field: str | None = None) -> str:
        """Check what the creation of an ingest job names; give the object in its own spelling.

        :raises SalesforceRefusal: Salesforce would answer 400.
        """
        return ingest_job.checked_job(object_name, operation, external_id_field).object.name

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
    ) -> IngestOutcome:
        """Insert, update, upsert, delete or hardDelete the records of a CSV file.

        :param into: a folder for the three result files, made if missing.
        :param limit: leave records after this many unprocessed.
        :param locked: how many records at the beginning a lock keeps out, and what is told of them.
        :raises SalesforceRefusal: as in ``check_ingest``.
        :raises IngestFailed: the job fails as a whole, with this ``errorMessage``; nothing was changed.
        """
        job = ingest_job.checked_job(object_name, operation, external_id_field)
        form = CsvFormat(delimiter, line_ending)
        now = self._now().astimezone(UTC).replace(tzinfo=None)
        now -= timedelta(microseconds=now.microsecond % 1000)
        return ingest_job.run(self._store, job, csv, form, into=into, now=now, limit=limit, locked=locked)


def _object(name: str) -> SObject:
    found = find_object(name)
    if found is None:
        raise SalesforceRefusal("INVALIDENTITY", f"Unable to find object: {name}")
    return found
