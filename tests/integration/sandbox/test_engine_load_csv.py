"""Load jobs from CSV: options, detection, dispositions, bad rows with their place."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.engine_bench import PROJECT, Bench, fields

if TYPE_CHECKING:
    from pathlib import Path


TWO = {"schema": fields("id:INTEGER", "name:STRING")}


def test_rows_nulls_and_empty_texts(bench: Bench) -> None:
    uri = bench.put("a.csv", 'id,name\n1,x\n2,\n,""\n')
    outcome = bench.load("t", uri, **TWO, skipLeadingRows=1)
    assert bench.cells("t") == [["1", "x"], ["2", None], [None, ""]]
    assert outcome.statistics["load"] == {
        "inputFiles": "1", "inputFileBytes": "19", "outputRows": "3", "outputBytes": "21", "badRecords": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("id INT64 OPTIONS(description='its key'), name STRING", [["1", "x"], ["2", "y"]]),
        ("name STRING, id INT64 OPTIONS(description='its key')", [["x", "1"], ["y", "2"]]),
        ("ID FLOAT64 OPTIONS(description='its key'), name STRING", [["1.0", "x"], ["2.0", "y"]]),
    ],
)
def test_rows_are_appended_to_an_empty_table_as_to_any_other(
    bench: Bench, columns: str, expected: list[list[str]]
) -> None:
    """Its columns, their types and what is said of them stay; the second load finds rows."""
    bench.query(f"CREATE TABLE t ({columns})")
    before = bench.engine.get_table(PROJECT, "d", "t")["schema"]
    for row in ("1,x", "2,y"):
        bench.load("t", bench.put("a.csv", row), **TWO, writeDisposition="WRITE_APPEND")
    assert bench.cells("t") == expected
    assert bench.engine.get_table(PROJECT, "d", "t")["schema"] == before


def test_nothing_is_skipped_unless_asked(bench: Bench) -> None:
    uri = bench.put("a.csv", "id,name\n1,x\n")
    bench.load("t", uri, schema=fields("id:STRING", "name:STRING"))
    assert bench.cells("t") == [["id", "name"], ["1", "x"]]
    bench.load("u", uri, autodetect=True, skipLeadingRows=0)
    assert bench.cells("u") == [["id", "name"], ["1", "x"]]
    assert [name for name, _, _ in bench.columns("u")] == ["string_field_0", "string_field_1"]


@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        ("1\tx\n", {"fieldDelimiter": "\t"}, [["1", "x"]]),
        ("1\tx\n", {"fieldDelimiter": "\\t"}, [["1", "x"]]),
        ("1;'a;b'\n", {"fieldDelimiter": ";", "quote": "'"}, [["1", "a;b"]]),
        ('1,"x\n', {"quote": ""}, [["1", '"x']]),
        ('1,"a\nb"\n2,c\n', {"allowQuotedNewlines": True}, [["1", "a\nb"], ["2", "c"]]),
        ('1,"say ""hi"""\n', {}, [["1", 'say "hi"']]),
        ("1\n2,x\n", {"allowJaggedRows": True}, [["1", None], ["2", "x"]]),
        ("1,x,more,and more\n", {"ignoreUnknownValues": True}, [["1", "x"]]),
        ("\\N,\\N\n,\n", {"nullMarkers": ["\\N", ""]}, [[None, None], [None, None]]),
        ("\\N,\n", {"nullMarker": "\\N"}, [[None, ""]]),
        ("\ufeff1,x\r\n2,y\r\n", {}, [["1", "x"], ["2", "y"]]),
        ("1,é\n".encode("latin-1"), {"encoding": "ISO-8859-1"}, [["1", "é"]]),
        ("1,é\n2,x\n".encode("utf-16-le"), {"encoding": "UTF-16LE"}, [["1", "é"], ["2", "x"]]),
        ("1,é\n".encode("latin-1"), {}, [["1", "\ufffd"]]),
        ("a\nb\n1,x\n", {"skipLeadingRows": "2"}, [["1", "x"]]),
        ("1,x", {}, [["1", "x"]]),
        ("id,name\r1,x\r2,y\r", {"skipLeadingRows": "1"}, [["1", "x"], ["2", "y"]]),
        ("id,name\r\n1,x\r2,y\n", {"skipLeadingRows": "1"}, [["1", "x"], ["2", "y"]]),
        ("1,x\u2028\r2,y\n".encode("utf-16-le"), {"encoding": "UTF-16LE"}, [["1", "x\u2028"], ["2", "y"]]),
        ('"i\nd",name\n1,"a\nb"\r\n', {"skipLeadingRows": "1", "allowQuotedNewlines": True}, [["1", "a\nb"]]),
        ('1,x\n2, "y"\n3,a"b\n', {}, [["1", "x"], ["2", ' "y"'], ["3", 'a"b']]),
        ('"a,b","b""b,\r\n1,ba"', {"skipLeadingRows": 1}, [["1", 'ba"']]),
        ("", {}, []),
    ],
)
def test_options(bench: Bench, content: str | bytes, options: dict[str, Any], rows: list[Any]) -> None:
    bench.load("t", bench.put("a.csv", content), **TWO, **options)
    assert bench.cells("t") == rows


