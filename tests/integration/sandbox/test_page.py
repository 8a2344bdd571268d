"""The status page over HTTP: its files, its document, what neither may tell."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_jobs.sandbox import Sandbox, page
from airflow_provider_jobs.sandbox.page import routes
from tests.integration.sandbox.conftest import PATIENCE_SECONDS, Api, query, wait_until

if TYPE_CHECKING:
    from tests.integration.sandbox.redivis_api import RedivisApi
    from tests.integration.sandbox.salesforce_api import SalesforceApi

FOLDER = Path(page.__file__).parent
FILES = ("/", "/sandbox/page.css", "/sandbox/page.js")
MOST_LINES = 600


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return requests.get(sandbox.url + path, timeout=PATIENCE_SECONDS, **options)


def status(sandbox: Sandbox, **asked: str) -> Any:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    reply = get(sandbox, "/sandbox/status", params=asked, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


def job_of(sandbox: Sandbox, key: str) -> Any:
    """Give a job, after checking that the list tells the same of it in short."""
    told = status(sandbox, job=key)
    (listed,) = [job for job in told["jobs"]["newest"] if job["key"] == key]
    whole = told["job"]
    assert {name: whole[name] for name in ("id", "kind", "place", "state", "created", "ended")} == {
        name: listed[name] for name in ("id", "kind", "place", "state", "created", "ended")
    }
    return whole


# -- its files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
def test_files_come_from_here_alone_and_without_a_token(sandbox: Sandbox, path: str) -> None:
    """They hold no data; a browser runs no other script, asks nobody else, and shows them in no frame."""
    reply = get(sandbox, path)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith(("text/html", "text/css", "text/javascript"))
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert not re.search(r"(https?:)?//\w[\w.-]+\.\w", reply.text), "it names another host"
    assert sandbox.token not in reply.text


def test_nothing_becomes_markup_or_code() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("page.*"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
    assert not re.search(r"\son\w+=|style=|<script>", text), "the policy forbids inline scripts and styles"


def test_the_page_stays_small() -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(len(path.read_text().splitlines()) for path in files) <= MOST_LINES


def test_other_methods_are_refused_and_logged(sandbox: Sandbox) -> None:
    """Nobody posts to the page: it is a client with a wrong address."""
    assert requests.post(sandbox.url + "/?wrong-address", timeout=PATIENCE_SECONDS).status_code == 405
    assert status(sandbox, log="wrong-address")["requests"]["newest"][0]["status"] == 405


# -- who may read ---------------------------------------------------------------------------------


def test_the_document_needs_the_announced_token(sandbox: Sandbox) -> None:
    """Another account's token, a cookie, a parameter of the URL: none opens it."""
    other = sandbox.issue_token("somebody@example.com")
    for headers in ({}, {"Authorization": f"Bearer {other}"}, {"Cookie": f"token={sandbox.token}"}):
        reply = get(sandbox, "/sandbox/status", headers=headers)
        assert reply.status_code == 401
        assert "jobs" not in reply.json()
    assert get(sandbox, f"/sandbox/status?access_token={sandbox.token}").status_code == 401


def test_the_link_carries_the_token_where_no_request_does(sandbox: Sandbox) -> None:
    assert sandbox.announcement()["page"] == sandbox.page
    address, _, fragment = sandbox.page.partition("#")
    assert address == f"{sandbox.url}/"
    assert fragment == f"token={sandbox.token}"


