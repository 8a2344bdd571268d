"""Tasks without any worker: the same job as on one, adopted by a retry, made anew by a clear."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs import compat
from airflow_provider_jobs.core.several import ATTEMPT_KEY
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryInsertJobOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.transfers.bigquery_to_gcs import BigQueryToGCSOperator
from airflow_provider_jobs.triggers import start
from airflow_provider_jobs.triggers.start import attempt_after
from tests.integration.task_log import check_told, lines_of
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.triggers.job import JobTrigger
    from airflow_provider_jobs.triggers.start import StartTrigger
    from tests.integration.lab import Lab

if compat.STARTS_FROM_TRIGGER:
    from tests.integration.triggerer import serialized, start_trigger
else:
    pytest.skip("begins in the triggerer: Airflow 3.3", allow_module_level=True)

PATIENCE = 30.0
SQL = "SELECT '{{ ds }}' AS day, {{ params.count }} AS count"


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The XComs of the task, which triggers read and write."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(compat, "push_xcom", lambda ti, key, value: kept.update({key: value}))
    monkeypatch.setattr(compat, "task_xcom", lambda ti, key: kept.get(key))
    monkeypatch.setattr(compat, "task_state", lambda ti: "deferred")
    return kept


def dag_of(sql: str = SQL, *, retries: int = 2, **parameters: Any) -> DAG:
    settings: dict[str, Any] = {"task_id": "task", "sql": sql, "poll_interval": 0.5, "retries": retries}
    dag_settings = {name: parameters.pop(name) for name in ("user_defined_macros",) if name in parameters}
    with DAG("dag", schedule=None, params={"count": 3}, **dag_settings) as dag:
        BigQueryQueryOperator(**{**settings, "from_trigger": True, **parameters})
    return dag


def fired(trigger: StartTrigger | JobTrigger) -> TriggerEvent:
    async def events() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    [event] = asyncio.run(asyncio.wait_for(events(), PATIENCE))
    return event


def on_worker(run: TaskRun, try_number: int = 1, max_tries: int = 2) -> str:
    """Return the id of the job that a worker makes, or adopts, of the same task."""
    run.max_tries = max_tries
    sql = "SELECT '2026-01-02' AS day, 3 AS count"
    task = BigQueryQueryOperator(task_id="task", sql=sql, deferrable=False, poll_interval=0.5)
    job_id: str = task.execute(run.context(try_number))["job_id"]
    return job_id


def test_submits_waits_and_ends(lab: Lab, xcoms: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with lab.slow_jobs(seconds=0.7):
        event = fired(start_trigger(dag_of(), TaskRun()))
    assert isinstance(event, TaskSuccessEvent)
    check_told(lines_of(capsys), xcoms["job"], "query: SELECT '2026-01-02' AS day, 3 AS count")
    [job] = lab.jobs()
    assert job["configuration"]["query"]["query"] == "SELECT '2026-01-02' AS day, 3 AS count"
    assert xcoms["return_value"]["job_id"] == job["jobReference"]["jobId"]
    assert xcoms["job"] == xcoms["return_value"]
    assert xcoms["job"]["row_count"] == 1
    assert xcoms["_link_BigQueryJobLink"] == xcoms["job"]["url"]


def test_a_worker_adopts_the_job(lab: Lab, xcoms: dict[str, Any]) -> None:
    run = TaskRun()
    fired(start_trigger(dag_of(), run))
    assert on_worker(run, try_number=2) == xcoms["job"]["job_id"]
    assert len(lab.jobs()) == 1


def test_adopts_the_job_of_a_worker(lab: Lab, xcoms: dict[str, Any]) -> None:
    run = TaskRun()
    job_id = on_worker(run)
    fired(start_trigger(dag_of(), run, try_number=2))
    assert xcoms["job"]["job_id"] == job_id
    assert len(lab.jobs()) == 1


def test_a_clear_runs_anew_and_its_retry_adopts(lab: Lab, xcoms: dict[str, Any]) -> None:
    run = TaskRun()
    fired(start_trigger(dag_of(), run))
    first = xcoms["job"]["job_id"]
    with lab.slow_jobs(seconds=30):
        second = asyncio.run(begun(start_trigger(dag_of(), run, try_number=2), xcoms))
    assert second != first
    # The attempt is lost with its job still running: the next, a retry, adopts it.
    assert asyncio.run(begun(start_trigger(dag_of(), run, try_number=3), xcoms)) == second
    assert len(lab.jobs()) == 2


async def first(trigger: StartTrigger) -> TriggerEvent:
    return await anext(trigger.run())


async def begun(trigger: StartTrigger, xcoms: dict[str, Any]) -> str:
    """Run a trigger until its attempt is known, and end its triggerer; return the job's id.

    The XCom ``job`` may not be written then.
    """
    ti: Any = trigger.task_instance
    task = asyncio.create_task(first(trigger))
    while xcoms.get(ATTEMPT_KEY, {}).get("try_number") != ti.try_number:  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    return trigger.refs[0].id


def test_a_trigger_that_moves_goes_on_with_its_job(lab: Lab, xcoms: dict[str, Any]) -> None:
    run = TaskRun()
    with lab.slow_jobs(seconds=2):
        asyncio.run(begun(start_trigger(dag_of(), run), xcoms))
        fired(start_trigger(dag_of(), run))
    assert xcoms["return_value"]["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_kill_cancels(lab: Lab, xcoms: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "task_state", lambda ti: "failed")

    async def scene() -> None:
        trigger = start_trigger(dag_of(), TaskRun())
        task = asyncio.create_task(first(trigger))
        while not lab.requests("jobs.insert"):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
        task.cancel()  # as Airflow does before it asks for the kill; the insert's reply may be on its way
        await asyncio.wait([task])
        await trigger.on_kill()

    with lab.slow_jobs(seconds=60):
        asyncio.run(scene())
    [job] = lab.jobs()
    assert lab.requests("jobs.cancel")
    assert job["jobReference"]["jobId"] == xcoms["job"]["job_id"]


@pytest.mark.parametrize("sql", ["SELECT {{ nothing }}", "SELECT {{ 1 / 0 }}", "{% include 'x.sql' %}", " "])
def test_what_goes_wrong_before_there_is_a_job_begins_anew_on_a_worker(
    lab: Lab, xcoms: dict[str, Any], sql: str
) -> None:
    event = fired(start_trigger(dag_of(sql), TaskRun()))
    assert event.payload["outcome"] == "begin"
    assert lab.jobs() == []
    task = BigQueryQueryOperator(task_id="task", sql="SELECT 1", poll_interval=0.5)
    assert task.execute_complete(TaskRun().context(), event.payload)["state"] == "succeeded"


def test_templates_that_wait_for_ever_hold_up_no_other_task(
    lab: Lab, xcoms: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Airflow does not answer what a triggerer may not ask: the thread that has asked never ends."""
    answer = threading.Event()
    monkeypatch.setattr(RuntimeTaskInstance, "get_dagrun_state", lambda *_: answer.wait())
    monkeypatch.setattr(start, "RENDER_SECONDS", 0.2)
    sql = "SELECT '{{ ti.get_dagrun_state('other', 'run') }}'"
    try:
        for _ in range(6):
            assert fired(start_trigger(dag_of(sql), TaskRun())).payload["outcome"] == "begin"
        told = [line for line in lines_of(capsys) if line.startswith("the task begins anew on a worker")]
        assert told == ["the task begins anew on a worker: its templates were not rendered within 0.2 s"] * 6
        monkeypatch.setattr(start, "RENDER_SECONDS", 60.0)
        assert isinstance(fired(start_trigger(dag_of(), TaskRun())), TaskSuccessEvent)
    finally:
        answer.set()


