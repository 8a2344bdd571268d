"""Several files as one: no header comes twice, and no row is lost."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.slices import JoinedSource, header_bytes, joined
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, FileSource, GzipSource, Reader
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from pathlib import Path

SIZES = st.integers(1, 100)


def everything(reader: Reader, size: int = 7) -> bytes:
    content = b"".join(iter(lambda: reader.read(size), b""))
    reader.close()
    return content


def one_of(*contents: bytes, rows: int = 1) -> JoinedSource:
    return joined([source_of(content) for content in contents], rows)


LINES = st.lists(st.sampled_from([b"a,b\n", b"1,2\n", b"\n", b"x"]), max_size=4).map(b"".join)


class TestJoinedSource:
    """Several files as one."""

    @pytest.mark.parametrize(
        ("contents", "expected"),
        [
            ([b"h\n1\n", b"h\n2\n"], b"h\n1\n2\n"),
            ([b"h\n1", b"h\n2"], b"h\n1\n2\n"),
            ([b"h\r\n1", b"h\r\n2\r\n"], b"h\r\n1\n2\r\n"),
            ([b"h\n1\n", b"h\n"], b"h\n1\n"),
            ([b"h\n1\n", b"h", b"h\n2\n"], b"h\n1\n2\n"),
            ([b"h", b"h\n2\n"], b"h\n2\n"),
            ([b"h\n", b"h\n2\n", b"h\n3\n"], b"h\n2\n3\n"),
            ([b"h", b"h\n"], b"h\n"),
            ([b"", b"h\n2\n", b"", b"h\n3\n"], b"h\n2\n3\n"),
            ([b""], b""),
        ],
    )
    def test_headers_come_once_and_every_line_ends(self, contents: list[bytes], expected: bytes) -> None:
        """A file of a header alone adds nothing, above all no empty line, which would be a row of nulls."""
        source = one_of(*contents)
        assert everything(source.open()) == expected
        assert source.size == len(expected)

    def test_without_headers_nothing_is_left_out(self) -> None:
        assert everything(one_of(b"1\n", b"2\n", rows=0).open()) == b"1\n2\n"

    @given(
        contents=st.lists(LINES, min_size=1, max_size=5),
        rows=st.integers(0, 2),
        share=st.floats(0, 1),
        size=SIZES,
    )
    def test_is_the_same_from_any_offset(
        self, contents: list[bytes], rows: int, share: float, size: int
    ) -> None:
        every = [content.splitlines(keepends=True) for content in contents]
        first = next((at for at, lines in enumerate(every) if lines[rows:]), 0)
        lines = [lines[0 if at == first else rows :] for at, lines in enumerate(every)]
        whole = b"".join(line if line.endswith(b"\n") else line + b"\n" for each in lines for line in each)
        source = one_of(*contents, rows=rows)
        assert source.size == len(whole)
        offset = int(len(whole) * share)
        assert everything(source.open(offset), size) == whole[offset:]
        assert everything(source.open(offset), -1) == whole[offset:]

    def test_says_what_it_is(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.csv", "b.csv")]
        for path in paths:
            path.write_bytes(b"x\n")
        source = JoinedSource([FileSource(path) for path in paths], [0, 0])
        assert source.name == "a.csv"
        source.check()
        paths[1].write_bytes(b"xy\n")
        with pytest.raises(SourceChanged, match=r"b\.csv"):
            source.check()
        assert JoinedSource([FileSource(path) for path in paths], [0, 0]).fingerprint != source.fingerprint

    def test_a_source_of_unknown_size_cannot_be_joined(self) -> None:
        with pytest.raises(ConfigurationError, match=r"rows\.csv\.gz does not know its size"):
            JoinedSource([GzipSource(source_of(b"x"))], [0])

    def test_closes_what_it_reads(self) -> None:
        opened: list[Any] = []
        source = JoinedSource([source_of(b"1\n", opened=opened), source_of(b"2\n", opened=opened)], [0, 0])
        everything(source.open())
        source.open().close()
        reader = source.open()
        assert reader.read(1) == b"1"
        reader.close()
        assert {each.closed for each in opened} == {True}

    def test_compresses_too(self) -> None:
        source = GzipSource(one_of(b"h\n1\n", b"h\n2\n"))
        assert gzip.decompress(everything(source.open())) == b"h\n1\n2\n"


class TestHeaderBytes:
    """How long the first rows of a CSV file are."""

    @settings(max_examples=200)
    @given(
        rows=st.lists(
            st.lists(st.text(max_size=5) | st.sampled_from(['"', "\n", ",", '"\n"']), min_size=1), max_size=4
        ),
        count=st.integers(0, 5),
        line_end=st.sampled_from(["\n", "\r\n"]),
    )
    def test_agrees_with_who_writes_csv(self, rows: list[list[str]], count: int, line_end: str) -> None:
        def written(some: list[list[str]]) -> bytes:
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator=line_end).writerows(some)
            return text.getvalue().encode()

        assert header_bytes(source_of(written(rows)), count) == len(written(rows[:count]))

    @pytest.mark.parametrize(("quote", "header"), [("'", b"a,'\n\"'\n"), ("", b"a,\"'\n")])
    def test_takes_another_quote_or_none(self, quote: str, header: bytes) -> None:
        assert header_bytes(source_of(header + b"1,2\n"), 1, quote) == len(header)

    def test_reads_no_more_than_it_has_to(self) -> None:
        opened: list[Any] = []
        assert header_bytes(source_of(b"h\n" + bytes(BLOCK_BYTES), opened=opened), 1) == 2
        assert opened[0].closed
        assert opened[0].given <= 64 * 1024

    def test_finds_the_end_of_a_header_longer_than_a_block(self) -> None:
        header = b",".join(b"%d" % number for number in range(20_000)) + b"\n"
        assert header_bytes(source_of(header + b"1\n"), 1) == len(header)

    @pytest.mark.parametrize(
        ("content", "header"),
        [
            (b'# pipes of 12" and more\nid\n1,a\n', b'# pipes of 12" and more\nid\n'),
            (b'id,size 5"\n"a\nb"\n1,b"\n', b'id,size 5"\n"a\nb"\n'),
            (b'"a\nb","c""d\n"\n"",""\n1,2\n', b'"a\nb","c""d\n"\n"",""\n'),
            (codecs.BOM_UTF8 + b'"a\nb"\nid\n1\n', codecs.BOM_UTF8 + b'"a\nb"\nid\n'),
        ],
    )
    def test_a_quote_opens_only_where_a_field_begins(self, content: bytes, header: bytes) -> None:
        """Anywhere else it would run to the next one, and the rows between would be lost."""
        assert content[: header_bytes(source_of(content), 2)] == header

    @pytest.mark.parametrize("delimiter", ["tab", "\\t", "\t"])
    def test_takes_another_delimiter(self, delimiter: str) -> None:
        header = b'a\t"b\nc"\n'
        assert header_bytes(source_of(header + b"1\t2\n"), 1, delimiter=delimiter) == len(header)

    def test_a_quote_that_stays_open_is_an_error(self) -> None:
        """All of the file would pass for its header."""
        with pytest.raises(ConfigurationError, match=r"rows\.csv has a quote .* never closed"):
            header_bytes(source_of(b'"a\n1\n2\n'), 1)


def test_what_is_compressed_cannot_be_joined() -> None:
    """A line end between two gzip files would spoil the second, and no header could be cut."""
    with pytest.raises(ConfigurationError, match="compressed already"):
        joined([source_of(b"1\n"), source_of(gzip.compress(b"2\n"))])
