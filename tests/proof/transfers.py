"""Every operator that takes records from Salesforce to another service: three accounts, once."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.transfers.salesforce_sweep import SalesforceSweepOperator
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from airflow_provider_jobs.transfers.salesforce_to_object_storage import SalesforceToObjectStorageOperator
from airflow_provider_jobs.transfers.salesforce_to_redivis import SalesforceToRedivisOperator
from tests.proof.rows import (
    FIRST,
    OWNER,
    RD_SESSION,
    RUNS,
    SALESFORCE_JOBS,
    Effect,
    Row,
    bigquery,
    finished_query,
    redivis,
    salesforce_jobs,
)

if TYPE_CHECKING:
    from tests.proof.stage import Stage

#: What Salesforce's clock goes on before an incremental run reads what was written; seconds.
SETTLES = 120.0
#: How long each statement of a script runs, besides what it takes; seconds.
BRIEFLY = 0.01
#: The columns of a copy.
COLUMNS = (
    "Id STRING NOT NULL, Name STRING, External_Id__c STRING, SystemModstamp TIMESTAMP, IsDeleted BOOL, "
    "_synced_to TIMESTAMP, _loaded_at TIMESTAMP, _deleted_at TIMESTAMP"
)


def accounts(stage: Stage) -> dict[str, Any]:
    """Make three accounts in the org, and say how they are read: in two pages."""
    change = stage.sandbox.salesforce_transaction
    opened = change("begin")["id"]
    records = [{"Name": "Three", "External_Id__c": f"{stage.mark}-{number}"} for number in range(3)]
    change("write", id=opened, object="Account", records=records)
    assert change("commit", id=opened) == {"errors": []}
    stage.sandbox.salesforce_settings(page_rows=2)
    return {
        "object_name": "Account",
        "where": f"External_Id__c LIKE '{stage.mark}%'",
        "destination_table": "d.copy",
    }


def account_ids(stage: Stage) -> list[str]:
    """Return the Ids of two of them: those of a page."""
    job = finished_query(stage)
    page = stage.api("GET", f"{SALESFORCE_JOBS}/{job['id']}/results")
    return [line.strip('"') for line in page.split()[1:]]


def begun(stage: Stage, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a task's parameters: jobs are its own from here on, and take their time."""
    stage.salesforce_jobs = len(stage.sandbox.salesforce_jobs())
    stage.sandbox.timing(project="salesforce", running_seconds=RUNS)
    stage.sandbox.timing(project=stage.project, running_seconds=BRIEFLY)
    return parameters


def whole(stage: Stage) -> dict[str, Any]:
    """Copy all into a table that is not there yet."""
    bigquery(stage, 0.0)
    return begun(stage, {**accounts(stage), "fields": ["Name", "External_Id__c"]})


def since(stage: Stage) -> dict[str, Any]:
    """Copy what has changed into a table that has two of three, one of them as it was, and a mark."""
    bigquery(stage, 0.0)
    parameters = accounts(stage)
    at = f"TIMESTAMP '{dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)}'"
    names = zip(account_ids(stage), ("Old", "Three"), strict=True)
    make_copy(stage, [f"'{key}', '{name}', NULL, {at}, FALSE, {at}, {at}, NULL" for key, name in names])
    stage.sandbox.advance(SETTLES)
    return begun(stage, {**parameters, "fields": ["Name", "External_Id__c"], "mode": "incremental"})


def swept(stage: Stage) -> dict[str, Any]:
    """Look for three of five rows whose records are gone."""
    bigquery(stage, 0.0)
    parameters = accounts(stage)
    names = [(key, "Here") for key in account_ids(stage)]
    names += [(f"00100000000000{number}AAA", "Three") for number in range(3)]
    make_copy(stage, [f"'{key}', '{name}', NULL, NULL, FALSE, NULL, NULL, NULL" for key, name in names])
    return begun(stage, {**parameters, "most_share": 0.6})


def make_copy(stage: Stage, rows: list[str]) -> None:
    """Make the target, with rows as SQL has them."""
    values = ", ".join(f"({row})" for row in rows)
    query(stage, f"CREATE TABLE d.copy ({COLUMNS}); INSERT INTO d.copy VALUES {values}")  # noqa: S608 - ours


def query(stage: Stage, sql: str) -> list[list[Any]]:
    """Return the rows of a query, as texts."""
    path = f"/bigquery/v2/projects/{stage.project}/queries"
    found = stage.api("POST", path, {"query": sql, "useLegacySql": False, "timeoutMs": 30_000})
    assert found["jobComplete"], found
    return [[cell["v"] for cell in row["f"]] for row in found.get("rows", ())]


def tables(stage: Stage) -> set[str]:
    """Return the names of the dataset's tables."""
    found = stage.api("GET", f"/bigquery/v2/projects/{stage.project}/datasets/d/tables").get("tables", ())
    return {each["tableReference"]["tableId"] for each in found}


