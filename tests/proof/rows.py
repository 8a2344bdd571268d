"""Every operator and sensor of one service: work for it, and what that has to leave there, once.

Whoever adds an operator adds a row; tests/contract/test_proof.py misses it. Those that take something from
one service to another are in ``transfers``, those that are as Google's in ``as_googles``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from airflow_provider_jobs.sensors.base import JobSensor
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor, BigQueryJobsSensor
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.proof.stage import Stage

OWNER = "acme"
SCHEMA = [{"name": "n", "type": "INTEGER"}]
SQL = "INSERT INTO d.t (n) VALUES (1), (2), (3)"
ROWS = b"n\n1\n2\n3\n"
#: How long a job runs, at least: so that a task looks at it, and a sensor at one that runs; seconds.
RUNS, RUNS_LONGER = 0.15, 0.4
SALESFORCE_JOBS = "/services/data/v59.0/jobs/query"

#: How long sensors look again: for what ends soon, and for what does not; seconds.
PATIENCE, IMPATIENCE = 30.0, 1.5

Effect = dict[str, int]


@dataclass(frozen=True)
class Row:
    """One operator.

    :param set_up: Makes what the work needs, and returns the task's parameters.
    :param effect: Counts what is there afterwards.
    :param asks: The operations of the service that it uses when nothing is wrong.
    :param once: What that has to be, exactly; a range of what it may be.
    :param way: Of several ways in which an operator works.
    :param finds: Of these operations those with which it looks for what is there before it makes anything.
    :param lacks: Those whose answer may be that there is nothing yet.
    :param needs: Those without whose answer there is nothing to do.
    """

    kind: type[Any]
    set_up: Callable[[Stage], dict[str, Any]]
    effect: Callable[[Stage], Effect]
    asks: tuple[str, ...]
    once: Mapping[str, int | range] = field(default_factory=dict)
    way: str = ""
    finds: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What the documentation calls it."""
        return f"{self.kind.__name__}{', ' if self.way else ''}{self.way}"

    @property
    def table(self) -> str:
        """The table of the documentation that it is in: that of its service, or of transfers."""
        layer = self.kind.__module__.split(".")[1]
        return layer if layer == "transfers" else str(self.kind.service)

    def task(self, parameters: Mapping[str, Any], *, deferrable: bool, timeout: float = PATIENCE) -> Any:
        """Return the task; a sensor has this timeout, in seconds."""
        hasty = {"poke_interval": 0.05, "timeout": timeout} if issubclass(self.kind, JobSensor) else HASTY
        return self.kind(**{"task_id": "task", "deferrable": deferrable, **hasty, **parameters})


HASTY = {"poll_interval": 0.2, "inline_wait": 0.0}


# BigQuery.


def bigquery(stage: Stage, seconds: float = RUNS, *, three: bool = False) -> str:
    """Make a dataset with an empty table ``d.t``; return the API's path.

    :param three: And a table ``d.three`` of three rows.
    """
    base = f"/bigquery/v2/projects/{stage.project}"
    place = {"projectId": stage.project, "datasetId": "d"}
    stage.api("POST", f"{base}/datasets", {"datasetReference": place, "location": "US"})
    table = {"tableReference": {**place, "tableId": "t"}, "schema": {"fields": SCHEMA}}
    stage.api("POST", f"{base}/datasets/d/tables", table)
    if three:
        sql = "CREATE TABLE d.three AS SELECT n FROM UNNEST([1, 2, 3]) AS n"
        stage.api("POST", f"{base}/queries", {"query": sql, "useLegacySql": False})
    stage.sandbox.timing(project=stage.project, running_seconds=seconds)
    return base


def bigquery_jobs(stage: Stage) -> Effect:
    """Count the jobs that are a task's; one that is left running, or was cancelled, is none that counts."""
    path = f"/bigquery/v2/projects/{stage.project}/jobs?allUsers=true&projection=full&maxResults=1000"
    jobs = [
        job for job in stage.api("GET", path).get("jobs", ())
        if "airflow-task" in job["configuration"].get("labels", {})
    ]  # fmt: skip
    return {"jobs": len(jobs)}


