"""What users of Google's own provider do with files, BigQuery's jobs and checks."""

from __future__ import annotations

import os

from airflow.providers.google.cloud.hooks import bigquery
from airflow.providers.google.cloud.operators.bigquery import BigQueryCheckOperator, BigQueryInsertJobOperator
from airflow.providers.google.cloud.operators.gcs import (
    GCSCreateBucketOperator,
    GCSDeleteObjectsOperator,
    GCSListObjectsOperator,
)
from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator
from airflow.providers.google.cloud.transfers.local_to_gcs import LocalFilesystemToGCSOperator
from airflow.sdk import DAG
from google.api_core.client_options import ClientOptions
from googleapiclient.discovery import build

TABLE = "shop.people"
# No setting leads a check to the sandbox: it asks bigquery.googleapis.com, and takes a client that is built
# for an address. A deferred one takes BIGQUERY_EMULATOR_HOST for a host without a scheme, and others need it.
ADDRESS = ClientOptions(api_endpoint=f"{os.environ['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/")
bigquery.build = lambda *names, http, **_: build(*names, http=http, client_options=ADDRESS)


def query(task_id: str, sql: str, *, deferrable: bool) -> BigQueryInsertJobOperator:
    """Run a query."""
    configuration = {"query": {"query": sql, "useLegacySql": False}}
    return BigQueryInsertJobOperator(task_id=task_id, configuration=configuration, deferrable=deferrable)


def check(task_id: str, sql: str) -> BigQueryCheckOperator:
    """See that no value of a query's first row is false."""
    return BigQueryCheckOperator(task_id=task_id, sql=sql, use_legacy_sql=False)


with DAG("google_provider", schedule=None, render_template_as_native_obj=True):
    send = LocalFilesystemToGCSOperator(
        task_id="send", src=os.environ["PEOPLE"], dst="in/people.csv", bucket="people"
    )
    load = GCSToBigQueryOperator(
        task_id="load",
        bucket="people",
        source_objects="{{ ti.xcom_pull('list') }}",
        destination_project_dataset_table=TABLE,
        autodetect=True,
        skip_leading_rows=1,
        deferrable=True,
    )
    both = f"SELECT * FROM {TABLE} UNION ALL SELECT * FROM {TABLE}"  # noqa: S608 - ours
    double = f"CREATE TABLE {TABLE}_twice AS {both}"
    (
        [
            query("dataset", "CREATE SCHEMA shop", deferrable=False),
            GCSCreateBucketOperator(task_id="bucket", bucket_name="people") >> send,
        ]
        >> GCSListObjectsOperator(task_id="list", bucket="people", prefix="in/")
        >> load
        >> check("loaded", f"SELECT COUNT(*) = 2, MIN(name) = 'Ann' FROM {TABLE}")  # noqa: S608 - ours
        >> query("double", double, deferrable=True)
        >> check("doubled", f"SELECT COUNT(*) = 4 FROM {TABLE}_twice")  # noqa: S608 - ours
        >> GCSDeleteObjectsOperator(task_id="delete", bucket_name="people", objects=["in/people.csv"])
    )

with DAG("google_failures", schedule=None):
    check("wrong", "SELECT 1 = 2")
