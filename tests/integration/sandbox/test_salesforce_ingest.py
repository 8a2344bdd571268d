"""Ingest jobs: data in one request, processing, and what became of every record."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import pytest

from tests.integration.sandbox.conftest import wait_until
from tests.integration.sandbox.salesforce_api import SalesforceApi, error

INSERT = b"Name\nFirst of two\nSecond of two\n"


def records(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def ids(salesforce: SalesforceApi, job: Any) -> list[str]:
    return [record["sf__Id"] for record in records(salesforce.outcome(job, "successfulResults"))]


def test_new_job(salesforce: SalesforceApi) -> None:
    job = salesforce.create_ingest("account")
    assert (job["state"], job["object"], job["operation"]) == ("Open", "Account", "insert")
    assert job["contentUrl"] == f"services/data/v59.0/jobs/ingest/{job['id']}/batches"
    assert "jobType" not in job
    info = salesforce.info(job, "ingest")
    assert info["jobType"] == "V2Ingest"
    counters = (
        "numberRecordsProcessed",
        "numberRecordsFailed",
        "apiActiveProcessingTime",
        "apexProcessingTime",
    )
    assert [info[name] for name in counters] == [0, 0, 0, 0]


def test_insert(salesforce: SalesforceApi) -> None:
    """The records are there: by their ids, a query finds them."""
    job = salesforce.ingest(INSERT)
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 0)
    made = ids(salesforce, job)
    soql = f"SELECT Name FROM Account WHERE Id IN ('{made[0]}', '{made[1]}') ORDER BY Name"  # noqa: S608 - our ids
    query = salesforce.query(soql)
    assert salesforce.results(query).content == b'"Name"\n"First of two"\n"Second of two"\n'
    assert records(salesforce.outcome(job, "failedResults")) == []
    assert records(salesforce.outcome(job, "unprocessedRecords/")) == []
    assert salesforce.outcome(job, "UNPROCESSEDRECORDS") == salesforce.outcome(job, "unprocessedrecords/")


def test_failed_records(salesforce: SalesforceApi) -> None:
    """A job whose records were rejected is complete; only its counters tell."""
    job = salesforce.ingest(b"Id,Name\n001000000000000AAA,nobody\n", operation="update")
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 1, 1)
    (record,) = records(salesforce.outcome(job, "failedResults"))
    assert record["sf__Error"]
    assert record["Name"] == "nobody"
    assert ids(salesforce, job) == []


def test_unprocessed_records(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(ingest_limit=1)
    job = salesforce.ingest(INSERT)
    assert job["state"] == "Failed"
    assert job["errorMessage"]
    assert len(ids(salesforce, job)) == 1
    assert len(records(salesforce.outcome(job, "unprocessedrecords"))) == 1


def test_failed_job(salesforce: SalesforceApi) -> None:
    """Nothing was processed, and everything is given back as it was."""
    salesforce.fault(r"ingest\.run", action="reply", reason="InternalServerError", message="no")
    job = salesforce.ingest(INSERT)
    assert (job["state"], job["errorMessage"]) == ("Failed", "InternalServerError : no")
    assert salesforce.outcome(job, "unprocessedrecords") == INSERT
    assert salesforce.outcome(job, "successfulResults") == b'"sf__Id","sf__Created",Name\n'
    assert salesforce.outcome(job, "failedResults") == b'"sf__Id","sf__Error",Name\n'


def test_data_that_is_no_csv(salesforce: SalesforceApi) -> None:
    job = salesforce.ingest(b"Nmae\nx\n")
    assert job["state"] == "Failed"
    assert "Nmae" in job["errorMessage"]


def test_close_without_data(salesforce: SalesforceApi) -> None:
    job = salesforce.create_ingest()
    closed = salesforce.state("ingest", job, "UploadComplete").json()
    assert closed["state"] == "UploadComplete"
    assert "contentUrl" not in closed
    ended = salesforce.ended(job, "ingest")
    assert (ended["state"], ended["errorMessage"]) == ("Failed", "InvalidBatch : No data was uploaded.")
    assert salesforce.outcome(job, "unprocessedrecords") == b""


def test_data_comes_once(salesforce: SalesforceApi) -> None:
    job = salesforce.create_ingest()
    reply = salesforce.put(job, INSERT)
    assert (reply.status_code, reply.content) == (201, b"")
    assert error(salesforce.put(job, INSERT)) == (400, "CLIENT_INPUT_ERROR")
    salesforce.state("ingest", job, "Aborted")
    assert error(salesforce.put(job, INSERT)) == (400, "INVALIDJOBSTATE")
    assert salesforce.outcome(job, "unprocessedrecords") == INSERT


def test_broken_data_can_come_again(salesforce: SalesforceApi) -> None:
    """A request that ends in the middle leaves nothing."""
    salesforce.fault(r"ingest\.data", action="reply", status=503, bytes=5)
    job = salesforce.create_ingest()
    assert error(salesforce.put(job, INSERT)) == (503, "SERVER_UNAVAILABLE")
    assert salesforce.put(job, INSERT).status_code == 201
    upload = [each for each in salesforce.sandbox.uploads() if each["target"] == job["id"]][-1]
    assert upload["state"] == "complete"
    assert (
        wait_until(lambda: salesforce.sandbox.uploads()[-1]["sha256"]) == hashlib.sha256(INSERT).hexdigest()
    )


def test_too_much_data(salesforce: SalesforceApi) -> None:
    """The limit counts bytes, whether their number is announced or not."""
    block, count = b"x" * (1 << 20), 100
    job = salesforce.create_ingest()
    path, headers = f"jobs/ingest/{job['id']}/batches", {"Content-Type": "text/csv"}
    reply = salesforce.call("PUT", path, data=(block for _ in range(count + 1)), headers=headers)
    assert error(reply) == (413, "REQUEST_ENTITY_TOO_LARGE")
    reply = salesforce.call("PUT", path, data=io.BytesIO(block * count + b"y"), headers=headers)
    assert error(reply) == (413, "REQUEST_ENTITY_TOO_LARGE")
    assert salesforce.put(job, block * count).status_code == 201
    assert salesforce.state("ingest", job, "Aborted").status_code == 200
    assert salesforce.call("DELETE", f"jobs/ingest/{job['id']}").status_code == 204


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
def test_data_of_another_type(salesforce: SalesforceApi, media_type: str) -> None:
    reply = salesforce.put(salesforce.create_ingest(), INSERT, media_type)
    assert error(reply) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_job_with_its_data(salesforce: SalesforceApi) -> None:
    """One request of two parts makes, fills and closes a job."""
    job = json.dumps({"object": "Account", "operation": "insert"})
    parts: Any = {"job": (None, job, "application/json"), "content": ("content", INSERT, "text/csv")}
    made = salesforce.call("POST", "jobs/ingest", files=parts).json()
    assert made["state"] == "UploadComplete"
    assert salesforce.ended(made, "ingest")["numberRecordsProcessed"] == 2
    large: Any = {**parts, "content": ("content", b"Name\n" + b"x" * 100_000, "text/csv")}
    assert error(salesforce.call("POST", "jobs/ingest", files=large)) == (413, "REQUEST_ENTITY_TOO_LARGE")
    less: Any = {"job": parts["job"]}
    assert error(salesforce.call("POST", "jobs/ingest", files=less)) == (400, "INVALID_MULTIPART_REQUEST")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"operation": "insert"}, "API_ERROR"),
        ({"operation": "query", "object": "Account"}, "API_ERROR"),
        ({"operation": "upsert", "object": "Account"}, "INVALIDJOB"),
        ({"operation": "insert", "object": "Account", "externalIdFieldName": "X__c"}, "INVALIDJOB"),
        ({"operation": "insert", "object": "Account", "foo": 1}, "JSON_PARSER_ERROR"),
    ],
)
def test_bad_job(salesforce: SalesforceApi, document: Any, code: str) -> None:
    assert error(salesforce.call("POST", "jobs/ingest", document)) == (400, code)


def test_unknown_object(salesforce: SalesforceApi) -> None:
    reply = salesforce.call("POST", "jobs/ingest", {"operation": "insert", "object": "Foo"})
    assert reply.status_code == 400
    assert "Foo" in reply.json()[0]["message"]


def test_abort_and_delete(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(project="salesforce", running_seconds=60)
    job = salesforce.create_ingest()
    assert error(salesforce.call("DELETE", f"jobs/ingest/{job['id']}")) == (400, "API_ERROR")
    salesforce.put(job, INSERT)
    salesforce.state("ingest", job, "UploadComplete")
    wait_until(lambda: salesforce.info(job, "ingest")["state"] == "InProgress")
    assert error(salesforce.state("ingest", job, "UploadComplete")) == (400, "INVALIDJOBSTATE")
    reply = salesforce.call("GET", f"jobs/ingest/{job['id']}/successfulResults")
    assert error(reply) == (400, "INVALIDJOBSTATE")
    assert salesforce.state("ingest", job, "Aborted").json()["state"] == "Aborted"
    again = salesforce.state("ingest", job, "Aborted")
    assert again.json()[0]["message"] == "Aborting already Aborted Job not allowed"
    assert salesforce.call("DELETE", f"jobs/ingest/{job['id']}").status_code == 204
    assert error(salesforce.call("GET", f"jobs/ingest/{job['id']}")) == (404, "NOT_FOUND")


def test_delete_of_a_queued_job(salesforce: SalesforceApi) -> None:
    """Its records never come."""
    salesforce.sandbox.timing(project="salesforce", pending_seconds=60)
    job = salesforce.create_ingest()
    salesforce.put(job, b"Name\nNever to be seen\n")
    salesforce.state("ingest", job, "UploadComplete")
    assert salesforce.call("DELETE", f"jobs/ingest/{job['id']}").status_code == 204
    salesforce.sandbox.timing(project="salesforce", pending_seconds=0)
    query = salesforce.query("SELECT Id FROM Account WHERE Name = 'Never to be seen'")
    assert query["numberRecordsProcessed"] == 0


def test_unknown_results(salesforce: SalesforceApi) -> None:
    path = f"jobs/ingest/{salesforce.create_ingest()['id']}/results"
    assert error(salesforce.call("GET", path)) == (404, "NOT_FOUND")
