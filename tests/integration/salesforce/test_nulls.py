"""The example that takes Salesforce's records to BigQuery: what is null there is null here."""

from __future__ import annotations

import datetime as dt
import json
import runpy
import uuid
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.integration.lab import Lab
from tests.integration.salesforce.lab import SalesforceLab, csv_rows
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_provider_jobs.sandbox import Sandbox

EXAMPLE = Path(__file__).parents[3] / "example_dags" / "salesforce_query.py"


@pytest.fixture
def project(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Lab:
    project = f"lab-{uuid.uuid4().hex[:12]}"
    extra = {"project": project, "api_endpoint": jobs_sandbox.bigquery, "access_token": jobs_sandbox.token}
    connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
    lab = Lab(jobs_sandbox, project)
    lab.dataset("crm")
    return lab


def run_in_turn(dag: DAG, task_ids: list[str], folder: Path) -> dict[str, Any]:
    """Run tasks one after another, their fields rendered, and return their results."""
    results: dict[str, Any] = {}
    for task_id in task_ids:
        context = TaskRun(task_id=task_id).context()
        context["ti"].xcom_pull = lambda task_ids: results[task_ids]
        context["params"] = {"folder": str(folder), "at_least": 10_000}
        context["dag_run"].run_after = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
        task = dag.get_task(task_id).prepare_for_execution()
        task.render_template_fields(context, dag.get_template_env())
        results[task_id] = perform(task, context)
    return results


def test_null_texts_and_numbers_arrive_as_null(lab: SalesforceLab, project: Lab, tmp_path: Path) -> None:
    dag = runpy.run_path(str(EXAMPLE))["won_deals"].dag
    results = run_in_turn(dag, ["won_deals", "stage_deals", "deals_to_bigquery"], tmp_path)
    rows = csv_rows(Path(results["won_deals"]["files"][0]["path"]).read_bytes())
    expected = {row["Id"]: tuple(value or None for value in row.values()) for row in rows}
    done = perform(BigQueryQueryOperator(task_id="q", sql="SELECT * FROM crm.won_deals", deferrable=False))
    found = {row["id"]: row for row in project.client.get_query_results(done["job_id"])}
    assert found.keys() == expected.keys()
    for name, column in (("account", 2), ("amount", 4)):
        nulls = {key for key, values in expected.items() if values[column] is None}
        assert nulls
        assert {key for key, row in found.items() if row[name] is None} == nulls
    assert not [row for row in found.values() if "" in row.values()]
    kinds = {type(value) for row in found.values() for value in (row["amount"], row["closed_on"])}
    assert kinds == {Decimal, dt.date, type(None)}
