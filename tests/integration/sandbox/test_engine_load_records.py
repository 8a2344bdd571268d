"""Load jobs from newline-delimited JSON, Avro and Parquet."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.sandbox.engine_bench import Bench, fields

JSON = {"sourceFormat": "NEWLINE_DELIMITED_JSON"}


def test_nested_and_repeated_json(bench: Bench) -> None:
    schema: dict[str, Any] = fields("id:INT64:REQUIRED", "tags:STRING:REPEATED", "raw:BYTES", "any:JSON")
    inner = fields("at:TIMESTAMP", "n:NUMERIC")["fields"]
    schema["fields"].append({"name": "sub", "type": "RECORD", "fields": inner})
    schema["fields"].append({"name": "subs", "type": "STRUCT", "mode": "REPEATED", "fields": inner})
    rows = [
        {
            "ID": "1", "tags": ["a", "b"], "raw": "AAH/", "any": {"k": [1]},
            "sub": {"at": "2020-01-01T02:00:00+02:00", "n": 1.5}, "subs": [{"at": 0, "n": "7"}, {}],
        },
        {"id": 2},
    ]  # fmt: skip
    uri = bench.put("a.json", "\n".join(map(json.dumps, rows)) + "\n\n")
    bench.load("t", uri, schema=schema, **JSON)
    first, second = bench.cells("t")
    assert first == [
        "1",
        [{"v": "a"}, {"v": "b"}],
        "AAH/",
        '{"k":[1]}',
        {"f": [{"v": "1577836800.0"}, {"v": "1.5"}]},
        [{"v": {"f": [{"v": "0.0"}, {"v": "7"}]}}, {"v": {"f": [{"v": None}, {"v": None}]}}],
    ]
    assert second == ["2", [], None, None, None, []]


def test_json_detection(bench: Bench) -> None:
    rows = [{"a": 1, "b": "2020-01-01", "c": [1, 2]}, {"a": 2.5, "d": {"e": True}, "f": "x"}]
    bench.load("t", bench.put("a.json", "\n".join(map(json.dumps, rows))), autodetect=True, **JSON)
    assert bench.columns("t") == [
        ("a", "FLOAT", "NULLABLE"),
        ("b", "DATE", "NULLABLE"),
        ("c", "INTEGER", "REPEATED"),
        ("d", "RECORD", "NULLABLE"),
        ("f", "STRING", "NULLABLE"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "x"}', "Could not convert value to INT64. Field: id; Value: x"),
        ('{"id": 1.5}', "Could not convert value to INT64. Field: id; Value: 1.5"),
        ('{"id": 9223372036854775808}', "Could not convert value to INT64. Field: id"),
        ('{"id": 1, "x": 2}', "No such field: x."),
        ('{"id": [1]}', "Array specified for non-repeated field: id."),
        ("{}", "Missing required field: id."),
        ("{bad", "Parser terminated before end of string"),
        ("[1]", "Start of object expected"),
        ('{"id": NaN}', "Parser terminated before end of string"),
        ('{"id": 1, "day": "\\ud800"}', "Parser terminated before end of string"),
        pytest.param(f'{{"id": {"[" * 100_000}', "Parser terminated before end of string", id="deep"),
        ('{"id": 1, "at": "2020-01-01 00:00:00 America"}', "Could not convert value to TIMESTAMP. Field: at"),
        ('{"id": 1, "at": "2020-01-01 00:00:00 Not/There"}', "Could not convert value to TIMESTAMP."),
        ('{"id": 1, "at": 99999999999999999}', "Could not convert value to TIMESTAMP. Field: at"),
        ('{"id": 1, "day": "2020-13-01"}', "Could not convert value to DATE. Field: day; Value: 2020-13-01"),
    ],
)
def test_bad_json_rows(bench: Bench, line: str, message: str) -> None:
    uri = bench.put("a.json", f'{{"id": 1}}\n{line}\n{{"id": 3}}\n')
    schema = fields("id:INT64:REQUIRED", "day:DATE", "at:TIMESTAMP")
    problem = bench.fail(bench.loading("t", uri, schema=schema, **JSON))
    assert problem.errors[1]["message"].startswith(
        "Error while reading data, error message: JSON parsing error in row "
        f"starting at position 10: {message}"
    )
    outcome = bench.load("t", uri, schema=schema, maxBadRecords=1, **JSON)
    assert outcome.statistics["load"]["badRecords"] == "1"
    assert [row[0] for row in bench.cells("t")] == ["1", "3"]


@pytest.mark.parametrize(
    ("number", "kind", "cell"),
    [
        ("1e3000000", "INTEGER", None),
        ("1e3000000", "NUMERIC", None),
        ("1e3000000", "TIMESTAMP", None),
        ("1e3000000", "FLOAT", "Infinity"),
        ("1e99999999999999999999", "FLOAT", "Infinity"),
        ("1e-999999999", "NUMERIC", "0"),
        ('"1e-999999999"', "NUMERIC", "0"),
        ("0e999999999", "NUMERIC", "0"),
    ],
)
def test_numbers_that_no_type_has_room_for(bench: Bench, number: str, kind: str, cell: str | None) -> None:
    """They take neither minutes nor gigabytes to find out."""
    uri = bench.put("n.json", f'{{"a": {number}}}')
    options = {"sourceFormat": "NEWLINE_DELIMITED_JSON", "schema": fields(f"a:{kind}")}
    if cell is None:
        problem = bench.fail(bench.loading("t", uri, **options))
        assert "Field: a; Value: " in problem.errors[1]["message"]
    else:
        bench.load("t", uri, **options)
        assert bench.cells("t") == [[cell]]


def test_numbers_in_json_keep_their_digits(bench: Bench) -> None:
    row = """{"n": 12345678901234567.123, "b": 1234567890123456789.1234567890123456, "i": 9007199254740993.0,
        "f": 0.1, "s": 1.5, "j": {"x": [1.5]}, "at": 253402300799.999999}"""
    schema = fields("n:NUMERIC", "b:BIGNUMERIC", "i:INT64", "f:FLOAT64", "s:STRING", "j:JSON", "at:TIMESTAMP")
    bench.load("t", bench.put("a.json", row.replace("\n", "")), schema=schema, **JSON)
    assert bench.cells("t") == [
        ["12345678901234567.123", "1234567890123456789.1234567890123456", "9007199254740993", "0.1", "1.5",
         '{"x":[1.5]}', "253402300799.999999"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"a b": 1}', 'Invalid field name "a b".'),
        ('{"a": 1, "A": 2}', "Duplicate field name: A."),
        ('{"a": {}}', "Field a is type RECORD but has no schema"),
    ],
)
def test_a_detected_schema_that_no_table_has_is_refused(bench: Bench, row: str, said: str) -> None:
    problem = bench.fail(bench.loading("t", bench.put("a.json", row), autodetect=True, **JSON))
    assert (problem.reason, problem.message.startswith(said)) == ("invalid", True)


def test_unknown_json_fields_can_be_ignored(bench: Bench) -> None:
    uri = bench.put("a.json", '{"id": 1, "x": {"y": 2}}')
    bench.load("t", uri, schema=fields("id:INT64"), ignoreUnknownValues=True, **JSON)
    assert bench.cells("t") == [["1"]]


AVRO_SCHEMA = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {
            "name": "sub",
            "type": {"type": "record", "name": "sub", "fields": [{"name": "ok", "type": "boolean"}]},
        },
    ],
}


@pytest.fixture
def avro_uri(bench: Bench) -> str:
    row = {
        "id": 1, "name": None, "at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        "day": dt.date(1970, 1, 3), "price": decimal.Decimal("1.50"), "tags": ["a"], "sub": {"ok": True},
    }  # fmt: skip
    with (bench.bucket / "a.avro").open("wb") as file:
        fastavro.writer(file, AVRO_SCHEMA, [row], codec="deflate")
    return "gs://data/a.avro"


def test_avro_with_logical_types(bench: Bench, avro_uri: str) -> None:
    bench.load("t", avro_uri, sourceFormat="AVRO", useAvroLogicalTypes=True)
    assert [kind for _, kind, _ in bench.columns("t")] == [
        "INTEGER", "STRING", "TIMESTAMP", "DATE", "NUMERIC", "STRING", "RECORD",
    ]  # fmt: skip
    assert bench.cells("t") == [
        ["1", None, "1577836800.0", "1970-01-03", "1.5", [{"v": "a"}], {"f": [{"v": "true"}]}]
    ]
    assert bench.columns("t")[0] == ("id", "INTEGER", "REQUIRED")


def test_avro_as_it_is_stored(bench: Bench, avro_uri: str) -> None:
    """Logical types count only when the job asks for them; that is the API's default."""
    bench.load("t", avro_uri, sourceFormat="AVRO")
    assert bench.cells("t")[0][2:5] == ["1577836800000", "2", "1.5"]


