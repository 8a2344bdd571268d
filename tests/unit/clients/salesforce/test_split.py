"""Records in parts that Salesforce takes: nothing lost, nothing twice, nothing cut in two."""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.salesforce import split as salesforce_split
from airflow_provider_jobs.clients.salesforce.split import header_of, split_csv
from airflow_provider_jobs.core.sources.source import GzipSource, OpenedSource, Source
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = b"Id,Name\n"


def read(source: Source) -> bytes:
    with closing(source.open()) as reader:
        return b"".join(iter(lambda: reader.read(7), b""))


def parts_of(content: bytes, **how: Any) -> list[tuple[bytes, int]]:
    with split_csv(source_of(content), **how) as parts:
        for part in parts:
            part.source.check()
            assert part.source.size == len(read(part.source))
        return [(read(part.source), part.record_count) for part in parts]


def test_what_fits_is_one_part() -> None:
    content = HEADER + b"1,a\n2,b\n"
    assert parts_of(content) == [(content, 2)]


def test_parts_end_with_records_and_repeat_the_header() -> None:
    content = HEADER + b'1,"a\nb"\n2,b\n3,"c""\n"\n4,dd'
    assert parts_of(content, most_bytes=len(HEADER) + 12) == [
        (HEADER + b'1,"a\nb"\n2,b\n', 2),
        (HEADER + b'3,"c""\n"\n', 1),
        (HEADER + b"4,dd", 1),
    ]


@pytest.mark.parametrize("block_bytes", [1, 5, 1000])
@settings(max_examples=100, deadline=None)
@given(
    records=st.lists(st.text(st.sampled_from('a,"\n\0é\U0001f600'), max_size=8), min_size=1, max_size=8),
    line_end=st.sampled_from(["\n", "\r\n"]),
    room=st.integers(24, 60),
    last_end=st.booleans(),
)
def test_no_record_is_lost_cut_or_doubled(
    block_bytes: int, records: list[str], line_end: str, room: int, *, last_end: bool
) -> None:
    lines = ['"' + record.replace('"', '""') + '"' for record in records]
    header = f"Name{line_end}".encode()
    text = header + (line_end.join(lines) + (line_end if last_end else "")).encode()
    most = max(room, max(map(len, (line.encode() for line in lines))) + 2 + len(header))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(salesforce_split, "BLOCK_BYTES", block_bytes)
        parts = parts_of(text, most_bytes=most)
    assert header + b"".join(part.removeprefix(header) for part, _ in parts) == text
    found = []
    for part, count in parts:
        assert part.startswith(header)
        assert len(part) <= most
        rows = list(csv.reader(io.StringIO(part.decode(), newline="")))[1:]
        assert len(rows) == count
        found += rows
    assert [row[0] if row else "" for row in found] == records


def unsized(content: bytes) -> Source:
    return source_of(content, sized=False)


def unseekable(content: bytes) -> Source:
    return OpenedSource(
        "rows.csv", len(content), "same", lambda: io.BytesIO(content), lambda: "same", seekable=False
    )


@pytest.mark.parametrize("kind", [unsized, unseekable])
def test_what_cannot_be_read_from_anywhere_is_copied(kind: Callable[[bytes], Source]) -> None:
    content = HEADER + b"1,a\n2,b\n3,c\n"
    with split_csv(kind(content), most_bytes=len(HEADER) + 8) as parts:
        assert [read(part.source) for part in parts] == [HEADER + b"1,a\n2,b\n", HEADER + b"3,c\n"]
        assert {part.source.name for part in parts} == {"rows.csv"}
        (first, _) = parts
        path = first.source._slices[1].source._path  # type: ignore[attr-defined]
        assert path.exists()
    assert not path.exists()


def test_a_part_can_be_read_from_any_offset_again_and_again() -> None:
    content = HEADER + b"1,a\n2,b\n3,c\n"
    with split_csv(source_of(content), most_bytes=len(HEADER) + 8) as parts:
        source = parts[1].source
        for offset in range((source.size or 0) + 1):
            with closing(source.open(offset)) as reader:
                assert b"".join(iter(reader.read, b"")) == (HEADER + b"3,c\n")[offset:]
                assert reader.read(1) == b""
        assert len({part.source.fingerprint for part in parts}) == 2


def test_a_source_that_changes_meanwhile_is_an_error() -> None:
    content = HEADER + b"1,a\n"
    with pytest.raises(SourceChanged), split_csv(source_of(content, look=lambda: "another")):
        pytest.fail("a changed source was lent")
    short = source_of(content)
    with split_csv(short) as parts:
        object.__setattr__(short, "opener", lambda: io.BytesIO(HEADER))
        with pytest.raises(SourceChanged, match="shorter"):
            read(parts[0].source)


def test_a_byte_order_mark_is_left_out() -> None:
    assert parts_of(b"\xef\xbb\xbf" + HEADER + b"1,a\n") == [(HEADER + b"1,a\n", 1)]


