"""The SQL of the page, on SQLite and on PostgreSQL: both tell the same, whatever XComs hold."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from airflow.models import import_all_models
from airflow.models.base import Base
from sqlalchemy.dialects import mysql

from airflow_provider_jobs.jobs_page.queries import STATES, JobQueries, Wanted
from tests.integration.jobs_page.seed import NOW, Job, bigquery, redivis, salesforce, store
from tests.system.cluster.servers import Postgres, postgres_bin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAGS = ("shop_daily", "shop_secret")
#: Values that no operator of ours writes; none may keep the page from telling of the others.
ODD: tuple[Any, ...] = (
    *("text", None, 7, [1, 2], True, {}, {"job_id": "x"}, {"project_id": "x"}, {"state": "running"}),
    bigquery(bytes_billed="12; DROP TABLE xcom", row_count=[], slot_ms={"a": 1}, duration_seconds=None),
    bigquery(bytes_billed=1e300, row_count=-5, slot_ms=10**30, duration_seconds=True),
    bigquery("exploded", job_id={"nested": ["é"]}, url=5, error="x" * 5000),
    {**bigquery(), "state": ["running"]},
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("database")
        engine = _with_tables(sqlalchemy.create_engine(f"sqlite:///{folder / 'airflow.db'}"))
        yield engine
        engine.dispose()
        return
    if postgres_bin() is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    with Postgres() as server:
        engine = _with_tables(sqlalchemy.create_engine(server.url))
        yield engine
        engine.dispose()


def _with_tables(engine: Any) -> Any:
    import_all_models()
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def connection(engine: Any) -> Iterator[Any]:
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def page(connection: Any, *, order: str = "newest", **wanted: Any) -> list[dict[str, Any]]:
    wanted.setdefault("dag_ids", DAGS)
    query = JobQueries(connection.dialect.name).page(Wanted(**wanted), order, 0, 100)
    return [dict(row) for row in connection.execute(query).mappings()]


def sums(connection: Any, **wanted: Any) -> list[dict[str, Any]]:
    query = JobQueries(connection.dialect.name).sums(Wanted(dag_ids=DAGS, **wanted))
    return [dict(row) for row in connection.execute(query).mappings()]


def test_odd_values_harm_nobody(connection: Any) -> None:
    store(connection, [Job(value) for value in ODD] + [Job(bigquery(bytes_billed=5, row_count=2))])
    found = page(connection)
    assert sorted(job["state"] for job in found) == ["succeeded"] * 3 + ["unknown"] * 2
    assert [job["bytes_billed"] for job in found if job["bytes_billed"] is not None] == [5]
    assert {job["slot_ms"] for job in found} == {None}
    assert max(len(job["error"] or "") for job in found) == 1000
    (total,) = sums(connection)
    assert (total["jobs"], total["rows"], total["bytes_billed"]) == (5, 2, 5)
    assert page(connection, words=("drop",)) == []


def test_what_is_not_json_is_passed_over(tmp_path: Path) -> None:
    """SQLite alone takes it: Python writes NaN, and an older SQLite fails when it is to read that."""
    engine = _with_tables(sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'airflow.db'}"))
    with engine.begin() as connection:
        store(connection, [Job(bigquery(row_count=float("nan"))), Job(bigquery())])
        assert len(page(connection)) == len(page(connection, words=("shop",))) in {1, 2}
        assert sums(connection)[0]["rows"] is None
    engine.dispose()


@pytest.mark.parametrize(
    ("told", "task_state", "state"),
    [
        ("pending", "running", "pending"),
        ("running", "deferred", "running"),
        ("running", "queued", "running"),
        ("running", "failed", "failed"),
        ("running", "up_for_retry", "failed"),
        ("running", "success", "unknown"),
        ("running", None, "unknown"),
        ("succeeded", "success", "succeeded"),
        ("succeeded", "running", "succeeded"),
        ("succeeded", "failed", "failed"),
        ("failed", "failed", "failed"),
        ("failed", None, "failed"),
        ("cancelled", "failed", "cancelled"),
        ("anything", "success", "unknown"),
    ],
)
def test_the_state_is_what_job_and_task_say(
    connection: Any, told: str, task_state: str | None, state: str
) -> None:
    store(connection, [Job(bigquery(told), task_state=task_state)])
    assert [job["state"] for job in page(connection)] == [state]
    assert [len(page(connection, state=each)) for each in STATES] == [int(each == state) for each in STATES]
    assert (sums(connection)[0]["failed"], sums(connection)[0]["running"]) == (
        int(state == "failed"),
        int(state == "running"),
    )


def test_each_service_is_known_by_its_result(connection: Any) -> None:
    several = {"job_id": "a b", "state": "succeeded", "row_count": 4}
    values = {
        "bigquery": [bigquery(), {**several, "jobs": [], "job_count": 2}],
        "salesforce": [salesforce(record_count=3), salesforce(job_count=2, jobs=[])],
        "redivis": [redivis(row_count=9), {**several, "uploads": [], "upload_count": 2}],
    }
    store(connection, [Job(value) for each in values.values() for value in each])
    for service in values:
        found = page(connection, service=service)
        assert [job["service"] for job in found] == [service] * 2
        assert sorted(job["job_count"] or 1 for job in found) == [1, 2]
    assert sum(job["rows"] or 0 for job in page(connection)) == 4 + 3 + 9 + 4


def test_only_the_job_of_a_task_counts(connection: Any) -> None:
    """Not its result, which is the same; mapped tasks have one each."""
    run = "manual__one"
    store(
        connection,
        [
            Job(bigquery(), run_id=run, map_index=0),
            Job(bigquery(), run_id=run, map_index=1),
            Job(bigquery(), key="return_value"),
            Job(bigquery(shared=True), task_id="reads_the_rows_of_a_job"),
        ],
    )
    assert sorted(job["map_index"] for job in page(connection)) == [0, 1]


def test_dags_time_task_and_words_narrow_it(connection: Any) -> None:
    store(
        connection,
        [
            Job(bigquery(destination_table="p.d.Sales_2"), hours=1, task_id="a"),
            Job(bigquery(destination_table="p.d.sales"), hours=50, task_id="b"),
            Job(bigquery(error="100% wrong"), hours=1, task_id="b", dag_id="shop_secret"),
        ],
    )
    assert len(page(connection)) == 3
    assert len(page(connection, dag_ids=("shop_secret",))) == 1
    assert page(connection, dag_ids=()) == []
    assert len(page(connection, since=NOW - timedelta(days=1))) == 2
    assert len(page(connection, task_id="b")) == 2
    assert len(page(connection, words=("SALES",))) == 2
    assert len(page(connection, words=("sales_", "2"))) == 1
    assert len(page(connection, words=("100%",))) == 1


def test_what_is_largest_comes_first_and_what_is_not_known_last(connection: Any) -> None:
    store(connection, [Job(bigquery(slot_ms=5)), Job(bigquery()), Job(bigquery(slot_ms=50))])
    assert [job["slot_ms"] for job in page(connection, order="slot_ms")] == [50, 5, None]


def test_sums_are_of_each_dag_and_day(connection: Any) -> None:
    store(
        connection,
        [
            Job(bigquery(bytes_billed=1, duration_seconds=2), hours=1),
            Job(bigquery(bytes_billed=2), hours=1, duration=40),
            Job(bigquery(bytes_billed=4), hours=73),
            Job(bigquery(bytes_billed=8), hours=1, dag_id="shop_secret"),
        ],
    )
    found = {(row["dag_id"], str(row["day"])): row for row in sums(connection)}
    days = [str((NOW - timedelta(hours=hours)).date()) for hours in (1, 73)]
    assert {key: row["bytes_billed"] for key, row in found.items()} == {
        ("shop_daily", days[0]): 3,
        ("shop_daily", days[1]): 4,
        ("shop_secret", days[0]): 8,
    }
    assert found["shop_daily", days[0]]["seconds"] == 42


def test_mysql_is_spoken_to_in_its_own_words() -> None:
    """It is not tried: none is installed where the tests run."""
    queries, wanted = JobQueries("mysql"), Wanted(DAGS, state="failed", words=("x",))
    for query in (queries.page(wanted, "newest", 0, 1), queries.sums(wanted)):
        text = str(query.compile(dialect=mysql.dialect()))
        assert "json_type(json_extract(xcom.value, " in text
        assert "jsonb" not in text
