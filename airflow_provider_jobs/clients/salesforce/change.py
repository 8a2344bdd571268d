"""Steps that change something in the org: what to do when the reply to one is lost.

Nothing is repeated blindly: after a lost reply the job is asked for, and decides.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import MOST_DATA_BYTES, job_path
from airflow_provider_jobs.clients.salesforce.replies import ENDED, has_finished, has_not_finished, seconds
from airflow_provider_jobs.core.several import for_each
from airflow_provider_jobs.core.upload.body import WholeBody
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    ServiceError,
    UncertainSubmission,
)
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

#: Two clocks may differ by so many seconds.
_SKEW_SECONDS = 60.0
#: Possible orphans that the log names.
_SHOWN_JOBS = 20
#: Pages of the list of jobs that are read in search of them.
_SEARCH_PAGES = 5
#: Between SIGTERM and SIGKILL a task has 5 seconds.
_ABORTS_AT_A_TIME = 8
_CONFLICT = 400


def create(client: SalesforceClient, location: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a job; if the reply is lost, tell what may have been made, and create one more.

    No job of the list is taken for ours: a list tells no SOQL.
    """
    _check_usage(client)
    began = client.timing.now()
    try:
        return client.call("POST", location, body=dict(body), idempotent=False)
    except JobsError as error:
        if not _lost(error):
            raise
        log.warning("%s: the job may have been created; one more is created at most", error)
        _name_orphans(client, location, began)
        client.pause(error, 1)
    try:
        return client.call("POST", location, body=dict(body), idempotent=False)
    except JobsError as error:
        if not _lost(error):
            raise
        _name_orphans(client, location, began)
        raise UncertainSubmission(
            f"{error}; this was the second create, so up to two jobs may exist in {client.scope} that "
            "nobody follows: the log names the candidates; the org's setup lists Bulk Data Load Jobs"
        ) from error


def _lost(error: JobsError) -> bool:
    return error.retryable and error.may_have_happened


def _check_usage(client: SalesforceClient) -> None:
    usage = client.usage
    if usage.limit is not None and not usage.fresh:
        client.limits()  # any reply tells
    usage.check()


def _name_orphans(client: SalesforceClient, location: str, began: float) -> None:
    """Log the jobs that were created since, by whomever."""
    kind = location.rpartition("/")[2]
    job_type = {"query": "V2Query", "ingest": "V2Ingest"}[kind]
    found = []
    try:
        pages = client.list_job_pages(kind, version=location.partition("/")[0], jobType=job_type)
        for _, page in zip(range(_SEARCH_PAGES), pages, strict=False):
            found += [
                str(job.get("id"))
                for job in page.get("records") or []
                if job.get("jobType", job_type) == job_type
                and (seconds(job.get("createdDate")) or 0.0) >= began - _SKEW_SECONDS
            ]
    except JobsError as error:
        log.warning("the jobs of %s cannot be listed: %s", client.scope, error)
        return
    more = f" and {len(found) - _SHOWN_JOBS} more" if len(found) > _SHOWN_JOBS else ""
    names = ", ".join(found[:_SHOWN_JOBS]) + more
    log.warning("jobs created since, of which one may be an orphan: %s", names or "none is listed yet")


def check_data_size(media: Media) -> None:
    """See that data fits into one job.

    :raises ConfigurationError: there is too much of it, or nobody knows.
    """
    size = media.source.size
    if size is None or size > MOST_DATA_BYTES:
        raise ConfigurationError(
            f"{media.source.name} has {'an unknown number of' if size is None else size} bytes, and an "
            f"ingest job takes {MOST_DATA_BYTES}: split it"
        )


def put_data(client: SalesforceClient, ref: JobRef, media: Media) -> None:
    """Send the data of a job, once; again only if the token was rejected, for then none was taken."""
    check_data_size(media)
    path = f"{job_path(ref)}/batches"
    try:
        with closing(media.source.open()) as reader:
            client.put(path, WholeBody(reader, media))
    except AuthenticationError:
        with closing(media.source.open()) as reader:
            client.put(path, WholeBody(reader, media))


