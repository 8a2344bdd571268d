"""An upload whose worker is killed goes on in the next attempt, whichever service it goes to."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import Stage

FILE_BYTES = 512 * 1024 * 1024


@pytest.mark.parametrize("service", ["bigquery", "redivis"])
def test_worker_killed_at_half_of_an_upload(stage: Stage, upload_file: Path, service: str) -> None:
    if service == "bigquery":  # the other makes its dataset itself
        stage.bigquery(
            "POST", "datasets", json={"datasetReference": {"projectId": "google-dag", "datasetId": "uploads"}}
        )
    dag_id = f"upload_to_{service}"
    run_id = stage.airflow.rest.trigger(dag_id)
    stage.airflow.wait(lambda: arrived(stage, service) > 0, 90.0, "the first bytes", 0.01)
    pid = stage.airflow.rest.task(dag_id, run_id, "send")["pid"]
    assert os.getsid(pid) == stage.airflow.scheduler.pid  # it is a process of this Airflow
    stage.airflow.wait(lambda: arrived(stage, service) > FILE_BYTES / 2, 90.0, "half of the file", 0.01)
    os.kill(pid, signal.SIGKILL)
    cut_at = arrived(stage, service)

    state = stage.airflow.wait_run(dag_id, run_id, 240.0)
    assert state == "success", stage.log(dag_id, run_id, "send", 2)
    [upload] = uploads(stage, service)
    assert FILE_BYTES / 2 < cut_at < FILE_BYTES
    assert upload["bytes_received"] < 1.6 * FILE_BYTES
    with upload_file.open("rb") as file:
        assert upload["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert stage.airflow.rest.task(dag_id, run_id, "send")["try_number"] == 2
    assert len(made(stage, service)) == 1
    assert stage.airflow.rest.xcom(dag_id, run_id, "send")["row_count"] == FILE_BYTES / 64


def uploads(stage: Stage, service: str) -> list[dict[str, Any]]:
    return [each for each in stage.sandbox.uploads() if each["service"] == service]


def arrived(stage: Stage, service: str) -> int:
    return sum(each["bytes"] for each in uploads(stage, service))


def made(stage: Stage, service: str) -> list[Any]:
    """Return the jobs, or the uploads of the table, that the task has left."""
    if service == "bigquery":
        return stage.jobs("send")
    found: list[Any] = stage.redivis("GET", "tables/acme.uploads:next.numbers/uploads")["results"]
    return found
