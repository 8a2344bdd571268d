"""Whatever happens on the way, one piece of work is one query, and no page of it is read twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.errors import DeadlineExceeded, JobsError
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.integration.salesforce.lab import SOQL, SalesforceLab, content_of
from tests.integration.task_run import Attempts, TaskRun, perform, recorded

if TYPE_CHECKING:
    from pathlib import Path


def states(lab: SalesforceLab) -> list[str]:
    return [job["state"] for job in lab.jobs()]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_retry_adopts_the_job(lab: SalesforceLab, seconds: float, *, deferrable: bool) -> None:
    """Whether it still runs or has ended meanwhile."""
    lab.slow(seconds)
    run = Attempts()
    left = lab.query(wait=False).execute(run.context())
    result = perform(lab.query(deferrable=deferrable), run.context(2))
    assert (result["job_id"], result["state"]) == (left["job_id"], "succeeded")
    assert states(lab) == ["JobComplete"]


def test_the_job_is_remembered_before_anything_else(lab: SalesforceLab) -> None:
    run = Attempts()
    left = lab.query(wait=False).execute(run.context())
    (kept,) = run.store.kept.values()
    assert kept["max_tries"] == run.max_tries
    assert kept["kept"]["id"] == left["job_id"]
    assert lab.sandbox.salesforce_token not in json.dumps(kept)


def test_after_success_the_job_alone_is_known(lab: SalesforceLab, tmp_path: Path) -> None:
    """Airflow runs a task again whose success it has not recorded, and it finds its job."""
    run = Attempts()
    first = perform(lab.query(results_path=tmp_path / "a.csv"), run.context())
    assert list(run.store.kept) == ["salesforce_job"]
    again = perform(lab.query(results_path=tmp_path / "a.csv"), run.context(2))
    assert again == first
    assert len(lab.jobs()) == 1


def test_a_clear_makes_another_job(lab: SalesforceLab) -> None:
    run = Attempts(max_tries=0)
    lab.query(wait=False).execute(run.context())
    run.max_tries = 1
    perform(lab.query(), run.context(2))
    assert len(lab.jobs()) == 2


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_clear_that_airflow_does_not_count_makes_another_job(
    lab: SalesforceLab, *, deferrable: bool
) -> None:
    """The DAG's ``retries`` have become fewer; the attempt after that is a retry."""
    run = Attempts(max_tries=3)
    ids = []
    for number in (1, 2, 3):
        task, context = lab.query(deferrable=deferrable), run.context(number)
        # Ended on a worker: Airflow may lose a success that a worker reports, and none of a trigger.
        ids.append(perform(task, context, in_dag_test=True)["job_id"])
        if number == 1:
            recorded(task, context)
    assert ids[0] != ids[1] == ids[2]
    assert len(lab.jobs()) == 2


def test_another_query_makes_another_job(lab: SalesforceLab) -> None:
    run = Attempts()
    lab.query(wait=False).execute(run.context())
    perform(lab.query("SELECT Id FROM Contact"), run.context(2))
    assert len(lab.jobs()) == 2


@pytest.mark.parametrize("end", [{"state": "Failed", "errorMessage": "x : y"}, {"state": "Aborted"}, None])
def test_a_job_that_did_not_succeed_is_not_adopted(lab: SalesforceLab, end: dict[str, str] | None) -> None:
    lab.slow(30)
    run = Attempts()
    left = lab.query(wait=False).execute(run.context())
    if end:
        lab.sandbox.force_salesforce_job(left["job_id"], **end)
    else:
        lab.client.discard(lab.client.ref(left["job_id"]))
    lab.slow(0)
    assert perform(lab.query(), run.context(2))["job_id"] != left["job_id"]


