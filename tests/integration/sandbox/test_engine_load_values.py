"""How values may be written in the files of a load, and what of a file BigQuery refuses."""

from __future__ import annotations

import gzip
import json
from typing import Any

import duckdb
import pytest

from tests.integration.sandbox.engine_bench import Bench, fields

# Of each type: texts that BigQuery takes, and others.
VALUES = {
    "FLOAT64": (
        ["1", "+1.5e3", ".5", "5.", "inf", "-Infinity", "nan", " 1.5 "],
        ["1_000", "1_0.5", "1,5", "1e", "1f", "0x10", "infinite", "NaN()"],
    ),
    "NUMERIC": (["1e3", "1.", "-7"], ["1_000", "nan", "inf"]),
    "INT64": (["+5", " 7 "], ["1_000", "1.0", "1e3"]),
    "BOOL": (["true", "F", "yes", "N", "1", "0"], ["on", "2", "1.0"]),
    "DATE": (
        ["2020-01-31", "2020-1-5", "0001-01-01", "9999-12-31"],
        ["20222-01-01", "10000-01-01", "0000-01-01", "infinity", "epoch", "2020/01/31", "20200131",
         "2020-02-30", "2020-01-31 00:00:00", "2020-W01-1", "2020-01-01 (BC)", "-0001-01-01"],
    ),
    "TIME": (
        ["10:11:12", "1:2:3", "23:59:59.999999"],
        ["10:11:12Z", "10:11:12.000Z", "10:11:12+00:00", "24:00:00", "10:11", "T10:11:12", "101112"],
    ),
    "DATETIME": (
        ["2020-01-31T10:00:00", "2020-1-5 1:2:3.5", "2020-01-31"],
        ["infinity", "20222-01-31 10:00:00", "2020-01-31T10:00:00Z", "2020-01-31 10:00:00+00:00",
         "2020-01-31 24:00:00", "2020/01/31 10:00:00"],
    ),
    "TIMESTAMP": (
        ["2020-01-01 00:00:00", "2020-01-01T00:00:00.000Z", "2020-01-01 00:00:00 UTC", "2020/01/01 00:00:00",
         "2020-01-01 00:00:00+00", "2020-01-01 08:00:00+8", "2020-01-01T08:00:00+08:00", "1577836800",
         "2019-12-31 19:00:00 America/New_York", "2020-1-1"],
        ["infinity", "-infinity", "epoch", "2020-01-01 00:00:00+0000", "2020-01-01T00:00:00.000+0000",
         "20222-01-01 00:00:00", "0000-01-01 00:00:00", "9999-12-31 23:59:59-08:00", "2020-01-01 24:00:00",
         "99999999999999"],
    ),
}  # fmt: skip


def loaded(bench: Bench, kind: str, texts: list[str], form: str) -> tuple[list[str], list[str]]:
    """Load texts as a column; give those that came, in order, and their values."""
    if form == "CSV":
        uri = bench.put("v.csv", "".join(f'"{text}","{text}"\n' for text in texts))
    else:
        lines = (json.dumps({"text": text, "v": text}) + "\n" for text in texts)
        uri = bench.put("v.json", "".join(lines))
    options = {"schema": fields("text:STRING", f"v:{kind}"), "maxBadRecords": 100, "sourceFormat": form}
    bench.load("v", uri, **options, writeDisposition="WRITE_TRUNCATE")
    rows = bench.cells("v")
    return [row[0] for row in rows], [row[1] for row in rows]


@pytest.mark.parametrize("form", ["CSV", "NEWLINE_DELIMITED_JSON"])
@pytest.mark.parametrize("kind", list(VALUES))
def test_what_is_taken(bench: Bench, kind: str, form: str) -> None:
    """Neither what only DuckDB or Python reads, nor a value that no query could give back."""
    good, bad = VALUES[kind]
    came, values = loaded(bench, kind, good + bad, form)
    assert came == good
    if kind == "TIMESTAMP":
        assert set(values) == {"1577836800.0"}


@pytest.mark.parametrize("quote", ["", '"'])
def test_the_character_0(bench: Bench, quote: str) -> None:
    uri = bench.put("a.csv", f"1,{quote}a\0b{quote}\n2,c\n")
    load = {"schema": fields("id:INTEGER", "name:STRING")}
    problem = bench.fail(bench.loading("t", uri, **load))
    assert "Bad character (ASCII 0) encountered." in problem.errors[1]["message"]
    bench.load("t", uri, **load, maxBadRecords=1)
    assert bench.cells("t") == [["2", "c"]]
    bench.load("u", uri, **load, preserveAsciiControlCharacters=True)
    assert bench.cells("u") == [["1", "a\0b"], ["2", "c"]]


