"""Whatever happens on the way, every record is written once."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.clients.salesforce import change as salesforce_change
from airflow_provider_jobs.clients.salesforce import submit as salesforce_submit
from airflow_provider_jobs.errors import DeadlineExceeded, JobCancelled, JobsError, OutageError
from tests.demo.processes import wait_until
from tests.integration.salesforce.lab import SalesforceLab, csv_rows, expected, states, write, written
from tests.integration.task_run import Attempts, TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_fails_midway(lab: SalesforceLab, tmp_path: Path, *, deferrable: bool) -> None:
    """What was not processed is written to a file; an insert is not sent again."""
    lab.slow(0.2)
    lab.sandbox.salesforce_settings(ingest_limit=40)
    run = Attempts()
    path = write(lab, tmp_path)
    task = lab.ingest(path, results_path=tmp_path / "results", deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="Salesforce insert job on Account failed"):
        perform(task, run.context())
    assert len(csv_rows((tmp_path / "results" / "unprocessed.csv").read_bytes())) == 60
    lab.sandbox.salesforce_settings(ingest_limit=0)
    with pytest.raises(AirflowFailException, match="a retry would insert records twice"):
        perform(task, run.context(2))
    assert len(written(lab)) == 40
    assert len(lab.jobs("ingest")) == 1


@pytest.mark.parametrize("operation", ["ingest.create", "ingest.data", "ingest.close"])
@pytest.mark.parametrize("action", ["drop_reply_after_accepting", "token_expired"])
def test_a_lost_reply_writes_nothing_twice(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path, operation: str, action: str
) -> None:
    """Nothing is processed before the close, so another job may be made until then."""
    lab.connect(consumer_key=lab.account.consumer_key, consumer_secret=lab.account.consumer_secret)
    lab.fault(operation, action)
    assert ingest(write(lab, tmp_path))["record_count"] == 100
    assert written(lab) == expected(lab)
    assert states(lab).count("JobComplete") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_retry_adopts_what_was_closed(lab: SalesforceLab, tmp_path: Path, *, deferrable: bool) -> None:
    run = Attempts()
    path = write(lab, tmp_path, 300)
    lab.ingest(path, part_bytes=4000, wait=False).execute(run.context())
    os.utime(path, (1, 1))  # the same bytes, on another worker perhaps
    made = len(lab.jobs("ingest"))
    result = perform(lab.ingest(path, part_bytes=4000, deferrable=deferrable), run.context(2))
    assert len(lab.jobs("ingest")) == len(result["jobs"]) == made
    assert written(lab) == expected(lab, 300)


def test_a_retry_replaces_what_was_left_open(lab: SalesforceLab, tmp_path: Path) -> None:
    run = Attempts()
    path = write(lab, tmp_path, 300)
    lab.fault("ingest.close", "reply", status=503, nth=3, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(lab.ingest(path, part_bytes=4000, parallel_uploads=1), run.context())
    lab.sandbox.clear_faults()
    assert states(lab).count("Open") == 2
    result = perform(lab.ingest(path, part_bytes=4000), run.context(2))
    assert written(lab) == expected(lab, 300)
    assert states(lab).count("JobComplete") == len(result["jobs"])
    assert set(states(lab)) == {"JobComplete", "Aborted"}


def test_an_attempt_that_wakes_late_writes_nothing(
    lab: SalesforceLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hung before it had a job, and Airflow gave it up; the retry of the next one finds that one's job."""
    run, path, create = Attempts(), write(lab, tmp_path), salesforce_change.create
    late = run.context(1)

    def hung(*arguments: Any) -> Any:
        monkeypatch.setattr(salesforce_submit, "create", create)
        perform(lab.ingest(path, deferrable=False), run.context(2))
        return create(*arguments)

    monkeypatch.setattr(salesforce_submit, "create", hung)
    with pytest.raises(OutageError, match="another attempt"):
        perform(lab.ingest(path, deferrable=False), late)
    assert states(lab) == ["JobComplete", "Aborted"]
    assert perform(lab.ingest(path, deferrable=False), run.context(3))["record_count"] == 100
    assert written(lab) == expected(lab)


def test_a_retry_with_other_records_writes_none(lab: SalesforceLab, tmp_path: Path) -> None:
    run = Attempts()
    lab.ingest(write(lab, tmp_path), wait=False).execute(run.context())
    with pytest.raises(AirflowFailException, match="has other records than those to send now"):
        perform(lab.ingest(write(lab, tmp_path, 101)), run.context(2))
    run.max_tries += 1  # as a clear does
    lab.mark += "y"
    perform(lab.ingest(write(lab, tmp_path, 7)), run.context(3))
    assert written(lab) == expected(lab, 7)


@pytest.mark.parametrize("delete_job", [False, True])
def test_the_end_of_the_task_aborts_all_jobs(lab: SalesforceLab, tmp_path: Path, *, delete_job: bool) -> None:
    lab.slow(60)
    task = lab.ingest(write(lab, tmp_path, 300), part_bytes=4000, deferrable=True, delete_job=delete_job)
    with pytest.raises(TaskDeferred):
        task.execute(TaskRun().context())
    task.on_kill()
    assert set(states(lab)) == {"Aborted"}
    lab.slow(0)
    assert written(lab) == []


