"""Several files as one, and parts of one: no header or byte order mark in the middle, and no row is lost."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.csv_records import CsvForm
from airflow_provider_jobs.core.sources.slices import JoinedSource, joined, section
from airflow_provider_jobs.core.sources.source import FileSource, GzipSource, Reader
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from pathlib import Path

SIZES = st.integers(1, 100)
BOM = codecs.BOM_UTF8
#: One record of CSV, its line end included if it has one.
RECORD = re.compile(rb'(?:"[^"]*"|[^"\n])*\n|(?:"[^"]*"|[^"\n])+\Z')


def everything(reader: Reader, size: int = 7) -> bytes:
    content = b"".join(iter(lambda: reader.read(size), b""))
    reader.close()
    return content


def one_of(*contents: bytes, rows: int = 1) -> JoinedSource:
    return together([source_of(content) for content in contents], rows)


def together(sources: list[Any], rows: int = 0, **form: Any) -> JoinedSource:
    places = {f"{number} {source.name}": source for number, source in enumerate(sources)}
    return joined(places, CsvForm(rows, **form))


RECORDS = [b"a,b\n", b"1,2\r\n", b'"a\nb",""\n', b'"\r\n"\r\n', b"\n", BOM + b"3\n"]
LAST = [b"", b"x", b"\nx\r", b'"a\n"', BOM]
FILES = st.builds(
    lambda mark, records, last: b"".join([mark, *records, last]),
    st.sampled_from([b"", BOM]),
    st.lists(st.sampled_from(RECORDS), max_size=3),
    st.sampled_from(LAST),
)


def plainly_joined(contents: list[bytes], rows: int) -> bytes:
    """Without the marks that files begin with, all records; the headers of the first file that has more."""
    files = [RECORD.findall(content.removeprefix(BOM)) for content in contents]
    first = next((at for at, records in enumerate(files) if records[rows:]), 0)
    kept = [records if at == first else records[rows:] for at, records in enumerate(files)]
    text = b"".join(record.removesuffix(b"\n") + b"\n" for records in kept for record in records)
    return BOM + text if files[first] and contents[first].startswith(BOM) else text


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

    @pytest.mark.parametrize(
        ("contents", "expected"),
        [
            ([b"1\n", BOM + b"2\n", BOM + b"3"], b"1\n2\n3\n"),
            ([BOM + b"1\n", BOM + b"2\n"], BOM + b"1\n2\n"),
            ([BOM + b'{"a": 1}', BOM + b'{"a": 2}\n'], BOM + b'{"a": 1}\n{"a": 2}\n'),
            ([b"", BOM + b"1\n", BOM + b"2\n"], BOM + b"1\n2\n"),
            ([BOM, BOM + b"1\n", BOM + b"2\n"], BOM + b"1\n2\n"),
            ([BOM, b"1\n", BOM, b"2\n", BOM], b"1\n2\n"),
            ([BOM + b"\n", BOM + b"\n"], BOM + b"\n\n"),
            ([b"1\n", BOM + BOM + b"2\n"], b"1\n" + BOM + b"2\n"),
            ([b"1\n", BOM[:2] + b"\n"], b"1\n" + BOM[:2] + b"\n"),
            ([BOM, BOM], b""),
            ([BOM], b""),
        ],
    )
    def test_a_byte_order_mark_stays_at_the_beginning_only(
        self, contents: list[bytes], expected: bytes
    ) -> None:
        """Elsewhere it would be part of a value; a second one is a value, as it is in a file of its own."""
        source = one_of(*contents, rows=0)
        assert everything(source.open()) == expected
        assert source.size == len(expected)

    @pytest.mark.parametrize(
        ("contents", "expected"),
        [
            ([b"h\n1\n", BOM + b"h\n2\n"], b"h\n1\n2\n"),
            ([BOM + b'"a\nb"\n1\n', BOM + b'"a\nb"\n2\n'], BOM + b'"a\nb"\n1\n2\n'),
            ([BOM + b"h\n", BOM + b"h\n2\n", b"h\n3\n"], BOM + b"h\n2\n3\n"),
            ([BOM, b"h\n2\n", BOM + b"h\n"], b"h\n2\n"),
            ([BOM + b"h\n", b"h\n"], BOM + b"h\n"),
            ([BOM], b""),
        ],
    )
    def test_a_byte_order_mark_before_a_header_goes_with_it(
        self, contents: list[bytes], expected: bytes
    ) -> None:
        source = one_of(*contents)
        assert everything(source.open()) == expected
        assert source.size == len(expected)

    @settings(max_examples=200)
    @given(
        contents=st.lists(FILES, min_size=1, max_size=5),
        rows=st.integers(0, 2),
        share=st.floats(0, 1),
        size=SIZES,
    )
    def test_is_the_same_from_any_offset(
        self, contents: list[bytes], rows: int, share: float, size: int
    ) -> None:
        whole = plainly_joined(contents, rows)
        source = one_of(*contents, rows=rows)
        assert source.size == len(whole)
        offset = int(len(whole) * share)
        assert everything(source.open(offset), size) == whole[offset:]
        assert everything(source.open(offset), -1) == whole[offset:]

    @pytest.mark.parametrize(
        ("contents", "rows", "fingerprint"),
        [
            ([b"h\n1\n", b"h\n2"], 1, "one|two"),
            ([BOM + b"h\n1\n", BOM + b"h\n2\n"], 1, "one|two"),
            ([BOM + b"1\n", b"2\n"], 0, "one|two"),
            ([b"1\n", BOM + b"2\n"], 0, "one|two:unmarked"),
            ([BOM, BOM + b"2\n"], 0, "one:unmarked|two"),
        ],
    )
    def test_an_upload_that_was_begun_is_recognised(
        self, contents: list[bytes], rows: int, fingerprint: str
    ) -> None:
        """Also one of an earlier version, unless that has sent a byte order mark that is left out now."""
        sources = [
            source_of(each, fingerprint=name) for each, name in zip(contents, ["one", "two"], strict=True)
        ]
        assert together(sources, rows).fingerprint == fingerprint

    def test_says_what_it_is(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.csv", "b.csv")]
        for path in paths:
            path.write_bytes(b"x\n")
        source = together([FileSource(path) for path in paths])
        assert source.name == "a.csv"
        source.check()
        paths[1].write_bytes(b"xy\n")
        with pytest.raises(SourceChanged, match=r"b\.csv"):
            source.check()
        assert together([FileSource(path) for path in paths]).fingerprint != source.fingerprint

    def test_a_source_that_adds_nothing_may_not_change_either(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.csv", "b.csv")]
        for path in paths:
            path.write_bytes(b"h\n1\n" if path == paths[0] else b"h\n")
        source = together([FileSource(path) for path in paths], 1)
        paths[1].write_bytes(b"h\n2\n")
        with pytest.raises(SourceChanged, match=r"b\.csv"):
            source.check()

    def test_a_source_of_unknown_size_cannot_be_joined(self) -> None:
        with pytest.raises(ConfigurationError, match=r"rows\.csv does not know its size"):
            together([source_of(b"x", sized=False)])

    def test_a_source_that_becomes_shorter_is_told(self) -> None:
        """What comes after it would take its place."""
        shorter = source_of(b"12\n", name="shorter.csv")
        source = together([source_of(b"0\n"), shorter, source_of(b"3\n")])
        object.__setattr__(shorter, "opener", lambda: io.BytesIO(b"1"))
        with pytest.raises(SourceChanged, match=r"shorter\.csv became shorter while it was sent"):
            everything(source.open())

    def test_a_source_that_becomes_longer_moves_nothing(self) -> None:
        longer = source_of(b"1\n")
        source = together([longer, source_of(b"2\n")])
        object.__setattr__(longer, "opener", lambda: io.BytesIO(b"1\n and more\n"))
        assert everything(source.open()) == b"1\n2\n"

    def test_a_source_that_has_grown_since_it_was_looked_at_moves_nothing(self) -> None:
        """Its header ends after what its size says."""
        grown = replace(source_of(b"header\n1\n"), size=2)
        source = together([grown, source_of(b"header\n2\n")], 1)
        assert everything(source.open()) == b"header\n2\n"
        assert source.size == 9

    def test_nothing_is_lost_if_a_source_cannot_be_opened_at_once(self) -> None:
        tries = iter([OSError("busy"), io.BytesIO(b"2\n")])

        def opener() -> Any:
            result = next(tries)
            if isinstance(result, OSError):
                raise result
            return result

        second = source_of(b"2\n")
        source = together([source_of(b"1\n"), second])
        object.__setattr__(second, "opener", opener)
        reader = source.open()
        assert reader.read(2) + reader.read(2) == b"1\n"
        with pytest.raises(OSError, match="busy"):
            reader.read(2)
        assert everything(reader) == b"2\n"

    def test_to_read_nothing_is_not_the_end(self) -> None:
        reader = one_of(b"1\n", b"2\n", rows=0).open()
        assert b"".join(reader.read(size) for size in (0, 1, 0, 1, 0, 1, 1)) == b"1\n2\n"

    def test_closes_what_it_reads(self) -> None:
        opened: list[Any] = []
        source = together([source_of(b"1\n", opened=opened), source_of(b"2\n", opened=opened)])
        everything(source.open())
        source.open().close()
        reader = source.open()
        assert reader.read(1) == b"1"
        reader.close()
        assert {each.closed for each in opened} == {True}

    def test_compresses_too(self) -> None:
        source = GzipSource(one_of(b"h\n1\n", b"h\n2\n"))
        assert gzip.decompress(everything(source.open())) == b"h\n1\n2\n"


class TestSection:
    """Some bytes, and after them a part of a source."""

    @given(
        head=st.binary(max_size=5),
        content=st.binary(max_size=30),
        bounds=st.tuples(st.integers(0, 30), st.integers(0, 30)),
        share=st.floats(0, 1),
        size=SIZES,
    )
    def test_is_the_same_from_any_offset(
        self, head: bytes, content: bytes, bounds: tuple[int, int], share: float, size: int
    ) -> None:
        begin, end = sorted(min(bound, len(content)) for bound in bounds)
        whole = head + content[begin:end]
        source = section(source_of(content), "part", head, begin, end)
        assert source.size == len(whole)
        offset = int(len(whole) * share)
        assert everything(source.open(offset), size) == whole[offset:]
        assert everything(source.open(offset), -1) == whole[offset:]

    def test_says_what_it_is(self) -> None:
        version = ["one"]
        inner = source_of(b"0123456789", fingerprint="one", look=lambda: version[0])
        source = section(inner, "part", b"h\n", 3, 8)
        assert (source.name, source.fingerprint) == ("part", "one:2+3-8")
        source.check()
        version[0] = "two"
        with pytest.raises(SourceChanged, match=r"rows\.csv was changed"):
            source.check()

    def test_a_source_that_becomes_shorter_is_told(self) -> None:
        with pytest.raises(SourceChanged, match=r"rows\.csv became shorter while it was sent"):
            everything(section(source_of(b"0123"), "rows.csv", b"h\n", 2, 8).open())


REFUSED: dict[str, tuple[list[bytes], CsvForm, str, str]] = {
    "compressed twice": (
        [b"1\n", gzip.compress(gzip.compress(b"2\n"))],
        CsvForm(),
        "",
        "1 rows.csv is compressed twice",
    ),
    "UTF-16": ([b"1\n", "\ufeff2\n".encode("utf-16-le")], CsvForm(), "", "1 rows.csv is in UTF-16"),
    "UTF-16BE": ([b"1\n", "\ufeff2\n".encode("utf-16-be")], CsvForm(), "", "1 rows.csv is in UTF-16"),
    "UTF-32": ([b"1\n", "\ufeff2\n".encode("utf-32-le")], CsvForm(), "", "1 rows.csv is in UTF-16 or UTF-32"),
    "UTF-32BE": ([b"1\n", "\ufeff2\n".encode("utf-32-be")], CsvForm(), "", "1 rows.csv is in UTF-32"),
    "a mark in ISO-8859-1": (
        [BOM + b"1\n"],
        CsvForm(),
        "ISO-8859-1",
        "0 rows.csv begins with the byte order",
    ),
    "carriage returns": ([b"1\n", b"2\r3\r"], CsvForm(), "", "1 rows.csv has lines that end with a carriage"),
    "one of them": (
        [b"h\n1\n", b"h\r2\n"],
        CsvForm(1),
        "",
        "1 rows.csv has header rows that end with a carri",
    ),
    "other names": (
        [b"a,b\n1,2\n", b"a,b\n", b"b,a\n2,1\n"],
        CsvForm(1, by_name=True),
        "",
        "0 rows.csv and 2 rows.csv have different header rows: a,b and b,a",
    ),
    "an open quote": (
        [b'1,"a\n', b"2,b\n"],
        CsvForm(),
        "",
        "0 rows.csv has a quote that is never closed: what 1 rows.csv begins with",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_the_same_cannot_be_joined(name: str) -> None:
    """A line end between two gzip files would spoil the second, and no header could be cut; and so on."""
    contents, form, encoding, message = REFUSED[name]
    places = {f"{number} rows.csv": source_of(content) for number, content in enumerate(contents)}
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        joined(places, form, encoding)


@pytest.mark.parametrize(
    ("contents", "form"),
    [
        ([b"a,b\n1,2\n", b'"a","b"\r\n2,1\n', b"a,b"], CsvForm(1, by_name=True)),
        ([b"b,a\n", b"a,b\n1,2\n"], CsvForm(1, by_name=True)),
        ([b"a,b\n1,2\n", b"b,a\n2,1\n"], CsvForm(1)),
        ([b'1,"a\n', b"2,b\n"], CsvForm(quoted_line_ends=False)),
        ([b'1,"a\n', b"2,b\n"], CsvForm(quote="")),
        ([b"1,a\n", b'2,"b'], CsvForm()),
    ],
)
def test_what_would_be_the_same_is_joined(contents: list[bytes], form: CsvForm) -> None:
    places = {f"{number} rows.csv": source_of(content) for number, content in enumerate(contents)}
    assert joined(places, form, "utf-8").size


def test_what_is_compressed_is_joined_as_text() -> None:
    mark = b"\xef\xbb\xbf"
    second = gzip.compress(mark + b"h\n") + gzip.compress(b"2")
    parts = (mark + b"h\n1\n", second, gzip.compress(b"h\n"))
    whole = joined({f"{number}.csv": source_of(part) for number, part in enumerate(parts)}, CsvForm(1))
    assert everything(whole.open()) == mark + b"h\n1\n2\n"
    assert everything(whole.open(6)) == b"\n2\n"
    assert whole.size == 9
