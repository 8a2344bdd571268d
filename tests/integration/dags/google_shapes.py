"""What public DAGs do with Google's operators, sensors and hook, in the shapes in which they do it.

The test changes the prefix of the import lines, and what is in capitals.
"""

from datetime import datetime
from typing import Any

from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
from airflow.providers.google.cloud.operators.bigquery import (
    BigQueryCheckOperator,
    BigQueryColumnCheckOperator,
    BigQueryGetDataOperator,
    BigQueryInsertJobOperator,
    BigQueryIntervalCheckOperator,
    BigQueryTableCheckOperator,
    BigQueryValueCheckOperator,
)
from airflow.providers.google.cloud.sensors.bigquery import (
    BigQueryTableExistenceSensor,
    BigQueryTablePartitionExistenceSensor,
)
from airflow.providers.google.cloud.transfers.bigquery_to_bigquery import BigQueryToBigQueryOperator
from airflow.providers.google.cloud.transfers.bigquery_to_gcs import BigQueryToGCSOperator
from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator
from airflow.sdk import DAG, chain, task

PROJECT = "google-project"
DEFERRABLE = False
TABLE: dict[str, Any] = {"project_id": PROJECT, "dataset_id": "shop", "table_id": "orders"}
ORDERS = {"projectId": PROJECT, "datasetId": "shop", "tableId": "orders"}
SCHEMA = [
    {"name": "id", "type": "INTEGER", "mode": "REQUIRED"},
    {"name": "amount", "type": "INTEGER", "mode": "NULLABLE"},
    {"name": "day", "type": "DATE", "mode": "NULLABLE"},
]
CREATE = """
CREATE SCHEMA IF NOT EXISTS shop;
CREATE OR REPLACE TABLE shop.orders (id INT64 NOT NULL, amount INT64, day DATE) PARTITION BY day;
INSERT INTO shop.orders VALUES (1, 10, '2026-01-01'), (2, 20, '{{ ds }}'), (3, 30, '{{ ds }}');
"""


def query(sql: Any, **more: Any) -> dict[str, Any]:
    """Return the configuration of a query."""
    return {"query": {"query": sql, "useLegacySql": False, **more}}


