"""What a kill does to files that are being sent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import OutageError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from tests.unit.tasks import FakeClient, faked, run, status

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.core.work import JobRequest, Submission

FIRST, SECOND, THIRD = (JobRef("bigquery", "p", f"key_{number}", "EU") for number in range(3))


class Slow(FakeClient):
    """Holds back the second of its jobs."""

    def __init__(self) -> None:
        super().__init__(*(status("running", ref) for ref in (FIRST, SECOND, THIRD)))
        self.sending, self.gate = threading.Event(), threading.Event()

    def submit(self, request: JobRequest) -> Submission:
        if self.requests:
            self.sending.set()
            assert self.gate.wait(10)
        return super().submit(request)


@pytest.mark.parametrize(
    ("cancel_on_kill", "at_once", "in_the_end"), [(True, [FIRST], [FIRST, SECOND]), (False, [], [])]
)
def test_a_kill_while_files_are_sent(
    tmp_path: Path, at_once: list[JobRef], in_the_end: list[JobRef], *, cancel_on_kill: bool
) -> None:
    """What is there is cancelled, what is on its way as soon as it is there; no more is sent."""
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("1\n")
    client = Slow()
    settings: dict[str, Any] = {"source": str(tmp_path / "*.csv"), "destination_table": "d.t"}
    operator = BigQueryUploadOperator(
        task_id="task", parallel_uploads=1, cancel_on_kill=cancel_on_kill, **settings
    )
    task = faked(operator, client)
    with ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(run, task)
        assert client.sending.wait(10)
        task.on_kill()
        assert client.cancelled == at_once
        client.gate.set()
        with pytest.raises(OutageError, match="the task was ended while it ran"):
            attempt.result(10)
    assert client.cancelled == in_the_end
    assert len(client.requests) == 2
