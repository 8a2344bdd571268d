"""What the demo reads of Airflow, where an older release tells less."""

from __future__ import annotations

from tests.demo import report

TASK = {
    "task_id": "load",
    "state": "success",
    "try_number": 1,
    "start_date": "2026-01-01T00:00:00Z",
    "end_date": "2026-01-01T00:00:12Z",
}


class Rest:
    """Answers as Airflow's REST API.

    :param events: The audit log: events of the task, and seconds.
    """

    def __init__(self, *events: tuple[str, int]) -> None:
        self._events = events

    def events(self, *_: str) -> list[dict[str, str]]:
        return [
            {"task_id": "load", "event": event, "when": f"2026-01-01T00:00:{second:02}Z"}
            for event, second in self._events
        ]

    def tasks(self, *_: str) -> list[dict[str, object]]:
        return [dict(TASK)]

    def xcom(self, *_: str) -> None:
        return None


def test_the_audit_log_tells_where_a_task_spent_its_time() -> None:
    rest = Rest(("running", 0), ("deferred", 2), ("running", 9), ("success", 10))
    [task] = report.task_reports(rest, "dag", "run")  # type: ignore[arg-type]
    assert (task.seconds, task.worker_seconds, task.deferred_seconds, task.deferrals) == (10.0, 3.0, 7.0, 1)


def test_airflow_3_1_tells_when_a_task_began_and_ended_and_no_more() -> None:
    [task] = report.task_reports(Rest(), "dag", "run")  # type: ignore[arg-type]
    assert (task.seconds, task.worker_seconds, task.deferred_seconds, task.deferrals) == (
        12.0,
        None,
        None,
        None,
    )
    assert task.cells[-3:] == ("12.0", "-", "-")


def test_a_triggers_log_need_not_name_its_task() -> None:
    """Lines of Airflow 3.1 have no ids of their own."""
    old = [{"event": "trigger dag/run/load (ID 1) starting", "timestamp": "2026-01-01T00:00:00Z"}]
    new = [{**old[0], "run_id": "run", "task_id": "load"}]
    assert list(report.trigger_proof(old, "load", "j")) == [
        "00:00:00  load: trigger dag/run/load (ID 1) starting"
    ]
    assert list(report.trigger_proof(new, "load", "j")) == [
        "00:00:00  load: trigger dag/…/load (ID 1) starting"
    ]
