"""The part of Redivis's REST API that fills tables: uploads, and the versions that they go into.

Source: https://docs.redivis.com/api/rest-api
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from airflow_provider_jobs.clients.redivis.fields import upload_fields
from airflow_provider_jobs.clients.redivis.names import (
    TableReference,
    checked_uri,
    dataset_reference,
    table_reference,
)
from airflow_provider_jobs.clients.redivis.release import (
    RELEASE_AFTER,
    ReleaseRequest,
    release_once,
    release_status,
)
from airflow_provider_jobs.clients.redivis.replies import check_good, gone_status, parse_json, upload_status
from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission, submit_once
from airflow_provider_jobs.clients.redivis.transfer import Transfers
from airflow_provider_jobs.clients.redivis.watch import TableUploads, joint_status
from airflow_provider_jobs.core.http.messages import Reply, Request, check_url
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.several import for_each, parts
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.core.wait.listing import Listing
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError, ProtocolError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.work import JobRequest, Submission

T = TypeVar("T")

log = logging.getLogger(__name__)

_HOW = ("on_conflict", "flow", "session_bytes")

ENDPOINT = "https://redivis.com/api/v1"


class RedivisClient:
    """Speaks to Redivis for one connection; safe to share between threads.

    Methods named as the API's own take and return the API's own JSON. ``submit``, ``status``, ``status_many``
    and ``cancel`` are what the engine asks of every service. Tables are ``owner.dataset:next.table``.

    :param endpoint: The API's address, ``/api/v1`` included.
    :param storage_token: Send the token to foreign storage hosts unasked.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        endpoint: str = ENDPOINT,
        storage_token: bool = False,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._transport = transport
        self._base = check_url(endpoint).rstrip("/")
        self._retry = retry or RetryPolicy()
        self._said: set[str] = set()
        self._many = Listing(
            TableUploads(list_pages=self.list_upload_pages, ask=self.status, parse=self.read)
        )
        self.transfers = Transfers(transport, self._base, storage_token=storage_token)

    # https://docs.redivis.com/api/rest-api/uploads/post
    def create_upload(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an upload; sent once, since a repetition could make a second one.

        :param fields: Of the API's Upload; ``tempUploadId`` names bytes that were sent before.
        """
        return self._call("POST", f"{table_reference(table).path}/uploads", body=fields, idempotent=False)

    def put_upload(self, table: str, content: Any, name: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a file and create its upload, or adopt what is there of it.

        :param content: A path, bytes, an open binary file, or a source.
        :param options: ``on_conflict``, ``flow``, ``session_bytes``, as the upload request has them; the
            rest are fields of the API's Upload.
        :raises ConflictError: the table has another upload of that name.
        """
        how = {key: options.pop(key) for key in _HOW if key in options}
        body = upload_fields({}, options)
        source = source_of(content, body.get("type"))
        media = Media(source)
        request = UploadRequest(table, name or source.name, body, media=media, **how)
        return self.get_upload_at(self.submit_upload(request).status.ref.id)

    # https://docs.redivis.com/api/rest-api/uploads/get
    def get_upload(self, table: str, name: str) -> dict[str, Any]:
        """Return an upload.

        :raises NotFoundError: there is none of that name, or it is not shown.
        """
        return self._call("GET", table_reference(table).upload_path(name))

    def get_upload_at(self, uri: str) -> dict[str, Any]:
        """Return the upload of a ``uri``."""
        return self._call("GET", checked_uri(uri))

    def upload_exists(self, table: str, name: str) -> bool:
        """Return whether there is an upload of that name."""
        try:
            self._call("HEAD", table_reference(table).upload_path(name))
        except NotFoundError:
            return False
        return True

    def find_upload(self, table: TableReference, name: str) -> dict[str, Any] | None:
        """Return what is at the address of an upload's name, None if nothing is."""
        return _found(lambda: self._call("GET", table.upload_path(name)))

    # https://docs.redivis.com/api/rest-api/uploads/list
    def list_uploads(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the uploads of a table.

        :param filters: The API's ``maxResults`` (uploads a page) and ``pageToken``.
        """
        for page in self.list_upload_pages(table, **filters):
            yield from page.get("results") or []

    def list_upload_pages(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list of uploads."""
        while True:
            page = self._call("GET", f"{table_reference(table).path}/uploads", params=filters)
            yield page
            token = page.get("nextPageToken")
            if token and token == filters.get("pageToken"):
                raise ProtocolError("the list of uploads answered with the page token that it was asked with")
            if not token:
                return
            filters["pageToken"] = token

    # https://docs.redivis.com/api/rest-api/uploads/delete
    def delete_upload(self, table: str, name: str) -> None:
        """Delete an upload, and the rows that it brought; harmless if there is none."""
        self.delete_upload_at(table_reference(table).upload_path(name))

    def delete_upload_at(self, uri: str) -> None:
        """Delete the upload of a ``uri``; harmless if it is gone."""
        _found(lambda: self._call("DELETE", checked_uri(uri)))

    # https://docs.redivis.com/api/rest-api/datasets
    def get_dataset(self, dataset: str) -> dict[str, Any]:
        """Return a dataset, as the version that is named shows it."""
        return self._call("GET", dataset_reference(dataset).path)

    def find_dataset(self, dataset: str) -> dict[str, Any] | None:
        """Return a dataset, None if there is none to see."""
        return _found(lambda: self.get_dataset(dataset))

    def create_dataset(
        self, owner: str, fields: Mapping[str, Any], *, owner_type: str = "organization"
    ) -> dict[str, Any]:
        """Create a dataset of an ``organization`` or a ``user``."""
        path = f"/{owner_type}s/{quote(owner, safe='')}/datasets"
        return self._call("POST", path, body=fields, idempotent=False)

    # https://docs.redivis.com/api/rest-api/tables
    def get_table(self, table: str) -> dict[str, Any]:
        """Return a table."""
        return self._call("GET", table_reference(table).path)

    def find_table(self, table: str) -> dict[str, Any] | None:
        """Return a table, None if there is none to see."""
        return _found(lambda: self.get_table(table))

    def create_table(self, dataset: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table in an unreleased version of a dataset."""
        path = f"{dataset_reference(dataset).path}/tables"
        return self._call("POST", path, body=fields, idempotent=False)

    def update_table(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of a table, such as ``uploadMergeStrategy``."""
        return self._call("PATCH", table_reference(table).path, body=fields)

    # https://docs.redivis.com/api/rest-api/versions
    def create_version(self, dataset: str) -> dict[str, Any]:
        """Open the next version of a dataset; sent once."""
        return self._call("POST", f"{dataset_reference(dataset).path}/versions", idempotent=False)

    def release_version(self, dataset: str, release_notes: str | None = None) -> dict[str, Any]:
        """Release the next version of a dataset; sent once, and may run on after the reply."""
        path = f"{dataset_reference(dataset).path}/versions/next/release"
        body = {"releaseNotes": release_notes} if release_notes else {}
        return self._call("POST", path, body=body, idempotent=False)

    def submit(self, request: JobRequest) -> Submission:
        """Do the work once: send a file and create its upload, or release a version; or adopt what is done.

        :raises ServiceError: Redivis refused.
        """
        if isinstance(request, UploadRequest):
            return self.submit_upload(request)
        if isinstance(request, ReleaseRequest):
            return release_once(self, request)
        raise ConfigurationError(f"Redivis takes no {type(request).__name__}")

    def submit_upload(self, request: UploadRequest) -> UploadSubmission:
        """Send a file and create its upload, or adopt what is there; says what the upload has to be."""
        return submit_once(self, request)

    def status(self, ref: JobRef) -> JobStatus:
        """Return how an upload, or a release, is doing; one that is gone counts as cancelled."""
        return joint_status(ref, [self.single_status(part) for part in parts(ref)])

    def single_status(self, ref: JobRef) -> JobStatus:
        """Return how one upload, or a release, is doing."""
        if ref.id.startswith(RELEASE_AFTER):
            return release_status(self.get_dataset(ref.scope), ref)
        found = _found(lambda: self.get_upload_at(ref.id))
        return gone_status(ref) if found is None else self.read(found, ref)

    def status_many(self, refs: Sequence[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        """Return how many uploads are doing, in few requests; each failure stands for one job."""
        return self._many.statuses(refs)

    def read(self, upload: Mapping[str, Any], ref: JobRef) -> JobStatus:
        """Return our reading of an upload; a word that is not known is told once."""
        status = upload_status(upload, ref.scope, ref)
        if status.state is JobState.RUNNING and status.vendor_state != "running":
            self._say(f"an upload is {status.vendor_state!r}, which is not known: it counts as running")
        return status

    def failing_statement(self, status: JobStatus) -> str | None:  # noqa: ARG002 - others have statements
        """Return None: an upload has no parts."""
        return None

    def cancel(self, ref: JobRef) -> None:
        """Delete an upload that is under way; leave alone one that has ended, and releases."""
        for_each([] if ref.id.startswith(RELEASE_AFTER) else parts(ref), self._cancel_single)

    def _cancel_single(self, ref: JobRef) -> None:
        if not self.single_status(ref).state.ended:
            self.delete_upload_at(ref.id)

    def repeat(self, step: Callable[[], T]) -> T:
        """Take a step that looks before it acts, again and again as the retry policy allows."""
        return self._retry.call(
            step,
            timing=self._transport.timing,
            on_retry=lambda error, delay: log.warning("%s; looking again in %.1f s", error, delay),
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = True,
    ) -> dict[str, Any]:
        request = Request(method, self._base + path, params or {}, body, idempotent)
        return self._transport.call(request, self._parse_head if method == "HEAD" else self._parse)

    def _parse(self, reply: Reply) -> dict[str, Any]:
        if warning := reply.headers.get("X-REDIVIS-WARNING"):
            self._say(f"Redivis warns: {warning[:500]}")
        return parse_json(reply)

    def _parse_head(self, reply: Reply) -> dict[str, Any]:
        check_good(reply)
        return {}

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < 1000:  # noqa: PLR2004 - memory stays flat
            self._said.add(text)
            log.warning("%s", text)


def _found(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return ask()
    except NotFoundError:
        return None
