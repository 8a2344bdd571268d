"""A CSV file becomes records of Salesforce: inserted, updated, upserted or deleted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import MOST_DATA_BYTES
from airflow_provider_jobs.clients.salesforce.results.download import INGESTED
from airflow_provider_jobs.clients.salesforce.results.files import Output
from airflow_provider_jobs.clients.salesforce.split import split_csv
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.sources.source import FileSource
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError, JobFailed, JobsError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.results import check_places, written
from airflow_provider_jobs.operators.files.sources import sources_of
from airflow_provider_jobs.operators.memory import TaskMemory, left_out
from airflow_provider_jobs.operators.salesforce.job import SalesforceOperator
from airflow_provider_jobs.operators.salesforce.parts import REPEATABLE, PartJobs
from airflow_provider_jobs.operators.salesforce.rejections import check_counts, counted, rejected, tolerated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.core.sources.source import Source

_OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


class SalesforceIngestOperator(SalesforceOperator):
    """Insert, update, upsert or delete the records of a CSV file, and wait without holding a worker.

    A file of any size is split between records into as many jobs as Salesforce needs. Nothing is processed
    before a job has all of its data, and each is remembered before that: on Airflow 3.3 or newer a retry goes
    on with the jobs of the attempt before it, and no record is written twice. An older Airflow keeps no state
    of a task: there a retry sends the whole file again, and an insert writes its records twice.

    The result is a dict: ``job_id``, ``kind``, ``api_version``, ``state``, ``object``, ``operation``,
    ``record_count``, ``failed_record_count``, ``processing_seconds``, ``retries``, ``url``; of several jobs
    also ``jobs``, a list of such dicts; if files were written ``files``, a list of ``records``, ``path``,
    ``record_count``, ``size_bytes`` and ``sha256``.

    :param source: The CSV file, in UTF-8, its first line the names of fields: a path, a URL such as
        ``s3://bucket/key``, or an ObjectStoragePath.
    :param object_name: The API name of the object, such as ``Account``.
    :param operation: ``insert``, ``update``, ``upsert``, ``delete`` or ``hardDelete``.
    :param external_id_field: The field that tells which records are there already; for upsert.
    :param source_conn_id: The connection of the object store that ``source`` is in, for URLs.
    :param assignment_rule_id: The assignment rule for Case or Lead records.
    :param max_failed_records: Largest number of rejected records that still counts as success. If both limits
        are set, both apply; if neither is, one rejected record fails the task.
    :param max_failed_share: Largest share of rejected records that still counts as success, 0 to 1.
    :param on_failed_records: What more rejected records do: ``fail`` the task, ``warn`` in the log, or
        ``pass``.
    :param part_bytes: At most so many bytes a job; Salesforce takes 100 MB.
    :param parallel_uploads: Parts to send at a time.
    """

    after_success = (
        "the records are written, and clearing the task would send all of them again: for 7 days the org's "
        "setup has the results, under Bulk Data Load Jobs, and SalesforceHook().get_conn().download_ingested "
        "reads them"
    )
    harmless_again = False
    template_fields = (
        "source",
        "object_name",
        "operation",
        "external_id_field",
        "source_conn_id",
        "assignment_rule_id",
        *SalesforceOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source: Any,
        object_name: str,
        operation: str,
        external_id_field: str | None = None,
        source_conn_id: str | None = None,
        assignment_rule_id: str | None = None,
        max_failed_records: int | None = None,
        max_failed_share: float | None = None,
        on_failed_records: str = "fail",
        part_bytes: int = MOST_DATA_BYTES,
        parallel_uploads: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_failed_records not in ("fail", "warn", "pass"):
            raise ValueError(f"on_failed_records is {on_failed_records!r}: it is fail, warn or pass")
        if max_failed_records is not None and max_failed_records < 0:
            raise ValueError(f"max_failed_records is {max_failed_records}: it cannot be negative")
        if max_failed_share is not None and not 0 <= max_failed_share <= 1:
            raise ValueError(f"max_failed_share is {max_failed_share}: it is between 0 and 1")
        if not 0 < part_bytes <= MOST_DATA_BYTES:
            raise ValueError(f"part_bytes is {part_bytes}: it is above 0, and at most {MOST_DATA_BYTES}")
        if parallel_uploads < 1:
            raise ValueError(f"parallel_uploads is {parallel_uploads}: at least 1 is needed")
        self.source = source
        self.object_name = object_name
        self.operation = operation
        self.external_id_field = external_id_field
        self.source_conn_id = source_conn_id
        self.assignment_rule_id = assignment_rule_id
        self.max_failed_records = max_failed_records
        self.max_failed_share = max_failed_share
        self.on_failed_records = on_failed_records
        self.part_bytes = part_bytes
        self.parallel_uploads = parallel_uploads

    def body(self) -> dict[str, Any]:
        """Return the fields of every job.

        :raises ConfigurationError: a parameter is wrong, or two clash.
        """
        operation = {"hard_delete": "hardDelete"}.get(self.operation, self.operation)
        if operation not in _OPERATIONS:
            raise ConfigurationError(f"operation is {operation!r}: it is one of {', '.join(_OPERATIONS)}")
        if not self.object_name:
            raise ConfigurationError("object_name is empty: give the API name of an object")
        if (operation == "upsert") != bool(self.external_id_field):
            raise ConfigurationError("external_id_field belongs to an upsert, and an upsert needs it")
        fields = {
            "object": self.object_name,
            "operation": operation,
            "contentType": "CSV",
            "externalIdFieldName": self.external_id_field,
            "assignmentRuleId": self.assignment_rule_id,
            "columnDelimiter": self.column_delimiter,
        }
        return {name: value for name, value in fields.items() if value}

    def submissions(self, client: SalesforceClient, context: Context) -> list[Submission]:
        """Split the file, send each part to a job of its own, and return the jobs."""
        self._check_wait(
            results_path=self.results_path,
            max_failed_records=self.max_failed_records is not None,
            max_failed_share=self.max_failed_share is not None,
            on_failed_records=self.on_failed_records != "fail",
            delete_job=self.delete_job,
        )
        body = self.body()
        self._tell_work(body)
        try:
            source = self._file()
            identity = _identity(source)
        except JobsError as error:
            if submissions := self._complete_already(client, context, error):
                return submissions
            raise
        if self.results_path:
            folder = opened(self.results_path, self.results_conn_id or None)
            check_places(folder, [f"{name}.csv" for name in INGESTED.values()])
        version = self.api_version or None
        work = [client.scope, version or client.version, body, self.part_bytes, identity]
        memory = TaskMemory(context, "salesforce_ingest", work, self._since)
        self._say_if_forgetful(memory)
        jobs = PartJobs(client, memory, body, version, self._keep, lambda: self._killed)
        ending = self.line_ending or None
        with split_csv(source, most_bytes=self.part_bytes, line_ending=ending) as ingest_parts:
            submissions = jobs.submit(ingest_parts, self.parallel_uploads)
            self._carried["sent"] = {
                submission.status.ref.id: part.record_count
                for submission, part in zip(submissions, ingest_parts, strict=True)
            }
        return submissions

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return what is done with which object, for the log."""
        rest = {name: value for name, value in body.items() if name not in {"operation", "contentType"}}
        return str(body["operation"]), super().work_of({**rest, "source": str(self.source)})[1]

    def repeatable(self, statuses: Sequence[JobStatus]) -> bool:
        """Return False if another attempt would write records again: it knows of these jobs by its memory."""
        knows = self._attempt is not None and self._attempt.lasts
        written = [status.statistics.get("record_count") for status in statuses] or [None]
        return knows or self.operation in REPEATABLE or not any(count != 0 for count in written)

    def ended(self, client: SalesforceClient, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses, once what became of the records is written to files, if that is wanted."""
        if self.results_path:
            try:
                with self._reading_results(context, statuses):
                    self._files = self._written(client, context, statuses)
            except JobsError as error:
                if several.state_of(statuses) is JobState.SUCCEEDED:
                    self._note_complete(client, context, statuses)
                    raise
                self.log.warning("what became of the records could not be written: %s", error)
            self._remember_end(context, statuses)
        return statuses

    def completed(
        self, client: SalesforceClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses, unless too many records were rejected.

        :raises JobFailed: too many were, and ``on_failed_records`` is ``fail``.
        """
        check_counts(statuses, self._carried.get("sent", {}))
        processed, failed = counted(statuses)
        if not tolerated(failed, processed, self.max_failed_records, self.max_failed_share):
            if self.on_failed_records != "pass":
                told = rejected(client, statuses, self.column_delimiter or "COMMA")
                if self.on_failed_records == "fail":
                    raise JobFailed(told)
                self.log.warning("%s", told.failure_report())
        elif failed:
            self.log.warning("%s of %s records were rejected, which is within the limit", failed, processed)
        if self.delete_job:
            self._delete(client, statuses)
        return statuses

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose jobs took every record.

        :raises JobsError: records were rejected, or their numbers are not as sent: a worker has to tell.
        """
        check_counts(statuses, carried.get("sent", {}))
        if counted(statuses)[1]:
            raise JobsError("records were rejected")
        return super().xcoms(client, statuses, carried)

    def _note_complete(
        self, client: SalesforceClient, context: Context, statuses: Sequence[JobStatus]
    ) -> None:
        """Note jobs whose results are to be read by a retry, which may be on a worker without the file."""
        refs = [status.ref.to_json() for status in statuses]
        with left_out("the note that all records are written"):
            self._complete(client, context).remember({"refs": refs, "sent": self._carried.get("sent", {})})

    def _complete_already(
        self, client: SalesforceClient, context: Context, error: JobsError
    ) -> list[Submission]:
        """Return the complete jobs of an earlier attempt, though there is no file; none if there are none."""
        kept = self._complete(client, context).recall() or {"refs": [], "sent": {}}
        refs = [JobRef.from_json(ref) for ref in kept["refs"]]
        if refs:
            self.log.warning("%s; its records are written by %s: going on", error, several.names(refs))
            self._carried["sent"] = kept["sent"]
        return [Submission(client.status(ref), adopted=True) for ref in refs]

    def _complete(self, client: SalesforceClient, context: Context) -> TaskMemory:
        work = [client.scope, self.api_version or client.version, self.body(), self.part_bytes]
        return TaskMemory(context, "salesforce_complete", work, self._since)

    def _file(self) -> Source:
        sources = sources_of(self.source, self.source_conn_id or None)
        if len(sources) > 1:
            raise ConfigurationError(
                f"source names {len(sources)} files: give one, or map the task over them"
            )
        return sources[0]

    def _written(
        self, client: SalesforceClient, context: Context, statuses: Sequence[JobStatus]
    ) -> list[dict[str, Any]]:
        """Write what became of all records to files, and return what the result says about these."""
        refs = [status.ref for status in statuses]
        folder = opened(self.results_path, self.results_conn_id or None)
        files = []
        for which, name in INGESTED.items():
            sink = self._sink(context, folder)
            downloaded = client.download_ingested(refs, which, Output(f"{name}.csv"), sink)
            files += [{"records": name, **each} for each in written(downloaded)]
        return files


def _identity(source: Source) -> str:
    """Return what is equal for equal bytes, also on another worker that has the file from elsewhere."""
    if not isinstance(source, FileSource):
        return source.fingerprint
    with source.open() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # it has readinto
