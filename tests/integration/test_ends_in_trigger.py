"""A trigger that ends the task itself leaves what a worker would leave, or leaves the end to a worker."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk import DAG, Asset
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs import compat
from airflow_provider_jobs.operators.bigquery import BigQueryInsertJobOperator, BigQueryQueryOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from airflow_provider_jobs.transfers.bigquery_to_gcs import BigQueryToGCSOperator
from airflow_provider_jobs.triggers import job
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.integration.task_run import TaskRun, in_triggerer, perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.lab import Lab

FAST: dict[str, Any] = {"task_id": "task", "deferrable": True, "poll_interval": 0.5, "inline_wait": 0}
PATIENCE = 30.0


def query(**parameters: Any) -> BigQueryQueryOperator:
    return BigQueryQueryOperator(**{**FAST, "sql": "SELECT 1 AS one", **parameters})


def trigger_of(task: Any, run: TaskRun) -> JobTrigger:
    """Return the trigger of a task that defers, as the triggerer makes it."""
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(run.context())
    trigger = JobTrigger(**json.loads(json.dumps(deferred.value.trigger.serialize()[1])))
    trigger.task_instance = in_triggerer(run.context()["ti"])
    return trigger


def fired(trigger: JobTrigger) -> TriggerEvent:
    async def events() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    [event] = asyncio.run(asyncio.wait_for(events(), PATIENCE))
    return event


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What triggers push as XComs."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(compat, "push_xcom", lambda ti, key, value: found.update({key: value}))
    return found


def insert_job(**parameters: Any) -> BigQueryInsertJobOperator:
    configuration = {"query": {"query": "SELECT 1 AS one"}}
    return BigQueryInsertJobOperator(**{**FAST, "configuration": configuration, **parameters})


def to_gcs(uris: str | list[str], **parameters: Any) -> BigQueryToGCSOperator:
    given = {**FAST, "source_project_dataset_table": "shop.orders", "destination_cloud_storage_uris": uris}
    return BigQueryToGCSOperator(**{**given, **parameters})


@pytest.mark.parametrize("uris", ["gs://{bucket}/x.csv", ["gs://{bucket}/x.csv"]], ids=["text", "list"])
@pytest.mark.parametrize("how", ["synchronous", "worker", "trigger"])
def test_an_export_gives_the_addresses_as_they_were_given(lab: Lab, how: str, uris: str | list[str]) -> None:
    """As Google's operator does, however the task ends."""
    lab.dataset("shop")
    perform(query(sql="CREATE TABLE shop.orders AS SELECT 1 AS id"), TaskRun(task_id="make").context())
    given = json.loads(json.dumps(uris).replace("{bucket}", lab.project))
    task, run = to_gcs(given, deferrable=how != "synchronous"), TaskRun()
    with lab.slow_jobs(seconds=0.7):
        assert perform(task, run.context(), in_dag_test=how == "worker") == given
    assert run.xcoms["job"]["destination_uris"] == [f"gs://{lab.project}/x.csv"]


@pytest.mark.parametrize("make", [query, insert_job])
def test_the_same_xcoms_as_on_a_worker(lab: Lab, make: Callable[..., Any]) -> None:
    results, xcoms = [], []
    for in_dag_test in (False, True):
        run = TaskRun(task_id=f"task{in_dag_test}")
        with lab.slow_jobs(seconds=0.7):
            results.append(perform(make(), run.context(), in_dag_test=in_dag_test))
        xcoms.append(run.xcoms)
    there, here = (json.dumps(each).replace("False", "True") for each in (results, xcoms))
    first, second = json.loads(there), json.loads(here)
    assert type(first[0]) is type(first[1])
    assert second[0]["job"].keys() == second[1]["job"].keys()
    assert second[0]["job"]["row_count"] == second[1]["job"]["row_count"] == 1
    assert second[0]["_link_BigQueryJobLink"]


def test_looks_at_once_and_ends_at_once(lab: Lab, pushed: dict[str, Any]) -> None:
    """Not after the ten seconds that an ordinary event has to wait for."""
    began = time.monotonic()
    with lab.slow_jobs(seconds=0.7):
        event = fired(trigger_of(query(), TaskRun()))
    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms is None
    assert pushed["return_value"]["state"] == "succeeded"
    assert time.monotonic() - began < 10


def test_no_result_where_none_is_wanted(lab: Lab, pushed: dict[str, Any]) -> None:
    with lab.slow_jobs(seconds=0.7):
        fired(trigger_of(query(do_xcom_push=False), TaskRun()))
    assert set(pushed) == {"job"}


class Mine(BigQueryQueryOperator):
    """Somebody's own operator, of which a triggerer has no code."""

    def result(self, statuses: Any) -> Any:
        return "mine"


class Named(BigQueryQueryOperator):
    """Another, that has nothing to say about the end."""

    ui_color = "#000000"


class Posting(BigQueryQueryOperator):
    def post_execute(self, context: Any, result: Any = None) -> None:
        """Do something."""


