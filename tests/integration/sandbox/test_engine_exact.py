"""Answers are BigQuery's or refused: values and types, rows that change, and both engines side by side."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError
from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Crashed, googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import by_duckdb, by_evaluator
from airflow_provider_jobs.sandbox.bigquery.engine.sql.duck import NoTranslation
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan
from tests.integration.sandbox.engine_bench import PROJECT, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("exact"))
    made.query(MANY)
    yield made
    made.engine.close()


# What an engine that only looks like BigQuery gets wrong.
VALUES = r"""
TIMESTAMP_DIFF(TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-01', HOUR) => 24
TIMESTAMP_ADD(TIMESTAMP '2020-01-01', INTERVAL 10 HOUR) => 1577872800.0
DATETIME_ADD(DATETIME '2020-01-01', INTERVAL 36 HOUR) => 2020-01-02T12:00:00
TIMESTAMP('2020-01-01 00:00:00', 'America/Los_Angeles') => 1577865600.0
EXTRACT(HOUR FROM TIMESTAMP '2020-01-01 00:00:00+00' AT TIME ZONE 'Asia/Tokyo') => 9
FORMAT_TIMESTAMP('%F %H:%M', TIMESTAMP '2020-01-01', 'America/New_York') => 2019-12-31 19:00
DATETIME(TIMESTAMP '2020-01-01 00:00:00+00', 'America/Los_Angeles') => 2019-12-31T16:00:00
PARSE_TIMESTAMP('%F %T', '2020-01-01 01:02:03') => 1577840523.0
PARSE_DATE('%F', '2020-01-01') => 2020-01-01
DATE_DIFF(DATE '2017-10-15', DATE '2017-10-14', WEEK) => 1
[10, 20, 30][1] => 20
[10, 20, 30][SAFE_ORDINAL(4)] => null
ARRAY_TO_STRING(ARRAY_SLICE(['a', 'b', 'c', 'd'], 1, -2), ',') => b,c
STRUCT(1 AS b, 2 AS a).a => 2
CAST('nan' AS FLOAT64) = CAST('nan' AS FLOAT64) => false
SAFE_CAST('1e3' AS INT64) => null
SAFE_CAST(' 12 ' AS INT64) => 12
ARRAY_LENGTH(SPLIT('', ',')) => 1
SUBSTR('abc', 0, 2) => ab
FORMAT("%'d", 1234567) => 1,234,567
FORMAT('%T', DATE '2020-01-01') => DATE "2020-01-01"
CAST(INTERVAL '1-2 3 4:5:6.5' YEAR TO SECOND AS STRING) => 1-2 3 4:5:6.500
INTERVAL '1-2 3 4:5:6.5' YEAR TO SECOND => 1-2 3 4:5:6.5
INTERVAL -5 MINUTE => 0-0 0 -0:5:0
JSON_VALUE(JSON '{"a": {"b": true}}', '$.a.b') => true
ROUND(NUMERIC '2.5') => 3
NUMERIC '1' / NUMERIC '3' => 0.333333333
DIV(-7, 2) => -3
FORMAT_DATE('%-d/%_m/%Q %% %E4Y', DATE '2008-02-05') => 5/ 2/1 % 2008
PARSE_TIME('%k:%M', '3:05') => 03:05:00
MOD(-7, 2) => -1
UPPER('ß') => SS
REGEXP_EXTRACT('abcabc', 'b(.)', 2, 2) => c
(SELECT MIN(x) FROM UNNEST([1.0, CAST('nan' AS FLOAT64)]) AS x) => NaN
(SELECT STRING_AGG(x, '-' ORDER BY x DESC LIMIT 2) FROM UNNEST(['a', 'b', 'c']) AS x) => c-b
(SELECT APPROX_TOP_COUNT(x, 1)[OFFSET(0)].value FROM UNNEST(['a', 'b', 'a']) AS x) => a
(SELECT COUNT(*) FROM UNNEST([STRUCT(1 AS a, NULL AS b)]) WHERE b NOT IN (1, NULL)) => 0
"""

TYPES = """
NUMERIC '1' / NUMERIC '2' => NUMERIC
(SELECT AVG(x) FROM UNNEST([NUMERIC '1']) AS x) => NUMERIC
JSON_QUERY('{"a": 1}', '$.a') => STRING
JSON_EXTRACT_ARRAY('[1]')[OFFSET(0)] => STRING
TO_JSON(1) => JSON
CONCAT('a', NULL) => STRING
(SELECT d FROM (SELECT DATE '2020-01-01' AS d UNION ALL SELECT '2020-01-02') LIMIT 1) => DATE
1 / 2 => FLOAT
1 + 1.5 => FLOAT
IF(TRUE, 1, NUMERIC '1.5') => NUMERIC
TIMESTAMP '2020-01-01' - TIMESTAMP '2019-01-01' => INTERVAL
"""

LACKING = """
SELECT FORMAT_TIMESTAMP('%k', TIMESTAMP '2020-01-01')
SELECT FORMAT_DATE(CONCAT('%', 'P'), DATE '2020-01-01')
SELECT FORMAT_DATE('%Y, not %f', DATE '2020-01-01')
SELECT FORMAT_DATETIME('100% of %Y', DATETIME '2020-01-01')
SELECT FORMAT_TIME('%^p', TIME '12:00:00')
SELECT PARSE_DATE('%G-%V-%u', '2020-10-3')
SELECT SAFE.PARSE_DATE('%-d/%-m/%Y', '5/3/2020')
SELECT CONTAINS_SUBSTR('Ä', 'ä')
SELECT COLLATE('A', 'und:ci') = 'a'
SELECT x FROM UNNEST(['B', 'a']) AS x ORDER BY x COLLATE 'und:ci'
CREATE TABLE d.collated (s STRING COLLATE 'und:ci')
CREATE TABLE d.collated (l ARRAY<STRUCT<s STRING COLLATE 'und:ci'>>)
CREATE TABLE d.collated (s STRING) DEFAULT COLLATE 'und:ci'
CREATE SCHEMA collated DEFAULT COLLATE 'und:ci'
SELECT NET.REG_DOMAIN('http://a.example.co.uk')
SELECT ST_GEOGPOINT(1, 2)
SELECT HLL_COUNT.INIT(x) FROM UNNEST([1]) AS x
SELECT SEARCH('a', 'b')
SELECT ML.PREDICT(1)
SELECT @@project_id
SELECT RANGE(DATE '2020-01-01', NULL)
SELECT BIGNUMERIC '1.23456789012345678901234567890'
SELECT * FROM d.INFORMATION_SCHEMA.TABLES
SELECT * FROM d.many FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()
CREATE FUNCTION d.f(x INT64) AS (x + 1)
CREATE TABLE d.clone CLONE d.many
UPDATE d.many SET (DELETE FROM list WHERE TRUE) WHERE TRUE
SELECT ARRAY_LENGTH(GENERATE_DATE_ARRAY(DATE '0001-01-01', DATE '9999-12-31'))
"""

# A table with everything that DuckDB may be asked to compare, add up or sort; NULLs among it.
MANY = """CREATE TABLE many AS SELECT
    MOD(x * 37, 11) AS k, IF(MOD(x, 7) = 0, NULL, MOD(x * 7919, 1000) - 500) AS n,
    IF(MOD(x, 5) = 0, NULL, (MOD(x * 31, 997) - 300) / 8) AS f, CAST(MOD(x * 17, 1009) AS NUMERIC) / 8 AS m,
    IF(MOD(x, 6) = 0, NULL, CONCAT('s', CHR(MOD(x * 13, 90) + 33), IF(MOD(x, 3) = 0, 'é', ''))) AS s,
    DATE_ADD(DATE '1969-12-01', INTERVAL MOD(x * 29, 400) DAY) AS d,
    TIMESTAMP_ADD(TIMESTAMP '1969-12-31 20:00:00', INTERVAL MOD(x * 7907, 600000) SECOND) AS ts,
    DATETIME_ADD(DATETIME '2020-02-28 23:59:59', INTERVAL x MINUTE) AS dt, MOD(x, 4) = 0 AS b,
    STRUCT(x AS a, 'r' AS t) AS r, [x, x + 1] AS list
    FROM UNNEST(GENERATE_ARRAY(1, 300)) AS x"""

BOTH = """
SELECT COUNT(*), COUNT(n), COUNT(DISTINCT k), SUM(n), AVG(n), MIN(n), MAX(n) FROM many
SELECT SUM(f), AVG(f), SUM(m), MIN(s), MAX(s), MIN(d), MAX(ts), MIN(b) FROM many
SELECT k, COUNT(*) AS c, SUM(n), AVG(f), COUNTIF(n > 0), LOGICAL_AND(b), LOGICAL_OR(b) FROM many GROUP BY k
SELECT COUNTIF(b), COUNTIF(DISTINCT b), LOGICAL_OR(b), SUM(n), AVG(n) FROM many WHERE k > 100
SELECT n IS NOT NULL AS there, COUNTIF(n > 0), COUNTIF(n > 0 AND b) FROM many GROUP BY there
SELECT k, DATE(ts) AS day, COUNT(*) AS c FROM many GROUP BY k, day HAVING COUNT(*) > 1 ORDER BY k, day DESC
SELECT n, s FROM many WHERE n BETWEEN -100 AND 100 AND s IS NOT NULL ORDER BY n, s
SELECT n FROM many WHERE NOT (n > 0 OR b) OR n IN (1, 2, NULL)
SELECT n + k, n - k, n * k, -n, DIV(n, 7), MOD(n, 7), ABS(n), n / 7, k / 3 FROM many
SELECT IF(n > 0, 'plus', s), IFNULL(n, k), COALESCE(n, NULL, k), NULLIF(k, 3), CONCAT(s, '-', s) FROM many
SELECT CASE WHEN n > 0 THEN 1 WHEN n < 0 THEN -1 END, CASE k WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END FROM many
SELECT EXTRACT(YEAR FROM d), EXTRACT(MONTH FROM ts), EXTRACT(DAY FROM dt), EXTRACT(HOUR FROM ts) FROM many
SELECT EXTRACT(QUARTER FROM d), EXTRACT(MINUTE FROM ts), EXTRACT(DATE FROM ts), DATE(dt) FROM many
SELECT DATE_TRUNC(d, MONTH), DATE_TRUNC(d, YEAR), DATE_TRUNC(d, QUARTER), TIMESTAMP_TRUNC(ts, DAY) FROM many
SELECT TIMESTAMP_TRUNC(ts, HOUR), TIMESTAMP_TRUNC(ts, MONTH), DATETIME_TRUNC(dt, MINUTE) FROM many
SELECT ROUND(f, 2), ROUND(f), FLOOR(f), CEIL(f), ROUND(f, -1) FROM many
SELECT STARTS_WITH(s, 's'), ENDS_WITH(s, 'é'), BYTE_LENGTH(s), s < 'sM', s = 's!' FROM many
SELECT CAST(n AS STRING), CAST(d AS STRING), CAST(b AS STRING), CAST(n AS FLOAT64), CAST(n AS NUMERIC) FROM many
SELECT CAST(m AS NUMERIC(5, 1)), CAST(k AS STRING(2)) FROM many
SELECT CASE k WHEN 1 THEN f WHEN 2 THEN 1.5 ELSE f END FROM many
SELECT CAST(ts AS DATE), CAST(d AS TIMESTAMP), CAST(d AS DATETIME), r.a, r.t FROM many
SELECT k, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n, d, ts) AS p, RANK() OVER (ORDER BY k DESC) FROM many
SELECT k, n FROM many WHERE TRUE QUALIFY DENSE_RANK() OVER (PARTITION BY k ORDER BY n DESC) <= 2
SELECT a.k, b.n FROM many AS a JOIN many AS b ON a.r.a = b.n
SELECT a.k, b.n FROM many AS a LEFT JOIN (SELECT * FROM many WHERE n > 400) AS b USING (k)
SELECT a.n, b.k FROM many AS a FULL JOIN (SELECT k FROM many WHERE k > 9) AS b ON a.n = b.k AND a.b
SELECT x, o FROM many, UNNEST(list) AS x WITH OFFSET AS o WHERE x = 5 OR o = 1
SELECT SUM(x) FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS x
SELECT x FROM UNNEST(GENERATE_ARRAY(10, 1, -3)) AS x
WITH a AS (SELECT k, n FROM many), b AS (SELECT k FROM a WHERE n > 0) SELECT k FROM a EXCEPT DISTINCT SELECT k FROM b
SELECT k FROM many UNION ALL SELECT n FROM many
SELECT k, b FROM many UNION DISTINCT SELECT k, n > 0 FROM many
SELECT k, b FROM many INTERSECT DISTINCT SELECT n, b FROM many
SELECT DISTINCT k, b FROM many
SELECT n FROM many WHERE n IN (SELECT k FROM many) OR EXISTS (SELECT 1 FROM many AS o WHERE o.n = many.k AND o.b)
SELECT n FROM many WHERE n > (SELECT AVG(k) FROM many AS o WHERE o.k = many.k) * 0 + 7
SELECT k, n FROM many ORDER BY n DESC, k, ts LIMIT 7 OFFSET 3
SELECT k, n FROM many ORDER BY n NULLS LAST, k DESC NULLS FIRST, ts
SELECT n IS NULL, b IS TRUE, b IS NOT FALSE, (n > 0) IS NULL, n IS DISTINCT FROM k FROM many
SELECT d > '1970-01-01', ts > '1970-01-01 00:00:00+00', dt = '2020-02-29' FROM many
SELECT k, "it's", r'\\d', '\\n', 1.5, b'ab', DATE '2020-01-01', NULL FROM many
"""  # noqa: E501
# Of those, what only the evaluator runs: what is not listed is known to DuckDB.
ALONE = {
    "SELECT n FROM many WHERE n > (SELECT AVG",
    "SELECT n IS NULL, b IS TRUE",
    "SELECT CAST(m AS NUMERIC(5",
}


@pytest.mark.parametrize("case", VALUES.strip().splitlines())
def test_values(shared: Bench, case: str) -> None:
    expression, _, wanted = case.rpartition(" => ")
    ((value,),) = shared.values(f"SELECT {expression} AS v")
    assert ("null" if value is None else value) == wanted


@pytest.mark.parametrize("case", TYPES.strip().splitlines())
def test_types(shared: Bench, case: str) -> None:
    expression, _, wanted = case.rpartition(" => ")
    (column,) = shared.query(f"SELECT {expression} AS v").statistics["query"]["schema"]["fields"]
    assert column["type"] == wanted


@pytest.mark.parametrize("sql", LACKING.strip().splitlines())
def test_what_is_lacking_is_said_to_be_there_in_bigquery(shared: Bench, sql: str) -> None:
    said = shared.fail(shared.sql(sql)).message
    assert said.startswith("The sandbox cannot ")
    assert "BigQuery can" in said


def test_a_collation_in_a_resource_is_refused(shared: Bench) -> None:
    """Kept without being used, it would let comparisons give another answer than BigQuery's."""
    text = {"name": "s", "type": "STRING", "collation": "und:ci"}
    nested = {"name": "r", "type": "RECORD", "fields": [text]}
    for more in (
        {"schema": {"fields": [text]}},
        {"schema": {"fields": [nested]}},
        {"defaultCollation": "und:ci"},
    ):
        with pytest.raises(ApiError, match=r"(?i)collation.* is not supported by the sandbox"):
            shared.engine.insert_table(PROJECT, "d", {"tableReference": {"tableId": "collated"}, **more})
    dataset = {"datasetReference": {"datasetId": "collated"}, "defaultCollation": "und:ci"}
    with pytest.raises(ApiError, match="defaultCollation is not supported by the sandbox"):
        shared.engine.insert_dataset(PROJECT, dataset)