def test_no_secret_is_shown(sandbox: Sandbox, redivis: RedivisApi, api: Api) -> None:
    """Tokens, signatures and sessions, wherever a client puts them: in paths, SQL, names, faults."""
    issued = sandbox.issue_token("somebody@example.com")
    promised = redivis.promise(5, "signed.csv", resumable=True)["url"]
    session = redivis.open_session(promised, 5)
    requests.put(session, data=b"a\n1\n2", timeout=PATIENCE_SECONDS)
    for number, secret in enumerate((sandbox.token, issued, promised, session)):
        api.insert(f"secret-{number}", **query(f"SELECT '{secret}'"))
        requests.get(f"{sandbox.url}/api/v1/{secret}", timeout=PATIENCE_SECONDS)
        sandbox.faults(operation="never", action="garbage", body=secret)
    signatures = re.findall(r"(?:Signature|upload_id)=([^& ]+)", f"{promised} {session}")
    assert len(signatures) == 2
    for number in range(4):
        text = str(status(sandbox, job=f"BigQuery/{api.project}/secret-{number}"))
        assert "SELECT '" in text
        for secret in (sandbox.token, issued, *signatures):
            assert secret not in text


def test_its_own_requests_are_not_logged(sandbox: Sandbox) -> None:
    sandbox.clear_requests()
    for path in FILES:
        get(sandbox, path)
    assert status(sandbox)["requests"] == {"total": 0, "newest": []}
    assert sandbox.requests() == []


# -- jobs -----------------------------------------------------------------------------------------


def test_jobs_of_bigquery(sandbox: Sandbox, api: Api) -> None:
    """State, times, DAG and task, SQL and error; a title in the list, all of it where one is asked for."""
    sql = "SELECT '<script>alert(1)</script>' AS x,\n  " + ", ".join(f"{n} AS n{n}" for n in range(300))
    api.run("good", labels={"airflow-dag": "daily", "airflow-task": "load"}, **query(sql))
    good = job_of(sandbox, f"BigQuery/{api.project}/good")
    assert (good["state"], good["word"], good["kind"], good["place"]) == (
        "done",
        "DONE",
        "query",
        api.project,
    )
    assert good["created"] <= good["started"] <= good["ended"] <= status(sandbox)["now"]
    assert good["text"] == sql
    assert good["task"] == "daily · load"
    assert good["document"]["configuration"]["query"]["query"] == sql
    (listed,) = [job for job in status(sandbox)["jobs"]["newest"] if job["key"] == good["key"]]
    assert listed["text"].startswith("SELECT '<script>alert(1)</script>' AS x, 0 AS n0")
    assert len(listed["text"]) == 200

    api.run("bad", **query("SELECT * FROM nowhere.nothing"))
    bad = job_of(sandbox, f"BigQuery/{api.project}/bad")
    assert bad["state"] == "failed"
    assert bad["error"].startswith("notFound: Not found: Dataset")


def test_states_of_bigquery_as_they_pass(sandbox: Sandbox, api: Api) -> None:
    key = f"BigQuery/{api.project}/slow"
    sandbox.timing(project=api.project, pending_seconds=3600, running_seconds=3600)
    api.insert("slow")
    assert job_of(sandbox, key)["state"] == "pending"
    sandbox.timing(project=api.project, pending_seconds=0)
    wait_until(lambda: job_of(sandbox, key)["state"] == "running")
    assert job_of(sandbox, key)["ended"] is None
    api.post("jobs/slow/cancel")
    wait_until(lambda: job_of(sandbox, key)["state"] == "cancelled")
    assert "User requested cancellation" in job_of(sandbox, key)["error"]


def test_a_job_that_ran_too_long_has_failed(sandbox: Sandbox, api: Api) -> None:
    """It is stopped too, but nobody cancelled it."""
    sandbox.timing(project=api.project, running_seconds=3600)
    api.insert("late", jobTimeoutMs="10", **query("SELECT 1"))
    wait_until(lambda: job_of(sandbox, f"BigQuery/{api.project}/late")["state"] == "failed")


def test_statements_of_a_script(sandbox: Sandbox, api: Api) -> None:
    """They belong to their script and are no jobs of the list."""
    before = status(sandbox)["jobs"]["total"]
    api.run("script", **query("SELECT 1; SELECT 1 / 0"))
    script = job_of(sandbox, f"BigQuery/{api.project}/script")
    assert [(each["text"], each["state"]) for each in script["statements"]] == [
        ("SELECT 1", "done"),
        ("SELECT 1 / 0", "failed"),
    ]
    assert "division by zero" in script["statements"][1]["error"]
    assert status(sandbox)["jobs"]["total"] == before + 1


