"""Tasks that the tests clear, with fewer retries than they had."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator

RETRIES = 2

with DAG(
    "clears",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    default_args={"retries": RETRIES, "retry_delay": timedelta(0)},
):
    BigQueryQueryOperator(task_id="cleared_inline", sql="SELECT 1 AS x", deferrable=False)
    BigQueryQueryOperator(task_id="cleared_deferred", sql="SELECT 2 AS x", deferrable=True, inline_wait=0)
    SalesforceQueryOperator(task_id="cleared_soql", soql="SELECT Id, Name FROM Account", deferrable=False)
