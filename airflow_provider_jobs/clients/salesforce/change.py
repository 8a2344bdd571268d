"""Steps that change something in the org: what to do when the reply to one is lost.

Nothing is repeated blindly: after a lost reply the job is asked for, and decides.
"""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import JOB_TYPES, MOST_DATA_BYTES, job_path
from airflow_provider_jobs.clients.salesforce.replies import (
    ENDED,
    STATES,
    UNFINISHED,
    has_finished,
    job_ref,
    seconds,
)
from airflow_provider_jobs.core.http.messages import listed
from airflow_provider_jobs.core.upload.body import WholeBody
from airflow_provider_jobs.core.wait.single import pause_seconds
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
    UncertainSubmission,
)
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

#: Jobs that are created for the same work: after a lost reply one more.
_CREATES_AT_MOST = 2
#: A job of this very call may look so many seconds older than it: replies tell the org's clock to a second.
_DATE_SECONDS = 2.0
#: Possible orphans that the log names.
_SHOWN_JOBS = 20
#: Pages of the list of jobs that are read in search of them.
_SEARCH_PAGES = 5


def create(api: SalesforceApi, location: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a job; if the reply is lost, tell what may have been made, and create one more.

    No job of the list is taken for ours: a list tells no SOQL.
    """
    api.usage.check(api.limits)
    began, failures = api.timing.now(), 0
    while True:
        try:
            job = api.call("POST", location, body=dict(body), idempotent=False)
            job_ref(job, api.scope, location)  # a reply that names no job is as good as lost
        except JobsError as error:
            if not _lost(error):
                raise
            failures += 1
            log.warning("%s: the job may have been created; it is created twice at most", error)
            _name_orphans(api, location, began)
            if failures == _CREATES_AT_MOST:
                raise UncertainSubmission(
                    f"{error}; this was the second create, so up to two jobs may exist in {api.scope} that "
                    "nobody follows: the log names the candidates; the org's setup lists Bulk Data Load Jobs"
                ) from error
            api.pause(error, failures)
        else:
            return job


def _lost(error: JobsError) -> bool:
    return error.retryable and error.may_have_happened


def _name_orphans(api: SalesforceApi, location: str, began: float) -> None:
    """Log the jobs that were created since, by whomever."""
    kind = location.rpartition("/")[2]
    job_type = JOB_TYPES[kind]
    found = []
    try:
        pages = api.list_job_pages(kind, version=location.partition("/")[0], jobType=job_type)
        for _, page in zip(range(_SEARCH_PAGES), pages, strict=False):
            found += [
                str(job.get("id"))
                for job in listed(page, "records")
                if job.get("jobType", job_type) == job_type
                and (seconds(job.get("createdDate")) or 0.0) >= api.service_time(began) - _DATE_SECONDS
            ]
    except JobsError as error:
        log.warning("the jobs of %s cannot be listed: %s", api.scope, error)
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


def put_data(api: SalesforceApi, ref: JobRef, media: Media) -> None:
    """Send the data of a job, once; again only if the token was rejected, for then none was taken."""
    check_data_size(media)

    def put() -> None:
        with closing(media.source.open()) as reader:
            api.put(f"{job_path(ref)}/batches", WholeBody(reader, media))

    try:
        put()
    except AuthenticationError:
        put()


def close(api: SalesforceApi, ref: JobRef) -> dict[str, Any]:
    """Have a job's data processed; any state but Open means that it is on its way."""
    return _change(api, ref, "PATCH", {"state": "UploadComplete"}, lambda word: word != "Open")


def abort(api: SalesforceApi, ref: JobRef) -> dict[str, Any]:
    """Abort a job, and return it as it is then."""
    return _change(api, ref, "PATCH", {"state": "Aborted"}, lambda word: word in ENDED)


def delete(api: SalesforceApi, ref: JobRef) -> None:
    """Delete a job that has ended; one that is gone is what is wanted."""
    try:
        with suppress(NotFoundError):
            _change(api, ref, "DELETE", None, lambda _: False)
    except ServiceError as error:
        if UNFINISHED not in str(error):
            raise
        text = f"{error} ({ref} has not ended: abort it first)"
        raise ServiceError(text, status=error.status, reason=error.reason) from None


def _change(
    api: SalesforceApi, ref: JobRef, method: str, body: Any, done: Callable[[Any], bool]
) -> dict[str, Any]:
    """Send what changes a job; if the reply is lost, ask for the job, and send it again if need be.

    A reply that does not tell the job's state is as good as lost.

    :param done: Returns True if the change is made, by the job's state.
    """

    def step() -> dict[str, Any]:
        try:
            job = api.call(method, job_path(ref), body=body, idempotent=False)
            if body and not job.get("state"):
                raise ProtocolError(f"the reply to the change of {ref} does not tell its state")
        except JobsError as error:
            if not _lost(error) and not has_finished(error):
                raise
            job = api.get_job(ref)
            if done(job.get("state")):
                return job
            raise  # it is as it was, so the step can be repeated
        else:
            return job

    return api.repeat(step)


def cancel(api: SalesforceApi, ref: JobRef) -> bool:
    """Abort a job, from a signal handler too; return True if there is nothing to stop, since it has ended.

    :raises NotFoundError: Salesforce does not know it: it is gone, or too young.
    """
    state = STATES.get(str(abort(api, api.ref(ref)).get("state")))
    return state in {JobState.SUCCEEDED, JobState.FAILED}


def delete_aborted(api: SalesforceApi, ref: JobRef, timeout_seconds: float) -> bool:
    """See a job end that was told to, and delete it if it is aborted; return False if it is left.

    One that was complete before keeps its results: they may still be wanted.
    """
    began = api.timing.now()
    try:
        while not (status := api.status(ref)).state.ended:
            waited = api.timing.now() - began
            if waited >= timeout_seconds:
                log.warning("%s was aborted, and has not ended: it is not deleted", ref)
                return False
            api.timing.sleep(pause_seconds(waited, 10.0))
        if status.state is JobState.CANCELLED:
            delete(api, ref)
    except NotFoundError:
        return True
    except JobsError as error:
        log.warning("%s was aborted, and could not be deleted: %s", ref, error)
        return False
    return True
