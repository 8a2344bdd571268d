"""What BigQuery's operators tell of their data, and what they ask BigQuery for it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk import DAG, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_jobs import compat
from airflow_provider_jobs.lineage import openlineage
from airflow_provider_jobs.operators import lineage
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryGetDataOperator,
    BigQueryIntervalCheckOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor, BigQueryTableExistenceSensor
from tests.integration.task_run import TaskRun, perform, run_trigger

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.lineage.traces import Trace
    from tests.integration.lab import Lab

HASTY: dict[str, Any] = {"task_id": "task", "poll_interval": 0.5, "inline_wait": 0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody ask for lineage."""
    monkeypatch.setattr(openlineage, "is_asked", lambda: True)


def traced(task: Any) -> Trace:
    perform(task, in_dag_test=True)  # a worker ends it
    assert task._trace
    found: Trace = task._trace
    return found


def keys(datasets: Any) -> list[tuple[str, str]]:
    return [each.key for each in datasets]


def make(lab: Lab, sql: str) -> None:
    BigQueryQueryOperator(sql=sql, **HASTY).execute(TaskRun(task_id="make").context())


def test_nothing_is_asked_where_nobody_listens(lab: Lab) -> None:
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    trace = traced(BigQueryQueryOperator(sql="SELECT n FROM d.t", **HASTY))
    assert keys(trace.inputs) == [("bigquery", f"{lab.project}.d.t")]
    assert trace.outputs[0].row_count == 1
    assert lab.requests("tables.get") == []


@pytest.mark.usefixtures("asked")
def test_columns_are_asked_for_once_a_table(lab: Lab) -> None:
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n, STRUCT('x' AS inside) AS r")
    before = len(lab.requests("tables.get"))
    trace = traced(BigQueryCopyOperator(source_tables=["d.t", "d.t"], destination_table="d.copy", **HASTY))
    assert len(lab.requests("tables.get")) == before + 2
    [read], [written] = trace.inputs, trace.outputs
    assert [column.name for column in written.columns] == ["n", "r"]
    assert [column.name for column in read.columns[1].fields] == ["inside"]
    assert written.sources["n"] == (("bigquery", f"{lab.project}.d.t", "n"),)
    assert written.row_count == 2


@pytest.mark.usefixtures("asked")
def test_a_table_that_may_not_be_seen_has_no_columns(lab: Lab) -> None:
    """The account may run jobs on it; the task is a success, and its lineage is told without columns."""
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    lab.fault("tables.get", "reply", status=403, reason="accessDenied", times=0)
    trace = traced(BigQueryQueryOperator(sql="CREATE TABLE d.u AS SELECT n FROM d.t", **HASTY))
    assert keys(trace.inputs) == [("bigquery", f"{lab.project}.d.t")]
    assert trace.outputs[0].columns == ()