def bigquery_rows(stage: Stage) -> Effect:
    """Count the rows of ``d.t`` too."""
    table = stage.api("GET", f"/bigquery/v2/projects/{stage.project}/datasets/d/tables/t")
    return {**bigquery_jobs(stage), "rows": int(table["numRows"])}


def query(stage: Stage) -> dict[str, Any]:
    bigquery(stage)
    return {"sql": SQL}


def load(stage: Stage) -> dict[str, Any]:
    bigquery(stage)
    path = stage.sandbox.buckets / stage.project / "rows.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(ROWS)
    return {"source_uris": f"gs://{stage.project}/rows.csv", **LOADED}


LOADED = {
    "destination_table": "d.t",
    "schema": SCHEMA,
    "skip_leading_rows": 1,
    "write_disposition": "WRITE_APPEND",
}


def copy(stage: Stage) -> dict[str, Any]:
    bigquery(stage, three=True)
    return {
        "source_tables": "d.three",
        "destination_table": "d.t",
        "write_disposition": "WRITE_APPEND",
    }


def extract(stage: Stage) -> dict[str, Any]:
    bigquery(stage, three=True)
    (stage.sandbox.buckets / stage.project).mkdir(parents=True)
    return {"source_table": "d.three", "destination_uris": f"gs://{stage.project}/out.csv"}


def extracted(stage: Stage) -> Effect:
    """Count the rows of the file."""
    path = stage.sandbox.buckets / stage.project / "out.csv"
    return {**bigquery_jobs(stage), "rows": path.read_bytes().count(b"\n") - 1 if path.exists() else 0}


def configuration(stage: Stage) -> dict[str, Any]:
    return {"configuration": {"query": {"query": query(stage)["sql"], "useLegacySql": False}}}


def file(stage: Stage, content: bytes = ROWS) -> Path:
    path = stage.folder / f"{stage.mark}.csv"
    path.write_bytes(content)
    return path


def upload(stage: Stage) -> dict[str, Any]:
    bigquery(stage)
    return {"source": str(file(stage)), **LOADED}


def upload_in_session(stage: Stage) -> dict[str, Any]:
    """Compressed on the way, so that nobody knows its size: that takes a session."""
    return {**upload(stage), "compress": True}


def bigquery_job(stage: Stage) -> dict[str, Any]:
    """Start a job that somebody else's task has made."""
    base = bigquery(stage, RUNS_LONGER)
    work = {"query": {"query": SQL, "useLegacySql": False}}
    reference = {"projectId": stage.project, "jobId": "theirs", "location": "US"}
    labels = {"airflow-task": "theirs"}
    stage.api(
        "POST", f"{base}/jobs", {"jobReference": reference, "configuration": {**work, "labels": labels}}
    )
    return {"job": {"job_id": "theirs", "location": "US"}}


def bigquery_search(stage: Stage) -> dict[str, Any]:
    bigquery_job(stage)
    return {"job_id_prefix": "theirs", "all_users": True}


# Salesforce.


def accounts(stage: Stage) -> bytes:
    lines = "".join(f"Three,{stage.mark}-{number}\n" for number in range(3))
    return f"Name,External_Id__c\n{lines}".encode()


def ingest(stage: Stage, seconds: float = RUNS) -> dict[str, Any]:
    stage.salesforce_jobs = len(stage.sandbox.salesforce_jobs())
    stage.sandbox.timing(project="salesforce", running_seconds=seconds)
    return {
        "source": str(file(stage, accounts(stage))),
        "object_name": "Account",
        "operation": "insert",
        "results_path": str(stage.folder / f"{stage.mark}-results"),
    }


def soql(stage: Stage) -> dict[str, Any]:
    """Read two pages of records into a file."""
    stage.salesforce_jobs = len(stage.sandbox.salesforce_jobs())
    stage.sandbox.salesforce_settings(page_rows=2)
    stage.sandbox.timing(project="salesforce", running_seconds=RUNS)
    return {
        "soql": "SELECT Id FROM User LIMIT 3",
        "results_path": str(stage.folder / f"{stage.mark}.out.csv"),
    }


