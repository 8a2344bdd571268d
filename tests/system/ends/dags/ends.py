"""A DAG for each end, with a task for each service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from tests.system.ends.table import ENDS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.operators.base import JobOperator
    from tests.system.ends.table import End


def bigquery(connection: str, **task: Any) -> JobOperator:
    return BigQueryQueryOperator(sql="SELECT 1 AS x", gcp_conn_id=connection, **task)


def redivis(connection: str, **task: Any) -> JobOperator:
    return RedivisUploadOperator(
        source="{{ var.value.ends_file }}",
        table="acme.ends:next.numbers",
        create_missing=True,
        redivis_conn_id=connection,
        **task,
    )


def salesforce(connection: str, **task: Any) -> JobOperator:
    return SalesforceQueryOperator(soql="SELECT Id FROM Account", salesforce_conn_id=connection, **task)


TASKS: dict[str, Callable[..., JobOperator]] = {
    "bigquery": bigquery,
    "redivis": redivis,
    "salesforce": salesforce,
}


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
