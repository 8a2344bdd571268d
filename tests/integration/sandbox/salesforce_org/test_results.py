"""Results of queries are Salesforce's CSV, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.sandbox.salesforce.org import ResultFile, SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.csv_format import DELIMITERS, CsvFormat
from tests.integration.sandbox.salesforce_org.org_bench import CONTACTS, expected_csv, java_double, read_csv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

OBJECTS = ["Account", "Case", "Contact", "Opportunity", "Shipment__c", "User"]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_field_of_every_object(reading: OrgBench, name: str) -> None:
    """Also NUL, newlines, quotes, emoji and the longest texts arrive unchanged."""
    fields = [each.name for each in reading.org.fields(name) if not each.compound and not each.formula]
    rows = [[row[field] for field in fields] for row in reading.rows(name)]
    assert len(rows) > 100
    assert reading.bytes_of(f"SELECT {', '.join(fields)} FROM {name}") == expected_csv([fields, *rows])  # noqa: S608 - SOQL


def test_awkward_texts_are_there(reading: OrgBench) -> None:
    texts = [row["Description"] or "" for row in reading.rows("Contact")]
    everything = "".join(texts)
    for part in (
        "\x00",
        "\r\n",
        "\n",
        "\u2028",
        '"',
        ",",
        "\t",
        "👨\u200d👩\u200d👧\u200d👦",
        "e\u0301",
        "日本語",
        "  blanks",
    ):
        assert part in everything
    assert max(map(len, texts)) > 25_000
    assert len(reading.rows("Contact")) == CONTACTS - CONTACTS // 997


@pytest.mark.parametrize("line_ending", ["LF", "CRLF"])
@pytest.mark.parametrize("delimiter", list(DELIMITERS))
def test_delimiters_and_line_endings(reading: OrgBench, delimiter: str, line_ending: str) -> None:
    """They stand between values and records only: newlines inside values are left alone."""
    fields = ["Id", "Title", "Description"]
    rows = [[row[field] for field in fields] for row in reading.rows("Contact")]
    ending = {"LF": "\n", "CRLF": "\r\n"}[line_ending]
    data = reading.bytes_of(
        "SELECT Id, Title, Description FROM Contact", delimiter=delimiter, line_ending=line_ending
    )
    assert data == expected_csv([fields, *rows], DELIMITERS[delimiter], ending)


@pytest.mark.parametrize(("delimiter", "line_ending"), [("SPACE", "LF"), ("COMMA", "CR")])
def test_unknown_forms_are_refused(reading: OrgBench, delimiter: str, line_ending: str) -> None:
    with pytest.raises(SalesforceRefusal):
        reading.bytes_of("SELECT Id FROM User", delimiter=delimiter, line_ending=line_ending)


def test_header_of_an_empty_result(reading: OrgBench) -> None:
    assert reading.bytes_of("SELECT Id, Account.Name FROM Contact LIMIT 0") == b'"Id","Account.Name"\n'


def test_any_run_of_records_is_a_range_of_bytes(reading: OrgBench, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    written = reading.org.run_query("SELECT Id, Description FROM Contact", into=path)
    data = path.read_bytes()
    records = read_csv(data)
    assert written == ResultFile.at(path)
    assert written.header() == data[: written.header_bytes] == b'"Id","Description"\n'
    assert written.record_count == len(records) - 1
    for first, count in [(0, 1), (17, 500), (0, 10**9), (len(records) - 3, 100)]:
        start, end = written.page(first, count)
        assert read_csv(data[start:end]) == records[1:][first : first + count]
    assert written.page(10**9, 5) == (len(data), len(data))
    assert written.page(5, 0)[0] == written.page(5, 0)[1]
    written.delete()
    assert list(tmp_path.iterdir()) == []


def test_pages_add_up(reading: OrgBench, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    written = reading.org.run_query("SELECT Id, Description FROM Contact", into=path)
    size = 37
    ranges = [written.page(first, size) for first in range(0, written.record_count, size)]
    data = path.read_bytes()
    assert written.header() + b"".join(data[start:end] for start, end in ranges) == data


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ['"', "\x00", "\r\n", '",\n"', "\u2028", "\ufeff", "a\r"]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.lists(st.none() | anything, min_size=2, max_size=2), max_size=8),
    delimiter=st.sampled_from(sorted(DELIMITERS)),
    line_ending=st.sampled_from(["LF", "CRLF"]),
)
def test_any_text_survives(
    reading: OrgBench, records: list[list[Any]], delimiter: str, line_ending: str
) -> None:
    """Whatever the values are, Python's csv module reads them back, and the bytes are the expected ones."""
    form = CsvFormat(delimiter, line_ending)
    cursor = reading.org._store._connection.cursor()
    cursor.execute("CREATE OR REPLACE TEMP TABLE anything (n INTEGER, a VARCHAR, b VARCHAR)")
    for number, record in enumerate(records):
        cursor.execute("INSERT INTO anything VALUES (?, ?, ?)", [number, *record])
    cursor.execute(f"SELECT {form.record_sql(['a', 'b'])} FROM anything ORDER BY n")  # noqa: S608 - our names
    path = reading.folder / "anything.csv"
    written = form.write(path, ["a", "b"], cursor)
    data = path.read_bytes()
    assert data == expected_csv([["a", "b"], *records], form.delimiter, form.line_ending)
    assert read_csv(data, delimiter=form.delimiter)[1:] == [[cell or "" for cell in row] for row in records]
    for number, record in enumerate(records):
        start, end = written.page(number, 1)
        assert data[start:end] == expected_csv([record], form.delimiter, form.line_ending)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12).map(
    lambda n: n / 100
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(numbers, min_size=10, max_size=100))
def test_numbers_look_like_java(reading: OrgBench, written: list[float]) -> None:
    """Salesforce prints a currency of ten million as 1.0E7."""
    cursor = reading.org._store._connection.cursor()
    cursor.execute("SELECT sf_double(x) FROM (SELECT unnest(?::DOUBLE[]) AS x)", [written])
    assert [shown for (shown,) in cursor.fetchall()] == [java_double(each) for each in written]