@pytest.mark.parametrize("end", ["kill", "deadline"])
@pytest.mark.parametrize("delete_job", [False, True])
def test_an_insert_that_was_aborted_in_time_is_sent_by_the_retry(
    lab: SalesforceLab, tmp_path: Path, end: str, *, delete_job: bool
) -> None:
    """The aborted jobs are still there, and tell that they have written nothing."""
    lab.slow(60, pending=60)
    run, path = Attempts(), write(lab, tmp_path)
    settings: dict[str, Any] = {"part_bytes": 4000, "delete_job": delete_job}
    if end == "kill":
        task = lab.ingest(path, deferrable=True, **settings)
        with pytest.raises(TaskDeferred):
            task.execute(run.context())
        task.on_kill()
    else:
        with pytest.raises(DeadlineExceeded):
            perform(lab.ingest(path, execution_timeout=dt.timedelta(seconds=1), **settings), run.context())
    lab.slow(0)
    assert perform(lab.ingest(path, **settings), run.context(2))["record_count"] == 100
    assert written(lab) == expected(lab)


def test_who_is_killed_leaves_what_is_complete(lab: SalesforceLab, tmp_path: Path) -> None:
    run, path = Attempts(), write(lab, tmp_path)
    settings: dict[str, Any] = {"part_bytes": 4000, "delete_job": True, "deferrable": True}
    lab.fault("ingest.close", "reply", status=503, nth=2, times=0)
    with pytest.raises(JobsError):
        lab.ingest(path, parallel_uploads=1, **settings).execute(run.context())
    lab.sandbox.clear_faults()
    wait_until(lambda: "JobComplete" in states(lab), 30, "the end of the first part")
    lab.slow(60, pending=60)
    task = lab.ingest(path, **settings)
    with pytest.raises(TaskDeferred):
        task.execute(run.context(2))
    task.on_kill()
    assert states(lab).count("JobComplete") == 1
    assert set(states(lab)) == {"JobComplete", "Aborted"}


@pytest.mark.parametrize("operation", ["insert", "upsert"])
def test_what_cannot_be_deleted_fails_no_task(lab: SalesforceLab, tmp_path: Path, operation: str) -> None:
    more = {"external_id_field": "External_Id__c"} if operation == "upsert" else {}
    lab.fault("ingest.delete", "reply", status=503, nth=2, times=0)
    task = lab.ingest(write(lab, tmp_path), operation=operation, part_bytes=4000, delete_job=True, **more)
    assert perform(task)["record_count"] == 100
    assert written(lab) == expected(lab)
    assert states(lab)


def test_no_part_is_closed_after_the_kill(
    lab: SalesforceLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data was on its way meanwhile."""
    put_data, sent = salesforce_change.put_data, itertools.count(1)

    def killed_meanwhile(*arguments: Any) -> None:
        put_data(*arguments)
        if next(sent) == 2:
            task.on_kill()

    monkeypatch.setattr(salesforce_submit, "put_data", killed_meanwhile)
    settings: dict[str, Any] = {"part_bytes": 4000, "parallel_uploads": 1, "cancel_on_kill": False}
    task = lab.ingest(write(lab, tmp_path, 300), **settings)
    with pytest.raises(JobsError, match="ended while its parts were sent"):
        perform(task)
    assert len(states(lab)) == 2
    assert states(lab)[1] == "Open"


def test_parts_that_somebody_aborts_again_are_not_sent_without_end(
    lab: SalesforceLab, tmp_path: Path
) -> None:
    """The part that has succeeded in an earlier attempt says nothing about the others."""
    run, path = Attempts(), write(lab, tmp_path)
    lab.fault("ingest.close", "reply", status=503, nth=2, times=0)
    with pytest.raises(JobsError):
        perform(lab.ingest(path, part_bytes=4000, parallel_uploads=1), run.context())
    lab.sandbox.clear_faults()
    lab.slow(600, pending=600)
    task = lab.ingest(path, part_bytes=4000)
    wait, waits = task._wait, itertools.count(1)

    def aborted_by_somebody(*arguments: Any, **options: Any) -> Any:
        assert next(waits) < 3, "submitted again"
        for job in lab.jobs("ingest"):
            if job["state"] == "UploadComplete":
                lab.client.abort_job(job["id"], "ingest")
        return wait(*arguments, **options)

    task._wait = aborted_by_somebody  # type: ignore[method-assign]
    with pytest.raises(JobCancelled, match="somebody aborted it"):
        perform(task, run.context(2))


ATTEMPT = """
import json, os, pathlib, signal, sys
from tests.integration.task_run import Attempts, Store
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator

path, source, when = sys.argv[1:]

class Kept(Store):
    def set(self, key, value, **options):
        super().set(key, value)
        pathlib.Path(path).write_text(json.dumps(self.kept))
        if when == "created" and len(value["kept"]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

context = Attempts(store=Kept()).context()
if when == "closed":
    context["ti"].xcom_push = lambda key, value: os.kill(os.getpid(), signal.SIGKILL)
SalesforceIngestOperator(
    task_id="task", source=source, object_name="Account", operation="insert", deferrable=False,
    poll_interval=0.2, inline_wait=0.0, part_bytes=4000, parallel_uploads=1,
).execute(context)
"""


@pytest.mark.parametrize("when", ["created", "closed"])
def test_a_worker_that_is_killed(lab: SalesforceLab, tmp_path: Path, when: str) -> None:
    """With one job open and two closed, or with all of them closed: no record is lost, none written twice."""
    source, store = write(lab, tmp_path, 300), tmp_path / "store.json"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ATTEMPT), str(store), str(source), when],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = Attempts()
    run.store.kept = json.loads(store.read_text())
    result = perform(lab.ingest(source, part_bytes=4000), run.context(2))
    assert result["record_count"] == 300
    assert written(lab) == expected(lab, 300)
    assert states(lab).count("Aborted") == (1 if when == "created" else 0)
