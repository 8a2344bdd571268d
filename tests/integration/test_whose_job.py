"""Whose a job is: of which attempt, since which clear, of which run and of which Airflow."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs import compat
from airflow_provider_jobs.errors import JobCancelled, OutageError
from airflow_provider_jobs.operators.attempts import Attempt, work_digest_before
from airflow_provider_jobs.operators.bigquery import (
    BigQueryInsertJobOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.bigquery import job as bigquery_job
from airflow_provider_jobs.operators.bigquery import upload as bigquery_upload
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from tests.integration.task_run import Attempts, TaskRun, perform, recorded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

MODES = pytest.mark.parametrize("deferrable", [False, True])


def query(sql: str = "SELECT 1 AS one", **parameters: Any) -> BigQueryQueryOperator:
    settings = {"task_id": "task", "deferrable": False, "poll_interval": 0.5, "inline_wait": 0.0, "sql": sql}
    return BigQueryQueryOperator(**{**settings, **parameters})


def deferred(task: Any, context: Any) -> None:
    with pytest.raises(TaskDeferred):
        task.execute(context)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> TaskRun:
    """Return a run whose tasks may ask Airflow for their XComs."""
    run = TaskRun()
    monkeypatch.setattr(compat, "task_xcom", lambda _ti, key: run.xcoms.get(key))
    return run


class TestAttempts:
    """Two attempts of a task may live at once: Airflow gave up the one before, which does not know it."""

    def test_one_that_wakes_late_leaves_the_job_of_a_later_one_alone(self, lab: Lab) -> None:
        """It hung before its insert, takes the job for nobody's, and is told to stop."""
        run = TaskRun()
        with lab.slow_jobs(seconds=1.0):
            query(wait=False).execute(run.context(try_number=2))
            late = query()
            with pytest.raises(OutageError, match="was made by attempt 2 of the task: attempt 1 is over"):
                late.execute(run.context(try_number=1))
            late.on_kill()
            result = query().execute(run.context(try_number=2))
        assert (result["state"], len(lab.jobs()), lab.requests("jobs.cancel")) == ("succeeded", 1, [])

    def test_one_that_is_killed_late_leaves_the_job_to_the_one_that_has_adopted_it(
        self, lab: Lab, airflow: TaskRun
    ) -> None:
        first = query(deferrable=True)
        with lab.slow_jobs(seconds=1.0):
            deferred(first, airflow.context(try_number=1))
            query(wait=False).execute(airflow.context(try_number=2))
            first.on_kill()
            result = query().execute(airflow.context(try_number=2))
        assert (result["state"], len(lab.jobs()), lab.requests("jobs.cancel")) == ("succeeded", 1, [])

    def test_a_kill_cancels_what_no_later_attempt_follows(self, lab: Lab, airflow: TaskRun) -> None:
        """A clear made another job."""
        first = query(deferrable=True)
        with lab.slow_jobs(seconds=5.0):
            deferred(first, airflow.context(try_number=1))
            airflow.max_tries = 3
            query(wait=False).execute(airflow.context(try_number=2))
            first.on_kill()
        assert len(lab.jobs()) == 2
        assert len(lab.requests("jobs.cancel")) == 1

    def test_a_kill_does_not_wait_for_an_airflow_that_is_silent(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silence = threading.Event()
        monkeypatch.setattr(compat, "task_xcom", lambda *_: silence.wait(60))
        task = query(deferrable=True)
        with lab.slow_jobs(seconds=60.0):
            deferred(task, TaskRun().context())
            began = time.monotonic()
            task.on_kill()
        silence.set()
        assert time.monotonic() - began < 30.0
        assert len(lab.requests("jobs.cancel")) == 1

    @MODES
    def test_a_cancel_in_the_console_uses_the_retries(self, lab: Lab, *, deferrable: bool) -> None:
        run = TaskRun()

        def cancel_in_console() -> None:
            while not (jobs := list(lab.client.list_jobs(stateFilter="running"))):
                time.sleep(0.05)  # between two looks at a condition, over HTTP
            reference = jobs[0]["jobReference"]
            lab.client.cancel_job(reference["jobId"], location=reference["location"])

        somebody = threading.Thread(target=cancel_in_console)
        with lab.slow_jobs(seconds=30.0):
            somebody.start()
            with pytest.raises(JobCancelled) as caught:
                perform(query(deferrable=deferrable), run.context(1))
            somebody.join()
        assert caught.value.retryable
        assert perform(query(deferrable=deferrable), run.context(2))["state"] == "succeeded"
        assert len(lab.jobs()) == 2


class TestDeployments:
    """Two Airflows with the same DAGs, tasks and runs in one project."""

    @pytest.mark.parametrize(
        "name", ["AIRFLOW__API__BASE_URL", "AIRFLOW__AIRFLOW_PROVIDER_JOBS__DEPLOYMENT_KEY"]
    )
    def test_share_no_job(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        run, ids = TaskRun(), []
        for deployment in ("https://a.example", "https://b.example", "https://a.example"):
            monkeypatch.setenv(name, deployment)
            ids.append(query().execute(run.context(try_number=2))["job_id"])
        assert ids[0] == ids[2] != ids[1]
        assert len(lab.jobs()) == 2

    @pytest.mark.parametrize("seconds", [0.0, 1.0])
    def test_a_retry_adopts_the_job_of_the_version_before(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch, seconds: float
    ) -> None:
        """It knew of one deployment alone."""
        run = TaskRun()
        with lab.slow_jobs(seconds), monkeypatch.context() as before:
            before.setattr(bigquery_job, "work_digest", lambda *work: work_digest_before(*work[:2]))
            left = query(wait=False).execute(run.context(try_number=1))
        assert query().execute(run.context(try_number=2))["job_id"] == left["job_id"]
        assert len(lab.jobs()) == 1

    def test_a_retry_adopts_an_upload_of_the_version_before(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        lab.dataset("d")
        file = tmp_path / "a.csv"
        file.write_text("id,name\n1,a\n")

        def upload() -> BigQueryUploadOperator:
            return BigQueryUploadOperator(
                task_id="task", source=str(file), destination_table="d.t", autodetect=True, deferrable=False
            )

        run = TaskRun()
        with monkeypatch.context() as before:
            for module in (bigquery_job, bigquery_upload):
                before.setattr(module, "work_digest", lambda *work: work_digest_before(*work[:2]))
            first = upload().execute(run.context(try_number=1))
        assert upload().execute(run.context(try_number=2)) == first
        assert len(lab.jobs()) == 1

    def test_a_first_attempt_asks_for_no_job_of_the_version_before(self, lab: Lab) -> None:
        with lab.slow_jobs(0.0):
            query(wait=False).execute(TaskRun().context(try_number=1))
        assert lab.requests("jobs.get") == []


class TestClear:
    """A clear runs anew; ``max_tries`` stays what it was if the DAG's ``retries`` have become fewer."""

    @MODES
    def test_a_clear_after_a_recorded_success_runs_anew(self, lab: Lab, *, deferrable: bool) -> None:
        run = Attempts(max_tries=2)
        ids = []
        for number in (1, 2, 3):
            task, context = query(deferrable=deferrable), run.context(number)
            ids.append(perform(task, context)["job_id"])
            recorded(task, context)
        assert len(set(ids)) == len(lab.jobs()) == 3

    @MODES
    def test_a_success_that_airflow_has_not_recorded_is_adopted(self, lab: Lab, *, deferrable: bool) -> None:
        """The worker died between the job's end and Airflow's record of it.

        A trigger that ends the task does so again, should its triggerer die: a worker ends the task here.
        """
        run = Attempts(max_tries=3)
        on_worker = partial(perform, in_dag_test=True)
        ids = [on_worker(query(deferrable=deferrable), run.context(1))["job_id"]]
        task, context = query(deferrable=deferrable), run.context(2)
        ids.append(on_worker(task, context)["job_id"])
        recorded(task, context)
        ids += [on_worker(query(deferrable=deferrable), run.context(number))["job_id"] for number in (3, 4)]
        assert ids[0] == ids[1] != ids[2] == ids[3]
        assert len(lab.jobs()) == 2

    @pytest.mark.parametrize(("left", "jobs"), [(True, 2), (None, 2), (False, 1)])
    def test_a_success_in_the_trigger(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch, left: bool | None, jobs: int
    ) -> None:
        """The worker has noted that the trigger will end the task; it may have died before the deferral."""
        monkeypatch.setattr(compat, "left_result", lambda _ti: left)
        run = Attempts(max_tries=2)
        context = run.context(1)
        query().execute(context)
        Attempt(context).leave_to_trigger()
        query().execute(run.context(2))
        assert len(lab.jobs()) == jobs

    def test_a_trigger_that_hands_the_task_back_has_not_ended_it(self, lab: Lab) -> None:
        run = Attempts(max_tries=2)
        context, first = run.context(1), query(deferrable=True)
        deferred(first, context)
        Attempt(context).leave_to_trigger()
        with pytest.raises(OutageError):
            first.execute_complete(
                context, {"outcome": "error", "refs": [], "adopted": False, "message": "x", "retryable": True}
            )
        query().execute(run.context(2))
        assert len(lab.jobs()) == 1

    def test_where_airflow_forgets_at_a_clear_the_tries_that_are_left_tell(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Airflow 3.4: ``retries`` was 2, is 1 now, and after one attempt one is left."""
        monkeypatch.setattr(compat, "STATE_LASTS_A_CLEAR", False)
        run = Attempts(max_tries=2)
        query(retries=2).execute(run.context(1))
        run.store.kept.clear()
        ids = [query(retries=1).execute(run.context(number))["job_id"] for number in (2, 3)]
        assert ids[0] == ids[1]
        assert len(lab.jobs()) == 2

    def test_an_end_for_good_is_an_end(self, lab: Lab) -> None:
        run = Attempts(max_tries=2)
        task, context = query("SELECT * FROM no.where"), run.context(1)
        with pytest.raises(AirflowFailException):
            task.execute(context)
        recorded(task, context, "failure")
        assert run.store.kept["attempt"]["state"] == "ended"


class TestLostEvents:
    """Airflow 3.3.2 resumes a task whose DAG lost it for one parse with no event at all."""

    @pytest.mark.parametrize("seconds", [0.0, 1.0])
    @pytest.mark.parametrize("told", [None, {}, {"status": "success", "message": "done"}])
    def test_the_task_begins_anew_and_adopts(self, lab: Lab, told: Any, seconds: float) -> None:
        run, task = TaskRun(), query(deferrable=True)
        with lab.slow_jobs(seconds):
            deferred(task, run.context())
            resumed = query(deferrable=False)
            assert (
                resumed.execute_complete(run.context(), *([] if told is None else [told]))["row_count"] == 1
            )
        assert len(lab.jobs()) == 1

    def test_the_job_of_the_version_before_too(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        run, task = TaskRun(), query(deferrable=True)
        with lab.slow_jobs(0.5), monkeypatch.context() as before:
            before.setattr(bigquery_job, "work_digest", lambda *work: work_digest_before(*work[:2]))
            deferred(task, run.context())
        query().execute_complete(run.context())
        assert len(lab.jobs()) == 1

    @pytest.mark.parametrize("region", ["US", "europe-west6"])
    def test_googles_own_job_is_adopted(self, lab: Lab, region: str) -> None:
        """The DAG's import line was changed from Google's operator to ours while the task was deferred."""
        lab.dataset("d", region)
        configuration = {"query": {"query": "CREATE TABLE d.t AS SELECT 1 AS x", "useLegacySql": False}}
        reference = {"projectId": lab.project, "jobId": "airflow_google_made_this"}
        with lab.slow_jobs(1.0):
            lab.client.insert_job({"configuration": configuration, "jobReference": reference})
        task = BigQueryInsertJobOperator(task_id="task", configuration=configuration, deferrable=False)
        told = {"status": "success", "message": "Job completed", "job_id": "airflow_google_made_this"}
        assert task.execute_complete(TaskRun().context(), told) == "airflow_google_made_this"
        assert len(lab.jobs()) == 1

    def test_a_job_that_is_not_there_is_made(self, lab: Lab) -> None:
        told = {"status": "error", "message": "x", "job_id": "never_made"}
        assert query().execute_complete(TaskRun().context(), told)["state"] == "succeeded"

    @pytest.mark.parametrize("told", [None, {"status": "success", "job_id": "x"}])
    def test_a_sensor_looks_again(self, lab: Lab, told: Any) -> None:
        left = query(wait=False).execute(TaskRun().context())
        sensor = BigQueryJobSensor(task_id="sensor", job=left, deferrable=True, poke_interval=1)
        context = TaskRun(task_id="sensor").context()
        while True:
            try:
                found = sensor.execute_complete(context, told)
            except TaskDeferred:
                continue
            break
        assert found["state"] == "succeeded"
