"""### What Salesforce holds becomes files, and a table of BigQuery

```
won_deals ──> stage_deals ──> deals_to_bigquery  (one file, texts as they are, a table with types)
all_contacts                                     (deleted ones too; compressed parts)
start_cases ──> cases_are_read                   (submitted here, waited for there)
```

Salesforce writes null as an empty value in quotes. BigQuery reads that as an empty text, and refuses it as a
number: so the file becomes a table of texts first, and a query makes the types, where empty means null.

While Salesforce runs a query its task waits in the triggerer and holds no worker. A download that is
interrupted goes on where it stopped. It needs the connections `salesforce_default` and
`google_cloud_default`, and a dataset `crm`. `make demo` brings all of them, on this machine.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator, BigQueryUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor

WON_DEALS = """
SELECT Id, Name, Account.Name, Owner.Name, Amount, CloseDate
FROM Opportunity
WHERE StageName = 'Closed Won' AND (Amount > {{ params.at_least }} OR Amount = NULL)
"""

# In the order of SELECT. All are texts: no value fails the load, whatever Salesforce writes.
STAGED = [
    {"name": name, "type": "STRING"} for name in ("id", "name", "account", "owner", "amount", "closed_on")
]

# Empty is null, of texts too; an ASCII 0, which Salesforce may hold, goes. A value that has not its type
# fails the query, and names itself.
DEALS = """
SELECT
  id,
  NULLIF(REPLACE(name, CHR(0), ''), '') AS name,
  NULLIF(REPLACE(account, CHR(0), ''), '') AS account,
  NULLIF(REPLACE(owner, CHR(0), ''), '') AS owner,
  CAST(NULLIF(amount, '') AS NUMERIC) AS amount,
  CAST(NULLIF(closed_on, '') AS DATE) AS closed_on
FROM crm.won_deals_staged
"""

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

    # Values of Salesforce may hold line ends, and an ASCII 0: BigQuery has to be told.
    stage_deals = BigQueryUploadOperator(
        task_id="stage_deals",
        source="{{ ti.xcom_pull('won_deals')['files'][0]['path'] }}",
        destination_table="crm.won_deals_staged",
        schema=STAGED,
        skip_leading_rows=1,
        options={"allowQuotedNewlines": True, "preserveAsciiControlCharacters": True},
        write_disposition="WRITE_TRUNCATE",
    )

    deals_to_bigquery = BigQueryQueryOperator(
        task_id="deals_to_bigquery",
        sql=DEALS,
        destination_table="crm.won_deals",
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

    won_deals >> stage_deals >> deals_to_bigquery
    start_cases >> cases_are_read
