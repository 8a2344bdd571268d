"""Whatever a server leaves out silently is noticed."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.errors import ProtocolError
from tests.unit.clients.salesforce.org import ORG, QUERY_REF, Results
from tests.unit.conftest import Clock

VALUES = st.text(st.sampled_from('a,;"\n\r\0\u2028\U0001f600'), max_size=6)


@st.composite
def pages(draw: Any) -> list[list[bytes]]:
    def record() -> bytes:
        values = [draw(VALUES) for _ in range(2)]
        return ",".join('"' + value.replace('"', '""') + '"' for value in values).encode() + b"\n"

    return [[record() for _ in range(draw(st.integers(1, 4)))] for _ in range(draw(st.integers(1, 5)))]


def download(org: Results, folder: str, workers: int) -> bytes:
    SalesforceClient(org, ORG).download(QUERY_REF, Output("a"), LocalSink(folder), workers=workers)
    return (Path(folder) / "a").read_bytes()


@settings(max_examples=150, deadline=None)
@given(pages=pages(), workers=st.sampled_from([1, 3]))
def test_what_arrives_is_what_was_sent(pages: list[list[bytes]], workers: int) -> None:
    org = Results(Clock(), pages)
    with tempfile.TemporaryDirectory() as folder:
        assert download(org, folder, workers) == org.expected
    assert b"".join(SalesforceClient(org, ORG).open_results(QUERY_REF)) == org.expected


@settings(max_examples=250, deadline=None)
@given(pages=pages(), workers=st.sampled_from([1, 3]), data=st.data())
def test_a_dropped_record_or_page_is_always_noticed(
    pages: list[list[bytes]], workers: int, data: st.DataObject
) -> None:
    """The server counts what it sends: only what the job says tells."""
    org = Results(Clock(), pages)
    page = data.draw(st.integers(0, len(pages) - 1))
    what = data.draw(st.sampled_from(["record", "page", "counted record"]))
    if what == "page" and len(org.pages) > 1:
        del org.pages[page]
    elif what == "counted record":
        count = str(len(org.pages[page]))
        del org.pages[page][data.draw(st.integers(0, len(org.pages[page]) - 1))]
        org.faults[f"page {page}"] = [_counted(count)] * 9
    else:
        del org.pages[page][data.draw(st.integers(0, len(org.pages[page]) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        with pytest.raises(ProtocolError):
            download(org, folder, workers)
        assert list(Path(folder).iterdir()) == []
    with pytest.raises(ProtocolError):
        list(SalesforceClient(org, ORG).open_results(QUERY_REF))


@settings(max_examples=150, deadline=None)
@given(pages=pages(), workers=st.sampled_from([1, 3]), data=st.data())
def test_a_page_that_ends_early_is_noticed(
    pages: list[list[bytes]], workers: int, data: st.DataObject
) -> None:
    """Nothing but its text tells where such a reply ends."""
    org = Results(Clock(), pages)
    page = data.draw(st.integers(0, len(pages) - 1))
    cut = data.draw(st.integers(1, 12))

    def early(reply: Any) -> Any:
        reply.body = reply.body[:-cut]
        return reply

    org.faults[f"page {page}"] = [early] * 9
    with tempfile.TemporaryDirectory() as folder, suppress(ProtocolError):
        download(org, folder, workers)
        pytest.fail("half a record was taken for a whole one")


def _counted(count: str) -> Any:
    def change(reply: Any) -> Any:
        reply.headers["Sforce-NumberOfRecords"] = count
        return reply

    return change
