"""Queries that BigQuery refuses: in its words, at its places; and that what it takes is not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from tests.integration.sandbox.engine_bench import PROJECT, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = """CREATE TABLE t AS
    SELECT 1 AS a, 'x' AS s, DATE '2020-01-01' AS d, TIMESTAMP '2020-01-01' AS ts, 1.5 AS f, TRUE AS b,
        [1, 2] AS list, STRUCT(1 AS x) AS r
    UNION ALL SELECT 2, 'y', DATE '2020-01-02', TIMESTAMP '2020-01-02', 2.5, FALSE, [3], STRUCT(2 AS x)"""

SYNTAX = """
SELEC 1 => Syntax error: Unexpected identifier "SELEC" at [1:1]
SELECT 1 FROM WHERE => Syntax error: Unexpected keyword WHERE at [1:15]
SELECT (1 => Syntax error: Expected "," but got end of script at [1:10]
SELECT 'abc => Syntax error: Unclosed string literal at [1:8]
"""

NAMES = """
SELECT a, nope FROM t => Unrecognized name: nope at [1:11]
SELECT nope FROM (SELECT 1 AS a) => Unrecognized name: nope at [1:8]
WITH w AS (SELECT 1 AS a) SELECT nope FROM w => Unrecognized name: nope at [1:34]
SELECT a FROM t WHERE nope = 1 => Unrecognized name: nope at [1:23]
SELECT a FROM t ORDER BY nope => Unrecognized name: nope at [1:26]
SELECT a FROM t AS u WHERE t.a = 1 => Unrecognized name: t at [1:28]
SELECT t.a => Unrecognized name: t at [1:8]
SELECT t.nope FROM t => Name nope not found inside t at [1:10]
SELECT x.nope FROM (SELECT 1 AS a) AS x => Name nope not found inside x at [1:10]
SELECT r.nope FROM t => Field name nope does not exist in STRUCT<x INT64> at [1:10]
SELECT a.b FROM t => Cannot access field b on a value with type INT64 at [1:10]
SELECT a FROM t JOIN t AS u ON TRUE => Column name a is ambiguous at [1:8]
SELECT t.a FROM t JOIN (SELECT 1 AS k) USING (k) => Column k in USING clause not found on left side of join at [1:47]
SELECT t.a FROM t, t => Duplicate table alias t in the same FROM clause at [1:20]
WITH w AS (SELECT 1), w AS (SELECT 2) SELECT 1 => Duplicate alias w for WITH subquery at [1:23]
SELECT 1 AS x, 2 AS X => Duplicate column names in the result are not supported. Found duplicate(s): x
SELECT * EXCEPT (nope) FROM t => Column nope in SELECT * EXCEPT list does not exist at [1:18]
SELECT * REPLACE (1 AS nope) FROM t => Column nope in SELECT * REPLACE list does not exist at [1:24]
SELECT * EXCEPT (a) FROM (SELECT 1 AS a) => SELECT * expands to zero columns after applying EXCEPT at [1:8]
SELECT * => SELECT * must have a FROM clause at [1:8]
SELECT @p => Query parameter 'p' not found at [1:8]
"""  # noqa: E501

CALLS = """
SELECT foo(1) => Function not found: foo at [1:8]
SELECT a, foo(a) FROM t => Function not found: foo at [1:11]
SELECT read_text('/etc/passwd') => Function not found: read_text at [1:8]
SELECT * FROM read_csv('/etc/passwd') => Table-valued function not found: read_csv at [1:15]
SELECT COUNT(DISTINCT) FROM t => No matching signature for aggregate function COUNT with no arguments Signature: COUNT(T1) Signature requires at least 1 argument, found 0 arguments at [1:8]
SELECT COUNT(a, s) FROM t => No matching signature for aggregate function COUNT Argument types: INT64, STRING Signature: COUNT(T1) Signature accepts at most 1 argument, found 2 arguments at [1:8]
SELECT UPPER() => No matching signature for function UPPER with no arguments Signature: UPPER(STRING) Signature requires at least 1 argument, found 0 arguments Signature: UPPER(BYTES) Signature requires at least 1 argument, found 0 arguments at [1:8]
SELECT a, SUBSTR('a') FROM t => No matching signature for function SUBSTR Argument types: STRING Signature: SUBSTR(STRING, INT64, [INT64]) Signature requires at least 2 arguments, found 1 argument Signature: SUBSTR(BYTES, INT64, [INT64]) Signature requires at least 2 arguments, found 1 argument at [1:11]
SELECT IF(TRUE, 1) => No matching signature for function IF Argument types: BOOL, INT64 Signature: IF(BOOL, T1, T1) Signature requires at least 3 arguments, found 2 arguments at [1:8]
SELECT DATE_ADD(DATE '2020-01-01') => No matching signature for function DATE_ADD for argument types: DATE Signature: DATE_ADD(DATE, INTERVAL INT64 DATE_TIME_PART) Signature requires at least 3 arguments, found 1 argument Signature: DATE_ADD(DATETIME, INTERVAL INT64 DATE_TIME_PART) Signature requires at least 3 arguments, found 1 argument Signature: DATE_ADD(TIMESTAMP, INTERVAL INT64 DATE_TIME_PART) Signature requires at least 3 arguments, found 1 argument at [1:8]
SELECT SAFE_ADD(1) => No matching signature for function SAFE_ADD Argument types: INT64 Signature: SAFE_ADD(INT64, INT64) Signature requires at least 2 arguments, found 1 argument Signature: SAFE_ADD(FLOAT64, FLOAT64) Signature requires at least 2 arguments, found 1 argument Signature: SAFE_ADD(NUMERIC, NUMERIC) Signature requires at least 2 arguments, found 1 argument Signature: SAFE_ADD(BIGNUMERIC, BIGNUMERIC) Signature requires at least 2 arguments, found 1 argument at [1:8]
SELECT UPPER(a) FROM t => No matching signature for function UPPER Argument types: INT64 Signature: UPPER(STRING) Argument 1: Unable to coerce type INT64 to expected type STRING Signature: UPPER(BYTES) Argument 1: Unable to coerce type INT64 to expected type BYTES at [1:8]
SELECT SUM(s) FROM t => No matching signature for aggregate function SUM Argument types: STRING Signature: SUM(INT64) Argument 1: Unable to coerce type STRING to expected type INT64 Signature: SUM(FLOAT64) Argument 1: Unable to coerce type STRING to expected type FLOAT64 Signature: SUM(NUMERIC) Argument 1: Unable to coerce type STRING to expected type NUMERIC Signature: SUM(BIGNUMERIC) Argument 1: Unable to coerce type STRING to expected type BIGNUMERIC Signature: SUM(INTERVAL) Argument 1: Unable to coerce type STRING to expected type INTERVAL at [1:8]
SELECT SUBSTR(1, 'x') => No matching signature for function SUBSTR Argument types: INT64, STRING Signature: SUBSTR(STRING, INT64, [INT64]) Argument 1: Unable to coerce type INT64 to expected type STRING Signature: SUBSTR(BYTES, INT64, [INT64]) Argument 1: Unable to coerce type INT64 to expected type BYTES at [1:8]
SELECT EXTRACT(YEAR FROM s) FROM t => No matching signature for function EXTRACT for argument types: DATE_TIME_PART FROM STRING Signature: EXTRACT(DATE_TIME_PART FROM DATE) Argument 1: Unable to coerce type STRING to expected type DATE Signature: EXTRACT(DATE_TIME_PART FROM TIMESTAMP [AT TIME ZONE STRING]) Argument 1: Unable to coerce type STRING to expected type TIMESTAMP Signature: EXTRACT(DATE_TIME_PART FROM DATETIME) Argument 1: Unable to coerce type STRING to expected type DATETIME Signature: EXTRACT(DATE_TIME_PART FROM TIME) Argument 1: Unable to coerce type STRING to expected type TIME Signature: EXTRACT(DATE_TIME_PART FROM INTERVAL) Argument 1: Unable to coerce type STRING to expected type INTERVAL at [1:8]
SELECT CAST(1 AS VARCHAR) => Type not found: VARCHAR at [1:18]
SELECT CAST(d AS INT64) FROM t => Invalid cast from DATE to INT64 at [1:13]
SELECT CAST(list AS STRING) FROM t => Invalid cast from ARRAY<INT64> to STRING at [1:13]
"""  # noqa: E501

TYPES = """
SELECT 1 = 'a' => No matching signature for operator = for argument types: INT64, STRING Signature: T1 = T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:8]
SELECT a FROM t WHERE a = s => No matching signature for operator = for argument types: INT64, STRING Signature: T1 = T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:23]
SELECT a FROM t WHERE s > 1 => No matching signature for operator > for argument types: STRING, INT64 Signature: T1 > T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:23]
SELECT a FROM t WHERE d = ts => No matching signature for operator = for argument types: DATE, TIMESTAMP Signature: T1 = T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {DATE, TIMESTAMP} at [1:23]
SELECT a FROM t WHERE list = 1 => No matching signature for operator = for argument types: ARRAY<INT64>, INT64 Signature: T1 = T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, ARRAY<INT64>} at [1:23]
SELECT 1 FROM (SELECT 'x' AS k) WHERE k != 1 => No matching signature for operator != for argument types: STRING, INT64 Signature: T1 != T1 Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:39]
SELECT a BETWEEN 'x' AND 'y' FROM t => No matching signature for operator BETWEEN Argument types: INT64, STRING, STRING Signature: (T1) BETWEEN (T1) AND (T1) Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:10]
SELECT a IN ('x', 'y') FROM t => No matching signature for operator IN for argument types INT64 and {STRING} at [1:10]
SELECT a IN (SELECT s FROM t) FROM t => Cannot execute IN subquery with uncomparable types INT64 and STRING at [1:8]
SELECT a LIKE 'x' FROM t => No matching signature for operator LIKE for argument types: INT64, STRING Signature: STRING LIKE STRING Argument 1: Unable to coerce type INT64 to expected type STRING Signature: BYTES LIKE BYTES Argument 1: Unable to coerce type INT64 to expected type BYTES at [1:8]
SELECT s + 1 FROM t => No matching signature for operator + Argument types: STRING, INT64 Signature: INT64 + INT64 Argument 1: Unable to coerce type STRING to expected type INT64 Signature: FLOAT64 + FLOAT64 Argument 1: Unable to coerce type STRING to expected type FLOAT64 Signature: NUMERIC + NUMERIC Argument 1: Unable to coerce type STRING to expected type NUMERIC Signature: BIGNUMERIC + BIGNUMERIC Argument 1: Unable to coerce type STRING to expected type BIGNUMERIC Signature: DATE + INT64 Argument 1: Unable to coerce type STRING to expected type DATE Signature: INT64 + DATE Argument 1: Unable to coerce type STRING to expected type INT64 Signature: TIMESTAMP + INTERVAL Argument 1: Unable to coerce type STRING to expected type TIMESTAMP Signature: INTERVAL + TIMESTAMP Argument 1: Unable to coerce type STRING to expected type INTERVAL Signature: DATE + INTERVAL Argument 1: Unable to coerce type STRING to expected type DATE Signature: INTERVAL + DATE Argument 1: Unable to coerce type STRING to expected type INTERVAL Signature: DATETIME + INTERVAL Argument 1: Unable to coerce type STRING to expected type DATETIME Signature: INTERVAL + DATETIME Argument 1: Unable to coerce type STRING to expected type INTERVAL Signature: INTERVAL + INTERVAL Argument 1: Unable to coerce type STRING to expected type INTERVAL at [1:8]
SELECT -s FROM t => No matching signature for operator - Argument types: STRING Signature: -(INT64) Argument 1: Unable to coerce type STRING to expected type INT64 Signature: -(FLOAT64) Argument 1: Unable to coerce type STRING to expected type FLOAT64 Signature: -(NUMERIC) Argument 1: Unable to coerce type STRING to expected type NUMERIC Signature: -(BIGNUMERIC) Argument 1: Unable to coerce type STRING to expected type BIGNUMERIC Signature: -(INTERVAL) Argument 1: Unable to coerce type STRING to expected type INTERVAL at [1:8]
SELECT NOT a FROM t => No matching signature for operator NOT Argument types: INT64 Signature: NOT (BOOL) Argument 1: Unable to coerce type INT64 to expected type BOOL at [1:8]
SELECT a AND b FROM t => No matching signature for operator AND Argument types: INT64, BOOL Signature: BOOL AND ([BOOL, ...]) Argument 1: Unable to coerce type INT64 to expected type BOOL at [1:8]
SELECT a[0] FROM t => Subscript access using [INT64] is not supported on values of type INT64 at [1:10]
SELECT a FROM t WHERE a => WHERE clause should return type BOOL, but returns INT64 at [1:23]
SELECT t.a FROM t JOIN t AS u ON u.s => JOIN ON clause should return type BOOL, but returns STRING at [1:34]
SELECT IF(a, 1, 2) FROM t => No matching signature for function IF Argument types: INT64, INT64, INT64 Signature: IF(BOOL, T1, T1) Argument 1: Unable to coerce type INT64 to expected type BOOL at [1:8]
SELECT IFNULL(a, 'x') FROM t => No matching signature for function IFNULL Argument types: INT64, STRING Signature: IFNULL(T1, T1) Unable to find common supertype for templated argument <T1> Input types for <T1>: {INT64, STRING} at [1:8]
SELECT [1, 'x'] => Array elements of types {INT64, STRING} do not have a common supertype at [1:8]
SELECT CASE WHEN b THEN 1 ELSE 'x' END FROM t => No matching signature for operator CASE; all THEN/ELSE arguments must be coercible to a common type but found: INT64, STRING; actual argument types (WHEN THEN) ELSE: (BOOL INT64) STRING at [1:8]
SELECT a FROM t UNION ALL SELECT s FROM t => Column 1 in UNION ALL has incompatible types: INT64, STRING at [1:27]
SELECT 1 UNION ALL SELECT 1, 2 => Queries in UNION ALL have mismatched column count; query 1 has 1 column, query 2 has 2 columns at [1:20]
SELECT x FROM t, UNNEST(s) AS x => Values referenced in UNNEST must be arrays. UNNEST contains expression of type STRING at [1:25]
SELECT (SELECT 1, 2) => Scalar subquery cannot have more than one column unless using SELECT AS STRUCT to build STRUCT values at [1:8]
"""  # noqa: E501

AGGREGATES = """
SELECT a, COUNT(*) FROM t => SELECT list expression references column a which is neither grouped nor aggregated at [1:8]
SELECT SUM(a), a FROM t => SELECT list expression references column a which is neither grouped nor aggregated at [1:16]
SELECT s FROM t GROUP BY s HAVING a > 1 => HAVING clause expression references column a which is neither grouped nor aggregated at [1:35]
SELECT s FROM t GROUP BY s ORDER BY a => ORDER BY clause expression references column a which is neither grouped nor aggregated at [1:37]
SELECT a FROM t WHERE SUM(a) > 1 => Aggregate function SUM not allowed in WHERE clause at [1:23]
SELECT a FROM t GROUP BY MAX(a) => Aggregate function MAX not allowed in GROUP BY at [1:26]
SELECT s, SUM(a) FROM t GROUP BY 2 => Column 2 contains an aggregation function, which is not allowed in GROUP BY at [1:34]
SELECT a FROM t GROUP BY 2 => GROUP BY is out of SELECT column number range: 2 at [1:26]
SELECT a FROM t GROUP BY -1 => GROUP BY is out of SELECT column number range: -1 at [1:26]
SELECT a FROM t ORDER BY 2 => ORDER BY is out of SELECT column number range: 2 at [1:26]
SELECT SUM(COUNT(*)) FROM t => Aggregations of aggregations are not allowed at [1:8]
SELECT a FROM t WHERE RANK() OVER (ORDER BY a) = 1 => Analytic function not allowed in WHERE clause at [1:23]
"""  # noqa: E501

CHANGES = """
UPDATE t SET a = 1 => UPDATE must have a WHERE clause at [1:1]
DELETE FROM t => DELETE must have a WHERE clause at [1:1]
UPDATE t SET nope = 1 WHERE TRUE => Unrecognized name: nope at [1:14]
UPDATE t SET a = 'x' WHERE TRUE => Value of type STRING cannot be assigned to a, which has type INT64 at [1:18]
UPDATE t SET a = 1, a = 2 WHERE TRUE => Update item a assigned more than once at [1:21]
INSERT INTO t (a) VALUES ('x') => Value has type STRING which cannot be inserted into column a, which has type INT64 at [1:27]
INSERT INTO t (a) SELECT s FROM t => Query column 1 has type STRING which cannot be inserted into column a, which has type INT64 at [1:19]
INSERT INTO t (a) VALUES (1, 2) => Inserted row has wrong column count; Has 2, expected 1 at [1:26]
INSERT INTO t VALUES (1) => Inserted row has wrong column count; Has 1, expected 8 at [1:22]
INSERT INTO t (a, a) VALUES (1, 2) => INSERT has columns with duplicate name: a at [1:19]
INSERT INTO t (nope) VALUES (1) => Column nope is not present in table test-project.d.t at [1:16]
MERGE t USING (SELECT 1 AS k) AS n ON t.a = n.k WHEN MATCHED THEN UPDATE SET a = 'x' => Value of type STRING cannot be assigned to a, which has type INT64 at [1:82]
"""  # noqa: E501

# A literal is refused where it stands. What only the rows can tell has no place.
VALUES = """
SELECT CAST('abc' AS INT64) => Bad int64 value: abc
SELECT CAST('1.5' AS INT64) => Bad int64 value: 1.5
SELECT DATE '2020-02-30' => Invalid DATE literal at [1:8]
SELECT a FROM t WHERE d = 'x' => Could not cast literal "x" to type DATE at [1:27]
SELECT CAST(s AS INT64) FROM t => Bad int64 value: x
SELECT CAST(s AS INT64) FROM t WHERE s = 'x' => Bad int64 value: x
SELECT CAST(s AS FLOAT64) FROM t => Bad double value: x
SELECT CAST(s AS DATE) FROM t => Invalid date: 'x'
SELECT PARSE_DATE('%Y-%m-%d', 'x') => Failed to parse input string "x"
SELECT a / 0 FROM t WHERE a = 1 => division by zero: 1 / 0
SELECT CAST(1 AS NUMERIC) / 0 => division by zero: 1 / 0
SELECT MOD(1, 0) => division by zero: MOD(1, 0)
SELECT 9223372036854775807 + 1 => int64 overflow: 9223372036854775807 + 1
SELECT CAST(1e30 AS INT64) => int64 out of range: 1e+30
SELECT SQRT(-1) => Argument to SQRT cannot be negative: -1
SELECT DATE_ADD(DATE '9999-12-31', INTERVAL 1 DAY) => Adding 1 DAY to date 9999-12-31 causes overflow
SELECT [1, 2][OFFSET(2)] => Array index 2 is out of bounds
SELECT [1, 2][ORDINAL(0)] => Array index 0 is out of bounds
SELECT (SELECT a FROM t) => Scalar subquery produced more than one element
SELECT ERROR('my own words') => my own words
"""

REFUSED = [
    case
    for cases in (SYNTAX, NAMES, CALLS, TYPES, AGGREGATES, CHANGES, VALUES)
    for case in cases.strip().splitlines()
]

TAKEN = """
SELECT a FROM t WHERE d = '2020-01-01' AND ts > '2020-01-01' AND a = 1.5 AND a IN (1, 2.5)
SELECT x FROM (SELECT a AS x FROM t UNION ALL SELECT f FROM t) WHERE x = 1.5
SELECT NULL AS x UNION ALL SELECT 'a' UNION ALL SELECT s FROM t
SELECT d FROM t UNION ALL SELECT '2020-01-01'
WITH w AS (SELECT a AS s FROM t) SELECT w.s + 1 AS n, t.s FROM w JOIN t ON t.a = w.s
SELECT IFNULL(a, 0.5) AS n, COALESCE(s, 'x', NULL) AS c, [d, '2020-01-01'] AS days FROM t
SELECT CASE WHEN a = 1 THEN d WHEN b THEN '2020-01-01' END FROM t
SELECT s, SUM(SUM(a)) OVER () AS total, RANK() OVER (ORDER BY SUM(a)) AS place FROM t GROUP BY 1 ORDER BY 2, 3
SELECT CONCAT('(', ',', s) AS c, STRING_AGG(s, ',' ORDER BY s, s) AS l FROM t GROUP BY s
SELECT a FROM t WHERE a = (SELECT MAX(a) FROM t) AND NOT b AND r.x = 2 AND s LIKE 'y%'
SELECT SAFE.LN(0) AS n, SAFE.MOD(1, 0) AS m, SAFE.DATE_ADD(DATE '9999-12-31', INTERVAL 1 DAY) AS d, [1][SAFE_OFFSET(9)] AS i
SELECT STRUCT<x INT64, y DATE>(1, '2020-01-01').y AS d, [STRUCT(1 AS x)][OFFSET(0)].x AS x
SELECT a AS a, s AS b FROM t AS u JOIN (SELECT 'x' AS k) AS j ON u.s = j.k
SELECT x FROM t, UNNEST(list) AS x WITH OFFSET AS o WHERE x = o
UPDATE t SET a = a + 1, s = CONCAT(s, 'x'), d = '2020-01-01', f = 1 WHERE a = 1
INSERT INTO t (a, s, d, f, b) VALUES (1, 'x', '2020-01-01', 1, TRUE), (2, NULL, DATE '2020-01-01', 2.5, NULL)
"""  # noqa: E501


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("engine"))
    made.query(TABLE)
    yield made
    made.engine.close()


@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_in_bigquerys_words(bench: Bench, case: str) -> None:
    sql, _, message = case.rpartition(" => ")
    problem = bench.fail(bench.sql(sql))
    assert (problem.reason, problem.error_result["location"]) == ("invalidQuery", "query")
    assert " ".join(problem.message.split()) == message  # signatures stand on lines of their own


@pytest.mark.parametrize("sql", TAKEN.strip().splitlines())
def test_what_bigquery_takes_is_not_refused(bench: Bench, sql: str) -> None:
    """A dry run checks all of it, and leaves the table of the other tests as it is."""
    statistics = bench.engine.dry_run(PROJECT, bench.sql(sql))["statistics"]["query"]
    if statistics["statementType"] == "SELECT":
        bench.query(sql)
    else:
        assert sql.startswith(statistics["statementType"])


def test_places_are_counted_in_lines_and_in_the_whole_script(bench: Bench) -> None:
    problem = bench.fail(bench.sql("SELECT 1;\nSELECT a\nFROM t\nWHERE s = 1"))
    assert problem.message.startswith(
        "No matching signature for operator = for argument types: STRING, INT64"
    )
    assert problem.message.endswith(" at [4:7]")


def test_a_table_needs_a_dataset(bench: Bench) -> None:
    problem = bench.fail(bench.sql("SELECT * FROM nothing", defaultDataset=None))
    message = 'Table "nothing" must be qualified with a dataset (e.g. dataset.table).'
    assert problem.error_result == {"reason": "invalid", "location": "nothing", "message": message}


_operands = st.sampled_from(
    ["a", "s", "d", "ts", "f", "b", "list", "r", "nope", "1", "'x'", "1.5", "NULL", "DATE '2020-01-01'", "t"]
)
_expressions = st.recursive(
    _operands,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["=", "<", "+", "||", "AND", "LIKE"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(st.sampled_from(["UPPER", "ABS", "SUM", "COUNT", "foo", "LENGTH"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        ),
        st.tuples(inner, inner, inner).map(lambda parts: f"IF({', '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["INT64", "STRING", "DATE", "BOOL"])).map(
            lambda parts: f"CAST({parts[0]} AS {parts[1]})"
        ),
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(expression=_expressions, clause=st.sampled_from(["SELECT {} FROM t", "SELECT 1 FROM t WHERE {}"]))
def test_whatever_is_wrong_is_the_users_error(bench: Bench, expression: str, clause: str) -> None:
    """No expression ends in an internal error, in DuckDB's words, or in an excuse of the sandbox."""
    configuration: dict[str, Any] = bench.sql(clause.format(expression))
    try:
        bench.run(configuration)
    except JobProblem:
        problem = bench.fail(configuration)
        assert problem.reason == "invalidQuery", problem.message
        assert "sandbox" not in problem.message