def test_a_failed_job_fails_on_a_worker(lab: Lab, xcoms: dict[str, Any]) -> None:
    event = fired(start_trigger(dag_of("SELECT ERROR('x')"), TaskRun()))
    task = BigQueryQueryOperator(task_id="task", sql="SELECT 1", poll_interval=0.5)
    with pytest.raises(Exception, match="x"):
        task.execute_complete(TaskRun().context(), event.payload)


def test_files_of_sql_are_read_when_the_dag_is(lab: Lab, xcoms: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report.sql").write_text(SQL)
    with DAG("dag", schedule=None, params={"count": 3}, template_searchpath=[str(tmp_path)]) as dag:
        BigQueryQueryOperator(task_id="task", sql="report.sql", from_trigger=True)
    fired(start_trigger(dag, TaskRun()))
    [job] = lab.jobs()
    assert job["configuration"]["query"]["query"] == "SELECT '2026-01-02' AS day, 3 AS count"


def test_an_export_gives_the_address_as_it_was_given(lab: Lab, xcoms: dict[str, Any]) -> None:
    lab.dataset("shop")
    perform(BigQueryQueryOperator(task_id="make", sql="CREATE TABLE shop.orders AS SELECT 1 AS id"))
    uri = f"gs://{lab.project}/x.csv"
    with DAG("dag", schedule=None) as dag:
        BigQueryToGCSOperator(
            task_id="task",
            source_project_dataset_table="shop.orders",
            destination_cloud_storage_uris=uri,
            from_trigger=True,
        )
    event = fired(start_trigger(dag, TaskRun()))
    assert isinstance(event, TaskSuccessEvent), event
    assert xcoms["return_value"] == uri


@pytest.mark.parametrize("native", [True, False])
def test_a_configuration_in_a_native_dag(lab: Lab, xcoms: dict[str, Any], *, native: bool) -> None:
    sql: dict[str, Any] = {"query": "SELECT @n AS n", "useLegacySql": False}
    value = {"value": "{{ ds }}"}
    sql["queryParameters"] = [{"name": "n", "parameterType": {"type": "STRING"}, "parameterValue": value}]
    configuration = {"query": sql, "labels": {"day": "{{ ds }}"}}
    with DAG("dag", schedule=None, params={"count": 3}, render_template_as_native_obj=native) as dag:
        BigQueryInsertJobOperator(task_id="task", configuration=configuration, from_trigger=True)
    event = fired(start_trigger(dag, TaskRun()))
    assert isinstance(event, TaskSuccessEvent), event
    assert xcoms["return_value"] == lab.jobs()[0]["jobReference"]["jobId"]


class Mine(BigQueryQueryOperator):
    """Somebody's own operator."""


def nothing(_: Any) -> None:
    """Be called."""


@pytest.mark.parametrize(
    "parameters",
    [
        {"user_defined_macros": {"a": 1}},
        {"on_execute_callback": nothing},
        {"pre_execute": nothing},
        {"parameters": {"day": TaskRun().started}},
        {"sql": "SELECT {{ ti.xcom_pull('x') }}"},
        {"labels": {"since": "{{ prev_data_interval_end_success }}"}},
    ],
)
def test_what_a_triggerer_cannot_do_begins_on_a_worker(parameters: dict[str, Any]) -> None:
    data = serialized(dag_of(**parameters))
    [task] = data["dag"]["tasks"]
    assert "start_trigger_args" not in task["__var"]


def test_somebodys_own_operator_begins_on_a_worker() -> None:
    with DAG("dag", schedule=None) as dag:
        Mine(task_id="task", sql="SELECT 1", from_trigger=True)
    assert "start_trigger_args" not in serialized(dag)["dag"]["tasks"][0]["__var"]


def test_a_mapped_task_begins_on_a_worker() -> None:
    with DAG("dag", schedule=None) as dag:
        BigQueryQueryOperator.partial(task_id="task", from_trigger=True).expand(sql=["SELECT 1", "SELECT 2"])
    assert not serialized(dag)["dag"]["tasks"][0]["__var"].get("start_trigger_args")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT {{ ti.xcom_pull('x') }} AS x", "a triggerer cannot pull XComs into templates"),
        ("SELECT '{{ prev_start_date_success }}' AS x", "a triggerer is not told prev_start_date_success"),
        ("of another task", "a triggerer cannot be told its arguments: "),
        ("mapped", "it is mapped"),
        (SQL, None),
    ],
)
def test_the_log_says_why_a_task_began_on_a_worker(
    lab: Lab, capsys: pytest.CaptureFixture[str], sql: str, reason: str | None
) -> None:
    """The reason lies in what the DAG has given, of which nothing is left once templates are rendered."""
    with DAG("dag", schedule=None, params={"count": 3}) as dag:
        before = EmptyOperator(task_id="before")
        if sql == "mapped":
            mapped = BigQueryQueryOperator.partial(task_id="task", from_trigger=True).expand(sql=["SELECT 1"])
        else:
            given: Any = before.output if sql == "of another task" else sql
            BigQueryQueryOperator(task_id="task", sql=given, from_trigger=True)
    dag.resolve_template_files()
    context = TaskRun().context()
    context["ti"].xcom_pull = lambda *_, **__: 1
    context |= {"ds": "2026-01-01", "params": {"count": 3}, "prev_start_date_success": None}
    task: Any = mapped.unmap({"sql": "SELECT 1"}) if sql == "mapped" else dag.get_task("task")
    if sql == "of another task":
        task.sql = "SELECT 1"  # as Airflow resolves it
    else:
        task.render_template_fields(context)
    perform(task, context)
    told = [line for line in lines_of(capsys) if line.startswith("not from the trigger: ")]
    assert len(told) == bool(reason)
    assert all(line.startswith(f"not from the trigger: {reason}") for line in told)


