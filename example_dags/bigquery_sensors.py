"""### Start jobs here, wait for them there

`start_report` submits a query and is done. One sensor waits for that job, another for every job of the team
that was created since this run began, whoever submitted it. Sensors never cancel what they wait for.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor, BigQueryJobsSensor

TEAM = {"team": "bikes"}

with DAG(
    "bigquery_sensors",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bigquery"],
):
    start_report = BigQueryQueryOperator(
        task_id="start_report",
        sql="SELECT SUM(number) AS total FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS number",
        labels=TEAM,
        wait=False,
    )

    # The result of an operator with wait=False names the job and its location.
    wait_for_report = BigQueryJobSensor(
        task_id="wait_for_report",
        job={
            "job_id": "{{ ti.xcom_pull('start_report')['job_id'] }}",
            "location": "{{ ti.xcom_pull('start_report')['location'] }}",
        },
        deferrable=True,
        poke_interval=5,
    )

    wait_for_team = BigQueryJobsSensor(
        task_id="wait_for_team",
        labels=TEAM,
        min_creation_time="{{ dag_run.start_date.isoformat() }}",
        mode="reschedule",
        poke_interval=5,
    )

    start_report >> [wait_for_report, wait_for_team]
