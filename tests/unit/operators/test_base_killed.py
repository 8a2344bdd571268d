"""A worker that is told to stop: Airflow calls on_kill in a signal handler, and the task goes on after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.errors import JobsError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobStatus
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.unit.tasks import REF, FakeClient, context, event, failed, faked, run, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.core.work import JobRequest, Submission

OTHER = JobRef("bigquery", "p", "key_1", "EU")


class Killed(FakeClient):
    """Has its task killed at the first look at the job, or while the job is submitted."""

    def __init__(self, *submitted: Any, in_submit: bool = False, stops: bool = True) -> None:
        super().__init__(*submitted)
        self.in_submit, self.stops = in_submit, stops
        self.kill: Callable[[], None] | None = None
        self.looks = [None] * 100  # more are a wait without end

    def submit(self, request: JobRequest) -> Submission:
        if self.in_submit:
            self._kill()
        return super().submit(request)

    def status(self, ref: JobRef) -> JobStatus:
        self._kill()
        self.looks.pop()
        stopped = self.stops and ref in self.cancelled
        return failed("stopped", state="cancelled") if stopped else status("running", ref)

    def _kill(self) -> None:
        kill, self.kill = self.kill, None
        if kill:
            kill()


def killed(client: Killed, **options: Any) -> Any:
    """Return a task that its client kills."""
    options = {"task_id": "task", "sql": "SELECT 1", "deferrable": False, **options}
    task = faked(BigQueryQueryOperator(**options), client)
    client.kill = task.on_kill
    return task


def ended(task: Any) -> JobsError:
    """Return what ends the attempt: worth a retry, or an evicted pod would fail its task for good."""
    with pytest.raises(OutageError, match="the task was ended while it ran") as caught:
        run(task)
    assert caught.value.retryable
    return caught.value


@pytest.mark.parametrize("submitted", [status("running"), (status("running"),)], ids=["own", "adopted"])
def test_a_job_that_the_kill_cancelled_is_not_submitted_again(submitted: Any) -> None:
    """Nobody would follow the other job: the worker is gone five seconds later."""
    client = Killed(submitted, status("running", OTHER))
    ended(killed(client))
    assert client.cancelled == [REF]
    assert len(client.requests) == 1


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("wait", [True, False])
def test_what_was_submitted_meanwhile_is_cancelled(*, deferrable: bool, wait: bool) -> None:
    client = Killed(status("running"), in_submit=True)
    ended(killed(client, deferrable=deferrable, wait=wait))
    assert client.cancelled == [REF]


def test_a_job_that_is_being_cancelled_is_not_waited_for_elsewhere() -> None:
    """The triggerer would find it cancelled, and nobody there knows that it was a kill."""
    client = Killed(status("running"), stops=False)
    ended(killed(client, deferrable=True, inline_wait=2))
    assert client.cancelled == [REF]


@pytest.mark.parametrize("in_submit", [True, False])
def test_a_job_that_may_run_on_is_followed_on(*, in_submit: bool) -> None:
    client = Killed(status("running"), in_submit=in_submit)
    with pytest.raises(TaskDeferred):
        run(killed(client, cancel_on_kill=False, deferrable=True, inline_wait=2))
    assert client.kill is None
    assert client.cancelled == []


@pytest.mark.parametrize("deferred", [True, False])
def test_a_kill_asks_airflow_for_nothing(*, deferred: bool) -> None:
    """The frame that it interrupts may hold the lock of the task's channel to Airflow."""
    client = FakeClient(status("running"))
    task = faked(BigQueryQueryOperator(task_id="task", sql="SELECT 1", wait=False), client)
    if deferred:
        task.execute_complete(context(), event(status()))
    else:
        run(task)
    task.client = None
    task.on_kill()
    assert client.cancelled == [REF]
