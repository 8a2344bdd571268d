"""An upload whose worker is killed goes on in the next attempt."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import Stage

FILE_BYTES = 512 * 1024 * 1024


def test_worker_killed_at_half_of_an_upload(stage: Stage, upload_file: Path) -> None:
    stage.bigquery(
        "POST", "datasets", json={"datasetReference": {"projectId": "google-dag", "datasetId": "uploads"}}
    )
    run_id = stage.airflow.rest.trigger("upload")
    stage.airflow.wait(lambda: arrived(stage) > FILE_BYTES / 2, 90.0, "half of the file", 0.02)
    pid = stage.airflow.rest.task("upload", run_id, "send")["pid"]
    assert os.getsid(pid) == stage.airflow.scheduler.pid  # it is a process of this Airflow
    os.kill(pid, signal.SIGKILL)
    cut_at = arrived(stage)

    assert stage.airflow.wait_run("upload", run_id, 240.0) == "success", stage.log(
        "upload", run_id, "send", 2
    )
    [upload] = uploads(stage)
    assert cut_at < FILE_BYTES
    assert upload["bytes_received"] < 1.6 * FILE_BYTES
    with upload_file.open("rb") as file:
        assert upload["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert stage.airflow.rest.task("upload", run_id, "send")["try_number"] == 2
    assert len(stage.jobs("send")) == 1
    assert stage.airflow.rest.xcom("upload", run_id, "send")["row_count"] == FILE_BYTES / 64


def uploads(stage: Stage) -> list[dict[str, Any]]:
    return [each for each in stage.sandbox.uploads() if each["service"] == "bigquery"]


def arrived(stage: Stage) -> int:
    return sum(each["bytes"] for each in uploads(stage))
