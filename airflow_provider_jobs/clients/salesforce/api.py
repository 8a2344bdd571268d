"""One org's API: one request each, and what every reply tells besides what was asked.

Sources: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-bulk-api-2-0.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/bulk-api-2-0-ingest.html
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.salesforce.names import (
    QUERY,
    api_version,
    check_instance_url,
    check_job_id,
    job_location,
    job_path,
    object_path,
    span,
)
from airflow_provider_jobs.clients.salesforce.replies import (
    FORBIDDEN,
    NO_CONTENT,
    STATES,
    job_ref,
    job_status,
    next_locator,
    parse_object,
    refused,
)
from airflow_provider_jobs.core.http.messages import Reply, Request, WarnOnce, listed, pages
from airflow_provider_jobs.core.http.path import checked_path
from airflow_provider_jobs.core.http.retry import LONGEST_PAUSE_SECONDS
from airflow_provider_jobs.errors import ConfigurationError, ServiceError, UsageLimitReached
from airflow_provider_jobs.jobs import JobRef, JobStatus
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_jobs.core.http.messages import Body
    from airflow_provider_jobs.core.http.retry import RetryPolicy
    from airflow_provider_jobs.core.http.stream import StreamedReply
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.errors import JobsError

T = TypeVar("T")

log = logging.getLogger(__name__)

_say_retry = partial(log.warning, "%s; trying again in %.1f s")
_METHODS = ("GET", "POST", "PATCH", "DELETE")
#: Replies that hold results: 204 where there are none, not even a header.
_RESULTS = frozenset({200, NO_CONTENT})
#: How many days back the API tells what was updated, and what was deleted.
_UPDATED_DAYS, _DELETED_DAYS = 30, 15
#: What an org answers that has never had a job of that id.
_NO_SUCH_JOB = frozenset({400, 404})


class SalesforceApi:
    """Sends requests to one org, below ``/services/data/``; safe to share between threads."""

    #: As :class:`.Request` has it; :func:`.looking` sets it.
    within_seconds: float | None = None

    def __init__(
        self,
        transport: Transport,
        instance_url: str,
        version: str | float,
        client_id: str | None,
        api_usage_limit: float | None,
    ) -> None:
        self.instance_url = check_instance_url(instance_url)
        self.scope = urlsplit(self.instance_url).netloc
        self._addresses = {self.scope}
        self.version = api_version(version)
        self.usage = ApiUsage(api_usage_limit, now=transport.timing.now)
        self.retry = transport.retry
        self.say = WarnOnce()
        self.timing = transport.timing
        #: Of a page of results, decompressed.
        self.most_page_bytes = transport.limits.page_bytes
        self._transport = transport
        self._headers = {"Accept": "application/json"}
        # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_calloptions.htm
        if client_id:
            if not client_id.isascii() or not client_id.isprintable() or "," in client_id:
                raise ConfigurationError("client_id goes into a header: printable ASCII, and no comma")
            self._headers["Sforce-Call-Options"] = f"client={client_id}"

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-one-job.html
    def get_job(
        self, job: str | JobRef, kind: str = QUERY, *, version: str | float | None = None
    ) -> dict[str, Any]:
        """Return a job with its counters.

        :raises NotFoundError: there is no such job in this org any more.
        """
        return self.call("GET", job_path(self.ref(job, kind, version)))

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-all-jobs.html
    def list_jobs(
        self, kind: str = QUERY, *, version: str | float | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the jobs of the whole org, in any order; see :meth:`list_job_pages`."""
        for page in self.list_job_pages(kind, version=version, **filters):
            yield from listed(page, "records")

    def list_job_pages(
        self, kind: str = QUERY, *, version: str | float | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list of jobs, up to 1,000 each.

        :param filters: The API's parameters: jobType, isPkChunkingEnabled, concurrencyMode, queryLocator.
        """
        location = job_location(kind, self._version(version))
        return pages(
            lambda locator: self.call("GET", location, params={**filters, "queryLocator": locator}),
            partial(next_locator, name="queryLocator"),
            "the list of jobs",
            filters.get("queryLocator"),
        )

    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_limits.htm
    def limits(self, version: str | float | None = None) -> dict[str, Any]:
        """Return the org's limits, each with ``Max`` and ``Remaining``."""
        return self.call("GET", f"{self._version(version)}/limits")

    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_describeGlobal.htm
    def describe_global(self, version: str | float | None = None) -> dict[str, Any]:
        """Return all objects that the user may see, as ``sobjects``, without their fields."""
        return self.call("GET", f"{self._version(version)}/sobjects")

    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
    def describe(self, object_name: str, version: str | float | None = None) -> dict[str, Any]:
        """Return an object with the ``fields`` that the user may see; a hidden field is not among them.

        :raises NotFoundError: there is no such object, or the user may not see it.
        """
        return self.call("GET", f"{object_path(object_name, self._version(version))}/describe")

    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm
    def get_updated(
        self, object_name: str, start: dt.datetime, end: dt.datetime, version: str | float | None = None
    ) -> dict[str, Any]:
        """Return the ``ids`` of records made or changed in a span of time, at most 600,000.

        :param start: With a time zone, at most 30 days ago; the ``latestDateCovered`` of the call before,
            which is before ``end`` while a transaction is open that began earlier.
        :param end: With a time zone. Salesforce cuts the seconds of both off.
        :raises ConfigurationError: Salesforce would refuse the span.
        """
        return self._changes("updated", object_name, (start, end), _UPDATED_DAYS, version)

    # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getdeleted.htm
    def get_deleted(
        self, object_name: str, start: dt.datetime, end: dt.datetime, version: str | float | None = None
    ) -> dict[str, Any]:
        """Return ``deletedRecords``, each with ``id`` and ``deletedDate``, at most 600,000.

        Records are missing from them if ``earliestDateAvailable`` is after ``start``.

        :param start: As of :meth:`get_updated`, at most 15 days ago.
        :param end: As of :meth:`get_updated`.
        :raises ConfigurationError: Salesforce would refuse the span.
        """
        return self._changes("deleted", object_name, (start, end), _DELETED_DAYS, version)

    def _changes(
        self,
        which: str,
        object_name: str,
        between: tuple[dt.datetime, dt.datetime],
        most_days: int,
        version: str | float | None,
    ) -> dict[str, Any]:
        path = f"{object_path(object_name, self._version(version))}/{which}"
        now = self.service_time(self.timing.now())
        return self.call("GET", path, params=span(*between, most_days=most_days, now=now))

    def status(self, ref: JobRef) -> JobStatus:
        """Return how a job is doing.

        :raises NotFoundError: it is gone.
        """
        return self.read(self.get_job(ref), ref)

    def read(self, job: Mapping[str, Any], ref: JobRef) -> JobStatus:
        """Return our reading of a job; a word that is not known is logged once."""
        status = job_status(job, ref, self.instance_url)
        if status.vendor_state not in STATES:
            word = shown(status.vendor_state, 50)
            self.say(f"a job is {word!r}, which is not known: it counts as running")
        return status

    def ref(self, job: str | JobRef, kind: str = QUERY, version: str | float | None = None) -> JobRef:
        """Return the reference of a job of this org.

        :raises ConfigurationError: it is not a job's, or of another org.
        """
        if isinstance(job, str):
            return JobRef(
                "salesforce", self.scope, check_job_id(job), job_location(kind, self._version(version))
            )
        if not self.knows(job):
            raise ConfigurationError(f"{job} is a job of another org: this connection is of {self.scope}")
        return job

    def knows(self, ref: JobRef) -> bool:
        """Return True if a job is of this org, under its address of today or of before it was renamed.

        The first job of another address is asked for here: a job of that id, created in that millisecond, is
        it. An id alone is not enough, since sandboxes are copies of their production.
        """
        if ref.scope in self._addresses or ref.created_at is None:
            return ref.scope in self._addresses
        try:
            found = job_ref(self.call("GET", job_path(ref)), self.scope, ref.location or "")
        except ServiceError as error:
            if error.status in _NO_SUCH_JOB:
                return False
            raise
        if found.created_at != ref.created_at:
            return False
        log.info("%s is this org, which is %s now: it has %s", ref.scope, self.scope, ref.id)
        self._addresses.add(ref.scope)
        return True

    def _version(self, version: str | float | None) -> str:
        return self.version if version is None else api_version(version)

    def service_time(self, ours: float) -> float:
        """Return what the org's clock shows when ours shows that, as far as replies have told."""
        return self._transport.service_time(ours)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = True,
    ) -> dict[str, Any]:
        """Send a request below ``/services/data/`` and return its JSON."""
        if method not in _METHODS:
            raise ConfigurationError(f"method is {shown(method, 20)!r}: it is one of {', '.join(_METHODS)}")
        request = Request(
            method,
            self._url(path),
            params or {},
            body,
            idempotent,
            self._headers,
            within_seconds=self.within_seconds,
        )
        return self._transport.call(request, partial(self._parse, path=path))

    def put(self, path: str, content: Body) -> None:
        """Send CSV bytes, once.

        :raises JobsError: they were not taken, or nobody knows.
        """
        headers = {**self._headers, "Content-Type": "text/csv; charset=UTF-8"}
        reply = self._transport.once(Request("PUT", self._url(path), headers=headers, content=content))
        self._parse(reply, path)

    @contextmanager
    def csv(self, path: str, params: Mapping[str, Any]) -> Iterator[StreamedReply]:
        """Ask for CSV once, and lend the good reply, its body unread.

        :raises ServiceError: Salesforce refused.
        """
        headers = {**self._headers, "Accept": "text/csv", "Accept-Encoding": "gzip"}
        request = Request("GET", self._url(path), params, headers=headers)
        with self._transport.stream(request) as reply:
            self._note(reply.headers)
            if reply.status not in _RESULTS:
                raise refused(reply, path)
            yield reply

    def repeat(
        self,
        step: Callable[[], T],
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> T:
        """Take a step that looks before it acts, again and again as the retry policy allows.

        :param retry: Default is the connection's.
        :param sleep: Default is the connection's.
        """
        timing = replace(self.timing, sleep=sleep) if sleep else self.timing
        return (retry or self.retry).call(step, timing=timing, on_retry=_say_retry)

    def pause(self, error: JobsError, failures: int) -> None:
        """Wait after so many failures, of which this was the last.

        :raises JobsError: the failure itself, if no worker is to be held for so long.
        """
        delay = self.retry.delay_seconds(failures, self.timing.random(), error.retry_after)
        if delay > LONGEST_PAUSE_SECONDS:
            raise error
        _say_retry(error, delay)
        self.timing.sleep(delay)

    def _url(self, path: str) -> str:
        return f"{self.instance_url}/services/data{checked_path(f'/{path}')}"

    def _parse(self, reply: Reply, path: str) -> dict[str, Any]:
        self._note(reply.headers)
        return parse_object(reply, path)

    def _note(self, headers: Mapping[str, str]) -> None:
        self.usage.note(headers)
        if warning := headers.get("Warning"):
            self.say(f"Salesforce warns: {warning}")


#: A value older than this says little: others use the org too; seconds.
_FRESH_SECONDS = 300.0
#: Told again whenever so many more hundredths are used.
_STEP_PERCENT = 5
_USAGE = re.compile(r"(?:^|[;,\s])api-usage\s*=\s*(\d{1,12})\s*/\s*(\d{1,12})")


class ApiUsage:
    """The last value that a service told of ``api-usage``; shared by threads, of which the last one wins.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm

    :param limit: The share, 0 to 1, from which on no new job is made; None sets none.
    """

    def __init__(self, limit: float | None, *, now: Callable[[], float]) -> None:
        if limit is not None and not 0 < limit <= 1:
            raise ConfigurationError(f"api_usage_limit is {limit}: it is a share above 0, and at most 1")
        self.limit = limit
        self.used = self.allowed = 0
        self._now = now
        self._seen_at = float("-inf")
        self._told: int | None = None

    @property
    def share(self) -> float | None:
        """What share of the allowed requests is used; None if it is not known."""
        return self.used / self.allowed if self.allowed else None

    def note(self, headers: Mapping[str, str]) -> None:
        """Keep what the headers of a reply tell; log a notable change."""
        match = _USAGE.search(headers.get("Sforce-Limit-Info") or "")
        if not match:
            return
        self.used, self.allowed, self._seen_at = int(match[1]), int(match[2]), self._now()
        step = int((self.share or 0) * 100) // _STEP_PERCENT
        if step != self._told:
            self._told = step
            log.info("API requests of this org used in 24 hours: %s of %s", self.used, self.allowed)

    def check(self, ask: Callable[[], object]) -> None:
        """See that a new job may be made.

        :param ask: Asks the service anything, for a younger value.
        :raises UsageLimitReached: too much is used; later, less is.
        """
        if self.limit is None:
            return
        if self._now() - self._seen_at > _FRESH_SECONDS:
            try:
                ask()
            except ServiceError as error:
                if error.status != FORBIDDEN:
                    raise
                log.warning("api_usage_limit goes by what replies have told, since limits are not: %s", error)
        if (self.share or 0) >= self.limit:
            raise UsageLimitReached(
                f"{self.used} of {self.allowed} API requests of this org are used, and api_usage_limit is "
                f"{self.limit:.0%}: no job was made; try again later, or raise the limit"
            )
