"""Tasks that end in the triggerer, and tasks that begin there, on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.test_airflow import wait

if TYPE_CHECKING:
    from tests.system.conftest import Stage

DAG = "without_worker"


def test_a_task_begins_and_ends_in_the_triggerer(stage: Stage) -> None:
    rest = stage.airflow.rest
    with stage.slow_jobs(seconds=3.0):
        run_id, state = stage.run(DAG)
    assert state == "success", [stage.log(DAG, run_id, task) for task in ("begins", "ends", "reads")]
    for task_id, rows in {"begins": 3, "ends": 1}.items():
        [job] = stage.jobs(task_id)
        result = rest.xcom(DAG, run_id, task_id)
        assert result["job_id"] == job["jobReference"]["jobId"]
        assert (result["state"], result["row_count"]) == ("succeeded", rows)
        assert rest.xcom(DAG, run_id, task_id, "job") == result
        assert rest.xcom(DAG, run_id, task_id, "_link_BigQueryJobLink") == result["url"]
        assert stage.log(DAG, run_id, task_id).count("the job succeeded in ") == 1
    # What another task reads is a dict, not text.
    assert "SELECT 4 AS sum" in stage.jobs("reads")[0]["configuration"]["query"]["query"]
    assert rest.task(DAG, run_id, "begins")["pid"] is None
    assert rest.task(DAG, run_id, "ends")["pid"] is not None

    rest.clear(DAG, run_id, "begins")
    wait(stage, lambda: rest.run_state(DAG, run_id) != "success", "the clear")
    assert stage.airflow.wait_run(DAG, run_id, 120) == "success"
    assert len(stage.jobs("begins")) == 2
    assert len(stage.jobs("ends")) == 1


def test_marking_a_task_failed_that_has_no_worker_cancels_its_job(stage: Stage) -> None:
    before = len(stage.jobs("begins"))
    with stage.slow_jobs(seconds=120.0):
        run_id = stage.airflow.rest.trigger(DAG)
        wait(stage, lambda: len(stage.jobs("begins")) > before, "the job")
        wait(stage, lambda: stage.airflow.rest.xcom(DAG, run_id, "begins", "job"), "the job's XCom")
        stage.airflow.rest.set_state(DAG, run_id, "begins", "failed")
        wait(stage, lambda: stage.jobs("begins")[-1]["status"]["state"] == "DONE", "the job's end")
        stage.airflow.rest.set_state(DAG, run_id, "ends", "failed")
    assert stage.jobs("begins")[-1]["status"]["errorResult"]["reason"] == "stopped"
