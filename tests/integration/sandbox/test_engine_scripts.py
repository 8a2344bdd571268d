"""What decides in a script: IF, CASE, loops, blocks, exceptions, transactions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem

if TYPE_CHECKING:
    from tests.integration.sandbox.engine_bench import Bench

IF = "IF x > 2 THEN SELECT 'more'; ELSEIF x = 2 THEN SELECT 'two'; ELSE SELECT 'less'; END IF"
CASE = "CASE x WHEN 1 THEN SELECT 'one'; WHEN 1 + 1 THEN SELECT 'two'; ELSE SELECT 'other'; END CASE"
SEARCH = "CASE WHEN x < 2 THEN SELECT 'less'; WHEN x < 3 THEN SELECT 'two'; ELSE SELECT 'more'; END CASE"
COUNT = "SET n = n + 1"


def value(bench: Bench, script: str, **options: Any) -> Any:
    """The one cell of a script's result."""
    ((cell,),) = bench.values(script, **options)
    return cell


def values(bench: Bench, script: str) -> list[Any]:
    """The one cell of each SELECT of a script."""
    found = []
    for child in bench.query(script).children:
        if child.statistics["query"]["statementType"] == "SELECT":
            found += bench.cells(child.configuration["query"]["destinationTable"])
    return [cell for (cell,) in found]


BRANCHES = [
    ("3", IF, "more"), ("2", IF, "two"), ("NULL", IF, "less"), ("1", CASE, "one"), ("2", CASE, "two"),
    ("NULL", CASE, "other"), ("2", SEARCH, "two"), ("NULL", SEARCH, "more"),
]  # fmt: skip


def test_branches(bench: Bench) -> None:
    script = "".join(f"SET x = {x}; {statement}; " for x, statement, _ in BRANCHES)
    assert values(bench, f"DECLARE x INT64; {script}") == [found for _, _, found in BRANCHES]


ROWS = "FOR r IN (SELECT v FROM UNNEST([3, 1, 2]) AS v ORDER BY v) DO"
LOOPS = {
    f"WHILE n < 2 DO {COUNT}; END WHILE": 2,
    f"WHILE NULL DO {COUNT}; END WHILE": 0,
    f"LOOP {COUNT}; IF n = 2 THEN BREAK; END IF; END LOOP": 2,
    f"REPEAT {COUNT}; CONTINUE; UNTIL n >= 2 END REPEAT": 2,
    "FOR r IN (SELECT 1 AS v LIMIT 0) DO SET n = 9; END FOR": 0,
    f"{ROWS} SET n = n * 10 + r.v; END FOR": 123,
    f"{ROWS} IF r.v = 2 THEN CONTINUE; END IF; SET n = n + r.v; END FOR": 4,
    f"o: LOOP LOOP {COUNT}; IF n < 2 THEN ITERATE o; END IF; LEAVE o; END LOOP; END LOOP o": 2,
    f"WHILE n < 3 DO LOOP {COUNT}; LEAVE; END LOOP; {COUNT}; END WHILE": 4,
    f"block: BEGIN {COUNT}; LEAVE block; {COUNT}; END block": 1,
    f"WHILE TRUE DO BEGIN {COUNT}; BREAK; EXCEPTION WHEN ERROR THEN SET n = 9; END; END WHILE": 1,
}


def test_loops(bench: Bench) -> None:
    script = "".join(f"SET n = 0; {loop}; SELECT n; " for loop in LOOPS)
    found = values(bench, f"DECLARE n INT64; {script}")
    assert dict(zip(LOOPS, map(int, found), strict=True)) == LOOPS


def test_statements_of_a_loop_are_children(bench: Bench) -> None:
    script = """CREATE TABLE t (a INT64, b ARRAY<STRING>, c STRUCT<d DATE, e NUMERIC>);
        FOR r IN (SELECT 1 AS a, ['x'] AS b, STRUCT(DATE '2020-01-01' AS d, NUMERIC '1.5' AS e) AS c UNION ALL
                  SELECT 2, [], NULL ORDER BY a) DO
          INSERT t VALUES (r.a, r.b, r.c);
        END FOR;
        RETURN;
        SELECT 1;"""
    outcome = bench.query(script)
    kinds = [child.statistics["query"]["statementType"] for child in outcome.children]
    assert kinds == ["CREATE_TABLE", "INSERT", "INSERT"]
    assert outcome.statistics["numChildJobs"] == "3"
    frame = outcome.children[1].statistics["scriptStatistics"]["stackFrames"][0]
    assert (frame["startLine"], frame["text"]) == (4, "INSERT t VALUES (r.a, r.b, r.c)")
    rows = bench.values("SELECT a, ARRAY_LENGTH(b), c.d, c.e FROM t ORDER BY a")
    assert rows == [["1", "1", "2020-01-01", "1.5"], ["2", "0", None, None]]


