"""Rows in Airflow's database as tasks leave them: runs, task instances and their XComs ``job``."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import func as sql
from sqlalchemy import insert, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

NOW = datetime.now(tz=UTC).replace(microsecond=0)
GIB = 1024**3


@dataclass
class Job:
    """One task instance with a job.

    :param hours: How long ago its last news came.
    """

    value: Any
    hours: float = 1.0
    dag_id: str = "shop_daily"
    task_id: str = "load"
    task_state: str | None = "success"
    map_index: int = -1
    key: str = "job"
    run_id: str = field(default_factory=lambda: f"manual__{uuid.uuid4().hex}+00:00")
    duration: float | None = 60.0


def bigquery(state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Return an XCom ``job`` as the operators for BigQuery write it."""
    job_id = f"airflow_{uuid.uuid4().hex}"
    url = f"https://console.cloud.google.com/bigquery?project=shop&j=bq:EU:{job_id}&page=queryresults"
    found = {"project_id": "shop", "location": "EU", "job_id": job_id, "state": state, "url": url}
    return {**found, **more}


def salesforce(state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Return the same of Salesforce."""
    job_id = f"750{uuid.uuid4().hex[:15]}"
    found = {"job_id": job_id, "kind": "query", "api_version": "59.0", "state": state, "object": "Account"}
    return {**found, "operation": "query", "url": f"https://shop.my.salesforce.com/{job_id}", **more}


def redivis(state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Return the same of Redivis, which has no link."""
    return {"job_id": "/uploads/1", "table": "lab.shop.sales", "state": state, "name": "sales.csv", **more}


def store(connection: Connection, jobs: Iterable[Job], besides: Sequence[str] = ()) -> None:
    """Write jobs, each of a run of its own unless several name one; in one go.

    :param besides: Keys of more XComs, which hold the same.
    """
    jobs = list(jobs)
    first = (connection.scalar(select(sql.max(DagRun.id))) or 0) + 1
    runs: dict[tuple[str, str], int] = {}
    for job in jobs:
        runs.setdefault((job.dag_id, job.run_id), first + len(runs))
    latest = {(job.dag_id, job.run_id): NOW - timedelta(hours=job.hours) for job in jobs}
    rows: dict[Any, list[dict[str, Any]]] = {
        DagRun: [_run(number, *key, latest[key]) for key, number in runs.items()],
        TaskInstance: [_task(job) for job in jobs],
        XComModel: [
            _xcom(runs[job.dag_id, job.run_id], job, key) for job in jobs for key in (job.key, *besides)
        ],
    }
    for model, values in rows.items():
        connection.execute(insert(model.__table__), values)


def _run(number: int, dag_id: str, run_id: str, at: datetime) -> dict[str, Any]:
    names = {"id": number, "dag_id": dag_id, "run_id": run_id, "run_type": "manual", "state": "success"}
    return {**names, **dict.fromkeys(("run_after", "queued_at", "start_date", "end_date"), at)}


def _task(job: Job) -> dict[str, Any]:
    at = NOW - timedelta(hours=job.hours)
    began = at - timedelta(seconds=job.duration or 0)
    return {
        "dag_id": job.dag_id,
        "run_id": job.run_id,
        "task_id": job.task_id,
        "map_index": job.map_index,
        "state": job.task_state,
        "pool": "default_pool",
        "try_number": 1,
        "start_date": began,
        "end_date": at if job.duration else None,
        "duration": job.duration,
        "operator": "BigQueryQueryOperator",
        "queue": "default",
        "priority_weight": 1,
    }


def _xcom(run_number: int, job: Job, key: str) -> dict[str, Any]:
    return {
        "dag_run_id": run_number,
        "dag_id": job.dag_id,
        "run_id": job.run_id,
        "task_id": job.task_id,
        "map_index": job.map_index,
        "key": key,
        "value": job.value,
        "timestamp": NOW - timedelta(hours=job.hours),
    }
