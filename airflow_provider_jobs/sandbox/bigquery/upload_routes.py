"""Load jobs whose bytes come with them: https://cloud.google.com/bigquery/docs/reference/api-uploads."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import Route

from airflow_provider_jobs.sandbox.bigquery import job_resources
from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, check_project
from airflow_provider_jobs.sandbox.bigquery.jobs_routes import new_job
from airflow_provider_jobs.sandbox.bigquery.media import FOLDER, SERVICE
from airflow_provider_jobs.sandbox.bigquery.validation import check_job, invalid
from airflow_provider_jobs.sandbox.call import MOST_BODY_BYTES, read_object
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.multipart import Multipart, boundary_of
from airflow_provider_jobs.sandbox.uploads.resumable import SECRET_PARAMETER, SessionEndpoint, Sessions

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from airflow_provider_jobs.sandbox.bigquery.jobs import Job
    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.operations import Operation
    from airflow_provider_jobs.sandbox.uploads.book import Upload

PATHS = (
    "/upload/bigquery/v2/projects/{project}/jobs",
    "/resumable/upload/bigquery/v2/projects/{project}/jobs",
)


def routes(service: BigQueryState) -> list[Route]:
    """Give the routes of uploads."""
    methods = UploadMethods(service)
    start = UploadEndpoint(
        service.operation("upload.start", "POST", methods.start),
        service.operation("upload.multipart", "POST", methods.multipart),
    )
    session = SessionEndpoint(
        service.operation("upload.data", "PUT", methods.session),
        service.operation("upload.status", "PUT", methods.session),
    )
    return [
        Route(path, endpoint, methods=[method], name=f"upload.{method}")
        for path in PATHS
        for method, endpoint in (("POST", start), ("PUT", session))
    ]


class UploadEndpoint:
    """The ASGI application of a new upload; ``uploadType`` names its operation."""

    def __init__(self, start: Operation, multipart: Operation) -> None:
        self._start = start
        self._multipart = multipart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        multipart = b"uploadType=multipart" in scope["query_string"].split(b"&")
        await (self._multipart if multipart else self._start)(scope, receive, send)


class UploadMethods:
    """The methods of uploads."""

    def __init__(self, service: BigQueryState) -> None:
        self._service = service
        self._book = service.platform.uploads
        self._sessions = Sessions(service.platform, SERVICE, self._complete)

    async def start(self, call: Call) -> Reply:
        """Open a session for the job that the body describes; its URI is the reply's only content."""
        if call.request.query_params.get("uploadType") != "resumable":
            raise ApiError(
                400, "invalidParameter", "uploadType must be resumable or multipart.", "uploadType"
            )
        project = check_project(call.path("project"))
        document = await call.document()
        details = self._job_details(document, project)
        upload = self._book.start(SERVICE, "resumable", project, call.email, FOLDER, _announced_size(call))
        upload.details = details
        path = PATHS[0].format(project=project)
        query = urlencode({"uploadType": "resumable", SECRET_PARAMETER: self._book.open_session(upload)})
        return Reply(headers={"Location": f"{self._service.platform.url}{path}?{query}"})

    async def session(self, call: Call) -> Reply:
        """Take bytes, or tell how many there are."""
        upload = self._sessions.find(call)
        if upload.target != check_project(call.path("project")):
            raise Refusal(404, "notFound", "There is no such upload session.")
        if upload.account != call.email:
            raise Refusal(
                403, "accessDenied", "Access Denied: the upload session belongs to another account."
            )
        return await self._sessions.take(call, upload)

    async def multipart(self, call: Call) -> Reply:
        """Take a job and its bytes in one request."""
        project = check_project(call.path("project"))
        boundary = boundary_of(call.request.headers.get("content-type", ""), "multipart/related")
        async with Body(call, self._book.threads) as body:
            parts = Multipart(body.blocks(), boundary)
            headers = await parts.next_part()
            if headers is None:
                raise _parts_refusal()
            if not headers.get("content-type", "").lower().startswith("application/json"):
                raise Refusal(400, "badContent", "The job's part must have Content-Type: application/json.")
            details = self._job_details(read_object(await parts.text(MOST_BODY_BYTES)), project)
            if await parts.next_part() is None:
                raise _parts_refusal()
            upload = self._book.start(SERVICE, "multipart", project, call.email, FOLDER)
            upload.details = details
            with self._book.arriving(upload):
                await self._book.fill(upload, parts.content())
                if await parts.next_part() is not None:
                    raise _parts_refusal()
                self._book.complete(upload)
                return await self._complete(call, upload)

    def _job_details(self, document: dict[str, Any], project: str) -> dict[str, Any]:
        """Check a job that shall load an upload; its id is fixed from here on."""
        configuration, reference = check_job(document, project)
        load = configuration.get("load")
        if load is None:
            raise invalid("Only load jobs take an upload.", "configuration")
        if load.get("sourceUris"):
            raise invalid(
                "A load job cannot have both sourceUris and an upload.", "configuration.load.sourceUris"
            )
        reference["jobId"] = reference.get("jobId") or "job_" + secrets.token_urlsafe(21)
        self._service.store.refuse_used(project, reference["jobId"])
        return {
            "configuration": configuration,
            "reference": reference,
            "shown": {"job_id": reference["jobId"]},
        }

    async def _complete(self, call: Call, upload: Upload) -> Reply:
        """Make the job, unless this upload has made it, and answer it.

        :raises Refusal: 404, the job was deleted.
        """
        job, details = self._job_of(upload), upload.details
        if job is None and details.get("made"):
            raise Refusal(404, "notFound", "The job of this upload session was deleted.")
        if job is None:
            job = await new_job(
                self._service,
                call,
                upload.target,
                details["configuration"],
                details["reference"],
                upload.upload_id,
            )
            details["made"] = True
            self._book.write(upload)
        status = self._service.platform.upload_settings.completed_status
        return Reply(job_resources.full(job, self._service.platform.url), status, final=True)

    def _job_of(self, upload: Upload) -> Job | None:
        job = self._service.store.known(upload.target, upload.details["reference"]["jobId"])
        return job if job is not None and job.media == upload.upload_id else None


def _announced_size(call: Call) -> int | None:
    text = call.request.headers.get("x-upload-content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise invalid(f"Invalid X-Upload-Content-Length: {text[:100]!r}.")
    return int(text)


def _parts_refusal() -> Refusal:
    return Refusal(400, "badContent", "A multipart upload has two parts: the job, then the file.")
