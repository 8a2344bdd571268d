"""The jobs of ours.py as Google's operators run them, with the same SQL, files and tables."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.providers.google.cloud.operators import bigquery
from airflow.providers.google.cloud.transfers import bigquery_to_bigquery, bigquery_to_gcs, gcs_to_bigquery
from airflow.sdk import DAG

PROJECT = os.environ["LINEAGE_PROJECT"]
MERGE = """
MERGE d.target AS t USING (SELECT id, UPPER(name) AS shout FROM d.people) AS s ON t.id = s.id
WHEN NOT MATCHED THEN INSERT (id, shout) VALUES (s.id, s.shout)
"""
SCRIPT = """
CREATE OR REPLACE TABLE d.script_one AS SELECT id FROM d.people;
CREATE OR REPLACE TABLE d.script_two AS SELECT id, id * 2 AS twice FROM d.script_one;
"""
SCHEMA = [{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING", "description": "who"}]


def table(name: str) -> dict[str, str]:
    """Return a TableReference."""
    return {"projectId": PROJECT, "datasetId": "d", "tableId": name}


def query(sql: str) -> dict[str, Any]:
    """Return the configuration of a query."""
    return {"query": {"query": sql, "useLegacySql": False}}


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "load": {
        "load": {
            "sourceUris": [f"gs://{PROJECT}/in/people*.csv"],
            "destinationTable": table("people"),
            "schema": {"fields": SCHEMA},
            "skipLeadingRows": 1,
            "writeDisposition": "WRITE_TRUNCATE",
        }
    },
    "query": query("CREATE OR REPLACE TABLE d.target AS SELECT id, CONCAT(name, '!') AS shout FROM d.people"),
    "select": query("SELECT id FROM d.people"),
    "insert_job": query(MERGE),
    "script": query(SCRIPT),
    "fails": query("SELECT missing FROM d.people"),
    "copy": {
        "copy": {
            "sourceTables": [table("people")],
            "destinationTable": table("copied"),
            "writeDisposition": "WRITE_TRUNCATE",
        }
    },
    "extract": {
        "extract": {"sourceTable": table("people"), "destinationUris": [f"gs://{PROJECT}/out/people-*.csv"]}
    },
}


#: Operators with names and parameters that ours have, too.
MODULES = (bigquery, bigquery_to_bigquery, bigquery_to_gcs, gcs_to_bigquery)
MOVED = json.loads((Path(__file__).parent / "moved.json").read_text().replace("PROJECT", PROJECT))


def insert_job(task_id: str) -> bigquery.BigQueryInsertJobOperator:
    """Return the task of a job."""
    configuration = CONFIGURATIONS[task_id]
    return bigquery.BigQueryInsertJobOperator(
        task_id=task_id, configuration=configuration, project_id=PROJECT, location="US", poll_interval=0.5
    )


def moved(name: str, arguments: dict[str, Any]) -> Any:
    """Return the task of an operator."""
    return next(vars(each)[name] for each in MODULES if name in vars(each))(**arguments)


settings = {"trigger_rule": "all_done"}
with DAG("theirs", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=settings):
    tasks = [*(insert_job(name) for name in CONFIGURATIONS), *(moved(*each) for each in MOVED)]
    for before, operator in pairwise(tasks):
        before >> operator
