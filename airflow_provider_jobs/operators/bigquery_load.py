"""Load jobs: of files that are in Cloud Storage already, and of files that are sent along."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery_configuration import (
    gcs_uris,
    not_negative,
    table_reference,
    table_schema,
    with_options,
)
from airflow_provider_jobs.clients.bigquery_joint import joint_status
from airflow_provider_jobs.core.jobs import JobRequest, Submission
from airflow_provider_jobs.core.joined import JoinedSource, joined
from airflow_provider_jobs.core.streams import GzipSource, Media, Source
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.base import work_digest
from airflow_provider_jobs.operators.bigquery_job import BigQueryJobOperator, Table
from airflow_provider_jobs.operators.sources import sources_by_place
from airflow_provider_jobs.operators.submissions import submit_each
from airflow_provider_jobs.operators.upload_session import ProgressLog, TaskSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery import BigQueryClient

_TEXT_FORMATS = frozenset({"CSV", "NEWLINE_DELIMITED_JSON"})


class _LoadingOperator(BigQueryJobOperator):
    """What both load operators share.

    :param destination_table: ``project.dataset.table`` or ``dataset.table``.
    :param schema: The API's fields, ``[{"name": …, "type": …, "mode": …}]``; or a .json file of them.
    :param autodetect: Let BigQuery find the schema in the files.
    :param source_format: ``CSV``, ``NEWLINE_DELIMITED_JSON``, ``PARQUET``, ``AVRO``, ``ORC``,
        ``DATASTORE_BACKUP``.
    :param write_disposition: ``WRITE_APPEND``, ``WRITE_TRUNCATE`` or ``WRITE_EMPTY``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param skip_leading_rows: Header lines of each CSV file; 0 loses nothing.
    :param field_delimiter: Of CSV; default is a comma.
    :param max_bad_records: Rows that may be wrong before the job fails.
    :param options: More fields of the API's JobConfigurationLoad, as it names them.
    """

    template_fields = ("destination_table", "schema", "options", *BigQueryJobOperator.template_fields)
    template_ext: Sequence[str] = (".json",)
    file_fields = ("schema",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"schema": "json"}

    def __init__(
        self,
        *,
        destination_table: Table,
        schema: Sequence[Mapping[str, Any]] | str | None = None,
        autodetect: bool | None = None,
        source_format: str = "CSV",
        write_disposition: str = "WRITE_APPEND",
        create_disposition: str | None = None,
        skip_leading_rows: int | None = None,
        field_delimiter: str | None = None,
        max_bad_records: int | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination_table = destination_table
        self.schema = schema
        self.autodetect = autodetect
        self.source_format = source_format
        self.write_disposition = write_disposition
        self.create_disposition = create_disposition
        self.skip_leading_rows = skip_leading_rows
        self.field_delimiter = field_delimiter
        self.max_bad_records = max_bad_records
        self.options = options

    def load_configuration(self, project: str, source: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a load job.

        :param source: The fields that say where the bytes are.
        :raises ConfigurationError: parameters are wrong or clash.
        """
        if self.schema and self.autodetect:
            raise ConfigurationError("schema clashes with autodetect: give one of them")
        csv_only(self, self.source_format, "source_format", "skip_leading_rows", "field_delimiter")
        fields = {
            **source,
            "destinationTable": table_reference(self.destination_table, project, "destination_table"),
            "schema": {"fields": table_schema(self.schema, "schema")} if self.schema else None,
            "autodetect": self.autodetect,
            "sourceFormat": self.source_format,
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "skipLeadingRows": not_negative("skip_leading_rows", self.skip_leading_rows),
            "fieldDelimiter": self.field_delimiter,
            "maxBadRecords": not_negative("max_bad_records", self.max_bad_records),
        }
        return {"load": with_options(fields, self.options)}


class BigQueryLoadOperator(_LoadingOperator):
    """Load files from Cloud Storage into a table; see the base class for the other parameters.

    :param source_uris: ``gs://bucket/object``, one or several; an object may hold one ``*``.
    """

    template_fields = ("source_uris", *_LoadingOperator.template_fields)

    def __init__(self, *, source_uris: str | Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source_uris = source_uris

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a load job."""
        return self.load_configuration(project, {"sourceUris": gcs_uris(self.source_uris, "source_uris")})


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
        return [replace(whole, **self._upload(context, whole, *each)) for each in works]

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

    def _upload(self, context: Context, whole: JobRequest, what: Any, source: Source) -> dict[str, Any]:
        media = GzipSource(source) if self.compress else source
        key = f"{whole.key}_{work_digest(context, what)[:12]}"
        session = TaskSession(context, key)
        return {"key": key, "media": Media(media, session, ProgressLog(self.log, media.name))}

    def _run(self, client: Any, context: Context) -> Any:
        requests = self.requests(client, context)
        submissions = submit_each(partial(self._submit, client), requests, self.parallel_uploads)
        status = joint_status(None, [each.status for each in submissions])
        # One that has succeeded cannot turn out to be cancelled by an earlier attempt.
        adopted = any(each.adopted and not each.status.state.ended for each in submissions)
        return self._follow(client, context, Submission(status, adopted))

    def _submit(self, client: BigQueryClient, request: JobRequest) -> Submission:
        self._check_killed()
        submission = client.submit(request)
        ref = submission.status.ref
        self._refs.append(ref)  # at once, so that the end of the task can cancel it
        if request.media:
            self.log.info("%s is loaded by %s", request.media.source.name, ref)
        self._cancel_if_killed(ref)
        return submission


def csv_only(operator: Any, file_format: str, format_parameter: str, *parameters: str) -> None:
    """Refuse parameters that only CSV has.

    :raises ConfigurationError: one is given with another format.
    """
    for parameter in parameters:
        if file_format != "CSV" and getattr(operator, parameter) is not None:
            raise ConfigurationError(
                f"{parameter} clashes with {format_parameter} {file_format}: it is for CSV"
            )
