"""The sandbox's org, for one test after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.salesforce.lab import SalesforceLab
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceLab]:
    lab = SalesforceLab(jobs_sandbox, monkeypatch)
    yield lab
    lab.end()


@pytest.fixture(params=["synchronous", "deferred"])
def ingest(request: pytest.FixtureRequest, lab: SalesforceLab) -> Callable[..., Any]:
    """Return what sends a file in this mode, slow enough that there is something to defer for."""
    deferred = request.param == "deferred"

    def ingest(source: Any, run: TaskRun | None = None, **parameters: Any) -> Any:
        lab.slow(0.3, pending=0.1)
        task = lab.ingest(source, deferrable=deferred, **parameters)
        return perform(task, (run or TaskRun()).context())

    return ingest
