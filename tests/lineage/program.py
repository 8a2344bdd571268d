"""Runs DAGs in an Airflow of its own, with OpenLineage's provider as it is, and prints events of assets."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.listeners import hookimpl
from airflow.models.asset import AssetEvent
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select


def dag_bag(folder: str) -> Any:
    """Return the DAGs of a folder; the class has moved after Airflow 3.1."""
    try:
        module = importlib.import_module("airflow.dag_processing.dagbag")
    except ImportError:
        module = importlib.import_module("airflow.models.dagbag")
    return module.DagBag(folder).dags


#: Of all runs: checks compare it with the day before.
DAY = datetime(2026, 1, 2, tzinfo=UTC)


class Fresh:
    """Forgets when a task begins what hooks have told: on a worker each task has a process of its own."""

    @hookimpl
    def on_task_instance_running(self) -> None:
        """Begin with nothing."""
        try:
            importlib.import_module("airflow.sdk.lineage").get_hook_lineage_collector.cache_clear()
        except ImportError:  # Airflow 3.1
            module: Any = importlib.import_module("airflow.lineage.hook")
            module._hook_lineage_collector = None


def listen() -> None:
    """Let it hear of tasks; the manager of listeners has moved after Airflow 3.1."""
    try:
        module = importlib.import_module("airflow.sdk.listener")
    except ImportError:
        module = importlib.import_module("airflow.listeners.listener")
    module.get_listener_manager().add_listener(Fresh())


def main(folder: str, dag_ids: list[str]) -> None:
    """Run DAGs one after another: nothing else is in this process that a trigger could be too early for."""
    initdb()
    listen()
    dags = dag_bag(folder)
    if "airflow_provider_jobs.operators.base" in sys.modules:
        sys.modules["airflow_provider_jobs.operators.base"].FIRST_POLL_SECONDS = 0.1  # type: ignore[attr-defined]
    compat: Any = sys.modules.get("airflow_provider_jobs.compat")
    with compat.shared_test_api() if compat else contextlib.nullcontext():
        for dag_id in dag_ids:
            dags[dag_id].test(logical_date=DAY)
    with create_session() as session:
        events = [
            {
                "uri": each.asset.uri,
                "dag": each.source_dag_id,
                "task": each.source_task_id,
                "extra": each.extra,
            }
            for each in session.scalars(select(AssetEvent).order_by(AssetEvent.id))
        ]
    sys.stdout.write(f"\nASSETS {json.dumps(events)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
