"""What a job's resource says of the data that it reads and writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.replies import job_status


def table(name: str, project: str = "p") -> dict[str, str]:
    return {"projectId": project, "datasetId": "d", "tableId": name}


def job(kind: str, what: dict[str, Any], **statistics: Any) -> dict[str, Any]:
    return {
        "jobReference": {"projectId": "p", "jobId": "j", "location": "US"},
        "status": {"state": "DONE"},
        "configuration": {kind: what, "jobType": kind.upper()},
        "statistics": {"creationTime": "1000", **statistics},
        "user_email": "somebody@example.com",
    }


def told(*arguments: Any, **statistics: Any) -> tuple[Any, Any]:
    found = flow.of_job(job(*arguments, **statistics))
    return found["reads"], found["writes"]


def test_what_each_type_of_job_reads_and_writes() -> None:
    query = {"query": "SELECT 1", "destinationTable": table("out$20240131")}
    read = {"referencedTables": [table("a"), table("out"), table("b", "q"), table("a")]}
    assert told("query", query, query=read) == (["p.d.a", "q.d.b"], ["p.d.out"])
    load = {"sourceUris": ["gs://b/x.csv"], "destinationTable": table("out")}
    assert told("load", load) == (["gs://b/x.csv"], ["p.d.out"])
    copy = {"sourceTables": [table("a@1700000000000"), table("b")], "destinationTable": table("out")}
    assert told("copy", copy) == (["p.d.a", "p.d.b"], ["p.d.out"])
    assert told("copy", {**copy, "sourceTables": None, "sourceTable": table("a")})[0] == ["p.d.a"]
    extract = {"sourceTable": table("a"), "destinationUri": "gs://b/y"}
    assert told("extract", extract) == (["p.d.a"], ["gs://b/y"])


def test_a_view_is_written_and_what_was_dropped_is_not() -> None:
    made = {"ddlTargetTable": table("v"), "statementType": "CREATE_VIEW"}
    assert told("query", {"query": "CREATE VIEW"}, query=made)[1] == ["p.d.v"]
    gone = {"ddlTargetTable": table("v"), "statementType": "DROP_TABLE"}
    assert told("query", {"destinationTable": table("v")}, query=gone) == ([], [])


def test_numbers_are_those_of_the_plans_last_stage() -> None:
    plan = [{"recordsWritten": "9"}, {"recordsWritten": "3", "shuffleOutputBytes": "40"}]
    found = flow.of_job(job("query", {}, query={"queryPlan": plan}))
    assert (found["written_rows"], found["written_bytes"]) == (3, 40)


def test_the_resource_in_short_has_no_sql_no_values_and_no_people() -> None:
    query = {
        "query": "SELECT @secret",
        "queryParameters": [{"name": "secret", "parameterValue": {"value": "hidden"}}],
        "connectionProperties": [{"key": "session_id", "value": "session"}],
        "priority": "BATCH",
    }
    found = flow.of_job(job("query", query, query={"totalBytesBilled": "5", "queryPlan": [{"name": "S00"}]}))
    said = json.loads(found["job"])
    assert said["configuration"]["query"] == {"priority": "BATCH"}
    assert said["statistics"]["query"] == {"totalBytesBilled": "5"}
    for word in ("SELECT", "hidden", "session", "S00", "somebody"):
        assert word not in found["job"]


def test_a_job_of_ten_thousand_files_tells_of_the_first() -> None:
    uris = [f"gs://b/{number}.csv" for number in range(10_000)]
    found = flow.of_job(job("load", {"sourceUris": uris, "destinationTable": table("out")}))
    assert found["reads"] == uris[: flow.MOST_NAMES]


def test_a_long_resource_is_left_out() -> None:
    labels = {f"label{number}": "x" * 60 for number in range(64)}
    whole = job("query", {"query": "SELECT 1"})
    whole["configuration"]["labels"] = labels
    assert "job" not in flow.of_job(whole)


HOSTILE = (
    {"referencedTables": "text"},
    {"referencedTables": [{"datasetId": "d"}]},
    {"queryPlan": "text"},
    {"queryPlan": [3]},
    {"ddlTargetTable": 7},
)


@pytest.mark.parametrize("query", HOSTILE)
def test_a_resource_that_is_broken_there_is_read_otherwise(query: dict[str, Any]) -> None:
    """No task fails by what only lineage reads."""
    status = job_status(job("query", {"query": "SELECT 1"}, query=query))
    assert status.state == "succeeded"
    assert status.lineage == {}


def test_a_job_that_runs_tells_nothing_yet() -> None:
    running = {**job("query", {"query": "SELECT 1"}), "status": {"state": "RUNNING"}}
    assert job_status(running).lineage == {}
