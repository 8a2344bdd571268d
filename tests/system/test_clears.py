"""A clear on a real Airflow: what it runs anew does not hang on what the DAG's ``retries`` have become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.conftest import Stage

DAG = "clears"
BIGQUERY = ("cleared_inline", "cleared_deferred")


def test_a_clear_with_fewer_retries_runs_anew(stage: Stage) -> None:
    """``max_tries`` stays 2: one attempt was made, and one retry is left."""
    rest = stage.airflow.rest
    with stage.slow_jobs(seconds=3.0):
        run_id, state = stage.run(DAG)
        assert state == "success"
        tasks = [task["task_id"] for task in rest.tasks(DAG, run_id)]
        queries = len(stage.sandbox.salesforce_jobs())
        file = Path(stage.airflow.environment["AIRFLOW__CORE__DAGS_FOLDER"]) / "clears.py"
        file.write_text(file.read_text().replace("RETRIES = 2", "RETRIES = 1"))

        def fewer() -> bool:
            known = rest.call("GET", f"/dags/{DAG}/tasks")["tasks"]
            if {task["retries"] for task in known} == {1.0}:
                return True
            # What is written while the DAG processor reads the file counts as read there (`_sort_by_mtime`),
            # and it reads it whenever a task has ended in its trigger.
            file.touch()
            return False

        stage.airflow.wait(lambda: fewer() or None, 120.0, "the DAG's new retries", poll_seconds=5.0)
        rest.clear(DAG, run_id, *tasks)
        assert stage.airflow.wait_run(DAG, run_id, 240.0) == "success"
    assert {(task["max_tries"], task["try_number"]) for task in rest.tasks(DAG, run_id)} == {(2, 2)}
    assert [len(stage.jobs(task_id)) for task_id in BIGQUERY] == [2, 2]
    assert len(stage.sandbox.salesforce_jobs()) == queries + 1
