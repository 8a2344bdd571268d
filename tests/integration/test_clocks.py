"""The clocks of Airflow and of a service differ: whose a job is, is told all the same."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.errors import OutageError
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.lab import Lab
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How much BigQuery's clock is ahead of Airflow's, in seconds.
SKEWS = (-7200.0, -120.0, -15.0, 15.0, 120.0, 7200.0)


@pytest.fixture(scope="module", params=SKEWS)
def skewed(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(clock_ahead_seconds=request.param) as sandbox:
        yield sandbox


@pytest.fixture
def lab(skewed: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    project = f"lab-{uuid.uuid4().hex[:12]}"
    extra = {"project": project, "api_endpoint": skewed.bigquery, "access_token": skewed.token}
    connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
    yield Lab(skewed, project)
    skewed.clear_faults()


def query() -> BigQueryQueryOperator:
    return BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS one", deferrable=False, poll_interval=0.5)


def test_one_job_when_the_reply_to_insert_is_lost(lab: Lab) -> None:
    lab.fault("jobs.insert", "drop_reply_after_accepting")
    assert query().execute(TaskRun().context())["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_retry_adopts(lab: Lab) -> None:
    run = TaskRun()
    first = query().execute(run.context(1))
    assert query().execute(run.context(2)) == first
    assert len(lab.jobs()) == 1


def test_a_young_job_that_does_not_show_up_is_waited_for(lab: Lab) -> None:
    """Its minute is one of BigQuery's clock."""
    with lab.slow_jobs(seconds=0.5):
        lab.fault("jobs.get", "not_found", times=2)
        assert query().execute(TaskRun().context())["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_job_that_is_gone_is_not_taken_for_young_since_the_clock_was_set_back(lab: Lab) -> None:
    """Else a task would wait for it until the service's clock has come to where it was: two hours."""
    lab.fault("jobs.get", "clock_jump", jump_seconds=-7200.0)
    lab.fault("jobs.get", "not_found", times=0)
    task = BigQueryQueryOperator(
        task_id="task", sql="SELECT 1", deferrable=False, execution_timeout=dt.timedelta(seconds=15)
    )
    try:
        with lab.slow_jobs(seconds=5.0), pytest.raises(OutageError, match="404 notFound"):
            task.execute(TaskRun().context())
    finally:
        lab.sandbox.advance(7200.0)


@pytest.mark.parametrize("try_number", [1, 2])
def test_the_job_of_a_deleted_run_of_the_same_name_is_not_adopted(lab: Lab, try_number: int) -> None:
    query().execute(TaskRun().context())
    lab.sandbox.advance(300)
    query().execute(TaskRun().context(try_number))
    assert len(lab.jobs()) == 2
