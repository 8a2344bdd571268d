"""DDL, DML and scripts: what changes tables, and what a script's child jobs tell."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox.engine_bench import PROJECT, Bench

MERGE = """MERGE t T USING (SELECT 1 AS a, 'm' AS s UNION ALL SELECT 9, 'n') S ON T.a = S.a
    WHEN MATCHED THEN UPDATE SET s = S.s
    WHEN NOT MATCHED THEN INSERT ROW
    WHEN NOT MATCHED BY SOURCE THEN DELETE"""


def test_create_table_keeps_what_the_statement_says(bench: Bench) -> None:
    outcome = bench.query(
        """CREATE TABLE d.t (a INT64 NOT NULL OPTIONS(description='the key'), n NUMERIC(10, 2),
        l ARRAY<STRUCT<x STRING, y TIMESTAMP>>, ts TIMESTAMP)
        PARTITION BY TIMESTAMP_TRUNC(ts, HOUR) CLUSTER BY a
        OPTIONS(description='rows', labels=[('team', 'data')])"""
    )
    query = outcome.statistics["query"]
    assert (query["statementType"], query["ddlOperationPerformed"]) == ("CREATE_TABLE", "CREATE")
    assert query["ddlTargetTable"] == {"projectId": PROJECT, "datasetId": "d", "tableId": "t"}
    table = bench.engine.get_table(PROJECT, "d", "t")
    assert table["timePartitioning"] == {"type": "HOUR", "field": "ts"}
    assert table["clustering"] == {"fields": ["a"]}
    assert (table["description"], table["labels"]) == ("rows", {"team": "data"})
    key, number, repeated, _ = table["schema"]["fields"]
    assert (key["mode"], key["description"]) == ("REQUIRED", "the key")
    assert (number["precision"], number["scale"]) == ("10", "2")
    assert (repeated["type"], repeated["mode"], len(repeated["fields"])) == ("RECORD", "REPEATED", 2)


def test_create_replace_skip_drop(bench: Bench) -> None:
    def operation(sql: str) -> str:
        return str(bench.query(sql).statistics["query"]["ddlOperationPerformed"])

    assert operation("CREATE TABLE t AS SELECT 1 AS a") == "CREATE"
    assert operation("CREATE TABLE IF NOT EXISTS t AS SELECT 2 AS a") == "SKIP"
    assert bench.fail(bench.sql("CREATE TABLE t AS SELECT 2 AS a")).reason == "duplicate"
    assert bench.cells("t") == [["1"]]
    bench.fail(bench.sql("CREATE OR REPLACE TABLE t AS SELECT ERROR('no') AS a"))
    assert bench.cells("t") == [["1"]]
    assert operation("CREATE OR REPLACE TABLE t AS SELECT 'x' AS b") == "REPLACE"
    assert bench.columns("t") == [("b", "STRING", "NULLABLE")]
    assert operation("TRUNCATE TABLE t") == "REPLACE"
    assert bench.engine.get_table(PROJECT, "d", "t")["numRows"] == "0"
    assert [operation(f"DROP TABLE IF EXISTS {name}") for name in ("t", "t")] == ["DROP", "SKIP"]
    assert bench.fail(bench.sql("DROP TABLE t")).reason == "notFound"


def test_alter_table_changes_schema_and_rows(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a, 2 AS b")
    bench.query("ALTER TABLE t ADD COLUMN c STRING")
    bench.query("ALTER TABLE t RENAME COLUMN a TO z")
    bench.query("ALTER TABLE t DROP COLUMN b")
    assert [name for name, _, _ in bench.columns("t")] == ["z", "c"]
    assert bench.values("SELECT z, c FROM t") == [["1", None]]


def test_views_are_read_like_tables(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2")
    bench.query("CREATE VIEW v AS SELECT a + 1 AS b FROM t WHERE a > 1")
    assert bench.values("SELECT * FROM d.v", defaultDataset=None) == [["3"]]
    assert bench.engine.get_table(PROJECT, "d", "v")["type"] == "VIEW"
    bench.query("INSERT INTO t VALUES (5)")
    assert bench.values("SELECT b FROM v ORDER BY b") == [["3"], ["6"]]
    assert "DROP" not in bench.fail(bench.sql("DROP TABLE v")).message
    assert bench.query("DROP VIEW v").statistics["query"]["statementType"] == "DROP_VIEW"


@pytest.mark.parametrize(
    ("sql", "affected", "rows"),
    [
        (
            "INSERT INTO t (a, s) VALUES (3, 'z'), (4, NULL)",
            "2",
            [["1", "x"], ["2", "y"], ["3", "z"], ["4", None]],
        ),
        ("INSERT t SELECT a + 10, s FROM t", "2", [["1", "x"], ["2", "y"], ["11", "x"], ["12", "y"]]),
        ("UPDATE t SET t.s = 'n' WHERE t.a = 1", "1", [["1", "n"], ["2", "y"]]),
        (
            "UPDATE t q SET s = o.s FROM (SELECT 2 AS a, 'o' AS s) o WHERE q.a = o.a",
            "1",
            [["1", "x"], ["2", "o"]],
        ),
        ("DELETE t WHERE a = 1", "1", [["2", "y"]]),
        ("DELETE FROM t AS q WHERE q.a > 0", "2", []),
        (MERGE, "3", [["1", "m"], ["9", "n"]]),
    ],
)
def test_dml_changes_rows_and_counts_them(bench: Bench, sql: str, affected: str, rows: list[Any]) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a, 'x' AS s UNION ALL SELECT 2, 'y'")
    outcome = bench.query(sql)
    assert outcome.statistics["query"]["numDmlAffectedRows"] == affected
    assert outcome.statistics["query"]["statementType"] == sql.split(maxsplit=1)[0]
    assert bench.values("SELECT a, s FROM t ORDER BY a") == rows
    assert bench.engine.get_table(PROJECT, "d", "t")["numRows"] == str(len(rows))


def test_failing_dml_changes_nothing(bench: Bench) -> None:
    bench.query("CREATE TABLE t (a INT64 NOT NULL)")
    bench.query("INSERT INTO t VALUES (1), (0)")
    problem = bench.fail(bench.sql("UPDATE t SET a = DIV(10, a) WHERE TRUE"))
    assert problem.message.startswith("division by zero")
    assert bench.fail(bench.sql("INSERT INTO t VALUES (NULL)")).message == "Required field a cannot be null"
    assert bench.values("SELECT a FROM t ORDER BY a") == [["0"], ["1"]]


def test_a_script_has_a_child_for_each_statement(bench: Bench) -> None:
    script = "CREATE TABLE t AS SELECT 1 AS a;\n\nINSERT INTO t\n  VALUES (2);\nSELECT SUM(a) AS s FROM t"
    outcome = bench.query(script)
    assert outcome.statistics["query"]["statementType"] == "SCRIPT"
    assert outcome.statistics["numChildJobs"] == "3"
    kinds = [child.statistics["query"]["statementType"] for child in outcome.children]
    assert kinds == ["CREATE_TABLE_AS_SELECT", "INSERT", "SELECT"]
    (frame,) = outcome.children[1].statistics["scriptStatistics"]["stackFrames"]
    assert frame == {
        "startLine": 3, "startColumn": 1, "endLine": 4, "endColumn": 13,
        "text": "INSERT INTO t\n  VALUES (2)",
    }  # fmt: skip
    assert bench.cells(outcome.configuration["query"]["destinationTable"]) == [["3"]]


def test_a_failing_statement_fails_its_script(bench: Bench) -> None:
    problem = bench.fail(bench.sql("CREATE TABLE t AS SELECT 1 AS a;\nSELECT nope FROM t;\nDROP TABLE t"))
    assert problem.error_result["message"] == "Unrecognized name: nope at [2:8]"
    assert [child.error_result for child in problem.children] == [None, problem.error_result]
    assert problem.statistics["numChildJobs"] == "2"
    assert bench.cells("t") == [["1"]]


def test_a_syntax_error_anywhere_runs_nothing_of_a_script(bench: Bench) -> None:
    problem = bench.fail(bench.sql("CREATE TABLE t AS SELECT 1 AS a; SELEC 2"))
    assert problem.children == []
    assert bench.engine.list_tables(PROJECT, "d") == []


def test_variables_and_temporary_tables(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 7 AS a")
    script = """DECLARE x INT64 DEFAULT 5; DECLARE names ARRAY<STRING> DEFAULT ['p', 'q']; DECLARE a DATE;
        SET x = x + (SELECT MAX(a) FROM t);
        CREATE TEMP TABLE tmp AS SELECT n, x AS v FROM UNNEST(names) AS n;
        SELECT n, v + x, a FROM tmp, t ORDER BY n"""
    assert bench.values(script) == [["p", "24", "7"], ["q", "24", "7"]]
    assert [each["id"] for each in bench.engine.list_tables(PROJECT, "d")] == [f"{PROJECT}:d.t"]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT u SELECT (1, 'b')", "INSERT u VALUES ((1, 'b'))", "INSERT u SELECT STRUCT(1 AS B, 'b' AS A)",
        "INSERT u SELECT STRUCT(n AS x, 'b' AS y) FROM UNNEST([1]) AS n",
        "INSERT u VALUES ((2, 'c')); UPDATE u SET z = (1, 'b') WHERE TRUE",
        "MERGE u USING (SELECT 1) ON FALSE WHEN NOT MATCHED THEN INSERT VALUES ((1, 'b'))",
        "CREATE OR REPLACE TABLE u (z STRUCT<a INT64, b STRING>) AS SELECT (1, 'b')",
        "DECLARE v STRUCT<a INT64, b STRING> DEFAULT (1, 'b'); INSERT u VALUES (v)",
        "DECLARE v STRUCT<a INT64, b STRING>; SET v = (SELECT AS STRUCT 1, 'b'); INSERT u VALUES (v)",
        "DECLARE v ARRAY<STRUCT<a INT64, b STRING>> DEFAULT [(1, 'b')]; INSERT u VALUES (v[0])",
    ],
)  # fmt: skip
def test_fields_of_a_record_are_found_by_their_places(bench: Bench, sql: str) -> None:
    """Whatever they are called where they come from."""
    bench.query("CREATE TABLE u (z STRUCT<a INT64, b STRING>)")
    bench.query(sql)
    assert bench.values("SELECT z.a, z.b FROM u") == [["1", "b"]]


@pytest.mark.parametrize(
    "sql",
    [
        "CALL d.p()", "EXECUTE IMMEDIATE 'SELECT 1'", "SET x = 1",
        "CREATE FUNCTION d.f(x INT64) AS (x + 1)", "EXPORT DATA OPTIONS(uri='gs://data/*') AS SELECT 1",
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_clearly(bench: Bench, sql: str) -> None:
    problem = bench.fail(bench.sql(sql))
    assert problem.reason == "invalidQuery"
    assert "sandbox" in problem.message or "Undeclared variable: x" in problem.message
