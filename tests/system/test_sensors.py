"""The example of the sensors on a real Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.airflow import Airflow
from airflow_provider_jobs.sandbox.demo_sandbox import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = Path(__file__).parents[2] / "example_dags"
RUN_SECONDS = 120
# The operator and the sensors look within a second: a job of some seconds makes both wait.
JOB_SECONDS = 8


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Airflow]:
    with SandboxProcess(tmp_path, job_seconds=JOB_SECONDS) as sandbox:
        environment = {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": sandbox.connection()}
        with Airflow(DAGS, environment) as airflow:
            yield airflow


def test_sensors_wait_for_a_job_that_another_task_started(airflow: Airflow) -> None:
    """A sensor finds the job by the operator's result, another by label; both hold no worker meanwhile."""
    airflow.wait_dags("bigquery_sensors")
    run_id = airflow.rest.trigger("bigquery_sensors")

    assert airflow.wait_run("bigquery_sensors", run_id, RUN_SECONDS) == "success"
    started = airflow.rest.xcom("bigquery_sensors", run_id, "start_report")
    found = airflow.rest.xcom("bigquery_sensors", run_id, "wait_for_report")
    assert started["state"] != "succeeded"
    assert (found["job_id"], found["state"]) == (started["job_id"], "succeeded")
    events = {(e["task_id"], e["event"]) for e in airflow.rest.events("bigquery_sensors", run_id)}
    assert ("start_report", "deferred") not in events
    assert ("wait_for_report", "deferred") in events
    assert ("wait_for_team", "up_for_reschedule") in events
    assert airflow.rest.xcom("bigquery_sensors", run_id, "wait_for_team") == {
        "job_count": 1,
        "failed_job_count": 0,
    }