@pytest.mark.parametrize("more", ["", ", "])
def test_an_empty_line_is_not_a_row_of_one_column(bench: Bench, more: str) -> None:
    """Whether all rows are read at once, or one by one since one of them is bad."""
    uri = bench.put("a.csv", f"1\n\n2\n{more}")
    bench.load("t", uri, schema=fields("a:INT64"), maxBadRecords=1)
    assert bench.cells("t") == [["1"], ["2"]]


def test_json_in_csv_is_kept_as_json_is(bench: Bench) -> None:
    bench.load("t", bench.put("a.csv", '"{""a"": [1, 2.0]}"\n'), schema=fields("a:JSON"))
    assert bench.cells("t") == [['{"a":[1,2.0]}']]


def test_every_type(bench: Bench) -> None:
    schema = fields(
        "f:FLOAT64", "b:BOOL", "d:DATE", "t:TIME", "dt:DATETIME", "ts:TIMESTAMP", "n:NUMERIC", "by:BYTES",
        "j:JSON", "g:GEOGRAPHY", "big:BIGNUMERIC",
    )  # fmt: skip
    uri = bench.put(
        "a.csv",
        "1.5,true,2020-01-31,10:11:12,2020-01-31T10:00:00,2020-01-01 02:00:00+02:00,1.250,YWJj,"
        '"{""a"":1}",POINT(1 2),1.0000000001\n'
        "NaN,F,1999-12-31,00:00:00.5,1999-12-31 10:00:00,1577836800,-7,,,,\n",
    )
    bench.load("t", uri, schema=schema)
    assert bench.cells("t") == [
        ["1.5", "true", "2020-01-31", "10:11:12", "2020-01-31T10:00:00", "1577836800.0", "1.25", "YWJj",
         '{"a":1}', "POINT(1 2)", "1.0000000001"],
        ["NaN", "false", "1999-12-31", "00:00:00.500000", "1999-12-31T10:00:00", "1577836800.0", "-7", None,
         None, None, None],
    ]  # fmt: skip


def test_columns_of_a_detected_schema_are_found_by_name(bench: Bench) -> None:
    """And have to be those of the table that the rows are appended to."""
    bench.load("t", bench.put("a.csv", "id,word\n1,x\n"), autodetect=True)
    bench.load("t", bench.put("b.csv", "word,id\nwhy,2\n"), autodetect=True)
    assert bench.cells("t") == [["1", "x"], ["2", "why"]]
    for content, message in {
        "id,other\n3,z\n": "Cannot add fields (field: other)",
        "word,id\nz,3.5\n": "Field id has changed type from INTEGER to FLOAT",
    }.items():
        configuration = bench.loading("t", bench.put("c.csv", content), autodetect=True)
        assert message in str(bench.fail(configuration).errors)
    assert len(bench.cells("t")) == 2


def test_detection_of_names_and_types(bench: Bench) -> None:
    uri = bench.put(
        "a.csv", "id,is it,at,day,rate,word\n1,true,2020-01-01 10:00:00,2020-01-01,0.5,x\n2,,,,7,y\n"
    )
    bench.load("t", uri, autodetect=True)
    assert [(name, kind) for name, kind, _ in bench.columns("t")] == [
        ("id", "INTEGER"), ("is_it", "BOOLEAN"), ("at", "TIMESTAMP"), ("day", "DATE"), ("rate", "FLOAT"),
        ("word", "STRING"),
    ]  # fmt: skip
    assert len(bench.cells("t")) == 2


def test_several_uris_wildcards_and_gzip(bench: Bench) -> None:
    bench.put("in/b.csv.gz", gzip.compress(b"2,b\n"))
    bench.put("in/a.csv", "1,a\n")
    bench.put("in/deep/c.csv", gzip.compress(b"3,c\n"))
    bench.put("other.txt", "9,z\n")
    outcome = bench.load("t", "gs://data/in/*.csv*", "gs://data/other.txt", **TWO)
    assert bench.cells("t") == [["1", "a"], ["2", "b"], ["3", "c"], ["9", "z"]]
    assert outcome.statistics["load"]["inputFiles"] == "4"


