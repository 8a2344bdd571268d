"""What a task of very many uploads leaves in XComs stays small, and still names every upload."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.several import split_ids
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.integration.redivis.lab import RedivisLab, write
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

FILES = 300


def test_300_files_are_a_small_xcom_that_names_every_upload(lab: RedivisLab, tmp_path: Path) -> None:
    for number in range(FILES):
        write(tmp_path, b"a,b\n1,2\n", name=f"{number:03}.csv")
    run, manifest = TaskRun(), tmp_path / "manifest.jsonl"
    task = lab.operator(
        str(tmp_path / "*.csv"), deferrable=False, parallel_uploads=8, manifest_path=str(manifest)
    )
    result = perform(task, run.context())
    assert result == run.xcoms["job"]
    assert len(json.dumps(result)) < 16_000
    assert (result["upload_count"], result["row_count"]) == (FILES, FILES)
    assert result["size_bytes"] == FILES * len(b"a,b\n1,2\n")
    assert len(result["uploads"]) == 20
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["name"] for line in lines] == [f"{number:03}.csv" for number in range(FILES)]
    assert [line["job_id"] for line in lines] == split_ids(result["job_id"])
    waited = perform(RedivisUploadSensor(task_id="sensor", upload=json.loads(json.dumps(result))))
    assert waited["upload_count"] == FILES
    assert waited["job_id"] == result["job_id"]
