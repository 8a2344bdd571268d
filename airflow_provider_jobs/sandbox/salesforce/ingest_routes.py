"""Ingest jobs: https://developer.salesforce.com/docs/platform/api-asynch/guide/bulk-api-2-0-ingest.html."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import job_resource, read_ingest, whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ABORTED, ENDED, INGEST, OPEN, UPLOAD_COMPLETE, Job
from airflow_provider_jobs.sandbox.salesforce.replies import api_error, wrong_state
from airflow_provider_jobs.sandbox.salesforce.requests import (
    NOT_TERMINATED,
    check_alive,
    check_object,
    check_operation,
    read_state,
)

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.operations import Operation
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

SINCE = 41
MOST_PATCH_BYTES = 64 * 1024


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes of ingest jobs; ``data_routes`` has those that carry records."""
    methods = IngestMethods(service)
    job = "jobs/ingest/{job}"
    patch = PatchEndpoint(
        service.operation("ingest.close", methods.close, SINCE),
        service.operation("ingest.abort", methods.abort, SINCE),
    )
    return [
        service.route("GET", job, "ingest.get", methods.get, SINCE),
        service.route("DELETE", job, "ingest.delete", methods.delete, SINCE),
        Route(f"/services/data/v{{version}}/{job}", patch, methods=["PATCH"], name="salesforce.ingest.patch"),
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
        close_job(self._service, job)
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
        self._service.store.release_data(job)
        shutil.rmtree(self._store.outcome_folder(job), ignore_errors=True)
        return Reply(status=204)


async def make_ingest_job(service: SalesforceState, document: dict[str, Any], version: str) -> Job:
    """Check a new job and take it.

    :raises Refusal: something of it is wrong, or more than is allowed.
    """
    given = read_ingest(document)
    check_operation(service.settings, given["operation"])
    external = given["external_id_field"] or None
    given["object_name"] = await service.ask(
        service.org.check_ingest, given["object_name"], given["operation"], external
    )
    check_object(service.settings, given["object_name"])
    service.limits.check_batches()
    return service.store.add(INGEST, version, service.identity.account.user_id, **given)


def close_job(service: SalesforceState, job: Job) -> None:
    """Queue a job for processing."""
    service.store.change(job, UPLOAD_COMPLETE)
    service.runner.submit(job)
