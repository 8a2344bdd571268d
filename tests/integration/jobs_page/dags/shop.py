"""DAGs whose jobs the tests make up: Airflow's UI has tabs for a DAG that it knows alone."""

from __future__ import annotations

from airflow.sdk import DAG, task

for dag_id in ("shop_daily", "shop_secret"):
    with DAG(dag_id, schedule=None) as dag:

        @task
        def load() -> None:
            """Do nothing."""

        @task
        def total() -> None:
            """Do nothing."""

        load() >> total()
    globals()[dag_id] = dag
