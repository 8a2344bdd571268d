"""Datasets, tables and their rows through plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.conftest import query, reason

if TYPE_CHECKING:
    from tests.integration.sandbox.conftest import Api


def dataset(api: Api, name: str = "d", **more: Any) -> Any:
    body = {"datasetReference": {"projectId": api.project, "datasetId": name}, **more}
    reply = api.post("datasets", body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def table_body(api: Api, name: str) -> dict[str, Any]:
    fields = [{"name": "a", "type": "INTEGER"}, {"name": "b", "type": "STRING"}]
    reference = {"projectId": api.project, "datasetId": "d", "tableId": name}
    return {"tableReference": reference, "schema": {"fields": fields}}


def test_dataset_comes_and_goes(api: Api) -> None:
    made = dataset(api, location="EU", labels={"team": "x"})
    assert made["kind"] == "bigquery#dataset"
    assert made["location"] == "EU"
    assert api.get("datasets/d").json()["labels"] == {"team": "x"}
    again = api.post("datasets", {"datasetReference": {"datasetId": "d"}})
    assert (again.status_code, reason(again)) == (409, "duplicate")
    assert api.delete("datasets/d").status_code == 204
    assert reason(api.get("datasets/d")) == "notFound"
    assert reason(api.delete("datasets/d")) == "notFound"


def test_datasets_in_pages(api: Api) -> None:
    for name in ("a", "b", "c"):
        dataset(api, name)
    first = api.get("datasets", maxResults=2).json()
    second = api.get("datasets", pageToken=first["nextPageToken"]).json()
    names = [item["datasetReference"]["datasetId"] for item in first["datasets"] + second["datasets"]]
    assert names == ["a", "b", "c"]
    assert "nextPageToken" not in second


def test_hidden_results_are_not_listed(api: Api) -> None:
    api.run("job-1")
    assert "datasets" not in api.get("datasets").json()


def test_dataset_with_tables_needs_delete_contents(api: Api) -> None:
    dataset(api)
    api.post("datasets/d/tables", table_body(api, "t"))
    refused = api.delete("datasets/d")
    assert (refused.status_code, reason(refused)) == (400, "resourceInUse")
    assert api.delete("datasets/d", deleteContents="true").status_code == 204


def test_table_comes_and_goes(api: Api) -> None:
    dataset(api)
    made = api.post("datasets/d/tables", table_body(api, "t")).json()
    assert made["kind"] == "bigquery#table"
    got = api.get("datasets/d/tables/t").json()
    assert (got["numRows"], got["location"], got["type"]) == ("0", "US", "TABLE")
    assert [field["name"] for field in got["schema"]["fields"]] == ["a", "b"]
    listed = api.get("datasets/d/tables").json()
    assert [item["tableReference"]["tableId"] for item in listed["tables"]] == ["t"]
    assert listed["totalItems"] == 1
    again = api.post("datasets/d/tables", table_body(api, "t"))
    assert (again.status_code, reason(again)) == (409, "duplicate")
    assert api.delete("datasets/d/tables/t").status_code == 204
    assert reason(api.get("datasets/d/tables/t")) == "notFound"


def test_rows_of_a_table(api: Api) -> None:
    """In pages, from an index on, and with some of the columns."""
    dataset(api)
    api.post("datasets/d/tables", table_body(api, "t"))
    api.run("fill", **query("INSERT INTO d.t VALUES (1, 'one'), (2, 'two'), (3, NULL)"))
    path = "datasets/d/tables/t/data"
    first = api.get(path, maxResults=2).json()
    assert first["kind"] == "bigquery#tableDataList"
    assert first["totalRows"] == "3"
    assert first["rows"][0] == {"f": [{"v": "1"}, {"v": "one"}]}
    second = api.get(path, pageToken=first["pageToken"]).json()
    assert second["rows"] == [{"f": [{"v": "3"}, {"v": None}]}]
    assert api.get(path, startIndex=1, maxResults=1, selectedFields="b").json()["rows"] == [
        {"f": [{"v": "two"}]}
    ]
    assert api.get(path, selectedFields="nope").status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("datasets", {"datasetReference": {"datasetId": "a b"}}, "a b"),
        ("datasets", {"datasetReference": {"datasetId": "../x"}}, "../x"),
        ("datasets", {"datasetReference": {"datasetId": "x"}, "locaton": "EU"}, "locaton"),
        ("datasets", {}, "dataset"),
        ("datasets/d/tables", {"tableReference": {"tableId": "t/../u"}}, "t/../u"),
        ("datasets/d/tables", {"tableReference": {"tableId": "t"}, "schema": {"field": []}}, "field"),
    ],
)
def test_bad_resource_is_refused(api: Api, path: str, body: dict[str, Any], named: str) -> None:
    dataset(api)
    reply = api.post(path, body)
    assert reply.status_code == 400, reply.text
    assert named in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["datasets/d/tables/none", "datasets/d/tables/none/data", "datasets/none/tables"]
)
def test_what_is_not_there(api: Api, path: str) -> None:
    dataset(api)
    reply = api.get(path)
    assert (reply.status_code, reason(reply)) == (404, "notFound")


@pytest.mark.parametrize("project", ["Bad_Project", "x", "..", "a" * 70])
def test_bad_project(api: Api, project: str) -> None:
    reply = api.session.get(api.base.replace(api.project, project) + "datasets", timeout=10)
    assert reply.status_code in {400, 404}
