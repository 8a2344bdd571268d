"""Query jobs: what is created, which states they pass, how they are aborted and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.conftest import wait_until
from tests.integration.sandbox.salesforce_api import ACCOUNTS, SalesforceApi, error

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

HOLD = {"project": "salesforce", "pending_seconds": 60.0}


def test_create(salesforce: SalesforceApi) -> None:
    """A new job is documented, without the fields that only its later information has."""
    job = salesforce.create(columnDelimiter="PIPE", lineEnding="CRLF", contentType="CSV")
    assert job["id"].startswith("750")
    assert len(job["id"]) == 18
    assert job["createdById"].startswith("005")
    wanted = {
        "operation": "query", "object": "Account", "state": "UploadComplete", "concurrencyMode": "Parallel",
        "contentType": "CSV", "apiVersion": 59.0, "lineEnding": "CRLF", "columnDelimiter": "PIPE",
    }  # fmt: skip
    assert wanted.items() <= job.items()
    assert job["createdDate"].endswith(".000+0000")
    assert job.keys() == wanted.keys() | {"id", "createdById", "createdDate", "systemModstamp"}


def test_information(salesforce: SalesforceApi) -> None:
    job = salesforce.query()
    assert job["jobType"] == "V2Query"
    assert job["numberRecordsProcessed"] > 0
    assert (job["retries"], job["isPkChunkingSupported"]) == (0, True)
    assert job["totalProcessingTime"] >= 0
    assert salesforce.query(f"{ACCOUNTS} LIMIT 1")["isPkChunkingSupported"] is False


def test_short_id_finds_the_job(salesforce: SalesforceApi) -> None:
    job = salesforce.create()
    assert salesforce.get(f"jobs/query/{job['id'][:15]}")["id"] == job["id"]
    assert salesforce.call("GET", f"jobs/query/{job['id'][:15]}xyz").status_code == 404


def test_api_version_as_text(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(api_version_type="text")
    assert salesforce.create()["apiVersion"] == "59.0"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"operation": "query"}, "API_ERROR"),
        ({"query": ACCOUNTS}, "API_ERROR"),
        ({"operation": "insert", "query": ACCOUNTS}, "API_ERROR"),
        ({"operation": "query", "query": 5}, "API_ERROR"),
        ({"operation": "query", "query": ACCOUNTS, "contentType": "JSON"}, "API_ERROR"),
        ({"operation": "query", "query": ACCOUNTS, "columnDelimiter": ";"}, "API_ERROR"),
        ({"operation": "query", "query": ACCOUNTS, "lineEnding": "CR"}, "API_ERROR"),
        ({"operation": "query", "query": ACCOUNTS, "foo": 1}, "JSON_PARSER_ERROR"),
        ({"operation": "query", "query": "SELECT FROM"}, "MALFORMED_QUERY"),
        ({"operation": "query", "query": "SELECT Id, Foo FROM Account"}, "INVALID_FIELD"),
        ({"operation": "query", "query": "SELECT Id FROM Foo"}, "INVALID_TYPE"),
    ],
)
def test_bad_job(salesforce: SalesforceApi, document: Any, code: str) -> None:
    before = len(salesforce.sandbox.salesforce_jobs())
    assert error(salesforce.call("POST", "jobs/query", document)) == (400, code)
    assert len(salesforce.sandbox.salesforce_jobs()) == before


@pytest.mark.parametrize(
    ("media_type", "body", "wanted"),
    [
        ("application/json", b"{", (400, "JSON_PARSER_ERROR")),
        ("application/json; charset=UTF-8", b"[]", (400, "JSON_PARSER_ERROR")),
        ("text/plain", b"{}", (415, "UNSUPPORTED_MEDIA_TYPE")),
    ],
)
def test_bad_body(salesforce: SalesforceApi, media_type: str, body: bytes, wanted: Any) -> None:
    reply = salesforce.call("POST", "jobs/query", data=body, headers={"Content-Type": media_type})
    assert error(reply) == wanted


def test_missing_permission(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(denied_operations="queryAll,hardDelete", denied_objects="Contact")
    document = {"operation": "queryAll", "query": ACCOUNTS}
    assert error(salesforce.call("POST", "jobs/query", document)) == (403, "INSUFFICIENT_ACCESS")
    document = {"operation": "query", "query": "SELECT Id FROM Contact"}
    assert error(salesforce.call("POST", "jobs/query", document)) == (400, "INVALID_TYPE")
    document = {"operation": "hardDelete", "object": "Account"}
    assert error(salesforce.call("POST", "jobs/ingest", document)) == (400, "FEATURENOTENABLED")
    assert salesforce.create()["state"] == "UploadComplete"


@pytest.mark.parametrize("version", ["46.0", "69.0", "59", "x", "59.5"])
def test_version_without_queries(salesforce: SalesforceApi, version: str) -> None:
    assert error(salesforce.other(version).call("GET", "jobs/query")) == (404, "NOT_FOUND")


def test_every_version(salesforce: SalesforceApi) -> None:
    """A job keeps the version that made it; others see it all the same."""
    assert salesforce.other("47.0").create()["apiVersion"] == 47.0
    job = salesforce.other("68.0").create()
    assert salesforce.info(job)["apiVersion"] == 68.0
    assert error(salesforce.other("30.0").call("GET", "limits")) == (410, "UNSUPPORTED_API_VERSION")
    listed = requests.get(f"{salesforce.sandbox.salesforce}/services/data", timeout=10).json()
    assert [each["version"] for each in listed][-1] == "68.0"
    assert {"label": "Summer '23", "url": "/services/data/v58.0", "version": "58.0"} in listed


def test_states_over_time(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(project="salesforce", pending_seconds=0.2, running_seconds=0.2)
    job, states = salesforce.create(), [""]

    def complete() -> bool:
        states.append(salesforce.info(job)["state"])
        return states[-1] == "JobComplete"

    wait_until(complete)
    assert list(dict.fromkeys(states)) == ["", "UploadComplete", "InProgress", "JobComplete"]


def test_states_by_polls(salesforce: SalesforceApi) -> None:
    """Looks count in both forms: at a job, and at a list that shows it."""
    salesforce.sandbox.salesforce_settings(queued_polls=3, running_polls=2)
    job = salesforce.create()
    states = [salesforce.info(job)["state"] for _ in range(2)]
    listed = salesforce.get("jobs/query", jobType="V2Query")["records"]
    states += [each["state"] for each in listed if each["id"] == job["id"]]
    assert states == ["UploadComplete"] * 3
    wait_until(lambda: salesforce.sandbox.salesforce_jobs()[-1]["state"] == "InProgress")
    assert [salesforce.info(job)["state"] for _ in range(2)] == ["InProgress"] * 2
    assert salesforce.ended(job)["state"] == "JobComplete"


@pytest.mark.parametrize("state", ["Failed", "Aborted", "JobComplete"])
def test_forced_end(salesforce: SalesforceApi, state: str) -> None:
    salesforce.sandbox.timing(**HOLD)
    job = salesforce.create()
    salesforce.sandbox.force_salesforce_job(job["id"], state=state)
    assert salesforce.info(job)["state"] == state


def test_forced_state_stays(salesforce: SalesforceApi) -> None:
    """Also one that nobody knows; then the job can still complete."""
    salesforce.sandbox.timing(**HOLD)
    job = salesforce.create()
    salesforce.sandbox.force_salesforce_job(job["id"], state="Paused", retries=3)
    salesforce.sandbox.timing(project="salesforce", pending_seconds=0.0)
    assert {"state": "Paused", "retries": 3}.items() <= salesforce.info(job).items()
    headers = {"Authorization": f"Bearer {salesforce.sandbox.token}"}
    url = f"{salesforce.sandbox.url}/sandbox/salesforce/jobs/{job['id']}"
    reply = requests.post(url, json={"state": "JobComplete"}, headers=headers, timeout=30)
    assert reply.json()["query"] == ACCOUNTS
    assert salesforce.results(job).status_code == 200


def test_failed_query_says_why(salesforce: SalesforceApi) -> None:
    """As with a timeout of the org: the job was accepted, and fails later."""
    message = "Your query request was running for too long."
    salesforce.fault(r"query\.run", action="reply", reason="QUERY_TIMEOUT", message=message)
    job = salesforce.ended(salesforce.create())
    assert (job["state"], job["errorMessage"]) == ("Failed", f"QUERY_TIMEOUT : {message}")
    assert error(salesforce.results(job)) == (400, "INVALIDJOBSTATE")


def test_abort(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(**HOLD)
    job = salesforce.create()
    aborted = salesforce.state("query", job, "Aborted").json()
    assert aborted["state"] == "Aborted"
    assert not {"lineEnding", "columnDelimiter"} & aborted.keys()
    assert salesforce.info(job)["state"] == "Aborted"


def test_abort_that_takes_a_while(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(**HOLD, cancel_seconds=0.3)
    salesforce.sandbox.salesforce_settings(abort="later")
    job = salesforce.create()
    assert salesforce.state("query", job, "Aborted").json()["state"] == "Aborted"
    assert salesforce.info(job)["state"] == "UploadComplete"
    assert salesforce.ended(job)["state"] == "Aborted"


def test_abort_of_what_has_ended(salesforce: SalesforceApi) -> None:
    job = salesforce.query()
    reply = salesforce.state("query", job, "Aborted")
    assert reply.status_code == 400
    message = "Aborting already Completed Job not allowed"
    assert reply.json() == [{"errorCode": "INVALIDJOBSTATE", "message": message}]


def test_no_other_state_can_be_set(salesforce: SalesforceApi) -> None:
    job = salesforce.create()
    assert error(salesforce.state("query", job, "JobComplete")) == (400, "API_ERROR")


def test_delete(salesforce: SalesforceApi) -> None:
    """Nothing is left of it: no job, no result, no file."""
    job = salesforce.query()
    reply = salesforce.call("DELETE", f"jobs/query/{job['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/results"), ("GET", "/resultPages")]:
        assert error(salesforce.call(method, f"jobs/query/{job['id']}{path}")) == (404, "NOT_FOUND")
    assert not list((salesforce.sandbox.root / "salesforce/results").glob(f"{job['id']}*"))


def test_delete_before_the_end(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(**HOLD)
    reply = salesforce.call("DELETE", f"jobs/query/{salesforce.create()['id']}")
    message = "Error encountered when deleting the job because the job is not terminated"
    assert reply.status_code == 400
    assert reply.json() == [{"errorCode": "API_ERROR", "message": message}]


@pytest.mark.parametrize("job_id", ["750", "..", "750Hn000000ZZZZAAA", "%2e%2e%2fjobs.sqlite", "a" * 18])
def test_job_that_is_not_there(salesforce: SalesforceApi, job_id: str) -> None:
    assert error(salesforce.call("GET", f"jobs/query/{job_id}/results")) == (404, "NOT_FOUND")


def test_jobs_of_one_kind_are_none_of_the_other(salesforce: SalesforceApi) -> None:
    assert error(salesforce.call("GET", f"jobs/ingest/{salesforce.create()['id']}")) == (404, "NOT_FOUND")
    assert error(salesforce.call("GET", f"jobs/query/{salesforce.create_ingest()['id']}")) == (
        404,
        "NOT_FOUND",
    )


def test_limits(salesforce: SalesforceApi) -> None:
    """Real counts, in the reply and in the header of every reply."""
    before = salesforce.get("limits")
    salesforce.query()
    reply = salesforce.call("GET", "limits")
    after = reply.json()
    assert after["DailyBulkV2QueryJobs"]["Remaining"] == before["DailyBulkV2QueryJobs"]["Remaining"] - 1
    requests_left = after["DailyApiRequests"]
    used = requests_left["Max"] - requests_left["Remaining"]
    assert reply.headers["Sforce-Limit-Info"] == f"api-usage={used}/{requests_left['Max']}"
    assert after["DailyBulkV2QueryFileStorageMB"]["Max"] == 1048576
    assert after["DailyBulkApiBatches"]["Max"] == 15000
    refused = salesforce.call("GET", "jobs/query/750")
    assert refused.headers["Sforce-Limit-Info"] == f"api-usage={used + 1}/{requests_left['Max']}"


def test_exceeded_limits(salesforce: SalesforceApi) -> None:
    query = {"operation": "query", "query": ACCOUNTS}
    salesforce.sandbox.salesforce_settings(daily_query_file_storage_mb=0)
    assert error(salesforce.call("POST", "jobs/query", query)) == (400, "LIMIT_EXCEEDED")
    salesforce.sandbox.salesforce_settings(
        daily_query_jobs=0, daily_query_file_storage_mb=1, daily_batches=0, warning='299 - "old"'
    )
    reply = salesforce.call("POST", "jobs/query", query)
    assert error(reply) == (400, "LIMIT_EXCEEDED")
    assert reply.headers["Warning"] == '299 - "old"'
    document = {"operation": "insert", "object": "Account"}
    assert error(salesforce.call("POST", "jobs/ingest", document)) == (400, "LIMIT_EXCEEDED")
    salesforce.sandbox.salesforce_settings(daily_api_requests=1)
    assert error(salesforce.call("GET", "limits")) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_unknown_setting(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.url}/sandbox/salesforce"
    for spec in ({"foo": 1}, {"page_rows": "x"}, {"result_url": "x"}, {"page_rows": -1}):
        assert requests.post(url, json=spec, headers=headers, timeout=10).status_code == 400
    assert requests.get(url, headers=headers, timeout=10).json()["page_rows"] == 50_000
