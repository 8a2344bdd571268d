"""Extract jobs: every format, shards, and the way back through a load job."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.sandbox.engine_bench import PROJECT, Bench, fields

if TYPE_CHECKING:
    from pathlib import Path


JSON = "NEWLINE_DELIMITED_JSON"
EVERYTHING = """CREATE TABLE t AS SELECT 9007199254740993 AS i, 1.5 AS f, 'a,"b"\\n' AS s, TRUE AS b,
    b'\\x00' AS raw, NUMERIC '1.50' AS n, DATE '2020-01-31' AS d, TIME '10:11:12' AS t,
    DATETIME '2020-01-31 10:11:12.5' AS dt, TIMESTAMP '2020-01-01 00:00:00 UTC' AS ts, JSON '{"a":1}' AS j
    UNION ALL SELECT NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"""


def test_csv_says_null_and_empty_text_apart(bench: Bench) -> None:
    bench.query(EVERYTHING)
    outcome = bench.run(bench.extracting("t", "gs://data/out/t.csv"))
    assert (bench.bucket / "out/t.csv").read_text() == (
        "i,f,s,b,raw,n,d,t,dt,ts,j\n"
        '9007199254740993,1.5,"a,""b""\n",true,AA==,1.5,2020-01-31,10:11:12,2020-01-31T10:11:12.5,'
        '2020-01-01 00:00:00 UTC,"{""a"":1}"\n'
        ',,"",,,,,,,,\n'
    )
    extract = outcome.statistics["extract"]
    assert extract["destinationUriFileCounts"] == ["1"]
    assert extract["inputBytes"] == bench.engine.get_table(PROJECT, "d", "t")["numBytes"]


def test_csv_delimiter_header_and_gzip(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a, 'x|y' AS b")
    options = {"fieldDelimiter": "|", "printHeader": False, "compression": "GZIP"}
    bench.run(bench.extracting("t", "gs://data/t.csv.gz", **options))
    assert gzip.decompress((bench.bucket / "t.csv.gz").read_bytes()) == b'1|"x|y"\n'


def test_json_leaves_nulls_out_and_writes_whole_numbers_as_texts(bench: Bench) -> None:
    bench.query(EVERYTHING)
    bench.run(bench.extracting("t", "gs://data/t.json", destinationFormat=JSON))
    first, second = map(json.loads, (bench.bucket / "t.json").read_text().splitlines())
    assert first == {
        "i": "9007199254740993", "f": 1.5, "s": 'a,"b"\n', "b": True, "raw": "AA==", "n": "1.5",
        "d": "2020-01-31", "t": "10:11:12", "dt": "2020-01-31T10:11:12.500000",
        "ts": "2020-01-01 00:00:00 UTC", "j": {"a": 1},
    }  # fmt: skip
    assert second == {"s": ""}


@pytest.mark.parametrize("compression", ["NONE", "SNAPPY", "GZIP", "ZSTD"])
def test_parquet_is_read_by_another_library(bench: Bench, compression: str) -> None:
    bench.query("CREATE TABLE t AS SELECT x, CAST(x AS STRING) AS s, [x] AS l FROM UNNEST([1, 2]) AS x")
    options = {"destinationFormat": "PARQUET", "compression": compression}
    bench.run(bench.extracting("t", "gs://data/t.parquet", **options))
    file = pyarrow.parquet.ParquetFile(bench.bucket / "t.parquet")
    assert file.read().to_pylist() == [{"x": 1, "s": "1", "l": [1]}, {"x": 2, "s": "2", "l": [2]}]
    wanted = "UNCOMPRESSED" if compression == "NONE" else compression
    assert file.metadata.row_group(0).column(0).compression == wanted


def test_avro_is_read_by_another_library(bench: Bench) -> None:
    bench.query(EVERYTHING)
    options = {"destinationFormat": "AVRO", "compression": "DEFLATE"}
    bench.run(bench.extracting("t", "gs://data/t.avro", **options))
    with (bench.bucket / "t.avro").open("rb") as file:
        first, second = fastavro.reader(file)
    assert (first["i"], first["raw"], first["d"]) == (9007199254740993, b"\x00", "2020-01-31")
    assert second["s"] == ""
    assert second["i"] is None


def test_a_wildcard_makes_numbered_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_jobs.sandbox.bigquery.engine.files.extract.SHARD_ROWS", 4)
    bench.query("CREATE TABLE t AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x")
    outcome = bench.run(bench.extracting("t", "gs://data/s/part-*.csv"))
    names = sorted(path.name for path in (bench.bucket / "s").iterdir())
    assert names == [f"part-00000000000{number}.csv" for number in range(3)]
    assert outcome.statistics["extract"]["destinationUriFileCounts"] == ["3"]
    bench.load("back", "gs://data/s/*", schema=fields("x:INT64"), skipLeadingRows=1)
    assert bench.cells("back") == bench.cells("t")


def test_several_wildcards_share_the_rows(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT x FROM UNNEST([1, 2, 3]) AS x")
    outcome = bench.run(bench.extracting("t", "gs://data/a-*.csv", "gs://data/b-*.csv", printHeader=False))
    assert outcome.statistics["extract"]["destinationUriFileCounts"] == ["1", "1"]
    both = [(bench.bucket / f"{name}-000000000000.csv").read_text().split() for name in "ab"]
    assert both == [["1", "2"], ["3"]]


def test_an_empty_table_still_makes_a_file_and_the_old_uri_field_works(bench: Bench) -> None:
    bench.query("CREATE TABLE t (a INT64)")
    extract = {"sourceTable": {"datasetId": "d", "tableId": "t"}, "destinationUri": "gs://data/e.csv"}
    bench.run({"extract": extract})
    assert (bench.bucket / "e.csv").read_text() == "a\n"


@pytest.mark.parametrize(
    ("reason", "message", "uri", "options"),
    [
        ("invalid", "Operation cannot be performed on a nested schema. Field: l", "gs://data/x.csv", {}),
        (
            "invalid",
            "Compression type SNAPPY is not supported for CSV.",
            "gs://data/x",
            {"compression": "SNAPPY"},
        ),
        ("invalid", "Invalid path", "/etc/x.csv", {"destinationFormat": JSON}),
        ("invalid", "Invalid object name", "gs://data/../../x.csv", {"destinationFormat": JSON}),
        ("accessDenied", "not inside", "gs://data/out/x.csv", {"destinationFormat": JSON}),
        ("invalid", "only one *", "gs://data/*/*.csv", {}),
        ("notFound", "Not found: Table test-project:d.none", "gs://data/x.csv", {"sourceTable": "none"}),
    ],
)
def test_refusals(
    bench: Bench, tmp_path: Path, reason: str, message: str, uri: str, options: dict[str, Any]
) -> None:
    bench.query("CREATE TABLE t AS SELECT [1] AS l")
    outside = tmp_path / "outside"
    outside.mkdir()
    (bench.bucket / "out").symlink_to(outside)
    named = {"sourceTable": {"datasetId": "d", "tableId": options.get("sourceTable", "t")}}
    problem = bench.fail(bench.extracting("t", uri, **{**options, **named}))
    assert (problem.reason, message in problem.message) == (reason, True)
    assert list(outside.iterdir()) == []


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["Infinity", "-Infinity"])
rows = st.lists(
    st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | text, st.none() | floats),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=rows, kind=st.sampled_from(["CSV", JSON, "AVRO", "PARQUET"]))
def test_what_is_extracted_loads_as_the_same_rows(bench: Bench, values: list[Any], kind: str) -> None:
    schema = fields("i:INT64", "s:STRING", "f:FLOAT64")
    lines = [json.dumps(dict(zip(("i", "s", "f"), row, strict=True))) for row in values]
    uri = bench.put("in.json", "\n".join(lines))
    again = {"writeDisposition": "WRITE_TRUNCATE"}
    bench.load("first", uri, schema=schema, sourceFormat=JSON, **again)
    bench.run(bench.extracting("first", "gs://data/out.bin", destinationFormat=kind))
    options = {"skipLeadingRows": 1, "allowQuotedNewlines": True} if kind == "CSV" else {}
    bench.load("second", "gs://data/out.bin", schema=schema, sourceFormat=kind, **again, **options)
    assert bench.cells("second") == bench.cells("first")
    assert [row[1] for row in bench.cells("first")] == [row[1] for row in values]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(text, text), min_size=1, max_size=6), careful=st.booleans())
def test_csv_by_pythons_writer_loads_cell_by_cell(bench: Bench, cells: list[Any], careful: bool) -> None:
    """Both readers, DuckDB's and the record-by-record one, give the same cells."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(cells)
    content = buffer.getvalue() + ("only one cell\n" if careful else "")
    uri = bench.put("in.csv", content)
    schema = fields("a:STRING", "b:STRING")
    options = {"allowQuotedNewlines": True, "maxBadRecords": 1, "writeDisposition": "WRITE_TRUNCATE"}
    bench.load("t", uri, schema=schema, **options)
    assert bench.cells("t") == [list(pair) for pair in cells]
