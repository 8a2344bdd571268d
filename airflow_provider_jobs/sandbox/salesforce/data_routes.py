"""Records on their way into ingest jobs, and what became of them.

See https://developer.salesforce.com/docs/platform/api-asynch/guide/upload-job-data.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.call import MOST_BODY_BYTES, read_object
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.ingest_routes import SINCE, close_job, make_ingest_job
from airflow_provider_jobs.sandbox.salesforce.job_fields import job_resource
from airflow_provider_jobs.sandbox.salesforce.jobs import ENDED, INGEST, OPEN, Job
from airflow_provider_jobs.sandbox.salesforce.org import DELIMITERS
from airflow_provider_jobs.sandbox.salesforce.pages import csv_headers, file_reply
from airflow_provider_jobs.sandbox.salesforce.replies import bad, missing, wrong_state
from airflow_provider_jobs.sandbox.salesforce.requests import check_media_type, read_document
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.multipart import Multipart, boundary_of, field_name

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState
    from airflow_provider_jobs.sandbox.uploads.book import Upload

SERVICE, FOLDER = "salesforce", "salesforce/data"
MOST_DATA_BYTES = 100 * 1024 * 1024
MOST_PART_CHARACTERS = 100_000
MOST_HEADER_BYTES = 64 * 1024
FORM = "multipart/form-data"
NEW_COLUMNS = {"successfulresults": ("sf__Id", "sf__Created"), "failedresults": ("sf__Id", "sf__Error")}
UNPROCESSED = "unprocessedrecords"


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes."""
    methods = DataMethods(service)
    data, results = "jobs/ingest/{job}/batches", "jobs/ingest/{job}/{results}"
    return [
        service.route("POST", "jobs/ingest", "ingest.create", methods.create, SINCE),
        *(service.route("PUT", data + end, "ingest.data", methods.put, SINCE) for end in ("", "/")),
        *(service.route("GET", results + end, "ingest.results", methods.results, SINCE) for end in ("", "/")),
    ]


class DataMethods:
    """The methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._store = service.store
        self._settings = service.settings
        self._book = service.platform.uploads

    async def create(self, call: Call) -> Reply:
        """Make a job; one that comes with its data is closed at once."""
        if call.media_type == FORM:
            job = await self._create_with_data(call)
        else:
            job = await make_ingest_job(self._service, await read_document(call), call.path("version"))
        return Reply(job_resource(job, self._settings.api_version_type))

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
        job = await make_ingest_job(self._service, document, call.path("version"))
        upload = self._start(call, job, "multipart", len(content))
        self._book.path(upload).write_bytes(content)
        upload.requests, upload.stored, upload.bytes_received = 1, len(content), len(content)
        self._complete(job, upload)
        close_job(self._service, job)
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
        data = self._service.store.data_path(job)
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
