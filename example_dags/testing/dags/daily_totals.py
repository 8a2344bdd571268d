"""### Orders become a total for each customer

The DAG of the example in `example_dags/testing`: `test_daily_totals.py` runs it, on the data in `seeds`.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator

with DAG(
    "daily_totals",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 1},
    doc_md=__doc__,
):
    BigQueryQueryOperator(
        task_id="total",
        sql="SELECT customer, SUM(amount) AS total FROM shop.orders WHERE day = '{{ ds }}' GROUP BY customer",
        destination_table="shop.totals",
        write_disposition="WRITE_TRUNCATE",
    )