def test_variables_of_a_block(bench: Bench) -> None:
    script = "DECLARE x INT64 DEFAULT 1; BEGIN DECLARE y INT64 DEFAULT 2; SET x = x + y; END; SELECT x"
    assert value(bench, script) == "3"
    problem = bench.fail(bench.sql(script + ", y"))
    assert "Unrecognized name: y" in problem.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT * FROM nowhere", "Not found: Table"),
        ("SELECT nothing", "Unrecognized name: nothing"),
        ("RAISE USING MESSAGE = CONCAT('as ', 'said')", "as said"),
        ("IF 1 / 0 > 1 THEN SELECT 1; END IF", "division by zero"),
        ("DECLARE z INT64 DEFAULT CAST('x' AS INT64)", "Bad int64 value"),
        ("BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN RAISE; END", "division by zero"),
        ("BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN RAISE USING MESSAGE = 'new'; END", "new"),
    ],
)
def test_exceptions(bench: Bench, body: str, message: str) -> None:
    """What a handler sees, and what the job says if there is none."""
    script = f"BEGIN {body}; EXCEPTION WHEN ERROR THEN SELECT @@error.message, @@error.statement_text; END"
    outcome = bench.query(script)
    ((said, text),) = bench.cells(outcome.configuration["query"]["destinationTable"])
    assert message in said
    assert text
    assert any(child.error_result for child in outcome.children)
    assert message in bench.fail(bench.sql(f"BEGIN {body}; END; SELECT 2")).message


def test_no_error_is_null_and_the_text_is_not_remembered(bench: Bench) -> None:
    for message in ("one", "two"):
        script = (
            f"BEGIN RAISE USING MESSAGE = '{message}'; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END"
        )
        assert value(bench, script) == message
    assert value(bench, "SELECT @@error.message") is None


def test_a_handler_does_not_take_what_only_the_sandbox_cannot_do(bench: Bench) -> None:
    problem = bench.fail(bench.sql("BEGIN SELECT @@x.y; EXCEPTION WHEN ERROR THEN SELECT 1; END"))
    assert problem.message.startswith("The sandbox cannot")


def test_a_cancel_ends_a_loop(bench: Bench) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    sql = "LOOP BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN BEGIN END; END; END LOOP"
    with pytest.raises(JobProblem) as caught:
        bench.run(bench.sql(sql), cancelled=cancelled)
    assert caught.value.reason == "stopped"


MAKE = "CREATE OR REPLACE TABLE t AS SELECT 1 AS a; CREATE OR REPLACE TABLE u AS SELECT 1 AS a;"


CAUGHT = "EXCEPTION WHEN ERROR THEN"
MERGE = """MERGE t USING (SELECT 1 AS a UNION ALL SELECT 5) s ON t.a = s.a
    WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT ROW"""
ADD = "INSERT t VALUES (2);"
# And how many rows t and u have then.
TRANSACTIONS = [
    (f"BEGIN TRANSACTION; {ADD} DELETE u WHERE TRUE; COMMIT TRANSACTION;", 2, 0),
    (f"BEGIN TRANSACTION; {ADD} TRUNCATE TABLE u; ROLLBACK TRANSACTION;", 1, 1),
    (f"BEGIN; {ADD} COMMIT; BEGIN; DELETE t WHERE TRUE; ROLLBACK; INSERT u VALUES (2);", 2, 2),  # noqa: S608 - ours
    (f"BEGIN TRANSACTION; {ADD} DELETE u WHERE TRUE;", 1, 1),
    (f"BEGIN TRANSACTION; {ADD} RETURN; COMMIT TRANSACTION;", 1, 1),
    (f"BEGIN TRANSACTION; {MERGE}; INSERT u SELECT a + 1 FROM t; COMMIT TRANSACTION;", 1, 2),  # noqa: S608 - ours
    (f"BEGIN BEGIN; {ADD} SELECT 1 / 0; COMMIT; {CAUGHT} SELECT @@error.message; ROLLBACK; END;", 1, 1),
    (f"BEGIN BEGIN TRANSACTION; {ADD} SELECT 1 / 0; {CAUGHT} COMMIT TRANSACTION; END;", 2, 1),
    (f"BEGIN BEGIN; {ADD} INSERT u VALUES ('x'); {CAUGHT} SELECT @@error.message; ROLLBACK; END;", 1, 1),  # noqa: S608 - ours
    (f"BEGIN; CREATE TEMP TABLE x AS SELECT 2 AS a; {ADD} DROP TABLE x; COMMIT;", 2, 1),
]


@pytest.mark.parametrize(("script", "t", "u"), TRANSACTIONS)
def test_transactions(bench: Bench, script: str, t: int, u: int) -> None:
    bench.query(f"{MAKE} {script}")
    assert bench.values("SELECT (SELECT COUNT(*) FROM t), (SELECT COUNT(*) FROM u)") == [[str(t), str(u)]]


