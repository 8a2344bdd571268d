"""Results as a stream of bytes: complete, or an error; what is cut is read on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results import page as salesforce_results
from airflow_provider_jobs.clients.salesforce.results.page import Header, Page, listed_pages
from airflow_provider_jobs.errors import JobsError, ProtocolError, ServiceError, TransportError
from tests.unit.clients.salesforce.org import (
    HEADER,
    ID,
    ORG,
    QUERY_REF,
    Csv,
    Results,
    client_of,
    paged,
    refusal,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


def opened(org: Results, **how: Any) -> bytes:
    return b"".join(SalesforceClient(org, ORG).open_results(QUERY_REF, **how))


def cut_at(at: int, change: Any = None) -> Any:
    def fault(page: Csv) -> Csv:
        page.cut, page.cut_at = TransportError("cut"), at
        return change(page) if change else page

    return fault


@pytest.mark.parametrize("counts", [(4,), (2, 3, 1), (0, 2)])
def test_all_pages_come_with_one_header(clock: Clock, counts: tuple[int]) -> None:
    org = Results(clock, paged(*counts))
    assert opened(org) == org.expected
    assert not any("resultPages" in each for each in org.asked)


def test_the_size_of_a_page_stays_the_same(clock: Clock) -> None:
    org = Results(clock, paged(2, 2))
    opened(org, page_records=2)
    assert [each.params.get("maxRecords") for each in org.sent[1:]] == [2, 2]


@pytest.mark.parametrize("at", [0, 3, 12, 13, 30, 47])
def test_a_page_that_is_cut_is_read_on_where_it_was(clock: Clock, at: int) -> None:
    org = Results(clock, paged(3, 3))
    org.faults["page 0"] = [cut_at(at), cut_at(at + 1), refusal(503)]
    org.faults["page 1"] = [TransportError("lost"), cut_at(at)]
    assert opened(org) == org.expected


def test_a_page_that_changed_meanwhile_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3))

    def other(page: Csv) -> Csv:
        return Csv(page.body.replace(b'"0"', b'"9"'), page.headers)

    org.faults["page 0"] = [cut_at(40), *[other] * 9]
    with pytest.raises(ProtocolError, match="is another now"):
        opened(org)


def test_a_page_that_is_shorter_now_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3))

    def shorter(page: Csv) -> Csv:
        headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "0"}
        return Csv(HEADER, headers, block=100)

    org.faults["page 0"] = [cut_at(40), *[shorter] * 9]
    org.total = 0
    with pytest.raises(ProtocolError, match="is shorter now"):
        opened(org)


def test_what_stays_broken_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [cut_at(20)] * 9
    with pytest.raises(TransportError, match="cut"):
        opened(org)
    assert len(clock.pauses) == salesforce_results.PAGE_PATIENCE.attempts - 1
    org.faults["page 0"] = [refusal(400)]
    with pytest.raises(ServiceError):
        opened(org)


def test_a_page_is_not_waited_for_by_the_hour(clock: Clock) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [refusal(503, Retry_After="7200")]
    with pytest.raises(ServiceError, match="503"):
        opened(org)
    assert clock.pauses == []


def test_pages_without_an_end_of_the_line_are_not_joined(clock: Clock) -> None:
    org = Results(clock, paged(2, 2))
    org.framed = True
    org.pages[0][1] = org.pages[0][1].rstrip()
    org.pages[1][1] = org.pages[1][1].rstrip()
    assert opened(org) == HEADER + b"".join(org.pages[0]) + b"\n" + b"".join(org.pages[1])


def test_a_total_that_differs_is_an_error_at_the_end(clock: Clock) -> None:
    org = Results(clock, paged(2))
    org.total = 3
    with pytest.raises(ProtocolError, match="has 3 records"):
        opened(org)


def test_pages_in_a_circle_are_an_error(clock: Clock) -> None:
    org = Results(clock, paged(2, 2))
    org.faults["page 1"] = [lambda page: Csv(page.body, {"Sforce-Locator": "L1"})]
    with pytest.raises(ProtocolError, match="circle"):
        opened(org)


def test_csv_is_asked_for_and_may_be_compressed(clock: Clock) -> None:
    org = Results(clock, paged(1))
    opened(org)
    assert org.sent[1].headers["Accept"] == "text/csv"
    assert org.sent[1].headers["Accept-Encoding"] == "gzip"


def test_a_long_header_may_come_in_pieces(clock: Clock) -> None:
    name = b'"' + b"x" * 100 + b'\nand more"'
    client, _ = client_of(clock, Csv(name + b'\n"1"\n', {"Sforce-Locator": "null"}, block=7))
    page = Page(client, "v59.0/x", {}, Header(), with_header=False)
    assert b"".join(page.blocks()) == b'"1"\n'
    assert page.records == 1


def test_a_header_without_end_is_an_error(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_results, "MOST_HEADER_BYTES", 50)
    client, _ = client_of(clock, Csv(b"x" * 100, {"Sforce-Locator": "null"}))
    with pytest.raises(ProtocolError, match="begins with no header"):
        list(Page(client, "v59.0/x", {}, Header(), with_header=True).blocks())


def listing(*urls: Any, following: str | None = None, **more: Any) -> dict[str, Any]:
    return {"resultPages": list(urls), "nextRecordsUrl": following, "done": following is None, **more}


def test_only_locators_are_taken_from_a_list_of_pages(clock: Clock) -> None:
    """The addresses may have other paths, other hosts and double slashes."""
    client, script = client_of(
        clock,
        listing({"resultUrl": "/a//results"}, following="https://x.example/wrong?x=1&locator=M2&y=2"),
        {"resultPages": [{"resultUrl": "https://x/?locator=A%3D%3D"}], "nextRecordUrl": "?locator=M3"},
        listing("results?locator=B"),
    )
    found = list(listed_pages(client, QUERY_REF))
    assert [(page.locator, page.list_locator) for page in found] == [
        (None, None),
        ("A==", "M2"),
        ("B", "M3"),
    ]
    assert set(script.asked) == {f"GET v59.0/jobs/query/{ID}/resultPages"}
    assert [each.params for each in script.sent] == [{}, {"locator": "M2"}, {"locator": "M3"}]


def test_the_other_names_of_a_list_of_pages(clock: Clock) -> None:
    """node-sf-bulk2 reads resultChunks and resultLink, which Salesforce does not document."""
    chunks = [{"resultLink": "/jobs/query/x/results?locator=A"}, {"resultLink": "?locator=B"}]
    client, _ = client_of(clock, {"resultChunks": chunks, "nextRecordsUrl": None, "done": True})
    assert [page.locator for page in listed_pages(client, QUERY_REF)] == ["A", "B"]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([{}], "holds no pages"),
        ([listing({"resultUrl": "?locator=A"}, {"resultUrl": "?locator=A"})], "a page twice"),
        ([listing({"resultUrl": "?locator=A"}, {"resultUrl": 3})], "what is no address"),
        ([listing(following="?locator=M"), listing(following="?locator=M")], "in a circle"),
        ([listing(following="?x=M")], "goes on, and not where"),
        ([listing(done=False)], "goes on, and not where"),
    ],
)
def test_a_list_of_pages_that_is_none_is_an_error(clock: Clock, documents: list[Any], message: str) -> None:
    client, _ = client_of(clock, *documents)
    with pytest.raises(JobsError, match=message):
        list(listed_pages(client, QUERY_REF))