@pytest.mark.parametrize("sql", BOTH.strip().splitlines())
def test_both_engines_agree(shared: Bench, sql: str) -> None:
    """What DuckDB is let to run gives what Google's evaluator gives: types, values, any order."""
    engine = shared.engine
    configuration = shared.sql(sql)["query"]
    with engine._store.session() as session, session.transaction():
        context = engine._context(session, PROJECT, "US", configuration)
        with context.instance() as instance:
            (statement,) = split(instance, sql)
        plan = make_plan(context, statement)
        answers = []
        for number, run in enumerate(
            (by_evaluator, lambda *given: by_duckdb(given[0], given[1], given[2], ""))
        ):
            physical = f"store.both_{uuid.uuid4().hex}"
            try:
                fields = run(context, plan, physical)
            except NoTranslation:
                assert number == 1
                assert sql.startswith(tuple(ALONE))
                return
            rows = session.rows(f"SELECT {select_list(fields)} FROM {physical}")  # noqa: S608 - our names
            answers.append((fields, rows if "ORDER BY" in sql.rpartition(")")[2] else sorted(rows, key=repr)))
            session.execute(f"DROP TABLE {physical}")
    assert answers[0] == answers[1]
    assert not sql.startswith(tuple(ALONE))


def test_large_inputs_are_duckdbs_where_it_is_exact_and_else_the_evaluators(bench: Bench) -> None:
    """Beyond what the evaluator takes in reasonable time, what DuckDB does not know is refused."""
    bench.query("CREATE TABLE t AS SELECT x, MOD(x, 100) AS k FROM UNNEST(GENERATE_ARRAY(1, 12000)) AS x")
    assert bench.values("SELECT SUM(x), COUNT(DISTINCT k) FROM t") == [["72006000", "100"]]
    assert bench.values("SELECT MAX(LENGTH(FORMAT('%05d', x))) FROM t") == [["5"]]
    bench.query("UPDATE t SET k = k + 1 WHERE k = 99")
    bench.query("DELETE FROM t WHERE k = 0")
    merge = "MERGE t USING t AS s ON t.x = s.x WHEN MATCHED AND s.k = 100 THEN DELETE"
    assert bench.query(merge).statistics["query"]["dmlStats"]["deletedRowCount"] == "120"
    assert bench.values("SELECT COUNT(*), MAX(k), MIN(k) FROM t") == [["11760", "98", "1"]]
    bench.query("CREATE TABLE large AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 200001)) AS x")
    assert bench.values("SELECT SUM(x) FROM large") == [["20000300001"]]
    assert bench.fail(bench.sql("SELECT SUM(-9223372036854775807) FROM large")).message == "int64 overflow"
    said = bench.fail(bench.sql("SELECT MAX(FORMAT('%d', x)) FROM large")).message
    assert said == (
        "The sandbox cannot run this (FORMAT): read more than 200,000 rows for this, BigQuery can"
    )


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT -x FROM large", "int64 overflow"),
        ("SELECT DIV(x, y) FROM large", "int64 overflow: -9223372036854775808 / -1"),
        ("SELECT COUNT(*) FROM large, UNNEST(GENERATE_ARRAY(1, 3, y + 1))", "Sequence step cannot be 0."),
        (
            "SELECT CAST(x AS STRING(9)) FROM large",
            "The sandbox cannot run this (CAST to a size): ",
        ),
    ],
)
def test_what_duckdb_would_answer_otherwise_is_refused(shared: Bench, sql: str, said: str) -> None:
    shared.query(
        """CREATE TABLE IF NOT EXISTS large AS
        SELECT IF(n = 1, -9223372036854775808, -n * 10000000000000) AS x, -1 AS y
        FROM UNNEST(GENERATE_ARRAY(1, 200001)) AS n"""
    )
    assert shared.fail(shared.sql(sql)).message.startswith(said)