def salesforce_jobs(stage: Stage) -> Effect:
    return {"jobs": len(stage.sandbox.salesforce_jobs()) - stage.salesforce_jobs}


def written(stage: Stage) -> Effect:
    """Count the records in the org."""
    found = salesforce_jobs(stage)
    stage.sandbox.timing(project="salesforce", running_seconds=0.0)
    return {**found, "rows": int(finished_query(stage)["numberRecordsProcessed"])}


def finished_query(stage: Stage) -> dict[str, Any]:
    """Return a job that has read the Ids of the case's accounts."""
    query = "SELECT Id FROM Account WHERE External_Id__c LIKE "
    work = {"operation": "query", "query": f"{query}'{stage.mark}%'"}
    job: dict[str, Any] = stage.api("POST", SALESFORCE_JOBS, work)
    while job["state"] != "JobComplete":
        job = stage.api("GET", f"{SALESFORCE_JOBS}/{job['id']}")
    return job


def read(stage: Stage) -> Effect:
    """Count the records in the file."""
    path = stage.folder / f"{stage.mark}.out.csv"
    return {**salesforce_jobs(stage), "rows": path.read_bytes().count(b"\n") - 1 if path.exists() else 0}


def salesforce_job(stage: Stage) -> dict[str, Any]:
    """Start a query that somebody else has made."""
    stage.salesforce_jobs = len(stage.sandbox.salesforce_jobs())
    stage.sandbox.timing(project="salesforce", running_seconds=RUNS_LONGER)
    work = {"operation": "query", "query": "SELECT Id FROM User LIMIT 3"}
    return {"job": stage.api("POST", SALESFORCE_JOBS, work)["id"]}


# Redivis.


def redivis(stage: Stage, seconds: float = RUNS) -> str:
    """Make a dataset and a table; return its name."""
    stage.sandbox.timing(project=OWNER, running_seconds=seconds)
    stage.sandbox.redivis_settings(rate_limit=1_000_000, release_seconds=RUNS)
    name = f"proof_{stage.mark}"
    stage.api("POST", f"/api/v1/organizations/{OWNER}/datasets", {"name": name})
    stage.api("POST", f"/api/v1/datasets/{OWNER}.{name}:next/tables", {"name": "t"})
    return f"{OWNER}.{name}:next.t"


def redivis_upload(stage: Stage) -> dict[str, Any]:
    return {"source": str(file(stage)), "table": redivis(stage), "upload_name": "rows.csv"}


def redivis_upload_in_session(stage: Stage) -> dict[str, Any]:
    return {**redivis_upload(stage), "session_bytes": 1}


def sent(stage: Stage, name: str = "rows.csv") -> Effect:
    """Count the uploads, and the rows of the one with the right bytes."""
    path = f"/api/v1/tables/{OWNER}.proof_{stage.mark}:next.t/uploads"
    found = stage.api("GET", path)["results"]
    digest = hashlib.md5(ROWS).hexdigest()  # noqa: S324 - what Redivis compares
    whole = [each for each in found if (each["name"], each["hash"]) == (name, digest)]
    return {"jobs": len(found), "rows": sum(int(each["numRows"] or 0) for each in whole)}


def their_upload(stage: Stage, seconds: float = RUNS_LONGER) -> dict[str, Any]:
    """Make an upload that is somebody else's."""
    table = redivis(stage, seconds)
    return {"upload": RedivisHook().get_conn().put_upload(table, file(stage), "rows.csv")["uri"]}


def release(stage: Stage) -> dict[str, Any]:
    their_upload(stage, 0.0)
    path = f"/api/v1/tables/{OWNER}.proof_{stage.mark}:next.t/uploads"
    while stage.api("GET", path)["results"][0]["status"] != "completed":
        pass
    return {"dataset": f"{OWNER}.proof_{stage.mark}", "release_notes": "Once.", **SOON}