def close(client: SalesforceClient, ref: JobRef) -> dict[str, Any]:
    """Have a job's data processed; any state but Open means that it is on its way."""
    return _patch(client, ref, "UploadComplete", lambda word: word != "Open")


def abort(client: SalesforceClient, ref: JobRef) -> dict[str, Any]:
    """Abort a job, and return it as it is then."""
    return _patch(client, ref, "Aborted", lambda word: word in ENDED)


def _patch(client: SalesforceClient, ref: JobRef, state: str, done: Any) -> dict[str, Any]:
    def step() -> dict[str, Any]:
        try:
            return client.call("PATCH", job_path(ref), body={"state": state}, idempotent=False)
        except JobsError as error:
            if not _lost(error) and not has_finished(error):
                raise
            job = client.get_job(ref)
            if done(job.get("state")):
                return job
            raise  # it is as it was, so the step can be repeated

    return client.repeat(step)


def delete(client: SalesforceClient, ref: JobRef) -> None:
    """Delete a job that has ended; one that is gone is what is wanted."""

    def step() -> None:
        try:
            client.call("DELETE", job_path(ref), idempotent=False)
        except NotFoundError:
            return
        except JobsError as error:
            if has_not_finished(error):
                raise _unfinished(ref, error) from None
            if not _lost(error):
                raise
            try:
                client.get_job(ref)
            except NotFoundError:
                return
            raise

    client.repeat(step)


def _unfinished(ref: JobRef, error: JobsError) -> ServiceError:
    status = error.status if isinstance(error, ServiceError) else _CONFLICT
    return ServiceError(f"{error} ({ref} has not ended: abort it first)", status=status, reason="API_ERROR")


def cancel(client: SalesforceClient, refs: Sequence[JobRef]) -> None:
    """Abort jobs, several at a time and the newest first; those that have ended or are gone are left alone.

    The caller may be a signal handler that has seconds left, and holds whatever lock its thread held before:
    so it takes its turn as each of the threads does.

    :raises JobsError: the first failure, once all have had their turn.
    """
    turns = iter(refs[::-1])  # all threads take from it
    failures: list[JobsError] = []

    def take_turns() -> None:
        try:
            for_each(turns, partial(_abort_if_there, client))
        except JobsError as error:
            failures.append(error)

    threads = [
        threading.Thread(target=take_turns, name="salesforce-abort", daemon=True)
        for _ in refs[1:_ABORTS_AT_A_TIME]
    ]
    for thread in threads:
        thread.start()
    take_turns()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _abort_if_there(client: SalesforceClient, ref: JobRef) -> None:
    with suppress(NotFoundError):
        abort(client, client.ref(ref))


def discard(client: SalesforceClient, refs: Sequence[JobRef], timeout_seconds: float) -> bool:
    """Abort jobs, see them end, delete those that are aborted; return False if one of them is left.

    One that was complete before keeps its results: they may still be wanted.
    """
    cancel(client, refs)
    until = client.timing.now() + timeout_seconds
    ended = [_delete_when_aborted(client, ref, until) for ref in refs]
    return all(ended)


def _delete_when_aborted(client: SalesforceClient, ref: JobRef, until: float) -> bool:
    pause = 0.5
    try:
        while not (status := client.single_status(ref)).state.ended:
            if client.timing.now() >= until:
                log.warning("%s was aborted, and has not ended: it is not deleted", ref)
                return False
            client.timing.sleep(pause)
            pause = min(pause * 2, 10.0)
        if status.state is JobState.CANCELLED:
            delete(client, ref)
    except NotFoundError:
        return True
    except JobsError as error:
        log.warning("%s was aborted, and could not be deleted: %s", ref, error)
        return False
    return True
