"""Files that are sent to BigQuery with the job that loads them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import not_negative
from airflow_provider_jobs.core.sources.csv_records import CsvForm
from airflow_provider_jobs.core.sources.gunzip import is_gzip
from airflow_provider_jobs.core.sources.slices import JoinedSource, joined
from airflow_provider_jobs.core.sources.source import GzipSource, Media, Source
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.lineage.datasets import files
from airflow_provider_jobs.operators.attempts import work_digest, work_digest_before
from airflow_provider_jobs.operators.bigquery.load import _LoadingOperator
from airflow_provider_jobs.operators.files.manifest import ManifestOperator
from airflow_provider_jobs.operators.files.sources import sources_by_place
from airflow_provider_jobs.operators.memory import TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.side_by_side import submit_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import JobRequest, Submission
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset

_TEXT_FORMATS = frozenset({"CSV", "NEWLINE_DELIMITED_JSON"})


class BigQueryUploadOperator(ManifestOperator, _LoadingOperator):
    """Send files of this machine or of any object store to BigQuery, and load them into a table.

    A file of any size is sent with little memory; an interruption costs one question how far BigQuery came,
    also from one attempt of the task to the next. Several files are several jobs, sent side by side, or with
    ``combine`` one job. See the base classes for the other parameters. The result of several jobs holds the
    sums of their numbers, ``job_count``, and ``jobs``, the results of the first 20.

    :param source: A path, a URL such as ``s3://bucket/key``, an ObjectStoragePath, a pattern with ``*``, or a
        list of these.
    :param source_conn_id: The connection of the object store, for URLs.
    :param combine: Send all files as one, in one job: all of them are loaded, or none. For CSV and JSON.
    :param compress: Compress while sending, unless a file is compressed by gzip already. For CSV and JSON.
    :param parallel_uploads: Files to send at a time.
    """

    can_begin_in_trigger = False
    template_fields = (
        "source",
        "source_conn_id",
        "manifest_path",
        "manifest_conn_id",
        *_LoadingOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source: Any,
        source_conn_id: str | None = None,
        combine: bool = False,
        compress: bool = False,
        parallel_uploads: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if parallel_uploads < 1:
            raise ValueError(f"parallel_uploads is {parallel_uploads}: at least 1 is needed")
        self.source = source
        self.source_conn_id = source_conn_id
        self.combine = combine
        self.compress = compress
        self.parallel_uploads = parallel_uploads

    def sent_files(self) -> list[Dataset]:
        """Return the files that are sent."""
        return files(self.source)

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a load job."""
        for parameter in ("combine", "compress"):
            if getattr(self, parameter) and self.source_format not in _TEXT_FORMATS:
                raise ConfigurationError(f"{parameter} clashes with source_format {self.source_format}")
        return self.load_configuration(project, {})

    def requests(self, client: BigQueryClient, context: Context) -> list[JobRequest]:
        """Return the work to submit: a job for each file, or one for all."""
        whole = self.request(client, context)
        sources = sources_by_place(self.source, self.source_conn_id or None)
        if len(sources) > 1 and not self.combine and self.write_disposition != "WRITE_APPEND":
            raise ConfigurationError(
                f"write_disposition {self.write_disposition} clashes with several files: each job would undo "
                "the one before it; combine them, or append"
            )
        works: list[tuple[Any, Source]] = list(sources.items())
        if self.combine:
            # Named by what the DAG says: a file that came since the last attempt makes no second job.
            works = [(self.source, self._combined(whole.body["load"], sources))]
        return [self._with_media(context, whole, *each) for each in works]

    def _combined(self, load: Mapping[str, Any], sources: Mapping[str, Source]) -> JoinedSource:
        encoding = str(load.get("encoding") or "")
        if encoding.upper().startswith(("UTF-16", "UTF-32")):
            raise ConfigurationError(f"combine clashes with the encoding {encoding}")
        form = self._form(load) if self.source_format == "CSV" else CsvForm(quote="")
        return joined(sources, form, encoding)

    @staticmethod
    def _form(load: Mapping[str, Any]) -> CsvForm:
        """Return how BigQuery reads the CSV files.

        https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
        """
        rows = not_negative("skipLeadingRows", load.get("skipLeadingRows"))
        match = str(load.get("sourceColumnMatch") or "").upper()
        if (rows is None and load.get("autodetect")) or (not rows and match == "NAME"):
            what = "sourceColumnMatch NAME" if match == "NAME" else "autodetect"
            raise ConfigurationError(
                f"combine clashes with {what} unless skip_leading_rows says how many header lines each "
                "file has" + ("; 0 if none" if match != "NAME" else "")
            )
        quote = load.get("quote")
        return CsvForm(
            rows=rows or 0,
            quote='"' if quote is None else str(quote),
            delimiter=str(load.get("fieldDelimiter") or ","),
            quoted_line_ends=bool(load.get("allowQuotedNewlines")),
            by_name=match == "NAME" or (match != "POSITION" and bool(load.get("autodetect"))),
        )

    def _with_media(self, context: Context, whole: JobRequest, what: Any, source: Source) -> JobRequest:
        sent = GzipSource(source) if self.compress and not is_gzip(source) else source
        key = f"{whole.key}_{work_digest(context, what, self._since)[:12]}"
        before = whole.key_before and f"{whole.key_before}_{work_digest_before(context, what)[:12]}"
        media = Media(sent, TaskSession(context, key), ProgressLog(self.log, sent.name))
        return replace(whole, key=key, key_before=before, media=media)

    def submissions(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Send the files side by side, and return the jobs that load them."""
        self.check_manifest()
        requests = self.requests(client, context)
        self._tell_work(requests[0].body)
        submissions = submit_each(partial(self._submit, client), requests, self.parallel_uploads)
        for request, submission in zip(requests, submissions, strict=True):
            if request.media and len(requests) > 1:
                self._parts[submission.status.ref.id] = request.media.source.name
        return submissions

    def completed(
        self, client: BigQueryClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses, once the manifest is written."""
        self.write_manifest(context, [self.summary(status) for status in statuses])
        return statuses
