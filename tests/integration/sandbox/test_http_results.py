"""getQueryResults, jobs.query and tabledata.list: rows, page by page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.sandbox.bigquery.engine.sql import cache
from tests.integration.sandbox.conftest import Api, query, reason

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = "SELECT n FROM UNNEST(GENERATE_ARRAY(0, 24)) AS n ORDER BY n"


def numbers(document: Any) -> list[int]:
    return [int(row["f"][0]["v"]) for row in document.get("rows", [])]


def test_rows_and_schema(api: Api) -> None:
    """Values are text, whatever their type; NULL stays null."""
    api.run("job-1", **query("SELECT 1 AS a, 'x' AS b, 1.5 AS c, TRUE AS d, NULL AS e, [1, 2] AS f"))
    document = api.get("queries/job-1").json()
    assert document["kind"] == "bigquery#getQueryResultsResponse"
    assert (document["jobComplete"], document["totalRows"]) == (True, "1")
    assert document["jobReference"] == {"projectId": api.project, "jobId": "job-1", "location": "US"}
    assert [(field["name"], field["type"]) for field in document["schema"]["fields"]][:4] == [
        ("a", "INTEGER"),
        ("b", "STRING"),
        ("c", "FLOAT"),
        ("d", "BOOLEAN"),
    ]
    (row,) = document["rows"]
    values = [cell["v"] for cell in row["f"]]
    assert values == ["1", "x", "1.5", "true", None, [{"v": "1"}, {"v": "2"}]]
    assert "pageToken" not in document


def test_pages(api: Api) -> None:
    api.run("job-1", **query(NUMBERS))
    seen: list[list[int]] = []
    token = None
    while True:
        parameters: dict[str, str] = {} if token is None else {"pageToken": token}
        page = api.get("queries/job-1", maxResults=10, **parameters).json()
        assert page["totalRows"] == "25"
        seen.append(numbers(page))
        token = page.get("pageToken")
        if token is None:
            break
    assert seen == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


def test_start_index(api: Api) -> None:
    api.run("job-1", **query(NUMBERS))
    assert numbers(api.get("queries/job-1", startIndex=23).json()) == [23, 24]
    assert numbers(api.get("queries/job-1", startIndex=25).json()) == []
    assert numbers(api.get("queries/job-1", startIndex=1, maxResults=2).json()) == [1, 2]


def test_no_rows_wanted(api: Api) -> None:
    """``maxResults=0`` asks for schema and count alone."""
    api.run("job-1", **query(NUMBERS))
    document = api.get("queries/job-1", maxResults=0).json()
    assert (document["totalRows"], numbers(document)) == ("25", [])
    assert document["schema"]["fields"][0]["name"] == "n"


def test_large_page_is_cut(api: Api) -> None:
    """More rows than fit a page: the client has to follow the token, whatever it asked for."""
    api.run("job-1", **query("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 12000)) AS n ORDER BY n"))
    first = api.get("queries/job-1", maxResults=12000).json()
    second = api.get("queries/job-1", pageToken=first["pageToken"]).json()
    assert len(first["rows"]) == 10_000
    assert numbers(first) + numbers(second) == list(range(1, 12001))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1.5),
        ({"formatOptions.useInt64Timestamp": "true"}, "1500000"),
        ({"formatOptions.timestampOutputFormat": "INT64"}, "1500000"),
        ({"formatOptions.timestampOutputFormat": "FLOAT64"}, 1.5),
        ({"formatOptions.timestampOutputFormat": "ISO8601_STRING"}, "1970-01-01T00:00:01.500000Z"),
    ],
)
def test_timestamp_formats(api: Api, options: dict[str, str], expected: str | float) -> None:
    """All formats, and the same one inside arrays and structs."""
    moment = "TIMESTAMP '1970-01-01 00:00:01.5+00'"
    api.run("job-1", **query(f"SELECT {moment} AS t, [{moment}] AS a, STRUCT({moment} AS x) AS s"))
    (row,) = api.get("queries/job-1", **options).json()["rows"]
    plain, array, struct = (cell["v"] for cell in row["f"])
    for value in (plain, array[0]["v"], struct["f"][0]["v"]):
        assert (float(value) if isinstance(expected, float) else value) == expected


def test_two_timestamp_formats_exclude_each_other(api: Api) -> None:
    api.run("job-1")
    options = {"formatOptions.useInt64Timestamp": "true", "formatOptions.timestampOutputFormat": "INT64"}
    assert api.get("queries/job-1", **options).status_code == 400


def test_unfinished_query(sandbox: Sandbox, api: Api) -> None:
    """Nothing but jobComplete=false, as soon as timeoutMs is over; no longer wait than needed either."""
    sandbox.timing(project=api.project, running_seconds=0.6)
    api.insert("job-1")
    reply = api.get("queries/job-1", timeoutMs=100)
    assert reply.elapsed.total_seconds() >= 0.1
    assert reply.json()["jobComplete"] is False
    assert "rows" not in reply.json()
    begun = time.monotonic()
    assert api.get("queries/job-1", timeoutMs=20000).json()["jobComplete"] is True
    assert time.monotonic() - begun < 15


def test_waiting_clients_cost_no_thread(sandbox: Sandbox, api: Api) -> None:
    """Many clients wait for results at once, and other requests are answered meanwhile."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    sandbox.timing(project=api.project, running_seconds=1)
    api.insert("job-1")
    others = [Api(sandbox.bigquery, sandbox.token, api.project) for _ in range(60)]
    with ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(other.get, "queries/job-1", timeoutMs=20000) for other in others]
        assert api.get("jobs/job-1").elapsed.total_seconds() < 0.9
        assert {reply.result().json()["jobComplete"] for reply in waiting} == {True}
    for other in others:
        other.session.close()


