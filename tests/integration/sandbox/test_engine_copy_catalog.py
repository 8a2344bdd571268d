"""Copy jobs, the catalog, restart, cancellation, and many readers and writers at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.engine_bench import PROJECT, Bench, fields

if TYPE_CHECKING:
    from pathlib import Path


def copying(*sources: str, to: str, **options: Any) -> dict[str, Any]:
    def reference(name: str) -> dict[str, str]:
        dataset, table = name.split(".")
        return {"datasetId": dataset, "tableId": table}

    tables = [reference(name) for name in sources]
    named = {"sourceTable": tables[0]} if len(tables) == 1 else {"sourceTables": tables}
    return {"copy": {**named, "destinationTable": reference(to), **options}}


def test_one_and_several_sources(bench: Bench) -> None:
    bench.query("CREATE TABLE a (x INT64 NOT NULL, s STRING) CLUSTER BY x OPTIONS(description='first')")
    bench.query("INSERT INTO a VALUES (1, 'p')")
    bench.query("CREATE TABLE b AS SELECT 2 AS x, 'q' AS s")
    bench.run(copying("d.a", to="d.one"))
    one = bench.engine.get_table(PROJECT, "d", "one")
    assert (one["description"], one["clustering"]) == ("first", {"fields": ["x"]})
    assert bench.columns("one")[0] == ("x", "INTEGER", "REQUIRED")
    outcome = bench.run(copying("d.a", "d.b", to="d.both"))
    assert bench.cells("both") == [["1", "p"], ["2", "q"]]
    assert outcome.statistics["copy"] == {"copiedRows": "2", "copiedLogicalBytes": "22"}
    bench.run(copying("d.a", to="d.both", writeDisposition="WRITE_APPEND"))
    assert len(bench.cells("both")) == 3
    bench.run(copying("d.b", to="d.both", writeDisposition="WRITE_TRUNCATE"))
    assert bench.cells("both") == [["2", "q"]]


@pytest.mark.parametrize(
    ("reason", "message", "configuration"),
    [
        ("duplicate", "Already Exists: Table test-project:d.b", copying("d.a", to="d.b")),
        (
            "invalid",
            "Provided Schema does not match Table test-project:d.b. Field x has changed type",
            copying("d.a", to="d.b", writeDisposition="WRITE_APPEND"),
        ),
        (
            "invalid",
            "Provided Schema does not match Table test-project:d.b",
            copying("d.a", "d.b", to="d.new"),
        ),
        ("notFound", "Not found: Table test-project:d.none", copying("d.none", to="d.new")),
        (
            "notFound",
            "Not found: Dataset test-project:eu was not found in location US",
            copying("d.a", to="eu.new"),
        ),
        ("notFound", "Not found: Dataset test-project:none", copying("d.a", to="none.new")),
        ("notFound", "Not found: Table", copying("d.a", to="d.new", createDisposition="CREATE_NEVER")),
        ("invalid", "Required parameter is missing: sourceTables", {"copy": {"destinationTable": {}}}),
    ],
)
def test_refused_copies(bench: Bench, reason: str, message: str, configuration: dict[str, Any]) -> None:
    bench.query("CREATE TABLE a AS SELECT 1 AS x")
    bench.query("CREATE TABLE b AS SELECT 'q' AS x")
    problem = bench.fail(configuration)
    assert (problem.reason, problem.message.startswith(message)) == (reason, True)
    assert bench.cells("b") == [["q"]]


def test_tables_and_datasets_survive_a_restart(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    body = {
        "tableReference": {"tableId": "t"},
        "schema": fields("a:INT64:REQUIRED", "l:STRING:REPEATED"),
        "labels": {"k": "v"},
        "timePartitioning": {"type": "DAY"},
    }
    made = first.engine.insert_table(PROJECT, "d", body)
    first.query("INSERT INTO t VALUES (1, ['x'])")
    kept = first.engine.get_table(PROJECT, "d", "t")
    first.engine.close()
    again = Bench(tmp_path)
    assert again.engine.get_table(PROJECT, "d", "t") == kept
    assert again.cells("t") == [["1", [{"v": "x"}]]]
    assert (kept["numRows"], kept["numBytes"]) == ("1", "11")
    assert all(
        kept[key] == made[key] for key in ("id", "labels", "timePartitioning", "schema", "creationTime")
    )
    listed = [each["id"] for each in again.engine.list_datasets(PROJECT)]
    assert listed == [f"{PROJECT}:d", f"{PROJECT}:eu"]
    again.engine.close()


def test_names_differ_by_case_and_odd_names_work(bench: Bench) -> None:
    project = "example.com:my-proj"
    bench.engine.insert_dataset(project, {"datasetReference": {"datasetId": "d"}, "location": "US"})
    for name in ("T", "t", "my table-1"):
        reference = {"projectId": project, "datasetId": "d", "tableId": name}
        bench.query(f"SELECT '{name}' AS name", destinationTable=reference)
    assert bench.values(f"SELECT name FROM `{project}.d.T`") == [["T"]]  # noqa: S608 - a constant
    assert bench.values(f"SELECT name FROM `{project}.d.my table-1`") == [["my table-1"]]  # noqa: S608 - a constant


def test_a_cancelled_job_stops_inside_its_statement(bench: Bench) -> None:
    cancelled = threading.Event()
    sql = "SELECT SUM(a * b) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 1000000)) b"
    target = {"datasetId": "d", "tableId": "t"}
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    started = time.perf_counter()
    problem = bench.fail(bench.sql(sql, destinationTable=target), cancelled=cancelled)
    assert time.perf_counter() - started < 60
    assert problem.reason == "stopped"
    assert bench.engine.list_tables(PROJECT, "d") == []


def test_readers_see_whole_writes_only(bench: Bench) -> None:
    """Each write keeps a = b in every row and a multiple of 500 rows; so must every read."""
    make = "SELECT x AS a, x AS b FROM UNNEST(GENERATE_ARRAY(1, 500)) AS x"
    target = {"destinationTable": {"datasetId": "d", "tableId": "t"}}
    bench.query(make, **target)
    finished = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not finished.is_set():
            rows = bench.cells("t")
            if len(rows) % 500 or any(a != b for a, b in rows):
                wrong.append(len(rows))
            (counted,) = bench.values("SELECT MOD(COUNT(*), 500), SUM(a - b) FROM t", useQueryCache=False)
            if counted != ["0", "0"]:
                wrong.append(counted)

    def write(disposition: str) -> None:
        for _ in range(4):
            bench.query(make, **target, writeDisposition=disposition)
            bench.query("UPDATE t SET a = a + 1, b = b + 1 WHERE TRUE")

    readers = [threading.Thread(target=read) for _ in range(5)]
    writers = [threading.Thread(target=write, args=[f"WRITE_{word}"]) for word in ("TRUNCATE", "APPEND")]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    finished.set()
    for thread in readers:
        thread.join()
    assert wrong == []


def test_concurrent_appends_all_arrive(bench: Bench) -> None:
    target = {"destinationTable": {"datasetId": "d", "tableId": "t"}, "writeDisposition": "WRITE_APPEND"}
    threads = [
        threading.Thread(target=bench.query, args=[f"SELECT {number} AS n"], kwargs=target)
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row[0] for row in bench.cells("t")) == [str(number) for number in range(8)]
