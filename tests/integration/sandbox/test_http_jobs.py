"""jobs.insert, get, cancel and delete through plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.conftest import query, reason, wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox
    from tests.integration.sandbox.conftest import Api

ENDLESS = "SELECT SUM(a * b) FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"


def nested(depth: int) -> dict[str, Any]:
    """Give a schema of structs within structs."""
    schema: dict[str, Any] = {"fields": []}
    for _ in range(depth):
        schema = {"fields": [schema]}
    return schema


def test_job_passes_through_its_states(sandbox: Sandbox, api: Api) -> None:
    """The reply comes before the work; PENDING, RUNNING and DONE can all be seen, in this order."""
    sandbox.timing(project=api.project, pending_seconds=0.15, running_seconds=0.15)
    inserted = api.insert("job-1")
    assert inserted["status"] == {"state": "PENDING"}
    assert inserted["jobReference"] == {"projectId": api.project, "jobId": "job-1", "location": "US"}
    seen = [api.state("job-1")]
    while seen[-1] != "DONE":
        state = api.state("job-1")
        if state != seen[-1]:
            seen.append(state)
    assert seen == ["PENDING", "RUNNING", "DONE"]


def test_finished_job_has_the_documented_fields(api: Api) -> None:
    """Times and sizes are int64, so they travel as text."""
    job = api.run("job-1")
    assert job["kind"] == "bigquery#job"
    assert job["id"] == f"{api.project}:US.job-1"
    assert job["user_email"].endswith("gserviceaccount.com")
    assert job["etag"]
    assert job["configuration"]["jobType"] == "QUERY"
    statistics = job["statistics"]
    assert int(statistics["creationTime"]) <= int(statistics["startTime"]) <= int(statistics["endTime"])
    assert all(isinstance(statistics[name], str) for name in ("creationTime", "startTime", "endTime"))
    assert job["status"] == {"state": "DONE"}
    assert api.session.get(job["selfLink"], timeout=10).json()["id"] == job["id"]


def test_server_makes_an_id(api: Api) -> None:
    inserted = api.insert()
    assert inserted["jobReference"]["jobId"].startswith("job_")


def test_used_id_is_a_duplicate_also_after_done(api: Api) -> None:
    api.run("job-1")
    reply = api.post("jobs", {"configuration": query("SELECT 2"), "jobReference": {"jobId": "job-1"}})
    assert (reply.status_code, reason(reply)) == (409, "duplicate")


def test_failed_query_is_a_job_error(api: Api) -> None:
    """A bad query is taken, and its error is in the job."""
    job = api.run("job-1", **query("SELECT (1"))
    result = job["status"]["errorResult"]
    assert result["reason"] == "invalidQuery"
    assert job["status"]["errors"][0] == result


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "configuration"),
        ({"configuration": {}}, "exactly one"),
        ({"configuration": {"query": {"query": "SELECT 1"}, "copy": {}}}, "query and copy"),
        ({"configuration": {"link": {"sourceUri": []}}}, "copy"),
        ({"configuration": {"query": {"querry": "SELECT 1"}}}, "querry"),
        ({"configuration": {"load": {"schema": {"fields": [{"nam": "x"}]}}}}, "fields[0]"),
        ({"configuration": {"query": {"query": "SELECT 1", "useLegacySql": "perhaps"}}}, "useLegacySql"),
        ({"configuration": {"query": "SELECT 1"}}, "configuration.query"),
        ({"configuration": {"query": {"query": "x"}, "labels": {"team.daily": "x"}}}, "team.daily"),
        ({"configuration": {"query": {"query": "x"}, "labels": {"team": 1}}}, "labels.team"),
        ({"configuration": {"query": {"query": "x"}, "labels": ["team"]}}, "labels"),
        ({"configuration": {"load": {"skipLeadingRows": "one"}}}, "skipLeadingRows"),
        ({"configuration": {"load": {"schema": nested(100)}}}, "deeply"),
        ({"configuration": {"load": {}, "dryRun": True}}, "dry"),
        ({"configuration": query("SELECT 1"), "jobReference": {"jobId": "a b"}}, "a b"),
        ({"configuration": query("SELECT 1"), "jobReference": {"jobId": ""}}, "job ID"),
        ({"configuration": query("SELECT 1"), "jobReference": {"jobId": "x" * 1025}}, "1024"),
        ({"configuration": query("SELECT 1"), "jobReference": {"projectId": "another-one"}}, "another-one"),
        ({"configuration": query("SELECT 1"), "jobReference": {"location": "../x"}}, "../x"),
    ],
)
def test_bad_job_is_refused(api: Api, body: dict[str, Any], named: str) -> None:
    """What is wrong with a body is a 400 that names it, and makes no job."""
    reply = api.post("jobs", body)
    assert reply.status_code == 400, reply.text
    assert reason(reply) in {"invalid", "required"}
    assert named in reply.json()["error"]["message"]
    assert "jobs" not in api.get("jobs").json()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    reply = api.session.post(api.base + "jobs", data=body, headers=headers, timeout=10)
    assert (reply.status_code, reason(reply)) == (400, "parseError")


def test_other_content_type_is_refused(api: Api) -> None:
    headers = {"Content-Type": "text/plain"}
    reply = api.session.post(api.base + "jobs", data=b"{}", headers=headers, timeout=10)
    assert reply.status_code == 400
    assert "application/json" in reply.json()["error"]["message"]


def test_longest_id_is_kept(api: Api) -> None:
    job_id = "x-_Y" * 256
    assert api.run(job_id)["jobReference"]["jobId"] == job_id


@pytest.mark.parametrize("method", ["jobs/job-1", "queries/job-1"])
def test_regional_job_needs_its_location(api: Api, method: str) -> None:
    """Outside the multi-regions a missing location is as wrong as another one."""
    inserted = api.insert("job-1", location="europe-west3")
    assert inserted["jobReference"]["location"] == "europe-west3"
    for parameters in ({}, {"location": "US"}, {"location": "europe-west1"}):
        reply = api.get(method, **parameters)
        assert (reply.status_code, reason(reply)) == (404, "notFound")
    assert api.get(method, location="europe-west3").status_code == 200


def test_multi_region_job_is_found_without_location(api: Api) -> None:
    api.insert("job-1", location="EU")
    assert api.get("jobs/job-1").status_code == 200
    assert api.get("jobs/job-1", location="EU").status_code == 200
    assert api.get("jobs/job-1", location="US").status_code == 404


def test_cancel_takes_effect_later(sandbox: Sandbox, api: Api) -> None:
    """The reply shows the job as it still is; afterwards it is DONE, stopped."""
    sandbox.timing(project=api.project, running_seconds=60)
    api.insert("job-1")
    wait_until(lambda: api.state("job-1") == "RUNNING")
    reply = api.post("jobs/job-1/cancel").json()
    assert reply["kind"] == "bigquery#jobCancelResponse"
    assert reply["job"]["status"]["state"] == "RUNNING"
    job = api.finished("job-1")
    assert job["status"]["errorResult"]["reason"] == "stopped"


def test_cancel_of_a_done_job_changes_nothing(api: Api) -> None:
    before = api.run("job-1")
    assert api.post("jobs/job-1/cancel").json()["job"] == before
    assert api.get("jobs/job-1").json() == before


def test_cancel_needs_the_location(api: Api) -> None:
    api.insert("job-1", location="europe-west3")
    assert api.post("jobs/job-1/cancel").status_code == 404
    assert api.post("jobs/job-1/cancel", location="europe-west3").status_code == 200


def test_slow_query_blocks_nobody_and_can_be_cancelled(api: Api) -> None:
    """While the engine works, other requests are answered."""
    api.insert("slow", **query(ENDLESS))
    wait_until(lambda: api.state("slow") == "RUNNING")
    replies = [api.get("jobs/slow") for _ in range(20)]
    assert {reply.json()["status"]["state"] for reply in replies} == {"RUNNING"}
    api.post("jobs/slow/cancel")
    assert api.finished("slow")["status"]["errorResult"]["reason"] == "stopped"


def test_job_timeout(api: Api) -> None:
    """JobTimeoutMs ends the job, with a message that names it."""
    job = api.run("job-1", **query(ENDLESS), jobTimeoutMs="200")
    result = job["status"]["errorResult"]
    assert result["reason"] == "stopped"
    assert "200 ms" in result["message"]


def test_later_jobs_stay_pending_while_eight_run(api: Api) -> None:
    ids = [f"job-{number}" for number in range(9)]
    for job_id in ids:
        api.insert(job_id, **query(ENDLESS))
    wait_until(lambda: [api.state(job_id) for job_id in ids].count("RUNNING") == 8)
    assert api.state("job-8") == "PENDING"
    for job_id in reversed(ids):
        api.post(f"jobs/{job_id}/cancel")
    assert {api.finished(job_id)["status"]["errorResult"]["reason"] for job_id in ids} == {"stopped"}


def test_delete(sandbox: Sandbox, api: Api) -> None:
    """Needs a location and a job that is done; then the job is gone from everywhere."""
    sandbox.timing(project=api.project, running_seconds=60)
    api.insert("job-1")
    missing = api.delete("jobs/job-1/delete")
    assert (missing.status_code, reason(missing)) == (400, "required")
    running = api.delete("jobs/job-1/delete", location="US")
    assert (running.status_code, reason(running)) == (400, "resourceInUse")
    api.post("jobs/job-1/cancel")
    api.finished("job-1")
    assert api.delete("jobs/job-1/delete", location="US").status_code == 204
    assert api.get("jobs/job-1").status_code == 404
    assert api.delete("jobs/job-1/delete", location="US").status_code == 404
    assert "jobs" not in api.get("jobs").json()


def test_children_of_a_script(api: Api) -> None:
    """They are listed under their parent only, cannot be deleted alone, and go with it."""
    job = api.run("script", **query("SELECT 1; SELECT 2"))
    assert job["statistics"]["numChildJobs"] == "2"
    children = api.get("jobs", parentJobId="script", projection="full").json()["jobs"]
    assert [child["statistics"]["parentJobId"] for child in children] == ["script", "script"]
    assert [item["jobReference"]["jobId"] for item in api.get("jobs").json()["jobs"]] == ["script"]
    child = children[0]["jobReference"]["jobId"]
    alone = api.delete(f"jobs/{child}/delete", location="US")
    assert (alone.status_code, reason(alone)) == (400, "invalid")
    assert api.delete("jobs/script/delete", location="US").status_code == 204
    assert api.get(f"jobs/{child}").status_code == 404


def test_dry_run_makes_no_job(api: Api) -> None:
    body = {"configuration": {**query("SELECT 1"), "dryRun": True}, "jobReference": {"jobId": "job-1"}}
    job = api.post("jobs", body).json()
    assert job["status"]["state"] == "DONE"
    assert int(job["statistics"]["totalBytesProcessed"]) >= 0
    assert "jobs" not in api.get("jobs").json()
    assert api.get("jobs/job-1").status_code == 404


def test_dry_run_of_a_bad_query_is_an_http_error(api: Api) -> None:
    body = {"configuration": {**query("SELECT FROM"), "dryRun": True}}
    reply = api.post("jobs", body)
    assert (reply.status_code, reason(reply)) == (400, "invalidQuery")


def test_fields_mask(api: Api) -> None:
    """A partial response holds what was named, and nothing else."""
    api.run("job-1")
    assert api.get("jobs/job-1", fields="status/state,jobReference(jobId,location)").json() == {
        "status": {"state": "DONE"},
        "jobReference": {"jobId": "job-1", "location": "US"},
    }
    listed = api.get("jobs", fields="nextPageToken,unreachable,jobs(jobReference,state)").json()
    assert listed["jobs"] == [
        {"jobReference": {"projectId": api.project, "jobId": "job-1", "location": "US"}, "state": "DONE"}
    ]
    bad = api.get("jobs", fields="jobs(")
    assert (bad.status_code, reason(bad)) == (400, "invalidParameter")


def test_unknown_url_parameter_is_ignored(api: Api) -> None:
    """Google's own client sends ``projection`` to methods that have none."""
    api.insert("job-1")
    assert api.get("jobs/job-1", projection="full", prettyPrint="false").status_code == 200


