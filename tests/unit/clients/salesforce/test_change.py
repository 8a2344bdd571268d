"""Lost replies to what changes something: asked about, never repeated blindly."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobsError,
    ServiceError,
    SourceChanged,
    TransportError,
    UncertainSubmission,
    UsageLimitReached,
)
from tests.unit.clients.salesforce.org import ID, QUERY_REF, client_of, job, job_id, refusal
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Clock


LOST = TransportError("lost")
UNSENT = TransportError("refused", sent=False)
QUERY = {"operation": "query", "query": "SELECT Id FROM Account"}
LOSSES = [LOST, *(refusal(status) for status in (406, 408, 420, 429, 500, 503))]
Q, I = f"v59.0/jobs/query/{ID}", f"v59.0/jobs/ingest/{ID}"  # noqa: E741 - as short as the other
NOW = "2023-11-14T22:13:20.000+0000"  # the clock's


def listed(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"records": list(jobs), "done": True, "nextRecordsUrl": None, **more}


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_a_lost_create_is_followed_by_one_more(
    clock: Clock, caplog: pytest.LogCaptureFixture, lost: Any
) -> None:
    """Nobody takes one of the list for ours: a list tells no SOQL."""
    found = listed(
        job(id=job_id(1), createdDate=NOW),
        job(id=job_id(2), createdDate="2018-12-10T17:50:19.000+0000"),
        job(id=job_id(3), createdDate=NOW, jobType="Classic"),
        job(id=job_id(4), createdDate=None),
    )
    client, script = client_of(clock, lost, found, job("UploadComplete", id=job_id(5)))
    with caplog.at_level(logging.WARNING):
        made = client.create_query_job(QUERY)
    assert made["id"] == job_id(5)
    assert script.asked == ["POST v59.0/jobs/query", "GET v59.0/jobs/query", "POST v59.0/jobs/query"]
    assert script.sent[1].params == {"jobType": "V2Query"}
    assert "of which one may be an orphan: " + job_id(1) in caplog.text
    assert not any(job_id(number) in caplog.text for number in (2, 3, 4))
    assert len(clock.pauses) == 1


def test_no_worker_is_held_for_hours(clock: Clock) -> None:
    client, script = client_of(clock, refusal(503, Retry_After="7200"), listed())
    with pytest.raises(ServiceError, match="503") as caught:
        client.create_query_job(QUERY)
    assert caught.value.retryable
    assert clock.pauses == []
    assert script.asked == ["POST v59.0/jobs/query", "GET v59.0/jobs/query"]


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_two_lost_creates_say_that_jobs_may_exist(clock: Clock, lost: Any) -> None:
    client, script = client_of(clock, lost, listed(), lost, listed())
    with pytest.raises(UncertainSubmission, match="up to two jobs may exist in acme") as caught:
        client.create_query_job(QUERY)
    assert script.asked.count("POST v59.0/jobs/query") == 2
    assert caught.value.retryable
    assert caught.value.may_have_happened


def test_many_possible_orphans_are_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [job(id=job_id(number), createdDate=NOW) for number in range(25)]
    page = {"records": jobs, "nextRecordsUrl": "/x?queryLocator=1", "done": False}
    client, _ = client_of(clock, LOST, page, listed(), job())
    client.create_query_job(QUERY)
    assert job_id(19) + " and 5 more" in caplog.text


def test_a_list_that_fails_stops_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = client_of(clock, LOST, refusal(403), job())
    assert client.create_query_job(QUERY)["id"] == ID
    assert "cannot be listed" in caplog.text


def test_a_create_that_never_left_is_repeated_freely(clock: Clock) -> None:
    client, script = client_of(clock, UNSENT, UNSENT, job())
    client.create_query_job(QUERY)
    assert script.asked == ["POST v59.0/jobs/query"] * 3


def test_a_create_that_is_refused_is_not_repeated(clock: Clock) -> None:
    for second in ([], [LOST, listed()]):
        client, _ = client_of(clock, *second, refusal(400, "MALFORMED_QUERY", "unexpected token"))
        with pytest.raises(ServiceError, match="MALFORMED_QUERY: unexpected token"):
            client.create_query_job(QUERY)


@pytest.mark.parametrize("used", ["api-usage=80/100", "per-app-api-usage=1/2(appName=x);api-usage=80/100"])
def test_a_create_above_the_limit_is_refused(clock: Clock, used: str) -> None:
    limits = Reply(200, {"Sforce-Limit-Info": used}, b"{}")
    client, script = client_of(clock, limits, api_usage_limit=0.8)
    with pytest.raises(
        UsageLimitReached, match=r"80 of 100 API requests .* api_usage_limit is 80%"
    ) as caught:
        client.create_ingest_job({"object": "A"})
    assert caught.value.retryable
    assert script.asked == ["GET v59.0/limits"]


def test_a_fresh_value_is_not_asked_for_again(clock: Clock) -> None:
    answer = Reply(200, {"Sforce-Limit-Info": "api-usage=79/100"}, json.dumps(job()).encode())
    client, script = client_of(clock, answer, answer, answer, answer, answer, api_usage_limit=0.8)
    client.create_query_job(QUERY)
    client.create_query_job(QUERY)
    assert len(script.sent) == 3
    clock.time += 301
    client.create_query_job(QUERY)
    assert script.asked[3:] == ["GET v59.0/limits", "POST v59.0/jobs/query"]


def test_nobody_who_tells_no_usage_is_refused(clock: Clock) -> None:
    client, _ = client_of(clock, {}, job(), api_usage_limit=0.5)
    assert client.create_query_job(QUERY)["id"] == ID


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_a_lost_close_is_asked_about(clock: Clock, lost: Any) -> None:
    client, script = client_of(clock, lost, job("InProgress"))
    assert client.close_job(ID)["state"] == "InProgress"
    assert script.asked == [f"PATCH {I}", f"GET {I}"]
    assert script.sent[0].body == {"state": "UploadComplete"}


def test_a_close_that_did_not_arrive_is_repeated(clock: Clock) -> None:
    client, script = client_of(clock, LOST, job("Open"), job("UploadComplete"))
    assert client.close_job(ID)["state"] == "UploadComplete"
    assert script.asked == [f"PATCH {I}", f"GET {I}", f"PATCH {I}"]


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_a_lost_abort_is_asked_about(clock: Clock, lost: Any) -> None:
    client, script = client_of(clock, lost, job("InProgress"), lost, job("Aborted"))
    assert client.abort_job(ID)["state"] == "Aborted"
    assert script.asked == [f"PATCH {Q}", f"GET {Q}"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "INVALIDJOBSTATE", "no"),
        refusal(400, "API_ERROR", "Aborting already Completed Job not allowed"),
    ],
)
def test_an_abort_of_what_has_ended_is_fine(clock: Clock, answer: Any) -> None:
    client, _ = client_of(clock, answer, job("JobComplete"))
    assert client.abort_job(ID)["state"] == "JobComplete"


def test_an_abort_that_is_refused_while_the_job_runs_fails(clock: Clock) -> None:
    client, _ = client_of(clock, refusal(400, "INVALIDJOBSTATE"), job("InProgress"))
    with pytest.raises(ServiceError, match="INVALIDJOBSTATE"):
        client.abort_job(ID)
    client, _ = client_of(clock, refusal(403, "INSUFFICIENT_ACCESS"))
    with pytest.raises(ServiceError, match="lacks a permission"):
        client.abort_job(ID)


@pytest.mark.parametrize("answer", [Reply(204, {}, b""), refusal(404, "NOT_FOUND")])
def test_a_deleted_job_is_what_is_wanted(clock: Clock, answer: Any) -> None:
    client, script = client_of(clock, answer)
    client.delete_job(ID)
    assert script.asked == [f"DELETE {Q}"]


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_a_lost_delete_is_asked_about(clock: Clock, lost: Any) -> None:
    client, script = client_of(clock, lost, job(), lost, refusal(404))
    client.delete_job(ID, "ingest")
    assert script.asked == [f"DELETE {I}", f"GET {I}"] * 2


def test_a_job_that_runs_is_not_deleted(clock: Clock) -> None:
    message = "Error encountered when deleting the job because the job is not terminated"
    client, _ = client_of(clock, refusal(400, "API_ERROR", message))
    with pytest.raises(ServiceError, match="abort it first") as caught:
        client.delete_job(ID)
    assert caught.value.status == 400
    client, _ = client_of(clock, refusal(400, "OTHER"))
    with pytest.raises(ServiceError, match="OTHER"):
        client.delete_job(ID)


@pytest.mark.parametrize("kind", ["path", "bytes", "source", "media"])
def test_data_is_sent_as_it_is(clock: Clock, tmp_path: Path, kind: str) -> None:
    data = b"Id\r\n\xff\x00\n"
    (tmp_path / "a").write_bytes(data)
    content = {"path": tmp_path / "a", "bytes": data, "source": source_of(data)}.get(kind)
    client, script = client_of(clock, Reply(201, {}, b""))
    client.upload_job_data(ID, content or Media(source_of(data)))
    assert script.bodies == [data]
    assert script.asked == [f"PUT {I}/batches"]
    assert script.sent[0].headers["Content-Type"].startswith("text/csv")


def test_data_is_sent_again_with_another_token_only(clock: Clock) -> None:
    client, script = client_of(clock, refusal(401, "INVALID_SESSION_ID"), Reply(201, {}, b""))
    client.upload_job_data(ID, b"x")
    assert script.bodies == [b"x", b"x"]
    assert script.tokens == ["Bearer 1", "Bearer 2"]
    for lost in LOSSES:
        client, script = client_of(clock, lost)
        with pytest.raises(JobsError):
            client.upload_job_data(ID, b"x")
        assert len(script.sent) == 1


@pytest.mark.parametrize(
    ("content", "says"), [(3, "give a path"), (None, "give a path"), (io.StringIO("x"), "in binary mode")]
)
def test_what_is_not_data_is_refused(clock: Clock, content: Any, says: str) -> None:
    client, _ = client_of(clock)
    with pytest.raises(ConfigurationError, match=says):
        client.upload_job_data(ID, content)


@pytest.mark.parametrize("size", [100_000_001, None])
def test_data_that_is_too_large_is_refused(clock: Clock, size: int | None) -> None:
    source = source_of(b"")
    object.__setattr__(source, "size", size)
    client, _ = client_of(clock)
    with pytest.raises(ConfigurationError, match="ingest job takes 100000000: split it"):
        client.upload_job_data(ID, source)


def test_data_that_becomes_shorter_is_not_sent(clock: Clock) -> None:
    source = source_of(b"abc")
    object.__setattr__(source, "size", 4)
    client, _ = client_of(clock, {})
    with pytest.raises(SourceChanged, match="became shorter"):
        client.upload_job_data(ID, source)


@pytest.mark.parametrize(
    ("state", "has_ended"), [("JobComplete", True), ("Failed", True), ("Aborted", False)]
)
def test_cancel_of_what_does_not_run_is_fine(clock: Clock, state: str, *, has_ended: bool) -> None:
    client, script = client_of(clock, refusal(400, "INVALIDJOBSTATE"), job(state))
    assert client.cancel(QUERY_REF) is has_ended
    assert script.asked[0] == f"PATCH {Q}"


@pytest.mark.parametrize(
    "replies",
    [[refusal(404)], [refusal(400, "INVALIDJOBSTATE"), job("UploadComplete")]],
    ids=["hidden", "young"],
)
def test_a_cancel_that_is_not_taken_says_so(clock: Clock, replies: list[Any]) -> None:
    """Asking again in a moment may help."""
    client, _ = client_of(clock, *replies)
    with pytest.raises(ServiceError):
        client.cancel(QUERY_REF)


def test_cancel_says_what_it_cannot_abort(clock: Clock) -> None:
    client, _ = client_of(clock, refusal(403))
    with pytest.raises(ServiceError, match="403"):
        client.cancel(QUERY_REF)
    with pytest.raises(ConfigurationError, match="another org"):
        client.cancel(replace(QUERY_REF, scope="other.my.salesforce.com"))


def test_discard_leaves_what_is_complete(clock: Clock) -> None:
    """Who looks for the results of what was complete before still finds them."""
    client, script = client_of(clock, refusal(400, "INVALIDJOBSTATE"), job(), job())
    assert client.discard(QUERY_REF)
    assert [each.split()[0] for each in script.asked] == ["PATCH", "GET", "GET"]


def test_discard_waits_for_the_end(clock: Clock) -> None:
    client, script = client_of(
        clock, job("Aborted"), job("InProgress"), job("InProgress"), job("Aborted"), Reply(204, {}, b"")
    )
    assert client.discard(QUERY_REF) is True
    assert script.asked[-1] == f"DELETE {Q}"
    assert clock.pauses == [0.5, 0.5]


def test_discard_says_what_it_leaves(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The job was aborted, which is what a task that ends wants."""
    client, _ = client_of(clock, job("Aborted"), job("Aborted"), refusal(403))
    assert client.discard(QUERY_REF) is False
    assert "could not be deleted: Salesforce answered 403" in caplog.text


def test_discard_gives_up_on_time(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = client_of(clock, job("InProgress"), *[job("InProgress")] * 9)
    assert client.discard(QUERY_REF, timeout_seconds=3) is False
    assert "is not deleted" in caplog.text
    client, _ = client_of(clock, refusal(404), refusal(404))
    assert client.discard(QUERY_REF) is True
