"""What a BigQuery task makes of trouble after its job's success, and what it leaves behind of a failure."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators import following
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator, BigQueryUploadOperator
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

both = pytest.mark.parametrize("deferrable", [False, True])
pytestmark = pytest.mark.usefixtures("short_graces")


def query(sql: str = "SELECT 1 AS one", **parameters: Any) -> BigQueryQueryOperator:
    settings: dict[str, Any] = {"task_id": "task", "poll_interval": 0.5, "inline_wait": 0, "sql": sql}
    return BigQueryQueryOperator(**settings | parameters)


def stopped(lab: Lab, *, within: float = 10.0) -> list[bool]:
    """Return of each job whether it was stopped, once all have ended."""
    until = time.monotonic() + within
    while any(job["status"]["state"] != "DONE" for job in lab.jobs()):
        assert time.monotonic() < until, "a job runs on"
    jobs = lab.jobs()
    return [(job["status"].get("errorResult") or {}).get("reason") == "stopped" for job in jobs]


# Nice to know.

ROW_COUNTS: dict[str, tuple[str, dict[str, Any]]] = {
    "403": ("reply", {"status": 403, "reason": "accessDenied"}),
    "404": ("not_found", {}),
    "400": ("reply", {"status": 400, "reason": "invalid"}),
    "503": ("reply", {"status": 503}),
    "empty": ("answer", {"status": 200, "body": "{}", "content_type": "application/json"}),
    "list": ("answer", {"status": 200, "body": "[]", "content_type": "application/json"}),
    "no number": ("patch", {"document": {"totalRows": "many"}}),
    "page": ("garbage", {}),
    "nothing": ("answer", {"status": 204}),
    "later": ("reply", {"status": 429, "reason": "rateLimitExceeded", "retry_after": 90}),
    "silence": ("hang", {"seconds": 2}),
}


@both
@pytest.mark.parametrize("name", ROW_COUNTS)
def test_a_row_count_that_is_not_told_fails_no_task(
    lab: Lab, name: str, caplog: pytest.LogCaptureFixture, *, deferrable: bool
) -> None:
    action, settings = ROW_COUNTS[name]
    lab.fault("jobs.getQueryResults", action, times=0, **settings)
    run, began = TaskRun(), time.monotonic()
    with lab.slow_jobs(seconds=0.2):
        result = perform(query(deferrable=deferrable), run.context())
    assert result["state"] == "succeeded"
    assert "row_count" not in result
    assert run.xcoms["job"] == result
    assert f"the row count of {lab.project}:US:{result['job_id']} could not be found out" in caplog.text
    assert time.monotonic() - began < 20


@both
def test_an_xcom_that_cannot_be_written_after_success_fails_no_task(
    lab: Lab, capsys: pytest.CaptureFixture[str], *, deferrable: bool
) -> None:
    context = TaskRun().context()
    push, pushed = context["ti"].xcom_push, list[str]()

    def out_in_the_end(key: str, value: Any) -> None:
        pushed.append(key)
        if pushed.count("job") > 1:
            raise ConnectionError("the XCom backend is out")
        push(key, value)

    context["ti"].xcom_push = out_in_the_end
    with lab.slow_jobs(seconds=0.2):
        assert perform(query(deferrable=deferrable), context)["row_count"] == 1
    assert (
        "the XCom job could not be written, and is left out: the XCom backend is out"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("action", ["hang", "garbage", "not_found"])
def test_a_statement_that_is_not_told_hides_no_failure(lab: Lab, action: str) -> None:
    settings = {"seconds": 2} if action == "hang" else {}
    lab.fault("jobs.list", action, times=0, **settings)
    with pytest.raises(Exception, match="nope") as caught:
        perform(query("SELECT 1;\nSELECT nope"))
    assert "statement:" not in str(caught.value)


# Cancels that did not arrive.

REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "404": ("not_found", {}),
    "403": ("reply", {"status": 403, "reason": "accessDenied"}),
    "empty": ("answer", {"status": 200, "body": "{}", "content_type": "application/json"}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_kill_asks_again_where_its_cancel_was_not_taken(
    lab: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    action, settings = REFUSALS[name]
    with lab.slow_jobs(seconds=60):
        task = query(wait=False)
        task.execute(TaskRun().context())
        lab.fault("jobs.cancel", action, times=2, **settings)
        task.on_kill()
        assert stopped(lab) == [True]
    told = capsys.readouterr().out
    assert "to stop, since the task was ended" in told
    assert "could not be cancelled" not in told


@pytest.mark.parametrize("name", REFUSALS)
def test_so_does_the_trigger(lab: Lab, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    action, settings = REFUSALS[name]
    with lab.slow_jobs(seconds=60):
        with pytest.raises(TaskDeferred) as caught:
            query(deferrable=True).execute(TaskRun().context())
        lab.fault("jobs.cancel", action, times=2, **settings)
        asyncio.run(caught.value.trigger.on_kill())
        assert stopped(lab) == [True]
    told = capsys.readouterr().out
    assert "to stop, since the task was ended" in told
    assert "could not be cancelled" not in told


def test_a_cancel_that_is_never_taken_is_told(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KILL_SECONDS", 0.2)
    with lab.slow_jobs(seconds=1):
        task = query(wait=False)
        reference = task.execute(TaskRun().context())
        lab.fault("jobs.cancel", "reply", status=403, reason="accessDenied", times=0)
        task.on_kill()
    told = capsys.readouterr().out
    assert f"{reference['job_id']} could not be cancelled, and may run on: BigQuery answered 403" in told


def test_a_job_that_has_ended_is_not_said_to_be_cancelled(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    task = query()
    perform(task)
    task.on_kill()
    told = capsys.readouterr().out
    assert "had ended by itself" in told
    assert "to stop" not in told


# The last attempt leaves nothing behind.


def broken(context: Any) -> Any:
    """Let no XCom be written any more."""

    def out(key: str, value: Any) -> None:
        raise ConnectionError("the XCom backend is out")

    context["ti"].xcom_push = out
    return context


@both
def test_a_last_attempt_that_fails_after_the_submission_cancels_its_job(
    lab: Lab, *, deferrable: bool
) -> None:
    run = TaskRun(max_tries=1)
    with lab.slow_jobs(seconds=60):
        with pytest.raises(ConnectionError, match="is out"):
            perform(query(deferrable=deferrable), broken(run.context(2)))
        assert stopped(lab) == [True]


@both
def test_an_attempt_that_is_followed_leaves_its_job_to_the_next(lab: Lab, *, deferrable: bool) -> None:
    run = TaskRun(max_tries=1)
    with lab.slow_jobs(seconds=1):
        with pytest.raises(ConnectionError, match="is out"):
            perform(query(deferrable=deferrable), broken(run.context(1)))
        assert perform(query(deferrable=deferrable), run.context(2))["row_count"] == 1
    assert stopped(lab) == [False]
    assert not lab.requests("jobs.cancel")


def test_who_wants_the_job_to_run_on_has_it_run_on(lab: Lab) -> None:
    with lab.slow_jobs(seconds=0.5), pytest.raises(ConnectionError):
        perform(query(cancel_on_kill=False), broken(TaskRun(max_tries=0).context()))
    assert stopped(lab) == [False]


def test_a_failure_without_retry_leaves_nothing_though_tries_are_left(lab: Lab) -> None:
    """Nobody follows the job: Airflow does not run the task again."""
    task = query(deferrable=False)

    def refused(*_: Any, **__: Any) -> None:
        raise ConfigurationError("no retry can mend this")

    task._wait = refused  # type: ignore[method-assign]
    with lab.slow_jobs(seconds=60):
        with pytest.raises(AirflowFailException, match="no retry can mend this"):
            perform(task, TaskRun(max_tries=5).context())
        assert stopped(lab) == [True]


def test_a_deferral_that_fails_cancels_the_job_of_a_last_attempt(lab: Lab) -> None:
    task = query(deferrable=True)

    def out(**_: Any) -> None:
        raise ConnectionError("Airflow is out")

    task.defer = out  # type: ignore[method-assign, assignment]
    with lab.slow_jobs(seconds=60):
        with pytest.raises(ConnectionError, match="Airflow is out"):
            perform(task, TaskRun(max_tries=0).context())
        assert stopped(lab) == [True]


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize("tries_left", [True, False])
def test_a_trigger_that_gives_up_leaves_its_job_to_a_retry_only(
    lab: Lab, *, retryable: bool, tries_left: bool
) -> None:
    run, task = TaskRun(max_tries=int(tries_left)), query(deferrable=True)
    with lab.slow_jobs(seconds=60):
        with pytest.raises(TaskDeferred) as caught:
            task.execute(run.context())
        told = {"outcome": "error", "message": "BigQuery was out", "retryable": retryable}
        event = {**caught.value.trigger._handed_back(), **told}
        with pytest.raises(Exception, match="BigQuery was out"):
            query(deferrable=True).execute_complete(run.context(), event)
        if retryable and tries_left:
            assert not lab.requests("jobs.cancel")
            lab.client.cancel(caught.value.trigger.refs[0])
        assert stopped(lab) == [True]


ODD_REPLIES: dict[str, tuple[str, dict[str, Any]]] = {
    "empty": ("answer_after_accepting", {"status": 200, "body": "{}", "content_type": "application/json"}),
    "nothing": ("answer_after_accepting", {"status": 204}),
    "page": ("garbage", {}),
    "no reference": ("patch", {"document": {"jobReference": None, "status": None}}),
}


@both
@pytest.mark.parametrize("times", [1, 0])
@pytest.mark.parametrize("name", ODD_REPLIES)
def test_an_insert_whose_reply_tells_nothing_is_asked_for(
    lab: Lab, name: str, times: int, quick: None, *, deferrable: bool
) -> None:
    action, settings = ODD_REPLIES[name]
    lab.fault("jobs.insert", action, times=times, **settings)
    with lab.slow_jobs(seconds=0.2):
        assert perform(query(deferrable=deferrable), TaskRun(max_tries=0).context())["row_count"] == 1
    assert len(lab.jobs()) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries of requests not wait."""
    from airflow_provider_jobs.core.http.retry import RetryPolicy  # noqa: PLC0415 - of some tests

    monkeypatch.setattr(RetryPolicy, "delay_seconds", lambda *_, **__: 0.01)


