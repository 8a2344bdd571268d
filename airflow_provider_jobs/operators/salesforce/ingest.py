"""A CSV file becomes records of Salesforce: inserted, updated, upserted or deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.results.download import INGESTED
from airflow_provider_jobs.clients.salesforce.results.files import Output, write_lines
from airflow_provider_jobs.clients.salesforce.split import header_of
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError, JobFailed, JobsError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.lineage.datasets import files
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.results import written
from airflow_provider_jobs.operators.files.sources import sources_of
from airflow_provider_jobs.operators.salesforce.job import SalesforceOperator, memory_of, objects_of
from airflow_provider_jobs.operators.salesforce.parts import REPEATABLE
from airflow_provider_jobs.operators.salesforce.rejections import check_counts, counted, rejected, tolerated
from airflow_provider_jobs.operators.salesforce.rounds import IngestRounds, identity_of, without_resent
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
    from airflow_provider_jobs.core.sources.source import Source

#: What Salesforce puts before the fields of each record.
_OWN_COLUMNS = {
    "successful": ['"sf__Id"', '"sf__Created"'],
    "failed": ['"sf__Id"', '"sf__Error"'],
    "unprocessed": [],
}
_OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


class SalesforceIngestOperator(IngestRounds):
    """Insert, update, upsert or delete the records of a CSV file, and wait without holding a worker.

    A file of any size is split between records into as many jobs as Salesforce needs. Nothing is processed
    before a job has all of its data, and each is remembered before that: on Airflow 3.3 or newer a retry goes
    on with the jobs of the attempt before it, and no record is written twice. An older Airflow keeps no state
    of a task: there a retry sends the whole file again, and an insert writes its records twice.

    The result is a dict: ``job_id``, ``kind``, ``api_version``, ``state``, ``object``, ``operation``,
    ``record_count``, ``failed_record_count``, ``processing_seconds``, ``retries``, ``url``; of several jobs
    also ``job_count`` and ``jobs``, a list of such dicts of the first 20; if files were written
    ``file_count``, ``size_bytes`` of all, and ``files``, a list of ``records``, ``path``, ``record_count``,
    ``size_bytes`` and ``sha256``.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_failed_records not in ("fail", "warn", "pass"):
            raise ValueError(f"on_failed_records is {on_failed_records!r}: it is fail, warn or pass")
        if max_failed_records is not None and max_failed_records < 0:
            raise ValueError(f"max_failed_records is {max_failed_records}: it cannot be negative")
        if max_failed_share is not None and not 0 <= max_failed_share <= 1:
            raise ValueError(f"max_failed_share is {max_failed_share}: it is between 0 and 1")
        self.source = source
        self.object_name = object_name
        self.operation = operation
        self.external_id_field = external_id_field
        self.source_conn_id = source_conn_id
        self.assignment_rule_id = assignment_rule_id
        self.max_failed_records = max_failed_records
        self.max_failed_share = max_failed_share
        self.on_failed_records = on_failed_records
        #: Of a file without records.
        self._header = "", ","

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
            parts_in_turn=self.parts_in_turn,
        )
        self.check_manifest()
        body = self.body()
        self.begin_anew()
        self._tell_work(body)
        try:
            source = self._file()
            identity = identity_of(source)
        except JobsError as error:
            if submissions := self._complete_already(client, context, error):
                return submissions
            raise
        if self.results_path:
            names = [_results_name(context, name) for name in INGESTED.values()]
            self._results_sink(context).check(names)
        version = self.api_version or None
        work = [version or client.version, body, self.part_bytes, identity]
        memory = memory_of(client, context, "salesforce_ingest", work, self._since)
        self._say_if_forgetful(memory)
        submissions = self._sent(client, memory, source, self.part_bytes, self.rounds_before(context))
        return submissions or [Submission(self._nothing(client, source), adopted=True)]

    def _nothing(self, client: SalesforceClient, source: Source) -> JobStatus:
        """Return what is told of a file without records, for which no job is made."""
        self.log.info("%s has a header and no records: no job is made", shown(source.name))
        self._header = header_of(source, self.column_delimiter or None)
        body = self.body()
        ref = JobRef("salesforce", client.scope, "", f"{self.api_version or client.version}/jobs/ingest")
        counts = {"record_count": 0, "failed_record_count": 0, "retries": 0}
        about = {"object": body["object"], "operation": body["operation"]}
        return JobStatus(ref, JobState.SUCCEEDED, "no records", statistics={**about, **counts})

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return what is done with which object, for the log."""
        rest = {name: value for name, value in body.items() if name not in {"operation", "contentType"}}
        return str(body["operation"]), super().work_of({**rest, "source": str(self.source)})[1]

    def repeatable(self, statuses: Sequence[JobStatus]) -> bool:
        """Return False if another attempt would write records again: it knows of these jobs by its memory."""
        knows = self._attempt is not None and self._attempt.lasts
        written = [status.statistics.get("record_count") for status in statuses] or [None]
        return knows or self.operation in REPEATABLE or not any(count != 0 for count in written)

    def planned(self) -> Trace:
        """Return the file that is sent, and the files for what becomes of its records."""
        return Trace(tuple(files(self.source)), self.result_files())

    def traced(self, client: SalesforceClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return the file that was sent, and the object whose records were written."""
        planned, (processed, failed) = self.planned(), counted(statuses)
        written = objects_of(statuses, row_count=processed - failed)
        trace = replace(planned, outputs=(*written, *planned.outputs))
        job_id = several.joined_ids([status.ref for status in statuses])
        return trace.of_job(job_id, statuses[0].ref.service) if job_id else trace

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
        resent = self._carried.get("resent", {})
        statuses = [without_resent(status, resent) for status in statuses]
        processed, failed = counted(statuses)
        if not tolerated(failed, processed, self.max_failed_records, self.max_failed_share):
            if self.on_failed_records != "pass":
                told = rejected(client, statuses, self._delimiter, resent)
                if self.on_failed_records == "fail":
                    raise JobFailed(told)
                self.log.warning("%s", told.failure_report())
        elif failed:
            self.log.warning("%s of %s records were rejected, which is within the limit", failed, processed)
        with self._reading_results(context, statuses):
            self.write_manifest(context, [self.summary(status) for status in statuses])
        if self.delete_job:
            self._delete(client, statuses)
        return statuses

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose jobs took every record.

        :raises JobsError: records were rejected, or their numbers are not as sent: a worker has to tell.
        """
        if carried.get("later") or carried.get("done"):
            raise JobsError("other jobs of the task come before these, or after them")
        statuses = cls._with_results(client, statuses, carried)
        check_counts(statuses, carried.get("sent", {}))
        if counted(statuses)[1]:
            raise JobsError("records were rejected")
        return super().xcoms(client, statuses, carried)

    def _complete_already(
        self, client: SalesforceClient, context: Context, error: JobsError
    ) -> list[Submission]:
        """Return the complete jobs of an earlier attempt, though there is no file; none if there are none."""
        kept = self._complete(client, context).recall() or {"refs": [], "sent": {}}
        refs = [JobRef.from_json(ref) for ref in kept["refs"]]
        if refs:
            self.log.warning("%s; its records are written by %s: going on", error, several.names(refs))
            self._carried |= {
                "sent": kept["sent"],
                "resent": kept.get("resent", {}),
                "delimiter": kept.get("delimiter"),
                "round": self.lock_retries,
            }
        return [Submission(client.status(ref), adopted=True) for ref in refs]

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
        refs = [status.ref for status in statuses if status.ref.id]
        files = []
        for which, name in INGESTED.items():
            sink, output = self._results_sink(context), Output(_results_name(context, name))
            if refs:
                resent = self._carried.get("resent", ())
                downloaded = client.download_ingested(refs, which, output, sink, statuses, resent)
            else:
                header, mark = self._header
                line = mark.join([*_OWN_COLUMNS[name], header])
                downloaded = write_lines(sink, output, [line])
            files += [{"records": name, **each} for each in written(downloaded)]
        return files

    def _results_sink(self, context: Context) -> LocalSink:
        return self._sink(context, opened(self.results_path, self.results_conn_id or None))


def _results_name(context: Context, name: str) -> str:
    """Return what a file of results is called: mapped tasks, which may share a folder, add their index."""
    index = context["ti"].map_index
    return f"{name}.csv" if index is None or index < 0 else f"{name}-{index}.csv"
