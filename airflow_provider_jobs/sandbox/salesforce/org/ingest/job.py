"""Runs an ingest job: reads its file, checks, changes records, writes the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.ingest import changes
from airflow_provider_jobs.sandbox.salesforce.org.ingest.checks import Batch
from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import InputColumn, column_of, columns_of
from airflow_provider_jobs.sandbox.salesforce.org.ingest.reading import load
from airflow_provider_jobs.sandbox.salesforce.org.refusals import (
    IngestFailed,
    SalesforceRefusal,
    not_for_bulk,
)
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import literal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.csv_format import CsvFormat
    from airflow_provider_jobs.sandbox.salesforce.org.model import SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema
    from airflow_provider_jobs.sandbox.salesforce.org.store import Store

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")

# Any order but that of the file, and the same every time.
_SHUFFLED = "(n * 7919) % 10007, n"


@dataclass(frozen=True)
class IngestOutcome:
    """What became of the records of an ingest job that ended as ``JobComplete``.

    Each file is complete CSV with a header, in the job's delimiter and line ending, in no particular order.

    :param successful: ``sf__Id,sf__Created`` and the job's own columns.
    :param failed: ``sf__Id,sf__Error`` and the job's own columns.
    :param unprocessed: the job's own columns.
    :param processed: records that were looked at: ``numberRecordsProcessed``, failed ones included.
    :param failed_count: ``numberRecordsFailed``.
    :param unprocessed_count: records that were left because of the limit.
    """

    successful: Path
    failed: Path
    unprocessed: Path
    processed: int
    failed_count: int
    unprocessed_count: int


@dataclass(frozen=True)
class IngestJob:
    """What the creation of an ingest job says.

    :param key: the field by which an upsert finds records.
    """

    object: SObject
    operation: str
    key: str

    @property
    def deletes(self) -> bool:
        """Whether records go."""
        return self.operation in ("delete", "hardDelete")

    def objects(self, schema: Schema) -> set[SObject]:
        """All objects that it may read or write."""
        if self.deletes:
            return schema.family_of(self.object)
        names = {name for field in self.object.fields for name in field.refers_to}
        found = [schema.find(each) for each in (*names, f"{self.object.name}History")]
        return {self.object, *(each for each in found if each is not None)}


def checked_job(schema: Schema, object_name: str, operation: str, external_id_field: str | None) -> IngestJob:
    """Check what the creation of a job names.

    :raises SalesforceRefusal: Salesforce would answer 400.
    """
    found = schema.find(object_name)
    if found is None:
        raise SalesforceRefusal("INVALIDENTITY", f"Unable to find object: {object_name}")
    if operation not in OPERATIONS:
        raise SalesforceRefusal("INVALIDOPERATION", f"Unsupported operation: {operation}")
    if not found.bulk:
        raise not_for_bulk(found.name)
    verb = "delete" if operation == "hardDelete" else operation
    if not (found.deletable if verb == "delete" else found.writable):
        message = f"entity type {found.name} does not support {verb}"
        raise SalesforceRefusal("INVALID_TYPE_FOR_OPERATION", message)
    if operation != "upsert":
        return IngestJob(found, operation, "Id")
    if not external_id_field:
        message = f"External ID was blank for {found.name}. An External ID must be specified for upsert."
        raise SalesforceRefusal("INVALIDJOB", message)
    key = found.field(external_id_field)
    if key is None or not key.identifies:
        message = (
            f"Field name provided, {external_id_field} does not match an External ID, Salesforce Id, "
            f"or indexed field for {found.name}"
        )
        raise SalesforceRefusal("INVALID_FIELD", message)
    return IngestJob(found, operation, key.name)


def run(
    store: Store,
    job: IngestJob,
    csv: Path,
    form: CsvFormat,
    *,
    into: Path,
    now: datetime,
    limit: int | None,
    locked: tuple[int, str] = (0, ""),
) -> IngestOutcome:
    """Run a job to its end.

    :param locked: how many records at its beginning a lock keeps out, and what is told of them.
    :raises IngestFailed: it fails as a whole, and has changed nothing.
    """
    into.mkdir(parents=True, exist_ok=True)
    with store.writing(job.objects(store.schema)) as cursor:
        header = load(cursor, csv, form)
        columns = columns_of(header, job.object, store.schema)
        identifying = _identifying(job, columns)
        batch = Batch(cursor, job.object, columns)
        batch.build(limit)
        batch.fail(f"n < {locked[0]:d}", literal(locked[1]))
        if job.deletes:
            _delete(batch, job, identifying, store.schema, now)
        else:
            _save(batch, job, identifying, store, now)
        return _results(cursor, header, form, into)


def _identifying(job: IngestJob, columns: list[InputColumn]) -> InputColumn | None:
    """Find the column that tells which records are meant."""
    if job.operation == "insert":
        return None
    found = column_of(columns, job.key)
    if found is None:
        raise IngestFailed(f"InvalidBatch : Field name not found : {job.key}")
    if job.deletes and len(columns) > 1:
        other = next(each.field.name for each in columns if each is not found)
        raise IngestFailed(f"InvalidBatch : Field name not found : {other}")
    return found


def _save(batch: Batch, job: IngestJob, identifying: InputColumn | None, store: Store, now: datetime) -> None:
    if identifying is not None and identifying.field.type == "id":
        batch.find_by_id(identifying, required=job.operation == "update")
    batch.check_values(identifying)
    if identifying is not None and identifying.field.type != "id":
        batch.find_by_key(identifying)
    batch.check_required()
    store.set_newest(batch.cursor, job.object, batch.number_new(store.newest(batch.cursor, job.object)))
    batch.check_unique(identifying if job.operation == "upsert" else None)
    changes.insert(batch, now)
    history = store.schema.find(f"{job.object.name}History")
    if history is not None:
        newest = store.newest(batch.cursor, history)
        newest += changes.keep_history(batch, history, newest, now)
        store.set_newest(batch.cursor, history, newest)
    changes.update(batch, now)


def _delete(
    batch: Batch, job: IngestJob, identifying: InputColumn | None, schema: Schema, now: datetime
) -> None:
    if identifying is not None:
        batch.find_by_id(identifying, required=True)
    changes.delete(batch, schema, now, hard=job.operation == "hardDelete")


def _results(
    cursor: duckdb.DuckDBPyConnection, header: list[str], form: CsvFormat, into: Path
) -> IngestOutcome:
    raw = [f"c{place}" for place in range(len(header))]
    # A failed new record has no id; a failed old one the id that the file gave.
    known = "CASE WHEN NOT created THEN target END"
    parts = {
        "successful": (
            ["sf__Id", "sf__Created"],
            ["target", "created::VARCHAR"],
            "batch WHERE error IS NULL",
        ),
        "failed": (["sf__Id", "sf__Error"], [known, "error"], "batch WHERE error IS NOT NULL"),
        "unprocessed": ([], [], "staged WHERE n NOT IN (SELECT n FROM batch)"),
    }
    counts, paths = {}, {}
    for name, (columns, values, source) in parts.items():
        record = form.record_sql([*values, *raw])
        cursor.execute(f"SELECT {record} FROM {source} ORDER BY {_SHUFFLED}")  # noqa: S608 - our names
        paths[name] = into / f"{name}.csv"
        counts[name] = form.write(paths[name], [*columns, *header], cursor).record_count
    return IngestOutcome(
        successful=paths["successful"],
        failed=paths["failed"],
        unprocessed=paths["unprocessed"],
        processed=counts["successful"] + counts["failed"],
        failed_count=counts["failed"],
        unprocessed_count=counts["unprocessed"],
    )
