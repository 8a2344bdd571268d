"""Several files, several jobs: all of them are one to the task, however it ends."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.errors import DeadlineExceeded
from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_jobs.jobs import JobRef, JobStatus
    from airflow_provider_jobs.triggers.job import JobTrigger
    from tests.integration.lab import Lab


@pytest.fixture
def folder(lab: Lab, tmp_path: Path) -> Path:
    """Return a folder of two good files, for a table that is there."""
    lab.dataset("d")
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("1\n2\n")
    return tmp_path


def operator(folder: Path, **parameters: Any) -> BigQueryUploadOperator:
    settings: dict[str, Any] = {
        "task_id": "task",
        "source": str(folder / "*.csv"),
        "destination_table": "d.numbers",
        "schema": [{"name": "n", "type": "INTEGER"}],
        "poll_interval": 0.5,
        "inline_wait": 0,
        "deferrable": True,
    }
    return BigQueryUploadOperator(**settings | parameters)


def deferred(task: BigQueryUploadOperator, context: Any) -> JobTrigger:
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    trigger: JobTrigger = caught.value.trigger
    return trigger


def told(trigger: JobTrigger, outcome: str, statuses: Sequence[JobStatus] = ()) -> dict[str, Any]:
    news = {"statuses": [status.to_json() for status in statuses]} if statuses else {}
    refs = [ref.to_json() for ref in trigger.refs]
    return {"outcome": outcome, "refs": refs, "adopted": trigger.adopted, "carried": trigger.carried, **news}


def seen_to_end(lab: Lab, *refs: JobRef) -> list[JobStatus]:
    client = lab.client
    until = Timing().now() + 20
    statuses = [client.status(ref) for ref in refs]
    return wait_for(client, statuses, until=until, poll_interval=0.5, timing=Timing())


def reasons(lab: Lab) -> list[str | None]:
    return [(job["status"].get("errorResult") or {}).get("reason") for job in lab.jobs()]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_job_fails_the_task_and_only_a_retry_sends_it_again(
    lab: Lab, folder: Path, *, deferrable: bool
) -> None:
    (folder / "b.csv").write_text("one\n")
    run = TaskRun()
    with pytest.raises(AirflowFailException, match="2 BigQuery jobs failed") as caught, lab.slow_jobs(0.2):
        perform(operator(folder, deferrable=deferrable), run.context())
    assert len(lab.jobs()) == len(lab.requests("upload.multipart")) == 2
    (failed,) = [job["jobReference"]["jobId"] for job in lab.jobs() if job["status"].get("errorResult")]
    assert f"({failed}" in str(caught.value)
    assert failed in str(caught.value).rpartition("console: ")[2]
    (folder / "b.csv").write_text("3\n")
    result = perform(operator(folder, deferrable=deferrable), run.context(try_number=2))
    assert [job["row_count"] for job in result["jobs"]] == [2, 1]
    assert len(lab.jobs()) == len(lab.requests("upload.multipart")) == 3


def test_what_the_task_tells_of_several_jobs(lab: Lab, folder: Path) -> None:
    run = TaskRun()
    result = perform(operator(folder), run.context())
    ids = [job["job_id"] for job in result["jobs"]]
    assert sorted(ids) == sorted(job["jobReference"]["jobId"] for job in lab.jobs())
    for job in result["jobs"]:
        assert {"project_id", "location", "state", "row_count", "url"} <= job.keys()
        assert job["job_id"] in job["url"]
    assert result["row_count"] == sum(job["row_count"] for job in result["jobs"])
    assert result["job_id"] == " ".join(ids)
    assert result["url"] == result["jobs"][0]["url"]
    assert run.xcoms["job"] == result


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_several_jobs(lab: Lab, folder: Path, *, deferrable: bool) -> None:
    with lab.slow_jobs(0.2):
        left = perform(operator(folder, wait=False), TaskRun().context())
        assert left["state"] != "succeeded"
        sensor = BigQueryJobSensor(
            task_id="s", job=left, poke_interval=0.2, timeout=30, deferrable=deferrable
        )
        found = perform(sensor, TaskRun().context())
    assert [job["row_count"] for job in found["jobs"]] == [2, 2]


def test_without_waiting_each_job_is_told(lab: Lab, folder: Path) -> None:
    result = operator(folder, wait=False).execute(TaskRun().context())
    assert len({job["job_id"] for job in result["jobs"]}) == len(lab.jobs()) == 2


def test_the_deadline_cancels_all_jobs(lab: Lab, folder: Path) -> None:
    task, context = operator(folder, execution_timeout=dt.timedelta(seconds=90)), TaskRun().context()
    with lab.slow_jobs(60):
        trigger = deferred(task, context)
        with pytest.raises(DeadlineExceeded, match="is cancelled"):
            task.execute_complete(context, told(trigger, "deadline"))
    assert reasons(lab) == ["stopped", "stopped"]


def test_a_deadline_with_one_job_still_running_fails(lab: Lab, folder: Path) -> None:
    task, context = operator(folder, execution_timeout=dt.timedelta(seconds=90)), TaskRun().context()
    with lab.slow_jobs(60):
        trigger = deferred(task, context)
        first, second = trigger.refs
        lab.client.cancel(first)
        seen_to_end(lab, first)
        with pytest.raises(DeadlineExceeded):
            task.execute_complete(context, told(trigger, "deadline"))
    assert lab.client.status(second).state.ended


@pytest.mark.parametrize("end", ["worker", "triggerer"])
def test_a_kill_cancels_all_jobs(lab: Lab, folder: Path, end: str) -> None:
    task = operator(folder)
    with lab.slow_jobs(60):
        trigger = deferred(task, TaskRun().context())
        if end == "worker":
            task.on_kill()
        else:
            asyncio.run(trigger.on_kill())
        seen_to_end(lab, *trigger.refs)
    assert reasons(lab) == ["stopped", "stopped"]
    assert len(lab.requests("jobs.cancel")) == 2


def test_of_adopted_jobs_only_the_cancelled_one_is_sent_anew(lab: Lab, folder: Path) -> None:
    """The attempt before is ended late: after the retry has found both jobs running."""
    run = TaskRun()
    with lab.slow_jobs(2):
        first = deferred(operator(folder), run.context())
        task, context = operator(folder), run.context(try_number=2)
        trigger = deferred(task, context)
        assert trigger.refs == first.refs
        assert trigger.adopted
        lab.client.cancel(first.refs[1])
        ended = seen_to_end(lab, *trigger.refs)
        with pytest.raises(TaskDeferred) as caught:
            task.execute_complete(context, told(trigger, "ended", ended))
    again: Any = caught.value.trigger
    assert not again.adopted
    assert again.refs[0] == first.refs[0]
    assert again.refs[1] != first.refs[1]
    result = task.execute_complete(context, told(again, "ended", seen_to_end(lab, *again.refs)))
    assert [job["row_count"] for job in result["jobs"]] == [2, 2]
    assert len(lab.requests("upload.multipart")) == 3