with DAG(
    "google_shapes",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    params={"project": PROJECT, "least": 15, "account": "", "team": "shop"},
    default_args={"gcp_conn_id": "google_cloud_default", "retries": 0, "deferrable": DEFERRABLE},
) as dag:
    script = BigQueryInsertJobOperator(task_id="script", configuration=query(CREATE), location="US")
    table_is_there = BigQueryTableExistenceSensor(task_id="table_is_there", poke_interval=1, **TABLE)
    partition_is_there = BigQueryTablePartitionExistenceSensor(
        task_id="partition_is_there", partition_id="{{ ds_nodash }}", timeout=60, **TABLE
    )
    check_before = BigQueryCheckOperator(
        task_id="check_before",
        sql="SELECT COUNT(*) > 0, MIN(amount) FROM shop.orders WHERE day = '{{ ds }}'",
        use_legacy_sql=False,
        location="US",
        labels={"team": "{{ params.team }}"},
    )
    check_value = BigQueryValueCheckOperator(
        task_id="check_value",
        sql="SELECT SUM(amount) FROM shop.orders",
        pass_value=61,
        tolerance=0.1,
        use_legacy_sql=False,
    )
    check_interval = BigQueryIntervalCheckOperator(
        task_id="check_interval",
        table="shop.orders",
        days_back=1,
        date_filter_column="day",
        metrics_thresholds={"COUNT(*)": 2.5, "SUM(amount)": 6},
        use_legacy_sql=False,
    )
    check_columns = BigQueryColumnCheckOperator(
        task_id="check_columns",
        table=f"{PROJECT}.shop.orders",
        column_mapping={
            "id": {"null_check": {"equal_to": 0}, "unique_check": {"equal_to": 0}},
            "amount": {
                "min": {"geq_to": 10},
                "max": {"less_than": 28, "tolerance": 0.1, "partition_clause": "day = '{{ ds }}'"},
            },
        },
        use_legacy_sql=False,
    )
    check_table = BigQueryTableCheckOperator(
        task_id="check_table",
        table="shop.orders",
        checks={
            "rows": {"check_statement": "COUNT(*) = 3"},
            "amounts": {"check_statement": "amount > id"},
        },
        use_legacy_sql=False,
    )
    sql_file = BigQueryInsertJobOperator(
        task_id="sql_file",
        configuration=query(
            "sql/totals.sql",
            destinationTable={"projectId": PROJECT, "datasetId": "shop", "tableId": "totals"},
            write_disposition="WRITE_TRUNCATE",
        ),
    )
    included = BigQueryInsertJobOperator(
        task_id="included", configuration=query("{% include 'sql/totals.sql' %}"), params={"least": 1}
    )
    json_file = BigQueryInsertJobOperator(task_id="json_file", configuration="sql/orders.json")
    statements = BigQueryInsertJobOperator(
        task_id="statements", configuration=query(["SELECT 1", "SELECT COUNT(*) FROM shop.orders"])
    )
    templated = BigQueryInsertJobOperator(
        task_id="templated",
        configuration={
            **query("SELECT {{ params.least }} AS least"),
            "labels": {"team": "{{ params.team }}"},
        },
        job_id="orders_{{ ds_nodash }}",
        project_id="{{ params.project }}",
        location="US",
        impersonation_chain="{{ params.account }}",
        force_rerun=True,
        reattach_states={"PENDING", "RUNNING"},
    )
    partition = BigQueryInsertJobOperator(
        task_id="partition",
        configuration=query(
            "SELECT 9 AS id, 90 AS amount, DATE '2026-01-01' AS day",
            destinationTable={**ORDERS, "tableId": "orders$20260101"},
            writeDisposition="WRITE_TRUNCATE",
        ),
    )
    copy = BigQueryInsertJobOperator(
        task_id="copy",
        configuration={
            "copy": {
                "sourceTable": ORDERS,
                "destinationTable": {**ORDERS, "tableId": "copied"},
                "writeDisposition": "WRITE_TRUNCATE",
            }
        },
    )
    load = BigQueryInsertJobOperator(
        task_id="load",
        configuration={
            "load": {
                "sourceUris": [f"gs://{PROJECT}/{{{{ ds_nodash }}}}/orders-*.json"],
                "destinationTable": {**ORDERS, "tableId": "loaded"},
                "sourceFormat": "NEWLINE_DELIMITED_JSON",
                "autodetect": True,
            }
        },
    )

    @task
    def configuration() -> dict[str, Any]:
        return query("SELECT 1 AS from_xcom")

    @task
    def numbers() -> list[int]:
        return [1, 2]

    from_xcom = BigQueryInsertJobOperator(task_id="from_xcom", configuration=configuration())
    over_configurations = BigQueryInsertJobOperator.partial(task_id="over_configurations").expand(
        configuration=[query("SELECT 1"), query("SELECT 2")]
    )
    over_queries = BigQueryInsertJobOperator.partial(task_id="over_queries").expand(
        configuration=numbers().map(lambda n: {"query": {"query": f"SELECT {n}", "useLegacySql": False}})
    )
    to_gcs = BigQueryToGCSOperator(
        task_id="to_gcs",
        source_project_dataset_table=f"{PROJECT}.shop.orders",
        destination_cloud_storage_uris=[f"gs://{PROJECT}/export/orders-*.csv.gz"],
        compression="GZIP",
        export_format="CSV",
        print_header=True,
    )
    schema_object = GCSToBigQueryOperator(
        task_id="schema_object",
        bucket=PROJECT,
        source_objects=["export/orders-*.csv.gz"],
        destination_project_dataset_table=f"{PROJECT}.shop.by_object",
        schema_object="schemas/orders.json",
        skip_leading_rows=1,
        write_disposition="WRITE_TRUNCATE",
        autodetect=False,
        max_id_key="id",
    )
    schema_fields = GCSToBigQueryOperator(
        task_id="schema_fields",
        bucket="{{ params.project }}",
        source_objects="days/{{ ds }}.csv",
        destination_project_dataset_table="shop.days${{ ds_nodash }}",
        schema_fields=SCHEMA,
        time_partitioning={"type": "DAY", "field": "day"},
        cluster_fields=["id"],
        write_disposition="WRITE_TRUNCATE",
        create_disposition="CREATE_IF_NEEDED",
        field_delimiter=";",
        quote_character="'",
        allow_quoted_newlines=True,
        max_bad_records=0,
        autodetect=False,
        labels={"team": "shop"},
        description="Orders by day",
    )
    detected = GCSToBigQueryOperator.partial(
        task_id="detected",
        bucket=PROJECT,
        source_format="NEWLINE_DELIMITED_JSON",
        destination_project_dataset_table="shop.detected",
        write_disposition="WRITE_APPEND",
        max_active_tis_per_dag=1,
    ).expand(source_objects=["json/a.json", "json/b.json"])
    to_table = BigQueryToBigQueryOperator(
        task_id="to_table",
        source_project_dataset_tables=[f"{PROJECT}.shop.orders"],
        destination_project_dataset_table=f"{PROJECT}.shop.everything",
        write_disposition="WRITE_TRUNCATE",
        labels={"team": "shop"},
    )
    get_data = BigQueryGetDataOperator(
        task_id="get_data",
        dataset_id="shop",
        table_id="orders",
        max_results=10,
        selected_fields="id,day",
        use_legacy_sql=False,
    )

    @task
    def hook() -> None:
        found = BigQueryHook(gcp_conn_id="google_cloud_default", use_legacy_sql=False, location="US")
        assert [tuple(row) for row in found.get_records("SELECT id FROM shop.orders ORDER BY id")] == [
            (2,),
            (3,),
            (9,),
        ]
        assert tuple(found.get_first("SELECT COUNT(*), 'x' FROM shop.orders")) == (3, "x")
        assert list(found.get_df("SELECT id, amount FROM shop.orders WHERE id = 9").columns) == [
            "id",
            "amount",
        ]
        assert found.table_exists(project_id=PROJECT, dataset_id="shop", table_id="orders")
        assert not found.table_exists(project_id=PROJECT, dataset_id="shop", table_id="nothing")

    check_after = BigQueryCheckOperator(
        task_id="check_after",
        sql="SELECT (SELECT COUNT(*) FROM shop.everything) = 3 AND (SELECT COUNT(*) FROM shop.detected) = 2 "
        "AND (SELECT COUNT(*) FROM shop.days) = 2 AND (SELECT COUNT(*) FROM shop.by_object) = 3",
        use_legacy_sql=False,
    )
    chain(
        script,
        table_is_there,
        partition_is_there,
        [
            check_before,
            check_value,
            check_interval,
            check_columns,
            check_table,
            sql_file,
            included,
            json_file,
        ],
        load,
        [statements, templated, partition, copy, from_xcom, over_configurations, over_queries],
        to_gcs,
        [schema_object, schema_fields, detected, to_table, get_data, hook()],
        check_after,
    )