def test_parquet_written_by_another_library(bench: Bench) -> None:
    at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "s": ["a", "é"],
            "l": [[1, 2], []],
            "at": pa.array([at, None], pa.timestamp("us", tz="UTC")),
            "n": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(10, 2)),
            "r": [{"x": 1}, {"x": 2}],
            "b": [b"\x00\xff", None],
        }
    )
    pq.write_table(table, bench.bucket / "a.parquet")
    outcome = bench.load("t", "gs://data/a.parquet", sourceFormat="PARQUET")
    assert bench.cells("t") == [
        ["1", "a", [{"v": "1"}, {"v": "2"}], "1577836800.0", "1.25", {"f": [{"v": "1"}]}, "AP8="],
        [None, "é", [], None, None, {"f": [{"v": "2"}]}, None],
    ]
    assert outcome.statistics["load"]["outputRows"] == "2"
    bench.load("t", "gs://data/a.parquet", sourceFormat="PARQUET")
    assert len(bench.cells("t")) == 4


@pytest.mark.parametrize("source_format", ["PARQUET", "AVRO"])
def test_a_file_of_another_format_is_refused(bench: Bench, source_format: str) -> None:
    uri = bench.put("a.bin", "no such file format")
    problem = bench.fail(bench.loading("t", uri, sourceFormat=source_format))
    assert problem.error_result["location"] == uri
    assert problem.statistics["load"]["inputFiles"] == "1"
