"""The tasks of the cluster's DAGs: four that are deferred, and four that wait for their jobs on a worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.system.cluster.table import MODES, SCENARIOS, TASK_SERVICES
from tests.system.ends.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Those that are deferred come first: then the others may have all workers.
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "deferred": {"deferrable": True, "inline_wait": 0, "priority_weight": 10},
    "worker": {"deferrable": False},
}


def retried(name: str) -> dict[str, Any]:
    """Return how the tasks of a scenario are repeated."""
    seconds = next((each.retry_seconds for each in SCENARIOS if each.name == name), 1.0)
    return {"retries": 2, "retry_delay": timedelta(seconds=seconds)}


def dag(name: str, modes: Sequence[str] = MODES) -> DAG:
    """Return the DAG of a scenario.

    :param modes: The ways to wait; tasks that wait in another are left out.
    """
    with _empty(name) as made:
        for mode in modes:
            for task_id, service in TASK_SERVICES.items():
                TASKS[service](
                    f"{name}_{mode}_{service}",
                    task_id=f"{mode}_{task_id}",
                    poll_interval=1,
                    **retried(name),
                    **PARAMETERS[mode],
                )
    return made


def crowd(name: str, count: int) -> DAG:
    """Return a DAG of many mapped tasks, all deferred."""
    with _empty(name) as made:
        BigQueryQueryOperator.partial(
            task_id="query",
            gcp_conn_id=f"{name}_deferred_bigquery",
            **retried(name),
            **PARAMETERS["deferred"],
        ).expand(sql=[f"SELECT {number} AS n" for number in range(count)])
    return made


def _empty(name: str) -> DAG:
    return DAG(
        f"cluster_{name}",
        schedule=None,
        start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
        max_active_tasks=1000,
    )
