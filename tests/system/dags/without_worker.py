"""A task that needs no worker, one whose trigger ends it, and one that reads what they left."""

from datetime import datetime

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator

with DAG("without_worker", schedule=None, start_date=datetime(2026, 1, 1), params={"rows": 3}):  # noqa: DTZ001 - as most DAGs are written
    begins = BigQueryQueryOperator(
        task_id="begins",
        sql="SELECT n FROM UNNEST(GENERATE_ARRAY(1, {{ params.rows }})) AS n",
        from_trigger=True,
        poll_interval=1,
    )
    ends = BigQueryQueryOperator(
        task_id="ends",
        sql="SELECT '{{ run_id }}' AS run",
        deferrable=True,
        inline_wait=0,
        poll_interval=1,
    )
    reads = BigQueryQueryOperator(
        task_id="reads",
        sql="SELECT {{ ti.xcom_pull('begins')['row_count'] + ti.xcom_pull('ends')['row_count'] }} AS sum",
        deferrable=False,
    )
    [begins, ends] >> reads
