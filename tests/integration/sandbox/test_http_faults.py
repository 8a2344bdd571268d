"""Faults on request, and the log of requests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_jobs.sandbox import Sandbox as MakeSandbox
from tests.integration.sandbox.conftest import Api, query, reason, wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox


def control(sandbox: Sandbox, method: str, path: str, document: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.url}/sandbox/{path}"
    return requests.request(method, url, json=document, headers=headers, timeout=10)


def test_error_reply_a_number_of_times(sandbox: Sandbox, api: Api) -> None:
    """The second and third get are answered 503; the fault's counters tell."""
    api.run("job-1")
    sandbox.faults(
        action="reply", status=503, reason="backendError", retry_after=7,
        operation="bigquery.jobs.get", path=api.project, nth=2, times=2,
    )  # fmt: skip
    replies = [api.get("jobs/job-1") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 503, 503, 200]
    assert reason(replies[1]) == "backendError"
    assert replies[1].headers["Retry-After"] == "7"
    (fault,) = control(sandbox, "GET", "faults").json()["faults"]
    assert (fault["matched"], fault["applied"]) == (4, 2)


def test_fault_without_end(sandbox: Sandbox, api: Api) -> None:
    fault = sandbox.faults(action="reply", status=429, reason="rateLimitExceeded", path=api.project, times=0)
    assert [api.get("jobs").status_code for _ in range(3)] == [429, 429, 429]
    assert control(sandbox, "DELETE", f"faults/{fault['id']}").status_code == 204
    assert control(sandbox, "DELETE", f"faults/{fault['id']}").status_code == 404
    assert api.get("jobs").status_code == 200


def test_fault_meets_only_what_it_names(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="reply", method="POST", path=api.project, times=0)
    assert api.get("jobs").status_code == 200
    assert api.post("jobs", {}).status_code == 503


def test_dropped_reply(sandbox: Sandbox, api: Api) -> None:
    """The client sees a reset, the job exists all the same, and repeating the insert is a duplicate."""
    sandbox.faults(action="drop_reply_after_accepting", operation="bigquery.jobs.insert", path=api.project)
    body = {"configuration": query("SELECT 1"), "jobReference": {"jobId": "job-1"}}
    with pytest.raises(requests.ConnectionError):
        api.post("jobs", body)
    assert api.finished("job-1")["status"] == {"state": "DONE"}
    assert reason(api.post("jobs", body)) == "duplicate"


def test_held_reply(sandbox: Sandbox, api: Api) -> None:
    """The job is there before its reply is, which comes as soon as the fault is taken away."""
    fault = sandbox.faults(action="hold_reply", operation="bigquery.jobs.insert", path=api.project)
    with ThreadPoolExecutor() as pool:
        held = pool.submit(api.insert, "job-1")
        other = Api(sandbox.bigquery, sandbox.token, api.project)
        wait_until(lambda: other.get("jobs/job-1").ok)
        assert not held.done()
        assert control(sandbox, "DELETE", f"faults/{fault['id']}").status_code == 204
        assert held.result()["jobReference"]["jobId"] == "job-1"
    other.session.close()


def test_reply_that_is_held_for_a_time(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="hold_reply", seconds=0.2, path=api.project)
    assert api.get("jobs").elapsed.total_seconds() >= 0.2


def test_cut_connection(sandbox: Sandbox, api: Api) -> None:
    """The request was never processed, so repeating it succeeds."""
    sandbox.faults(action="cut", operation="bigquery.jobs.insert", path=api.project)
    body = {"configuration": query("SELECT 1"), "jobReference": {"jobId": "job-1"}}
    with pytest.raises(requests.ConnectionError):
        api.post("jobs", body)
    assert api.get("jobs/job-1").status_code == 404
    assert api.post("jobs", body).status_code == 200


