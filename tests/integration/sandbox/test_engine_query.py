"""Query jobs: results, parameters, destinations, statistics, errors in BigQuery's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox.engine_bench import PROJECT, Bench

LEGACY = "SELECT * FROM [test-project:eu.x]"


def test_result_columns_have_bigquerys_names_and_types(bench: Bench) -> None:
    outcome = bench.query("SELECT 1, 'a' AS x, 2.5, [1], STRUCT(1 AS y, 'z'), CURRENT_DATE() AS today")
    schema = outcome.statistics["query"]["schema"]["fields"]
    assert [(each["name"], each["type"], each["mode"]) for each in schema] == [
        ("f0_", "INTEGER", "NULLABLE"),
        ("x", "STRING", "NULLABLE"),
        ("f1_", "FLOAT", "NULLABLE"),
        ("f2_", "INTEGER", "REPEATED"),
        ("f3_", "RECORD", "NULLABLE"),
        ("today", "DATE", "NULLABLE"),
    ]
    assert [each["name"] for each in schema[4]["fields"]] == ["y", "_field_2"]


def test_every_type_is_encoded_as_the_api_does(bench: Bench) -> None:
    sql = """SELECT 9007199254740993 AS i, CAST('nan' AS FLOAT64) AS nan, 1.5 AS f, TRUE AS b, b'ab' AS raw,
        NUMERIC '1.50' AS n, DATE '2020-01-31' AS d, TIME '10:11:12.5' AS t,
        DATETIME '2020-01-31 10:11:12' AS dt,
        TIMESTAMP '2020-01-01 00:00:00.25 UTC' AS ts, JSON '{"a": 1}' AS j, NULL AS nothing,
        [STRUCT(1 AS k, ['x'] AS l)] AS nested"""
    outcome = bench.query(sql)
    table = outcome.configuration["query"]["destinationTable"]
    plain = [
        "9007199254740993", "NaN", "1.5", "true", "YWI=", "1.5", "2020-01-31", "10:11:12.500000",
        "2020-01-31T10:11:12",
    ]  # fmt: skip
    (row,) = bench.cells(table)
    assert row[:9] == plain
    assert row[9:12] == ["1577836800.25", '{"a":1}', None]
    assert row[12] == [{"v": {"f": [{"v": "1"}, {"v": [{"v": "x"}]}]}}]
    assert bench.cells(table, int64_timestamps=True)[0][9] == "1577836800250000"


@pytest.mark.parametrize(
    ("message", "sql"),
    [
        (f"Not found: Table {PROJECT}:d.nope was not found in location US", "SELECT * FROM d.nope"),
        (f"Not found: Dataset {PROJECT}:none was not found in location US", "SELECT * FROM none.t"),
        (f"Not found: Dataset {PROJECT}:eu was not found in location US", "SELECT * FROM eu.t"),
    ],
)
def test_what_is_missing_or_elsewhere_is_not_found(bench: Bench, message: str, sql: str) -> None:
    problem = bench.fail(bench.sql(sql))
    assert problem.error_result == {"reason": "notFound", "message": message}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '/etc/passwd'", "COPY d.t TO '/tmp/x'", "ATTACH '/tmp/x.db'", "PRAGMA version",
        "INSTALL httpfs", "SET enable_external_access = true", "SELECT * FROM duckdb_settings()",
        "SELECT current_setting('TimeZone')", "SELECT * FROM `/etc/passwd`",
    ],
)  # fmt: skip
def test_users_sql_reaches_neither_files_nor_duckdbs_own_functions(bench: Bench, sql: str) -> None:
    assert bench.fail(bench.sql(sql)).reason in {"invalidQuery", "invalid", "notFound"}


def test_a_failing_truncate_keeps_the_rows(bench: Bench) -> None:
    target = {"datasetId": "d", "tableId": "t"}
    bench.query("SELECT 1 AS a", destinationTable=target)
    bad = bench.sql("SELECT 1 / 0 AS a", destinationTable=target, writeDisposition="WRITE_TRUNCATE")
    bench.fail(bad)
    assert bench.cells("t") == [["1"]]


def test_dispositions_of_the_destination(bench: Bench) -> None:
    target: dict[str, Any] = {"destinationTable": {"datasetId": "d", "tableId": "t"}}
    never = bench.fail(bench.sql("SELECT 1 AS a", **target, createDisposition="CREATE_NEVER"))
    assert never.error_result == {"reason": "notFound", "message": f"Not found: Table {PROJECT}:d.t"}
    bench.query("SELECT 1 AS a", **target)
    duplicate = bench.fail(bench.sql("SELECT 2 AS a", **target))
    assert duplicate.error_result == {
        "reason": "duplicate",
        "message": f"Already Exists: Table {PROJECT}:d.t",
    }
    bench.query("SELECT 2 AS a", **target, writeDisposition="WRITE_APPEND")
    assert bench.cells("t") == [["1"], ["2"]]
    other = bench.fail(bench.sql("SELECT 'x' AS a", **target, writeDisposition="WRITE_APPEND"))
    assert "Field a has changed type from INTEGER to STRING" in other.message
    added = bench.sql("SELECT 3 AS a, 'n' AS b", **target, writeDisposition="WRITE_APPEND")
    assert "Cannot add fields (field: b)" in bench.fail(added).message
    added["query"]["schemaUpdateOptions"] = ["ALLOW_FIELD_ADDITION"]
    bench.run(added)
    assert bench.cells("t")[-1] == ["3", "n"]
    bench.query("SELECT 4 AS a, 'm' AS b", **target, writeDisposition="WRITE_TRUNCATE_DATA")
    assert bench.cells("t") == [["4", "m"]]
    bench.query("SELECT TRUE AS z", **target, writeDisposition="WRITE_TRUNCATE")
    assert bench.columns("t") == [("z", "BOOLEAN", "NULLABLE")]


def test_parameters_named_positional_nested(bench: Bench) -> None:
    whole: dict[str, Any] = {"type": "INT64"}
    named = [
        {
            "name": "text",
            "parameterType": {"type": "STRING"},
            "parameterValue": {"value": "o'x; DROP TABLE t"},
        },
        {
            "name": "list",
            "parameterType": {"type": "ARRAY", "arrayType": whole},
            "parameterValue": {"arrayValues": [{"value": "1"}, {"value": "2"}]},
        },
        {
            "name": "record",
            "parameterType": {"type": "STRUCT", "structTypes": [{"name": "day", "type": {"type": "DATE"}}]},
            "parameterValue": {"structValues": {"day": {"value": "2020-01-31"}}},
        },
        {"name": "nothing", "parameterType": {"type": "FLOAT64"}, "parameterValue": {}},
    ]
    sql = "SELECT @text, (SELECT SUM(x) FROM UNNEST(@list) AS x), @record.day, @nothing"
    assert bench.values(sql, queryParameters=named) == [["o'x; DROP TABLE t", "3", "2020-01-31", None]]
    positional = [{"parameterType": whole, "parameterValue": {"value": str(number)}} for number in (5, 7, 9)]
    ordered = "SELECT ? AS a, x FROM UNNEST([7, 8]) AS x WHERE x = ? LIMIT ?"
    assert bench.values(ordered, queryParameters=positional) == [["5", "7"]]


def test_the_cache_serves_the_same_text_until_a_table_changes(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a")
    first = bench.query("SELECT SUM(a) FROM t")
    again = bench.query("SELECT SUM(a) FROM t")
    assert [each.statistics["query"]["cacheHit"] for each in (first, again)] == [False, True]
    assert again.statistics["query"]["totalBytesBilled"] == "0"
    assert bench.query("SELECT SUM(a) FROM t", useQueryCache=False).statistics["query"]["cacheHit"] is False
    bench.query("INSERT INTO t VALUES (5)")
    assert bench.values("SELECT SUM(a) FROM t") == [["6"]]
    assert not any(bench.query("SELECT RAND()").statistics["query"]["cacheHit"] for _ in range(2))


def test_bytes_are_those_of_the_columns_that_are_read(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT x AS a, 'abc' AS s FROM UNNEST(GENERATE_ARRAY(1, 100)) AS x")
    read = {
        sql: bench.query(sql).statistics["query"]["totalBytesProcessed"]
        for sql in (
            "SELECT a FROM t",
            "SELECT * FROM t",
            "SELECT COUNT(*) FROM t",
            "SELECT s FROM t WHERE a > 1",
        )
    }
    assert list(read.values()) == ["800", "1300", "0", "1300"]
    assert bench.query("SELECT a + 0 FROM t").statistics["query"]["totalBytesBilled"] == str(10 << 20)
    problem = bench.fail(bench.sql("SELECT a + 1 FROM t", maximumBytesBilled="1000"))
    assert problem.reason == "bytesBilledLimitExceeded"


def test_a_dry_run_tells_and_writes_nothing(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a")
    target = {"datasetId": "d", "tableId": "new"}
    reply = bench.engine.dry_run(PROJECT, bench.sql("SELECT a FROM t", destinationTable=target))
    assert reply["statistics"]["totalBytesProcessed"] == "8"
    assert reply["statistics"]["query"]["schema"]["fields"][0]["name"] == "a"
    for sql in ("DELETE FROM t WHERE TRUE", "CREATE TABLE x AS SELECT a FROM t", "DROP TABLE t"):
        bench.engine.dry_run(PROJECT, bench.sql(sql))
    assert [each["id"] for each in bench.engine.list_tables(PROJECT, "d")] == [f"{PROJECT}:d.t"]
    assert bench.cells("t") == [["1"]]


def test_legacy_names_are_understood(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a")
    legacy = {"query": {"query": LEGACY.replace("eu.x", "d.t")}}
    table = bench.run(legacy).configuration["query"]["destinationTable"]
    assert bench.cells(table) == [["1"]]


@pytest.mark.parametrize(
    ("location", "configuration"),
    [
        ("EU", {"query": {"query": "SELECT * FROM eu.x JOIN `eu.y` USING (a)", "useLegacySql": False}}),
        ("EU", {"query": {"query": LEGACY}}),
        ("US", {"query": {"query": "SELECT 1", "defaultDataset": {"datasetId": "d"}}}),
        ("US", {"load": {"destinationTable": {"datasetId": "d", "tableId": "t"}}}),
        ("EU", {"extract": {"sourceTable": {"datasetId": "eu", "tableId": "t"}}}),
        ("EU", {"copy": {"sourceTables": [{"datasetId": "eu", "tableId": "t"}]}}),
        (None, {"query": {"query": "SELECT 1", "useLegacySql": False}}),
        (None, {"query": {"query": "not even SQL FROM ../..", "useLegacySql": False}}),
    ],
)
def test_where_a_job_has_to_run(bench: Bench, location: str | None, configuration: dict[str, Any]) -> None:
    assert bench.engine.location_of(PROJECT, configuration) == location


def test_turns_end_with_their_writers(bench: Bench) -> None:
    """What was needed to write a table is not kept for each that ever was."""
    bench.query("CREATE TABLE x AS SELECT 1 AS n; DROP TABLE x")
    bench.query("SELECT 1 AS n")
    assert bench.engine._store._turns == {}


def test_the_cache_knows_what_a_view_was(bench: Bench) -> None:
    """Also of a view that reads no tables: its text is what changes."""
    for value in ("1", "2"):
        bench.query(f"CREATE OR REPLACE VIEW v AS SELECT {value} AS n")
        bench.query("CREATE OR REPLACE VIEW w AS SELECT n * 10 AS n FROM d.v")
        assert bench.values("SELECT v.n AS v, w.n AS w FROM v, w") == [[value, value + "0"]]


@pytest.mark.parametrize("sql", ["SELECT @x AS n", "DECLARE y INT64 DEFAULT @x; SELECT y AS n"])
def test_the_cache_knows_the_parameters(bench: Bench, sql: str) -> None:
    for value in ("1", "2", "1"):
        parameter = {"name": "x", "parameterType": {"type": "INT64"}, "parameterValue": {"value": value}}
        assert bench.values(sql, queryParameters=[parameter]) == [[value]]


def test_what_the_cache_remembers_without_reading_it_again(bench: Bench) -> None:
    """The second answer is the first one's, and says so; where the query goes to a table it runs again."""
    first, again = bench.query("SELECT 5 AS n"), bench.query("SELECT 5 AS n")
    assert [each.statistics["query"]["cacheHit"] for each in (first, again)] == [False, True]
    for name in ("statementType", "schema", "referencedTables", "totalBytesProcessed", "totalBytesBilled"):
        assert first.statistics["query"][name] == again.statistics["query"][name]
    assert bench.fail(bench.sql("SELECT 5 AS n", priority="LATER")).reason == "invalid"
    target = {"projectId": PROJECT, "datasetId": "d", "tableId": "t"}
    assert (
        bench.query("SELECT 5 AS n", destinationTable=target).configuration["query"]["destinationTable"]
        == target
    )
    for _ in range(2):
        assert bench.query("SELECT 5 AS n; SELECT 5 AS n").statistics["query"]["statementType"] == "SCRIPT"