@pytest.mark.usefixtures("asked")
def test_a_service_that_does_not_answer_delays_the_end_by_seconds(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.dataset("d")
    monkeypatch.setattr(lineage, "ASK_SECONDS", 0.2)
    lab.fault("tables.get", "delay", seconds=1.0, times=1)
    trace = traced(BigQueryQueryOperator(sql="CREATE TABLE d.u AS SELECT 1 AS n", **HASTY))
    assert keys(trace.outputs) == [("bigquery", f"{lab.project}.d.u")]
    assert (
        "what the service says of the data could not be found out, and is left out: no answer within"
        in caplog.text
    )


@pytest.mark.usefixtures("asked")
def test_rows_that_are_read_are_those_of_a_table(lab: Lab) -> None:
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n UNION ALL SELECT 2")
    [table] = traced(BigQueryGetDataOperator(dataset_id="d", table_id="t", **HASTY)).inputs
    assert (table.key, table.row_count) == (("bigquery", f"{lab.project}.d.t"), 2)
    assert [column.name for column in table.columns] == ["n"]


def test_rows_of_a_query_are_not_written_by_who_reads_them(lab: Lab) -> None:
    lab.dataset("d")
    query = BigQueryQueryOperator(sql="SELECT 1 AS n", destination_table="d.t", wait=False, **HASTY)
    job_id = query.execute(TaskRun(task_id="query").context())["job_id"]
    trace = traced(BigQueryGetDataOperator(job_id=job_id, **HASTY))
    assert (keys(trace.inputs), trace.outputs) == ([("bigquery", f"{lab.project}.d.t")], ())


def test_a_check_of_two_days_tells_its_query_after_a_deferral(lab: Lab) -> None:
    """The worker that goes on has not made the query: it knows the day all the same."""
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT day FROM UNNEST(['2026-01-01', '2025-12-25']) AS day")
    settings: dict[str, Any] = {"table": "d.t", "metrics_thresholds": {"COUNT(*)": 2}}
    settings |= {"date_filter_column": "day", **HASTY}
    first, again = (BigQueryIntervalCheckOperator(deferrable=True, **settings) for _ in range(2))
    context: Any = {**TaskRun().context(), "ds": "2026-01-01"}
    with lab.slow_jobs(seconds=1), pytest.raises(TaskDeferred) as deferred:
        first.execute(context)
    event, _ = run_trigger(deferred.value, context)
    again.execute_complete(context, event.payload, **(deferred.value.kwargs or {}))
    assert again._trace
    assert keys(again._trace.inputs) == [("bigquery", f"{lab.project}.d.t")]
    assert again._trace.sql
    assert "2025-12-25" in again._trace.sql


def test_a_sensor_tells_of_a_job_whose_own_task_has_not_waited(lab: Lab) -> None:
    lab.dataset("d")
    query = BigQueryQueryOperator(sql="CREATE TABLE d.t AS SELECT 1 AS n", wait=False, **HASTY)
    found = query.execute(TaskRun(task_id="query").context())
    sensor = BigQueryJobSensor(job=found, task_id="sensor", poke_interval=0.2)
    perform(sensor, in_dag_test=True)
    assert keys(sensor._trace.outputs) == [("bigquery", f"{lab.project}.d.t")]
    assert sensor._trace.job == (found["job_id"], "bigquery")
    table = BigQueryTableExistenceSensor(dataset_id="d", table_id="t", task_id="table")
    perform(table)
    assert keys(table._trace.inputs) == [("bigquery", f"{lab.project}.d.t")]


@pytest.mark.usefixtures("asked")
def test_tables_that_only_a_script_has_are_not_told_of(lab: Lab) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors", reason="not installed")
    lab.dataset("d")
    make(lab, "CREATE TABLE d.people AS SELECT 'Ann' AS name")
    script = """
        CREATE TEMP TABLE loud AS SELECT UPPER(name) AS shout FROM d.people;
        CREATE TABLE d.t AS SELECT shout FROM loud;
        SELECT shout FROM loud;
    """
    told = openlineage.operator_lineage(traced(BigQueryQueryOperator(sql=script, **HASTY)))
    assert [each.name for each in told.inputs] == [f"{lab.project}.d.people"]
    assert [each.name for each in told.outputs] == [f"{lab.project}.d.t"]


@pytest.mark.usefixtures("asked")
def test_rows_of_a_select_are_in_no_dataset(lab: Lab) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors", reason="not installed")
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    told = openlineage.operator_lineage(traced(BigQueryQueryOperator(sql="SELECT n FROM d.t", **HASTY)))
    assert [each.name for each in told.inputs] == [f"{lab.project}.d.t"]
    assert told.outputs == []


@pytest.mark.usefixtures("asked")
def test_secrets_in_sql_are_masked(lab: Lab) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors", reason="not installed")
    sql = "SELECT 'https://host/a?sig=verysecretsignature' AS url"
    told = openlineage.operator_lineage(traced(BigQueryQueryOperator(sql=sql, **HASTY)))
    assert told.job_facets["sql"].query == "SELECT 'https://host/a?sig=***' AS url"


@pytest.mark.parametrize("deferrable", [False, True])
def test_files_that_are_sent(lab: Lab, tmp_path: Path, *, deferrable: bool) -> None:
    lab.dataset("d")
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(b"id\n1\n2\n"))
    settings = {**HASTY, "deferrable": deferrable, "skip_leading_rows": 1}
    schema = [{"name": "id", "type": "INTEGER"}]
    trace = traced(
        BigQueryUploadOperator(
            source=[f"{tmp_path}/a.csv.gz", f"{tmp_path}/b*"],
            destination_table="d.t",
            schema=schema,
            **settings,
        )
    )
    assert keys(trace.inputs) == [("file", f"{tmp_path}/a.csv.gz"), ("file", str(tmp_path))]
    [table] = trace.outputs
    assert (table.key, table.row_count) == (("bigquery", f"{lab.project}.d.t"), 4)
    assert trace.job
    assert len(trace.job[0].split()) == 2


def test_files_of_a_store(lab: Lab) -> None:
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    uris = [f"gs://{lab.project}/out/a.csv"]
    [out] = traced(BigQueryExtractOperator(source_table="d.t", destination_uris=uris, **HASTY)).outputs
    assert (out.key, out.file_count) == ((f"gs://{lab.project}", "out/a.csv"), 1)
    loaded = BigQueryLoadOperator(
        source_uris=uris, destination_table="d.back", autodetect=True, skip_leading_rows=1, **HASTY
    )
    [read] = traced(loaded).inputs
    assert (read.key, read.file_count) == (out.key, 1)


def test_a_bracket_is_part_of_an_objects_name(lab: Lab) -> None:
    """BigQuery takes an asterisk alone for a pattern."""
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    uris = [f"gs://{lab.project}/out/a[1].csv"]
    [out] = traced(BigQueryExtractOperator(source_table="d.t", destination_uris=uris, **HASTY)).outputs
    assert (out.key, out.patterns) == ((f"gs://{lab.project}", "out/a[1].csv"), ())


