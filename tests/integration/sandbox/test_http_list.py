"""jobs.list: every filter, both projections, pages that stay put."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.conftest import Api, reason, wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox


def ids(document: Any) -> list[str]:
    return [job["jobReference"]["jobId"] for job in document.get("jobs", [])]


@pytest.fixture
def six(api: Api) -> list[str]:
    """Six jobs that are done, newest first."""
    names = [f"job-{number}" for number in range(6)]
    for name in names:
        api.insert(name)
    for name in names:
        api.finished(name)
    return names[::-1]


def test_newest_first_in_pages_that_do_not_shift(api: Api, six: list[str]) -> None:
    """A job added between two pages neither repeats nor hides another."""
    first = api.get("jobs", maxResults=2).json()
    api.insert("later")
    second = api.get("jobs", maxResults=3, pageToken=first["nextPageToken"]).json()
    third = api.get("jobs", pageToken=second["nextPageToken"]).json()
    assert ids(first) + ids(second) + ids(third) == six
    assert "nextPageToken" not in third


def test_last_page_that_is_full_has_no_token(api: Api, six: list[str]) -> None:
    page = api.get("jobs", maxResults=6).json()
    assert ids(page) == six
    assert "nextPageToken" not in page


def test_deleted_job_does_not_break_a_token(api: Api, six: list[str]) -> None:
    first = api.get("jobs", maxResults=2).json()
    api.delete(f"jobs/{six[1]}/delete", location="US")
    assert ids(api.get("jobs", pageToken=first["nextPageToken"]).json()) == six[2:]


def test_empty_list(api: Api) -> None:
    document = api.get("jobs").json()
    assert document["kind"] == "bigquery#jobList"
    assert document["etag"]
    assert "jobs" not in document


def test_projections(api: Api) -> None:
    """Minimal is the default and leaves out the configuration and most statistics."""
    api.run("job-1")
    (minimal,) = api.get("jobs").json()["jobs"]
    (full,) = api.get("jobs", projection="full").json()["jobs"]
    assert set(minimal["statistics"]) == {"creationTime", "startTime", "endTime"}
    assert "configuration" not in minimal
    for item in (minimal, full):
        assert item["state"] == item["status"]["state"] == "DONE"
        assert item["id"] == f"{api.project}:US.job-1"
        assert "@" in item["user_email"]
    assert full["configuration"]["query"]["query"] == "SELECT 1 AS one"
    assert "query" in full["statistics"]


def test_failed_job_shows_its_error_in_both_projections(api: Api) -> None:
    api.run("bad", query={"query": "SELECT FROM", "useLegacySql": False})
    for projection in ("minimal", "full"):
        (item,) = api.get("jobs", projection=projection).json()["jobs"]
        assert item["errorResult"]["reason"] == item["status"]["errorResult"]["reason"] == "invalidQuery"


def test_state_filter(sandbox: Sandbox, api: Api) -> None:
    """Repeated values are alternatives."""
    api.run("done")
    sandbox.timing(project=api.project, running_seconds=60)
    api.insert("running")
    wait_until(lambda: api.state("running") == "RUNNING")
    sandbox.timing(project=api.project, pending_seconds=60)
    api.insert("pending")
    expected = {"done": ["done"], "running": ["running"], "pending": ["pending"]}
    for state, jobs in expected.items():
        assert ids(api.get("jobs", stateFilter=state).json()) == jobs
    assert ids(api.get("jobs", stateFilter=["pending", "running"]).json()) == ["pending", "running"]
    assert ids(api.get("jobs", stateFilter=["pending", "done"]).json()) == ["pending", "done"]
    assert ids(api.get("jobs").json()) == ["pending", "running", "done"]
    for job_id in ("running", "pending"):
        api.post(f"jobs/{job_id}/cancel")
        assert api.finished(job_id)["status"]["errorResult"]["reason"] == "stopped"


def test_creation_times_are_inclusive(api: Api, six: list[str]) -> None:
    created = {name: int(api.get(f"jobs/{name}").json()["statistics"]["creationTime"]) for name in six}
    earliest, latest = created["job-1"], created["job-4"]
    listed = ids(api.get("jobs", minCreationTime=earliest, maxCreationTime=latest).json())
    assert listed == [name for name in six if earliest <= created[name] <= latest]
    assert {"job-1", "job-4"} <= set(listed)
    assert ids(api.get("jobs", maxCreationTime=min(created.values()) - 1).json()) == []
    assert ids(api.get("jobs", minCreationTime=max(created.values()) + 1).json()) == []


def test_only_own_jobs_unless_all_users(sandbox: Sandbox, api: Api) -> None:
    api.insert("mine")
    other = Api(sandbox.bigquery, sandbox.issue_token("other@example.com"), api.project)
    assert other.insert("theirs")["user_email"] == "other@example.com"
    assert ids(api.get("jobs").json()) == ["mine"]
    assert ids(other.get("jobs").json()) == ["theirs"]
    assert ids(api.get("jobs", allUsers="true").json()) == ["theirs", "mine"]
    other.session.close()


def test_projects_are_apart(sandbox: Sandbox, api: Api) -> None:
    api.insert("job-1")
    other = Api(sandbox.bigquery, sandbox.token, api.project + "-b")
    assert ids(other.get("jobs").json()) == []
    other.insert("job-1")
    other.session.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allUsers", "perhaps"),
        ("maxResults", "-1"),
        ("maxResults", "ten"),
        ("maxResults", str(2**32)),
        ("projection", "everything"),
        ("stateFilter", "finished"),
        ("minCreationTime", "yesterday"),
        ("maxCreationTime", "1.5"),
        ("parentJobId", "a/b"),
        ("pageToken", "nonsense"),
        ("pageToken", "WzFd"),
        ("pageToken", "ü"),
    ],
)
def test_bad_value_is_refused(api: Api, name: str, value: str) -> None:
    reply = api.get("jobs", **{name: value})
    assert reply.status_code == 400, reply.text
    assert reason(reply) in {"invalid", "invalidParameter"}


def test_token_of_another_listing_is_refused(api: Api, six: list[str]) -> None:
    token = api.get("jobs", maxResults=2).json()["nextPageToken"]
    assert api.get("jobs", pageToken=token, stateFilter="done").status_code == 400
    assert ids(api.get("jobs", pageToken=token, projection="full").json()) == six[2:]


def test_parent_without_children(api: Api) -> None:
    api.run("job-1")
    assert ids(api.get("jobs", parentJobId="job-1").json()) == []
