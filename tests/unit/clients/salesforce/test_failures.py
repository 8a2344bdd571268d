"""What other clients of this API are known to get wrong, one test each."""

from __future__ import annotations

import gzip
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    ProtocolError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobState
from tests.unit.clients.salesforce.org import (
    HEADER,
    ID,
    INGEST_REF,
    ORG,
    QUERY_REF,
    Csv,
    Results,
    client_of,
    job,
    paged,
    refusal,
)
from tests.unit.core.upload.storage import NumberedToken

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Clock

EXPIRED = refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")


def download(org: Results, folder: Path, **how: Any) -> bytes:
    SalesforceClient(org, ORG).download(QUERY_REF, Output("a"), LocalSink(folder), **how)
    return (folder / "a").read_bytes()


def results_of(clock: Clock, *records: bytes, **headers: str) -> Results:
    org = Results(clock, [list(records)])
    true = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": str(len(records)), **headers}
    org.faults["page 0"] = [lambda page: Csv(page.body, true)]
    return org


def test_01_an_empty_answer_to_a_delete_is_a_success(clock: Clock) -> None:
    client, _ = client_of(clock, Reply(204, {}, b""))
    client.delete_job(ID)


@pytest.mark.parametrize("place", ["info", "list 0", "page 0", "page 1", "page 2"])
@pytest.mark.parametrize("workers", [1, 4])
def test_02_a_token_that_dies_amid_a_job_is_renewed(
    clock: Clock, tmp_path: Path, place: str, workers: int
) -> None:
    org = Results(clock, paged(2, 2, 2))
    org.faults[place] = [EXPIRED]
    assert download(org, tmp_path, workers=workers) == org.expected


@pytest.mark.parametrize("workers", [1, 4])
def test_03_a_page_without_a_locator_is_an_error(clock: Clock, tmp_path: Path, workers: int) -> None:
    org = Results(clock, paged(2, 2))
    org.faults["page 0"] = [lambda page: Csv(page.body, {"Sforce-NumberOfRecords": "2"})] * 9
    with pytest.raises(ProtocolError, match="without the locator"):
        download(org, tmp_path, workers=workers)


@pytest.mark.parametrize("times", [1, 99])
def test_04_a_second_page_that_fails_is_not_left_out(clock: Clock, tmp_path: Path, times: int) -> None:
    org = Results(clock, paged(2, 2, 2))
    org.faults["page 1"] = [refusal(500)] * times
    if times == 1:
        assert download(org, tmp_path) == org.expected
    else:
        with pytest.raises(ServiceError, match="500"):
            download(org, tmp_path)


def test_05_an_aborted_job_has_ended(clock: Clock) -> None:
    client, _ = client_of(clock, job("InProgress"), job("Aborted"))
    status = client.status(QUERY_REF)
    (status,) = wait_for(client, [status], until=float("inf"), poll_interval=1, timing=clock.timing)
    assert status.state is JobState.CANCELLED


@pytest.mark.parametrize("where", ["state", "results"])
def test_06_a_query_that_timed_out_is_no_empty_result(clock: Clock, tmp_path: Path, where: str) -> None:
    org = Results(clock, [[]])
    if where == "state":
        org.faults["info"] = [job("Failed", errorMessage="QUERY_TIMEOUT: too slow", numberRecordsProcessed=0)]
        with pytest.raises(JobFailed, match="QUERY_TIMEOUT"):
            download(org, tmp_path)
    else:
        org.faults["page 0"] = [refusal(500, "QUERY_TIMEOUT", "too slow")]
        with pytest.raises(ServiceError, match="QUERY_TIMEOUT"):
            download(org, tmp_path)


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=ISO-8859-1", ""])
def test_07_no_charset_garbles_the_text(clock: Clock, tmp_path: Path, content_type: str) -> None:
    record = '"1","Zo\u00eb \U0001f600"\n'.encode()
    org = results_of(clock, record, **{"Content-Type": content_type})
    assert download(org, tmp_path) == HEADER + record


def test_08_a_nul_is_kept(clock: Clock, tmp_path: Path) -> None:
    assert b"\0" in download(results_of(clock, b'"1","a\0b"\n'), tmp_path)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x0b", "\x85"])
def test_09_the_end_of_a_line_in_a_value_is_kept_and_counted_once(
    clock: Clock, tmp_path: Path, end: str
) -> None:
    record = f'"1","a{end}b"\n'.encode()
    assert download(results_of(clock, record), tmp_path) == HEADER + record


