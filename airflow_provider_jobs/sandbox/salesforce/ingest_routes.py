"""Ingest jobs, the records on their way into them, and what became of these.

See https://developer.salesforce.com/docs/platform/api-asynch/guide/bulk-api-2-0-ingest.html.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_provider_jobs.sandbox.call import MOST_BODY_BYTES, read_object
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import job_resource, read_ingest, whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ABORTED, ENDED, INGEST, OPEN, UPLOAD_COMPLETE, Job
from airflow_provider_jobs.sandbox.salesforce.org import DELIMITERS
from airflow_provider_jobs.sandbox.salesforce.pages import csv_headers, file_reply
from airflow_provider_jobs.sandbox.salesforce.replies import api_error, bad, missing, wrong_state
from airflow_provider_jobs.sandbox.salesforce.requests import (
    NOT_TERMINATED,
    check_alive,
    check_media_type,
    check_object,
    check_operation,
    read_document,
    read_state,
)
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.multipart import Multipart, boundary_of, field_name

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.operations import Operation
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState
    from airflow_provider_jobs.sandbox.uploads.book import Upload

SINCE = 41
MOST_PATCH_BYTES = 64 * 1024
SERVICE, FOLDER = "salesforce", "salesforce/data"
MOST_DATA_BYTES = 100 * 1024 * 1024
MOST_PART_CHARACTERS = 100_000
MOST_HEADER_BYTES = 64 * 1024
FORM = "multipart/form-data"
NEW_COLUMNS = {"successfulresults": ("sf__Id", "sf__Created"), "failedresults": ("sf__Id", "sf__Error")}
UNPROCESSED = "unprocessedrecords"


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes of ingest jobs."""
    methods = IngestMethods(service)
    job = "jobs/ingest/{job}"
    patch = PatchEndpoint(
        service.operation("ingest.close", methods.close, SINCE),
        service.operation("ingest.abort", methods.abort, SINCE),
    )
    return [
        service.route("POST", "jobs/ingest", "ingest.create", methods.create, SINCE),
        service.route("GET", job, "ingest.get", methods.get, SINCE),
        service.route("DELETE", job, "ingest.delete", methods.delete, SINCE),
        Route(f"/services/data/v{{version}}/{job}", patch, methods=["PATCH"], name="salesforce.ingest.patch"),
        *service.both("PUT", f"{job}/batches", "ingest.data", methods.put, SINCE),
        *service.both("GET", f"{job}/{{results}}", "ingest.results", methods.results, SINCE),
    ]


class PatchEndpoint:
    """The ASGI application of a change of state; its body names the operation."""

    def __init__(self, close: Operation, abort: Operation) -> None:
        self._close = close
        self._abort = abort

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        messages, body = [], b""
        while True:
            messages.append(await receive())
            body += messages[-1].get("body", b"")
            if not messages[-1].get("more_body", False) or len(body) > MOST_PATCH_BYTES:
                break
        waiting = iter(messages)

        async def again() -> Message:
            message = next(waiting, None)
            return await receive() if message is None else message

        await (self._abort if _asks_for(body, ABORTED) else self._close)(scope, again, send)


def _asks_for(body: bytes, state: str) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("state") == state


