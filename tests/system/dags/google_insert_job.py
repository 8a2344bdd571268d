"""A DAG as it is written for Google's operator: every parameter that its documentation names.

The test changes nothing but the import line below.
"""

from datetime import datetime, timedelta

from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.sdk import DAG
from google.cloud.bigquery import DEFAULT_RETRY

PROJECT = "google-dag"
SOURCE = {"projectId": PROJECT, "datasetId": "shop", "tableId": "orders"}
COPY = {"projectId": PROJECT, "datasetId": "shop", "tableId": "orders_copy"}

with DAG(
    dag_id="google_insert_job",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    default_args={"gcp_conn_id": "google_cloud_default", "poll_interval": 1.0, "retries": 0},
    template_searchpath=[],
    user_defined_macros={"dataset": "shop"},
):
    create = BigQueryInsertJobOperator(
        task_id="create",
        configuration={
            "query": {
                "query": "CREATE OR REPLACE TABLE {{ dataset }}.orders AS "
                "SELECT n AS id, n * 2 AS amount FROM UNNEST(GENERATE_ARRAY(1, 100)) AS n",
                "useLegacySql": False,
            },
            "labels": {"team": "shop"},
            "jobTimeoutMs": "600000",
        },
        project_id=PROJECT,
        location="US",
        job_id="create_orders",
        force_rerun=True,
        reattach_states={"PENDING", "RUNNING"},
        impersonation_chain="robot@google-dag.iam.gserviceaccount.com",
        cancel_on_kill=True,
        result_retry=DEFAULT_RETRY,
        result_timeout=600.0,
        deferrable=False,
        durable=True,
    )
    insert = BigQueryInsertJobOperator(
        task_id="insert",
        configuration={
            "query": {
                "query": "INSERT INTO shop.orders VALUES (101, 202)",
                "useLegacySql": False,
                "priority": "BATCH",
            }
        },
        deferrable=True,
        execution_timeout=timedelta(minutes=5),
    )
    query_file = BigQueryInsertJobOperator(
        task_id="query_file",
        configuration={
            "query": {
                "query": "sql/total.sql",
                "useLegacySql": False,
                "destinationTable": {"projectId": PROJECT, "datasetId": "shop", "tableId": "totals"},
                "writeDisposition": "WRITE_TRUNCATE",
                "createDisposition": "CREATE_IF_NEEDED",
            }
        },
        params={"least": 10},
        force_rerun=False,
        impersonation_chain=[
            "first@google-dag.iam.gserviceaccount.com",
            "robot@google-dag.iam.gserviceaccount.com",
        ],
        deferrable=True,
    )
    copy = BigQueryInsertJobOperator(
        task_id="copy",
        configuration={
            "copy": {
                "sourceTable": SOURCE,
                "destinationTable": COPY,
                "writeDisposition": "WRITE_TRUNCATE",
            }
        },
        deferrable=True,
        cancel_on_kill=False,
    )
    extract_file = BigQueryInsertJobOperator(task_id="extract_file", configuration="sql/extract.json")
    load = BigQueryInsertJobOperator(
        task_id="load",
        configuration={
            "load": {
                "sourceUris": ["gs://google-dag/orders-*.csv"],
                "destinationTable": {"projectId": PROJECT, "datasetId": "shop", "tableId": "loaded"},
                "sourceFormat": "CSV",
                "autodetect": True,
                "skipLeadingRows": 1,
            }
        },
        deferrable=True,
    )
    create >> insert >> [query_file, copy, extract_file]
    extract_file >> load
