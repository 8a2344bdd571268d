"""Results as a stream of bytes: complete, or an error; what is cut is read again, as a whole page."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.page import PAGE_RETRY
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError, ServiceError, TransportError
from tests.unit.clients.salesforce.org import HEADER, INGEST_REF, ORG, QUERY_REF, Csv, Results, paged, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Clock


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


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
def test_a_page_that_is_cut_is_read_again(clock: Clock, at: int) -> None:
    org = Results(clock, paged(3, 3))
    org.faults["page 0"] = [cut_at(at), cut_at(at + 1), refusal(503)]
    org.faults["page 1"] = [TransportError("lost"), cut_at(at)]
    assert opened(org) == org.expected


def test_a_page_that_changed_meanwhile_is_not_mixed(clock: Clock) -> None:
    """Nothing of the one that was cut is given."""
    org = Results(clock, paged(3))

    def other(page: Csv) -> Csv:
        return Csv(page.body.replace(b'"0"', b'"9"'), page.headers)

    org.faults["page 0"] = [cut_at(40), other]
    assert opened(org) == org.expected.replace(b'"0"', b'"9"')


def test_a_page_that_is_shorter_now_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3))

    def shorter(page: Csv) -> Csv:
        headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "0"}
        return Csv(HEADER, headers, block=100)

    org.faults["page 0"] = [cut_at(40), shorter]
    with pytest.raises(ProtocolError, match="has 3 records, and its results have 0"):
        opened(org)


def test_no_content_is_no_records(clock: Clock) -> None:
    org = Results(clock, [[]])
    org.faults["page 0"] = [Csv(b"", {}, 204)]
    assert b"".join(SalesforceClient(org, ORG).open_results(QUERY_REF)) == b""


@pytest.mark.parametrize("fault", [cut_at(20), lambda page: Csv(page.body[:-9], page.headers)])
def test_nothing_is_given_of_a_page_that_is_not_whole(clock: Clock, fault: Any) -> None:
    org = Results(clock, paged(3, 2))
    org.faults["page 1"] = [fault] * 9
    given: list[bytes] = []
    with pytest.raises((TransportError, ProtocolError)):
        given.extend(SalesforceClient(org, ORG).open_results(QUERY_REF))
    assert b"".join(given) == HEADER + b"".join(org.pages[0])


def test_another_header_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3, 2))
    org.faults["page 1"] = [lambda page: Csv(page.body.replace(b"Name", b"Last"), page.headers)] * 9
    with pytest.raises(ProtocolError, match="another header"):
        opened(org)


def test_memory_and_disk_hold_one_page_at_most(clock: Clock, scratch: Path) -> None:
    org = Results(clock, [[b'"1","%s"\n' % (b"x" * BLOCK_BYTES * 2)], [b'"2",""\n']] * 2)
    blocks, sizes = list[int](), set[int]()
    for block in SalesforceClient(org, ORG).open_results(QUERY_REF):
        blocks.append(len(block))
        sizes.add(sum(path.stat().st_size for path in scratch.iterdir()))
    assert sum(blocks) == len(org.expected)
    assert max(blocks) <= BLOCK_BYTES
    assert max(sizes) == len(HEADER) + len(org.pages[0][0])


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_who_stops_early_leaves_no_file(clock: Clock, scratch: Path, taken: int) -> None:
    blocks = SalesforceClient(Results(clock, paged(3, 2, 4)), ORG).open_results(QUERY_REF)
    for _ in range(taken):
        next(blocks)
        assert [path for path in scratch.iterdir() if path.suffix == ".draft"]
    blocks.close()  # type: ignore[attr-defined]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("faults", [{}, {"page 1": [refusal(400)]}], ids=["read", "failed"])
def test_no_file_is_left(clock: Clock, scratch: Path, faults: dict[str, Any]) -> None:
    org = Results(clock, paged(3, 2))
    org.faults |= faults
    if faults:
        with pytest.raises(ServiceError):
            opened(org)
    else:
        opened(org)
    assert list(scratch.iterdir()) == []


def test_what_stays_broken_is_an_error(clock: Clock) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [cut_at(20)] * 9
    with pytest.raises(TransportError, match="cut"):
        opened(org)
    assert len(org.faults["page 0"]) == 9 - PAGE_RETRY.attempts
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


def test_an_ingest_job_has_other_results(clock: Clock) -> None:
    """Nothing is asked for that Salesforce does not know."""
    org = Results(clock, paged(2))
    with pytest.raises(ConfigurationError, match=r"is not a query: .* download_ingested reads"):
        b"".join(SalesforceClient(org, ORG).open_results(INGEST_REF))
    assert org.sent == []
