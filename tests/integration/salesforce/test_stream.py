"""From an org's result pages into load jobs, by real HTTP: the table is the query, whatever goes wrong."""

from __future__ import annotations

import functools
import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery import upload as bigquery_upload
from airflow_provider_jobs.clients.salesforce.results.download import WORKERS
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.clients.salesforce.results.places import StreamProgress
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.core.upload.uploader import Uploader
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import JobsError, ProtocolError, ResultsUnavailable
from airflow_provider_jobs.jobs import JobState
from tests.integration.salesforce.lab import SalesforceLab, csv_rows
from tests.integration.sending import Memory, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_jobs.jobs import JobRef

COLUMNS = ("Id", "Name", "Industry", "Description", "CreatedDate")
SOQL = "SELECT Id, Name, Industry, Description, CreatedDate FROM Account"
FEW = f"{SOQL} LIMIT 200"
#: A result of less goes in one request.
WINDOW = UNIT_BYTES


@pytest.fixture(scope="module", autouse=True)
def windows() -> Iterator[None]:
    """Small results take several requests, as large ones do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigquery_upload, "Uploader", functools.partial(Uploader, window_bytes=WINDOW))
        yield


class Transfer:
    """One query on its way into one table, by as many attempts as it takes."""

    def __init__(self, lab: SalesforceLab, folder: Path, query: tuple[JobRef, bytes]) -> None:
        self.lab, self.folder = lab, folder
        self.ref, self.content = query
        self.sender, self.memory = Sender(lab.sandbox), Memory()
        self.seen: list[StreamProgress] = []
        requests.post(
            f"{lab.sandbox.bigquery}/bigquery/v2/projects/{self.sender.project}/datasets",
            json={"datasetReference": {"projectId": self.sender.project, "datasetId": "d"}},
            headers=self.sender.token.headers(),
            timeout=30,
        ).raise_for_status()

    def attempt(self, on_progress: Callable[[int, int | None], None] | None = None, **how: Any) -> int:
        """Send all parts that are left, each with a job of its own, and return how many rows were loaded."""
        known = (
            StreamProgress.from_json(json.loads(json.dumps(self.seen[-1].to_json()))) if self.seen else None
        )
        how = {"progress": known, "on_progress": self.seen.append, **how}
        rows = 0
        with self.lab.client.stream_results(self.ref, LocalSink(self.folder), **how) as stream:
            for part in stream.parts():
                load = self._load(append=part.number > 0)
                media = Media(part, self.memory, on_progress)
                request = JobRequest(self.sender.project, f"part{part.number}", {"load": load}, media=media)
                submitted = self.sender.client.submit(request).status
                timing = Timing()
                (status,) = wait_for(
                    self.sender.client, [submitted], until=float("inf"), poll_interval=0.05, timing=timing
                )
                assert status.state is JobState.SUCCEEDED
                rows += status.statistics["row_count"]
        return rows

    def _load(self, *, append: bool) -> dict[str, Any]:
        table = {"projectId": self.sender.project, "datasetId": "d", "tableId": "t"}
        return {
            "destinationTable": table,
            "sourceFormat": "CSV",
            "skipLeadingRows": 1,
            "allowQuotedNewlines": True,
            "preserveAsciiControlCharacters": True,
            "schema": {"fields": [{"name": name, "type": "STRING"} for name in COLUMNS]},
            "writeDisposition": "WRITE_APPEND" if append else "WRITE_TRUNCATE",
        }

    def rows(self) -> list[dict[str, str]]:
        """Return what is in the table."""
        query = {"query": {"query": "SELECT * FROM d.t", "useLegacySql": False}}
        request = JobRequest(self.sender.project, uuid.uuid4().hex, query)
        submitted = self.sender.client.submit(request).status
        wait_for(self.sender.client, [submitted], until=float("inf"), poll_interval=0.05, timing=Timing())
        found = self.sender.client.get_query_results(submitted.ref.id)
        return sorted(found, key=lambda row: str(row["Id"]))

    def check(self) -> None:
        """See that the table is the query, and that nothing is left on the disk."""
        assert self.rows() == sorted(csv_rows(self.content), key=lambda row: row["Id"])
        assert list(self.folder.iterdir()) == []

    def check_bytes(self) -> None:
        """See that one upload brought every byte, which is sooner seen than the rows."""
        (digest,) = [each["sha256"] for each in self.sender.uploads() if each["state"] == "complete"]
        assert digest == hashlib.sha256(self.content).hexdigest()
        assert list(self.folder.iterdir()) == []


@pytest.fixture(scope="module")
def queries() -> dict[str, tuple[JobRef, bytes]]:
    """Queries that have ended, and their results as the client's other reader has them: made once."""
    return {}