def test_11_all_pages_are_read(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(*[1] * 23), list_size=5)
    assert download(org, tmp_path) == org.expected


@pytest.mark.parametrize("broken", [b'"1","a\n', b'"1","a"\n"2","b"\n', b"", b"<html>\n"])
def test_12_bad_csv_is_a_failure(clock: Clock, tmp_path: Path, broken: bytes) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [lambda page: Csv(HEADER + broken, page.headers)] * 9
    with pytest.raises(ProtocolError):
        download(org, tmp_path)


def test_13_a_page_without_a_count_is_counted_all_the_same(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [lambda page: Csv(page.body, {"Sforce-Locator": "null"})]
    assert download(org, tmp_path) == org.expected
    org.total = 4
    org.faults["page 0"] = [lambda page: Csv(page.body, {"Sforce-Locator": "null"})] * 9
    with pytest.raises(ProtocolError, match="has 4 records"):
        download(org, tmp_path)


@pytest.mark.parametrize(
    "said", [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nSforce-Locator: null\r\n\r\n"Id']
)
def test_14_a_server_that_stalls_is_not_waited_for(clock: Clock, said: bytes) -> None:
    """Before its reply or in the middle of it."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def stall() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(said)
                done.wait(30)

        thread = threading.Thread(target=stall)
        thread.start()
        retry = RetryPolicy(attempts=1)
        transport = Transport(
            NumberedToken(), user_agent="x", retry=retry, timing=clock.timing, read_seconds=0.1
        )
        client = SalesforceClient(transport, f"http://127.0.0.1:{server.getsockname()[1]}")
        try:
            with pytest.raises(TransportError, match="timed out"), client.csv("v59.0/x", {}) as reply:
                list(reply.blocks)
        finally:
            done.set()
            thread.join()


def test_15_a_slow_job_is_not_a_failed_one(clock: Clock) -> None:
    client, _ = client_of(clock, *[job("InProgress")] * 40)
    status = client.status(QUERY_REF)
    until = clock.time + 300
    (status,) = wait_for(client, [status], until=until, poll_interval=60, timing=clock.timing)
    assert status.state is JobState.RUNNING
    assert status.ref == QUERY_REF


def test_16_rejected_records_are_counted(clock: Clock) -> None:
    client, _ = client_of(clock, job(numberRecordsProcessed=9, numberRecordsFailed=2))
    assert client.status(INGEST_REF).statistics["failed_record_count"] == 2


def test_20_a_killed_task_leaves_no_job(clock: Clock) -> None:
    client, script = client_of(clock, job("Aborted"))
    client.cancel(QUERY_REF)
    assert script.sent[0].body == {"state": "Aborted"}


def test_21_addresses_are_our_own(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(1, 1))
    url = f"//services//data/v59.0/jobs/query//{ID}/results?locator=L1"
    org.faults["list 0"] = [{"resultPages": [{"resultUrl": "//x"}, {"resultUrl": url}], "done": True}]
    assert download(org, tmp_path) == org.expected
    assert not any("//" in each.url.removeprefix("https://") for each in org.sent)


def test_22_deleted_records_are_downloaded_too(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(2, 1))
    org.faults["info"] = [job(operation="queryAll", numberRecordsProcessed=3)]
    assert download(org, tmp_path) == org.expected


def test_23_a_lost_create_makes_one_more_job_at_most(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    lost = TransportError("lost")
    orphan = job(createdDate="2023-11-14T22:13:20.000+0000")
    listed = {"records": [orphan], "done": True}
    client, script = client_of(clock, lost, listed, lost, listed)
    with pytest.raises(JobsError, match="jobs may exist"):
        client.create_query_job({"operation": "query", "query": "SELECT Id FROM A"})
    assert [each.method for each in script.sent].count("POST") == 2
    assert ID in caplog.text


def test_25_the_address_of_pages_is_refused(clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match=r"use https://acme\.my\.salesforce\.com"):
        SalesforceClient(Results(clock, []), "https://acme.lightning.force.com")


def test_what_is_compressed_twice_is_kept(clock: Clock, tmp_path: Path) -> None:
    """Only the transport's own compression is undone."""
    org = Results(clock, paged(2))
    output = Output("a.gz", compress=True)
    SalesforceClient(org, ORG).download(QUERY_REF, output, LocalSink(tmp_path))
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == org.expected
