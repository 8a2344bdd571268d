"""A version is released once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.clients.redivis.names import MADE_FOR_UPLOADS
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
from airflow_provider_jobs.errors import ConfigurationError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.redivis.replay import LOST, NEW, NEXT, OPEN, D, client_of, dataset, refused

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

REQUEST = ReleaseRequest("acme.sales", "release", {"release_notes": "n"})
POST = f"POST {D}/versions/next/release"


def test_it_is_released(clock: Clock) -> None:
    client, replay = client_of(clock, OPEN, {"tag": "v2.0"}, dataset("v2.0"))
    submission = client.submit(REQUEST)
    assert replay.asked == [f"GET {D}", POST, f"GET {D}"]
    assert replay.body(POST) == {"releaseNotes": "n"}
    assert submission.status.state is JobState.SUCCEEDED
    assert submission.status.statistics == {"version": "v2.0"}


def test_it_may_run_on(clock: Clock) -> None:
    running = dataset(following={**NEXT, "status": "releasing"})
    client, _ = client_of(clock, OPEN, {}, running, running, dataset("v2.0"))
    ref = client.submit(REQUEST).status.ref
    assert [client.status(ref).state for _ in range(2)] == [JobState.RUNNING, JobState.SUCCEEDED]


def test_the_first_release_too(clock: Clock) -> None:
    client, _ = client_of(clock, NEW, {}, dataset())
    assert client.submit(REQUEST).status.statistics == {"version": "v1.0"}


def test_a_lost_reply_is_looked_up(clock: Clock) -> None:
    client, replay = client_of(clock, OPEN, LOST, dataset("v2.0", following=NEXT))
    submission = client.submit(REQUEST)
    assert submission.status.state is JobState.SUCCEEDED
    assert replay.asked.count(POST) == 1


def test_what_had_no_effect_is_repeated(clock: Clock) -> None:
    client, replay = client_of(clock, OPEN, refused(500), OPEN, {}, dataset("v2.0"))
    client.submit(REQUEST)
    assert replay.asked.count(POST) == 2


def test_one_that_is_under_way_is_waited_for(clock: Clock) -> None:
    client, _ = client_of(clock, OPEN, LOST, OPEN, refused(409))
    submission = client.submit(REQUEST)
    assert (submission.status.state, submission.adopted) == (JobState.RUNNING, True)


def test_a_retry_releases_nothing_that_was_opened_meanwhile(clock: Clock) -> None:
    request = ReleaseRequest("acme.sales", "release", {}, after="v1.0")
    client, replay = client_of(clock, dataset("v2.0", following=NEXT))
    assert client.submit(request).adopted
    assert len(replay.sent) == 1


def test_without_a_next_version_it_has_happened(clock: Clock) -> None:
    client, replay = client_of(clock, dataset())
    submission = client.submit(REQUEST)
    assert (submission.status.state, submission.adopted) == (JobState.SUCCEEDED, True)
    assert len(replay.sent) == 1


def test_its_failure_is_told(clock: Clock) -> None:
    failed = dataset(following={**NEXT, "status": "failed", "releaseErrorMessage": "Table x is empty"})
    client, _ = client_of(clock, failed)
    status = client.status(JobRef("redivis", "acme.sales", "release-after-v1.0"))
    assert "Redivis release of acme.sales failed: the release: Table x is empty" in status.failure_report()


def test_a_failure_that_redivis_does_not_explain_is_one_too(clock: Clock) -> None:
    client, _ = client_of(clock, OPEN, {}, dataset(following={**NEXT, "status": "failed"}))
    assert "Redivis gives no reason" in client.submit(REQUEST).status.failure_report()


def test_an_earlier_failure_is_no_reason_not_to_try(clock: Clock) -> None:
    failed = dataset(following={**NEXT, "releaseErrorMessage": "Table x is empty"})
    client, replay = client_of(clock, failed, {}, dataset("v2.0"))
    client.submit(REQUEST)
    assert POST in replay.asked


CHECKED = ReleaseRequest("acme.sales", "release", {}, on_incomplete="fail")
TABLES = f"GET {D}%3Anext/tables"


@pytest.mark.parametrize("name", ["Q1.2026", "a/b", "50%", "a:b", ".", "x" * 9])
def test_a_table_of_any_name_stands_in_no_release(clock: Clock, name: str) -> None:
    """Somebody else has named it; a reference holds its name otherwise."""
    table = {"name": name, "numRows": 1, "qualifiedReference": "acme.sales:ab12:next.spelled:cd34"}
    client, replay = client_of(
        clock, OPEN, {"results": [table]}, {"results": []}, {"tag": "v2.0"}, dataset("v2.0")
    )
    assert client.submit(CHECKED).status.state is JobState.SUCCEEDED
    spelled = name if name.isalpha() else "spelled%3Acd34"
    assert replay.asked[2].startswith("GET /tables/acme.sales%3A")
    assert replay.asked[2].endswith(f".{spelled}/uploads")


@pytest.mark.parametrize("gone", [False, True])
def test_a_failed_upload_is_looked_at_where_redivis_says_that_it_is(clock: Clock, *, gone: bool) -> None:
    """Its name may be no part of an address. Somebody who mends it may just have deleted it."""
    failed = {"name": "../x", "status": "failed", "uri": "/tables/acme.sales%3Anext.t/uploads/x"}
    listing = {"results": [{"name": "t", "numRows": 1}]}, {"results": [failed]}
    client, replay = client_of(
        clock, OPEN, *listing, *([refused(404), {}, dataset("v2.0")] if gone else [{"errorMessage": "no"}])
    )
    if gone:
        assert client.submit(CHECKED).status.state is JobState.SUCCEEDED
    else:
        with pytest.raises(ConfigurationError, match=r"upload \.\./x of table t has failed \(no\)"):
            client.submit(CHECKED)
    assert f"GET {failed['uri']}" in replay.asked


@pytest.mark.parametrize("status", ["queued", "running", "validating", None])
def test_what_is_on_its_way_is_waited_for_a_little(clock: Clock, status: str | None) -> None:
    """Another task may be sending it: without it, the release would lack its rows for ever."""
    table = {"results": [{"name": "t", "numRows": 0, "description": MADE_FOR_UPLOADS}]}
    there = {"results": [{"name": "a.csv", "status": status}]}
    client, replay = client_of(
        clock, OPEN, table, there, OPEN, table, {"results": [{"status": "completed"}]}, {}, dataset("v2.0")
    )
    assert client.submit(CHECKED).status.state is JobState.SUCCEEDED
    assert replay.asked.count(POST) == 1
    client, replay = client_of(clock, *[OPEN, table, there] * 9)
    still = status or "without bytes"
    with pytest.raises(OutageError, match=rf"a\.csv of table t is still {still}\. Nothing") as caught:
        client.submit(CHECKED)
    assert caught.value.retryable
    assert POST not in replay.asked