def query_of(lab: SalesforceLab, queries: dict[str, tuple[JobRef, bytes]], soql: str) -> tuple[JobRef, bytes]:
    if soql not in queries:
        ref = lab.client.ref(lab.finished(soql))
        queries[soql] = ref, b"".join(lab.client.open_results(ref))
    return queries[soql]


@pytest.fixture
def transfer(lab: SalesforceLab, tmp_path: Path, queries: dict[str, Any]) -> Iterator[Transfer]:
    """A query of a few uneven pages."""
    query = query_of(lab, queries, FEW)
    lab.sandbox.salesforce_settings(page_rows=40, page_sizes="uneven")
    yield Transfer(lab, tmp_path, query)
    lab.sandbox.salesforce_settings(page_sizes="even")


@pytest.fixture
def large(lab: SalesforceLab, tmp_path: Path, queries: dict[str, Any]) -> Iterator[Transfer]:
    """A query whose upload takes several requests."""
    query = query_of(lab, queries, SOQL)
    lab.sandbox.salesforce_settings(page_rows=300, page_sizes="uneven")
    yield Transfer(lab, tmp_path, query)
    lab.sandbox.salesforce_settings(page_sizes="even")


WAYS: dict[str, dict[str, Any]] = {
    "listed": {},
    "followed": {"workers": 1},
    "small spool": {"spool_pages": 2},
    "parts": {"part_bytes": 35_000},
    "parts, followed": {"part_bytes": 35_000, "page_records": 30},
}


@pytest.mark.parametrize("how", WAYS.values(), ids=list(WAYS))
def test_the_table_is_the_query(transfer: Transfer, how: dict[str, Any]) -> None:
    assert transfer.attempt(**how) == len(csv_rows(transfer.content))
    transfer.check()
    parts = len(transfer.sender.uploads())
    assert parts > 1 if "part_bytes" in how else parts == 1


BORNE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a record is dropped once": ("query.results", "drop_record", {"count": "kept"}),
    "a page is cut": ("query.results", "cut_reply", {"bytes": 2000, "times": 3}),
    "503 for a page": ("query.results", "reply", {"status": 503, "times": 3}),
    "no list of pages": ("query.resultPages", "reply", {"status": 404, "times": 0}),
    "an upload is cut": ("data", "cut_after_bytes", {"bytes": 20_000}),
    "503 for the upload": ("data", "reply", {"status": 503, "bytes": 3000, "times": 2}),
    "the session expires": ("data", "session_expired", {"status": 410, "bytes": 9000}),
    "less is confirmed than was sent": ("data", "short_308", {"bytes": 7000}),
    "the last reply is lost": ("data", "lost_final_reply", {}),
}


def spoil(transfer: Transfer, operation: str, action: str, more: dict[str, Any]) -> None:
    fault = transfer.lab.fault if operation.startswith("query") else transfer.sender.fault
    fault(operation, action, **more)


@pytest.mark.parametrize(("operation", "action", "more"), BORNE.values(), ids=list(BORNE))
def test_what_one_attempt_bears(
    transfer: Transfer, operation: str, action: str, more: dict[str, Any]
) -> None:
    spoil(transfer, operation, action, more)
    transfer.attempt()
    transfer.lab.sandbox.clear_faults()
    transfer.check_bytes()


REFUSED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "a record is always dropped": ("query.results", "drop_record", {"count": "kept", "times": 0}, {}),
    "a record less, and announced": ("query.results", "drop_record", {"nth": 2}, {"workers": 1}),
    "a page is not in the list": ("query.resultPages", "skip_page", {"page": 1, "times": 0}, {}),
    "a page is passed over": ("query.results", "skip_page", {"nth": 2}, {"workers": 1}),
}


