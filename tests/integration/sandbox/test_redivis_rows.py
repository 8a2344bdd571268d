"""Redivis uploads are really read: rows are counted, broken files fail and say why."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa
import pyarrow.parquet
import pytest

if TYPE_CHECKING:
    from tests.integration.sandbox.redivis_api import RedivisApi


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"a": [1, 2, 3]}), file, row_group_size=2)
    return file.getvalue()


def avro() -> bytes:
    file = io.BytesIO()
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}]}
    fastavro.writer(file, schema, [{"a": 1}, {"a": 2}])
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "fields", "rows"),
    [
        ("a.csv", b"", {}, 0),
        ("a.csv", b"a,b\n", {}, 0),
        ("a.csv", b"a,b\n1,2", {}, 1),
        ("a.csv", b"1,2\r\n3,4\r\n", {"hasHeaderRow": False}, 2),
        ("a.csv", b'a,b\n1,"x\ny"\n2,"""z"""\n', {}, 2),
        ("a.csv", b'\xef\xbb\xbfa,b\n1,"\xff"\n', {}, 1),
        ("a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), {}, 1),
        ("a.tsv", b"a\tb\n1\t2,3\n", {}, 1),
        ("a.txt", b"a;b\n1;2\n", {}, 1),
        ("a.csv", b"a|b\n1|'2|3'\n", {"delimiter": "|", "quoteCharacter": "'"}, 1),
        ("a.csv", b'a,b\n1,"2\\"3"\n', {"escapeCharacter": "\\"}, 1),
        ("a.csv", b"a,b\n1\n", {"allowJaggedRows": True}, 1),
        ("a.csv", b"a\n" + b"x" * 200_000 + b"\n", {}, 1),
        ("a.ndjson", b'{"a": 1}\n\n{"a": 2}', {}, 2),
        ("a.jsonl", b'{"a": 1}\n', {}, 1),
        ("a", b'{"a": 1}\n', {"type": "stream", "schema": [{"name": "a", "type": "integer"}]}, 1),
        ("a.json", b'[{"a": 1}, {"a": 2}]', {}, 2),
        ("a.geojson", b'{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', {}, 1),
        ("a.parquet", parquet(), {}, 3),
        ("a.avro", avro(), {}, 2),
    ],
)
def test_rows(redivis: RedivisApi, name: str, content: bytes, fields: dict[str, Any], rows: int) -> None:
    upload = redivis.upload(content, name, **fields)
    assert (upload["status"], upload["errorMessage"]) == ("completed", None)
    assert (upload["numRows"], upload["badRecordsCount"]) == (rows, 0)


@pytest.mark.parametrize(
    ("name", "content", "fields", "rows"),
    [
        ("a.csv", b"a,b\n1,2\n3\n4,5,6\n7,8\n", {}, 2),
        ("a.csv", b'a,b\n1,"2"x\n3,4\n', {}, 1),
        ("a.csv", b'a,b\n1,"x\ny"\n3,4\n', {"hasQuotedNewlines": False}, 1),
        ("a.ndjson", b'{"a": 1}\n{"a"\n[]\n', {}, 1),
        ("a.json", b'[{"a": 1}, 2]', {}, 1),
    ],
)
def test_bad_records(
    redivis: RedivisApi, name: str, content: bytes, fields: dict[str, Any], rows: int
) -> None:
    """They fail the upload, which says how many they are, or are skipped and counted."""
    failed = redivis.upload(content, name, **fields)
    assert (failed["status"], failed["numRows"]) == ("failed", None)
    assert "could not be parsed; the first is record" in failed["errorMessage"]
    skipped = redivis.upload(content, f"skipped-{name}", skipBadRecords=True, **fields)
    assert (skipped["status"], skipped["numRows"]) == ("completed", rows)
    assert skipped["badRecordsCount"] == int(failed["errorMessage"].split(" ")[0]) > 0
    assert redivis.get(redivis.table)["numRows"] == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1", "Parquet"),
        ("a.avro", b"Obj", "Avro"),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"{}", "list of records"),
        ("a.xlsx", b"PK", "cannot read files of type xlsx"),
        ("a.csv", gzip.compress(bytes(101 << 20), 1), "longer than"),
    ],
)
def test_unreadable(redivis: RedivisApi, name: str, content: bytes, message: str) -> None:
    upload = redivis.upload(content, name)
    assert upload["status"] == "failed"
    assert message in upload["errorMessage"]


def test_first_bad_record_is_named(redivis: RedivisApi) -> None:
    upload = redivis.upload(b"a,b\n1,2\n3\n4\n")
    assert upload["errorMessage"] == "2 of 3 records could not be parsed; the first is record 2."
