"""A query of Salesforce on a real Airflow, ended from outside: on a worker, and in the triggerer."""

from __future__ import annotations

import csv
import os
import signal
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.conftest import Stage

DAG = "salesforce_lifecycle"
# The sample accounts that are not in the bin.
ACCOUNTS = 4990


class Run:
    """One run of the DAG; its queries hold a mark, by which their jobs are found."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.mark = uuid.uuid4().hex
        self.run_id = stage.airflow.rest.trigger(DAG, {"folder": str(folder), "mark": self.mark})

    def task(self, task_id: str) -> dict[str, Any]:
        return self.stage.airflow.rest.task(DAG, self.run_id, task_id)

    def jobs(self, task_id: str) -> list[dict[str, Any]]:
        """Return the jobs of a task that are left, oldest first."""
        mark = f"'{task_id} {self.mark}'"
        return [job for job in self.stage.sandbox.salesforce_jobs() if mark in job.get("query", "")]

    def log(self, task_id: str, try_number: int = 1) -> str:
        """Return the log of an attempt, which is empty until it runs."""
        task = self.task(task_id)
        begun = task["pid"] and task["try_number"] >= try_number
        return self.stage.log(DAG, self.run_id, task_id, try_number) if begun else ""

    def wait(self, condition: Any, what: str) -> None:
        self.stage.airflow.wait(lambda: condition() or None, 90.0, what)

    def wait_end(self, task_id: str) -> str:
        self.wait(lambda: self.task(task_id)["state"] in {"success", "failed"}, f"the end of {task_id}")
        return str(self.task(task_id)["state"])


@pytest.fixture
def run(stage: Stage, tmp_path: Path) -> Iterator[Run]:
    """Begin a run whose jobs take long, until the test lets them go."""
    stage.sandbox.timing(project="salesforce", running_seconds=120.0)
    try:
        yield Run(stage, tmp_path)
    finally:
        stage.sandbox.timing(project="salesforce", running_seconds=0.0)


def test_killed_worker_and_failed_deferral(run: Run, tmp_path: Path) -> None:
    """The next attempt adopts the job of a killed worker; marking a deferred task failed aborts its job."""
    run.wait(lambda: "submitted" in run.log("inline"), "the job")
    pid = run.task("inline")["pid"]
    assert os.getsid(pid) == run.stage.airflow.scheduler.pid  # it is a process of this Airflow
    os.kill(pid, signal.SIGKILL)

    run.wait(lambda: "starting" in run.log("deferred"), "the trigger")
    run.stage.airflow.rest.set_state(DAG, run.run_id, "deferred", "failed")
    run.wait(lambda: run.jobs("deferred")[-1]["state"] == "Aborted", "the job's end")
    assert len(run.jobs("deferred")) == 1

    run.wait(lambda: "adopted" in run.log("inline", 2), "the next attempt")
    run.stage.sandbox.timing(project="salesforce", running_seconds=0.0)
    assert run.wait_end("inline") == "success", run.log("inline", 2)
    assert run.task("inline")["try_number"] == 2
    [job] = run.jobs("inline")
    result = run.stage.airflow.rest.xcom(DAG, run.run_id, "inline")
    assert (result["job_id"], result["record_count"]) == (job["id"], ACCOUNTS)
    with (tmp_path / "accounts.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == ACCOUNTS
