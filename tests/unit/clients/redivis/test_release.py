"""A version is released once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
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


def test_an_earlier_failure_is_no_reason_not_to_try(clock: Clock) -> None:
    failed = dataset(following={**NEXT, "releaseErrorMessage": "Table x is empty"})
    client, replay = client_of(clock, failed, {}, dataset("v2.0"))
    client.submit(REQUEST)
    assert POST in replay.asked