@pytest.mark.parametrize("line_ending", [None, "CRLF"])
def test_line_endings_are_found(line_ending: str | None) -> None:
    with split_csv(source_of(b"Id\r\n1\r\n"), line_ending=line_ending) as parts:
        assert [part.line_ending for part in parts] == ["CRLF"]
    with split_csv(source_of(b"Id\n1\n")) as parts:
        assert [part.line_ending for part in parts] == ["LF"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.csv is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \n\n", "is empty"),
        (b"\nId\n1\n", "holds no names of fields"),
        (b"I\0d\n1\n", "holds no names of fields"),
        (HEADER + b'1,"a\n2,b\n', "a quote opens in record 1, and none closes it"),
        (HEADER + b"1,caf\xe9\n", "is not in UTF-8"),
        (HEADER + b"1,caf\xc3", "is not in UTF-8"),
        (b"Id,Gr\xf6\xdfe\n1,a\n", "is not in UTF-8: see the bytes about 5"),
        (HEADER + b"1," + b"x" * 50, "record 1 has more than 42 bytes"),
        (HEADER + b"1,a\n2," + b"x" * 50 + b"\n", "record 2 has more than 42 bytes"),
        (b"x" * 60 + b"\n1\n", "a header that is larger than a part"),
        (b"PK\x03\x04...", "a zip file or a spreadsheet"),
        (b'{"Id": 1}\n{"Id": 2}\n', "is JSON"),
        (b"<html>\n", "is XML or HTML"),
        (b"\xff\xfeI\0d\0", "text in UTF-16"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
    ],
)
def test_what_is_no_csv_is_said_before_there_is_a_job(content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), split_csv(source_of(content), most_bytes=50):
        pytest.fail("this was taken for CSV")


def test_a_line_without_end_is_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_split, "MOST_HEADER_BYTES", 10)
    with pytest.raises(ConfigurationError, match="have no end of a line"), split_csv(source_of(b"x" * 99)):
        pytest.fail("this was taken for CSV")


@pytest.mark.parametrize(
    ("line_ending", "message"), [("CRLF", "end with LF, and line_ending is CRLF"), ("CR", "is 'CR'")]
)
def test_a_line_ending_that_clashes_is_refused(line_ending: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):  # noqa: SIM117 - one raises, the other lends
        with split_csv(source_of(HEADER + b"1,a\n"), line_ending=line_ending):
            pytest.fail("a clash was let through")


@pytest.mark.parametrize("content", [b"Id,Name", HEADER, HEADER + b"\n\r\n", HEADER + b"  \n "])
def test_a_header_without_records_has_no_parts(content: bytes) -> None:
    assert parts_of(content) == parts_of(gzip.compress(content)) == []
    assert header_of(source_of(content)) == header_of(source_of(gzip.compress(content))) == ("Id,Name", ",")


@pytest.mark.parametrize(
    ("content", "delimiter", "expected"),
    [
        (b"Id;Name\r\n", None, ("Id;Name", ";")),
        (b"Id|Name\n", "PIPE", ("Id|Name", "|")),
        (b'"sf__Id","sf__Error","Na""me"\n', None, ('"Na""me"', ",")),
    ],
)
def test_the_header_of_a_file_of_results_is_made_of_it(
    content: bytes, delimiter: str | None, expected: tuple[str, str]
) -> None:
    assert header_of(source_of(content), delimiter) == expected


def test_a_header_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is not in UTF-8"):
        header_of(source_of(b"Id,Gr\xf6\xdfe\n"))


@pytest.mark.parametrize("delimiter", [";", "semicolon", "tab"])
def test_what_is_not_a_delimiter_is_refused(delimiter: str) -> None:
    with pytest.raises(ConfigurationError, match=r"it is one of .*SEMICOLON"):  # noqa: SIM117 - as above
        with split_csv(source_of(HEADER + b"1,a\n"), delimiter=delimiter):
            pytest.fail("it was let through")


def test_a_compressed_source_is_read_as_text() -> None:
    text = HEADER + b"1,a\n2,b\n"
    assert parts_of(gzip.compress(text[:11]) + gzip.compress(text[11:])) == [(text, 2)]
    with split_csv(GzipSource(source_of(text))) as parts:
        assert read(parts[0].source) == text


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-9], lambda text: text + b"x", lambda text: text[:-1] + b"?"]
)
def test_what_cannot_be_decompressed_is_named(spoil: Callable[[bytes], bytes]) -> None:
    content = spoil(gzip.compress(HEADER + b"1,a\n"))
    with pytest.raises(ConfigurationError, match=r"rows\.csv is compressed by gzip, and cannot be"):
        parts_of(content)


@pytest.mark.parametrize("most_bytes", [20, 25, 1000])
def test_empty_lines_are_no_records(most_bytes: int) -> None:
    """Salesforce leaves them out, so counting them would make a miscount of what was written whole."""
    content = HEADER + b'1,a\n\n2,"x\n\ny"\n\n\n3,c\n4,""\n\n\n'
    found = parts_of(content, most_bytes=most_bytes)
    assert sum(count for _, count in found) == 4
    assert HEADER + b"".join(part.removeprefix(HEADER) for part, _ in found) == content
