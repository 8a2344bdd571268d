"""Two attempts of a task at once: Airflow has given up the first, which sleeps, and then wakes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Stage

DAG, TASK = "lifecycle", "inline"
SECONDS = 120.0


def test_the_one_that_wakes_leaves_the_job_to_the_other(stage: Stage) -> None:
    """The second has adopted the job of the first; Airflow tells the first to stop once it is heard of."""
    rest, sandbox = stage.airflow.rest, stage.sandbox
    before = len(stage.jobs(TASK))
    sandbox.clear_requests()
    with stage.slow_jobs(seconds=600.0):
        run_id = rest.trigger(DAG)

        def wait(condition: Callable[[], object], what: str) -> None:
            try:
                stage.airflow.wait(lambda: condition() or None, SECONDS, what)
            except TimeoutError as error:
                logs = [stage.log(DAG, run_id, TASK, number) for number in (1, 2)]
                raise AssertionError("\n\n".join(logs)) from error

        # Airflow answers no question of a kill while the task's own is under way: it waits, and asks nothing.
        wait(lambda: _waits(stage), "the job, and a look at it")
        asleep = _with_supervisor(rest.task(DAG, run_id, TASK)["pid"])
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        _not_heard_of_since_yesterday(stage, run_id)
        wait(lambda: rest.xcom(DAG, run_id, TASK, "job_attempt"), "the second attempt")
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
        wait(
            lambda: "a later attempt of the task follows it" in stage.log(DAG, run_id, TASK, 1),
            "the kill",
        )
    assert stage.airflow.wait_run(DAG, run_id, SECONDS) == "success"
    assert rest.task(DAG, run_id, TASK)["try_number"] == 2
    assert [job["status"]["state"] for job in stage.jobs(TASK)[before:]] == ["DONE"]
    cancels = [each for each in sandbox.requests() if each["operation"] == "bigquery.jobs.cancel"]
    assert cancels == []


def _waits(stage: Stage) -> bool:
    """Return whether the job is made, and whoever has made it looks at it."""
    asked = [each["operation"] for each in stage.sandbox.requests()]
    made = "bigquery.jobs.insert" in asked
    return made and "bigquery.jobs.get" in asked[asked.index("bigquery.jobs.insert") :]


def _with_supervisor(pid: int) -> list[int]:
    """Return the process of a task after the one that watches over it."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [parent, pid]


def _not_heard_of_since_yesterday(stage: Stage, run_id: str) -> None:
    """Let the scheduler give the attempt up: by itself it would wait for five minutes."""
    forget = (
        "UPDATE task_instance SET last_heartbeat_at = datetime('now', '-1 day')"
        " WHERE run_id = ? AND task_id = ? AND try_number = 1"
    )
    assert stage.airflow.change(forget, run_id, TASK) == 1