def test_an_uploaded_file_needs_no_uri(bench: Bench, tmp_path: Path) -> None:
    upload = tmp_path / "upload[1]*.part"
    upload.write_text("1,x\n")
    bench.run(bench.loading("t", **TWO), media=upload)
    assert bench.cells("t") == [["1", "x"]]


def test_a_bad_cell_fails_the_job_and_says_where(bench: Bench) -> None:
    bench.put("a.csv", "0,z\n")
    bench.put("b.csv", "id,name\n1,x\nseven,y\n")
    problem = bench.fail(bench.loading("t", "gs://data/*.csv", **TWO))
    assert problem.error_result["location"] == "gs://data/b.csv"
    assert "Rows: 4; errors: 2." in problem.message
    assert problem.errors[2] == {
        "reason": "invalid",
        "location": "gs://data/b.csv",
        "message": "Error while reading data, error message: Could not parse 'seven' as INT64 for field id "
        "(position 0) starting at location 12 with message 'Unable to parse'; line_number: 3 "
        'byte_offset_to_start_of_line: 12 column_index: 0 column_name: "id" column_type: INT64 '
        'value: "seven" '
        "File: gs://data/b.csv",
    }
    assert problem.statistics["load"]["badRecords"] == "2"
    assert problem.statistics["load"]["outputRows"] == "0"
    assert bench.engine.list_tables(PROJECT, "d") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "3",
            "CSV table references column position 1, but line starting at position:4 contains only",
        ),
        ("4,5,6", "Too many values in row starting at position: 4. Found 3 column(s) while expected 2."),
        ("4,5,", "Too many values in row starting at position: 4. Found 3 column(s) while expected 2."),
        ('"7,x', 'Missing close quote character (").'),
        ('"7"8,x', 'Data between close quote character (") and field separator.'),
        (",x", "Required column value for column index: 0 is missing in row starting at position: 4"),
        ("q,x", "Could not parse 'q' as INT64 for field id (position 0) starting at location 4"),
    ],
)
def test_bad_rows_are_tolerated_as_far_as_allowed(bench: Bench, line: str, message: str) -> None:
    uri = bench.put("a.csv", f"1,x\n{line}\n9,y\n")
    schema = fields("id:INTEGER:REQUIRED", "name:STRING")
    assert bench.fail(bench.loading("t", uri, schema=schema)).errors[1]["message"].count(message) == 1
    outcome = bench.load("t", uri, schema=schema, maxBadRecords=1)
    assert message in outcome.errors[0]["message"]
    assert "line_number: 2 byte_offset_to_start_of_line: 4" in outcome.errors[0]["message"]
    assert outcome.statistics["load"]["badRecords"] == "1"
    assert bench.cells("t") == [["1", "x"], ["9", "y"]]


@pytest.mark.parametrize(
    ("reason", "message", "uri", "options"),
    [
        ("notFound", "Not found: URI gs://data/none.csv", "gs://data/none.csv", {}),
        ("notFound", "Not found: URI gs://data/none*", "gs://data/none*", {}),
        ("invalid", "Invalid object name", "gs://data/../../etc/passwd", {}),
        ("invalid", "Invalid path", "/etc/passwd", {}),
        ("invalid", "Invalid path", "file:///etc/passwd", {}),
        ("accessDenied", "not inside", "gs://data/link.csv", {}),
        ("invalid", "Invalid value for fieldDelimiter: ||", "gs://data/a.csv", {"fieldDelimiter": "||"}),
        ("invalid", "ORC", "gs://data/a.csv", {"sourceFormat": "ORC"}),
        ("invalid", "Missing close quote character", "gs://data/lines.csv", {}),
        ("invalid", "repeated field", "gs://data/a.csv", {"schema": fields("a:STRING:REPEATED")}),
        ("notFound", "Not found: Table", "gs://data/a.csv", {"createDisposition": "CREATE_NEVER"}),
        ("invalid", "at the same time", "gs://data/a.csv", {"nullMarker": "a", "nullMarkers": ["b"]}),
        ("invalid", "not supported by the sandbox", "gs://data/a.csv", {"dateFormat": "DD.MM.YYYY"}),
    ],
)
def test_refusals(bench: Bench, reason: str, message: str, uri: str, options: dict[str, Any]) -> None:
    bench.put("a.csv", "1,x\n")
    bench.put("lines.csv", '1,"a\nb"\n')
    (bench.bucket / "link.csv").symlink_to("/etc/passwd")
    problem = bench.fail(bench.loading("t", uri, **{**TWO, **options}))
    assert problem.reason == reason
    assert any(message in error["message"] for error in problem.errors)