def test_unknown_path_has_the_documented_error_body(api: Api) -> None:
    reply = api.get("nothing")
    assert (reply.status_code, reason(reply)) == (404, "notFound")


def test_service_account(api: Api) -> None:
    document = api.get("serviceAccount").json()
    assert document["kind"] == "bigquery#getServiceAccountResponse"
    assert "@" in document["email"]


TABLE = {"datasetId": "d", "tableId": "t"}
LOAD = {"destinationTable": TABLE, "sourceUris": ["gs://bucket/a.csv"]}


@pytest.mark.parametrize(
    "configuration",
    [
        {"load": {**LOAD, "sourceColumnMatch": "NAME"}},
        {"load": {**LOAD, "hivePartitioningOptions": {"mode": "AUTO"}}},
        {"load": {**LOAD, "createSession": True}},
        query("SELECT 1", connectionProperties=[{"key": "time_zone", "value": "Asia/Tokyo"}]),
        query("SELECT 1", priority="HIGH"),
        {"copy": {"sourceTable": TABLE, "destinationTable": TABLE, "operationType": "SNAPSHOT"}},
    ],
)
def test_settings_that_would_change_the_result(api: Api, configuration: dict[str, Any]) -> None:
    """What the sandbox does not do fails; it is not left out."""
    problem = api.run("job", **configuration)["status"]["errorResult"]
    assert problem["reason"] == "invalid"
    assert "is not supported by the sandbox" in problem["message"] or "priority" in problem["message"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("jobs", "jobs(jobReferenz)"),
        ("jobs", "nextPageTokn"),
        ("jobs", "jobs/statistics/query/totalByte"),
        ("jobs/job-1", "jobs"),
        ("jobs/job-1", "status(state(text))"),
        ("jobs/job-1", "a(" * 1500 + "b" + ")" * 1500),
        ("queries/job-1", "rowCount"),
        ("datasets", "datasets(id,nam)"),
    ],
)
def test_fields_that_no_reply_has(api: Api, path: str, fields: str) -> None:
    """A misspelt partial response is told, not answered with less."""
    api.run("job-1")
    bad = api.get(path, fields=fields)
    assert (bad.status_code, reason(bad)) == (400, "invalidParameter")
    assert "Invalid field selection" in bad.json()["error"]["message"]


def test_fields_of_all_depths(api: Api) -> None:
    api.run("job-1", **query("SELECT 1 AS one"), labels={"team": "a"})
    configuration = "configuration(labels(team),query/query)"
    fields = f"unreachable,jobs({configuration},statistics(query(statementType),*),status/*)"
    (job,) = api.get("jobs", fields=fields, projection="full").json()["jobs"]
    assert job["configuration"] == {"labels": {"team": "a"}, "query": {"query": "SELECT 1 AS one"}}
    assert job["statistics"]["query"] == {"statementType": "SELECT"}
    assert job["status"] == {"state": "DONE"}