class Unwilling(BigQueryQueryOperator):
    def ends_in_trigger(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("kind", "parameters", "here"),
    [
        (BigQueryQueryOperator, {}, True),
        (Named, {}, True),
        (Mine, {}, False),
        (Posting, {}, False),
        (Unwilling, {}, False),
        (BigQueryQueryOperator, {"outlets": [Asset("bigquery://a/b/c")]}, False),
        (BigQueryQueryOperator, {"on_success_callback": print}, False),
        (BigQueryQueryOperator, {"post_execute": print}, False),
        (BigQueryQueryOperator, {"multiple_outputs": True}, False),
        (BigQueryQueryOperator, {"on_failure_callback": print, "retries": 3}, True),
    ],
)
def test_what_needs_a_worker_gets_one(
    lab: Lab,
    pushed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    kind: Any,
    parameters: Any,
    *,
    here: bool,
) -> None:
    monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 0.1)
    with lab.slow_jobs(seconds=0.7):
        event = fired(trigger_of(kind(**{**FAST, "sql": "SELECT 1", **parameters}), TaskRun()))
    assert isinstance(event, TaskSuccessEvent) is here
    assert bool(pushed) is here


def test_a_listener_needs_a_worker(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "hears_success", lambda: True)
    with lab.slow_jobs(seconds=5):
        assert trigger_of(query(), TaskRun()).ending is None


def test_what_others_are_mapped_over_needs_a_worker() -> None:
    with DAG("dag", schedule=None):
        task = query()
        query_of = BigQueryQueryOperator.partial(**{**FAST, "task_id": "each"})
        query_of.expand_kwargs([{"sql": "SELECT 1"}])
        assert task.ends_in_trigger()
        query_of = BigQueryQueryOperator.partial(**{**FAST, "task_id": "over"})
        query_of.expand(sql=task.output)
    assert not task.ends_in_trigger()


def test_a_failure_gets_a_worker_and_no_earlier_than_may_be(
    lab: Lab, pushed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 2.0)
    monkeypatch.setattr("airflow_provider_jobs.operators.base.FIRST_POLL_SECONDS", 2.0)
    began = time.time()
    with lab.slow_jobs(seconds=0.7):
        event = fired(trigger_of(query(sql="SELECT ERROR('x')"), TaskRun()))
    assert event.payload["statuses"][0]["state"] == "failed"
    assert time.time() - began >= 2.0
    assert not pushed


def test_xcoms_that_airflow_does_not_take_get_a_worker(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("database is locked")

    monkeypatch.setattr(compat, "push_xcom", refuse)
    monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 0.1)
    with lab.slow_jobs(seconds=0.7):
        event = fired(trigger_of(query(), TaskRun()))
    assert event.payload["outcome"] == "ended"


def test_the_outcome_is_told_before_the_last_question(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A triggerer that reads the event before the log closes the log: what was said just before is lost."""
    told: list[str] = []
    monkeypatch.setattr(compat, "push_xcom", lambda *_: told.append(capsys.readouterr().out))
    with lab.slow_jobs(seconds=0.7):
        fired(trigger_of(query(), TaskRun()))
    assert "the job succeeded in " in told[0]


def test_a_row_count_that_cannot_be_had_is_left_out(lab: Lab, pushed: dict[str, Any]) -> None:
    lab.fault("jobs.getQueryResults", "reply", status=403, reason="accessDenied", times=0)
    with lab.slow_jobs(seconds=0.7):
        event = fired(trigger_of(query(), TaskRun()))
    assert isinstance(event, TaskSuccessEvent)
    assert pushed["return_value"]["state"] == "succeeded"
    assert "row_count" not in pushed["return_value"]


def test_row_counts_that_are_long_in_coming_hold_up_no_other_task(
    lab: Lab, pushed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tasks end at once than a connection has threads for its looks."""
    monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
    monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 0.1)
    lab.fault("jobs.getQueryResults", "hang", seconds=30, times=0)
    with lab.slow_jobs(seconds=2.0):
        ending = [trigger_of(query(), TaskRun(task_id=f"task{number}")) for number in range(20)]
    with lab.slow_jobs(seconds=6.0):
        other = trigger_of(query(sql="SELECT ERROR('x')"), TaskRun(task_id="other"))
        over = time.time() + 6.0

    async def first_event(trigger: JobTrigger) -> TriggerEvent:
        return await anext(trigger.run())

    async def scene() -> None:
        others = [asyncio.create_task(first_event(trigger)) for trigger in ending]
        event = await first_event(other)
        assert event.payload["statuses"][0]["state"] == "failed"
        assert time.time() < over + 20.0
        assert not any(each.done() for each in others)
        for each in others:
            each.cancel()

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    assert not pushed


def test_a_sensor_ends_there_too(lab: Lab) -> None:
    with lab.slow_jobs(seconds=1.5):
        reference = query(wait=False, deferrable=False).execute(TaskRun().context())
        sensor = BigQueryJobSensor(task_id="sensor", job=reference, deferrable=True, poke_interval=1)
        run = TaskRun(task_id="sensor")
        result = perform(sensor, run.context())
    assert result["state"] == "succeeded"
    assert run.xcoms == {"return_value": result}