TABLE = {"projectId": "p", "datasetId": "shop", "tableId": "orders"}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "load": (
        {"load": {"sourceUris": ["gs://b/a.csv", "gs://b/b.csv"], "destinationTable": TABLE}},
        "gs://b/a.csv,\ngs://b/b.csv\n→ shop.orders",
    ),
    "extract": (
        {"extract": {"sourceTable": TABLE, "destinationUri": "gs://b/<i>.csv"}},
        "shop.orders\n→ gs://b/<i>.csv",
    ),
    "copy": (
        {"copy": {"sourceTables": [TABLE], "destinationTable": {**TABLE, "tableId": "copy"}}},
        "shop.orders\n→ shop.copy",
    ),
    "nulls": (
        {
            "labels": None,
            "query": None,
            "load": {"sourceUris": None, "destinationTable": {"datasetId": "shop", "tableId": None}},
        },
        "the bytes of an upload\n→ shop",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_and_tables_of_other_jobs(sandbox: Sandbox, api: Api, name: str) -> None:
    """Whatever the API lets in does not break the page for all the others."""
    configuration, text = OTHERS[name]
    api.run(name, **configuration)
    assert job_of(sandbox, f"BigQuery/{api.project}/{name}")["text"] == text


def test_jobs_of_salesforce(sandbox: Sandbox, salesforce: SalesforceApi) -> None:
    made = salesforce.create("SELECT Id FROM Account")
    wait_until(lambda: job_of(sandbox, f"Salesforce/{made['id']}")["state"] == "done")
    job = job_of(sandbox, f"Salesforce/{made['id']}")
    assert (job["service"], job["kind"], job["place"], job["word"]) == (
        *("Salesforce", "query", "Account", "JobComplete"),
    )
    assert job["text"] == "SELECT Id FROM Account"
    assert job["created"] <= job["started"] <= job["ended"]

    opened = salesforce.create_ingest("Account", "upsert", externalIdFieldName="Id")
    waiting = job_of(sandbox, f"Salesforce/{opened['id']}")
    assert (waiting["state"], waiting["word"], waiting["ended"]) == ("pending", "Open", None)
    assert waiting["text"] == "upsert Account by Id"
    salesforce.state("ingest", opened, "Aborted")
    assert job_of(sandbox, f"Salesforce/{opened['id']}")["state"] == "cancelled"

    sandbox.force_salesforce_job(made["id"], state="Failed", errorMessage="INVALID <b>field</b>")
    failed = job_of(sandbox, f"Salesforce/{made['id']}")
    assert (failed["state"], failed["error"]) == ("failed", "INVALID <b>field</b>")
    sandbox.force_salesforce_job(made["id"], state="Unheard")
    assert job_of(sandbox, f"Salesforce/{made['id']}")["state"] == "running"


def test_uploads_of_redivis(sandbox: Sandbox, redivis: RedivisApi) -> None:
    redivis.upload(b"n\n1\n")
    redivis.create(name="never-sent.csv")
    redivis.upload(b"\x00not parquet", "b.parquet")
    place = f"{redivis.owner}.sales.orders"
    found = {job["text"]: job for job in status(sandbox)["jobs"]["newest"] if job["place"] == place}
    done, waiting, failed = (
        job_of(sandbox, found[f"{name} → {place}"]["key"])
        for name in ("a.csv", "never-sent.csv", "b.parquet")
    )
    assert (done["state"], done["word"], done["error"]) == ("done", "completed", "")
    assert done["created"] <= done["started"] <= done["ended"]
    assert (waiting["state"], waiting["word"], waiting["started"]) == (
        "pending",
        "waiting for its bytes",
        None,
    )
    assert (failed["state"], bool(failed["error"])) == ("failed", True)


@pytest.mark.parametrize(
    "key",
    ["", "BigQuery", "BigQuery/p", "BigQuery/p/none", "Salesforce/x", "Redivis/²", "Redivis/99999", "x/y"],
)
def test_a_job_that_there_is_not(sandbox: Sandbox, key: str) -> None:
    """It may have been deleted since it was chosen."""
    assert status(sandbox, job=key)["job"] is None


def test_the_newest_are_shown_and_all_are_counted(
    sandbox: Sandbox,
    api: Api,
    redivis: RedivisApi,
    salesforce: SalesforceApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Newest first, whatever their services."""
    monkeypatch.setattr(routes, "MOST_JOBS", 4)
    for number in range(3):
        api.run(f"j{number}")
    made = salesforce.create("SELECT Id FROM Account")
    redivis.create(name="never-sent.csv")
    jobs = status(sandbox)["jobs"]
    assert jobs["total"] >= 5
    assert [job["service"] for job in jobs["newest"]] == ["Redivis", "Salesforce", "BigQuery", "BigQuery"]
    assert [job["id"] for job in jobs["newest"]][1:] == [made["id"], "j2", "j1"]


# -- faults and requests --------------------------------------------------------------------------


def test_faults_and_the_requests_that_met_them(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(operation=r"bigquery\.jobs\.get", path=api.project, action="reply", status=503)
    sandbox.faults(operation=r"bigquery\.jobs\.insert", path=api.project, action="delay", seconds=0)
    api.insert("troubled")
    assert api.get("jobs/troubled").status_code == 503
    told = status(sandbox, only="faults", log=api.project)
    assert [(fault["action"], fault["applied"]) for fault in told["faults"]] == [("reply", 1), ("delay", 1)]
    met = [(each["operation"], each["status"], each["faults"]) for each in told["requests"]["newest"]]
    assert met == [("bigquery.jobs.get", 503, ["reply"]), ("bigquery.jobs.insert", 200, ["delay"])]
    assert sandbox.requests()[-1]["faults"] == ["reply"]


def test_a_fault_that_waits_for_the_last_reply_is_named_too(sandbox: Sandbox, redivis: RedivisApi) -> None:
    sandbox.faults(action="lost_final_reply")
    url = redivis.promise(4)["url"]
    with pytest.raises(requests.ConnectionError):
        requests.put(url, data=b"n\n1\n", timeout=PATIENCE_SECONDS)
    newest = status(sandbox, only="faults")["requests"]["newest"]
    assert (newest[0]["faults"], newest[0]["status"]) == (["lost_final_reply"], None)


def test_requests_are_chosen_among_all_of_them(
    sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The polls of a waiting task do not hide what somebody looks for."""
    monkeypatch.setattr(routes, "MOST_REQUESTS", 10)
    api.insert("mine")
    api.get("jobs/nonesuch")
    for _ in range(11):
        api.get("jobs/mine", fields="status")
    assert len(status(sandbox)["requests"]["newest"]) == 10
    (insert,) = status(sandbox, log=f"JOBS.INSERT {api.project}")["requests"]["newest"]
    assert (insert["method"], insert["status"], insert["error"]) == ("POST", 200, "")
    assert insert["seconds"] > 0
    (missing,) = status(sandbox, only="errors", log=api.project)["requests"]["newest"]
    assert missing["error"] == f"notFound: Not found: Job {api.project}:nonesuch"
    (change,) = status(sandbox, only="changes", log=api.project)["requests"]["newest"]
    assert change["operation"] == "bigquery.jobs.insert"


def test_a_clock_that_is_ahead() -> None:
    """Jobs are drawn by the services' clock, and the page says that it differs from this machine's."""
    with Sandbox(clock_ahead_seconds=7200) as sandbox:
        told = status(sandbox)
        assert 7100 < told["ahead"] < 7300
        assert told["now"] > time.time() + 7000
        assert (told["jobs"], told["faults"]) == ({"total": 0, "newest": []}, [])
