"""Checks, rows, tables that are waited for, and the hook's rows: what they say, synchronous and deferred."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)

from airflow_provider_jobs.errors import CheckFailed, ConfigurationError, ServiceError
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCheckOperator,
    BigQueryColumnCheckOperator,
    BigQueryGetDataOperator,
    BigQueryIntervalCheckOperator,
    BigQueryQueryOperator,
    BigQueryTableCheckOperator,
    BigQueryValueCheckOperator,
)
from airflow_provider_jobs.sensors.bigquery import (
    BigQueryTableExistenceSensor,
    BigQueryTablePartitionExistenceSensor,
)
from airflow_provider_jobs.transfers.gcs_to_bigquery import GCSToBigQueryOperator
from tests.integration.shop import both, context, furnished, made, sql
from tests.integration.task_run import TaskRun, perform, run_trigger

if TYPE_CHECKING:
    from tests.integration.lab import Lab


@pytest.fixture
def shop(lab: Lab) -> Lab:
    return furnished(lab)


FAILING: list[tuple[Any, dict[str, Any], list[str]]] = [
    (
        BigQueryCheckOperator,
        {"sql": "SELECT 1 AS good, 0 AS bad, NULL AS missing, '' AS empty"},
        ["bad is 0", "missing is NULL", "empty is "],
    ),
    (BigQueryCheckOperator, {"sql": "SELECT 1 FROM UNNEST([])"}, ["the query gave no rows"]),
    (
        BigQueryValueCheckOperator,
        {"sql": "SELECT 80 AS low, 95 AS near", "pass_value": 100, "tolerance": 0.1},
        ["low is 80: expected 100 within 10.0%"],
    ),
    (
        BigQueryValueCheckOperator,
        {"sql": "SELECT 'b' AS letter", "pass_value": "a"},
        ["letter is b: expected a"],
    ),
    (
        BigQueryIntervalCheckOperator,
        {
            "table": "shop.orders",
            "days_back": 1,
            "date_filter_column": "day",
            "metrics_thresholds": {"COUNT(*)": 1.5, "MAX(id)": 2},
        },
        ["MAX(id): 1 became 2 in 1 days: max_over_min is 2, and not below 2"],
    ),
    (
        BigQueryColumnCheckOperator,
        {
            "table": "shop.orders",
            "column_mapping": {
                "price": {"min": {"geq_to": 0}, "null_check": {"equal_to": 0}},
                "id": {"max": {"less_than": 3, "greater_than": 1, "partition_clause": "day < '2026-01-02'"}},
            },
        },
        ["price: min is -3: expected >= 0", "id: max is 1: expected > 1 and < 3"],
    ),
    (
        BigQueryTableCheckOperator,
        {
            "table": "shop.orders",
            "checks": {
                "many": {"check_statement": "COUNT(*) > 10"},
                "positive": {"check_statement": "price > 0"},
                "none": {"check_statement": "price > 0", "partition_clause": "id > 5"},
                "good": {"check_statement": "COUNT(*) = 2"},
            },
        },
        ["many: COUNT(*) > 10 does not hold", "positive: price > 0 does not hold", "none: there are no rows"],
    ),
]


@both
@pytest.mark.parametrize(
    ("kind", "parameters", "lines"), FAILING, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_check_fails_with_what_is_wrong(
    shop: Lab, kind: Any, parameters: dict[str, Any], lines: list[str], *, deferrable: bool
) -> None:
    """Each failing check and its value, and none that holds; one job each."""
    before = len(shop.jobs())
    with pytest.raises(CheckFailed) as caught:
        perform(made(kind, deferrable=deferrable, **parameters), context())
    assert isinstance(caught.value, AirflowException)
    report = str(caught.value).splitlines()
    assert len(report) == len(lines) + 3
    assert report[0] == "BigQuery check failed:"
    for line in lines:
        assert any(each.startswith(f"  {line}") for each in report), report
    assert len(shop.jobs()) == before + 1


def test_a_retry_of_a_check_asks_anew(shop: Lab) -> None:
    check = {"sql": "SELECT COUNT(*) = 3 FROM shop.orders", "query_params": None}
    with pytest.raises(CheckFailed):
        perform(made(BigQueryCheckOperator, **check), context())
    sql(shop, "INSERT INTO shop.orders (id) VALUES (3)")
    assert perform(made(BigQueryCheckOperator, **check), context(try_number=2))["state"] == "succeeded"
    with pytest.raises(AirflowFailException):
        perform(made(BigQueryCheckOperator, sql="SELECT FALSE", retry_on_failure=False), context())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"column_mapping": {"id": {"mean": {"equal_to": 0}}}}, "'mean' of id is not a check"),
        ({"column_mapping": {"id": {"min": {"tolerance": 1}}}}, "id: min is compared with nothing"),
        ({"column_mapping": {"id) FROM x --": {"min": {"geq_to": 0}}}}, "is not a column"),
        ({"column_mapping": {}}, "column_mapping is empty"),
        ({"column_mapping": {"id": {"min": {"geq_to": 0}}}, "table": "a b; DROP"}, "is not a table"),
    ],
)
def test_what_is_not_a_check_is_refused_before_any_request(
    lab: Lab, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(AirflowFailException, match=message):
        perform(made(BigQueryColumnCheckOperator, **{"table": "shop.orders", **parameters}), context())
    assert not lab.requests("jobs.insert")


@both
def test_rows_of_a_table_cost_nothing(shop: Lab, *, deferrable: bool) -> None:
    before = len(shop.jobs())
    task = made(BigQueryGetDataOperator, dataset_id="shop", table_id="orders", deferrable=deferrable)
    assert perform(task, context()) == [
        [1, Decimal("1.5"), dt.date(2026, 1, 1), "10:00:00", "YQ==", {"x": 1}],
        [2, Decimal(-3), dt.date(2026, 1, 2), None, None, None],
    ]
    task = made(
        BigQueryGetDataOperator,
        dataset_id="shop",
        table_id="orders",
        selected_fields="day, ID",
        max_results="1",
        as_dict=True,
    )
    assert perform(task, context()) == [{"id": 1, "day": dt.date(2026, 1, 1)}]
    task.max_results = None
    assert [row["id"] for row in perform(task, context())] == [1, 2]
    assert len(shop.jobs()) == before
    with pytest.raises(AirflowFailException, match="there is no column nope"):
        perform(made(BigQueryGetDataOperator, dataset_id="shop", table_id="orders", selected_fields="nope"))


def test_a_task_that_googles_operator_has_deferred_reads_its_table(shop: Lab) -> None:
    task = made(BigQueryGetDataOperator, dataset_id="shop", table_id="orders", selected_fields="id")
    event = {"status": "success", "message": "success", "records": []}
    assert task.execute_complete(context(), event) == [[1], [2]]


@both
def test_rows_of_a_query_that_still_runs(shop: Lab, *, deferrable: bool) -> None:
    with shop.slow_jobs(seconds=0.3):
        query = BigQueryQueryOperator(task_id="query", sql="SELECT 1 AS a, 'x' AS b", wait=False)
        job = query.execute(TaskRun(task_id="query").context())
        task = made(
            BigQueryGetDataOperator,
            job_id=job["job_id"],
            location="US",
            selected_fields="b",
            max_results=None,
            deferrable=deferrable,
        )
        run = TaskRun()
        assert perform(task, run.context()) == [["x"]]
        assert run.xcoms["job"]["shared"]  # the Jobs page counts it once
    assert not shop.requests("jobs.cancel")


@both
@pytest.mark.parametrize("partition", [None, "20260201"])
def test_a_table_is_waited_for(shop: Lab, partition: str | None, *, deferrable: bool) -> None:
    kind: Any = BigQueryTablePartitionExistenceSensor if partition else BigQueryTableExistenceSensor
    more = {"partition_id": partition} if partition else {}
    table = {"project_id": shop.project, "dataset_id": "shop", "table_id": "orders" if partition else "later"}
    sensor = kind(task_id="task", deferrable=deferrable, **table, **more)
    assert sensor.poke_interval == (5 if deferrable else 60)
    deferred = None
    if deferrable:
        with pytest.raises(TaskDeferred) as caught:
            sensor.execute(context())
        deferred = caught.value
    else:
        assert not sensor.poke(context())
    if partition:
        sql(shop, "INSERT INTO shop.orders (day) VALUES ('2026-02-01')")
    else:
        sql(shop, "CREATE TABLE shop.later (n INT64)")
    name = f"{shop.project}.shop.{table['table_id']}"
    expected = {"table": name, **({"partition": partition} if partition else {})}
    if deferred:
        fired, _ = run_trigger(deferred, context())
        assert sensor.execute_complete(context(), json.loads(json.dumps(fired.payload))) == expected
    else:
        assert sensor.poke(context()).xcom_value == expected


@both
def test_a_table_that_never_comes_times_out(shop: Lab, *, deferrable: bool) -> None:
    sensor = BigQueryTableExistenceSensor(
        task_id="task",
        dataset_id="none",
        table_id="t",
        timeout=0.1,
        poke_interval=0.05,
        deferrable=deferrable,
    )
    with pytest.raises(AirflowSensorTimeout):
        perform(sensor, context())


def test_a_table_without_partitions_is_not_waited_for(shop: Lab) -> None:
    sql(shop, "CREATE TABLE shop.plain (n INT64)")
    sensor = BigQueryTablePartitionExistenceSensor(
        task_id="task", dataset_id="shop", table_id="plain", partition_id="20260101"
    )
    with pytest.raises(AirflowFailException, match="has no partitions"):
        sensor.poke(context())


def test_the_hook_gives_rows(shop: Lab) -> None:
    hook = BigQueryHook(location="US", labels={"team": "shop"})
    given = {"least": 0}
    assert hook.get_records("SELECT id, price FROM shop.orders WHERE price > @least", given) == [
        (1, Decimal("1.5"))
    ]
    assert hook.get_first("SELECT id FROM shop.orders ORDER BY id DESC") == (2,)
    assert hook.get_first("SELECT id FROM shop.orders WHERE FALSE") is None
    assert hook.get_records("CREATE TABLE shop.made (n INT64)") == []
    assert hook.table_exists("shop", "made")
    assert hook.table_partition_exists("shop", "orders", "20260101")
    assert not hook.table_partition_exists("shop", "orders", "20260301")
    assert not hook.table_partition_exists("shop", "nothing", "20260301")
    assert shop.jobs()[-1]["configuration"]["labels"] == {"team": "shop"}
    with pytest.raises(ServiceError, match="Unrecognized name"):
        hook.get_records("SELECT nope FROM shop.orders")
    with pytest.raises(ConfigurationError, match="sql is empty"):
        hook.get_first(" ")


@pytest.mark.parametrize("df_type", ["pandas", "polars"])
def test_the_hook_gives_data_frames(shop: Lab, df_type: str) -> None:
    pytest.importorskip(df_type)
    frame = BigQueryHook().get_df("SELECT id, day FROM shop.orders ORDER BY id", df_type=df_type)
    assert (list(frame.columns), frame.shape) == (["id", "day"], (2, 2))
    empty = BigQueryHook().get_df("SELECT id FROM shop.orders WHERE FALSE", df_type=df_type)
    assert (list(empty.columns), empty.shape[0]) == (["id"], 0)


def test_a_library_that_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(ConfigurationError, match="not one of pandas, polars"):
        BigQueryHook().get_df("SELECT 1", df_type="modin")


class TestLoad:
    """Google's operator for files of Cloud Storage, where it does more than a load."""

    def load(self, lab: Lab, **parameters: Any) -> Any:
        (lab.sandbox.buckets / lab.project / "n.csv").write_text("n\n4\n7\n")
        given = {"bucket": lab.project, "source_objects": "n.csv", "skip_leading_rows": 1}
        table = "shop.numbers"
        return made(GCSToBigQueryOperator, destination_project_dataset_table=table, **{**given, **parameters})

    def test_a_table_goes_before_the_first_load_alone(self, shop: Lab) -> None:
        """A retry that finds the job adopts it, and leaves what that has loaded."""
        sql(shop, "CREATE TABLE shop.numbers (other STRING)")
        task = {"force_delete": True, "schema_fields": [{"name": "n", "type": "INT64"}]}
        run = TaskRun()
        for number in (1, 2):
            assert perform(self.load(shop, **task), run.context(number))["row_count"] == 2
        assert len(shop.requests("tables.delete")) == 1
        assert BigQueryHook().get_first("SELECT SUM(n) FROM shop.numbers") == (11,)

    def test_the_load_of_a_run_that_was_deleted_is_not_this_runs(self, shop: Lab) -> None:
        """The run that is made again has the same ids: its table goes before its own first load."""
        task = {"force_delete": True, "schema_fields": [{"name": "n", "type": "INT64"}]}
        later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=15)
        append = {**task, "write_disposition": "WRITE_APPEND"}
        for run in (TaskRun(), TaskRun(started=later)):
            assert perform(self.load(shop, **append), run.context())["row_count"] == 2
        assert BigQueryHook().get_first("SELECT SUM(n) FROM shop.numbers") == (11,)

    @both
    def test_the_largest_value_is_the_result(self, shop: Lab, *, deferrable: bool) -> None:
        schema = [{"name": "n", "type": "INT64"}]
        task = self.load(shop, max_id_key="n", schema_fields=schema, deferrable=deferrable)
        assert perform(task, context()) == "7"

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"autodetect": False}, "there is no schema"),
            ({"schema_object": "none.json"}, "No such object"),
            ({"schema_object": "n.csv"}, "is not JSON"),
            ({"max_id_key": "n) FROM x --"}, "is not a column"),
        ],
    )
    def test_what_cannot_be_is_refused(self, shop: Lab, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(AirflowFailException, match=message):
            perform(self.load(shop, **parameters), context())

    def test_a_partition_of_a_range_is_not_a_day(self, shop: Lab) -> None:
        ranges = {"field": "n", "range": {"start": "0", "end": "9", "interval": "1"}}
        table = {"destination_project_dataset_table": "shop.numbers$5", "range_partitioning": ranges}
        task = made(GCSToBigQueryOperator, bucket="b", source_objects="n.csv", **table)
        load = task.configuration_of(shop.project)["load"]
        assert (load["rangePartitioning"], "timePartitioning" in load) == (ranges, False)

    def test_one_word_is_a_list_of_one(self) -> None:
        """What a template gives is text."""
        words = {"cluster_fields": "day", "schema_update_options": "ALLOW_FIELD_ADDITION"}
        table = {"destination_project_dataset_table": "d.t"}
        task = made(GCSToBigQueryOperator, bucket="b", source_objects="o", **table, **words)
        load = task.configuration_of("p")["load"]
        assert load["clustering"] == {"fields": ["day"]}
        assert load["schemaUpdateOptions"] == ["ALLOW_FIELD_ADDITION"]

    def test_an_external_table_is_refused_when_the_dag_is_read(self) -> None:
        with pytest.raises(ValueError, match="CREATE EXTERNAL TABLE"):
            made(
                GCSToBigQueryOperator,
                bucket="b",
                source_objects="o",
                destination_project_dataset_table="d.t",
                external_table=True,
            )
