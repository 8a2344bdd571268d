"""Records of Salesforce, selected by SOQL and written to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.salesforce.results.download import WORKERS
from airflow_provider_jobs.clients.salesforce.results.files import Output
from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.operators.attempts import task_digest
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.results import (
    check_no_unknown_parts,
    check_not_shared,
    folder_and_name,
    part_name,
    remove_earlier_parts,
    written,
)
from airflow_provider_jobs.operators.files.stores import sink_for
from airflow_provider_jobs.operators.salesforce.job import (
    SalesforceOperator,
    adoptable,
    check_download,
    memory_of,
    objects_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded
    from airflow_provider_jobs.jobs import JobStatus


class SalesforceQueryOperator(SalesforceOperator):
    """Run a Bulk API 2.0 query, wait without holding a worker, and write its results to files if wanted.

    Bytes are written as Salesforce sends them. Every record is accounted for: those of each page, and all of
    them. An interrupted download goes on after its last whole page; on Airflow 3.3 or newer in a retry on the
    same worker too. Files appear under their names once everything is there.

    The result is a dict: ``job_id``, ``kind``, ``api_version``, ``state``, ``object``, ``operation``,
    ``record_count``, ``processing_seconds``, ``retries``, ``url`` and, if files were written, ``file_count``,
    ``size_bytes`` of all, and ``files``: of the first 20 a list of ``path``, ``record_count``, ``size_bytes``
    and ``sha256``.

    :param soql: The query, or a .soql file.
    :param operation: ``query``, or ``queryAll`` for deleted and archived records too.
    :param results_as: ``file`` for one file, or ``parts`` for one for each page, each with the header.
    :param compression: ``gzip``, or None. Names of files are left as they are; those of parts end in ``.gz``.
    :param page_records: At most so many records a page; pages are read one by one then.
    :param parallel_downloads: Pages to read at a time; default 8, most 16.
    """

    template_fields = ("soql", "operation", *SalesforceOperator.template_fields)
    template_ext: Sequence[str] = (".soql", ".sql")
    file_fields = ("soql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"soql": "sql"}

    def __init__(
        self,
        *,
        soql: str,
        operation: str = "query",
        results_as: str = "file",
        compression: str | None = None,
        page_records: int | None = None,
        parallel_downloads: int = WORKERS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if results_as not in ("file", "parts"):
            raise ValueError(f"results_as is {results_as!r}: it is file or parts")
        check_download(compression, page_records, parallel_downloads)
        self.soql = soql
        self.operation = operation
        self.results_as = results_as
        self.compression = compression
        self.page_records = page_records
        self.parallel_downloads = parallel_downloads

    def body(self) -> dict[str, Any]:
        """Return the fields of the job.

        :raises ConfigurationError: a parameter is wrong, or two clash.
        """
        if not isinstance(self.soql, str) or not self.soql.strip():
            other = self.soql and not isinstance(self.soql, str)
            what = f"of type {type(self.soql).__name__}" if other else "empty"
            raise ConfigurationError(f"soql is {what}: give a query")
        if self.delete_job and not self.results_path:
            raise ConfigurationError("delete_job needs results_path: the results would be lost")
        self._check_wait(results_path=self.results_path)
        if self.manifest_path and not self.results_path:
            raise ConfigurationError("manifest_path needs results_path: it names the files that are written")
        self.check_manifest()
        fields = {
            "operation": self.operation,
            "query": self.soql,
            "contentType": "CSV",
            "columnDelimiter": self.column_delimiter or None,
            "lineEnding": self.line_ending or None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the query, for the log."""
        return str(body["operation"]), str(body["query"])

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook: with ``delete_job`` its client deletes what it aborts."""
        return {**super().hook_args(), **({"delete_cancelled": True} if self.delete_job else {})}

    def submissions(self, client: SalesforceClient, context: Context) -> list[Submission]:
        """Create the query's job, or go on with that of an earlier attempt.

        The job stays remembered after success, until a clear: Airflow may lose a success that it has not
        recorded yet, and runs the task again.
        """
        body, version = self.body(), self.api_version or None
        self._tell_work(body)
        if self.results_path:
            self._check_place(context)
        memory = memory_of(client, context, "salesforce_job", [version or client.version, body], self._since)
        kept = memory.recall()
        if kept and (status := adoptable(client, JobRef.from_json(kept))):
            return [Submission(status, adopted=True)]
        self._say_if_forgetful(memory)
        request = SalesforceRequest(
            body=body,
            version=version,
            on_created=lambda ref: self._keep(ref, lambda: memory.remember(ref.to_json())),
        )
        return [client.submit(request)]

    def planned(self) -> Trace:
        """Return the query, and the files for its results."""
        return Trace(outputs=self.result_files(), sql=self.soql)

    def traced(self, client: SalesforceClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return the object that was read, and the files that were written."""
        status = statuses[0]
        read = objects_of(statuses, row_count=status.statistics.get("record_count"))
        return Trace(read, self.result_files(), self.soql).of_job(status.ref.id, status.ref.service)

    def completed(
        self, client: SalesforceClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses; the results are downloaded first if that is wanted."""
        if self.results_path:
            with self._reading_results(context, statuses):
                self._files = written(self._write(client, context, statuses[0].ref))
                self.write_manifest(context, self._files)
            if self.delete_job:
                self._delete(client, statuses)
        return statuses

    def _write(self, client: SalesforceClient, context: Context, ref: JobRef) -> Downloaded:
        folder, output = self._place(context, ref.id)
        sink = self._sink(context, folder)
        how = {"workers": self.parallel_downloads, "page_records": self.page_records}
        downloaded = self._download(client, context, ref, output, sink, **how)
        if output.split:
            remove_earlier_parts(sink, context, {file.name for file in downloaded.files})
        return downloaded

    def _check_place(self, context: Context) -> None:
        """See that the results can be written, before there is a job."""
        folder, output = self._place(context, "")
        sink = sink_for(folder, task_digest(context))
        if output.split:
            sink.check([])
            check_no_unknown_parts(sink)
        else:
            check_not_shared(self, context)
            sink.check([output.name])

    def _place(self, context: Context, job_id: str) -> tuple[Any, Output]:
        """Return the folder to write to, and what."""
        conn_id, compress = self.results_conn_id or None, self.compression == "gzip"
        if self.results_as == "parts":
            name = part_name(job_id, context, ".csv.gz" if compress else ".csv")
            return opened(self.results_path, conn_id), Output(name, split=True, compress=compress)
        folder, name = folder_and_name(self.results_path, conn_id)
        return folder, Output(name, compress=compress)