class IngestMethods:
    """The methods of ingest jobs."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._store = service.store
        self._settings = service.settings
        self._book = service.platform.uploads

    async def get(self, call: Call) -> Reply:
        """Give a job."""
        job = self._store.find(INGEST, call.path("job"))
        reply = Reply(whole_job(job, self._settings.api_version_type))
        self._store.look(job)
        return reply

    async def close(self, call: Call) -> Reply:
        """Say that all data is there; processing begins."""
        job = self._store.find(INGEST, call.path("job"))
        await read_state(call, UPLOAD_COMPLETE, ABORTED)
        check_alive(job, "Closing")
        if job.state != OPEN:
            raise wrong_state(f"Closing a Job that is {job.state} is not allowed")
        self._close(job)
        return Reply(job_resource(job, self._settings.api_version_type))

    async def abort(self, call: Call) -> Reply:
        """Stop a job; the reply already says so."""
        job = self._store.find(INGEST, call.path("job"))
        await read_state(call, ABORTED)
        check_alive(job, "Aborting")
        self._service.runner.abort(job)
        resource = job_resource(job, self._settings.api_version_type)
        resource.pop("contentUrl", None)
        return Reply(resource | {"state": ABORTED})

    async def delete(self, call: Call) -> Reply:
        """Forget a job, its data and what became of it; the records stay."""
        job = self._store.find(INGEST, call.path("job"))
        if job.state not in ENDED | {UPLOAD_COMPLETE}:
            raise api_error(NOT_TERMINATED)
        job.ended.set()  # in case it still waits for its turn
        self._store.remove(job)
        self._store.release_data(job)
        shutil.rmtree(self._store.outcome_folder(job), ignore_errors=True)
        return Reply(status=204)

    async def create(self, call: Call) -> Reply:
        """Make a job; one that comes with its data is closed at once."""
        if call.media_type == FORM:
            job = await self._create_with_data(call)
        else:
            job = await self._make(call, await read_document(call))
        return Reply(job_resource(job, self._settings.api_version_type))

    async def _make(self, call: Call, document: dict[str, Any]) -> Job:
        """Check a new job and take it.

        :raises Refusal: something of it is wrong, or more than is allowed.
        """
        service, given = self._service, read_ingest(document)
        check_operation(service.settings, given["operation"])
        external = given["external_id_field"] or None
        given["object_name"] = await service.ask(
            service.org.check_ingest, given["object_name"], given["operation"], external
        )
        check_object(service.settings, given["object_name"])
        service.limits.check_batches()
        return service.store.add(INGEST, call.path("version"), service.identity.account.user_id, **given)

    def _close(self, job: Job) -> None:
        """Queue a job for processing."""
        self._store.change(job, UPLOAD_COMPLETE)
        self._service.runner.submit(job)

    async def _create_with_data(self, call: Call) -> Job:
        boundary = boundary_of(call.request.headers.get("content-type", ""), FORM)
        async with Body(call, self._book.threads) as body:
            parts = Multipart(body.blocks(), boundary)
            document = read_object(await _part(parts, "job"))
            content = await _part(parts, "content")
            if await parts.next_part() is not None:
                raise _parts_refusal()
        if len(content.decode("utf-8", "replace")) > MOST_PART_CHARACTERS:
            message = f"The content part has more than {MOST_PART_CHARACTERS} characters."
            raise Refusal(413, "uploadTooLarge", message)
        job = await self._make(call, document)
        upload = self._start(call, job, "multipart", len(content))
        self._book.path(upload).write_bytes(content)
        upload.requests, upload.stored, upload.bytes_received = 1, len(content), len(content)
        self._complete(job, upload)
        self._close(job)
        return job

    async def put(self, call: Call) -> Reply:
        """Take the data of a job, all at once."""
        job = self._store.find(INGEST, call.path("job"))
        check_media_type(call, "text/csv")
        self._check_open(job)
        async with Body(call, self._book.threads) as body:
            if body.length is not None and body.length > MOST_DATA_BYTES:
                raise _too_large()
            upload = self._start(call, job, "plain", body.length)
            with self._book.arriving(upload):
                await self._book.pour(upload, body, MOST_DATA_BYTES + 1)
                if upload.stored > MOST_DATA_BYTES:
                    raise _too_large()
                self._check_open(job)  # another request may have been faster
        self._complete(job, upload)
        return Reply(status=201)

    def _check_open(self, job: Job) -> None:
        if job.state != OPEN:
            raise wrong_state(f"Data is taken while the job is {OPEN}; it is {job.state}")
        if job.data:
            message = (
                f"Found multiple contents for job: <{job.job_id}>, please 'Close' / 'Abort' / 'Delete' the "
                "current Job then create a new Job and make sure you only do 'PUT' once on a given Job."
            )
            raise bad("CLIENT_INPUT_ERROR", message)

    def _start(self, call: Call, job: Job, kind: str, length: int | None) -> Upload:
        return self._book.start(SERVICE, kind, job.job_id, call.email, FOLDER, length)

    def _complete(self, job: Job, upload: Upload) -> None:
        self._book.complete(upload)
        job.data = upload.upload_id
        self._store.keep(job)

    async def results(self, call: Call) -> Reply:
        """Give what became of the records; names in either case."""
        job, kind = self._store.find(INGEST, call.path("job")), call.path("results").lower()
        if kind not in {*NEW_COLUMNS, UNPROCESSED}:
            raise missing()
        if job.state not in ENDED or job.executing:
            raise wrong_state(f"Results are there when the job has ended; it is {job.state}")
        if kind in job.outcome:
            return file_reply(call, self._store.outcome_folder(job) / job.outcome[kind], self._settings)
        data = self._store.data_path(job)
        if kind == UNPROCESSED and data is not None:  # nothing was processed
            return file_reply(call, data, self._settings)
        header = b"" if data is None else _header_of(data, job.line_ending)
        new = "".join(f'"{name}"{DELIMITERS[job.delimiter]}' for name in NEW_COLUMNS.get(kind, ()))
        return Reply(headers=csv_headers(self._settings), content=new.encode() + header)


def _header_of(data: Path, line_ending: str) -> bytes:
    with data.open("rb") as file:
        line = file.readline(MOST_HEADER_BYTES)
    return line.rstrip(b"\r\n") + (b"\r\n" if line_ending == "CRLF" else b"\n")


async def _part(parts: Multipart, name: str) -> bytes:
    headers = await parts.next_part()
    if headers is None or field_name(headers) != name:
        raise _parts_refusal()
    return await parts.text(MOST_BODY_BYTES)


def _parts_refusal() -> Refusal:
    return Refusal(400, "badContent", "The body has two parts, named job and content, in this order.")


def _too_large() -> Refusal:
    message = f"The data of a job has at most {MOST_DATA_BYTES} bytes."
    return Refusal(413, "uploadTooLarge", message)