def test_dispositions_and_schema_updates(bench: Bench) -> None:
    uri = bench.put("a.csv", "1,x\n")
    bench.load("t", uri, **TWO)
    bench.load("t", uri)
    assert bench.cells("t") == [["1", "x"]] * 2
    assert bench.fail(bench.loading("t", uri, writeDisposition="WRITE_EMPTY")).reason == "duplicate"
    bad = bench.put("bad.csv", "x,x\n")
    bench.fail(bench.loading("t", bad, writeDisposition="WRITE_TRUNCATE"))
    assert bench.cells("t") == [["1", "x"]] * 2
    wider = fields("id:INTEGER", "other:STRING")
    mismatch = bench.fail(bench.loading("t", uri, schema=wider))
    assert (
        mismatch.message
        == f"Provided Schema does not match Table {PROJECT}:d.t. Cannot add fields (field: other)"
    )
    bench.load("t", uri, schema=wider, schemaUpdateOptions=["ALLOW_FIELD_ADDITION"])
    assert bench.cells("t")[2] == ["1", None, "x"]
    bench.load("t", uri, **TWO, writeDisposition="WRITE_TRUNCATE")
    assert bench.cells("t") == [["1", "x"]]


def test_good_rows_are_left_to_duckdb(bench: Bench) -> None:
    """They cost a fraction of what the same rows do when one among them has to be looked for in Python."""
    lines = [
        f"{number},name {number},{number / 7},2020-01-01 00:00:{number % 60:02d}" for number in range(40_000)
    ]
    schema = fields("id:INTEGER", "name:STRING", "v:FLOAT", "at:TIMESTAMP")

    def cpu_seconds(table: str, last: str) -> float:
        uri = bench.put(
            f"{table}.csv", "\n".join([*lines, last]) + "\n\n"
        )  # an empty line at the end is usual
        began = time.process_time()
        bench.load(table, uri, schema=schema, maxBadRecords=1)
        return time.process_time() - began

    good = cpu_seconds("good", "1,x,1,2020-01-01 00:00:00")
    assert good < cpu_seconds("bad", "one,x,1,2020-01-01 00:00:00") / 2
    rows = [bench.engine.get_table(PROJECT, "d", name)["numRows"] for name in ("good", "bad")]
    assert rows == ["40001", "40000"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("abcd,1.5,1", "maximum length 3"),
        ("abc,1234.5,1", "NUMERIC(5, 2)"),
        ("abc,999.995,1", "NUMERIC(5, 2)"),
    ],
)
def test_values_fit_the_sizes_of_columns(bench: Bench, row: str, message: str) -> None:
    """Whether the table is there, or the load's schema has the sizes."""
    bench.query("CREATE TABLE d.there (s STRING(3), n NUMERIC(5, 2), k INT64)")
    uri, schema = bench.put("a.csv", row), bench.engine.get_table(PROJECT, "d", "there")["schema"]
    for name, more in (("there", {}), ("new", {"schema": schema})):
        problem = bench.fail(bench.loading(name, uri, **more))
        assert (problem.reason, message in problem.message) == ("invalid", True), problem.message
        bench.load(name, bench.put("good.csv", "abc,999.994,1"), **more)
        assert bench.cells(name) == [["abc", "999.99", "1"]]


def test_the_largest_values_of_a_size_are_loaded(bench: Bench) -> None:
    largest = f"{'9' * 29}.{'9' * 9}"
    bench.query("CREATE TABLE d.t (n NUMERIC(38, 9))")
    bench.load("t", bench.put("a.csv", largest))
    assert bench.cells("t") == [[largest]]


def test_a_default_leaves_the_others_required(bench: Bench) -> None:
    """The rows of an empty table are taken over as they are."""
    bench.query("CREATE TABLE d.t (s STRING NOT NULL, k INT64 DEFAULT 7 NOT NULL)")
    bench.load("t", bench.put("a.csv", "x"), schema=fields("s:STRING:REQUIRED"))
    assert bench.cells("t") == [["x", "7"]]
    for sql in ("INSERT INTO t (s, k) VALUES (NULL, 1)", "INSERT INTO t (s, k) VALUES ('y', NULL)"):
        said = bench.fail(bench.sql(sql)).message
        assert "cannot be null" in said.lower(), said


