"""### A file becomes records of Salesforce

```
write_file ──> send_shipments ──> read_back
```

Rows that have the external id of a record change it, others become new records. What Salesforce made of each
row is written to a folder: accepted, rejected with the reason, or not looked at. It needs the connection
`salesforce_default`, and an object `Shipment__c` with the external id `External_Id__c`.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator

# The last one is wrong on purpose: Pieces__c is a number.
SHIPMENTS = """External_Id__c,Name,Status__c,Pieces__c,Notes__c
EX-1,Harbour to market,Planned,4,"Handle with care,
said the sender"
EX-2,Market to university,In Transit,1,
EX-3,University to harbour,Delivered,12,"Signed by ""Zoë"" herself"
EX-4,Harbour to theatre,Planned,a few,
"""

READ_BACK = """
SELECT External_Id__c, Name, Status__c, Pieces__c, Notes__c FROM Shipment__c WHERE External_Id__c LIKE 'EX-%'
"""

with DAG(
    "salesforce_ingest",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 2},
    params={"folder": "/tmp"},  # noqa: S108 - an example
    doc_md=__doc__,
    tags=["salesforce"],
):

    @task
    def write_file(folder: str) -> str:
        """Write the file that is sent."""
        path = Path(folder, "shipments.csv")
        path.write_text(SHIPMENTS, encoding="utf-8")
        return str(path)

    # A file of any size: it is split between records into as many jobs as Salesforce needs. One rejected
    # record is borne; more would fail the task, which would name them.
    send_shipments = SalesforceIngestOperator(
        task_id="send_shipments",
        object_name="Shipment__c",
        operation="upsert",
        external_id_field="External_Id__c",
        source=write_file("{{ params.folder }}"),
        results_path="{{ params.folder }}/shipments-{{ dag_run.run_after | ts_nodash }}",
        max_failed_records=1,
    )

    read_back = SalesforceQueryOperator(
        task_id="read_back",
        soql=READ_BACK,
        results_path="{{ params.folder }}/shipments-{{ dag_run.run_after | ts_nodash }}/back.csv",
    )

    send_shipments >> read_back
