"""Redivis for one connection: uploads from their first byte to their end, and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.api import ENDPOINT, RedivisApi
from airflow_provider_jobs.clients.redivis.fields import upload_fields
from airflow_provider_jobs.clients.redivis.names import upload_uri
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest, release_once
from airflow_provider_jobs.clients.redivis.replies import RELEASE_AFTER
from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission, submit_once
from airflow_provider_jobs.clients.redivis.transfer import Transfers
from airflow_provider_jobs.clients.redivis.watch import TableUploads
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.core.wait.job_list import ASK_SECONDS, LIST_SECONDS, looking
from airflow_provider_jobs.core.wait.listing import Listing
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.work import JobRequest, Submission, Tell
    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus

#: Options of an upload that are not fields of the API's Upload.
_HOW = ("on_conflict", "flow", "session_bytes")


class RedivisClient(RedivisApi):
    """Speaks to Redivis for one connection; safe to share between threads.

    Single requests, and the other parameters, are those of :class:`.RedivisApi`. ``submit``, ``status``,
    ``status_many`` and ``cancel`` are what the engine asks of every service.

    :param transport: Sends the requests, with the token: see :class:`.Transport`.
    :param storage_token: Send the token to storage on other hosts than the API's.
    """

    def __init__(
        self, transport: Transport, *, endpoint: str = ENDPOINT, storage_token: bool = False
    ) -> None:
        super().__init__(transport, endpoint=endpoint)
        self.transfers = Transfers(transport, self._base, storage_token=storage_token)
        self._many = Listing(
            TableUploads(
                list_pages=looking(self, LIST_SECONDS).list_upload_pages,
                ask=looking(self, ASK_SECONDS).status,
                parse=self.read,
                timing=transport.timing,
            )
        )

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
        request = UploadRequest(table, name or source.name, body, media=Media(source), **how)
        return self.get_upload_at(self.submit_upload(request).status.ref.id)

    def submit(self, request: JobRequest) -> Submission:
        """Send a file and create its upload, or release a version, once: what is done already is adopted."""
        if isinstance(request, UploadRequest):
            return self.submit_upload(request)
        if isinstance(request, ReleaseRequest):
            return release_once(self, request)
        raise ConfigurationError(f"Redivis does not take a {type(request).__name__}")

    def submit_upload(self, request: UploadRequest) -> UploadSubmission:
        """Send a file and create its upload, or adopt what is there; says what the upload has to be."""
        return submit_once(self, self.transfers, request)

    def status_many(
        self, refs: Sequence[JobRef], tell: Tell | None = None
    ) -> dict[JobRef, JobStatus | JobsError]:
        """Return how many uploads are doing, in few requests; each failure stands for one job."""
        return self._many.statuses(refs, tell)

    def failing_statement(self, status: JobStatus) -> str | None:
        """Return None: an upload has no parts."""
        return None

    def cancel(self, ref: JobRef) -> bool:
        """Delete an upload that is under way; return True if it has ended, or is a release: these are left.

        :raises NotFoundError: Redivis does not show it: it is gone, or too young.
        """
        if ref.id.startswith(RELEASE_AFTER) or self.read(self.get_upload_at(ref.id), ref).state.ended:
            return True
        self._call("DELETE", upload_uri(ref.id))  # not found does not mean that it is gone
        return False