def test_cut_of_a_pooled_connection_leaves_the_others(sandbox: Sandbox, api: Api) -> None:
    other = Api(sandbox.bigquery, sandbox.token, api.project)
    assert other.get("jobs").status_code == 200
    sandbox.faults(action="cut", path=api.project)
    with pytest.raises(requests.ConnectionError):
        api.get("jobs")
    assert other.get("jobs").status_code == 200
    other.session.close()


def test_delay(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="delay", seconds=1.0, path=api.project)
    first, second = (api.get("jobs").elapsed.total_seconds() for _ in range(2))
    assert first >= 1.0 > second


def test_faults_add_up(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="delay", seconds=0.2, path=api.project)
    sandbox.faults(action="reply", status=500, reason="internalError", path=api.project)
    reply = api.get("jobs")
    assert (reply.status_code, reply.elapsed.total_seconds() >= 0.2) == (500, True)


def test_no_answer_at_all(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="hang", path=api.project)
    with pytest.raises(requests.ReadTimeout):
        api.session.get(api.base + "jobs", timeout=0.2)
    assert api.get("jobs").status_code == 200


def test_hanging_request_does_not_keep_the_sandbox_open() -> None:
    with MakeSandbox() as sandbox:
        sandbox.faults(action="hang", seconds=600)
        url = f"{sandbox.bigquery}/bigquery/v2/projects/test-hang/jobs"
        with pytest.raises(requests.ReadTimeout):
            requests.get(url, timeout=0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 60


def test_garbage(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="garbage", path=api.project)
    reply = api.get("jobs")
    assert reply.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        reply.json()


def test_not_found_for_a_while(sandbox: Sandbox, api: Api) -> None:
    """A job that was accepted, but cannot be seen yet."""
    sandbox.faults(action="not_found", operation="bigquery.jobs.get", path=api.project, times=2)
    api.insert("job-1")
    replies = [api.get("jobs/job-1") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [404, 404, 200]
    assert reason(replies[0]) == "notFound"


def test_token_that_expires_in_between(sandbox: Sandbox, api: Api) -> None:
    """An issued token is gone for good; the announced one is refused just this once."""
    token = sandbox.issue_token("a@example.com")
    sandbox.faults(action="token_expired", path=api.project)
    headers = {"Authorization": f"Bearer {token}"}
    assert [requests.get(api.base + "jobs", headers=headers, timeout=10).status_code for _ in "ab"] == [
        401,
        401,
    ]
    sandbox.faults(action="token_expired", path=api.project)
    assert [api.get("jobs").status_code for _ in "ab"] == [401, 200]


def test_token_endpoint_fails_in_its_own_words(sandbox: Sandbox) -> None:
    sandbox.faults(action="reply", operation="oauth.token", status=503, reason="temporarily_unavailable")
    reply = requests.post(f"{sandbox.url}/token", data={}, timeout=10)
    assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({}, "action"),
        ({"action": "explode"}, "explode"),
        ({"action": "delay", "seconds": "long"}, "seconds"),
        ({"action": "delay", "seconds": 601}, "seconds"),
        ({"action": "reply", "status": 99}, "status"),
        ({"action": "reply", "body": "x"}, "body"),
        ({"action": "cut", "path": "("}, "path"),
        ({"action": "cut", "nth": 0}, "nth"),
        ({"action": "cut", "times": True}, "times"),
        ({"action": "cut", "method": 1}, "method"),
    ],
)
def test_bad_fault_is_refused(sandbox: Sandbox, spec: dict[str, Any], named: str) -> None:
    reply = control(sandbox, "POST", "faults", spec)
    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"] or named == "explode"
    assert control(sandbox, "GET", "faults").json() == {"faults": []}


def test_log_tells_what_was_asked(sandbox: Sandbox, api: Api) -> None:
    """Method, path, query, status, time, sizes and account; never a token."""
    api.get("jobs", maxResults=3, access_token="very-secret", key="also-secret")
    api.post("jobs", {"configuration": {}})
    listed, inserted = (entry for entry in sandbox.requests() if api.project in entry["path"])
    assert (listed["method"], listed["operation"], listed["status"]) == ("GET", "bigquery.jobs.list", 200)
    assert "maxResults=3" in listed["query"]
    assert listed["account"] == "jobs@sandbox-project.iam.gserviceaccount.com"
    assert listed["bytes_out"] > 0
    assert listed["seconds"] >= 0
    assert (inserted["status"], inserted["bytes_in"]) == (400, len('{"configuration": {}}'))
    text = control(sandbox, "GET", "requests").text
    assert sandbox.token not in text
    assert "secret" not in text