def test_a_task_is_the_same_after_it_was_serialized_twice() -> None:
    dag = dag_of()
    assert serialized(dag) == serialized(dag)


def test_clashes() -> None:
    with pytest.raises(ValueError, match="wait=False"):
        BigQueryCopyOperator(
            task_id="t", source_tables="a.b", destination_table="a.c", from_trigger=True, wait=False
        )
    with pytest.raises(ValueError, match="a worker has to send or to read something"):
        BigQueryUploadOperator(task_id="t", source="/x.csv", destination_table="a.c", from_trigger=True)


@pytest.mark.parametrize(
    ("try_number", "before", "state", "expected"),
    [
        (1, {}, None, (2, 1)),
        (2, {"try_number": 1, "max_tries": 2, "since": 1}, "running", (2, 1)),  # a retry
        (2, {"try_number": 1, "max_tries": 2, "since": 1}, "succeeded", (3, 1)),  # a clear
        (2, {"try_number": 1, "max_tries": 3, "since": 1}, "succeeded", (3, 2)),  # with fewer retries now
        (3, {"try_number": 2, "max_tries": 3, "since": 2}, "running", (3, 2)),  # and its retry
        (2, {"try_number": 2, "max_tries": 3, "since": 1}, "succeeded", (3, 1)),  # the trigger has moved
        (
            4,
            {"try_number": 3, "max_tries": 2, "since": 1},
            "failed",
            (5, 1),
        ),  # a clear after failing for good
        (2, {"try_number": 1, "job_id": "x"}, None, (2, 1)),  # a retry of what had a worker
        (4, {}, None, (5, 1)),
    ],
)
def test_an_attempt_is_the_one_that_a_worker_sees(
    try_number: int, before: dict[str, int], state: str | None, expected: tuple[int, int]
) -> None:
    attempt = attempt_after(before, state, try_number, retries=2)
    assert (attempt["max_tries"], attempt["since"]) == expected


@given(st.lists(st.sampled_from(["succeeds", "fails", "moves"]), min_size=1, max_size=12), st.integers(0, 3))
def test_max_tries_is_airflows_whatever_happens(ends: list[str], retries: int) -> None:
    """After a success, or when no try is left, somebody clears the task; a clear before that is not told."""
    before: dict[str, int] = {}
    number, true_max, state = 1, retries, None
    for end in ends:
        before = attempt_after(before, state, number, retries)
        assert before["max_tries"] == true_max
        if end == "moves":
            continue
        state = "succeeded" if end == "succeeds" else "running"
        if end == "succeeds" or number > true_max:
            true_max = number + retries
        number += 1
