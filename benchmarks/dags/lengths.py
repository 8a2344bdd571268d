"""What the DAGs of the operators that are compared have in common."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.sdk import DAG

SECONDS = 7
MANY = int(os.environ["LATENCY_MANY"])
BUILDS = os.environ["LATENCY_BUILDS"].split(",")
START = datetime(2026, 1, 1)  # noqa: DTZ001 - as most DAGs are written
SQL = "SELECT 1 AS one"


def make(name: str, kind: Any, arguments: dict[str, Any], **at_once: Any) -> None:
    """Make a DAG with a task for each length of a job, in a project of its own, and one of many mapped tasks.

    :param at_once: What makes the many defer at once.
    """
    project = f"latency-{name.replace('_', '-')}"
    with DAG(f"latency_{name}", schedule=None, start_date=START):
        for number in range(SECONDS):
            # Two at a time begin, the longest first: their ends are measured, not how seven start at once.
            place = {"task_id": f"job_{number}", "pool": "two", "priority_weight": number + 1}
            kind(project_id=f"{project}-{number}", **place, **arguments)
    with DAG(f"many_{name}", schedule=None, start_date=START, max_active_tasks=200):
        kind.partial(task_id="job", **arguments, **at_once).expand(project_id=[f"{project}-many"] * MANY)
