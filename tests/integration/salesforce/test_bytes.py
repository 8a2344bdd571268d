"""What is downloaded is what the org holds, byte for byte: of every object, in every form, whatever happens.

The reference is one page of the same job, asked for by a plain HTTP client.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import requests
from allpairspy import AllPairs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.errors import JobsError
from tests.integration.salesforce.lab import SalesforceLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_jobs.jobs import JobRef
    from airflow_provider_jobs.sandbox import Sandbox

#: Of each object what is hardest to carry: long texts, line ends, quotes, NULs, nulls, the parents' values.
QUERIES = {
    "User": "SELECT Id, Username, Name, Email, Title, LastLoginDate, Manager.Name FROM User",
    "Account": "SELECT Id, Name, BillingStreet, Description, AnnualRevenue, Parent.Name FROM Account",
    "Contact": "SELECT Id, MailingStreet, Description, Interests__c, Account.Name FROM Contact LIMIT 3000",
    "Opportunity": "SELECT Id, Amount, CloseDate, NextStep, Account.Owner.Name FROM Opportunity LIMIT 4000",
    "Case": "SELECT Id, Subject, Description, IsClosed, ClosedDate, Contact.Name FROM Case LIMIT 4000",
    "Shipment__c": "SELECT Id, Notes__c, Handling__c, Value__c, Express__c, Account__r.Name FROM Shipment__c",
}
DELIMITERS = ("COMMA", "TAB", "PIPE", "SEMICOLON", "CARET", "BACKQUOTE")
PAGES = (1, 2, 5, 33, 200)
GZIP = ("asked", "never")
#: Any two values meet in one of 37 cases, each object with each delimiter and so on; not any three.
FORMS = list(AllPairs([list(QUERIES), DELIMITERS, ("LF", "CRLF"), PAGES, GZIP]))
#: What the download has to bear; each spoils one request, the second of its kind.
BORNE: dict[str, dict[str, Any]] = {
    "503 as HTML": {"action": "answer", "status": 503},
    "420": {"action": "answer", "status": 420},
    "429": {"action": "reply", "status": 429, "retry_after": 3},
    "500": {"action": "answer", "status": 500},
    "token": {"action": "token_expired"},
    "connection cut": {"action": "cut"},
    "page cut": {"action": "cut_reply", "bytes": 5000},
    "page cut in its header row": {"action": "cut_reply", "bytes": 7},
    "no count": {"action": "headers", "headers": {"Sforce-NumberOfRecords": None}},
    "wrong count": {"action": "headers", "headers": {"Sforce-NumberOfRecords": "1"}},
    "slow": {"action": "slow_reply", "bytes_per_second": 1_000_000},
}
#: What cannot be borne: nothing is left behind, and it is said.
UNBEARABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "empty replies": ("query.results", {"action": "answer", "status": 200, "body": ""}),
    "204": ("query.results", {"action": "answer", "status": 204, "body": ""}),
    "a page left out of the list": ("query.resultPages", {"action": "skip_page", "page": 1}),
    "a record less in each page": ("query.results", {"action": "drop_record", "record": 3}),
    "a record less than counted": ("query.results", {"action": "drop_record", "record": 3, "count": "kept"}),
}
#: The same of faults, few pages or many, and compression: 22 cases.
FAULTS = list(AllPairs([list(BORNE), (2, 40), GZIP]))


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def shared(jobs_sandbox: Sandbox, module_patch: pytest.MonkeyPatch) -> SalesforceLab:
    lab = SalesforceLab(jobs_sandbox, module_patch)
    lab.connect(consumer_key=lab.account.consumer_key, consumer_secret=lab.account.consumer_secret)
    return lab


@pytest.fixture
def lab(shared: SalesforceLab) -> Iterator[SalesforceLab]:
    yield shared
    shared.sandbox.salesforce_settings(gzip="asked")
    shared.end()


def query(lab: SalesforceLab, name: str, **form: str) -> JobRef:
    """Return a query of an object that has ended."""
    client = lab.client
    body = {"operation": "query", "query": QUERIES[name], **form}
    ref = client.submit(SalesforceRequest(body=body)).status.ref
    while not client.status(ref).state.ended:
        lab.wait_a_little()
    return ref


def reference(lab: SalesforceLab, ref: JobRef) -> tuple[bytes, int]:
    """Return the bytes of all results, in one page and as they are, and how many records they hold."""
    lab.sandbox.salesforce_settings(page_rows=1_000_000)
    reply = requests.get(
        f"{lab.sandbox.salesforce}/services/data/{ref.location}/{ref.id}/results",
        headers={"Authorization": f"Bearer {lab.sandbox.salesforce_token}", "Accept-Encoding": "identity"},
        timeout=60,
    )
    assert (reply.status_code, reply.headers["Sforce-Locator"]) == (200, "null")
    return reply.content, int(reply.headers["Sforce-NumberOfRecords"])


def split(lab: SalesforceLab, records: int, pages: int) -> None:
    lab.sandbox.salesforce_settings(page_rows=math.ceil(records / pages))


@pytest.mark.parametrize(("name", "delimiter", "ending", "pages", "gzip"), FORMS)
def test_every_form_of_every_object(
    lab: SalesforceLab, tmp_path: Path, name: str, delimiter: str, ending: str, pages: int, gzip: str
) -> None:
    ref = query(lab, name, columnDelimiter=delimiter, lineEnding=ending)
    expected, records = reference(lab, ref)
    split(lab, records, pages)
    lab.sandbox.salesforce_settings(gzip=gzip)
    done = lab.client.download(ref, Output("a.csv"), LocalSink(tmp_path))
    assert (tmp_path / "a.csv").read_bytes() == expected
    assert done.record_count == records


@pytest.mark.parametrize(("fault", "pages", "gzip"), FAULTS)
def test_what_can_be_borne(lab: SalesforceLab, tmp_path: Path, fault: str, pages: int, gzip: str) -> None:
    ref = query(lab, "Account")
    expected, records = reference(lab, ref)
    split(lab, records, pages)
    lab.sandbox.salesforce_settings(gzip=gzip)
    lab.fault("query.results", nth=2, **BORNE[fault])
    done = lab.client.download(ref, Output("a.csv"), LocalSink(tmp_path))
    assert (tmp_path / "a.csv").read_bytes() == expected
    assert done.record_count == records


@pytest.mark.parametrize("fault", UNBEARABLE)
@pytest.mark.parametrize("pages", [2, 40])
def test_what_cannot_be_borne(lab: SalesforceLab, tmp_path: Path, fault: str, pages: int) -> None:
    ref = query(lab, "Account")
    split(lab, reference(lab, ref)[1], pages)
    operation, action = UNBEARABLE[fault]
    lab.fault(operation, times=0, **action)
    with pytest.raises(JobsError):
        lab.client.download(ref, Output("a.csv"), LocalSink(tmp_path))
    assert not (tmp_path / "a.csv").exists()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_silently_dropped_record_or_page_is_always_noticed(
    lab: SalesforceLab, tmp_path: Path, data: st.DataObject
) -> None:
    """Once only, for a page that is read again; the service itself believes what it sends."""
    lab.sandbox.clear_faults()
    ref = query(lab, "User")
    expected, records = reference(lab, ref)
    pages = data.draw(st.sampled_from([1, 2, 3, 10, 50]), "pages")
    split(lab, records, pages)
    nth = data.draw(st.integers(1, pages), "nth")
    if pages > 1 and data.draw(st.booleans(), "page"):
        page = data.draw(st.integers(0, min(pages, 5) - 1), "number")
        lab.fault("query.resultPages", "skip_page", page=page, times=0)
    else:
        record = data.draw(st.integers(0, records // pages - 1), "record")
        lab.fault("query.results", "drop_record", nth=nth, record=record)
    target = tmp_path / "a.csv"
    target.unlink(missing_ok=True)
    with pytest.raises(JobsError):
        lab.client.download(ref, Output("a.csv"), LocalSink(tmp_path))
    assert not target.exists(), expected[:100]