def test_a_transaction_sees_its_changes_and_its_results_outlive_it(bench: Bench) -> None:
    script = f"""{MAKE} BEGIN TRANSACTION; INSERT t VALUES (2), (3);
        SELECT COUNT(*) AS n, ARRAY_AGG(a ORDER BY a) AS a, CURRENT_DATE() > '2020-01-01' AS b FROM t;
        ROLLBACK"""  # noqa: S608 - ours
    outcome = bench.query(script)
    assert bench.cells(outcome.configuration["query"]["destinationTable"]) == [
        ["3", [{"v": "1"}, {"v": "2"}, {"v": "3"}], "true"]
    ]
    kinds = [child.statistics["query"]["statementType"] for child in outcome.children]
    assert kinds[2:] == ["BEGIN_TRANSACTION", "INSERT", "SELECT", "ROLLBACK_TRANSACTION"]
    ids = {
        (child.statistics.get("transactionInfo") or {}).get("transactionId")
        for child in outcome.children[2:5]
    }
    assert len(ids) == 1
    assert None not in ids
    assert value(bench, "SELECT COUNT(*) FROM t") == "1"


FAILING = [
    "SELECT 1 / 0",
    "INSERT u VALUES (NULL)",
    "MERGE u USING t ON FALSE WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (DIV(1, 0))",
]


@pytest.mark.parametrize("failing", FAILING)
def test_a_failure_undoes_the_transaction(bench: Bench, failing: str) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u (a INT64 NOT NULL)")
    bench.fail(bench.sql(f"BEGIN TRANSACTION; INSERT t VALUES (2); {failing}; COMMIT TRANSACTION"))  # noqa: S608
    assert value(bench, "SELECT COUNT(*) FROM t") == "1"
    caught = f"BEGIN BEGIN TRANSACTION; INSERT t VALUES (2); {failing}; {CAUGHT}"  # noqa: S608
    bench.query(f"{caught} ROLLBACK TRANSACTION; INSERT t VALUES (7); END")  # noqa: S608
    assert bench.values("SELECT a FROM t ORDER BY a") == [["1"], ["7"]]


@pytest.mark.parametrize(
    "after", ["SELECT COUNT(*) FROM t", "INSERT t VALUES (3)", "COMMIT TRANSACTION", "TRUNCATE TABLE t"]
)
def test_a_transaction_does_not_go_on_after_a_change_has_failed(bench: Bench, after: str) -> None:
    """BigQuery could: the sandbox does not know what is left of the change, and says so."""
    bench.query("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u (a INT64 NOT NULL)")
    script = f"BEGIN BEGIN TRANSACTION; INSERT u VALUES (NULL); {CAUGHT} {after}; END"  # noqa: S608
    assert bench.fail(bench.sql(script)).message.startswith("The sandbox cannot")
    assert value(bench, "SELECT COUNT(*) FROM t") == "1"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("BEGIN TRANSACTION; BEGIN TRANSACTION;", "transactions cannot be nested"),
        ("COMMIT TRANSACTION", "there is no active transaction"),
        ("ROLLBACK", "there is no active transaction"),
        ("BEGIN TRANSACTION; CREATE TABLE x AS SELECT 1 AS a;", "not supported inside a transaction"),
        ("BEGIN TRANSACTION; DROP TABLE t;", "not supported inside a transaction"),
        ("BEGIN TRANSACTION; ALTER TABLE t ADD COLUMN b INT64;", "not supported inside a transaction"),
        ("BEGIN TRANSACTION; CREATE VIEW x AS SELECT 1 AS a;", "not supported inside a transaction"),
    ],
)
def test_what_a_transaction_cannot_do(bench: Bench, script: str, message: str) -> None:
    bench.query(MAKE)
    assert message in bench.fail(bench.sql(script)).message
    assert bench.columns("t") == [("a", "INTEGER", "NULLABLE")]


def test_a_temporary_table_goes_with_its_transaction(bench: Bench) -> None:
    script = "BEGIN TRANSACTION; CREATE TEMP TABLE x AS SELECT 2 AS a; ROLLBACK TRANSACTION; SELECT * FROM x"
    assert "x" in bench.fail(bench.sql(script)).message


def test_two_transactions_do_not_change_the_same_table(bench: Bench) -> None:
    """The second one fails, whichever that is, and has changed nothing."""
    bench.query("CREATE TABLE t AS SELECT 0 AS a")
    script = "BEGIN TRANSACTION; UPDATE t SET a = a + 1 WHERE TRUE; SELECT COUNT(*) FROM t; COMMIT"
    problems: list[str] = []

    def run() -> None:
        try:
            bench.query(script)
        except JobProblem as problem:
            problems.append(problem.message)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all("Could not serialize access" in each for each in problems)
    assert value(bench, "SELECT a FROM t") == str(3 - len(problems))


def test_a_transaction_ends_with_the_query_of_a_session(bench: Bench) -> None:
    bench.query("CREATE TABLE t AS SELECT 1 AS a")
    problem = bench.fail(bench.sql("BEGIN TRANSACTION; INSERT t VALUES (2);", createSession=True))
    assert problem.message.startswith("The sandbox cannot keep a transaction open")
    assert value(bench, "SELECT COUNT(*) FROM t") == "1"
