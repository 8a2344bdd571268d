"""### What Salesforce holds becomes files, and a table of BigQuery

```
won_deals ──> deals_to_bigquery  (one file, which becomes a table)
all_contacts                     (deleted ones too; compressed parts)
start_cases ──> cases_are_read   (submitted here, waited for there)
```

While Salesforce runs a query its task waits in the triggerer and holds no worker. A download that is
interrupted goes on where it stopped. It needs the connections `salesforce_default` and
`google_cloud_default`, and a dataset `crm`. `make demo` brings all of them, on this machine.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor

WON_DEALS = """
SELECT Id, Name, Account.Name, Owner.Name, Amount, CloseDate
FROM Opportunity
WHERE StageName = 'Closed Won' AND Amount > {{ params.at_least }}
"""

DEALS = [
    {"name": "id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "name", "type": "STRING"},
    {"name": "account", "type": "STRING"},
    {"name": "owner", "type": "STRING"},
    {"name": "amount", "type": "NUMERIC"},
    {"name": "closed_on", "type": "DATE"},
]

with DAG(
    "salesforce_query",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 2},
    params={"folder": "/tmp", "at_least": 10_000},  # noqa: S108 - an example
    doc_md=__doc__,
    tags=["bigquery", "salesforce"],
):
    # One CSV file with one header; a path may also be a URL such as s3://bucket/key.
    won_deals = SalesforceQueryOperator(
        task_id="won_deals",
        soql=WON_DEALS,
        results_path="{{ params.folder }}/won-deals-{{ dag_run.run_after | ts_nodash }}.csv",
    )

    # Values of Salesforce may hold line ends: BigQuery has to be told.
    deals_to_bigquery = BigQueryUploadOperator(
        task_id="deals_to_bigquery",
        source="{{ ti.xcom_pull('won_deals')['files'][0]['path'] }}",
        destination_table="crm.won_deals",
        schema=DEALS,
        skip_leading_rows=1,
        options={"allowQuotedNewlines": True},
        write_disposition="WRITE_TRUNCATE",
    )

    # A file for each page, as they come, side by side; the job goes once every record is accounted for.
    all_contacts = SalesforceQueryOperator(
        task_id="all_contacts",
        soql="SELECT Id, FirstName, LastName, Email, Description, IsDeleted FROM Contact",
        operation="queryAll",
        results_path="{{ params.folder }}/contacts-{{ dag_run.run_after | ts_nodash }}",
        results_as="parts",
        compression="gzip",
        delete_job=True,
    )

    start_cases = SalesforceQueryOperator(
        task_id="start_cases", soql="SELECT Id, Subject, Status FROM Case", wait=False
    )
    cases_are_read = SalesforceJobSensor(
        task_id="cases_are_read", job="{{ ti.xcom_pull('start_cases')['job_id'] }}", poke_interval=5
    )

    won_deals >> deals_to_bigquery
    start_cases >> cases_are_read
