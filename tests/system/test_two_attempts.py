"""Two attempts of a task at once: Airflow has given up the first, which sleeps, and then wakes."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import Airflow
from tests.system.conftest import PROJECT, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

DAG, TASK = "lifecycle", "inline"
#: A worker that is silent for so many seconds is given up.
HASTY = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


def test_the_one_that_wakes_leaves_the_job_to_the_other(tmp_path: Path) -> None:
    """The second has adopted the job of the first; Airflow tells the first to stop once it is heard of."""
    shutil.copy(Path(__file__).parent / "dags" / "lifecycle.py", tmp_path)
    with Sandbox() as sandbox:
        place = {"project": PROJECT, "api_endpoint": sandbox.bigquery, "access_token": sandbox.token}
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": place})
        with Airflow(tmp_path, {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection, **HASTY}) as airflow:
            airflow.wait_dags(DAG)
            stage = Stage(airflow, sandbox, airflow.close)
            sandbox.timing(project=PROJECT, running_seconds=600.0)
            run_id = airflow.rest.trigger(DAG)

            def wait(condition: Callable[[], object], what: str) -> None:
                try:
                    airflow.wait(lambda: condition() or None, 120.0, what)
                except TimeoutError as error:
                    logs = [stage.log(DAG, run_id, TASK, number) for number in (1, 2)]
                    raise AssertionError("\n\n".join(logs)) from error

            wait(lambda: stage.jobs(TASK), "the job")
            asleep = _with_supervisor(airflow.rest.task(DAG, run_id, TASK)["pid"])
            for pid in asleep:
                os.kill(pid, signal.SIGSTOP)
            wait(lambda: airflow.rest.xcom(DAG, run_id, TASK, "job_attempt"), "the second attempt")
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
            wait(
                lambda: "a later attempt of the task follows it" in stage.log(DAG, run_id, TASK, 1),
                "the kill",
            )
            sandbox.timing(project=PROJECT, running_seconds=0.0)
            wait(lambda: airflow.rest.task(DAG, run_id, TASK)["state"] == "success", "the task's end")
            assert airflow.rest.task(DAG, run_id, TASK)["try_number"] == 2
            assert [job["status"]["state"] for job in stage.jobs(TASK)] == ["DONE"]
            cancels = [each for each in sandbox.requests() if each["operation"] == "bigquery.jobs.cancel"]
            assert cancels == []


def _with_supervisor(pid: int) -> list[int]:
    """Return the process of a task after the one that watches over it."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [parent, pid]
