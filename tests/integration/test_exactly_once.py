"""Whatever happens on the way, one piece of work is one job, and the task succeeds."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

REGION = "europe-west6"


def query(sql: str = "SELECT 1 AS one", **parameters: Any) -> BigQueryQueryOperator:
    return BigQueryQueryOperator(
        **{"task_id": "task", "deferrable": False, "poll_interval": 0.5, "sql": sql, **parameters}
    )


def test_one_job_when_the_reply_to_insert_is_lost(lab: Lab) -> None:
    lab.fault("jobs.insert", "drop_reply_after_accepting")
    result = query().execute(TaskRun().context())
    assert result["state"] == "succeeded"
    assert [job["jobReference"]["jobId"] for job in lab.jobs()] == [result["job_id"]]
    assert len(lab.requests("jobs.insert")) == 2


def test_a_job_that_fails_while_the_reply_to_its_insert_is_lost_runs_once(lab: Lab) -> None:
    """It may have changed something before it failed: only the task's own retries run it again."""
    lab.fault("jobs.insert", "drop_reply_after_accepting")
    with pytest.raises(AirflowFailException, match="division by zero"):
        query("SELECT 1 / 0").execute(TaskRun(max_tries=0).context())
    assert len(lab.jobs()) == 1


def test_one_job_when_insert_is_answered_503_or_429(lab: Lab) -> None:
    lab.fault("jobs.insert", "reply", status=503, reason="backendError")
    lab.fault("jobs.insert", "reply", status=429, reason="rateLimitExceeded", retry_after=1)
    assert query().execute(TaskRun().context())["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_regional_job_without_location(lab: Lab) -> None:
    """The location that insert returned goes with every later request."""
    lab.dataset("regional", REGION)
    result = query("SELECT 1 AS one", destination_table="regional.numbers").execute(TaskRun().context())
    assert result["location"] == REGION
    assert all(REGION in entry["query"] for entry in lab.requests("jobs.get"))
    assert len(lab.jobs()) == 1


def test_regional_job_without_location_and_the_reply_lost(lab: Lab) -> None:
    """The job is looked for in the list, since get without its location does not show it."""
    lab.dataset("regional", REGION)
    lab.fault("jobs.insert", "drop_reply_after_accepting")
    result = query("SELECT 1 AS one", destination_table="regional.numbers").execute(TaskRun().context())
    assert result["location"] == REGION
    assert len(lab.jobs()) == 1


def test_retry_adopts_the_job_that_has_succeeded_meanwhile(lab: Lab) -> None:
    run = TaskRun()
    first = query().execute(run.context(try_number=1))
    assert query().execute(run.context(try_number=2)) == first
    assert len(lab.jobs()) == 1


def test_retry_adopts_the_job_that_still_runs(lab: Lab) -> None:
    run = TaskRun()
    with lab.slow_jobs(seconds=1.0):
        reference = query(wait=False).execute(run.context(try_number=1))
        result = query().execute(run.context(try_number=2))
    assert result["job_id"] == reference["job_id"]
    assert result["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_retry_finds_a_regional_job_without_location(lab: Lab) -> None:
    lab.dataset("regional", REGION)
    run = TaskRun()
    results = [
        query("SELECT 1 AS one", destination_table="regional.numbers").execute(run.context(number))
        for number in (1, 2)
    ]
    assert results[0] == results[1]
    assert len(lab.jobs()) == 1


def test_clear_runs_anew(lab: Lab) -> None:
    """Airflow raises max_tries when a task is cleared."""
    run = TaskRun(max_tries=0)
    first = query().execute(run.context(try_number=1))
    run.max_tries = 1
    second = query().execute(run.context(try_number=2))
    assert first["job_id"] != second["job_id"]
    assert len(lab.jobs()) == 2


def test_retry_after_a_failed_job_submits_a_new_one(lab: Lab) -> None:
    lab.dataset("d")
    run = TaskRun()
    operator = query("SELECT * FROM d.late")
    with pytest.raises(Exception, match="Not found"):
        operator.execute(run.context(try_number=1))
    query("CREATE TABLE d.late AS SELECT 1 AS x").execute(TaskRun(task_id="other").context())
    assert operator.execute(run.context(try_number=2))["state"] == "succeeded"
    states = [job["status"].get("errorResult", {}).get("reason") for job in lab.jobs()]
    assert states == ["notFound", None, None]


def test_job_that_does_not_show_up_at_once(lab: Lab) -> None:
    """BigQuery may answer 404 for a while after it has accepted a job."""
    with lab.slow_jobs(seconds=0.5):
        lab.fault("jobs.get", "not_found", times=2)
        assert query().execute(TaskRun().context())["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_adopted_job_that_does_not_show_up_at_once(lab: Lab) -> None:
    run = TaskRun()
    first = query().execute(run.context(try_number=1))
    lab.fault("jobs.get", "not_found", times=2)
    assert query().execute(run.context(try_number=2)) == first


def test_adopted_job_that_an_earlier_attempt_cancels_is_submitted_anew(lab: Lab) -> None:
    run = TaskRun()
    with lab.slow_jobs(seconds=3.0, cancel_seconds=1.0):
        reference = query(wait=False).execute(run.context(try_number=1))
        lab.client.cancel_job(reference["job_id"], location=reference["location"])
        result = query().execute(run.context(try_number=2))
    assert result["job_id"] != reference["job_id"]
    assert result["state"] == "succeeded"
    assert len(lab.jobs()) == 2


def test_job_of_a_deleted_run_of_the_same_name_is_not_adopted(lab: Lab) -> None:
    first = query().execute(TaskRun().context())
    later = TaskRun(started=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))
    second = query().execute(later.context())
    assert first["job_id"] != second["job_id"]
    assert len(lab.jobs()) == 2


@pytest.mark.parametrize("difference", [{"map_index": 1}, {"task_id": "x"}, {"run_id": "x"}, {"dag_id": "x"}])
def test_other_work_has_its_own_job(lab: Lab, difference: dict[str, Any]) -> None:
    query().execute(TaskRun().context())
    query().execute(TaskRun(**difference).context())
    assert len(lab.jobs()) == 2


def test_two_loads_of_one_task_have_their_own_jobs(lab: Lab) -> None:
    run = TaskRun()
    query("SELECT 1 AS x").execute(run.context())
    query("SELECT 2 AS x").execute(run.context())
    assert len(lab.jobs()) == 2


ATTEMPT = """
import os, signal
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.integration.task_run import TaskRun

context = TaskRun().context()
context["ti"].xcom_push = lambda key, value: os.kill(os.getpid(), signal.SIGKILL)
BigQueryQueryOperator(task_id="task", deferrable=True, sql="SELECT 1 AS one", inline_wait=0).execute(context)
"""


def test_worker_killed_between_insert_and_defer(lab: Lab, tmp_path: Path) -> None:
    """The second attempt finds the job of the first, which died before it could remember anything."""
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ATTEMPT)],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [job] = lab.jobs()
    result = query().execute(TaskRun().context(try_number=2))
    assert result["job_id"] == job["jobReference"]["jobId"]
    assert len(lab.jobs()) == 1