def test_columns_of_another_type_than_those_with_a_size_are_named(bench: Bench) -> None:
    bench.query("CREATE TABLE d.t (s STRING(3), n NUMERIC(5, 2))")
    uri = bench.put("a.csv", "1,2")
    for columns, what in (
        (("s:INTEGER", "n:NUMERIC"), "Field s has changed type from STRING to INTEGER"),
        (("s:STRING", "n:STRING"), "Field n has changed type from NUMERIC to STRING"),
    ):
        problem = bench.fail(bench.loading("t", uri, schema=fields(*columns)))
        assert problem.message == f"Provided Schema does not match Table {PROJECT}:d.t. {what}"
    bench.load("t", uri, schema=fields("s:STRING", "n:INTEGER"))
    assert bench.cells("t") == [["1", "2"]]


def test_a_column_that_the_rows_lack_has_its_default(bench: Bench) -> None:
    """One for each row; an empty cell is NULL."""
    bench.query("CREATE TABLE d.t (S STRING, k INT64 DEFAULT 7, u STRING DEFAULT GENERATE_UUID())")
    bench.load("t", bench.put("a.csv", "x\ny\n"), schema=fields("s:STRING"))
    bench.query(
        "SELECT 'z' AS s",
        destinationTable={"datasetId": "d", "tableId": "t"},
        writeDisposition="WRITE_APPEND",
    )
    bench.load("t", bench.put("b.csv", "w,,"))
    found = bench.values("SELECT s, k, COUNT(DISTINCT u) OVER () FROM t ORDER BY s")
    assert found == [["w", None, "3"], ["x", "7", "3"], ["y", "7", "3"], ["z", "7", "3"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"schemaUpdateOptions": ["ALLOW_ANYTHING"]},
            "Invalid value for schemaUpdateOptions: ALLOW_ANYTHING",
        ),
        (
            {"schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"], "writeDisposition": "WRITE_TRUNCATE"},
            "Schema update options should only be specified with WRITE_APPEND disposition",
        ),
        ({"timePartitioning": {"type": "MONTH", "field": "day"}}, "Incompatible table partitioning"),
        (
            {"timePartitioning": {"type": "MONTH", "field": "day"}, "writeDisposition": "WRITE_TRUNCATE"},
            "Incompatible table partitioning",
        ),
    ],
)
def test_a_table_keeps_its_partitioning(bench: Bench, options: dict[str, Any], message: str) -> None:
    by_day = {"type": "DAY", "field": "day"}
    schema, uri = fields("day:DATE", "name:STRING"), bench.put("a.csv", "2020-01-01,x\n")
    bench.load("t", uri, schema=schema, timePartitioning=by_day)
    assert message in bench.fail(bench.loading("t", uri, schema=schema, **options)).message
    bench.load("t", uri, schema=schema, timePartitioning=by_day)
    assert len(bench.cells("t")) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"field": "id", "range": {"start": "0", "end": "9", "interval": "1"}},) * 2,
        (
            {"field": "id", "range": {"start": "0", "end": "9", "interval": "1"}},
            {"field": "ID", "range": {"start": 0, "end": 9, "interval": 1}},
        ),
        ({"field": "id", "range": {"start": 0, "end": 9, "interval": 1}}, {"field": None, "range": None}),
    ],
)
def test_a_partitioning_may_be_spelled_otherwise(
    bench: Bench, first: dict[str, Any], second: dict[str, Any]
) -> None:
    uri = bench.put("a.csv", "1,x\n")
    for partitioning in (first, second):
        bench.load("t", uri, **TWO, rangePartitioning=partitioning)
    assert bench.cells("t") == [["1", "x"]] * 2


def test_a_delimiter_that_the_encoding_lacks_is_in_no_file(bench: Bench) -> None:
    uri = bench.put("a.csv", "1,x\n")
    problem = bench.fail(bench.loading("t", uri, **TWO, fieldDelimiter="→", encoding="ISO-8859-1"))
    assert (problem.reason, "contains only 1 columns" in problem.errors[1]["message"]) == ("invalid", True)


@pytest.mark.parametrize(
    ("partitioning", "message"),
    [
        ({"timePartitioning": {"type": "DAY", "field": "nowhere"}}, "cannot be found in the schema: nowhere"),
        (
            {"timePartitioning": {"type": "DAY", "field": "name"}},
            "can only be DATE, DATETIME, TIMESTAMP: name",
        ),
        ({"rangePartitioning": {"field": "name"}}, "can only be INTEGER: name"),
    ],
)
def test_a_table_is_partitioned_by_a_column_of_it(
    bench: Bench, partitioning: dict[str, Any], message: str
) -> None:
    problem = bench.fail(bench.loading("t", bench.put("a.csv", "1,x\n"), **TWO, **partitioning))
    assert (problem.reason, problem.message.endswith(message)) == ("invalid", True)