def test_log_tells_the_port_that_was_asked(sandbox: Sandbox) -> None:
    """Two programs that are given one each can be told apart, whatever they ask for."""
    for origin in (sandbox.url, sandbox.redivis_storage):
        requests.get(f"{origin}/of-a-port", timeout=10)
    ports = [entry["port"] for entry in sandbox.requests() if entry["path"] == "/of-a-port"]
    assert ports == [urlsplit(sandbox.url).port, urlsplit(sandbox.redivis_storage).port]


def test_log_shows_a_dropped_reply_without_status(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults(action="cut", path=api.project)
    with pytest.raises(requests.ConnectionError):
        api.get("jobs")
    (entry,) = (entry for entry in sandbox.requests() if api.project in entry["path"])
    assert (entry["status"], entry["bytes_out"]) == (None, 0)


def test_log_can_be_cleared(sandbox: Sandbox, api: Api) -> None:
    api.get("jobs")
    assert control(sandbox, "DELETE", "requests").status_code == 204
    assert control(sandbox, "GET", "requests").json() == {"requests": []}


def test_timing_is_checked(sandbox: Sandbox, api: Api) -> None:
    good = {"project": api.project, "pending_seconds": 0.5, "running_seconds": 1}
    timing = control(sandbox, "POST", "timing", good).json()
    assert timing["projects"][api.project]["running_seconds"] == 1
    assert timing["default"]["running_seconds"] == 0
    for bad in ({"running_seconds": -1}, {"running_seconds": "x"}, {"seconds": 1}, {"project": 1}):
        assert control(sandbox, "POST", "timing", bad).status_code == 400


def test_job_that_fails_for_a_transient_reason(sandbox: Sandbox, api: Api) -> None:
    """The first run fails as BigQuery's own trouble would, the next one succeeds."""
    sandbox.faults(
        action="reply",
        reason="backendError",
        message="Try again.",
        operation="bigquery.jobs.run",
        path=api.project,
    )
    first = api.run("job-1")["status"]
    assert first["errorResult"] == {"reason": "backendError", "message": "Try again."}
    assert api.run("job-2")["status"] == {"state": "DONE"}


def test_fault_of_requests_leaves_jobs_alone(sandbox: Sandbox, api: Api) -> None:
    api.insert("job-1")
    sandbox.faults(action="not_found", path=api.project, nth=2)
    api.insert("job-2")
    assert api.get("jobs").status_code == 404


def test_changed_reply(sandbox: Sandbox, api: Api) -> None:
    """A reply with fields or values that nobody has seen yet."""
    api.run("job-1")
    document = {"status": {"state": "ARCHIVED"}, "news": [1]}
    sandbox.faults(action="patch", document=document, operation="bigquery.jobs.get", path=api.project)
    job = api.get("jobs/job-1").json()
    assert (job["status"], job["news"]) == ({"state": "ARCHIVED"}, [1])
    assert job["jobReference"]["jobId"] == "job-1"


def test_resting_jobs_heed_a_new_timing(sandbox: Sandbox, api: Api) -> None:
    """A test can hold a job as long as it likes, then let it go."""
    sandbox.timing(project=api.project, pending_seconds=3600)
    api.insert("job-1")
    assert api.state("job-1") == "PENDING"
    sandbox.timing(project=api.project, pending_seconds=0, running_seconds=3600)
    wait_until(lambda: api.state("job-1") == "RUNNING")
    sandbox.timing(project=api.project, running_seconds=0)
    assert api.finished("job-1")["status"] == {"state": "DONE"}
