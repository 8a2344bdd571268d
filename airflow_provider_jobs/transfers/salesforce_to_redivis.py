"""Salesforce to a table of Redivis: a query's results become one upload, whose name is the window's.

Redivis wants to know how long an upload is before its first byte, and only all pages of a query tell. So the
results are read once to count them, into a file on the worker's disk; those that are too large for that are
read again while they are sent.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.fields import upload_fields
from airflow_provider_jobs.clients.redivis.names import writable_table
from airflow_provider_jobs.clients.redivis.prepare import Preparation, check_there, find_table, prepare
from airflow_provider_jobs.clients.redivis.replies import Expected, checked_status
from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission
from airflow_provider_jobs.clients.redivis.transfer import SESSION_BYTES
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.clients.salesforce.results.places import StreamProgress
from airflow_provider_jobs.clients.salesforce.results.stream import SPOOL_PAGES
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, Media
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import NotFoundError, ProtocolError, SourceChanged
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.lineage.datasets import redivis_data
from airflow_provider_jobs.links.redivis import RedivisTableLink
from airflow_provider_jobs.links.transfers import TransferJobLink
from airflow_provider_jobs.operators.memory import TaskMemory, TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.redivis.job import RedivisTask
from airflow_provider_jobs.operators.redivis.upload import creatable
from airflow_provider_jobs.operators.salesforce.job import SalesforceTask
from airflow_provider_jobs.transfers.redivis_uploads import ObjectUpload, object_uploads, why_not_replace
from airflow_provider_jobs.transfers.salesforce_asset import AssetMarkedTransfer, compact
from airflow_provider_jobs.transfers.salesforce_source import QUERY
from airflow_provider_jobs.transfers.salesforce_window import FULL, Mark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.clients.salesforce.results.stream import ResultPart, ResultStream
    from airflow_provider_jobs.core.sources.source import Reader
    from airflow_provider_jobs.lineage.datasets import Dataset
    from airflow_provider_jobs.transfers.salesforce_reading import Described, Reading, Span

#: The stage after the query: results are sent, and Redivis reads them.
UPLOAD = "upload"
#: Results up to this size are kept on disk between the reading that counts them and the sending.
SPOOL_BYTES = 1024**3
#: An object of the storage behind Redivis: https://cloud.google.com/storage/quotas#objects
_MOST_BYTES = 5 * 1024**4
#: How Salesforce writes CSV; its values may hold line ends.
_FORM = {
    "type": "delimited",
    "hasHeaderRow": True,
    "delimiter": ",",
    "quoteCharacter": '"',
    "escapeCharacter": '"',
    "hasQuotedNewlines": True,
}
_SPOOLED = "results.csv"


class SalesforceToRedivisOperator(AssetMarkedTransfer):
    """Copy records of a Salesforce object into a table of Redivis, all of them or those that have changed.

    Mode ``full`` replaces the table's rows in the next version: those of the version before, and those of
    uploads of the object that read until no later. The other modes append change rows, each with Id,
    SystemModstamp and IsDeleted where the object has them: of each Id the latest counts. Release the version
    by a :class:`.RedivisReleaseOperator`.

    The upload's name is its key: ``OBJECT-LOWER-UPPER.csv``, such as
    ``Account-20261130T010000Z-20261130T020000Z.csv``, of a full run ``OBJECT-UPPER.csv``. A window whose
    upload is there is not sent again. Rows are counted at every station: if Redivis has another number of
    rows than Salesforce, the task fails.

    The result is a dict: ``object``, ``mode``, ``operation``, ``window``, ``mark_before``, ``mark_after``,
    ``record_count`` (read), ``table``, ``name`` of the upload (None if nothing has changed: there is none
    then), ``row_count``, ``size_bytes``, ``replaced`` (earlier uploads that were deleted), ``seconds`` and
    ``job_ids`` of each stage.

    :param table: ``owner.dataset:next.table``; ``:next`` may be left out before the first release. Of one
        object.
    :param redivis_conn_id: A connection of type ``redivis``.
    :param options: More fields of the API's Upload, such as ``nullMarkers``.
    :param on_conflict: If the table has another upload of that name, which an explicit window may meet:
        ``fail`` or ``replace``.
    :param create_missing: True, or some of ``dataset``, ``version`` and ``table``.
    :param owner_type: ``organization`` or ``user``: whose a new dataset is.
    :param dataset_options: More fields of a new dataset, such as ``publicAccessLevel``.
    :param session_bytes: From this size on results are sent through a session, which can be resumed; default
        32 MiB.
    :param spool_bytes: Results up to this size are on the worker's disk while they are sent; default 1 GiB.
        Larger ones are read from Salesforce twice.
    :param spool_pages: Pages on the worker's disk at most, besides.
    """

    operator_extra_links = (TransferJobLink(), RedivisTableLink())
    template_fields: Sequence[str] = (
        *("table", "options", "create_missing", "dataset_options", "redivis_conn_id"),
        *AssetMarkedTransfer.template_fields,
    )
    ui_color = "#d5c8e8"

    def __init__(
        self,
        *,
        table: str,
        redivis_conn_id: str = RedivisHook.default_conn_name,
        options: Mapping[str, Any] | None = None,
        on_conflict: str = "fail",
        create_missing: bool | Collection[str] = False,
        owner_type: str = "organization",
        dataset_options: Mapping[str, Any] | None = None,
        session_bytes: int = SESSION_BYTES,
        spool_bytes: int = SPOOL_BYTES,
        spool_pages: int = SPOOL_PAGES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_conflict not in ("fail", "replace"):
            raise ValueError(f"on_conflict is {on_conflict!r}: it is fail or replace")
        self.table = table
        self.redivis_conn_id = redivis_conn_id
        self.options = options
        self.on_conflict = on_conflict
        self.create_missing = create_missing
        self.owner_type = owner_type
        self.dataset_options = dataset_options
        self.session_bytes = session_bytes
        self.spool_bytes = spool_bytes
        self.spool_pages = spool_pages

    # Which service a stage is of.

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook of the stage's service."""
        if self.stage == QUERY:
            return {SalesforceHook.conn_name_attr: self.salesforce_conn_id}
        return {RedivisHook.conn_name_attr: self.redivis_conn_id}

    def client(self) -> Any:
        """Return the client of the stage's service."""
        return (SalesforceHook if self.stage == QUERY else RedivisHook)(**self.hook_args()).get_conn()

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about the job of a stage."""
        of_salesforce = status.ref.service == SalesforceTask.service
        return (SalesforceTask if of_salesforce else RedivisTask).summary(status)

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the query, or what is sent where to, for the log."""
        kind, text = super().work_of(body if self.stage == QUERY else {"table": self.table, **body})
        return (kind if self.stage == QUERY else UPLOAD), text

    # Before anything is read.

    def target_mark(self, context: Context) -> Mark:
        """Return the mark that the run before has left; that of a table which is gone tells nothing."""
        mark = super().target_mark(context)
        if mark.at and "table" not in self.marked_for():
            return Mark(None, f"there is no table {self.table}")
        return mark

    def marked_for(self) -> dict[str, str]:
        """Return what a mark is of; ``table`` is the table's id, which another of its name does not have."""
        found = find_table(RedivisHook(self.redivis_conn_id).get_conn(), self.table)
        table = {"table": str(found.get("referenceId") or self.table)} if found else {}
        return {**super().marked_for(), **table}

    def still_fits(self, context: Context, span: Span) -> bool:
        """Return False of a full run that another has overtaken: it would take later records away."""
        if span.mode != FULL or span.synced_to is None:
            return super().still_fits(context, span)
        mark = self.target_mark(context).at
        return mark in {None, span.mark} or mark <= span.synced_to

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the table can take what is read; nothing is made yet.

        :raises ConfigurationError: it cannot.
        """
        super().check_target(context, described, reading)
        self._request(reading, 0)  # its words
        wanted = self._preparation()
        check_there(RedivisHook(self.redivis_conn_id).get_conn(), self.table, wanted.create)

    # The stages.

    def submissions(self, client: Any, context: Context) -> Sequence[Submission]:
        """Submit the job of the stage, or adopt that of an earlier attempt."""
        self._carried["since"] = time.time()
        return self.query(client, context) if self.stage == QUERY else [self._send(client, context)]

    def following(
        self, client: Any, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Return the upload after the query; of the upload, whether it is what was sent."""
        if self.stage == UPLOAD:
            statuses = [checked_status(each, Expected(**self._carried["expected"])) for each in statuses]
        if several.state_of(statuses) is not JobState.SUCCEEDED:
            return statuses, ()
        self.note(statuses)
        if self.stage == QUERY:
            self._carried["read"] = statuses[0].ref.to_json()
            return statuses, () if self.nothing_to_take(statuses[0]) else self.begin(UPLOAD, context)
        self._carried["upload"] = statuses[0].statistics
        if self.reading.span.mode != FULL:
            return statuses, ()
        return [self._replace(client, context, statuses[0])], ()

    def completed(self, client: Any, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses; the mark moves, since all of it is there."""
        self.keep_mark(context)
        return statuses

    def result(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what was read, and the upload that it has become."""
        upload = self._carried.get("upload", {})
        return {
            **self.told(),
            "table": str(writable_table(self.table)),
            "name": upload.get("name"),
            "row_count": upload.get("row_count") or 0,
            "size_bytes": upload.get("size_bytes") or 0,
            "replaced": self._carried.get("replaced", 0),
        }

    def target_dataset(self) -> Dataset:
        """Return the table, with the rows of the upload."""
        upload = self._carried.get("upload", {})
        table = redivis_data(RedivisHook(self.redivis_conn_id).get_conn().host, self.table)
        return replace(table, row_count=upload.get("row_count"), size_bytes=upload.get("size_bytes"))

    def _send(self, client: RedivisClient, context: Context) -> Submission:
        """Send the query's results as one upload; or return that of an earlier attempt."""
        ref = JobRef.from_json(self._carried["read"])
        memory = TaskMemory(context, "salesforce_transfer_upload", [ref.id, self.table], self._since)
        kept = memory.recall() or {}
        if kept.get("upload") and (adopted := self._adopted(client, kept)):
            return adopted
        progress = StreamProgress.from_json(kept["progress"]) if kept.get("progress") else None
        self._prepare(client)
        sink = LocalSink(tempfile.gettempdir())
        try:
            with self.source_client().stream_results(
                ref,
                sink,
                spool_pages=self.spool_pages,
                part_bytes=_MOST_BYTES,
                progress=progress,
                on_progress=lambda progress: memory.remember({"progress": progress.to_json()}),
            ) as stream:
                submission = self._send_all(client, context, stream)
        except (ProtocolError, SourceChanged):  # a retry begins anew, and not at a place in other pages
            memory.forget()
            raise
        finally:
            sink.clear()
        expected = submission.expected.to_json() if submission.expected else None
        self._carried["expected"] = expected
        memory.remember({"upload": submission.status.ref.to_json(), "expected": expected})
        return submission

    def _adopted(self, client: RedivisClient, kept: Mapping[str, Any]) -> Submission | None:
        status = client.status(JobRef.from_json(kept["upload"]))
        if status.state in {JobState.FAILED, JobState.CANCELLED}:
            return None
        self._carried["expected"] = kept["expected"]
        return Submission(status, adopted=True)

    def _send_all(self, client: RedivisClient, context: Context, stream: ResultStream) -> UploadSubmission:
        """Send what is one part, however large."""
        sink, submissions = LocalSink(tempfile.gettempdir()), []
        try:
            for part in stream.parts():
                source = _Counted(part, sink, self.spool_bytes)
                request = self._request(self.reading, stream.total)
                session = TaskSession(context, f"{request.scope}/{request.key}")
                media = Media(source, session, ProgressLog(self.log, request.key))
                request = replace(request, media=media, first=self.is_first(context))
                submissions.append(self._submit(client, request))
        finally:
            sink.clear()
        [submission] = submissions
        if not isinstance(submission, UploadSubmission):
            raise TypeError("Redivis's client submits uploads")
        return submission

    # The table.

    def _request(self, reading: Reading, rows: int) -> UploadRequest:
        """Return the upload, without its bytes."""
        span = reading.span
        since = f"-{compact(span.window.start)}" if span.window else ""
        return UploadRequest(
            scope=str(writable_table(self.table)),
            key=f"{reading.object_name}{since}-{compact(span.end)}.csv",
            body=upload_fields(_FORM, self.options),
            on_conflict=self.on_conflict,
            session_bytes=self.session_bytes,
            row_count=rows,
        )

    def _preparation(self) -> Preparation:
        return Preparation(
            create=creatable(self.create_missing),
            owner_type=self.owner_type,
            dataset_fields=self.dataset_options or {},
        )

    def _prepare(self, client: RedivisClient) -> None:
        """See to the table: the rows of the version before stay in it until a full upload has come whole."""
        prepare(client, self.table, self._preparation())
        # What a full run has replaced in this version does not come back; a failed one has replaced nothing.
        if not any(each.full and each.status != "failed" for each in self._uploads(client)):
            prepare(client, self.table, Preparation(merge_strategy="append"))

    def _uploads(self, client: RedivisClient) -> list[ObjectUpload]:
        """Return the uploads of the object in this version; none if it was released meanwhile."""
        with suppress(NotFoundError):
            return list(object_uploads(client, self.table, self.reading.object_name))
        return []

    def _replace(self, client: RedivisClient, context: Context, status: JobStatus) -> JobStatus:
        """Let a full upload replace the table's rows; return its status, failed if it is too late for that.

        Of this version go the uploads of the object that read until no later.
        """
        kept, end, uploads = status.statistics["name"], compact(self.reading.span.end), self._uploads(client)
        overtaken = not self.still_fits(context, self.reading.span)
        if problem := why_not_replace(kept, end, uploads, overtaken=overtaken):
            self.kept_run(self.source_client(), context).forget()
            if any(each.name == kept for each in uploads):
                client.delete_upload(self.table, kept)
            return replace(status, state=JobState.FAILED, problem=problem, retryable=True)
        prepare(client, self.table, Preparation(merge_strategy="replace"))
        earlier = [each.name for each in uploads if each.name != kept and each.until <= end]
        for name in earlier:
            self.log.info("%s of %s is deleted, since %s has its records", name, self.table, kept)
            client.delete_upload(self.table, name)
        self._carried["replaced"] = len(earlier)
        return status


class _Counted:
    """A query's results as a source that knows its size, since they were read once.

    :param most_bytes: Up to so many they are kept in a draft, and sent from there.
    """

    def __init__(self, part: ResultPart, sink: LocalSink, most_bytes: int) -> None:
        self.name = part.name
        self.fingerprint = part.fingerprint
        self._part = part
        self._sink = sink
        self._is_kept = not part.is_counted and self._keep(most_bytes)
        self.size = part.end.size_bytes

    def open(self, offset: int = 0) -> Reader:
        """Return a reader of the rest from an offset on."""
        if not self._is_kept:
            return self._part.open(offset)
        file = self._sink.read(_SPOOLED)
        file.seek(offset)
        return file

    def check(self) -> None:
        """See that all records were found."""
        self._part.check()

    def _keep(self, most_bytes: int) -> bool:
        size = 0
        with closing(self._part.open()) as reader, self._sink.begin(_SPOOLED) as file:
            while block := reader.read(BLOCK_BYTES):
                size += len(block)
                if size <= most_bytes:
                    file.write(block)
                else:
                    file.truncate(0)
        return size <= most_bytes
