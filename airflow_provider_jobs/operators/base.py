"""The one life cycle of a job task: submit or adopt, wait, finish, be killed."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, conf

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.several import for_each, parts
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.errors import DeadlineExceeded, JobCancelled, JobFailed, JobsError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS, JobTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from airflow_provider_jobs.core.work import JobClient, JobRequest, StatusClient, Submission

log = logging.getLogger(__name__)

#: How long a cancelled job may take to end before the task gives up on seeing it, in seconds.
CANCEL_SECONDS = 30.0
#: A job may look older than its run by this much, since two machines' clocks tell it; in seconds.
SKEW_SECONDS = 10.0


class JobOperator(BaseOperator):
    """Submits a job, waits for it without holding a worker, and raises its error as the task's failure.

    A retry adopts the job of the attempt before it; a clear runs a new one. The XCom ``job`` names the job
    from submission on, and at the end holds its state and statistics.

    :param deferrable: Wait in the triggerer; default is Airflow's ``[operators] default_deferrable``.
    :param poll_interval: Seconds between two looks at the job, at most; at least half a second passes.
    :param inline_wait: Seconds to wait on the worker before deferring: most jobs end within it, and a hop
        through the triggerer takes longer.
    :param wait: False returns the reference of the submitted job, for a sensor.
    :param cancel_on_kill: Cancel the job when the task is killed, marked or cleared.
    """

    service: ClassVar[str]

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 5.0,
        inline_wait: float = 5.0,
        wait: bool = True,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if poll_interval <= 0:
            raise ValueError(f"poll_interval is {poll_interval}: it has to be above 0")
        if inline_wait < 0:
            raise ValueError(f"inline_wait is {inline_wait}: it cannot be negative")
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.inline_wait = inline_wait
        self.wait = wait
        self.cancel_on_kill = cancel_on_kill
        self._client: Any = None
        self._refs: list[JobRef] = []
        self._killed = False

    # What the operators of a service add.

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the service's hook."""
        raise NotImplementedError

    def client(self) -> Any:
        """Return the service's client."""
        raise NotImplementedError

    def request(self, client: Any, context: Context) -> JobRequest:
        """Return the work to submit, checked."""
        raise NotImplementedError

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about a job."""
        return {"job_id": status.ref.id, "state": status.state, **status.statistics, "url": status.url}

    def completed(self, client: Any, status: JobStatus) -> JobStatus:  # noqa: ARG002 - others ask for more
        """Return the status of a job that has succeeded, with what its service tells only on request."""
        return status

    def watched(self, client: JobClient, ref: JobRef) -> StatusClient:  # noqa: ARG002 - others ask for more
        """Return what tells on the worker how the job is doing."""
        return client

    def result(self, status: JobStatus) -> Any:
        """Return the task's result after success."""
        return self.summary(status)

    # The life cycle.

    def execute(self, context: Context) -> Any:
        """Submit the job, wait, and return the result."""
        with airflow_failures(self):
            self._client = self.client()
            return self._run(self._client, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on with what the trigger found."""
        with airflow_failures(self):
            client = self._client = self.client()
            ref = JobRef.from_json(event["ref"])
            self._refs = [ref]
            if event["outcome"] == "error":
                raise OutageError(f"{ref}: {event['message']}", retryable=event["retryable"])
            if event["outcome"] == "deadline":
                return self._end_at_deadline(
                    client, context, _last_look(client, ref), adopted=event["adopted"]
                )
            return self._finish(
                client, context, JobStatus.from_json(event["status"]), adopted=event["adopted"]
            )

    def on_kill(self) -> None:
        """Cancel what this attempt has submitted or adopted.

        Airflow calls this in a signal handler, and lets the task go on after it.
        """
        self._killed = True
        for_each(self._refs if self.cancel_on_kill else [], self._cancel)

    def _cancel(self, ref: JobRef) -> None:
        self.log.info("cancelling %s, since the task was ended", ref)
        # Not another client: its look-up may wait for a lock that the interrupted frame holds.
        self._client.cancel(ref)

    def _check_killed(self) -> None:
        """Let a task that was ended go no further; its retry begins anew.

        :raises OutageError: it was.
        """
        if self._killed:
            raise OutageError("the task was ended while it ran")

    def _cancel_if_killed(self, ref: JobRef) -> None:
        """Cancel what came to be too late for :meth:`on_kill`.

        :raises OutageError: it did.
        """
        if self._killed and self.cancel_on_kill:
            self._cancel(ref)
            self._check_killed()

    def _run(self, client: JobClient, context: Context) -> Any:
        return self._follow(client, context, client.submit(self.request(client, context)))

    def _follow(self, client: JobClient, context: Context, submission: Submission) -> Any:
        status = submission.status
        if status.ref.id:  # a dry run has none
            # In one step: a kill between two would find neither the several jobs nor what stands for them.
            self._refs = [*(ref for ref in self._refs if ref not in parts(status.ref)), status.ref]
            verb = "adopted" if submission.adopted else "submitted"
            self.log.info("%s %s, %s", verb, status.ref, status.url or status.vendor_state)
            self._cancel_if_killed(status.ref)
        self._remember(context, status)
        if not self.wait:
            return self.summary(status)
        return self._wait(client, context, status, adopted=submission.adopted)

    def _wait(self, client: JobClient, context: Context, status: JobStatus, *, adopted: bool) -> Any:
        deadline = self._deadline(context)
        inline_end = time.time() + self.inline_wait if self.deferrable else None
        status = wait_for(
            self.watched(client, status.ref),
            status,
            until=min((end for end in (deadline, inline_end) if end is not None), default=float("inf")),
            poll_interval=self.poll_interval,
            timing=Timing(),
            on_change=lambda news: self.log.info("%s is %s", news.ref, news.vendor_state),
        )
        if status.state.ended:
            return self._finish(client, context, status, adopted=adopted)
        if self.deferrable and (deadline is None or time.time() < deadline):
            return self._defer(context, status, adopted=adopted)
        return self._end_at_deadline(client, context, status, adopted=adopted)

    def _defer(self, context: Context, status: JobStatus, *, adopted: bool) -> Any:
        if self.cancel_on_kill:
            self._check_killed()
        trigger = JobTrigger(
            service=self.service,
            hook_args=self.hook_args(),
            poll_interval=self.poll_interval,
            deadline=self._deadline(context),
            first_poll_at=time.time() + FIRST_POLL_SECONDS,
            ref=status.ref.to_json(),
            adopted=adopted,
            cancel_on_kill=self.cancel_on_kill,
        )
        return self.defer(trigger=trigger, method_name="execute_complete")

    def _finish(self, client: JobClient, context: Context, status: JobStatus, *, adopted: bool) -> Any:
        if status.state is JobState.CANCELLED:
            self._check_killed()
        if status.state is JobState.CANCELLED and adopted:
            self.log.warning("%s was cancelled by the end of an earlier attempt; submitting anew", status.ref)
            return self._run(client, context)
        if status.state is not JobState.SUCCEEDED:
            raise failure(client, status)
        status = self.completed(client, status)
        self._remember(context, status)
        return self.result(status)

    def _remember(self, context: Context, status: JobStatus) -> None:
        context["ti"].xcom_push(key="job", value=self.summary(status))
        for link in self.operator_extra_links:
            context["ti"].xcom_push(key=link.xcom_key, value=status.url)

    def _deadline(self, context: Context) -> float | None:
        """Return when ``execution_timeout`` ends; Airflow watches over it on the worker alone."""
        started = context["ti"].start_date
        if self.execution_timeout is None or started is None:
            return None
        return float((started + self.execution_timeout).timestamp())

    def _end_at_deadline(self, client: Any, context: Context, status: JobStatus, *, adopted: bool) -> Any:
        """Cancel a job that outlasted ``execution_timeout``, see it end, fail; unless it has just ended."""
        if not status.state.ended:
            client.cancel(status.ref)
            end = time.time() + CANCEL_SECONDS
            status = wait_for(client, status, until=end, poll_interval=1.0, timing=Timing())
            if status.state is not JobState.SUCCEEDED:
                raise self._overdue(status)
        return self._finish(client, context, status, adopted=adopted)

    def _overdue(self, status: JobStatus) -> DeadlineExceeded:
        outcome = f"is {status.state}" if status.state.ended else "was asked to stop and still runs"
        return DeadlineExceeded(
            f"{status.ref} did not end within execution_timeout ({self.execution_timeout}) and {outcome}",
            ref=status.ref,
        )


def _last_look(client: JobClient, ref: JobRef) -> JobStatus:
    """Return how a job is doing; one that cannot be asked for counts as active, so that it is cancelled."""
    try:
        return client.status(ref)
    except JobsError as error:
        log.warning("how %s is doing could not be found out: %s", ref, error)
        return JobStatus(ref, JobState.RUNNING, "unknown")


def failure(client: JobClient, status: JobStatus) -> JobFailed:
    """Return the error of a job that ended without success, the failing part of it named."""
    try:
        status = replace(status, statement=client.failing_statement(status))
    except JobsError as error:
        log.warning("which part of %s failed could not be found out: %s", status.ref, error)
    return JobCancelled(status) if status.state is JobState.CANCELLED else JobFailed(status)


def work_digest(context: Context, configuration: Any) -> str:
    """Return 20 characters that stand for this work of this task: the same in a retry, others after a clear.

    Airflow counts a clear in ``max_tries``, which a retry leaves alone.
    """
    ti = context["ti"]
    work = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries, configuration]
    text = json.dumps(work, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def run_started_at(context: Context) -> float:
    """Return the time before which no job of this run can have been created, in seconds since 1970.

    A run that was deleted and made again has the same ids; its jobs are not this run's.
    """
    started = getattr(context["dag_run"], "start_date", None)
    return started.timestamp() - SKEW_SECONDS if started else 0.0


@contextmanager
def airflow_failures(task: JobOperator) -> Iterator[None]:
    """Turn errors that no retry can mend into Airflow's failure without retry; the task's own end is none."""
    try:
        yield
    except JobsError as error:
        if error.retryable or task._killed:  # noqa: SLF001 - of this very module
            raise
        raise AirflowFailException(str(error)) from None  # the message holds everything; once is enough