def test_failed_query_is_an_http_error(api: Api) -> None:
    api.run("bad", **query("SELECT * FROM nowhere.nothing"))
    result = api.get("jobs/bad").json()["status"]["errorResult"]
    reply = api.get("queries/bad")
    assert (reply.status_code, reason(reply)) == (404, "notFound")
    assert reply.json()["error"]["message"] == result["message"]


def test_results_of_something_else(api: Api) -> None:
    reply = api.get("queries/never")
    assert (reply.status_code, reason(reply)) == (404, "notFound")
    tables = {"projectId": api.project, "datasetId": "d", "tableId": "t"}
    api.insert("copy", copy={"sourceTable": tables, "destinationTable": {**tables, "tableId": "u"}})
    reply = api.get("queries/copy")
    assert (reply.status_code, reason(reply)) == (400, "invalid")


def test_token_of_other_results_is_refused(api: Api) -> None:
    api.run("job-1", **query(NUMBERS))
    api.run("job-2", **query(NUMBERS))
    token = api.get("queries/job-1", maxResults=1).json()["pageToken"]
    reply = api.get("queries/job-2", pageToken=token)
    assert (reply.status_code, reason(reply)) == (400, "invalid")


def test_statement_without_rows(api: Api) -> None:
    """DDL and DML are complete without rows or a total; DML says how many rows it changed."""
    dataset = {"datasetReference": {"projectId": api.project, "datasetId": "d"}}
    assert api.post("datasets", dataset).status_code == 200
    api.run("ddl", **query("CREATE TABLE d.t (x INT64)"))
    api.run("dml", **query("INSERT INTO d.t VALUES (1), (2)"))
    ddl, dml = api.get("queries/ddl").json(), api.get("queries/dml").json()
    assert (ddl["jobComplete"], dml["jobComplete"]) == (True, True)
    assert "rows" not in ddl
    assert "rows" not in dml
    assert dml["numDmlAffectedRows"] == "2"


def test_query_method(api: Api) -> None:
    """jobs.query answers with rows when the query is quick."""
    body = {"query": NUMBERS, "useLegacySql": False, "maxResults": 3, "location": "EU", "labels": {"a": "b"}}
    document = api.post("queries", body).json()
    assert document["kind"] == "bigquery#queryResponse"
    assert (numbers(document), document["totalRows"]) == ([0, 1, 2], "25")
    reference = document["jobReference"]
    assert reference["location"] == "EU"
    rest = api.get(f"queries/{reference['jobId']}", pageToken=document["pageToken"]).json()
    assert numbers(rest) == list(range(3, 25))
    assert api.get(f"jobs/{reference['jobId']}").json()["configuration"]["labels"] == {"a": "b"}


def test_query_method_does_not_wait_for_ever(sandbox: Sandbox, api: Api) -> None:
    sandbox.timing(project=api.project, running_seconds=60)
    document = api.post("queries", {"query": "SELECT 1", "useLegacySql": False, "timeoutMs": 0}).json()
    assert document["jobComplete"] is False
    api.post(f"jobs/{document['jobReference']['jobId']}/cancel")


def test_query_method_runs_a_request_once(api: Api) -> None:
    """The same requestId is the same query."""
    body = {"query": "SELECT 1", "useLegacySql": False, "requestId": "once"}
    first, second = (api.post("queries", body).json()["jobReference"] for _ in range(2))
    assert first == second
    assert len(api.get("jobs").json()["jobs"]) == 1


def test_query_method_dry_run(api: Api) -> None:
    document = api.post("queries", {"query": "SELECT 1 AS a", "useLegacySql": False, "dryRun": True}).json()
    assert document["jobComplete"] is True
    assert "jobId" not in document["jobReference"]
    assert "jobs" not in api.get("jobs").json()


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": "SELECT 1", "sql": "x"}, {"query": {"sql": "SELECT 1"}}]
)
def test_query_method_refuses_bad_bodies(api: Api, body: dict[str, Any]) -> None:
    assert api.post("queries", body).status_code == 400


def test_query_method_fails_with_the_querys_error(api: Api) -> None:
    reply = api.post("queries", {"query": "SELECT FROM", "useLegacySql": False})
    assert (reply.status_code, reason(reply)) == (400, "invalidQuery")


def test_old_results_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that serves for days does not keep every result; one that is used again stays."""
    monkeypatch.setattr(cache, "MOST_TABLES", 3)
    with Sandbox(tmp_path) as sandbox:
        api = Api(sandbox.bigquery, sandbox.token, "test-project")
        for number in range(4):
            api.run(f"job-{number}", **query(f"SELECT {number} AS n"))
        api.run("temporary", **query("CREATE TEMP TABLE a AS SELECT 7 AS n; SELECT n FROM a"))
        statuses = [api.get(f"queries/job-{number}").status_code for number in range(4)]
        assert statuses == [404, 404, 404, 200]
        assert api.run("again", **query("SELECT 3 AS n"))["statistics"]["query"]["cacheHit"] is True
        assert api.run("new", **query("SELECT 0 AS n"))["statistics"]["query"]["cacheHit"] is False
        assert api.get("queries/job-3").json()["rows"] == [{"f": [{"v": "3"}]}]
        api.session.close()
    with Sandbox(tmp_path) as sandbox:
        api = Api(sandbox.bigquery, sandbox.token, "test-project")
        for number in range(3):
            api.run(f"later-{number}", **query(f"SELECT {number} AS n"))
        assert api.get("queries/job-3").status_code == 404
        api.session.close()
