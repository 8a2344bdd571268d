"""Records end, and are counted, as for a CSV parser, only faster."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources import csv_records
from airflow_provider_jobs.core.sources.csv_records import (
    CsvForm,
    RecordCounter,
    ends_inside_quotes,
    header_end,
    last_record_end,
    names_in,
    record_end,
)
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError
from tests.unit.core.upload.storage import source_of

#: Without carriage returns: not every version of Python puts those in quotes.
TEXTS = st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=5)
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


class TestHeaderEnd:
    """Where the first rows of a CSV file end."""

    @settings(max_examples=200)
    @given(
        rows=st.lists(
            st.lists(TEXTS | st.sampled_from(['"', "\n", ",", '"\n"', '"\r"']), min_size=1), max_size=4
        ),
        count=st.integers(0, 5),
        line_end=st.sampled_from(["\n", "\r\n"]),
    )
    def test_agrees_with_who_writes_csv(self, rows: list[list[str]], count: int, line_end: str) -> None:
        def written(some: list[list[str]]) -> bytes:
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator=line_end).writerows(some)
            return text.getvalue().encode()

        assert header_end(source_of(written(rows)), CsvForm(count)) == len(written(rows[:count]))

    @pytest.mark.parametrize(("quote", "header"), [("'", b"a,'\n\"'\n"), ("", b"a,\"'\n")])
    def test_takes_another_quote_or_none(self, quote: str, header: bytes) -> None:
        assert header_end(source_of(header + b"1,2\n"), CsvForm(1, quote)) == len(header)

    def test_reads_no_more_than_it_has_to(self) -> None:
        opened: list[Any] = []
        assert header_end(source_of(b"h\n" + bytes(BLOCK_BYTES), opened=opened), CsvForm(1)) == 2
        assert opened[0].closed
        assert opened[0].given <= 64 * 1024

    def test_finds_the_end_of_a_header_longer_than_a_block(self) -> None:
        header = b",".join(b"%d" % number for number in range(20_000)) + b"\n"
        assert header_end(source_of(header + b"1\n"), CsvForm(1)) == len(header)

    @pytest.mark.parametrize(
        ("content", "header"),
        [
            (b'# pipes of 12" and more\nid\n1,a\n', b'# pipes of 12" and more\nid\n'),
            (b'id,size 5"\n"a\nb"\n1,b"\n', b'id,size 5"\n"a\nb"\n'),
            (b'"a\nb","c""d\n"\n"",""\n1,2\n', b'"a\nb","c""d\n"\n"",""\n'),
        ],
    )
    def test_a_quote_opens_only_where_a_field_begins(self, content: bytes, header: bytes) -> None:
        """Anywhere else it would run to the next one, and the rows between would be lost."""
        assert content[: header_end(source_of(content), CsvForm(2))] == header

    def test_begins_after_a_byte_order_mark(self) -> None:
        """The first field begins there, so a quote may open."""
        begin = len(codecs.BOM_UTF8)
        header = codecs.BOM_UTF8 + b'"a\nb"\nid\n'
        assert header_end(source_of(header + b"1\n"), CsvForm(2), begin=begin) == len(header)
        assert header_end(source_of(header + b"1\n"), CsvForm(), begin=begin) == begin

    @pytest.mark.parametrize("delimiter", ["tab", "\\t", "\t"])
    def test_takes_another_delimiter(self, delimiter: str) -> None:
        header = b'a\t"b\nc"\n'
        assert header_end(source_of(header + b"1\t2\n"), CsvForm(1, delimiter=delimiter)) == len(header)

    def test_a_quote_that_stays_open_is_an_error(self) -> None:
        """All of the file would pass for its header."""
        with pytest.raises(ConfigurationError, match=r"rows\.csv has a quote .* never closed"):
            header_end(source_of(b'"a\n1\n2\n'), CsvForm(1))

    @pytest.mark.parametrize("content", [b"a\r1\r2\r", b"a\r1\n2\n", b"a\r\r\n1\n", b"a\r1", b'"a"\r"1"\r'])
    def test_a_carriage_return_alone_is_an_error(self, content: bytes) -> None:
        """Who takes it for a line end finds another header than who does not."""
        with pytest.raises(
            ConfigurationError, match=r"here\.csv has header rows that end with a carriage ret"
        ):
            header_end(source_of(content), CsvForm(1), place="here.csv")

    @pytest.mark.parametrize("content", [b"a\r\n1\r2\n", b'"a\rb"\n1\n', b'"a\r\nb"\r\n1\n'])
    def test_a_carriage_return_elsewhere_is_none(self, content: bytes) -> None:
        assert content[header_end(source_of(content), CsvForm(1)) :].startswith(b"1")

    def test_a_line_end_inside_quotes_may_be_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"rows\.csv .* inside quotes .* allowQuotedNewlines"):
            header_end(source_of(b'"a\nb"\n1\n'), CsvForm(1, quoted_line_ends=False))
        header_end(source_of(b'a\n"1\n2"\n'), CsvForm(1, quoted_line_ends=False))


@pytest.mark.parametrize(
    ("header", "form", "names"),
    [
        (b'id,"name"\r\n', CsvForm(), ["id", "name"]),
        (b"title\nid;'a\n''b'\n", CsvForm(quote="'", delimiter=";"), ["id", "a\n'b"]),
        (b'id\t"a"\n', CsvForm(quote="", delimiter="tab"), ["id", '"a"']),
        (b"\xe9,\xc3\xa9\n", CsvForm(), ["\xe9", "\xc3\xa9"]),
        (b"id\n\n", CsvForm(), []),
    ],
)
def test_names_are_those_of_the_last_row(header: bytes, form: CsvForm, names: list[str]) -> None:
    assert names_in(header, form) == names


class TestEndsInsideQuotes:
    """Whether a value goes on behind the end."""

    @pytest.mark.parametrize(
        ("content", "inside"),
        [
            (b'1,"a', True),
            (b'1,"a\n', True),
            (b'1,"a""', True),
            (b'1,"', True),
            (b'1,""""', False),
            (b'1,""', False),
            (b'1,"a"\n2,12" pipe\n', False),
            (b'1,12" pipe\n2,"a', True),
            (b'1,"a"b"', False),
            (b"", False),
        ],
    )
    @pytest.mark.parametrize("block_bytes", [1, 2, 3, 100])
    def test_as_a_parser_says(
        self, content: bytes, inside: bool, block_bytes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(csv_records, "BLOCK_BYTES", block_bytes)
        assert ends_inside_quotes(source_of(content), CsvForm()) is inside

    def test_of_no_quotes(self) -> None:
        assert not ends_inside_quotes(source_of(b'1,"a\n"'), CsvForm(quote=""))
        assert not ends_inside_quotes(source_of(b'1,"a\n"'), CsvForm(quote="'"))
        assert ends_inside_quotes(source_of(b"\xef\xbb\xbf'a"), CsvForm(quote="'"), begin=3)
