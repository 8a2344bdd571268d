"""### Objects of Salesforce are kept in BigQuery

One object is read whole in each run, two others by what has changed since the last one, deletions included.
A sweep then marks the rows of records that were deleted for good, and a query reads the result.

It needs a dataset `crm` and the connections `salesforce_default` and `google_cloud_default`.
"""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.transfers.salesforce_sweep import SalesforceSweepOperator
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator

#: Objects that change: one task each.
CHANGING = [{"object_name": name, "destination_table": f"crm.{name.lower()}"} for name in ("Account", "Case")]

with DAG(
    "salesforce_to_bigquery",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    schedule=None,
    default_args={"deferrable": True, "retries": 2},
    doc_md=__doc__,
):
    opportunities = SalesforceToBigQueryOperator(
        task_id="opportunities",
        object_name="Opportunity",
        fields=["*", "Account.Name"],
        destination_table="crm.opportunity",
        time_partitioning={"type": "MONTH", "field": "CreatedDate"},
    )
    changes = SalesforceToBigQueryOperator.partial(
        task_id="changes", mode="incremental", on_new_field="backfill", max_active_tis_per_dag=4
    ).expand_kwargs(CHANGING)
    deletions = SalesforceSweepOperator.partial(task_id="deletions", max_active_tis_per_dag=4).expand_kwargs(
        CHANGING
    )
    won = BigQueryQueryOperator(
        task_id="won",
        sql="""
            SELECT Account_Name, SUM(Amount) AS amount, COUNT(*) AS deals
            FROM crm.opportunity
            WHERE IsWon AND NOT IsDeleted
            GROUP BY Account_Name
        """,
        destination_table="crm.won",
        write_disposition="WRITE_TRUNCATE",
    )
    changes >> deletions
    opportunities >> won
