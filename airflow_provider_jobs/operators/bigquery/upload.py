"""Files that are sent to BigQuery with the job that loads them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import not_negative
from airflow_provider_jobs.core.sources.slices import JoinedSource, joined
from airflow_provider_jobs.core.sources.source import GzipSource, Media, Source
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.attempts import work_digest, work_digest_before
from airflow_provider_jobs.operators.bigquery.load import _LoadingOperator
from airflow_provider_jobs.operators.files.sources import sources_by_place
from airflow_provider_jobs.operators.memory import TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.side_by_side import submit_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import JobRequest, Submission

_TEXT_FORMATS = frozenset({"CSV", "NEWLINE_DELIMITED_JSON"})


class BigQueryUploadOperator(_LoadingOperator):
    """Send files of this machine or of any object store to BigQuery, and load them into a table.

    A file of any size is sent with little memory; an interruption costs one question how far BigQuery came,
    also from one attempt of the task to the next. Several files are several jobs, sent side by side, or with
    ``combine`` one job. See the base class for the other parameters. The result of several jobs holds
    ``jobs``, the result of each, and the sums of their numbers.

    :param source: A path, a URL such as ``s3://bucket/key``, an ObjectStoragePath, a pattern with ``*``, or a
        list of these.
    :param source_conn_id: The connection of the object store, for URLs.
    :param combine: Send all files as one, in one job: all of them are loaded, or none. For CSV and JSON.
    :param compress: Compress while sending. For CSV and JSON.
    :param parallel_uploads: Files to send at a time.
    """

    can_begin_in_trigger = False
    template_fields = ("source", "source_conn_id", *_LoadingOperator.template_fields)

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
            works = [(self.source, self._combined(whole.body["load"], list(sources.values())))]
        return [self._with_media(context, whole, *each) for each in works]

    def _combined(self, load: Mapping[str, Any], sources: list[Source]) -> JoinedSource:
        encoding = str(load.get("encoding") or "")
        if encoding.upper().startswith(("UTF-16", "UTF-32")):
            raise ConfigurationError(f"combine clashes with the encoding {encoding}")
        if self.source_format != "CSV":
            return joined(sources)
        rows = not_negative("skipLeadingRows", load.get("skipLeadingRows"))
        if rows is None and load.get("autodetect") and len(sources) > 1:
            raise ConfigurationError(
                "combine clashes with autodetect unless skip_leading_rows says how many header lines each "
                "file has; 0 if none"
            )
        quote, delimiter = load.get("quote"), load.get("fieldDelimiter")
        return joined(sources, rows or 0, '"' if quote is None else str(quote), str(delimiter or ","))

    def _with_media(self, context: Context, whole: JobRequest, what: Any, source: Source) -> JobRequest:
        sent = GzipSource(source) if self.compress else source
        key = f"{whole.key}_{work_digest(context, what, self._since)[:12]}"
        before = whole.key_before and f"{whole.key_before}_{work_digest_before(context, what)[:12]}"
        media = Media(sent, TaskSession(context, key), ProgressLog(self.log, sent.name))
        return replace(whole, key=key, key_before=before, media=media)

    def submissions(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Send the files side by side, and return the jobs that load them."""
        requests = self.requests(client, context)
        self._tell_work(requests[0].body)
        submissions = submit_each(partial(self._submit, client), requests, self.parallel_uploads)
        for request, submission in zip(requests, submissions, strict=True):
            if request.media and len(requests) > 1:
                self._parts[submission.status.ref.id] = request.media.source.name
        return submissions
