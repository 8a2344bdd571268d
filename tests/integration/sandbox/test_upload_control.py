"""The control endpoints of uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.conftest import Api, reason
from tests.integration.sandbox.upload_api import CHUNK, Uploads, csv_of

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def uploads(sandbox: Sandbox, api: Api) -> Uploads:
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    return Uploads(sandbox, api)


def control(sandbox: Sandbox, method: str, path: str, document: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    return requests.request(
        method, f"{sandbox.url}/sandbox/{path}", json=document, headers=headers, timeout=10
    )


def test_progress_and_end(uploads: Uploads, sandbox: Sandbox) -> None:
    """What has arrived so far; digests once everything has."""
    content = csv_of(2 * CHUNK + 1)
    uri = uploads.start()
    uploads.put(uri, content[:CHUNK], f"0-{CHUNK - 1}/*")
    (record,) = uploads.records()
    assert record["id"].startswith("bigquery-resumable-")
    assert (record["service"], record["kind"], record["job_id"]) == ("bigquery", "resumable", "job-1")
    assert (record["bytes"], record["total"], record["requests"]) == (CHUNK, None, 1)
    assert (record["state"], record["sha256"], record["md5"]) == ("open", None, None)
    assert record["account"] == "jobs@sandbox-project.iam.gserviceaccount.com"
    uploads.send(uri, content, CHUNK)
    uploads.check(content)
    listed = control(sandbox, "GET", "uploads").json()["uploads"]
    assert [each for each in listed if each["id"] == record["id"]] == uploads.records()
    assert requests.get(f"{sandbox.url}/sandbox/uploads", timeout=10).status_code == 401


def test_expire_on_request(uploads: Uploads, sandbox: Sandbox) -> None:
    """One session or all; those that are complete stay complete."""
    first, second = uploads.start(), uploads.start(uploads.job("job-2"))
    third = uploads.start(uploads.job("job-3"))
    uploads.send(third, csv_of(1000))
    ids = [each["id"] for each in uploads.records()]
    assert control(sandbox, "POST", "uploads/expire", {"id": ids[0]}).json() == {"expired": 1}
    assert [uploads.ask(uri).status_code for uri in (first, second)] == [404, 308]
    assert control(sandbox, "POST", "uploads/expire", {}).json()["expired"] >= 1
    assert uploads.ask(second).status_code == 404
    assert uploads.ask(third).status_code == 200
    assert [each["state"] for each in uploads.records()] == ["expired", "expired", "complete"]
    assert reason(control(sandbox, "POST", "uploads/expire", {"id": "none"})) == "notFound"
    assert reason(control(sandbox, "POST", "uploads/expire", {"ids": []})) == "invalid"


@pytest.mark.parametrize("way", ["fault", "time"])
def test_session_that_ends_after_the_last_byte(uploads: Uploads, sandbox: Sandbox, way: str) -> None:
    """Nobody can ask any more; what is complete, and its job, stay."""
    content = csv_of(3 * CHUNK)
    sandbox.timing(project=uploads.api.project, running_seconds=0.2)  # the file is still to be read
    uri = uploads.start()
    assert uploads.send(uri, content).status_code == 200
    if way == "fault":
        uploads.fault("status", action="session_expired", status=410)
    else:
        sandbox.advance(8 * 86400)
    assert uploads.ask(uri).status_code == (410 if way == "fault" else 404)
    assert uploads.ask(uri).status_code == 404
    uploads.check(content)


def test_settings(uploads: Uploads, sandbox: Sandbox) -> None:
    usual = control(sandbox, "GET", "uploads/settings").json()
    assert usual == {"completed_status": 200, "expired_status": 404, "lifetime_seconds": None}
    try:
        changed = control(sandbox, "POST", "uploads/settings", {"lifetime_seconds": 0, "expired_status": 410})
        assert changed.json() == {"completed_status": 200, "expired_status": 410, "lifetime_seconds": 0}
        assert uploads.ask(uploads.start()).status_code == 410
    finally:
        assert control(sandbox, "POST", "uploads/settings", usual).json() == usual


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("uploads/settings", {"completed_status": 204}),
        ("uploads/settings", {"expired_status": 400}),
        ("uploads/settings", {"lifetime_seconds": -1}),
        ("uploads/settings", {"size": 1}),
        ("clock", {}),
        ("clock", {"seconds": -1}),
        ("clock", {"seconds": "1"}),
    ],
)
def test_bad_settings(sandbox: Sandbox, path: str, spec: dict[str, Any]) -> None:
    assert reason(control(sandbox, "POST", path, spec)) == "invalid"


def test_clock(sandbox: Sandbox) -> None:
    before = control(sandbox, "POST", "clock", {"seconds": 0}).json()["now"]
    assert control(sandbox, "POST", "clock", {"seconds": 3600}).json()["now"] >= before + 3600


def test_session_of_a_deleted_job(uploads: Uploads) -> None:
    """A question about the upload does not make the job again."""
    content = csv_of(1000)
    uri = uploads.start()
    uploads.send(uri, content)
    uploads.check(content)
    assert uploads.api.delete("jobs/job-1/delete", location="US").status_code == 204
    assert [uploads.ask(uri).status_code for _ in range(2)] == [404, 404]
    assert uploads.api.get("jobs/job-1").status_code == 404