def released(stage: Stage) -> Effect:
    """Count the versions that are released."""
    found = stage.api("GET", f"/api/v1/datasets/{OWNER}.proof_{stage.mark}/versions")["results"]
    return {"jobs": sum(bool(each["isReleased"]) for each in found)}


#: A 409 says that somebody else has asked for the release: one that nobody has is waited for in vain.
SOON = {"execution_timeout": dt.timedelta(seconds=5)}
ONE_JOB: dict[str, int | range] = {"jobs": 1, "rows": 3}
#: A create of Salesforce whose reply is lost is sent once more: the first job reads, or stays empty.
ONE_OR_TWO: dict[str, int | range] = {"jobs": range(1, 3), "rows": 3}

BQ = ("oauth.token", "bigquery.jobs.insert", "bigquery.jobs.get")
BQ_SMALL = ("oauth.token", "bigquery.upload.multipart", "bigquery.jobs.get")
BQ_SESSION = (
    *("oauth.token", "bigquery.jobs.get", "bigquery.jobs.list"),
    *("bigquery.upload.start", "bigquery.upload.data"),
)
SF_QUERY = (
    *("salesforce.login.token", "salesforce.query.create", "salesforce.query.get"),
    *("salesforce.query.resultPages", "salesforce.query.results"),
)
SF_INGEST = (
    *("salesforce.login.token", "salesforce.ingest.create", "salesforce.ingest.data"),
    *("salesforce.ingest.close", "salesforce.ingest.get", "salesforce.ingest.results"),
)
RD_SMALL = (
    "redivis.uploads.get",
    "redivis.tempUploads.create",
    "redivis.upload.plain",
    "redivis.uploads.create",
)
RD_SESSION = (*RD_SMALL[:2], "redivis.upload.start", "redivis.upload.data", "redivis.uploads.create")
RD_RELEASE = (
    *("redivis.datasets.get", "redivis.tables.list", "redivis.uploads.list"),
    "redivis.versions.release",
)
#: Looked at before anything is made.
FIRST = frozenset({"bigquery.jobs.get", "redivis.uploads.get"})

ROWS_OF_SERVICES = (
    Row(BigQueryQueryOperator, query, bigquery_rows, BQ, ONE_JOB),
    Row(BigQueryLoadOperator, load, bigquery_rows, BQ, ONE_JOB),
    Row(BigQueryExtractOperator, extract, extracted, BQ, ONE_JOB),
    Row(BigQueryCopyOperator, copy, bigquery_rows, BQ, ONE_JOB),
    Row(BigQueryInsertJobOperator, configuration, bigquery_rows, BQ, ONE_JOB),
    Row(BigQueryUploadOperator, upload, bigquery_rows, BQ_SMALL, ONE_JOB, "small"),
    Row(BigQueryUploadOperator, upload_in_session, bigquery_rows, BQ_SESSION, ONE_JOB, "in a session", FIRST),
    Row(BigQueryJobSensor, bigquery_job, bigquery_rows, ("oauth.token", "bigquery.jobs.get"), ONE_JOB),
    Row(BigQueryJobsSensor, bigquery_search, bigquery_rows, ("oauth.token", "bigquery.jobs.list"), ONE_JOB),
    Row(SalesforceQueryOperator, soql, read, SF_QUERY, ONE_OR_TWO),
    Row(SalesforceIngestOperator, ingest, written, SF_INGEST, ONE_OR_TWO),
    Row(
        SalesforceJobSensor, salesforce_job, salesforce_jobs,
        ("salesforce.login.token", "salesforce.query.get"), {"jobs": 1},
    ),
    Row(RedivisUploadOperator, redivis_upload, sent, RD_SMALL, ONE_JOB, "small", FIRST),
    Row(RedivisUploadOperator, redivis_upload_in_session, sent, RD_SESSION, ONE_JOB, "in a session", FIRST),
    Row(RedivisReleaseOperator, release, released, RD_RELEASE, {"jobs": 1}),
    Row(RedivisUploadSensor, their_upload, sent, ("redivis.uploads.get",), ONE_JOB),
)  # fmt: skip
