"""Real events: Airflow runs tasks, OpenLineage's provider listens, and writes them to a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lineage.events import PROJECT

if TYPE_CHECKING:
    from tests.lineage.events import Told

PEOPLE = {"namespace": "bigquery", "name": f"{PROJECT}.d.people"}
TARGET = {"namespace": "bigquery", "name": f"{PROJECT}.d.target"}


def named(datasets: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"namespace": each["namespace"], "name": each["name"]} for each in datasets]


def columns(dataset: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return of each column the tables and columns that it is made of."""
    fields = dataset["facets"]["columnLineage"]["fields"]
    return {
        name: [(each["name"], each["field"]) for each in field["inputFields"]]
        for name, field in fields.items()
    }


def test_a_load_tells_of_files_table_columns_and_numbers(told: Told) -> None:
    [event] = told.of("events.load")
    [source], [table] = event["inputs"], event["outputs"]
    assert named([source, table]) == [{"namespace": f"gs://{PROJECT}", "name": "in"}, PEOPLE]
    symlinks = source["facets"]["symlinks"]["identifiers"]
    assert symlinks == [{"namespace": f"gs://{PROJECT}", "name": "in/people*.csv", "type": "file"}]
    assert source["inputFacets"]["inputStatistics"]["fileCount"] == 1
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert [each["name"] for each in table["facets"]["schema"]["fields"]] == ["id", "name"]
    assert table["facets"]["schema"]["fields"][1]["description"] == "who"
    assert columns(table) == {"id": [("in", "id")], "name": [("in", "name")]}


@pytest.mark.parametrize("task", ["query", "deferred"])
def test_a_query_tells_of_sql_job_tables_and_columns(told: Told, task: str) -> None:
    """Deferred, the worker that ends the task knows no more of its beginning than the event tells."""
    [event] = told.of(f"events.{task}")
    assert event["job"]["facets"]["sql"]["query"].startswith("CREATE OR REPLACE TABLE d.target")
    facets = event["run"]["facets"]
    assert facets["externalQuery"]["source"] == "bigquery"
    assert facets["externalQuery"]["externalQueryId"].startswith(f"airflow_events_{task}_")
    job = json.loads(facets["bigQueryJob"]["properties"])
    assert job["jobReference"]["jobId"] == facets["externalQuery"]["externalQueryId"]
    assert job["statistics"]["query"]["statementType"] == "CREATE_TABLE_AS_SELECT"
    assert "CONCAT" not in facets["bigQueryJob"]["properties"]
    assert facets["bigQueryJob"]["billedBytes"] == int(job["statistics"]["query"]["totalBytesBilled"])
    assert named(event["inputs"]) == [PEOPLE]
    assert named(event["outputs"]) == [TARGET]
    pytest.importorskip("sqlglot", reason="columns of SQL are told where sqlglot is installed")
    assert columns(event["outputs"][0]) == {
        "id": [(PEOPLE["name"], "id")],
        "shout": [(PEOPLE["name"], "name")],
    }


def test_a_task_that_goes_on_after_a_deferral_begins_twice(told: Told) -> None:
    starts, [complete] = told.of("events.deferred", "START"), told.of("events.deferred")
    assert len(starts) == 2
    assert {each["run"]["runId"] for each in starts} == {complete["run"]["runId"]}
    assert all("sql" in each["job"]["facets"] for each in starts)


def test_the_statements_of_a_script_are_events_of_their_own(told: Told) -> None:
    [event] = told.of("events.script")
    assert named(event["outputs"]) == [
        {"namespace": "bigquery", "name": f"{PROJECT}.d.{name}"} for name in ("one", "two")
    ]
    [first], [second] = told.of("events.script.query.1"), told.of("events.script.query.2")
    assert named(first["inputs"]) == [PEOPLE]
    assert named(second["inputs"]) == named(first["outputs"])
    assert second["run"]["facets"]["parent"]["run"]["runId"] == event["run"]["runId"]
    assert second["job"]["facets"]["sql"]["query"].startswith("CREATE OR REPLACE TABLE d.two")


@pytest.mark.parametrize("task", ["fails", "fails_deferred"])
def test_a_failure_tells_of_its_job_and_error(told: Told, task: str) -> None:
    [event] = told.of(f"events.{task}", "FAIL")
    facets = event["run"]["facets"]
    assert facets["externalQuery"]["externalQueryId"].startswith(f"airflow_events_{task}_")
    assert "Unrecognized name: missing" in facets["errorMessage"]["message"]
    assert event["job"]["facets"]["sql"]["query"] == "SELECT missing FROM d.people"


def test_a_task_that_never_had_a_job_fails_without_one(told: Told) -> None:
    [event] = told.of("events.refused", "FAIL")
    assert "sql is empty" in event["run"]["facets"]["errorMessage"]["message"]
    assert "externalQuery" not in event["run"]["facets"]


def test_hooks_in_a_task_function_tell_what_they_touch(told: Told) -> None:
    [event] = told.of("events.hooks")
    inputs, outputs = named(event["inputs"]), named(event["outputs"])
    assert PEOPLE in inputs
    assert [each["name"] for each in inputs if each["namespace"].startswith("salesforce://")] == ["Contact"]
    assert {"namespace": "bigquery", "name": f"{PROJECT}.d.hooked"} in outputs
    assert [each["name"] for each in outputs if each["namespace"].startswith("redivis://")] == [
        "acme.hooked.people"
    ]


def test_assets_are_told_of_on_request(told: Told) -> None:
    """Through an alias, through the task's own outlet where that is the same, and of mapped tasks."""
    found = {each["task"]: each for each in told.assets}
    assert set(found) == {"load", "outlet", "mapped"}
    assert found["load"]["uri"] == f"bigquery://{PROJECT}/d/people"
    extra = found["load"]["extra"]
    assert (extra["row_count"], extra["service"]) == (2, "bigquery")
    assert extra["size_bytes"] > 0
    assert extra["job_id"].startswith("airflow_events_load_")
    assert found["outlet"]["extra"]["job_id"].startswith("airflow_events_outlet_")
    assert found["mapped"]["uri"] == f"bigquery://{PROJECT}/d/mapped"
    assert len(told.assets) == 3


def test_nothing_of_lineage_was_left_out(told: Told) -> None:
    assert "lineage: " not in told.log
    assert "OpenLineage method failed" not in told.log


def test_no_token_is_in_an_event(told: Told, jobs_sandbox: Any) -> None:
    text = json.dumps(told.events)
    for secret in (jobs_sandbox.token, jobs_sandbox.salesforce_token, jobs_sandbox.redivis_token):
        assert secret not in text