def test_a_dry_run_reads_and_writes_nothing(lab: Lab) -> None:
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    trace = traced(BigQueryQueryOperator(sql="SELECT n FROM d.t", dry_run=True, **HASTY))
    assert (trace.sql, trace.inputs, trace.outputs, trace.job) == ("SELECT n FROM d.t", (), (), None)


def test_a_failed_job_tells_what_it_was_to_read_and_write(lab: Lab) -> None:
    lab.dataset("d")
    task = BigQueryCopyOperator(source_tables="d.missing", destination_table="d.t", **HASTY)
    with pytest.raises(AirflowFailException):
        perform(task)
    assert task._trace
    assert keys(task._trace.inputs) == [("bigquery", f"{lab.project}.d.missing")]
    assert keys(task._trace.outputs) == [("bigquery", f"{lab.project}.d.t")]


@pytest.mark.usefixtures("asked")
def test_a_failed_query_tells_of_the_tables_in_its_sql(lab: Lab) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors", reason="not installed")
    lab.dataset("d")
    make(lab, "CREATE TABLE d.t AS SELECT 1 AS n")
    task = BigQueryQueryOperator(sql="SELECT missing FROM d.t", **HASTY)
    with pytest.raises(AirflowFailException):
        perform(task)
    assert task._trace
    [table] = task._trace.inputs
    assert table.key == ("bigquery", f"{lab.project}.d.t")
    assert [column.name for column in table.columns] == ["n"]


def test_before_it_runs_a_task_tells_what_is_named_whole() -> None:
    task = BigQueryCopyOperator(source_tables=["p.d.a", "d.b"], destination_table="p.d.t", **HASTY)
    plan = task.planned()
    assert (keys(plan.inputs), keys(plan.outputs)) == ([("bigquery", "p.d.a")], [("bigquery", "p.d.t")])


def test_a_job_that_is_not_waited_for_is_named(lab: Lab) -> None:
    task = BigQueryQueryOperator(sql="SELECT 1 AS n", wait=False, **HASTY)
    with lab.slow_jobs(seconds=1):
        result = task.execute(TaskRun().context())
    known = task._lineage_after()
    assert (known.job, known.sql) == ((result["job_id"], "bigquery"), "SELECT 1 AS n")


def tables_told(task: Any, run: TaskRun) -> list[str]:
    """Run a task, and return the names of the tables whose assets it has told Airflow of."""
    events = OutletEventAccessors()
    perform(task, {**run.context(), "outlet_events": events})
    return [
        each.dest_asset_key.uri.rpartition("/")[2]
        for key in events
        for each in events[key].asset_alias_events
    ]


def test_a_temporary_table_is_no_asset(lab: Lab) -> None:
    lab.dataset("d")
    for sql, expected in (("SELECT 1 AS n", []), ("CREATE TABLE d.t AS SELECT 1 AS n", ["t"])):
        task = BigQueryQueryOperator(sql=sql, emit_assets=True, **HASTY)
        assert tables_told(task, TaskRun(task_id=f"makes{len(expected)}")) == expected


def test_each_table_that_a_script_has_written_is_an_asset(lab: Lab) -> None:
    """BigQuery names them in the jobs of its statements alone, which nobody else may have asked for."""
    lab.dataset("d")
    sql = "CREATE TEMP TABLE x AS SELECT 1 AS n; CREATE TABLE d.one AS SELECT n FROM x; "
    sql += "CREATE TABLE d.two (n INT64)"
    task, run = BigQueryQueryOperator(sql=sql, emit_assets=True, **HASTY), TaskRun(task_id="script")
    assert tables_told(task, run) == ["one", "two"]


def test_an_event_that_cannot_be_told_does_not_fail_the_task(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.dataset("d")
    task = BigQueryQueryOperator(sql="CREATE TABLE d.t AS SELECT 1 AS n", emit_assets=True, **HASTY)
    perform(task)  # there is no accessor in this context
    assert "whether its assets are told of could not be found out, and is left out" in caplog.text


def test_an_alias_is_among_the_outlets_and_so_a_worker_ends_the_task() -> None:
    with DAG("orders", schedule=None):
        task = BigQueryQueryOperator(sql="SELECT 1", emit_assets=True, **HASTY)
    assert task.outlets == [AssetAlias("orders.task")]
    assert not task.ends_in_trigger()
    assert BigQueryQueryOperator(sql="SELECT 1", **HASTY).outlets == []


def test_a_task_that_begins_in_the_trigger_ends_on_a_worker_where_somebody_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not compat.STARTS_FROM_TRIGGER:
        pytest.skip("Airflow is older than 3.3")
    for listens in (False, True):
        monkeypatch.setattr(compat, "hears_success", lambda listens=listens: listens)
        task = BigQueryQueryOperator(sql="SELECT 1", from_trigger=True, **HASTY)
        task.resolve_template_files()
        assert task.start_trigger_args
        ending = (task.start_trigger_args.trigger_kwargs or {})["ending"]
        assert (ending is None) == listens
