"""Uploads whose task ends before they do, or that somebody else ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.errors import DeadlineExceeded, JobCancelled, OutageError, UploadExpired
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.integration.redivis.lab import OWNER, ROWS, RedivisLab, write
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Timeout(BaseException):
    """What Airflow raises in the main thread, by a signal, at the end of execution_timeout."""


@pytest.fixture
def end_of_task() -> Iterator[None]:
    def end(*_: object) -> None:
        raise Timeout

    before = signal.signal(signal.SIGUSR1, end)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("end_of_task")
@pytest.mark.parametrize("session", [{}, {"session_bytes": 1}])
def test_a_timeout_ends_a_task_that_sends_several_files(
    lab: RedivisLab, tmp_path: Path, session: dict[str, int]
) -> None:
    """The threads are stopped at their next block: no upload appears after the task has failed."""
    write(tmp_path, name="a.csv")
    write(tmp_path, ROWS + b"1,2\n", name="b.csv")
    both, ended, outcomes = threading.Barrier(2), threading.Event(), SimpleQueue[BaseException | None]()
    submit = lab.client.submit_upload

    def held(request: Any) -> Any:
        if both.wait(10) == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        assert ended.wait(10)
        try:
            submission = submit(request)
        except OutageError as error:
            outcomes.put(error)
            raise
        outcomes.put(None)
        return submission

    lab.client.submit_upload = held  # type: ignore[method-assign]
    with pytest.raises(Timeout):
        lab.operator(tmp_path / "*.csv", **session).execute(TaskRun().context())
    ended.set()
    assert [type(outcomes.get(timeout=10)) for _ in range(2)] == [OutageError, OutageError]
    assert lab.uploads() == []


def test_a_kill_while_bytes_are_sent_deletes_the_upload_that_is_there(
    lab: RedivisLab, tmp_path: Path
) -> None:
    """In the original flow the upload comes before its bytes."""
    task = lab.operator(write(tmp_path), flow="original", wait=False)
    send = lab.client.transfers.send_original
    found: list[list[str]] = []

    def killed(*arguments: Any, **options: Any) -> None:
        found.append([upload["name"] for upload in lab.uploads()])
        task.on_kill()
        found.append([upload["name"] for upload in lab.uploads()])
        send(*arguments, **options)

    lab.client.transfers.send_original = killed  # type: ignore[method-assign]
    with pytest.raises(UploadExpired):
        perform(task)
    assert found == [["orders.csv"], []]


def test_what_somebody_deletes_is_not_sent_anew_because_another_file_was_there(
    lab: RedivisLab, tmp_path: Path
) -> None:
    """An adopted upload that has succeeded cannot have been ended by an earlier attempt."""
    perform(lab.operator(write(tmp_path, name="a.csv")))
    write(tmp_path, ROWS + b"1,2\n", name="b.csv")
    task = lab.operator(tmp_path / "*.csv")
    follow = task._follow

    def deleted(*arguments: Any) -> Any:
        lab.client.delete_upload(lab.table, "b.csv")
        return follow(*arguments)

    task._follow = deleted  # type: ignore[method-assign, assignment]
    with pytest.raises(JobCancelled, match="it is gone") as caught:
        perform(task)
    assert [upload["name"] for upload in lab.uploads()] == ["a.csv"]
    assert caught.value.retryable
    perform(lab.operator(tmp_path / "*.csv"), TaskRun().context(2))
    assert [upload["name"] for upload in lab.uploads()] == ["a.csv", "b.csv"]


def test_a_row_count_that_nobody_would_compare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected_row_count clashes with wait=False"):
        RedivisUploadOperator(
            task_id="task", source="a.csv", table="acme.sales.orders", expected_row_count=1, wait=False
        )


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_upload_that_another_airflow_has_made_is_not_deleted(
    lab: RedivisLab, tmp_path: Path, *, deferrable: bool
) -> None:
    """It has the name and the bytes: the task takes it for its own work, and its kill leaves it alone."""
    path = write(tmp_path)
    lab.sandbox.redivis_settings(queued_polls=1000)
    try:
        lab.operator(path, wait=False).execute(TaskRun(dag_id="theirs").context())
        task = lab.operator(path, deferrable=True, execution_timeout=None)
        with pytest.raises(TaskDeferred) as caught:
            task.execute(TaskRun().context())
        task.on_kill()
        assert not caught.value.trigger.cancel_on_kill
        late = lab.operator(path, deferrable=deferrable, execution_timeout=dt.timedelta(seconds=1))
        with pytest.raises(DeadlineExceeded, match="may still"):
            perform(late)
    finally:
        lab.sandbox.redivis_settings(queued_polls=0)
    assert lab.requests("uploads.delete") == []


def test_the_kill_of_a_deferred_task_ends_its_own_uploads_alone(lab: RedivisLab, tmp_path: Path) -> None:
    """One of its files had been uploaded by somebody else."""
    lab.sandbox.timing(project=OWNER, running_seconds=60.0)
    lab.client.put_upload(lab.table, ROWS, "a.csv")
    write(tmp_path, name="a.csv")
    write(tmp_path, ROWS + b"1,2\n", name="b.csv")
    with pytest.raises(TaskDeferred) as deferred:
        lab.operator(tmp_path / "*.csv", deferrable=True).execute(TaskRun().context())
    assert len(lab.uploads()) == 2
    trigger = JobTrigger(**json.loads(json.dumps(deferred.value.trigger.serialize()[1])))
    asyncio.run(trigger.on_kill())
    assert [upload["name"] for upload in lab.uploads()] == ["a.csv"]
