"""Mapped tasks, a module beside the DAG, a variable, a callback of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pendulum
from airflow.sdk import DAG, Variable, task
from names import shouted

from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator


def tell(context):
    Path(os.environ["TOLD"]).write_text(context["ti"].task_id)


with DAG("cities", schedule=None, start_date=pendulum.datetime(2026, 1, 1), default_args={"retries": 2}):

    @task(on_failure_callback=tell, retry_delay=pendulum.duration(hours=1))
    def visit(name):
        if name != "BERN":
            raise ValueError(f"{name} is far from {Variable.get('city')}")

    visit.expand(name=[shouted("Bern"), shouted("Rome")])

with DAG("people", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    SalesforceQueryOperator(
        task_id="people",
        soql="SELECT LastName FROM Contact",
        results_path="{{ dag_run.conf['path'] }}",
        deferrable=True,
    )
