"""A worker that is told to stop because it cannot reach Airflow leaves its job to the retry."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.demo.airflow import free_port
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.lab import Lab


@contextmanager
def airflow(status: int) -> Iterator[str]:
    """Answer as an API server, or the proxy before it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Be silent."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/execution/"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["refused", 200, 404, 503])
def away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """True if Airflow is."""
    monkeypatch.setattr(compat, "is_supervised", lambda: True)
    name = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
    if request.param == "refused":
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}/execution/")
        yield True
    else:
        with airflow(request.param) as url:
            monkeypatch.setenv(name, url)
            yield request.param == 503


def query(**parameters: Any) -> BigQueryQueryOperator:
    settings: dict[str, Any] = {"task_id": "task", "deferrable": False, "poll_interval": 0.5}
    return BigQueryQueryOperator(sql="SELECT 1 AS x", **settings, **parameters)


def killed(task: BigQueryQueryOperator, context: Any) -> None:
    """Have Airflow tell a task to stop once its job is known; a moment later its process is gone."""
    xcom_push = context["ti"].xcom_push

    def push(key: str, value: Any) -> None:
        xcom_push(key, value)
        if key == "job":
            task.on_kill()

    context["ti"].xcom_push = push
    task.execute(context)


@pytest.mark.parametrize("tries_left", [True, False])
def test_the_retry_goes_on_with_the_job(lab: Lab, *, away: bool, tries_left: bool) -> None:
    run = TaskRun(max_tries=1)
    with lab.slow_jobs(seconds=2.0):
        killed(query(wait=False), run.context(try_number=1 if tries_left else 2))
    left = away and tries_left
    assert bool(lab.requests("jobs.cancel")) is not left
    if left:
        assert query().execute(run.context(try_number=2))["state"] == "succeeded"
        assert len(lab.jobs()) == 1


def test_a_task_that_must_not_cancel_does_not_ask(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "airflow_is_away", lambda: pytest.fail("asked"))
    killed(query(wait=False, cancel_on_kill=False), TaskRun().context())
    assert not lab.requests("jobs.cancel")
