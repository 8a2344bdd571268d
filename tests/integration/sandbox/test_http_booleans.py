"""Truth values that come as text: BigQuery reads "false" as false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.conftest import Api, query, reason

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

EITHER = pytest.mark.parametrize("false", [False, "false"])
SCHEMA = {"fields": [{"name": "n", "type": "INTEGER"}, {"name": "s", "type": "STRING"}]}


@pytest.fixture
def table(api: Api, sandbox: Sandbox) -> dict[str, str]:
    """A table ``d.t`` of one row, and a bucket."""
    (sandbox.buckets / api.project).mkdir()
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    api.run("make", **query("CREATE TABLE d.t AS SELECT 1 AS n"))
    return {"projectId": api.project, "datasetId": "d", "tableId": "t"}


@EITHER
def test_header(api: Api, sandbox: Sandbox, table: dict[str, str], false: Any) -> None:
    uri = f"gs://{api.project}/x.csv"
    job = api.run("out", extract={"sourceTable": table, "destinationUris": [uri], "printHeader": false})
    assert job["configuration"]["extract"]["printHeader"] is False
    assert (sandbox.buckets / api.project / "x.csv").read_bytes() == b"1\n"


@EITHER
@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("allowQuotedNewlines", '1,"a\nb"\n'),
        ("allowJaggedRows", "1\n"),
        ("ignoreUnknownValues", "1,a,b\n"),
    ],
)
@pytest.mark.usefixtures("table")
def test_load(api: Api, sandbox: Sandbox, option: str, content: str, false: Any) -> None:
    (sandbox.buckets / api.project / "x.csv").write_text(content)
    target = {"projectId": api.project, "datasetId": "d", "tableId": "loaded"}
    load = {"destinationTable": target, "sourceUris": [f"gs://{api.project}/x.csv"], "schema": SCHEMA}
    job = api.run("in", load={**load, option: false})
    assert job["status"]["errorResult"]["reason"] == "invalid"
    assert "errorResult" not in api.run("in-2", load={**load, option: "true"})["status"]


@EITHER
@pytest.mark.usefixtures("table")
def test_query(api: Api, false: Any) -> None:
    """Cache, dry run and dialect."""
    sql = "SELECT n FROM `d.t`"
    for job_id in ("a", "b"):
        job = api.run(job_id, query={"query": sql, "useLegacySql": false, "useQueryCache": false})
        assert (job["status"], job["statistics"]["query"]["cacheHit"]) == ({"state": "DONE"}, False)
    job = api.insert("c", **query(sql), dryRun=false)
    assert job["jobReference"]["jobId"] == "c"
    results = api.post("queries", {"query": sql, "useLegacySql": false, "dryRun": false}).json()
    assert results["rows"] == [{"f": [{"v": "1"}]}]


@EITHER
def test_dry_run_of_another_job(api: Api, table: dict[str, str], false: Any) -> None:
    extract = {"sourceTable": table, "destinationUris": [f"gs://{api.project}/x.csv"]}
    job = api.run("out", extract=extract, dryRun=false)
    assert job["status"] == {"state": "DONE"}
    refused = api.post("jobs", {"configuration": {"extract": extract, "dryRun": "true"}})
    assert reason(refused) == "invalid"


@EITHER
def test_tables(api: Api, table: dict[str, str], false: Any) -> None:
    """A view's dialect."""
    view = {"query": "SELECT n FROM `d.t`", "useLegacySql": false}
    made = api.post("datasets/d/tables", {"tableReference": {**table, "tableId": "v"}, "view": view})
    assert (made.status_code, made.json()["view"]["useLegacySql"]) == (200, False)
