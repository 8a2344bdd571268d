"""The same jobs by several operators; which of them says the environment.

A DAG an operator has a task for each length of a job, in a project of its own; another has many mapped tasks.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.sdk import DAG

SECONDS = 7
MANY = int(os.environ["LATENCY_MANY"])
SQL = "SELECT 1 AS one"
START = datetime(2026, 1, 1)  # noqa: DTZ001 - as most DAGs are written


def operator(build: str) -> tuple[Any, dict[str, Any]]:
    """Return the operator of a build, and its arguments."""
    if build == "google":
        from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

        configuration = {"query": {"query": SQL, "useLegacySql": False}}
        return BigQueryInsertJobOperator, {
            "configuration": configuration,
            "location": "US",
            "deferrable": True,
        }
    from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator

    begins = {"from_trigger": True} if build == "from_trigger" else {}
    return BigQueryQueryOperator, {"sql": SQL, "deferrable": True, **begins}


for name in os.environ["LATENCY_BUILDS"].split(","):
    kind, arguments = operator(name)
    project = f"latency-{name.replace('_', '-')}"
    with DAG(f"latency_{name}", schedule=None, start_date=START):
        for number in range(SECONDS):
            # Two at a time begin, the longest first: their ends are measured, not how seven start at once.
            place = {"task_id": f"job_{number}", "pool": "two", "priority_weight": number + 1}
            kind(project_id=f"{project}-{number}", **place, **arguments)
    if name == "from_trigger":
        continue
    at_once = {} if name == "google" else {"inline_wait": 0}
    with DAG(f"many_{name}", schedule=None, start_date=START, max_active_tasks=200):
        kind.partial(task_id="job", pool="four", **arguments, **at_once).expand(
            project_id=[f"{project}-many"] * MANY
        )