def test_a_kill_that_comes_late_is_mended(lab: SalesforceLab) -> None:
    """The retry adopts the job, then the first attempt's end aborts it: one more is made."""
    lab.slow(30)
    run = Attempts()
    first, second = lab.query(wait=False), lab.query()
    first.execute(run.context())
    follow = second._follow

    def killed_meanwhile(*arguments: Any) -> Any:
        first.on_kill()
        lab.slow(0)
        second._follow = follow  # type: ignore[method-assign]
        return follow(*arguments)

    second._follow = killed_meanwhile  # type: ignore[method-assign, assignment]
    assert perform(second, run.context(2))["state"] == "succeeded"
    assert states(lab) == ["Aborted", "JobComplete"]


def test_without_a_store_a_retry_makes_another_job_and_says_so(
    lab: SalesforceLab, capsys: pytest.CaptureFixture[str]
) -> None:
    run = TaskRun()
    lab.query(wait=False).execute(run.context())
    perform(lab.query(), run.context(2))
    assert len(lab.jobs()) == 2
    assert capsys.readouterr().out.count("a retry cannot adopt the job") == 2


@pytest.mark.parametrize("delete_job", [False, True])
def test_the_end_of_the_task_aborts_the_job(lab: SalesforceLab, tmp_path: Path, *, delete_job: bool) -> None:
    lab.slow(60)
    task = lab.query(deferrable=True, delete_job=delete_job, results_path=tmp_path / "a.csv")
    with pytest.raises(TaskDeferred):
        task.execute(TaskRun().context())
    task.on_kill()
    assert states(lab) == ([] if delete_job else ["Aborted"])
    task.on_kill()  # twice is harmless


@pytest.mark.parametrize("delete_job", [False, True])
def test_the_deadline_aborts_the_job(lab: SalesforceLab, tmp_path: Path, *, delete_job: bool) -> None:
    lab.slow(60)
    task = lab.query(
        execution_timeout=dt.timedelta(seconds=0.5), delete_job=delete_job, results_path=tmp_path / "a.csv"
    )
    with pytest.raises(DeadlineExceeded, match="is cancelled"):
        perform(task)
    assert states(lab) == ([] if delete_job else ["Aborted"])


