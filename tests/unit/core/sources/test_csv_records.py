"""Records are counted as a CSV parser counts them, only faster."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.csv_records import RecordCounter, last_record_end, record_end

VALUES = st.text(st.sampled_from('a,"\n\r\0\u2028é'), max_size=5)


def text_of(records: list[list[str]], line_end: str) -> bytes:
    quoted = [",".join('"' + value.replace('"', '""') + '"' for value in record) for record in records]
    return "".join(line + line_end for line in quoted).encode()


@given(
    records=st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=6),
    line_end=st.sampled_from(["\n", "\r\n"]),
    block_bytes=st.integers(1, 9),
    cut=st.integers(0, 2),
)
def test_the_count_is_a_parsers(records: list[list[str]], line_end: str, block_bytes: int, cut: int) -> None:
    text = text_of(records, line_end)
    text = text[: len(text) - min(cut, len(line_end))]
    counter = RecordCounter()
    for at in range(0, len(text), block_bytes):
        counter.take(text[at : at + block_bytes])
    parsed = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert counter.records == len(parsed) == len(records)
    assert counter.complete is (not records or text.endswith(b"\n"))
    assert not counter.quoted


@given(
    records=st.lists(st.lists(VALUES, min_size=1, max_size=2), min_size=1, max_size=5),
    at=st.integers(0, 60),
)
def test_ends_of_records_are_found(records: list[list[str]], at: int) -> None:
    text = text_of(records, "\n")
    ends = [len(text_of(records[: count + 1], "\n")) for count in range(len(records))]
    assert record_end(text) == ends[0]
    cut = text[:at]
    counter = RecordCounter()
    counter.take(cut)
    before = [end for end in ends if end <= len(cut)]
    assert last_record_end(cut, quoted=counter.quoted) == (before[-1] if before else 0)
    assert record_end(cut) == (before[0] if before else -1)


def test_a_quote_that_is_not_closed_shows() -> None:
    counter = RecordCounter()
    counter.take(b'"a\n')
    assert counter.quoted
    assert not counter.complete
    assert counter.records == 1
    counter.take(b"")
    assert counter.records == 1
