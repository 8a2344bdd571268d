"""Requests become jobs; data becomes a job that has taken all of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobsError,
    OutageError,
    SourceChanged,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.salesforce.org import ID, INGEST_REF, QUERY_REF, client_of, job, job_id, refusal
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

QUERY = {"operation": "query", "query": "SELECT Id FROM Account"}
INSERT = {"object": "Account", "operation": "insert"}
TAKEN = Reply(201, {}, b"")


class Told:
    """What the caller was told, and how far the requests were then."""

    def __init__(self) -> None:
        self.refs: list[JobRef] = []

    def __call__(self, ref: JobRef) -> None:
        self.refs.append(ref)


def test_a_query_is_created_and_told_of(clock: Clock) -> None:
    client, script = client_of(clock, job("UploadComplete"))
    told = Told()
    submission = client.submit(SalesforceRequest(body=QUERY, on_created=told))
    assert submission.status.ref == QUERY_REF
    assert submission.status.state is JobState.PENDING
    assert not submission.adopted
    assert told.refs == [QUERY_REF]
    assert told.refs[0].created_at == 1544464219.0
    assert script.sent[0].body == QUERY


def test_a_job_keeps_its_own_version(clock: Clock) -> None:
    client, script = client_of(clock, job("UploadComplete"), job())
    ref = client.submit(SalesforceRequest(body=QUERY, version="62.0")).status.ref
    assert ref.location == "v62.0/jobs/query"
    client.status(ref)
    assert script.asked == ["POST v62.0/jobs/query", f"GET v62.0/jobs/query/{ID}"]


def test_a_plain_request_is_enough(clock: Clock) -> None:
    client, _ = client_of(clock, job("UploadComplete"))
    assert client.submit(JobRequest("", "", QUERY)).status.ref == QUERY_REF


@pytest.mark.parametrize("request_", [SalesforceRequest(), SalesforceRequest(media=Media(source_of(b"")))])
def test_a_request_without_its_work_is_refused(clock: Clock, request_: SalesforceRequest) -> None:
    client, _ = client_of(clock)
    with pytest.raises(ConfigurationError, match=r"needs a value of '(query|object)'"):
        client.submit(request_)


@pytest.mark.parametrize(
    ("soql", "words"),
    [
        ("SELECT Id FROM A ORDER   BY Id", ["ORDER BY"]),
        ("select Id from A limit 5", ["LIMIT"]),
        ("SELECT Id FROM A ORDER BY Id LIMIT 5", ["ORDER BY and LIMIT"]),
        ("SELECT Id FROM A WHERE Name = 'order by it\\'s limit 5'", []),
        ("SELECT Limit__c, Unlimited FROM A", []),
    ],
)
def test_what_hinders_chunking_is_warned_of_and_sent(
    clock: Clock, caplog: pytest.LogCaptureFixture, soql: str, words: list[str]
) -> None:
    client, script = client_of(clock, job("UploadComplete"))
    with caplog.at_level(logging.WARNING):
        client.submit(SalesforceRequest(body={**QUERY, "query": soql}))
    assert [f"the query has {each}:" in caplog.text for each in words] == [True] * len(words)
    assert bool(caplog.text) is bool(words)
    assert script.sent[0].body["query"] == soql


def ingest(clock: Clock, *replies: Any, source: Any = None) -> tuple[Any, Any, Told, SalesforceRequest]:
    client, script = client_of(clock, *replies)
    told = Told()
    media = Media(source or source_of(b"Name\nx\n"))
    return client, script, told, SalesforceRequest(body=INSERT, media=media, on_created=told)


def test_data_is_sent_between_create_and_close(clock: Clock) -> None:
    client, script, told, request = ingest(clock, job("Open"), TAKEN, job("UploadComplete"))
    submission = client.submit(request)
    assert submission.status.ref == INGEST_REF
    assert [each.split()[0] for each in script.asked] == ["POST", "PUT", "PATCH"]
    assert script.bodies == [b"Name\nx\n"]
    assert told.refs == [INGEST_REF]


def test_who_is_stopped_while_data_leaves_closes_nothing(clock: Clock) -> None:
    def stop() -> None:
        raise OutageError("stop")

    client, script, _, request = ingest(clock, job("Open"), TAKEN)
    with pytest.raises(OutageError):
        client.submit(replace(request, before_close=stop))
    assert [each.split()[0] for each in script.asked] == ["POST", "PUT"]


@pytest.mark.parametrize("lost", [TransportError("lost"), refusal(503)], ids=str)
def test_a_lost_reply_to_data_makes_another_job(clock: Clock, lost: Any) -> None:
    client, script, told, request = ingest(
        clock,
        job("Open", id=job_id(1)),
        lost,
        job("Aborted", id=job_id(1)),
        job("Open", id=job_id(2)),
        TAKEN,
        job("UploadComplete", id=job_id(2)),
    )
    assert client.submit(request).status.ref.id == job_id(2)
    assert script.sent[2].body == {"state": "Aborted"}
    assert script.bodies == [b"Name\nx\n"] * 2
    assert [ref.id for ref in told.refs] == [job_id(1), job_id(2)]


def test_nobody_waits_for_hours_to_send_data_again(clock: Clock) -> None:
    client, script, _, request = ingest(clock, job("Open"), refusal(503, Retry_After="7200"), job("Aborted"))
    with pytest.raises(JobsError, match="503"):
        client.submit(request)
    assert clock.pauses == []
    assert script.replies == []


def test_data_that_is_never_taken_ends(clock: Clock) -> None:
    client, script, told, request = ingest(clock, *[job("Open"), refusal(503), job("Aborted")] * 4)
    with pytest.raises(JobsError, match="503"):
        client.submit(request)
    assert len(told.refs) == 4
    assert script.replies == []


@pytest.mark.parametrize("refused", [refusal(400, "TOO_LARGE"), refusal(413)], ids=str)
def test_data_that_is_refused_aborts_its_job(
    clock: Clock, caplog: pytest.LogCaptureFixture, refused: Any
) -> None:
    client, script, _, request = ingest(clock, job("Open"), refused, refusal(403))
    with pytest.raises(JobsError):
        client.submit(request)
    assert script.replies == []
    assert "could not be aborted" in caplog.text


def test_data_that_changed_is_not_sent_again(clock: Clock) -> None:
    source = source_of(b"Name\nx\n", look=lambda: "another")
    client, script, _, request = ingest(clock, job("Open"), job("Aborted"), source=source)
    with pytest.raises(SourceChanged):
        client.submit(request)
    assert [each.split()[0] for each in script.asked] == ["POST", "PUT", "PATCH"]


def test_data_that_is_too_large_makes_no_job(clock: Clock) -> None:
    client, script, _, request = ingest(clock, source=source_of(b"x", sized=False))
    with pytest.raises(ConfigurationError, match="unknown number"):
        client.submit(request)
    assert script.sent == []


def test_a_lost_close_is_asked_about_and_makes_no_other_job(clock: Clock) -> None:
    client, script, told, request = ingest(
        clock, job("Open"), TAKEN, TransportError("lost"), job("InProgress")
    )
    assert client.submit(request).status.state is JobState.RUNNING
    assert len(told.refs) == 1
    assert [each.split()[0] for each in script.asked] == ["POST", "PUT", "PATCH", "GET"]
