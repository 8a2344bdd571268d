"""One page of results, counted; and the list that names all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.results import page as salesforce_page
from airflow_provider_jobs.clients.salesforce.results.page import (
    MiscountedPage,
    Page,
    PageTooLarge,
    Wanted,
    listed_pages,
)
from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.errors import JobsError, ProtocolError
from tests.unit.clients.salesforce.org import ID, QUERY_REF, Csv, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.conftest import Clock


def reply_of(body: bytes, **headers: str) -> StreamedReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return StreamedReply(200, {"Sforce-Locator": "null", **named}, Csv(body, block=7).blocks())


def test_a_long_header_may_come_in_pieces() -> None:
    name = b'"' + b"x" * 100 + b'\nand more"'
    page = Page(Wanted("v59.0/x"), with_header=False)
    assert b"".join(page.blocks(reply_of(name + b'\n"1"\n'))) == b'"1"\n'
    assert page.records == 1


def test_a_header_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_page, "MOST_HEADER_BYTES", 50)
    with pytest.raises(ProtocolError, match="begins without a header"):
        list(Page(Wanted("v59.0/x"), with_header=True).blocks(reply_of(b"x" * 100)))


def unending(begin: bytes, piece: bytes, taken: list[bytes], **headers: str) -> StreamedReply:
    """Return a reply that goes on; a test that takes much of it has failed."""

    def blocks() -> Iterator[bytes]:
        yield begin
        for _ in range(10_000):
            taken.append(piece)
            yield piece

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return StreamedReply(200, {"Sforce-Locator": "null", **named}, blocks())


@pytest.mark.parametrize(
    ("wanted", "headers"),
    [
        (Wanted("v59.0/x"), {"Sforce_NumberOfRecords": "5"}),
        (Wanted("v59.0/x", records=5), {}),
        (Wanted("v59.0/x", some=True, most_records=5), {}),
        (Wanted("v59.0/x", some=True, most_records=5), {"Sforce_NumberOfRecords": "100"}),
    ],
)
def test_a_page_of_more_records_than_announced_is_refused_before_it_is_written(
    wanted: Wanted, headers: dict[str, str]
) -> None:
    taken: list[bytes] = []
    written: list[bytes] = []
    blocks = Page(wanted, with_header=True).blocks(unending(b"Id\n", b'"1"\n', taken, **headers))
    with pytest.raises(MiscountedPage, match="and 5 were announced"):
        written.extend(blocks)
    assert len(taken) == 6
    assert b"".join(written) == b"Id\n" + b'"1"\n' * 5


@pytest.mark.parametrize("piece", [b"x" * 100, b"line\n" * 20])
def test_a_record_without_end_is_refused(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_page, "MOST_RECORD_BYTES", 1000)
    monkeypatch.setattr(salesforce_page, "MOST_HEADER_BYTES", 100)
    taken: list[bytes] = []
    with pytest.raises(PageTooLarge, match="a record of results has more than 1000 bytes") as caught:
        list(Page(Wanted("v59.0/x"), with_header=True).blocks(unending(b'Id\n"', piece, taken)))
    assert len(taken) < 30
    assert not caught.value.retryable


def test_a_page_has_a_bound_in_bytes() -> None:
    taken: list[bytes] = []
    page = Page(Wanted("v59.0/x"), with_header=True, most_bytes=1000)
    with pytest.raises(PageTooLarge, match=r"more than 1000 bytes.*max_page_mb of the connection"):
        list(page.blocks(unending(b"Id\n", b'"1"\n', taken)))
    assert len(taken) == 250


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
        ([listing({"resultUrl": "?locator=A"}, {"resultUrl": 3})], "what is not an address"),
        ([listing(following="?locator=M"), listing(following="?locator=M")], "in a circle"),
        ([listing(following="?x=M")], "goes on, and not where"),
        ([listing(done=False)], "goes on, and not where"),
    ],
)
def test_a_list_of_pages_that_is_none_is_an_error(clock: Clock, documents: list[Any], message: str) -> None:
    client, _ = client_of(clock, *documents)
    with pytest.raises(JobsError, match=message):
        list(listed_pages(client, QUERY_REF))
