"""A DAG for each end, with a task for each service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from tests.system.ends.table import ENDS, SERVICES
from tests.system.ends.tasks import TASKS

if TYPE_CHECKING:
    from tests.system.ends.table import End


def parameters(end: End) -> dict[str, Any]:
    task = {"poll_interval": 1, "retry_delay": timedelta(0), **end.task}
    seconds = task.pop("timeout_seconds", None)
    return task | ({"execution_timeout": timedelta(seconds=seconds)} if seconds else {})


def dag(end: End) -> DAG:
    timeout = timedelta(seconds=end.timeout_seconds) if end.timeout_seconds else None
    with DAG(
        f"ends_{end.name}",
        schedule=None,
        start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
        dagrun_timeout=timeout,
    ) as made:
        for service in SERVICES:
            TASKS[service](f"{end.name}_{service}", task_id=service, **parameters(end))
    return made


DAGS = {end.name: dag(end) for end in ENDS}
globals().update(DAGS)
