"""One query of Salesforce whose end the tests bring about, on a worker and in the triggerer."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator

START = datetime(2026, 1, 1)  # noqa: DTZ001 - as most DAGs are written

with DAG("salesforce_lifecycle", schedule=None, start_date=START, params={"folder": "", "mark": ""}):
    SalesforceQueryOperator(
        task_id="inline",
        soql="SELECT Id, Description FROM Account WHERE Name <> 'inline {{ params.mark }}'",
        results_path="{{ params.folder }}/accounts.csv",
        deferrable=False,
        retries=1,
        retry_delay=timedelta(0),
    )
    SalesforceQueryOperator(
        task_id="deferred",
        soql="SELECT Id FROM User WHERE Name <> 'deferred {{ params.mark }}'",
        deferrable=True,
        inline_wait=0,
        poll_interval=1,
    )
