"""A task of each service, for DAGs that are about the ends of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.operators.base import JobOperator


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
