"""Legacy SQL is the API's default: a request that forgets to say GoogleSQL is noticed here, too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox.conftest import Api, query, reason

ROWS = [{"f": [{"v": "1"}]}]
PARAMETER = {"name": "x", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "3"}}


@pytest.fixture
def api(api: Api) -> Api:
    """With a table ``d.t`` of one row."""
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    api.run("make", **query("CREATE TABLE d.t AS SELECT 1 AS n"))
    return api


@pytest.mark.parametrize("flag", [{}, {"useLegacySql": True}, {"useLegacySql": None}])
@pytest.mark.parametrize(
    ("sql", "more"),
    [
        ("SELECT n FROM `d.t`", {}),
        ("SELECT @x AS n", {"parameterMode": "NAMED", "queryParameters": [PARAMETER]}),
        ("DECLARE x INT64 DEFAULT 3; SELECT x", {}),
        ("SELECT 1; SELECT 2", {}),
        ("CREATE TABLE d.u AS SELECT 1 AS n", {}),
        ("INSERT INTO d.t (n) VALUES (2)", {}),
        ("WITH a AS (SELECT 1 AS n) SELECT n FROM a", {}),
        ("#legacySQL\nSELECT n FROM `d.t`", {}),
    ],
)
def test_googlesql_is_refused(api: Api, sql: str, more: dict[str, Any], flag: dict[str, Any]) -> None:
    """By jobs, by jobs.query and by dry runs."""
    problem = api.run("job", query={"query": sql, **flag, **more})["status"]["errorResult"]
    assert (problem["reason"], "legacy SQL" in problem["message"]) == ("invalidQuery", True)
    for dry_run in (False, True):
        reply = api.post("queries", {"query": sql, **flag, **more, "dryRun": dry_run})
        assert (reply.status_code, reason(reply)) == (400, "invalidQuery")
    assert api.get("datasets/d/tables/u").status_code == 404


def test_legacy_is_taken(api: Api) -> None:
    """Its table names, and backticks where they are no names."""
    named = "SELECT n FROM [PROJECT:d.t] WHERE '`' = '`' -- `".replace("PROJECT", api.project)
    for sql in (
        "SELECT n FROM [d.t]",
        named,
        "SELECT 1;",
    ):
        assert api.post("queries", {"query": sql}).json()["rows"] == ROWS


def test_prefix_of_the_text(api: Api) -> None:
    """It decides where the request says nothing; it must not contradict it."""
    sql = "#standardSQL\nSELECT n FROM `d.t`"
    for flag in ({}, {"useLegacySql": False}):
        assert api.post("queries", {"query": sql, **flag}).json()["rows"] == ROWS
    for text, legacy in ((sql, True), ("#legacySQL\nSELECT 1", False)):
        assert reason(api.post("queries", {"query": text, "useLegacySql": legacy})) == "invalidQuery"


def test_views(api: Api) -> None:
    """Views have the same default."""
    table = {"projectId": api.project, "datasetId": "d", "tableId": "v"}
    view = {"query": "SELECT n FROM `d.t`"}
    refused = api.post("datasets/d/tables", {"tableReference": table, "view": view})
    assert (refused.status_code, reason(refused)) == (400, "invalidQuery")
    assert api.post("datasets/d/tables", {"tableReference": table, "view": {"query": "SELECT n FROM [d.t]"}})
    assert api.post("queries", query("SELECT n FROM d.v")["query"]).json()["rows"] == ROWS
