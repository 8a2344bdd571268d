"""The example of the sensors on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.conftest import Stage

DAG = "bigquery_sensors"
# The operator and the sensors look within a second: a job of some seconds makes both wait.
JOB_SECONDS = 8.0


def test_sensors_wait_for_a_job_that_another_task_started(stage: Stage) -> None:
    """A sensor finds the job by the operator's result, another by label; both hold no worker meanwhile."""
    with stage.slow_jobs(JOB_SECONDS):
        run_id, state = stage.run(DAG)

    rest = stage.airflow.rest
    assert state == "success"
    [job] = stage.jobs("start_report")
    started, found = rest.xcom(DAG, run_id, "start_report"), rest.xcom(DAG, run_id, "wait_for_report")
    assert started["state"] != "succeeded"
    assert started["job_id"] == found["job_id"] == job["jobReference"]["jobId"]
    assert found["state"] == "succeeded"
    events = {(event["task_id"], event["event"]) for event in rest.events(DAG, run_id)}
    assert ("start_report", "deferred") not in events
    assert ("wait_for_report", "deferred") in events
    assert ("wait_for_team", "up_for_reschedule") in events
    assert rest.xcom(DAG, run_id, "wait_for_team") == {"job_count": 1, "failed_job_count": 0}