@pytest.mark.parametrize("location", [None, "europe-west6"])
def test_a_job_whose_insert_was_never_answered_is_cancelled_by_its_id(
    lab: Lab, location: str | None, quick: None
) -> None:
    """Nobody could be asked whether there is one, but it can be told to stop."""
    lab.fault("jobs.insert", "drop_reply_after_accepting", times=0)
    lab.fault("jobs.get", "reply", status=503, times=0)
    with lab.slow_jobs(seconds=60):
        if location:
            lab.dataset("regional", location)
        table = {"destination_table": "regional.numbers"} if location else {}
        with pytest.raises(Exception, match="no reply"):
            perform(query(**table), TaskRun(max_tries=0).context())
        lab.sandbox.clear_faults()
        assert stopped(lab) == [True]


@pytest.mark.parametrize("size", [10, 6 * 1024 * 1024])
@pytest.mark.parametrize("action", ["empty", "page", "cut"])
@both
def test_an_upload_whose_last_reply_tells_nothing_is_asked_for(
    lab: Lab, tmp_path: Path, size: int, action: str, quick: None, *, deferrable: bool
) -> None:
    lab.dataset("d")
    (tmp_path / "a.csv").write_bytes(b"12345\n" * (size // 6 + 1))
    operation = "upload.data" if size > 1000 else "upload.multipart"
    how, settings = {**ODD_REPLIES, "cut": ("drop_reply_after_accepting", {})}[action]
    lab.fault(operation, how, times=1, **settings)
    task = BigQueryUploadOperator(
        task_id="task",
        source=str(tmp_path / "a.csv"),
        destination_table="d.numbers",
        schema=[{"name": "n", "type": "INTEGER"}],
        poll_interval=0.5,
        inline_wait=0,
        deferrable=deferrable,
    )
    assert perform(task, TaskRun(max_tries=0).context())["row_count"] == size // 6 + 1
    assert len(lab.jobs()) == 1


def test_a_job_that_has_failed_is_not_cancelled(lab: Lab) -> None:
    """What the task has seen end is left alone."""
    with pytest.raises(Exception, match="nope"):
        perform(query("SELECT nope"), TaskRun(max_tries=0).context())
    assert not lab.requests("jobs.cancel")
