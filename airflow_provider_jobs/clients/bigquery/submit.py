"""One piece of work, one job: whatever was lost, killed or answered twice on the way.

BigQuery lets the caller choose a job's id and refuses one that it has seen, so asking again is safe.
Source: https://cloud.google.com/bigquery/docs/running-jobs#generate-jobid
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import check_job_id
from airflow_provider_jobs.clients.bigquery.replies import job_ref, job_status, listed_jobs
from airflow_provider_jobs.clients.bigquery.upload import in_one_request
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.wait.single import GRACE_SECONDS
from airflow_provider_jobs.core.work import JobRequest, Submission, truth
from airflow_provider_jobs.errors import (
    ConfigurationError,
    ConflictError,
    JobsError,
    NotFoundError,
    OutageError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.clients.bigquery.api import BigQueryApi
    from airflow_provider_jobs.clients.bigquery.upload import BigQueryUploads

log = logging.getLogger(__name__)

#: Failed jobs of one piece of work that a retry passes over before it gives up.
MAX_ATTEMPTS = 100
#: The label that says which attempt of a task has made a job; the first has none.
TRY_LABEL = "airflow-try"
#: The beginning of a list of all jobs there are, in seconds since 1970, on whatever clock.
_EVER = 1_000_000_000.0
#: The service's clock is known to a second, so that what was made in the second before may look made since.
_DATE_SECONDS = 2.0
#: Jobs a page, and pages at most, when a job of unknown location is looked for.
_SEARCH_PAGE_JOBS, _SEARCH_PAGES = 1000, 20
#: For a job that was accepted and does not show up yet.
_GRACE = RetryPolicy(attempts=100, total_seconds=GRACE_SECONDS, base_seconds=0.2, cap_seconds=5.0)
_WORTH_ADOPTING = frozenset({JobState.PENDING, JobState.RUNNING, JobState.SUCCEEDED})


def submit_once(api: BigQueryUploads, request: JobRequest) -> Submission:
    """Start the work's job, or adopt the one that an earlier attempt started.

    Ids are the request's key and a number. An id that is taken is looked at: a job that runs or has
    succeeded is this work; one that failed, was cancelled or is somebody else's is passed over. One that this
    very call has made is this work however it ended.
    A dry run makes no job: its status has no id.

    :raises ServiceError: BigQuery refused the job.
    :raises OutageError: a later attempt has made the job: this one is over.
    """
    if truth(request.body.get("dryRun"), "configuration.dryRun"):
        return Submission(_dry_run(api, request), adopted=False)
    if request.key_before and (status := _made_before(api, request, request.key_before)):
        return Submission(status, adopted=True)
    for reference in _references(request, request.key):
        began, sent = api.timing.now(), False
        # Known before bytes are sent in vain; at first, the insert itself says so of a few of them, or none.
        asks = request.media and not (request.first and in_one_request(request.media))
        job = _known(api, reference, request.not_before) if asks else None
        if job is None:
            try:
                return Submission(job_status(_start(api, reference, request)), adopted=False)
            except ConflictError as error:  # taken: by an earlier attempt, or by this one, its reply lost
                sent = error.may_have_happened
                job = _taken(api, reference)
            except JobsError as error:
                if not error.may_have_happened:
                    raise
                sent, job = True, _made_after_all(api, reference, request.not_before, error)
        status = job_status(job)
        made_now = sent and _created_since(api, status, began - _DATE_SECONDS)
        if made_now or (_is_ours(api, request, job, status) and status.state in _WORTH_ADOPTING):
            if request.media:
                request.media.memory.forget()  # the upload is over
            return Submission(status, adopted=not made_now)
    raise JobsError(f"{MAX_ATTEMPTS} jobs of the id {request.key}_… failed before this one")


def was_submitted(api: BigQueryApi, request: JobRequest) -> bool:
    """Return True if there is a job of the work, whatever has become of it, wherever it is.

    That of a run which was deleted, and made again under the same name, is another work's.

    :raises ConfigurationError: nobody can say: it may be in any location, and its account may not list jobs,
        or there are too many.
    :raises OutageError: a later attempt has made the job: this one is over.
    :raises ProtocolError: BigQuery could not see a location, which may have it.
    """
    keys = [check_job_id(key) for key in (request.key, request.key_before) if key]
    return any(_was_made(api, request, key) for key in keys)


def _was_made(api: BigQueryApi, request: JobRequest, key: str) -> bool:
    for reference in _references(request, key):
        job = api.find_job(reference)
        if job is None:
            break
        if _is_ours(api, request, job, job_status(job)):
            return True
    if request.location or request.first:
        return False
    bounded = request.not_before and not _is_untold(api, request)
    try:
        return _is_listed(api, key, request.scope, api.service_time(request.not_before) if bounded else None)
    except ServiceError as error:
        if error.retryable:
            raise
        raise ConfigurationError(
            f"whether an earlier attempt has made a job of the id {key}_… cannot be found out: "
            f"it may be in any location, and jobs cannot be listed: give location ({error})"
        ) from error


def _is_listed(api: BigQueryApi, key: str, project: str, since: float | None) -> bool:
    """Return True if a list shows a job of this key; an error if it does not show all jobs there are."""
    hidden: set[str] = set()
    for number, page in enumerate(_listed(api, project, since)):
        if number == _SEARCH_PAGES:
            raise ConfigurationError(
                f"whether an earlier attempt has made a job of the id {key}_… cannot be found out: it may be "
                f"in any location, and there are more than {_SEARCH_PAGES * _SEARCH_PAGE_JOBS} jobs to look "
                "through: give location"
            )
        for _, job_id, _job in listed_jobs(page):
            beginning, _, attempt = job_id.rpartition("_")
            if beginning == key and attempt.isdecimal():
                return True
        unseen = page.get("unreachable")
        hidden.update(map(str, unseen if isinstance(unseen, list) else ()))
    if hidden:
        raise ProtocolError(f"jobs.list could not see {', '.join(sorted(hidden))}")
    return False


def _references(request: JobRequest, key: str) -> Iterator[dict[str, str]]:
    location = {"location": request.location} if request.location else {}
    for number in range(MAX_ATTEMPTS):
        yield {"projectId": request.scope, "jobId": f"{key}_{number}", **location}


def _made_before(api: BigQueryApi, request: JobRequest, key: str) -> JobStatus | None:
    """Return the job that the version before has made of this work, if it is worth adopting."""
    for reference in _references(request, key):
        job = _known(api, reference, request.not_before)
        if job is None:
            return None
        status = job_status(job)
        if _is_ours(api, request, job, status) and status.state in _WORTH_ADOPTING:
            return status
    return None


def _is_ours(api: BigQueryApi, request: JobRequest, job: Mapping[str, Any], status: JobStatus) -> bool:
    """Return True if another attempt at this work has made the job.

    :raises OutageError: a later one has, so that this one is over.
    """
    maker = (job["configuration"].get("labels") or {}).get(TRY_LABEL, "") if "configuration" in job else ""
    if request.try_number and maker.isdecimal() and int(maker) > request.try_number:
        raise OutageError(
            f"{status.ref} was made by attempt {maker} of the task: attempt {request.try_number} is over, "
            "and leaves it alone"
        )
    return _is_untold(api, request) or _created_since(api, status, request.not_before)


def _is_untold(api: BigQueryApi, request: JobRequest) -> bool:
    """Return True if the run begins after now: another clock, which tells nothing of earlier attempts."""
    return not request.first and request.not_before > api.timing.now() + _DATE_SECONDS


def _created_since(api: BigQueryApi, status: JobStatus, ours: float) -> bool:
    """Return False if the job is older than a moment of our clock, whatever BigQuery's shows."""
    created = status.ref.created_at
    return created is None or created >= api.service_time(ours)