@pytest.mark.parametrize("form", ["CSV", "NEWLINE_DELIMITED_JSON"])
@pytest.mark.parametrize("detected", [False, True])
@pytest.mark.parametrize("damage", ["cut", "without end", "flipped", "followed"])
def test_gzip_that_is_not_whole(bench: Bench, form: str, damage: str, *, detected: bool) -> None:
    """The file is named, and nothing of the job's files is loaded."""
    rows = b'{"id":1}\n{"id":22}\n{"id":333}\n' if form != "CSV" else b"1\n22\n333\n"
    whole = gzip.compress(rows * 300)
    half = len(whole) // 2
    flipped = whole[:half] + bytes([whole[half] ^ 0xFF]) + whole[half + 1 :]
    content = {
        "cut": whole[:half], "without end": whole[:-4], "flipped": flipped, "followed": whole + b"more",
    }[damage]  # fmt: skip
    uris = [bench.put("a.gz", whole), bench.put("b.gz", content), bench.put("c.gz", whole)]
    schema: dict[str, Any] = {"autodetect": True} if detected else {"schema": fields("id:INTEGER")}
    problem = bench.fail(bench.loading("t", *uris, sourceFormat=form, **schema))
    assert (problem.reason, problem.error_result["location"]) == ("invalid", uris[1])
    assert problem.message.endswith(f"The gzip file is cut off or damaged. File: {uris[1]}")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("[1, NULL, 3]", "a"),
        ("{'x': [1, NULL]}", "a"),
        ("[{'x': 1}, NULL]", "a"),
        ("[{'x': ['b', NULL]}]", "a"),
        ("DATE '20222-01-01'", "a"),
        ("DATE 'infinity'", "a"),
        ("TIMESTAMP '20222-01-01 00:00:00'", "a"),
        ("TIMESTAMPTZ '-infinity'", "a"),
        ("TIME '24:00:00'", "a"),
        ("{'x': DATE '20222-01-01'}", "a"),
    ],
)
def test_parquet_values_that_no_column_holds(bench: Bench, value: str, field: str) -> None:
    with duckdb.connect() as database:
        target = bench.bucket / "v.parquet"
        database.execute(f"COPY (SELECT {value} AS {field}) TO '{target}' (FORMAT PARQUET)")
    problem = bench.fail(bench.loading("t", "gs://data/v.parquet", sourceFormat="PARQUET"))
    assert problem.reason == "invalid"
    assert f"Field: {field}." in problem.message
    assert problem.message.endswith("File: gs://data/v.parquet")


@pytest.mark.parametrize(
    ("value", "column", "said"),
    [
        ("1.0123456789::DECIMAL(38, 10)", "", "does not load so many digits as a has into NUMERIC."),
        ("1.5::DECIMAL(38, 19)", "", "does not load so many digits as a has into NUMERIC."),
        ("1.5::DOUBLE", "a:INT64", "'a' has type FLOAT64 which does not match the target type INT64."),
        ("'12'", "a:INT64", "Parquet column 'a' has type STRING which does not match"),
        ("{'x': 1}", "a:STRING", "Parquet column 'a' has type STRUCT which does not match"),
        ("1", "other:STRING", "No such field: a."),
    ],
)
def test_parquet_columns_are_neither_cast_nor_left_out(
    bench: Bench, value: str, column: str, said: str
) -> None:
    duckdb.sql(f"COPY (SELECT {value} AS a) TO '{bench.bucket / 'a.parquet'}' (FORMAT parquet)")
    options = {"schema": fields(column)} if column else {}
    loading = bench.loading("t", "gs://data/a.parquet", sourceFormat="PARQUET", **options)
    assert said in bench.fail(loading).message


@pytest.mark.parametrize("form", ["PARQUET", "AVRO"])
def test_a_bignumeric_is_only_what_a_schema_says_is_one(bench: Bench, form: str) -> None:
    """By default decimals become NUMERIC: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job."""
    digits = "1234567890.12345678901"
    bench.query(f"CREATE TABLE d.wide AS SELECT BIGNUMERIC '{digits}' AS a")
    more = {"useAvroLogicalTypes": True} if form == "AVRO" else {}
    bench.run(bench.extracting("wide", "gs://data/a.bin", destinationFormat=form, **more))
    said = bench.fail(bench.loading("t", "gs://data/a.bin", sourceFormat=form, **more)).message
    assert "digits" in said
    bench.load("t", "gs://data/a.bin", sourceFormat=form, schema=fields("a:BIGNUMERIC"), **more)
    assert bench.cells("t") == [[digits]]


def test_decimal_target_types_are_refused(bench: Bench) -> None:
    duckdb.sql(f"COPY (SELECT 1.5 AS a) TO '{bench.bucket / 'a.parquet'}' (FORMAT parquet)")
    asked = {"sourceFormat": "PARQUET", "decimalTargetTypes": ["STRING"]}
    said = bench.fail(bench.loading("t", "gs://data/a.parquet", **asked)).message
    assert said == "decimalTargetTypes is not supported by the sandbox"


def test_parquet_arrays_may_be_null_or_empty(bench: Bench) -> None:
    with duckdb.connect() as database:
        rows = "(VALUES (NULL::INT[], {'x': [1]}), ([], NULL), ([1, 2], {'x': []})) t(a, b)"
        database.execute(f"COPY (SELECT * FROM {rows}) TO '{bench.bucket / 'v.parquet'}' (FORMAT PARQUET)")  # noqa: S608
    bench.load("t", "gs://data/v.parquet", sourceFormat="PARQUET")
    assert [[cell["v"] for cell in row[0]] for row in bench.cells("t")] == [[], [], ["1", "2"]]


@pytest.mark.parametrize("name", ["x.csv", "x-*.csv", "folder/x.csv"])
def test_extract_into_a_bucket_that_is_not_there(bench: Bench, name: str) -> None:
    bench.query("CREATE TABLE d.t AS SELECT 1 AS n")
    problem = bench.fail(bench.extracting("t", f"gs://no-such-bucket/{name}"))
    assert (problem.reason, problem.message) == ("notFound", "Not found: Bucket no-such-bucket")
    assert not (bench.bucket.parent / "no-such-bucket").exists()
    bench.run(bench.extracting("t", f"gs://data/{name}"))
