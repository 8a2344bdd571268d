"""Many tasks of one DAG that wait for jobs: how many says the environment."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator

QUERIES = int(os.environ["CROWD_QUERIES"])
UPLOADS = int(os.environ["CROWD_UPLOADS"])
PROJECTS = int(os.environ["CROWD_PROJECTS"])

with DAG(
    "crowd",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    max_active_tasks=1000,
    default_args={
        "deferrable": True,
        "inline_wait": 0,
        "poll_interval": 2,
        "retries": int(os.environ["CROWD_RETRIES"]),
        "retry_delay": timedelta(seconds=1),
    },
):
    BigQueryQueryOperator.partial(task_id="query").expand_kwargs(
        [{"sql": f"SELECT {n} AS n", "project_id": f"crowd-{n % PROJECTS}"} for n in range(QUERIES)]
    )
    if UPLOADS:
        RedivisUploadOperator.partial(
            task_id="upload",
            source="{{ var.value.crowd_file }}",
            table="acme.crowd:next.numbers",
            create_missing=True,
        ).expand(upload_name=[f"{{{{ run_id }}}}_{n}.csv" for n in range(UPLOADS)])
