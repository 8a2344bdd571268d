"""Sessions of queries: what one leaves is there for the next, and for nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.engine_bench import PROJECT

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import Outcome
    from tests.integration.sandbox.engine_bench import Bench


def begun(bench: Bench, sql: str = "SELECT 1") -> dict[str, Any]:
    """Begin a session; give what puts a query into it."""
    outcome = bench.query(sql, createSession=True)
    return {"connectionProperties": [{"key": "session_id", "value": _id(outcome)}]}


def _id(outcome: Outcome) -> str:
    return str(outcome.statistics["sessionInfo"]["sessionId"])


def test_tables_variables_and_functions_of_a_session(bench: Bench) -> None:
    session = begun(bench, "CREATE TEMP TABLE kept AS SELECT 7 AS x")
    bench.query("DECLARE y INT64 DEFAULT 3; DECLARE z STRUCT<a INT64, b STRING>", **session)
    bench.query("SET (y, z) = (y * 2, (1, 'b'))", **session)
    bench.query("CREATE TEMP FUNCTION twice(n INT64) AS (n * 2)", **session)
    bench.query("INSERT kept VALUES (y), (twice(y))", **session)
    assert bench.values("SELECT x, twice(x) + y, z.b FROM kept ORDER BY x", **session) == [
        ["6", "18", "b"], ["7", "20", "b"], ["12", "30", "b"],
    ]  # fmt: skip
    assert bench.engine.list_tables(PROJECT, "d") == []


def test_a_variable_that_was_set_gives_other_rows(bench: Bench) -> None:
    """The same text: no result of a query before is given again."""
    session = begun(bench, "DECLARE x INT64 DEFAULT 1")
    found = []
    for value in (1, 2):
        bench.query(f"SET x = {value}", **session)
        found += bench.values("SELECT x", **session)
    assert found == [["1"], ["2"]]


@pytest.mark.parametrize("sql", ["SELECT x FROM kept", "SELECT y", "SET y = 2", "SELECT twice(1)"])
def test_others_have_nothing_of_it(bench: Bench, sql: str) -> None:
    session = begun(bench, "CREATE TEMP TABLE kept AS SELECT 7 AS x")
    bench.query("DECLARE y INT64 DEFAULT 3; CREATE TEMP FUNCTION twice(n INT64) AS (n * 2)", **session)
    bench.query(sql, **session)
    for other in ({}, begun(bench)):
        assert bench.fail(bench.sql(sql, **other)).reason in {"invalid", "invalidQuery", "notFound"}


def test_what_a_script_did_before_it_failed_is_kept(bench: Bench) -> None:
    session = begun(bench)
    problem = bench.fail(bench.sql("DECLARE x INT64 DEFAULT 4; SELECT 1 / (x - 4)", **session))
    assert "division by zero" in problem.message
    assert bench.values("SELECT x", **session) == [["4"]]


def test_a_temporary_tables_name_until_it_is_dropped(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 'stays' AS a")
    session = begun(bench, "CREATE TEMP TABLE t AS SELECT 1 AS a")
    problem = bench.fail(bench.sql("CREATE TEMP TABLE t AS SELECT 2 AS a", **session))
    assert (problem.reason, "Already Exists" in problem.message) == ("duplicate", True)
    bench.query("CREATE TEMP TABLE IF NOT EXISTS T AS SELECT 3 AS a", **session)
    assert bench.values("SELECT a FROM t", **session) == [["1"]]
    bench.query("CREATE OR REPLACE TEMP TABLE t AS SELECT 4 AS a", **session)
    assert bench.values("SELECT a FROM t", **session) == [["4"]]
    bench.query("DROP TABLE t", **session)
    assert bench.values("SELECT a FROM t", **session) == [["stays"]]


def test_a_dry_run_sees_the_session_and_creates_none(bench: Bench) -> None:
    session = begun(bench, "CREATE TEMP TABLE kept AS SELECT 7 AS x")
    found = bench.engine.dry_run(PROJECT, bench.sql("SELECT x FROM kept", **session))
    assert [each["name"] for each in found["statistics"]["query"]["schema"]["fields"]] == ["x"]
    assert (
        "sessionInfo"
        not in bench.engine.dry_run(PROJECT, bench.sql("SELECT 1", createSession=True))["statistics"]
    )


def test_queries_of_a_session_run_one_after_another(bench: Bench) -> None:
    session = begun(bench, "DECLARE x INT64 DEFAULT 0")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: bench.query("SET x = x + 1", **session), range(8)))
    assert bench.values("SELECT x", **session) == [["8"]]


def test_sessions_that_are_not_there(bench: Bench) -> None:
    session = begun(bench)
    for options, words in (
        ({"connectionProperties": [{"key": "session_id", "value": "none"}]}, "Not found: Session none"),
        ({**session, "createSession": True}, "Cannot create a session"),
        ({"connectionProperties": [{"key": "time_zone", "value": "UTC"}]}, "time_zone is not supported"),
    ):
        assert words in bench.fail(bench.sql("SELECT 1", **options)).message