def counted(stage: Stage, condition: str) -> Effect:
    """Count the queries, the loads, the target's rows as they have to be, others, and staging tables."""
    names, rows, others = tables(stage), 0, 0
    if "copy" in names:
        sql = f"SELECT COUNTIF({condition}), COUNTIF(NOT ({condition})) FROM d.copy"  # noqa: S608 - our own
        rows, others = map(int, query(stage, sql)[0])
    jobs = stage.api("GET", f"/bigquery/v2/projects/{stage.project}/jobs?projection=full&maxResults=1000")
    loads = [job for job in jobs.get("jobs", ()) if "load" in job["configuration"]]
    staged = len([name for name in names if name.startswith("salesforce_staging")])
    return {
        **salesforce_jobs(stage),
        "rows": rows,
        "others": others,
        "loads": len(loads),
        "staged": staged,
    }


def filed(stage: Stage) -> dict[str, Any]:
    """Copy all into files: two, one a page."""
    parameters = {**accounts(stage), "results_path": str(stage.folder / stage.mark)}
    del parameters["destination_table"]
    return begun(stage, {**parameters, "fields": ["Name", "External_Id__c"]})


def files(stage: Stage) -> Effect:
    """Count the records of the files that a manifest names, and the files that none does."""
    rows, named = 0, set()
    there = {path for path in (stage.folder / stage.mark).rglob("*") if path.is_file()}
    for manifest in [path for path in there if path.name == "manifest.json"]:
        found = {manifest.parent / each["name"] for each in json.loads(manifest.read_bytes())["files"]}
        rows += sum(path.read_bytes().count(b"\n") - 1 for path in found)
        named |= {manifest, *found}
    return {**salesforce_jobs(stage), "rows": rows, "staged": len(there - named)}


def sent_on(stage: Stage) -> dict[str, Any]:
    """Copy all into a table of Redivis, through a session."""
    parameters = {**accounts(stage), "table": redivis(stage), "session_bytes": 1}
    del parameters["destination_table"]
    return begun(stage, {**parameters, "fields": ["Name", "External_Id__c"]})


def uploads(stage: Stage) -> Effect:
    """Count the uploads, and their rows."""
    path = f"/api/v1/tables/{OWNER}.proof_{stage.mark}:next.t/uploads"
    found = stage.api("GET", path)["results"]
    rows = sum(int(each["numRows"] or 0) for each in found)
    return {**salesforce_jobs(stage), "rows": rows, "uploads": len(found)}


def copies(stage: Stage) -> Effect:
    """Count the rows that are as their records are."""
    return counted(stage, "Name = 'Three' AND External_Id__c IS NOT NULL")


def marks(stage: Stage) -> Effect:
    """Count the rows that are marked."""
    return counted(stage, "Name = 'Three' AND _deleted_at IS NOT NULL")


#: One query, two where the reply of its create was lost; one load; nothing is left lying about.
ONCE: dict[str, int | range] = {"jobs": range(1, 3), "rows": 3, "others": 0, "loads": 1, "staged": 0}
#: In the order in which a run asks for the first time.
BEGIN = ("salesforce.login.token", "salesforce.sobjects.describe")
UPDATED = "salesforce.sobjects.updated"
QUERY = ("salesforce.query.create", "salesforce.query.get")
PAGES = ("salesforce.query.resultPages", "salesforce.query.results")
LOAD = ("bigquery.tables.insert", "bigquery.jobs.get", "bigquery.jobs.list", "bigquery.upload.start")
SQL = ("bigquery.jobs.insert", "bigquery.jobs.getQueryResults", "bigquery.tables.delete")
COPIED = (
    *(*BEGIN, "oauth.token", "bigquery.tables.get", UPDATED, *QUERY),
    *(*LOAD, *PAGES, "bigquery.upload.data", *SQL),
)
#: Where there is no target yet.
COPIED_ANEW = (*COPIED[:4], "bigquery.datasets.get", *COPIED[4:])
SWEPT = tuple(each for each in COPIED if each != UPDATED)
FILED = (*BEGIN, UPDATED, *QUERY, *PAGES)
SENT_ON = (
    *(*BEGIN, UPDATED, "redivis.datasets.get", "redivis.tables.get", *QUERY, "redivis.tables.update"),
    *(*PAGES, *RD_SESSION, "redivis.uploads.list"),
)
ASKED_FIRST = FIRST | {"bigquery.jobs.getQueryResults"}
TARGET = frozenset({"bigquery.tables.get"})

ROWS_OF_TRANSFERS = (
    Row(SalesforceToBigQueryOperator, whole, copies, COPIED_ANEW, ONCE, "full", FIRST, TARGET),
    Row(SalesforceToBigQueryOperator, since, copies, COPIED, ONCE, "incremental", ASKED_FIRST, TARGET),
    Row(SalesforceSweepOperator, swept, marks, SWEPT, {**ONCE, "others": 2}, "", ASKED_FIRST),
    Row(
        SalesforceToObjectStorageOperator, filed, files, FILED,
        {"jobs": range(1, 3), "rows": 3, "staged": 0},
    ),
    Row(
        SalesforceToRedivisOperator, sent_on, uploads, SENT_ON,
        {"jobs": range(1, 3), "rows": 3, "uploads": 1}, "", FIRST,
    ),
)  # fmt: skip
