"""BigQuery says: come back later. The task's retries do, and nobody asks before that."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.core.http import retry
from airflow_provider_jobs.errors import (
    JobCancelled,
    JobFailed,
    JobsError,
    MovedError,
    OutageError,
    ServiceError,
)
from airflow_provider_jobs.operators import base
from airflow_provider_jobs.operators.bigquery import (
    BigQueryInsertJobOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
#: Longer than a worker is held for.
LONG = 300


def query(**parameters: Any) -> BigQueryQueryOperator:
    settings = {"task_id": "task", "sql": "SELECT 1 AS one", "poll_interval": 0.1, "inline_wait": 0.0}
    return BigQueryQueryOperator(**{**settings, **parameters})


def attempt(run: TaskRun, number: int, **parameters: Any) -> Any:
    return perform(query(**parameters), run.context(try_number=number))


@MODES
@pytest.mark.parametrize("reason", ["quotaExceeded", "jobRateLimitExceeded", "userRateLimitExceeded"])
def test_a_spent_quota_is_left_to_the_retries(lab: Lab, reason: str, *, deferrable: bool) -> None:
    run = TaskRun()
    lab.fault("jobs.insert", "reply", status=403, reason=reason, message="Quota exceeded")
    with pytest.raises(ServiceError, match=f"{reason}: Quota exceeded .come back in 600 s"):
        attempt(run, 1, deferrable=deferrable)
    assert len(lab.requests("jobs.insert")) == 1
    assert attempt(run, 2, deferrable=deferrable)["state"] == "succeeded"
    assert len(lab.jobs()) == 1


ENDS = {
    "quota": ("quotaExceeded", "Quota exceeded: Your table exceeded quota for imports", JobFailed),
    "rate": ("jobRateLimitExceeded", "Exceeded rate limits", JobFailed),
    "user's rate": ("userRateLimitExceeded", "", JobFailed),
    "update": (
        "invalidQuery",
        "Could not serialize access to table p:d.t due to concurrent update",
        JobFailed,
    ),
    "transaction": (
        "invalidQuery",
        "Transaction is aborted due to concurrent update against table t",
        JobFailed,
    ),
    "DML": ("resourcesExceeded", "Too many DML statements outstanding against table t", JobFailed),
    "stopped": ("stopped", "Job execution was cancelled", JobCancelled),
}


@MODES
@pytest.mark.parametrize("name", ENDS)
def test_a_job_that_ends_so_is_made_anew_by_the_retries(lab: Lab, name: str, *, deferrable: bool) -> None:
    reason, message, kind = ENDS[name]
    run = TaskRun()
    lab.fault("jobs.run", "reply", reason=reason, message=message)
    with pytest.raises(kind, match=reason):
        attempt(run, 1, deferrable=deferrable)
    assert attempt(run, 2, deferrable=deferrable)["state"] == "succeeded"
    assert len(lab.jobs()) == 2


@MODES
def test_a_mistake_in_the_query_still_fails_at_once(lab: Lab, *, deferrable: bool) -> None:
    with pytest.raises(AirflowFailException, match="invalidQuery"):
        attempt(TaskRun(), 1, deferrable=deferrable, sql="SELECT nope")


@MODES
def test_a_job_that_jobtimeoutms_ends_is_made_anew(lab: Lab, *, deferrable: bool) -> None:
    run = TaskRun()
    task = BigQueryInsertJobOperator(
        task_id="task",
        configuration={"query": {"query": "SELECT 1", "useLegacySql": False}, "jobTimeoutMs": "3000"},
        deferrable=deferrable,
        inline_wait=0.0,
    )
    with lab.slow_jobs(seconds=30), pytest.raises(JobCancelled, match=r"stopped.*jobTimeoutMs"):
        perform(task, run.context(1))
    perform(task, run.context(2))
    assert len(lab.jobs()) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_worker_is_not_held_for_a_long_pause(lab: Lab, status: int) -> None:
    """One look, and the job is left to the next attempt, which adopts it."""
    run = TaskRun()
    with lab.slow_jobs(seconds=1.0):
        lab.fault("jobs.get", "reply", status=status, reason="rateLimitExceeded", retry_after=LONG)
        with pytest.raises(JobsError, match=rf"{lab.project}.*come back in {LONG} s"):
            attempt(run, 1)
        assert len(lab.requests("jobs.get")) == 1
        assert attempt(run, 2)["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_without_a_try_left_the_worker_waits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a job that runs well would fail its task; two minutes are half a second here."""
    for module in (retry, base):
        monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.5)
    for look in (1, 4):  # two more look for the job that the first attempt has left, under both of its ids
        lab.fault("jobs.get", "reply", status=429, reason="rateLimitExceeded", retry_after=1, nth=look)
    with lab.slow_jobs(seconds=2.0):
        run = TaskRun(max_tries=1)
        with pytest.raises(OutageError):
            attempt(run, 1)
        began = time.time()
        assert attempt(run, 2)["state"] == "succeeded"
        assert time.time() - began >= 1
    assert len(lab.jobs()) == 1