@pytest.mark.parametrize(
    "digits", ["12345678901234567890", "-12345678901234567890.5", "0.12345678901234567890"]
)
def test_digits_of_a_bignumeric_that_cannot_be_stored_are_counted(shared: Bench, digits: str) -> None:
    said = shared.fail(shared.sql(f"SELECT BIGNUMERIC '{digits[:-1]}1'")).message
    assert said == (
        "The sandbox cannot store more than 19 digits before or after the point of a BIGNUMERIC, BigQuery can"
    )


def test_a_merge_with_two_sources_for_a_row_is_refused(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a, 'x' AS s UNION ALL SELECT 2, 'y'")
    twice = "USING (SELECT 1 AS a, 'p' AS s UNION ALL SELECT 1, 'q') AS n"
    merge = bench.sql(f"MERGE t {twice} ON t.a = n.a WHEN MATCHED THEN UPDATE SET s = n.s")
    update = bench.sql(
        "UPDATE t SET s = n.s FROM (SELECT 1 AS a, 'p' AS s UNION ALL SELECT 1, 'q') n WHERE t.a = n.a"
    )
    for configuration in (merge, update):
        said = bench.fail(configuration).message
        assert said == "UPDATE/MERGE must match at most one source row for each target row"
    assert bench.values("SELECT * FROM t ORDER BY a") == [["1", "x"], ["2", "y"]]


def test_every_clause_of_a_merge(bench: Bench) -> None:
    """The first clause that applies to a row counts; what no column names gets its default."""
    bench.query("CREATE TABLE t (a INT64, s STRING DEFAULT 'none', n NUMERIC)")
    bench.query("INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3), (4, 'w', 4)")
    bench.query(
        """MERGE INTO t USING (SELECT x AS a FROM UNNEST([1, 2, 5, 6]) AS x) AS n ON t.a = n.a
        WHEN MATCHED AND t.a = 1 THEN DELETE
        WHEN MATCHED THEN UPDATE SET s = CONCAT(t.s, '!'), n = 2.5
        WHEN NOT MATCHED AND n.a = 5 THEN INSERT (a) VALUES (n.a)
        WHEN NOT MATCHED THEN INSERT (a, s) VALUES (n.a, DEFAULT)
        WHEN NOT MATCHED BY SOURCE AND t.a = 3 THEN UPDATE SET s = DEFAULT
        WHEN NOT MATCHED BY SOURCE THEN DELETE"""
    )
    assert bench.values("SELECT a, s, n FROM t ORDER BY a") == [
        ["2", "y!", "2.5"],
        ["3", "none", "3"],
        ["5", "none", None],
        ["6", "none", None],
    ]


def test_columns_keep_what_they_ask_of_values(bench: Bench) -> None:
    bench.query(
        """CREATE TABLE t (a INT64 DEFAULT 7, s STRING(3), n NUMERIC(5, 2), u STRING DEFAULT GENERATE_UUID(),
        r STRUCT<x INT64, y STRUCT<z STRING>>, l ARRAY<INT64>)"""
    )
    bench.query("INSERT INTO t (s, n) VALUES ('abc', 1.005), ('é', 999.99)")
    assert bench.values("SELECT a, s, n, l FROM t ORDER BY s") == [
        ["7", "abc", "1.01", []],
        ["7", "é", "999.99", []],
    ]
    assert bench.values("SELECT COUNT(DISTINCT u) FROM t") == [["2"]]
    long = bench.fail(bench.sql("INSERT INTO t (s) VALUES ('abcd')")).message
    assert "STRING(3)" in long
    assert "NUMERIC(5, 2)" in bench.fail(bench.sql("UPDATE t SET n = 1000 WHERE TRUE")).message
    bench.query("UPDATE t SET r = STRUCT(1, STRUCT('q')) WHERE s = 'abc'")
    bench.query("UPDATE t SET r.y.z = 'new', r.x = r.x + 1 WHERE s = 'abc'")
    assert bench.values("SELECT r.x, r.y.z FROM t WHERE s = 'abc'") == [["2", "new"]]
    null = bench.fail(bench.sql("SELECT [1, NULL] AS l")).message
    assert null == "Array cannot have a null element; error in writing field l"
    fields = {each["name"]: each for each in bench.engine.get_table(PROJECT, "d", "t")["schema"]["fields"]}
    assert (fields["s"]["maxLength"], fields["a"]["defaultValueExpression"]) == ("3", "7")


def test_functions_of_a_script(bench: Bench) -> None:
    script = """CREATE TEMP FUNCTION twice(x INT64) AS (x * 2);
        CREATE TEMP FUNCTION pair(x ANY TYPE) AS (STRUCT(x AS a, x AS b));
        SELECT twice(21) AS n, pair('q').b AS s"""
    assert bench.values(script) == [["42", "q"]]


def test_variables_are_hidden_by_columns_and_keep_their_types(bench: Bench) -> None:
    script = """DECLARE n, m NUMERIC DEFAULT 1; DECLARE a STRING DEFAULT 'variable'; DECLARE day DATE;
        SET (n, day) = (n + 1.5, '2020-01-31'); SET m = (SELECT MAX(x) FROM UNNEST([3, 4]) AS x);
        SELECT n, m, a, day FROM (SELECT 'column' AS a)"""
    assert bench.values(script) == [["2.5", "4", "column", "2020-01-31"]]


def test_a_query_that_is_being_evaluated_can_be_cancelled(shared: Bench) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    sql = "SELECT COUNT(*) FROM many a, many b, many c WHERE FORMAT('%d%d%d', a.n, b.n, c.n) = 'x'"
    assert shared.fail(shared.sql(sql), cancelled=cancelled).reason == "stopped"
    assert shared.values("SELECT 1 AS n") == [["1"]]


def _interrupted(instance: Instance) -> Any:
    """Give a request; the instance is stopped as soon as it works on it: what came before that is lost."""
    over = threading.Event()

    def interrupt() -> None:
        while not over.wait(0.01):
            instance.interrupt()

    sql = "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 16000)), UNNEST(GENERATE_ARRAY(1, 16000))"
    request = message("local_service.EvaluateQueryRequest")(sql=sql, options=instance.language.analyzer())
    request.simple_catalog.CopyFrom(instance.language.catalog())
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        instance.call("EvaluateQuery", request)
    finally:
        over.set()


def test_an_instance_that_fails_is_replaced(shared: Bench) -> None:
    with pytest.raises(Crashed), googlesql().instance() as broken:
        broken.catalog("stopped", lambda: _interrupted(broken))
    assert broken.broken
    assert shared.values("SELECT 2 AS n") == [["2"]]
