"""Jobs as requests: a query, or one part of the records to ingest."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.change import cancel, check_data_size, close, create, put_data
from airflow_provider_jobs.clients.salesforce.names import INGEST, QUERY, api_version, job_location
from airflow_provider_jobs.clients.salesforce.replies import job_ref
from airflow_provider_jobs.core.work import JobRequest, Submission
from airflow_provider_jobs.errors import ConfigurationError, JobsError, SourceChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

#: Ingest jobs that are made for the same data, one after another, before its upload is given up.
_JOBS_AT_MOST = 4
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)
_NOT_CHUNKED = re.compile(r"\b(ORDER\s+BY|LIMIT)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SalesforceRequest(JobRequest):
    """A query, or data to ingest: ``body`` has the fields of its create, ``media`` the data.

    ``scope`` and ``key`` are not looked at: the org is the connection's, the server makes ids.

    :param version: The API version of the job; default is the client's.
    :param on_created: Told the job as soon as it exists: before any data is sent, and before it is closed.
        Told again if the data had to be sent to another job; the one before is aborted then.
    :param before_close: Called once a job has its data; what it raises leaves the job open, and unprocessed.
    :param close: False leaves it open in any case, for who closes it later.
    """

    scope: str = ""
    key: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    version: str | None = None
    on_created: Callable[[JobRef], None] | None = None
    before_close: Callable[[], None] | None = None
    close: bool = True


def submit_once(api: SalesforceApi, request: JobRequest) -> Submission:
    """Create the job, tell of it, send its data if it has some, and have it processed."""
    if not isinstance(request, SalesforceRequest):
        request = SalesforceRequest(body=request.body, media=request.media)
    kind, wanted = (INGEST, "object") if request.media else (QUERY, "query")
    if not request.body.get(wanted):
        raise ConfigurationError(f"a job of kind {kind} needs a value of {wanted!r}")
    if request.media is None:
        _warn_of_slow_query(str(request.body["query"]))
        job, ref = _create(api, request, kind)
        return Submission(api.read(job, ref), adopted=False)
    check_data_size(request.media)  # before there is a job
    job, ref = _job_with_data(api, request, request.media)
    if request.before_close:
        request.before_close()
    if not request.close:
        return Submission(api.read(job, ref), adopted=False)
    return Submission(api.read(close(api, ref), ref), adopted=False)


def _job_with_data(
    api: SalesforceApi, request: SalesforceRequest, media: Media
) -> tuple[dict[str, Any], JobRef]:
    """Return a job, as it was made, that has taken all of the data.

    Whether a job has it is not known after a lost reply, and each takes data once: it is aborted, and
    another one made.
    """
    failures = 0
    while True:
        job, ref = _create(api, request, INGEST)
        try:
            put_data(api, ref, media)
        except JobsError as error:
            _abort(api, ref)
            failures += 1
            if not error.retryable or isinstance(error, SourceChanged) or failures == _JOBS_AT_MOST:
                raise
            api.pause(error, failures)
        else:
            return job, ref


def _create(api: SalesforceApi, request: SalesforceRequest, kind: str) -> tuple[dict[str, Any], JobRef]:
    location = job_location(kind, api_version(request.version or api.version))
    job = create(api, location, request.body)
    ref = job_ref(job, api.scope, location)
    if request.on_created:
        request.on_created(ref)
    return job, ref


def _abort(api: SalesforceApi, ref: JobRef) -> None:
    try:
        cancel(api, ref)
    except JobsError as error:
        log.warning("%s is left open, without data: it could not be aborted: %s", ref, error)


def _warn_of_slow_query(soql: str) -> None:
    found = sorted({" ".join(each.upper().split()) for each in _NOT_CHUNKED.findall(_TEXT.sub("''", soql))})
    if found:
        log.warning(
            "the query has %s: Salesforce cannot split it by primary key then, so a large one is slow or "
            "times out",
            " and ".join(reversed(found)),
        )
