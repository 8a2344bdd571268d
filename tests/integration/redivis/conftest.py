"""A table of the sandbox's Redivis, empty for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.redivis.lab import OWNER, RedivisLab
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedivisLab]:
    lab = RedivisLab(jobs_sandbox, monkeypatch)
    lab.make_table()
    jobs_sandbox.clear_requests()
    yield lab
    jobs_sandbox.clear_faults()
    jobs_sandbox.redivis_settings(queued_polls=0)
    jobs_sandbox.timing(project=OWNER, pending_seconds=0.0, running_seconds=0.0)


@pytest.fixture(params=["synchronous", "deferred"])
def upload(request: pytest.FixtureRequest, lab: RedivisLab) -> Callable[..., Any]:
    """Return what uploads with the operator in this mode."""
    deferred = request.param == "deferred"
    if deferred:  # long enough that there is something to defer for
        lab.sandbox.timing(project=OWNER, pending_seconds=0.1, running_seconds=0.2)

    def upload(source: Any, run: TaskRun | None = None, **parameters: Any) -> Any:
        task = lab.operator(source, deferrable=deferred, **parameters)
        return perform(task, (run or TaskRun()).context())

    return upload