def test_a_query_that_cannot_be_deleted_fails_no_task(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.fault("query.delete", "reply", status=503, times=0)
    assert perform(lab.query(delete_job=True, results_path=tmp_path / "a.csv"))["files"]
    assert states(lab) == ["JobComplete"]


@pytest.mark.parametrize("delete_job", [False, True])
def test_the_end_of_a_deferred_task_aborts_the_job(
    lab: SalesforceLab, tmp_path: Path, *, delete_job: bool
) -> None:
    lab.slow(60)
    task = lab.query(deferrable=True, delete_job=delete_job, results_path=tmp_path / "a.csv")
    with pytest.raises(TaskDeferred) as caught:
        task.execute(TaskRun().context())
    asyncio.run(JobTrigger(**caught.value.trigger.serialize()[1]).on_kill())
    assert states(lab) == ([] if delete_job else ["Aborted"])


def test_the_end_of_the_task_leaves_what_is_complete(lab: SalesforceLab, tmp_path: Path) -> None:
    """A retry downloads it."""
    task = lab.query(delete_job=True, results_path=tmp_path / "a.csv")
    task.completed = None  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        perform(task)
    task.on_kill()
    assert states(lab) == ["JobComplete"]


def test_no_kill_if_not_wanted(lab: SalesforceLab) -> None:
    lab.slow(0.3)
    task = lab.query(wait=False, cancel_on_kill=False)
    task.execute(TaskRun().context())
    task.on_kill()
    assert "Aborted" not in states(lab)


@pytest.mark.parametrize("output", [{}, {"compression": "gzip"}, {"results_as": "parts"}])
def test_a_download_goes_on_after_its_last_whole_page(
    lab: SalesforceLab, tmp_path: Path, output: dict[str, str]
) -> None:
    lab.sandbox.salesforce_settings(page_rows=500)
    run = Attempts()
    settings: dict[str, Any] = {"results_path": tmp_path / "a.csv", "parallel_downloads": 1, **output}
    lab.fault("query.results", "reply", status=503, nth=6, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(lab.query(**settings), run.context())
    lab.sandbox.clear_faults()
    before = len(lab.requests("query.results"))
    result = perform(lab.query(**settings), run.context(2))
    pages = -(-result["record_count"] // 500)
    assert len(lab.requests("query.results")) - before == pages - 5
    assert len(lab.jobs()) == 1
    assert set(run.store.kept) == {"salesforce_job"}
    if not output:
        assert content_of(result) == b"".join(lab.client.open_results(lab.finished(SOQL)))


def test_side_by_side_it_goes_on_too(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.sandbox.salesforce_settings(page_rows=200)
    run = Attempts()
    task = lab.query(results_path=tmp_path / "a.csv", parallel_downloads=2)
    lab.fault("query.results", "reply", status=503, nth=12, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(task, run.context())
    lab.sandbox.clear_faults()
    whole = run.store.kept["salesforce_download"]["kept"]["page_count"]
    assert whole >= 8
    before = len(lab.requests("query.results"))
    result = perform(task, run.context(2))
    # A page that was on its way when the first attempt failed may be asked for twice.
    pages = {request["query"] for request in lab.requests("query.results")[before:]}
    assert len(pages) == -(-result["record_count"] // 200) - whole
    assert content_of(result) == b"".join(lab.client.open_results(lab.finished(SOQL)))


def test_another_worker_begins_the_download_anew(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.sandbox.salesforce_settings(page_rows=500)
    run = Attempts()
    lab.fault("query.results", "reply", status=503, nth=6, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(lab.query(results_path=tmp_path / "here" / "a.csv", parallel_downloads=1), run.context())
    lab.sandbox.clear_faults()
    for draft in (tmp_path / "here").iterdir():
        draft.unlink()
    result = perform(lab.query(results_path=tmp_path / "here" / "a.csv"), run.context(2))
    assert content_of(result) == b"".join(lab.client.open_results(lab.finished(SOQL)))


ATTEMPT = """
import json, os, pathlib, signal, sys
from tests.integration.task_run import Attempts, Store
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator

path, results, when = sys.argv[1:]

class Kept(Store):
    def set(self, key, value, **options):
        super().set(key, value)
        pathlib.Path(path).write_text(json.dumps(self.kept))
        if key == when and (key != "salesforce_download" or value["kept"]["page_count"] >= 4):
            os.kill(os.getpid(), signal.SIGKILL)

SalesforceQueryOperator(
    task_id="task", soql="SELECT Id, Name, Industry, Description FROM Account", deferrable=False,
    poll_interval=0.2, inline_wait=0.0, results_path=results, parallel_downloads=1,
).execute(Attempts(store=Kept()).context())
"""


@pytest.mark.parametrize("when", ["salesforce_job", "salesforce_download"])
def test_a_worker_that_is_killed(lab: SalesforceLab, tmp_path: Path, when: str) -> None:
    """Right after the job was remembered, or in the midst of the download: the next attempt goes on."""
    lab.sandbox.salesforce_settings(page_rows=500)
    store, results = tmp_path / "store.json", tmp_path / "a.csv"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ATTEMPT), str(store), str(results), when],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    read = len(lab.requests("query.results"))
    assert not results.exists()
    run = Attempts()
    run.store.kept = json.loads(store.read_text())
    result = perform(lab.query(results_path=results, parallel_downloads=1), run.context(2))
    assert len(lab.jobs()) == 1
    pages = -(-result["record_count"] // 500)
    assert len(lab.requests("query.results")) - read == pages - (4 if when == "salesforce_download" else 0)
    assert content_of(result) == b"".join(lab.client.open_results(lab.finished(SOQL)))
    assert sorted(each.name for each in tmp_path.iterdir() if each.suffix == ".csv") == ["a.csv"]
