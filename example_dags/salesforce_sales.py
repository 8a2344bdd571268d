"""### What was sold, from Salesforce to a table that everybody can read

```
opportunities ──> sales ──> hand_over ──> publish ──> release
 (Salesforce to   (query)    (extract)    (Redivis)   (Redivis)
  BigQuery)
```

Opportunities that were won are kept in BigQuery: the first run reads all, each later one those that changed,
deleted ones among them. What a query makes of them goes to Redivis, and is released. The variable
`crm_exports` says where a worker finds the bucket: `gs://crm-exports`.

It needs a dataset `crm`, a bucket `crm-exports`, the connections `salesforce_default`,
`google_cloud_default` and `redivis_default`, and an organization `acme` that Redivis's token may edit.
`make demo` brings all of them, on this machine.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryExtractOperator, BigQueryQueryOperator
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator

SALES = """
SELECT Account_Name AS account, DATE_TRUNC(CloseDate, MONTH) AS month,
  COUNT(*) AS deals, SUM(Amount) AS amount
FROM crm.opportunity
WHERE NOT IsDeleted
GROUP BY account, month
"""

with DAG(
    "salesforce_sales",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"deferrable": True, "retries": 2},
    doc_md=__doc__,
    tags=["bigquery", "redivis", "salesforce"],
):
    opportunities = SalesforceToBigQueryOperator(
        task_id="opportunities",
        object_name="Opportunity",
        fields=["Name", "Amount", "CloseDate", "Account.Name"],
        where="StageName = 'Closed Won'",
        mode="incremental",
        destination_table="crm.opportunity",
    )

    sales = BigQueryQueryOperator(
        task_id="sales",
        sql=SALES,
        destination_table="crm.sales",
        write_disposition="WRITE_TRUNCATE",
    )

    hand_over = BigQueryExtractOperator(
        task_id="hand_over",
        source_table="crm.sales",
        destination_uris="gs://crm-exports/published/sales.csv",
    )

    # Dataset, version and table are created where they are missing. The new rows replace those of the version
    # before, and an upload of that name that was not released, once they have arrived.
    publish = RedivisUploadOperator(
        task_id="publish",
        source="{{ var.value.crm_exports }}/published/sales.csv",
        table="acme.crm:next.sales",
        create_missing=True,
        on_conflict="replace",
        merge_strategy="replace",
        expected_row_count="{{ ti.xcom_pull('sales')['row_count'] }}",
    )

    # Released once, whatever is retried; nothing happens if there is no next version.
    release = RedivisReleaseOperator(
        task_id="release",
        dataset="acme.crm",
        release_notes="Sales of each account and month, as of {{ dag_run.run_after.date() }}",
    )

    opportunities >> sales >> hand_over >> publish >> release
