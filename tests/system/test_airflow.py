"""Tasks on a real Airflow: scheduler, worker processes, triggerer, API server."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.system.conftest import Stage

GOOGLE = "google_insert_job"
DEFERRED = {"insert", "query_file", "copy", "load"}


def test_dag_written_for_googles_operator(stage: Stage) -> None:
    """Only the import line differs; every parameter that Google documents is in it."""
    stage.bigquery(
        "POST", "datasets", json={"datasetReference": {"projectId": "google-dag", "datasetId": "shop"}}
    )
    (stage.sandbox.buckets / "google-dag").mkdir()
    stage.sandbox.timing(project="google-dag", running_seconds=6.0)
    try:
        run_id, state = stage.run(GOOGLE)
    finally:
        stage.sandbox.timing(project="google-dag", running_seconds=0.0)
    tasks = [task["task_id"] for task in stage.airflow.rest.tasks(GOOGLE, run_id)]
    logs = {task_id: stage.log(GOOGLE, run_id, task_id) for task_id in tasks}
    assert state == "success", "\n\n".join(logs.values())

    [create] = stage.jobs("create")
    assert stage.airflow.rest.xcom(GOOGLE, run_id, "create") == create["jobReference"]["jobId"]
    assert create["jobReference"]["jobId"].startswith("create_orders_")
    assert create["user_email"] == "robot@google-dag.iam.gserviceaccount.com"
    assert create["configuration"]["labels"]["team"] == "shop"
    assert create["configuration"]["jobTimeoutMs"] == "600000"
    unneeded = "force_rerun, reattach_states, result_retry, result_timeout, durable"
    assert logs["create"].count(unneeded) == 1
    assert unneeded not in logs["insert"]

    [query_file] = stage.jobs("query_file")
    assert "amount >= 10" in query_file["configuration"]["query"]["query"]
    assert query_file["user_email"] == "robot@google-dag.iam.gserviceaccount.com"
    assert rows(stage, "totals") == [["97", "10282"]]
    assert len(rows(stage, "orders_copy")) == len(rows(stage, "loaded")) == 101
    [extract] = stage.jobs("extract_file")
    assert extract["configuration"]["labels"]["run"].startswith("manual__")
    for task_id, log in logs.items():
        assert len(stage.jobs(task_id)) == 1
        assert ("trigger" in log.lower()) == (task_id in DEFERRED), log

    told = {job["task_id"]: job for job in stage.airflow.rest.jobs_page(GOOGLE)}
    assert told.keys() == logs.keys()
    assert {job["state"] for job in told.values()} == {"succeeded"}
    assert told["query_file"]["job_id"] == query_file["jobReference"]["jobId"]
    assert told["query_file"]["url"].startswith("https://console.cloud.google.com/bigquery?")


def test_worker_killed_while_it_waits(stage: Stage) -> None:
    """The next attempt adopts the job of the one whose process is gone."""
    stage.sandbox.timing(project="google-dag", running_seconds=8.0)
    run_id = stage.airflow.rest.trigger("lifecycle")
    wait(stage, lambda: stage.jobs("inline"), "the job")
    pid = stage.airflow.rest.task("lifecycle", run_id, "inline")["pid"]
    assert os.getsid(pid) == stage.airflow.scheduler.pid  # it is a process of this Airflow
    os.kill(pid, signal.SIGKILL)
    wait(stage, lambda: ended(stage, run_id, "inline"), "the task's end")
    assert stage.airflow.rest.task("lifecycle", run_id, "inline")["state"] == "success"
    assert stage.airflow.rest.task("lifecycle", run_id, "inline")["try_number"] == 2
    assert "adopted" in stage.log("lifecycle", run_id, "inline", 2)
    assert len(stage.jobs("inline")) == 1


def test_marking_a_deferred_task_failed_cancels_its_job(stage: Stage) -> None:
    stage.sandbox.timing(project="google-dag", running_seconds=120.0)
    before = len(stage.jobs("deferred"))
    try:
        run_id = stage.airflow.rest.trigger("lifecycle")
        wait(stage, lambda: state_of(stage, run_id, "deferred") == "deferred", "the deferral")
        wait(stage, lambda: "starting" in stage.log("lifecycle", run_id, "deferred"), "the trigger")
        told = stage.airflow.rest.jobs_page("lifecycle")
        [job] = [job for job in told if (job["run_id"], job["task_id"]) == (run_id, "deferred")]
        assert job["state"] in {"pending", "running"}
        stage.airflow.rest.set_state("lifecycle", run_id, "deferred", "failed")
        wait(stage, lambda: stage.jobs("deferred")[-1]["status"]["state"] == "DONE", "the job's end")
        stage.airflow.rest.set_state("lifecycle", run_id, "inline", "failed")
    finally:
        stage.sandbox.timing(project="google-dag", running_seconds=0.0)
    assert stage.jobs("deferred")[-1]["status"]["errorResult"]["reason"] == "stopped"
    assert len(stage.jobs("deferred")) == before + 1


def rows(stage: Stage, table: str) -> list[list[Any]]:
    page = stage.bigquery("GET", f"datasets/shop/tables/{table}/data", params={"maxResults": 1000})
    return [[cell["v"] for cell in row["f"]] for row in page["rows"]]


def wait(stage: Stage, condition: Any, what: str) -> None:
    stage.airflow.wait(lambda: condition() or None, 90.0, what)


def state_of(stage: Stage, run_id: str, task_id: str) -> str | None:
    state: str | None = stage.airflow.rest.task("lifecycle", run_id, task_id)["state"]
    return state


def ended(stage: Stage, run_id: str, task_id: str) -> bool:
    return state_of(stage, run_id, task_id) in {"success", "failed"}
