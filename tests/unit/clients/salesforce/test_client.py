"""The API's own calls, and what every call sends and hears."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    ProtocolError,
)
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.unit.clients.salesforce.org import (
    ID,
    INGEST_REF,
    ORG,
    QUERY_REF,
    Csv,
    client_of,
    job,
    job_id,
    refusal,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Clock


def test_every_call_names_its_version(clock: Clock) -> None:
    client, script = client_of(clock, *[job()] * 6, version="60.0")
    client.create_query_job({"query": "x"})
    client.create_ingest_job({"object": "x"}, 61)
    client.get_job(ID)
    client.get_job(ID, "ingest", version="47.0")
    client.get_job(INGEST_REF)
    client.limits()
    assert script.asked == [
        "POST v60.0/jobs/query",
        "POST v61.0/jobs/ingest",
        f"GET v60.0/jobs/query/{ID}",
        f"GET v47.0/jobs/ingest/{ID}",
        f"GET v59.0/jobs/ingest/{ID}",
        "GET v60.0/limits",
    ]


def test_a_job_of_another_org_is_not_asked_for(clock: Clock) -> None:
    client, script = client_of(clock)
    with pytest.raises(ConfigurationError, match="another org: this connection is of acme"):
        client.get_job(JobRef("salesforce", "other.my.salesforce.com", ID, QUERY_REF.location))
    assert script.sent == []


def test_the_caller_may_be_named(clock: Clock) -> None:
    client, script = client_of(clock, {}, client_id="airflow/1")
    client.limits()
    assert script.sent[0].headers["Sforce-Call-Options"] == "client=airflow/1"
    assert script.sent[0].headers["Accept"] == "application/json"
    client, script = client_of(clock, {}, client_id="")
    client.limits()
    assert not {"Sforce-Call-Options", "X-SFDC-Session"} & set(script.sent[0].headers)


@pytest.mark.parametrize("client_id", ["a,b", "a\nb", "caf\u00e9"])
def test_a_name_that_no_header_can_hold_is_refused(clock: Clock, client_id: str) -> None:
    with pytest.raises(ConfigurationError, match="client_id"):
        client_of(clock, client_id=client_id)


@pytest.mark.parametrize("limit", [0, -1, 1.1])
def test_a_limit_is_a_share(clock: Clock, limit: float) -> None:
    with pytest.raises(ConfigurationError, match="api_usage_limit"):
        client_of(clock, api_usage_limit=limit)


def test_usage_is_kept_and_told_when_it_changes(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    used = [18, 19, 600, 700]
    replies = [Reply(200, {"Sforce-Limit-Info": f"api-usage={each}/1000"}, b"{}") for each in used]
    strange = [Reply(200, {"Sforce-Limit-Info": text}, b"{}") for text in ("", "x", "per-app-api-usage=1/2")]
    client, _ = client_of(
        clock, *replies, *strange, Reply(200, {"Sforce-Limit-Info": "api-usage=1/0"}, b"{}")
    )
    assert client.usage.share is None
    with caplog.at_level(logging.INFO):
        for _ in range(7):
            client.limits()
    assert (client.usage.used, client.usage.allowed) == (700, 1000)
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "18 of 1000",
        "600 of 1000",
        "700 of 1000",
    ]
    client.limits()
    assert client.usage.share is None


def test_warnings_are_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    warned = Reply(200, {"Warning": '299 - "retired soon"'}, b"{}")
    client, _ = client_of(clock, warned, warned)
    client.limits()
    client.limits()
    assert caplog.text.count("retired soon") == 1


def test_a_state_that_is_not_known_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = client_of(clock, job("Pondering"), job("Pondering"))
    for _ in range(2):
        assert client.status(QUERY_REF).state is JobState.RUNNING
    assert caplog.text.count("'Pondering', which is not known") == 1


def test_a_token_that_died_is_renewed_once(clock: Clock) -> None:
    client, script = client_of(clock, refusal(401, "INVALID_SESSION_ID"), job())
    assert client.status(QUERY_REF).state is JobState.SUCCEEDED
    assert script.tokens == ["Bearer 1", "Bearer 2"]
    client, script = client_of(clock, *[refusal(401, "INVALID_SESSION_ID")] * 2)
    with pytest.raises(AuthenticationError):
        client.status(QUERY_REF)


def test_gets_are_repeated(clock: Clock) -> None:
    client, script = client_of(clock, refusal(503), refusal(420), refusal(406), job())
    client.get_job(ID)
    assert len(script.sent) == 4


def test_a_job_that_is_gone_says_so(clock: Clock) -> None:
    client, _ = client_of(clock, refusal(404, "NOT_FOUND", "gone"))
    with pytest.raises(NotFoundError, match="jobs are kept for 7 days"):
        client.status(QUERY_REF)


def test_a_list_follows_its_locator_only(clock: Clock) -> None:
    wrong = f"/services/data/v59.0/jobs/ingest/{ID}?queryLocator=2000"
    client, script = client_of(
        clock,
        {"records": [job()], "nextRecordsUrl": wrong, "done": False},
        {"records": None, "nextRecordsUrl": None, "done": True},
    )
    assert list(client.list_jobs(isPkChunkingEnabled=False)) == [job()]
    assert set(script.asked) == {"GET v59.0/jobs/query"}
    assert script.sent[1].params == {"isPkChunkingEnabled": False, "queryLocator": "2000"}


def test_a_list_in_a_circle_is_an_error(clock: Clock) -> None:
    page = {"records": [], "nextRecordsUrl": "?queryLocator=1", "done": False}
    client, _ = client_of(clock, page, page)
    with pytest.raises(ProtocolError, match="circle"):
        list(client.list_jobs("ingest"))


def test_a_job_has_no_failing_part(clock: Clock) -> None:
    client, _ = client_of(clock)
    assert client.failing_statement(JobStatus(QUERY_REF, JobState.FAILED, "Failed")) is None


RESULTS = b'"sf__Id","sf__Created","Name"\n"001","true","x"\n"002","true","y"\n'
REJECTED = b'"sf__Id","sf__Error","Name"\n"","REQUIRED_FIELD_MISSING","z"\n'
DONE: dict[str, Any] = {"numberRecordsProcessed": 3, "numberRecordsFailed": 1}


@pytest.mark.parametrize("split", [True, False])
def test_what_became_of_records_is_written(clock: Clock, tmp_path: Path, *, split: bool) -> None:
    both = [replace(INGEST_REF, id=job_id(number)) for number in (1, 2)]
    looks = [job(**DONE), Csv(REJECTED), job(**DONE), Csv(REJECTED)]
    client, script = client_of(clock, *looks, Csv(RESULTS), Csv(RESULTS))
    output = Output("ok.csv", split=split)
    done = client.download_ingested(both, "successfulResults", output, LocalSink(tmp_path))
    assert done.record_count == 4
    assert script.asked[4] == f"GET v59.0/jobs/ingest/{job_id(1)}/successfulResults/"
    header, _, records = RESULTS.partition(b"\n")
    written = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert written == ([RESULTS] * 2 if split else [header + b"\n" + records * 2])
    assert [file.record_count for file in done.files] == ([2, 2] if split else [4])


@pytest.mark.parametrize(
    ("which", "state", "body", "fine"),
    [
        ("failedResults", "JobComplete", RESULTS, True),  # the job's counters come late
        ("failedResults", "JobComplete", RESULTS[: RESULTS.index(b"\n") + 1], False),
        ("failedResults", "JobComplete", b"", False),
        ("failedResults", "Failed", RESULTS, True),
        ("successfulResults", "Aborted", b"", True),
        ("unprocessedrecords", "JobComplete", b"Name\n", True),
        ("unprocessedrecords", "Aborted", RESULTS, True),
    ],
)
def test_what_became_of_records_is_counted(
    clock: Clock,
    tmp_path: Path,
    which: str,
    state: str,
    body: bytes,
    fine: bool,
) -> None:
    reply = Csv(body, {"Content-Length": str(len(body))})
    counted = [Csv(REJECTED)] if which != "failedResults" and state == "JobComplete" else []
    client, _ = client_of(clock, job(state, **DONE), *counted, *[reply] * 6)
    if fine:
        client.download_ingested([INGEST_REF], which, Output("a"), LocalSink(tmp_path))
        assert (tmp_path / "a").read_bytes() == body
    else:
        with pytest.raises(ProtocolError, match=r"the job tells of 1|an empty page"):
            client.download_ingested([INGEST_REF], which, Output("a"), LocalSink(tmp_path))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ref", "which", "message"),
    [
        (INGEST_REF, "results", "it is one of successfulResults"),
        (QUERY_REF, "failedResults", "is not an ingest job"),
        (INGEST_REF, "failedResults", "is InProgress"),
    ],
)
def test_what_became_of_records_has_to_be_there(
    clock: Clock, tmp_path: Path, ref: JobRef, which: str, message: str
) -> None:
    client, _ = client_of(clock, job("InProgress"))
    with pytest.raises(JobsError, match=message):
        client.download_ingested([ref], which, Output("a"), LocalSink(tmp_path))


def test_nothing_shows_the_token(clock: Clock) -> None:
    client, script = client_of(clock, refusal(401, "INVALID_SESSION_ID"), refusal(401, "INVALID_SESSION_ID"))
    with pytest.raises(JobsError) as caught:
        client.get_job(ID)
    assert script.tokens[0] not in repr(caught.value) + str(vars(client)) + repr(client)
    assert client.instance_url == ORG
