"""Redivis says: come back later. The task's retries do, and nothing is sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.errors import JobsError, MovedError
from tests.integration.redivis.lab import OWNER, ROWS, SESSION, RedivisLab, write
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from pathlib import Path

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
#: Longer than a worker is held for.
LONG = 300


@MODES
@pytest.mark.parametrize("operation", ["uploads.create", "tempUploads.create", "upload.start", "upload.data"])
def test_a_long_pause_is_left_to_the_retries(
    lab: RedivisLab, tmp_path: Path, operation: str, *, deferrable: bool
) -> None:
    path, run = write(tmp_path), Attempts()
    lab.fault(operation, "reply", status=429, retry_after=LONG)
    with pytest.raises(JobsError, match=f"429.*come back in {LONG} s"):
        perform(lab.operator(path, deferrable=deferrable, **SESSION), run.context(1))
    assert lab.clock.pauses == []
    perform(lab.operator(path, deferrable=deferrable, **SESSION), run.context(2))
    lab.check(ROWS, "orders.csv")


@MODES
def test_a_short_pause_is_kept_within_the_attempt(
    lab: RedivisLab, tmp_path: Path, *, deferrable: bool
) -> None:
    lab.fault("uploads.create", "reply", status=429, retry_after=100)
    perform(lab.operator(write(tmp_path), deferrable=deferrable), Attempts().context())
    assert [pause for pause in lab.clock.pauses if pause >= 1] == [100]


@MODES
def test_a_long_pause_while_a_worker_waits(lab: RedivisLab, tmp_path: Path, *, deferrable: bool) -> None:
    """One look: the next attempt, or the triggerer, goes on with the same upload."""
    path, run = write(tmp_path), Attempts()
    lab.sandbox.timing(project=OWNER, running_seconds=0.5)
    lab.fault("uploads.get", "reply", status=429, retry_after=LONG, nth=2)  # the first is before the bytes
    task = lab.operator(path, deferrable=deferrable, inline_wait=30.0)
    with pytest.raises(TaskDeferred if deferrable else JobsError) as caught:
        task.execute(run.context(1))
    lab.sandbox.timing(project=OWNER, running_seconds=0.0)
    if deferrable:
        assert caught.value.trigger.pause_seconds == LONG  # type: ignore[attr-defined]
    else:
        assert f"come back in {LONG} s" in str(caught.value)
    assert len(lab.requests("uploads.get")) == 2
    perform(lab.operator(path, deferrable=deferrable), run.context(2))
    lab.check(ROWS, "orders.csv")
    assert len(lab.arrivals()) == 1


def test_a_redirect_is_named_and_left_to_the_retries(lab: RedivisLab, tmp_path: Path) -> None:
    path, run = write(tmp_path), Attempts()
    lab.fault("uploads.create", "redirect", status=302, location="https://elsewhere.example.com/?s=3CR3T")
    with pytest.raises(MovedError, match="points to elsewhere"):
        perform(lab.operator(path), run.context(1))
    perform(lab.operator(path), run.context(2))
    lab.check(ROWS, "orders.csv")