@pytest.mark.parametrize(("operation", "action", "more", "how"), REFUSED.values(), ids=list(REFUSED))
def test_a_result_that_is_not_whole_makes_no_job(
    transfer: Transfer, operation: str, action: str, more: dict[str, Any], how: dict[str, Any]
) -> None:
    """The upload is left without its end: nothing is loaded, and the next attempt begins it anew."""
    spoil(transfer, operation, action, more)
    with pytest.raises(ProtocolError):
        transfer.attempt(**how)
    transfer.lab.sandbox.clear_faults()
    assert list(transfer.sender.client.list_jobs(allUsers=True)) == []
    assert [upload["state"] for upload in transfer.sender.uploads()] == ["open"]
    assert transfer.memory.known == {}
    assert list(transfer.folder.iterdir()) == []
    transfer.attempt()
    transfer.check_bytes()


def test_a_locator_that_has_expired_ends_an_attempt_and_the_next_goes_on(transfer: Transfer) -> None:
    more = {"status": 400, "reason": "INVALID_QUERY_LOCATOR", "nth": 3, "times": 0}
    transfer.lab.fault("query.results", "reply", **more)
    with pytest.raises(ResultsUnavailable, match="400"):
        transfer.attempt(workers=1)
    transfer.lab.sandbox.clear_faults()
    assert list(transfer.folder.iterdir()) == []
    transfer.attempt(workers=1)
    transfer.check_bytes()


class Killed(BaseException):
    """As Airflow's own: of no class that anybody catches."""


def kill_after(sent_bytes: int) -> Callable[[int, int | None], None]:
    def look(sent: int, _: int | None) -> None:
        if sent >= sent_bytes:
            raise Killed

    return look


@pytest.mark.parametrize("how", [{}, {"workers": 1}, {"spool_pages": 2}])
def test_the_attempt_after_a_kill_sends_nothing_again(large: Transfer, how: dict[str, Any]) -> None:
    with pytest.raises(Killed):
        large.attempt(kill_after(WINDOW + 1), **how)
    assert list(large.folder.iterdir()) == []
    # At least a window is confirmed: there is a remembered page that begins in it.
    first = max(place.page_number for place in large.seen[-1].places if place.size_bytes < WINDOW)
    assert first > 0
    begun = time.time()
    large.attempt(**how)
    large.check_bytes()
    (upload,) = large.sender.uploads()
    assert upload["bytes_received"] == len(large.content)
    asked = [each["query"] for each in large.lab.requests("query.results") if each["started_at"] > begun]
    left = large.seen[-1].places[-1].page_number + 1 - first
    assert 0 < len(set(asked)) <= left
    # Threads of the attempt that was killed may have been about to ask for a page each.
    assert len(asked) <= left + how.get("workers", WORKERS)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    page_rows=st.integers(100, 400),
    part_bytes=st.sampled_from([400_000, 600_000, 10**9]),
    spool_pages=st.integers(2, 6),
    workers=st.sampled_from([1, 2, 8]),
    kills=st.lists(st.integers(0, 600_000), max_size=3),
    faults=st.lists(st.sampled_from(sorted(BORNE)), max_size=2),
)
def test_any_pages_any_faults_any_kills(
    lab: SalesforceLab,
    queries: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    kills: list[int],
    faults: list[str],
    **how: Any,
) -> None:
    query = query_of(lab, queries, SOQL)
    lab.sandbox.salesforce_settings(page_rows=how.pop("page_rows"), page_sizes="uneven")
    transfer = Transfer(lab, tmp_path_factory.mktemp("spool"), query)
    try:
        for fault in faults:
            spoil(transfer, *BORNE[fault])
        for sent_bytes in kills:
            try:
                transfer.attempt(kill_after(sent_bytes), **how)
            except (Killed, JobsError):
                assert list(transfer.folder.iterdir()) == []
        lab.sandbox.clear_faults()
        transfer.attempt(**how)
        transfer.check()
    finally:
        lab.sandbox.clear_faults()
        lab.sandbox.salesforce_settings(page_sizes="even")
