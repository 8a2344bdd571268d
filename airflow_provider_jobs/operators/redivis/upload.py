"""Files of this machine or of an object store, sent to a table of Redivis."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.fields import upload_fields
from airflow_provider_jobs.clients.redivis.names import path_name, upload_name, writable_table
from airflow_provider_jobs.clients.redivis.prepare import CREATABLE, Preparation, prepare
from airflow_provider_jobs.clients.redivis.replies import Expected, checked_status
from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.jobs import JobState, JobStatus
from airflow_provider_jobs.lineage.datasets import files, redivis_data
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.operators.endings import failure
from airflow_provider_jobs.operators.files.manifest import ManifestOperator
from airflow_provider_jobs.operators.files.sources import sources_of
from airflow_provider_jobs.operators.memory import TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.redivis.job import RedivisOperator
from airflow_provider_jobs.operators.side_by_side import submit_each

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.core.sources.source import Source
    from airflow_provider_jobs.core.work import Submission


def creatable(create_missing: bool | str | Collection[str]) -> frozenset[str]:
    """Return what may be created: all, or what is named; a template may have made text of True."""
    if isinstance(create_missing, str):
        create_missing = bool(truth(create_missing, "create_missing"))
    return CREATABLE if create_missing is True else frozenset(create_missing or ())


class RedivisUploadOperator(ManifestOperator, RedivisOperator):
    """Send files of this machine or of any object store to a table of Redivis.

    An upload's name is its key: a retry finds what an earlier attempt made, and what is there with the same
    bytes is not sent again. A file of any size is sent with little memory; an interruption costs one question
    how far Redivis came, also from one attempt of the task to the next. Several files go side by side.

    The result is a dict: ``job_id`` (the upload's uri), ``table``, ``name``, ``state``, ``row_count``,
    ``size_bytes``, ``hash``, ``bad_record_count``, ``duration_seconds`` from the submission to the end unless
    an earlier attempt had made it; of several files ``job_id``, ``table``, ``state``, sums, ``upload_count``
    and ``uploads``, a list of such of the first 20.

    :param source: A path, a URL such as ``s3://bucket/key``, an ObjectStoragePath, a pattern with ``*``, or a
        list of these.
    :param table: ``owner.dataset:next.table``; ``:next`` may be left out before the first release.
    :param upload_name: The upload's name; default is the file's. For one file.
    :param source_conn_id: The connection of the object store, for URLs.
    :param file_type: ``delimited``, ``parquet``, ``ndjson`` and so on; Redivis goes by the file's name if not
        given.
    :param has_header_row: The first row holds the names of the variables.
    :param delimiter: Between fields; Redivis finds it if not given.
    :param null_markers: What stands for no value.
    :param skip_bad_records: Leave out rows that cannot be read; otherwise they fail the task.
    :param options: More fields of the API's Upload, as it names them.
    :param on_conflict: If the table has another upload of that name: ``fail``, ``skip`` (leave it),
        ``replace`` it, or ``rename`` this one.
    :param merge_strategy: ``append`` to the rows of the version before, or ``replace`` them; default leaves
        the table's.
    :param create_missing: True, or some of ``dataset``, ``version`` and ``table``.
    :param owner_type: ``organization`` or ``user``: whose a new dataset is.
    :param dataset_options: More fields of a new dataset, such as ``publicAccessLevel``.
    :param expected_row_count: Fail if the upload has another number of rows. Not with ``wait=False``, which
        compares nothing.
    :param session_bytes: From this size on a file is sent through a session, which can be resumed; default
        32 MiB.
    :param flow: ``temporary`` uploads, or the ``original`` way of the API.
    :param parallel_uploads: Files to send at a time.
    """

    template_fields = (
        "source",
        "table",
        "upload_name",
        "source_conn_id",
        "null_markers",
        "options",
        "create_missing",
        "dataset_options",
        "expected_row_count",
        "manifest_path",
        "manifest_conn_id",
        *RedivisOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source: Any,
        table: str,
        upload_name: str | None = None,
        source_conn_id: str | None = None,
        file_type: str | None = None,
        has_header_row: bool | None = None,
        delimiter: str | None = None,
        null_markers: Sequence[str] | None = None,
        skip_bad_records: bool | None = None,
        options: Mapping[str, Any] | None = None,
        on_conflict: str = "fail",
        merge_strategy: str | None = None,
        create_missing: bool | Collection[str] = False,
        owner_type: str = "organization",
        dataset_options: Mapping[str, Any] | None = None,
        expected_row_count: int | str | None = None,
        session_bytes: int | None = None,
        flow: str = "temporary",
        parallel_uploads: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if parallel_uploads < 1:
            raise ValueError(f"parallel_uploads is {parallel_uploads}: at least 1 is needed")
        if expected_row_count is not None and expected_row_count != "" and not self.wait:
            raise ValueError("expected_row_count clashes with wait=False, which compares nothing")
        self.source = source
        self.table = table
        self.upload_name = upload_name
        self.source_conn_id = source_conn_id
        self.file_type = file_type
        self.has_header_row = has_header_row
        self.delimiter = delimiter
        self.null_markers = null_markers
        self.skip_bad_records = skip_bad_records
        self.options = options
        self.on_conflict = on_conflict
        self.merge_strategy = merge_strategy
        self.create_missing = create_missing
        self.owner_type = owner_type
        self.dataset_options = dataset_options
        self.expected_row_count = expected_row_count
        self.session_bytes = session_bytes
        self.flow = flow
        self.parallel_uploads = parallel_uploads

    def requests(self, context: Context) -> list[UploadRequest]:
        """Return the work to submit, one request for each file; sends nothing.

        :raises ConfigurationError: a parameter is wrong, or two clash.
        """
        table = str(writable_table(self.table))
        fields = self._fields()
        how: dict[str, Any] = {"on_conflict": self.on_conflict, "flow": self.flow}
        if self.session_bytes is not None:
            how["session_bytes"] = self.session_bytes
        sources = sources_of(self.source, self.source_conn_id or None)
        names = self._names(sources)
        rows = self._row_count(len(sources))
        return [
            UploadRequest(
                scope=table,
                key=name,
                body=fields,
                media=Media(source, TaskSession(context, f"{table}/{name}"), ProgressLog(self.log, name)),
                row_count=rows,
                first=self.is_first(context),
                on_created=lambda ref: self._follow([ref]),
                **how,
            )
            for source, name in zip(sources, names, strict=True)
        ]

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return what is sent, and where to, for the log."""
        return "upload", super().work_of({"table": self.table, "source": str(self.source), **body})[1]

    def preparation(self) -> Preparation:
        """Return what has to be there before bytes are sent, checked."""
        return Preparation(
            create=creatable(self.create_missing),
            owner_type=self.owner_type,
            dataset_fields=self.dataset_options or {},
            merge_strategy=self.merge_strategy,
            replacing=self.on_conflict == "replace",
        )

    def submissions(self, client: RedivisClient, context: Context) -> list[Submission]:
        """See to the table, send the files side by side, and return their uploads."""
        self.check_manifest()
        requests, preparation = self.requests(context), self.preparation()
        prepare(client, self.table, preparation)
        submissions: list[Submission]
        submissions = submit_each(partial(self._submit, client), requests, self.parallel_uploads)
        self._carried["expected"] = {
            each.status.ref.id: each.expected.to_json()
            for each in submissions
            if isinstance(each, UploadSubmission) and each.expected
        }
        return submissions

    def planned(self) -> Trace:
        """Return the files that are sent."""
        return Trace(tuple(files(self.source)))

    def traced(self, client: RedivisClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return the files that were sent, and the table that has their rows."""
        told = self.summary_of(statuses)
        table = redivis_data(client.host, self.table)
        written = replace(table, row_count=told.get("row_count"), size_bytes=told.get("size_bytes"))
        trace = replace(self.planned(), outputs=(written,))
        return trace.of_job(several.joined_ids([each.ref for each in statuses]), self.service)

    def completed(
        self, client: RedivisClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses, once each upload is what was sent.

        :raises JobFailed: one is not.
        """
        statuses = self._checked(client, statuses, self._carried)
        self.write_manifest(context, [self.summary(status) for status in statuses])
        return statuses

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose uploads are what was sent."""
        return super().xcoms(client, cls._checked(client, statuses, carried), carried)

    @classmethod
    def _checked(
        cls, client: RedivisClient, statuses: list[JobStatus], carried: Mapping[str, Any]
    ) -> list[JobStatus]:
        expected = {uri: Expected(**each) for uri, each in carried.get("expected", {}).items()}
        shared = carried.get("shared", ())
        statuses = [
            checked_status(each, expected.get(each.ref.id), ours=each.ref.id not in shared)
            for each in statuses
        ]
        if several.state_of(statuses) is not JobState.SUCCEEDED:
            raise failure(client, statuses, cls.together)
        return statuses

    def _fields(self) -> dict[str, Any]:
        markers = self.null_markers
        given = {
            "type": self.file_type,
            "hasHeaderRow": self.has_header_row,
            "delimiter": self.delimiter,
            "nullMarkers": [markers] if isinstance(markers, str) else markers,
            "skipBadRecords": self.skip_bad_records,
        }
        return upload_fields(given, self.options)

    def _names(self, sources: Sequence[Source]) -> list[str]:
        if self.upload_name and len(sources) > 1:
            raise ConfigurationError(f"upload_name clashes with source, which names {len(sources)} files")
        names = [upload_name(self.upload_name)] if self.upload_name else [each.name for each in sources]
        addresses: dict[str, str] = {}
        for name in names:
            if other := addresses.get(path_name(name)):
                raise ConfigurationError(
                    f"source names two files whose uploads are one: {other}, {name}; send them by tasks of "
                    "their own, with an upload_name each"
                )
            addresses[path_name(name)] = name
        return names

    def _row_count(self, files: int) -> int | None:
        if self.expected_row_count is None or self.expected_row_count == "":
            return None
        count = number(self.expected_row_count)
        if count is None or count < 0:
            raise ConfigurationError(f"expected_row_count is {self.expected_row_count!r}: it is a number")
        if files > 1:
            raise ConfigurationError(f"expected_row_count clashes with source, which names {files} files")
        return count
