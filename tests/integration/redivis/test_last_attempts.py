"""What a Redivis task leaves behind when it fails, how it deletes what it may, and what fails no task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from tests.integration.redivis.lab import OWNER, ROWS, SESSION, RedivisLab, write
from tests.integration.task_run import Attempts, Store, TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

both = pytest.mark.parametrize("deferrable", [False, True])
pytestmark = pytest.mark.usefixtures("short_graces")


@pytest.fixture
def slow(lab: RedivisLab) -> Iterator[None]:
    """Let imports take longer than any test."""
    lab.sandbox.timing(project=OWNER, running_seconds=60)
    yield
    lab.sandbox.timing(project=OWNER, pending_seconds=0, running_seconds=0)


def out_after(context: Any, good: int = 0) -> Any:
    """Let no XCom be written once ``job`` was written so often."""
    push, pushed = context["ti"].xcom_push, list[str]()

    def out(key: str, value: Any) -> None:
        pushed.append(key)
        if pushed.count("job") > good:
            raise ConnectionError("the XCom backend is out")
        push(key, value)

    context["ti"].xcom_push = out
    return context


REFUSALS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "not shown": ("uploads.get", "not_found", {}),
    "not found": ("uploads.delete", "not_found", {}),
    "denied": ("uploads.delete", "reply", {"status": 403}),
    "bad": ("uploads.delete", "reply", {"status": 400}),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("where", ["worker", "triggerer"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_kill_asks_again_where_its_delete_was_not_taken(
    lab: RedivisLab, tmp_path: Path, name: str, where: str
) -> None:
    operation, action, how = REFUSALS[name]
    task = lab.operator(write(tmp_path), deferrable=True)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(TaskRun().context())
    assert len(lab.uploads()) == 1
    lab.fault(operation, action, times=2, **how)
    if where == "worker":
        task.on_kill()
    else:
        asyncio.run(caught.value.trigger.on_kill())
    assert lab.uploads() == []


@both
def test_an_xcom_that_cannot_be_written_after_success_fails_no_task(
    lab: RedivisLab, tmp_path: Path, *, deferrable: bool
) -> None:
    task = lab.operator(write(tmp_path), deferrable=deferrable)
    assert perform(task, out_after(TaskRun().context(), good=1))["row_count"] == 20_000


@both
@pytest.mark.parametrize("session", [{}, SESSION])
def test_a_store_that_is_out_costs_no_session(
    lab: RedivisLab, tmp_path: Path, session: dict[str, int], *, deferrable: bool
) -> None:
    """It holds what would save time only."""

    class Out(Store):
        def get(self, key: str) -> Any:
            return super().get(checked(key))

        def set(self, key: str, value: Any, **options: Any) -> None:
            super().set(checked(key), value, **options)

        def delete(self, key: str) -> None:
            super().delete(checked(key))

    def checked(key: str) -> str:
        if key.startswith("upload_session"):
            raise ConnectionError("the store is out")
        return key

    task = lab.operator(write(tmp_path), deferrable=deferrable, **session)
    assert perform(task, Attempts(store=Out()).context())["row_count"] == 20_000
    lab.check(ROWS, "orders.csv")


@pytest.mark.usefixtures("slow")
@both
@pytest.mark.parametrize(
    ("store", "max_tries", "left"), [(True, 1, True), (True, 0, False), (False, 1, False), (False, 0, False)]
)
def test_an_upload_is_left_to_a_retry_that_finds_it_and_to_nobody_else(
    lab: RedivisLab, tmp_path: Path, max_tries: int, *, store: bool, left: bool, deferrable: bool
) -> None:
    run = (Attempts if store else TaskRun)(max_tries=max_tries)
    with pytest.raises(ConnectionError, match="is out"):
        perform(lab.operator(write(tmp_path), deferrable=deferrable), out_after(run.context(1)))
    assert bool(lab.uploads()) is left


@both
@pytest.mark.parametrize("flow", ["temporary", "original"])
@pytest.mark.parametrize(
    ("action", "how"),
    [
        ("answer_after_accepting", {"status": 200, "body": "{}", "content_type": "application/json"}),
        ("answer_after_accepting", {"status": 204}),
        ("garbage", {}),
        ("drop_reply_after_accepting", {}),
    ],
)
def test_a_create_whose_reply_tells_nothing_is_asked_for(
    lab: RedivisLab, tmp_path: Path, flow: str, action: str, how: dict[str, Any], *, deferrable: bool
) -> None:
    lab.fault("uploads.create", action, times=1, **how)
    task = lab.operator(write(tmp_path), flow=flow, deferrable=deferrable)
    assert perform(task, TaskRun(max_tries=0).context())["row_count"] == 20_000
    lab.check(ROWS, "orders.csv")
    assert len(lab.requests("uploads.create")) == 1


@pytest.mark.usefixtures("slow")
def test_an_upload_whose_create_was_never_answered_is_deleted_by_its_name(
    lab: RedivisLab, tmp_path: Path
) -> None:
    """Nobody could be asked whether there is one while it was made."""
    lab.fault("uploads.create", "drop_reply_after_accepting", times=0)
    lab.fault("uploads.get", "reply", status=503, nth=2, times=0)
    task = lab.operator(write(tmp_path))
    leave_nothing = task.leave_nothing

    def back_by_then(*arguments: Any, **options: Any) -> None:
        lab.sandbox.clear_faults()
        assert len(lab.uploads()) == 1
        leave_nothing(*arguments, **options)

    task.leave_nothing = back_by_then  # type: ignore[method-assign]
    with pytest.raises(Exception, match="503"):
        perform(task, Attempts(max_tries=0).context())
    assert lab.uploads() == []


@pytest.mark.usefixtures("slow")
def test_several_uploads_of_a_last_attempt_are_all_deleted(lab: RedivisLab, tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path, ROWS + name.encode() + b",1\n", name=f"{name}.csv")
    lab.fault("uploads.create", "reply", status=400, nth=3, times=0)
    with pytest.raises(Exception, match="400"):
        perform(lab.operator(tmp_path / "*.csv", parallel_uploads=1), Attempts(max_tries=0).context())
    assert lab.uploads() == []
