"""Sensors find the same in every mode."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import airflow.sdk.bases.sensor
import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)

from airflow_provider_jobs.core.several import MOST_LISTED
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor, BigQueryJobsSensor
from tests.integration.task_log import lines_of
from tests.integration.task_run import TaskRun, perform, run_trigger

if TYPE_CHECKING:
    from tests.integration.lab import Lab

#: Its home differs between the Airflow versions; the sensors' own module always has it.
RESCHEDULE = vars(airflow.sdk.bases.sensor)["AirflowRescheduleException"]
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])


def submit(sql: str = "SELECT 1 AS x", task_id: str = "task", **parameters: Any) -> dict[str, Any]:
    operator = BigQueryQueryOperator(task_id=task_id, sql=sql, wait=False, **parameters)
    reference: dict[str, Any] = operator.execute(TaskRun(task_id=task_id).context())
    return reference


def sense(sensor_class: type[Any], *, deferrable: bool, **parameters: Any) -> Any:
    settings = {"task_id": "sensor", "poke_interval": 0.3, "timeout": 30, "deferrable": deferrable}
    return perform(sensor_class(**settings | parameters), TaskRun().context())


@MODES
def test_job_sensor_waits_and_returns_the_statistics(lab: Lab, deferrable: bool) -> None:
    with lab.slow_jobs(seconds=1.0):
        reference = submit()
        found = sense(BigQueryJobSensor, job=reference, deferrable=deferrable)
    assert found["state"] == "succeeded"
    assert found["job_id"] == reference["job_id"]
    assert found["statement_type"] == "SELECT"


@MODES
def test_job_sensor_takes_a_bare_id(lab: Lab, deferrable: bool) -> None:
    reference = submit()
    assert sense(BigQueryJobSensor, job=reference["job_id"], deferrable=deferrable)["location"] == "US"


@MODES
def test_job_sensor_needs_the_location_of_a_regional_job(lab: Lab, deferrable: bool) -> None:
    reference = submit(location="europe-west6")
    job_id = reference["job_id"]
    with pytest.raises(AirflowFailException, match="404 notFound"):
        sense(BigQueryJobSensor, job=job_id, deferrable=deferrable, timeout=0.8)
    found = sense(BigQueryJobSensor, job=job_id, location="europe-west6", deferrable=deferrable)
    assert found["location"] == "europe-west6"


@MODES
def test_job_sensor_looks_again_for_a_job_that_is_too_young_to_be_shown(lab: Lab, deferrable: bool) -> None:
    """Right after ``wait=False``; by its bare id too, which tells nothing of its age."""
    reference = submit()
    for job in (reference, reference["job_id"]):
        lab.fault("jobs.get", "not_found", times=2)
        assert sense(BigQueryJobSensor, job=job, deferrable=deferrable)["state"] == "succeeded"


@MODES
def test_job_sensor_looks_again_for_each_of_several_jobs(lab: Lab, deferrable: bool) -> None:
    references = [submit(task_id=f"t{number}") for number in range(3)]
    job = {"job_id": " ".join(reference["job_id"] for reference in references), "location": "US"}
    lab.fault("jobs.get", "not_found", times=4)
    assert sense(BigQueryJobSensor, job=job, deferrable=deferrable)["state"] == "succeeded"


def test_job_sensor_fails_at_once_if_a_job_that_it_saw_is_gone(lab: Lab) -> None:
    with lab.slow_jobs(seconds=60):
        reference = submit()
        lab.fault("jobs.get", "not_found", nth=2, times=0)
        began = time.monotonic()
        with pytest.raises(AirflowFailException, match="404 notFound"):
            sense(BigQueryJobSensor, job=reference, deferrable=False)
        assert time.monotonic() - began < 45
    lab.client.cancel_job(reference["job_id"], location="US")


@MODES
def test_job_sensor_fails_with_the_error_result(lab: Lab, deferrable: bool) -> None:
    with lab.slow_jobs(seconds=1.0):
        reference = submit("SELECT ERROR('out of stock')")
        with pytest.raises(AirflowFailException, match=r"invalidQuery.*out of stock"):
            sense(BigQueryJobSensor, job=reference, deferrable=deferrable)


@MODES
def test_job_sensor_times_out(lab: Lab, deferrable: bool) -> None:
    with lab.slow_jobs(seconds=60):
        reference = submit()
        with pytest.raises(AirflowSensorTimeout):
            sense(BigQueryJobSensor, job=reference, deferrable=deferrable, timeout=0.5)
    lab.client.cancel_job(reference["job_id"], location="US")


def test_a_job_that_ended_while_no_triggerer_ran_is_found_after_the_timeout(lab: Lab) -> None:
    """As by a sensor that is rescheduled: it looks before it gives up."""
    with lab.slow_jobs(seconds=1.0):
        reference = submit()
        sensor = BigQueryJobSensor(task_id="sensor", job=reference, deferrable=True, timeout=30)
        context = TaskRun().context()
        with pytest.raises(TaskDeferred) as caught:
            sensor.execute(context)
        deque(lab.client.get_query_results(reference["job_id"], location="US"), 0)  # its end
    caught.value.trigger.deadline = time.time() - 1.0  # now it runs again
    fired, _ = run_trigger(caught.value, context)
    assert fired.payload == {"refs": ANY, "adopted": False, "carried": {}, "outcome": "deadline"}
    found = BigQueryJobSensor(task_id="sensor", job=reference).execute_complete(context, fired.payload)
    assert found["state"] == "succeeded"


def test_job_sensor_reschedules(lab: Lab) -> None:
    with lab.slow_jobs(seconds=60):
        reference = submit()
        sensor = BigQueryJobSensor(task_id="sensor", job=reference, mode="reschedule", deferrable=False)
        context = TaskRun().context()
        context["ti"].get_first_reschedule_date = lambda _: None
        with pytest.raises(RESCHEDULE):
            sensor.execute(context)
    lab.client.cancel_job(reference["job_id"], location="US")


@MODES
def test_sensor_bears_an_outage(lab: Lab, deferrable: bool) -> None:
    with lab.slow_jobs(seconds=1.0):
        reference = submit()
        lab.fault("jobs.get", "cut", times=2)
        assert sense(BigQueryJobSensor, job=reference, deferrable=deferrable)["state"] == "succeeded"


@MODES
def test_jobs_sensor_waits_for_every_match(lab: Lab, deferrable: bool) -> None:
    with lab.slow_jobs(seconds=1.0):
        for number in range(3):
            submit(f"SELECT {number} AS x", task_id=f"t{number}", labels={"batch": "night"})
        found = sense(BigQueryJobsSensor, labels={"batch": "night"}, min_jobs=3, deferrable=deferrable)
    assert found == {"job_count": 3, "failed_job_count": 0}
    assert all(job["status"]["state"] == "DONE" for job in lab.jobs())


@MODES
def test_jobs_sensor_takes_labels_as_operators_do(lab: Lab, deferrable: bool) -> None:
    """A number is its text; what no job can have is refused, and not waited for."""
    labels: dict[str, Any] = {"batch": 7}
    submit(labels=labels)
    assert sense(BigQueryJobsSensor, labels=labels, deferrable=deferrable)["job_count"] == 1
    with pytest.raises(AirflowFailException, match="labels: 'Night', value of the label 'batch', is not one"):
        sense(BigQueryJobsSensor, labels={"batch": "Night"}, deferrable=deferrable)


@MODES
def test_jobs_sensor_waits_until_there_are_enough(lab: Lab, deferrable: bool) -> None:
    submit(task_id="one", job_id="night")
    with pytest.raises(AirflowSensorTimeout):
        sense(BigQueryJobsSensor, job_id_prefix="night", min_jobs=2, deferrable=deferrable, timeout=0.8)


@MODES
def test_jobs_sensor_fails_when_one_failed(lab: Lab, deferrable: bool) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    submit(task_id="good", job_id="night")
    submit("SELECT ERROR('out of stock')", task_id="bad", job_id="night")
    arguments: dict[str, Any] = {"job_id_prefix": "night", "min_creation_time": before.isoformat()}
    with pytest.raises(AirflowFailException, match="out of stock"):
        sense(BigQueryJobsSensor, deferrable=deferrable, **arguments)
    found = sense(BigQueryJobsSensor, deferrable=deferrable, allow_failed=True, **arguments)
    assert found == {"job_count": 2, "failed_job_count": 1}


def test_jobs_sensor_names_the_first_of_many_failed_jobs(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """A filter may match a hundred thousand: neither the line nor the memory grows with them."""
    for number in range(MOST_LISTED + 2):
        submit("SELECT ERROR('out of stock')", task_id=f"t{number}", job_id=f"night{number}")
    with pytest.raises(AirflowFailException, match="out of stock"):
        sense(BigQueryJobsSensor, job_id_prefix="night", deferrable=False)
    [line] = [line for line in lines_of(capsys) if "jobs failed: " in line]
    assert line.startswith("22 of 22 jobs failed: ")
    assert (line.count(":night"), line.endswith(" and 2 more")) == (MOST_LISTED, True)


@MODES
def test_jobs_sensor_looks_again_while_a_region_cannot_be_seen(lab: Lab, deferrable: bool) -> None:
    """Its job is not listed, and runs."""
    hidden = json.dumps({"kind": "bigquery#jobList", "unreachable": ["europe-west3"]})
    with lab.slow_jobs(seconds=1.0):
        submit(task_id="other", job_id="night")
        lab.fault("jobs.list", "answer", status=200, body=hidden, content_type="application/json", times=2)
        found = sense(BigQueryJobsSensor, job_id_prefix="night", min_jobs=0, deferrable=deferrable)
    assert found == {"job_count": 1, "failed_job_count": 0}


def test_jobs_sensor_waits_for_the_statements_of_a_script(lab: Lab) -> None:
    parent = submit("SELECT 1 AS x; SELECT 2 AS x; SELECT 3 AS x")
    sense(BigQueryJobSensor, job=parent, deferrable=False)
    found = sense(BigQueryJobsSensor, parent_job_id=parent["job_id"], deferrable=False)
    assert found["job_count"] == 3


def test_jobs_sensor_refuses_to_wait_for_everything(lab: Lab) -> None:
    with pytest.raises(AirflowFailException, match="job_id_prefix, labels, parent_job_id or min_creation"):
        sense(BigQueryJobsSensor, deferrable=False)
    assert not lab.requests("jobs.list")