def _start(api: BigQueryUploads, reference: Mapping[str, str], request: JobRequest) -> dict[str, Any]:
    job = {"jobReference": reference, "configuration": request.body}
    if request.media:
        return api.upload_job(job, request.media, request.scope)
    return api.insert_job(job, request.scope)


def _dry_run(api: BigQueryApi, request: JobRequest) -> JobStatus:
    reference = {"projectId": request.scope, "location": request.location}
    job = api.insert_job({"configuration": request.body, "jobReference": reference}, request.scope)
    place = {**reference, **(job.get("jobReference") or {}), "jobId": ""}  # there is no job to name
    return job_status({**job, "jobReference": place})


def _known(api: BigQueryApi, reference: Mapping[str, str], since: float) -> dict[str, Any] | None:
    """Return the job, if there is one. Without a location, get shows jobs of US and EU only, a list all.

    :param since: List jobs created then or later, by our clock in seconds since 1970; 0 lists nothing.
    """
    job = api.find_job(reference)
    if job is None and since and not reference.get("location"):
        ours = api.service_time(since)
        location = listed_location(api, reference["jobId"], reference["projectId"], ours)
        return api.find_job({**reference, "location": location}) if location else None
    return job


def find_job(api: BigQueryApi, job_id: str, location: str | None) -> JobStatus | None:
    """Return how a job of the client's project is doing, wherever it is; None if it is not there."""
    place = {"location": location} if location else {}
    job = _known(api, {"projectId": api.project, "jobId": job_id, **place}, since=_EVER)
    return job_status(job) if job else None


def _made_after_all(
    api: BigQueryApi, reference: Mapping[str, str], since: float, error: JobsError
) -> dict[str, Any]:
    """Return the job of an insert that no reply has told of; raise the insert's error if none is to be seen.

    That error names the job: it may show up later.
    """
    try:
        job = _known(api, reference, since)
    except JobsError as other:
        log.warning("whether %s was made could not be found out: %s", reference["jobId"], other)
        job = None
    if job is None:
        error.lost_job = job_ref(reference)
        raise error
    return job


def _taken(api: BigQueryApi, reference: Mapping[str, str]) -> dict[str, Any]:
    """Return the job of an id that is taken, wherever it is; it may take a moment to show up."""
    location = reference.get("location")

    def look() -> dict[str, Any]:
        nonlocal location
        try:
            return api.get_job(reference["jobId"], reference["projectId"], location=location)
        except NotFoundError as error:
            location = listed_location(api, reference["jobId"], reference["projectId"]) or location
            error.retryable = True
            raise

    return _GRACE.call(look, timing=api.timing)


def listed_location(api: BigQueryApi, job_id: str, project: str, since: float | None = None) -> str | None:
    """Return a job's location, if a list shows it; None also for those who may not list."""
    try:
        return _search(api, job_id, project, since)
    except ServiceError as error:
        log.warning("the jobs of %s cannot be listed: %s", project, error)
    return None


def _search(api: BigQueryApi, job_id: str, project: str, since: float | None = None) -> str | None:
    for _, page in zip(range(_SEARCH_PAGES), _listed(api, project, since), strict=False):
        for location, listed_id, _job in listed_jobs(page):
            if listed_id == job_id:
                return location
    return None


def _listed(api: BigQueryApi, project: str, since: float | None) -> Iterator[dict[str, Any]]:
    """Return the pages of all jobs of a project, whatever their location; since then, by BigQuery's clock."""
    return api.list_job_pages(
        project,
        maxResults=_SEARCH_PAGE_JOBS,
        projection="minimal",
        minCreationTime=int(since * 1000) if since else None,
        fields="nextPageToken,unreachable,jobs(jobReference)",
    )
