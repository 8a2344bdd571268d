"""Requests as DAGs write them and BigQuery takes them: other names, other types, lists in other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.conftest import Api, query, reason

if TYPE_CHECKING:
    from google.cloud import bigquery


def rows(reply: Any) -> list[list[Any]]:
    return [[cell["v"] for cell in row["f"]] for row in reply.json().get("rows", [])]


@pytest.fixture
def dataset(api: Api) -> str:
    api.post("datasets", {"dataset_reference": {"dataset_id": "d"}, "friendly_name": "shop"})
    assert api.get("datasets/d").json()["friendlyName"] == "shop"
    return "d"


@pytest.mark.usefixtures("dataset")
def test_fields_in_snake_case(api: Api) -> None:
    """At every level; what comes back is in camel case, and labels and texts are as they were."""
    target = {"project_id": api.project, "dataset_id": "d", "table_id": "t"}
    given = {
        "query": "SELECT @day_one AS day_one",
        "use_legacy_sql": False,
        "destination_table": target,
        "write_disposition": "WRITE_TRUNCATE",
        "query_parameters": [
            {"name": "day_one", "parameter_type": {"type": "INT64"}, "parameter_value": {"value": "1"}}
        ],
    }
    job = {"configuration": {"query": given, "labels": {"made_by": "us"}}, "job_reference": {"job_id": "a_b"}}
    assert api.post("jobs", job).json()["jobReference"]["jobId"] == "a_b"
    done = api.finished("a_b")
    assert done["status"] == {"state": "DONE"}
    made = done["configuration"]["query"]
    assert made["writeDisposition"] == "WRITE_TRUNCATE"
    assert made["destinationTable"] == {"projectId": api.project, "datasetId": "d", "tableId": "t"}
    assert not [name for name in made if "_" in name]
    assert done["configuration"]["labels"] == {"made_by": "us"}
    assert rows(api.get("datasets/d/tables/t/data")) == [["1"]]
    reply = api.post(
        "queries", {"query": "SELECT 1 UNION ALL SELECT 2", "use_legacy_sql": False, "max_results": 1}
    )
    assert len(rows(reply)) == 1


@pytest.mark.parametrize("name", ["write_Disposition", "Write_Disposition", "write_dispositions", "_query"])
def test_other_names_are_refused(api: Api, name: str) -> None:
    reply = api.post("jobs", {"configuration": {"query": {"query": "SELECT 1", name: "WRITE_EMPTY"}}})
    assert (reply.status_code, reason(reply)) == (400, "invalid")
    assert f'Unknown name "{name}"' in reply.text.replace("\\", "")


@pytest.mark.parametrize("spelled", ["false", "False", "FALSE", "f", "no", "N", "0"])
def test_false_as_text(api: Api, spelled: str) -> None:
    reply = api.post("queries", {"query": "SELECT 1 AS `a`", "useLegacySql": spelled, "timeoutMs": "10000"})
    assert rows(reply) == [["1"]]


@pytest.mark.parametrize("spelled", ["true", "True", "T", "yes", "Y", "1"])
def test_true_as_text(api: Api, spelled: str) -> None:
    job = api.insert(**query("SELECT 1"), dryRun=spelled)
    assert job["configuration"]["dryRun"] is True


@pytest.mark.parametrize("spelled", ["", "2", "on", "null", 0, 1, {}])
def test_what_is_no_truth_value(api: Api, spelled: Any) -> None:
    reply = api.post("queries", {"query": "SELECT 1", "useLegacySql": spelled})
    assert (reply.status_code, reason(reply)) == (400, "invalid")


@pytest.mark.parametrize("number", [2, "2", 2.0])
def test_numbers_as_text_and_with_a_point(api: Api, number: Any) -> None:
    body = {"query": "SELECT * FROM UNNEST([1, 2, 3])", "useLegacySql": False, "maxResults": number}
    assert rows(api.post("queries", body)) == [["1"], ["2"]]


@pytest.mark.parametrize("number", ["two", "2.5", 2.5, True])
def test_what_is_no_number(api: Api, number: Any) -> None:
    reply = api.post("queries", {"query": "SELECT 1", "useLegacySql": False, "maxResults": number})
    assert (reply.status_code, reason(reply)) == (400, "invalid")


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize("route", ["jobs", "queries"])
def test_of_a_list_of_queries_the_first_runs(api: Api, route: str) -> None:
    """The service takes it, runs the first, and says nothing of the others."""
    statements = ["CREATE TABLE d.first AS SELECT 1 AS n", "CREATE TABLE d.second AS SELECT 2 AS n"]
    body: dict[str, Any] = {"query": statements, "useLegacySql": False}
    if route == "jobs":
        job = api.run("several", query=body)
        assert job["status"] == {"state": "DONE"}
        assert job["configuration"]["query"]["query"] == statements[0]
    else:
        assert api.post("queries", body).json()["jobComplete"] is True
    tables = api.get("datasets/d/tables").json()["tables"]
    assert [each["tableReference"]["tableId"] for each in tables] == ["first"]


@pytest.mark.parametrize("empty", [[], [""], [None]])
def test_a_list_without_a_query(api: Api, empty: list[Any]) -> None:
    reply = api.post("queries", {"query": empty, "useLegacySql": False})
    assert (reply.status_code, reason(reply)) == (400, "invalid")


@pytest.mark.usefixtures("dataset")
def test_one_value_where_several_may_be(api: Api) -> None:
    api.run("a", **query("CREATE TABLE d.t AS SELECT 1 AS n"))
    target = {"projectId": api.project, "datasetId": "d", "tableId": "t"}
    more = {"writeDisposition": "WRITE_APPEND", "schemaUpdateOptions": "ALLOW_FIELD_ADDITION"}
    job = api.run("b", **query("SELECT 2 AS n, 3 AS m", destinationTable=target, **more))
    assert job["status"] == {"state": "DONE"}
    assert job["configuration"]["query"]["schemaUpdateOptions"] == ["ALLOW_FIELD_ADDITION"]


def test_the_official_client_sends_what_it_is_given(client: bigquery.Client) -> None:
    """As Google's operators do with a DAG's configuration."""
    given = {"query": {"query": ["SELECT 1 AS n", "SELECT 2 AS n"], "use_legacy_sql": "False"}}
    assert [row.n for row in client.create_job(given).result()] == [1]
