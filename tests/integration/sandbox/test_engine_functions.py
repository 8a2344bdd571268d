"""GoogleSQL functions whose meaning or type DuckDB would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.sandbox.engine_bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("functions"))
    yield made
    made.engine.close()


# Each line: an expression and its value as the API gives it, lists in brackets.
CASES = r"""
FORMAT('%d-%s-%05.2f', 1, 'x', 1.5) => 1-x-01.50
SUBSTR('abc', 2) => bc
SUBSTR('abc', -2, 1) => b
LEFT('abc', 2) => ab
UPPER('a') => A
INITCAP('foo bar') => Foo Bar
LENGTH('é') => 1
BYTE_LENGTH('é') => 2
CHAR_LENGTH('é') => 1
REPLACE('abc','b','x') => axc
REVERSE('abc') => cba
TRIM('  a ') => a
LTRIM('xxa','x') => a
LPAD('a',3,'0') => 00a
REPEAT('ab',2) => abab
STRPOS('abc','c') => 3
INSTR('abc','c') => 3
CONTAINS_SUBSTR('ABC','b') => true
STARTS_WITH('abc','a') => true
ENDS_WITH('abc','c') => true
REGEXP_CONTAINS('abc', r'b.') => true
REGEXP_EXTRACT('abc', r'b.') => bc
REGEXP_REPLACE('abc', r'(b)', r'\1\1') => abbc
REGEXP_EXTRACT_ALL('a1b2', r'\d') => [1,2]
SPLIT('a,b') => [a,b]
ARRAY_TO_STRING(['a','b'], '-') => a-b
ARRAY_LENGTH([1,2]) => 2
ARRAY_CONCAT([1],[2]) => [1,2]
ARRAY_REVERSE([1,2]) => [2,1]
[1,2,3][OFFSET(1)] => 2
[1,2,3][ORDINAL(1)] => 1
[1,2,3][SAFE_OFFSET(9)] => null
ARRAY(SELECT x FROM UNNEST([3,1,2]) x ORDER BY x) => [1,2,3]
3 IN UNNEST([1,3]) => true
EXISTS(SELECT 1 FROM UNNEST([1]) x WHERE x=2) => false
GENERATE_ARRAY(0,10,5) => [0,5,10]
ROUND(2.5) => 3.0
ROUND(1.2345, 2) => 1.23
TRUNC(1.9) => 1.0
CEIL(1.2) => 2.0
FLOOR(-1.2) => -2.0
ABS(-3) => 3
SIGN(-3) => -1
SQRT(4) => 2.0
POW(2,3) => 8.0
LOG10(100) => 2.0
LN(1) => 0.0
EXP(0) => 1.0
MOD(7,3) => 1
DIV(7,2) => 3
DIV(-7,2) => -3
GREATEST(1,2) => 2
LEAST(1,NULL) => null
SAFE_DIVIDE(6,3) => 2.0
6/3 => 2.0
1+1 => 2
NUMERIC '1.5' * NUMERIC '2' => 3
NUMERIC '3' / NUMERIC '2' => 1.5
IF(TRUE,1,2) => 1
IFNULL(NULL,5) => 5
NULLIF(1,1) => null
COALESCE(NULL,3) => 3
CASE WHEN FALSE THEN 1 ELSE 2 END => 2
CAST('2020-01-02' AS DATE) => 2020-01-02
CAST(TIMESTAMP '2020-01-02 03:04:05' AS DATE) => 2020-01-02
CAST(TIMESTAMP '2020-01-02 03:04:05' AS STRING) => 2020-01-02 03:04:05+00
CAST(DATE '2020-01-02' AS STRING) => 2020-01-02
CAST(DATETIME '2020-01-02 03:04:05' AS STRING) => 2020-01-02 03:04:05
CAST(1.0 AS STRING) => 1
CAST(NUMERIC '1.50' AS STRING) => 1.5
CAST(1 AS BOOL) => true
CAST(2.5 AS INT64) => 3
CAST('abc' AS BYTES) => YWJj
SAFE_CAST('x' AS DATE) => null
DATE(2020,1,2) => 2020-01-02
DATE '2020-01-01' + 1 => 2020-01-02
DATE_DIFF(DATE '2020-01-05', DATE '2020-01-01', DAY) => 4
DATE_DIFF(DATE '2020-03-01', DATE '2020-01-31', MONTH) => 2
DATE_TRUNC(DATE '2020-02-15', WEEK) => 2020-02-09
DATE_TRUNC(DATE '2020-02-15', WEEK(MONDAY)) => 2020-02-10
DATE_TRUNC(DATE '2020-02-15', ISOWEEK) => 2020-02-10
DATE_TRUNC(DATE '2020-02-15', QUARTER) => 2020-01-01
DATE_TRUNC(TIMESTAMP '2020-02-15 10:00:00', MONTH) => 1580515200.0
LAST_DAY(DATE '2020-02-15') => 2020-02-29
EXTRACT(DAYOFWEEK FROM DATE '2020-02-15') => 7
EXTRACT(WEEK FROM DATE '2020-02-15') => 6
EXTRACT(ISOWEEK FROM DATE '2020-02-15') => 7
EXTRACT(DATE FROM TIMESTAMP '2020-02-15 10:00:00') => 2020-02-15
EXTRACT(HOUR FROM TIMESTAMP '2020-02-15 10:00:00') => 10
FORMAT_DATE('%Y/%m/%d', DATE '2020-02-15') => 2020/02/15
FORMAT_DATE('%b %d, %Y', DATE '2020-02-15') => Feb 15, 2020
FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2020-02-15 10:00:00') => 2020-02-15 10:00:00
FORMAT_DATETIME('%H:%M', DATETIME '2020-02-15 10:00:00') => 10:00
PARSE_DATE('%Y-%m-%d', '2020-02-15') => 2020-02-15
PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2020-02-15 10:00:00') => 1581760800.0
PARSE_DATETIME('%Y-%m-%d', '2020-02-15') => 2020-02-15T00:00:00
TIMESTAMP_DIFF(TIMESTAMP '2020-01-01 02:00:00', TIMESTAMP '2020-01-01', MINUTE) => 120
TIMESTAMP_TRUNC(TIMESTAMP '2020-01-01 10:11:12', DAY) => 1577836800.0
TIMESTAMP_SECONDS(1577836800) => 1577836800.0
TIMESTAMP_MILLIS(1577836800000) => 1577836800.0
TIMESTAMP_MICROS(1577836800000000) => 1577836800.0
UNIX_SECONDS(TIMESTAMP '2020-01-01') => 1577836800
UNIX_MILLIS(TIMESTAMP '2020-01-01') => 1577836800000
UNIX_MICROS(TIMESTAMP '2020-01-01') => 1577836800000000
UNIX_DATE(DATE '1970-01-02') => 1
DATETIME_DIFF(DATETIME '2020-01-02', DATETIME '2020-01-01', HOUR) => 24
DATETIME_TRUNC(DATETIME '2020-01-02 10:11:12', HOUR) => 2020-01-02T10:00:00
DATETIME(TIMESTAMP '2020-01-01 00:00:00') => 2020-01-01T00:00:00
TIMESTAMP(DATETIME '2020-01-01 00:00:00') => 1577836800.0
TIMESTAMP(DATE '2020-01-01') => 1577836800.0
TIME(10,11,12) => 10:11:12
STRING(TIMESTAMP '2020-01-01 00:00:00') => 2020-01-01 00:00:00+00
GENERATE_DATE_ARRAY(DATE '2020-01-01', DATE '2020-01-03') => [2020-01-01,2020-01-02,2020-01-03]
JSON_EXTRACT('{"a":{"b":1}}', '$.a') => {"b":1}
JSON_QUERY('{"a":{"b":1}}', '$.a') => {"b":1}
JSON_VALUE('{"a":"x"}', '$.a') => x
JSON_EXTRACT_ARRAY('{"a":[1,2]}', '$.a') => [1,2]
JSON_VALUE_ARRAY('{"a":["x"]}', '$.a') => [x]
TO_JSON_STRING([1,2]) => [1,2]
TO_JSON(STRUCT(1 AS a)) => {"a":1}
PARSE_JSON('{"a":1}') => {"a":1}
INT64(PARSE_JSON('5')) => 5
MD5('a') => DMF1ucDxtqgxw5niaXcmYQ==
TO_HEX(SHA256('a')) => ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
TO_BASE64(b'abc') => YWJj
FROM_BASE64('YWJj') => YWJj
TO_HEX(b'a') => 61
'a' || 'b' => ab
CONCAT('a', NULL) => null
'abc' LIKE 'a%' => true
NOT TRUE => false
1 BETWEEN 0 AND 2 => true
5 & 3 => 1
1 << 3 => 8
-5 => -5
(SELECT SUM(x) FROM UNNEST([1,2,3]) x) => 6
(SELECT AVG(x) FROM UNNEST([1,2]) x) => 1.5
(SELECT STRING_AGG(x ORDER BY x DESC) FROM UNNEST(['a','b']) x) => b,a
(SELECT ARRAY_AGG(DISTINCT x ORDER BY x) FROM UNNEST([2,1,2]) x) => [1,2]
(SELECT COUNT(DISTINCT x) FROM UNNEST([2,1,2]) x) => 2
(SELECT APPROX_QUANTILES(x, 2)[OFFSET(1)] FROM UNNEST([1,2,3]) x) => 2
(SELECT MAX_BY(x, -x) FROM UNNEST([1,2,3]) x) => 1
(SELECT STDDEV(x) FROM UNNEST([1,2,3]) x) => 1.0
(SELECT LOGICAL_AND(x) FROM UNNEST([TRUE,FALSE]) x) => false
(SELECT ANY_VALUE(x) FROM UNNEST([7]) x) => 7
(SELECT AS STRUCT 1 AS a, 'x' AS b).b => x
STRUCT(1 AS a).a => 1
(SELECT SUM(x) FROM UNNEST([NUMERIC '1.1', NUMERIC '2.2']) x) => 3.3
(SELECT AVG(x) FROM UNNEST([NUMERIC '1', NUMERIC '2']) x) => 1.5
RAND() < 1 => true
CURRENT_DATE() > DATE '2020-01-01' => true
CURRENT_DATETIME() > DATETIME '2020-01-01' => true
CURRENT_TIMESTAMP() > TIMESTAMP '2020-01-01' => true
UNICODE('a') => 97
CHR(97) => a
ASCII('a') => 97
TRANSLATE('abc','a','x') => xbc
SAFE.PARSE_DATE('%Y', 'x') => null
DATE '2020-01-01' IN (DATE '2020-01-01') => true
TIMESTAMP '2020-01-01' = '2020-01-01' => true
IS_NAN(CAST('nan' AS FLOAT64)) => true
IS_INF(IEEE_DIVIDE(1,0)) => true
BIT_COUNT(7) => 3
RANGE_BUCKET(20, [0, 10, 20, 30]) => 3
(SELECT x * 3000000000 FROM (SELECT -2000000000 AS x)) => -6000000000000000000
[2000000000][OFFSET(0)] * 2 => 4000000000
[1, 2][ORDINAL(2)] => 2
STRUCT<x INT64, y DATE>(1, '2020-01-01').y => 2020-01-01
SAFE.LN(0) => null
SAFE.MOD(1, 0) => null
"""


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_value(shared: Bench, case: str) -> None:
    expression, _, wanted = case.rpartition(" => ")
    ((value,),) = shared.values(f"SELECT {expression} AS v")
    found = "[" + ",".join(item["v"] for item in value) + "]" if isinstance(value, list) else value
    assert ("null" if found is None else found) == wanted


def test_unnest_with_offset_and_array_aggregation(shared: Bench) -> None:
    assert shared.values("SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS o ORDER BY o") == [
        ["a", "0"],
        ["b", "1"],
    ]
    sql = "SELECT ARRAY_AGG(x IGNORE NULLS ORDER BY x DESC LIMIT 2) AS l FROM UNNEST([1, NULL, 3, 2]) AS x"
    assert shared.values(sql) == [[[{"v": "3"}, {"v": "2"}]]]


def test_nulls_sort_first_and_qualify_filters(shared: Bench) -> None:
    assert shared.values("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x") == [[None], ["1"], ["2"]]
    sql = "SELECT x FROM UNNEST([2, 5, 1]) AS x QUALIFY ROW_NUMBER() OVER (ORDER BY x DESC) = 1"
    assert shared.values(sql) == [["5"]]


@pytest.mark.parametrize(
    "call", ["SEARCH('a', 'b')", "ML.PREDICT(1)", "ST_GEOGPOINT(1, 2)", "KEYS.NEW_KEYSET('AEAD_AES_GCM_256')"]
)
def test_a_function_that_is_missing_is_named(shared: Bench, call: str) -> None:
    problem = shared.fail(shared.sql(f"SELECT {call}"))
    assert (problem.reason, problem.message.startswith("The sandbox cannot ")) == ("invalidQuery", True)
    assert call.partition("(")[0] in problem.message.upper()


def test_a_function_that_nobody_has_is_named(shared: Bench) -> None:
    problem = shared.fail(shared.sql("SELECT NORMALISE('a')"))
    assert problem.message.startswith("Function not found: NORMALISE")
