"""What differs between the Airflow versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_jobs import compat


def test_all_runs_of_dag_test_have_one_api() -> None:
    """Airflow 3.1 and 3.2 make one for each task and each trigger, at seconds of work."""
    made = []
    for _ in range(2):
        with compat.shared_test_api():
            made += [supervisor.in_process_api_server() for _ in range(2)]
    assert len({id(each) for each in made}) == 1


@pytest.mark.parametrize(("map_index", "told_as"), [(-1, "task"), (0, "task_0"), (12, "task_12")])
def test_state_of_a_task_instance(monkeypatch: pytest.MonkeyPatch, map_index: int, told_as: str) -> None:
    """Airflow names a mapped task by its index too."""
    asked: list[dict[str, Any]] = []

    def states(**filters: Any) -> dict[str, dict[str, str]]:
        asked.append(filters)
        return {"run": {told_as: "deferred"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", states)
    ti: Any = SimpleNamespace(dag_id="dag", task_id="task", run_id="run", map_index=map_index)
    assert compat.task_state(ti) == "deferred"
    assert asked == [{"dag_id": "dag", "task_ids": ["task"], "run_ids": ["run"], "map_index": map_index}]


def test_state_of_a_task_instance_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda **_: {})
    ti: Any = SimpleNamespace(dag_id="dag", task_id="task", run_id="run", map_index=-1)
    assert compat.task_state(ti) is None


@pytest.mark.parametrize(
    ("keys", "pushes", "left"),
    [(["return_value", "job"], True, True), (["job"], True, False), (None, True, None), ([], False, None)],
)
def test_what_the_attempt_before_has_left(keys: list[str] | None, left: bool | None, *, pushes: bool) -> None:
    ti = SimpleNamespace(task=SimpleNamespace(do_xcom_push=pushes))
    if keys is not None:
        ti._ti_context_from_server = SimpleNamespace(xcom_keys_to_clear=keys)
    assert compat.left_result(ti) is left  # type: ignore[arg-type]