def test_a_deferrable_task_spends_the_pause_in_the_triggerer(lab: Lab) -> None:
    task = query(deferrable=True, inline_wait=30.0)
    lab.fault("jobs.get", "reply", status=429, reason="rateLimitExceeded", retry_after=LONG)
    with lab.slow_jobs(seconds=1.0), pytest.raises(TaskDeferred) as deferred:
        task.execute(TaskRun().context())
    trigger = deferred.value.trigger
    assert trigger.pause_seconds == LONG
    assert trigger.first_poll_at - time.time() > LONG - FIRST_POLL_SECONDS
    assert len(lab.requests("jobs.get")) == 1


def test_a_pause_does_not_outlast_the_deadline(lab: Lab) -> None:
    """Up to then it is kept; the trigger ends the wait at the deadline, and the task its job."""
    task = query(deferrable=True, inline_wait=30.0, execution_timeout=dt.timedelta(seconds=60))
    lab.fault("jobs.get", "reply", status=429, reason="rateLimitExceeded", retry_after=LONG)
    with lab.slow_jobs(seconds=1.0), pytest.raises(TaskDeferred) as deferred:
        task.execute(TaskRun().context())
    assert deferred.value.trigger.pause_seconds < 60


@pytest.mark.parametrize("operation", ["upload.start", "upload.data"])
def test_an_upload_that_is_told_to_come_back_ends_the_attempt(
    lab: Lab, tmp_path: Path, operation: str
) -> None:
    """A quota may refuse the session, or the bytes that make the job."""
    lab.dataset("d")
    path = tmp_path / "rows.csv"
    path.write_text("1\n" * 3_000_000)  # more than one request takes
    run = TaskRun()

    def upload(number: int) -> Any:
        task = BigQueryUploadOperator(
            task_id="task",
            source=str(path),
            destination_table="d.t",
            schema=[{"name": "x", "type": "INT64"}],
            deferrable=False,
        )
        return perform(task, run.context(number))

    lab.sandbox.faults(
        operation=rf"bigquery\.{operation}", action="reply", status=403, reason="quotaExceeded"
    )
    with pytest.raises(ServiceError, match="quotaExceeded"):
        upload(1)
    lab.sandbox.clear_faults()
    assert upload(2)["row_count"] == 3_000_000
    assert len(lab.jobs()) == 1


@MODES
def test_an_ended_ready_token_may_be_another_at_the_next_try(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *, deferrable: bool
) -> None:
    run = TaskRun()
    extra = {"project": lab.project, "api_endpoint": lab.sandbox.bigquery}

    def connect(token: str) -> None:
        connection = {"conn_type": "bigquery_jobs", "extra": {**extra, "access_token": token}}
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))

    connect("ended")
    with pytest.raises(ServiceError, match="401 authError"):
        attempt(run, 1, deferrable=deferrable)
    connect(lab.sandbox.token)
    assert attempt(run, 2, deferrable=deferrable)["state"] == "succeeded"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_named_and_left_to_the_retries(lab: Lab, status: int) -> None:
    """The token goes to no other host; a proxy's page for logging in is away in a while."""
    run = TaskRun()
    lab.fault("jobs.insert", "redirect", status=status, location="https://proxy.example.com/login?secret=1")
    with pytest.raises(MovedError, match=f"answered {status} and points to proxy.example.com,") as caught:
        attempt(run, 1)
    assert "secret" not in str(caught.value)
    assert attempt(run, 2)["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_sensor_keeps_the_pause(lab: Lab) -> None:
    """In modes poke and reschedule Airflow asks for the next pause."""
    with lab.slow_jobs(seconds=5.0):
        reference = query(wait=False).execute(TaskRun().context())
        lab.fault("jobs.get", "reply", status=429, reason="rateLimitExceeded", retry_after=LONG)
        sensor = BigQueryJobSensor(task_id="sensor", job=reference, poke_interval=0.3, mode="reschedule")
        for _ in range(3):
            assert not sensor.poke(TaskRun().context()).is_done
            assert LONG - 5 < sensor._get_next_poke_interval(0.0, lambda: 0.0, 1) <= LONG
        assert (
            sensor._get_next_poke_interval(0.0, lambda: sensor.timeout - 9, 1) == 9
        )  # not beyond its timeout
        assert len(lab.requests("jobs.get")) == 1
