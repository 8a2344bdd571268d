"""What both Salesforce operators share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.several import joint_ref, parts
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.links.salesforce import SalesforceJobLink
from airflow_provider_jobs.operators.base import JobOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobRef, JobStatus
    from airflow_provider_jobs.operators.memory import TaskMemory

_DAY = dt.timedelta(days=1)


class SalesforceOperator(JobOperator):
    """What both operators share; see :class:`.JobOperator` for how they wait.

    :param salesforce_conn_id: A connection of type ``salesforce_bulk`` or ``salesforce``.
    :param api_version: The API version of the job, such as ``59.0``; default is the connection's.
    :param delete_job: Delete the job after success, once every record is accounted for; otherwise Salesforce
        keeps it for 7 days. A query is deleted after it was aborted, too.
    :param wait: False returns the reference of the submitted job, for a sensor; what is for the job's end,
        such as ``results_path``, is refused then.
    :param execution_timeout: When to give up, since Salesforce itself may not. None waits without end.
    :param poll_interval: Seconds between two looks at the job, at most: each counts against the org's daily
        limit.
    """

    service = "salesforce"
    template_fields: Sequence[str] = ("salesforce_conn_id", "api_version")
    operator_extra_links = (SalesforceJobLink(),)
    ui_color = "#b9dff5"

    def __init__(
        self,
        *,
        salesforce_conn_id: str = SalesforceHook.default_conn_name,
        api_version: str | None = None,
        delete_job: bool = False,
        execution_timeout: dt.timedelta | None = _DAY,
        poll_interval: float = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(execution_timeout=execution_timeout, poll_interval=poll_interval, **kwargs)
        self.salesforce_conn_id = salesforce_conn_id
        self.api_version = api_version
        self.delete_job = delete_job

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook."""
        return {"salesforce_conn_id": self.salesforce_conn_id}

    def client(self) -> SalesforceClient:
        """Return the client."""
        return SalesforceHook(**self.hook_args()).get_conn()

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about the job."""
        return job_summary(status)

    def on_kill(self) -> None:
        """Abort what this attempt has created or adopted, all at a time: soon Airflow ends the process."""
        self._killed = True
        if self.cancel_on_kill and self._refs:
            self._cancel(joint_ref(self._refs))

    def _adoptable(self, client: SalesforceClient, ref: JobRef) -> JobStatus | None:
        """Return the status of the job that an earlier attempt has created, None if a new one is needed."""
        if ref.scope != client.scope:
            self.log.warning("%s is of another org than the connection: it is left alone", ref)
            return None
        try:
            status = client.status(ref)
        except NotFoundError:
            self.log.info("%s, of an earlier attempt, is gone", ref)
            return None
        if status.state in {JobState.FAILED, JobState.CANCELLED}:
            self.log.info("%s, of an earlier attempt, is %s", ref, status.vendor_state)
            return None
        return status

    def _say_if_forgetful(self, memory: TaskMemory) -> None:
        if not memory.lasts:
            self.log.info(
                "this Airflow keeps no state of a task: a retry cannot adopt the job, it makes another"
            )

    def watched(self, client: Any, ref: JobRef) -> Any:
        """Return what tells on the worker how the job is doing."""
        return _Listing(client) if len(parts(ref)) > 1 else client

    def _finish(self, client: Any, context: Context, status: JobStatus, *, adopted: bool) -> Any:
        """Finish with what the job itself tells: a list of jobs has no counters and no reasons."""
        if "record_count" in status.statistics and status.statistics["record_count"] is None:
            status = client.status(status.ref)
        return super()._finish(client, context, status, adopted=adopted)

    def _delete(self, client: SalesforceClient, ref: JobRef) -> None:
        """Delete what is of no more use; no task fails by what cannot be deleted: Salesforce will do it."""
        for each in parts(ref):
            try:
                client.delete_job(each)
            except JobsError as error:
                self.log.warning("%s could not be deleted, Salesforce does it in 7 days: %s", each, error)

    def _check_wait(self, **for_the_end: object) -> None:
        """See that nothing is wanted of a task that does not wait for the job's end.

        :param for_the_end: What is given of the parameters that are for it.
        :raises ConfigurationError: something is.
        """
        for name, given in for_the_end.items():
            if given and not self.wait:
                raise ConfigurationError(f"{name} clashes with wait=False: it is for the end of the job")


def job_summary(status: JobStatus) -> dict[str, Any]:
    """Return what a result says about a job: where it is, and the numbers that people use."""
    version, _, kind = (status.ref.location or "").partition("/jobs/")
    jobs = [_named(job) for job in status.statistics.get("jobs") or []]
    more = (
        {"object": jobs[0].get("object"), "operation": jobs[0].get("operation"), **_sums(jobs)}
        if jobs
        else {}
    )
    return {
        "job_id": status.ref.id,
        "kind": kind,
        "api_version": version.removeprefix("v"),
        "state": status.state,
        **_named({**more, **status.statistics}),
        **({"jobs": jobs} if jobs else {}),
        "url": status.url,
    }


def _named(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a job's numbers, its time in seconds."""
    known = {name: value for name, value in numbers.items() if value is not None and name != "processing_ms"}
    if numbers.get("processing_ms") is not None:
        known["processing_seconds"] = numbers["processing_ms"] / 1000
    return known


def _sums(jobs: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    names = ("record_count", "failed_record_count", "retries")
    known = {name: [job[name] for job in jobs if name in job] for name in names}
    return {name: sum(values) if len(values) == len(jobs) else None for name, values in known.items()}


class _Listing:
    """Asks for several jobs in as few requests as the triggerer does."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client

    def status(self, ref: JobRef) -> JobStatus:
        """Return how the jobs are doing."""
        found = self._client.status_many([ref])[ref]
        if isinstance(found, JobsError):
            raise found
        return found
