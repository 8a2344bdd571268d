"""What a task of very many files leaves in XComs stays small, and still names every job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.core.several import split_ids
from airflow_provider_jobs.operators.bigquery import BigQueryExtractOperator, BigQueryUploadOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

FILES = 300
#: Of 20 jobs what a result tells, and of the others what tells their ids apart.
MOST_BYTES = 20_000


def upload(tmp_path: Path, **parameters: Any) -> BigQueryUploadOperator:
    for number in range(1 if "source" in parameters else FILES):
        (tmp_path / f"{number:03}.csv").write_text(f"{number}\n")
    settings = {
        "task_id": "task",
        "source": str(tmp_path / "*.csv"),
        "destination_table": "d.t",
        "schema": [{"name": "x", "type": "INTEGER"}],
        "parallel_uploads": 8,
        "poll_interval": 0.5,
        "deferrable": False,
    }
    return BigQueryUploadOperator(**{**settings, **parameters})


def test_300_files_are_a_small_xcom_that_names_every_job(lab: Lab, tmp_path: Path) -> None:
    """Handed to a sensor, it still stands for all of them, and so it does where Airflow compares jobs."""
    lab.dataset("d")
    run = TaskRun()
    manifest = tmp_path / "of" / "manifest.jsonl"
    result = perform(upload(tmp_path, manifest_path=str(manifest)), run.context())
    assert result == run.xcoms["job"]
    assert len(json.dumps(run.xcoms)) < 2 * MOST_BYTES
    assert (result["job_count"], result["row_count"], result["state"]) == (FILES, FILES, "succeeded")
    assert len(result["jobs"]) == 20
    names = {job["jobReference"]["jobId"] for job in lab.jobs()}
    assert set(split_ids(result["job_id"])) == names
    assert len(names) == FILES
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert result["manifest"] == str(manifest)
    assert [line["job_id"] for line in lines] == split_ids(result["job_id"])
    assert lines[:20] == result["jobs"]
    assert {line["row_count"] for line in lines} == {1}
    waited = perform(BigQueryJobSensor(task_id="sensor", job=json.loads(json.dumps(result))))
    assert {**waited, "manifest": str(manifest)} == result


def test_300_addresses_are_a_small_xcom(lab: Lab, tmp_path: Path) -> None:
    lab.dataset("d")
    perform(upload(tmp_path, source=str(tmp_path / "000.csv")))
    uris = [f"gs://{lab.project}/{number}-*.csv" for number in range(FILES)]
    extract = BigQueryExtractOperator(task_id="out", source_table="d.t", destination_uris=uris)
    result = perform(extract)
    assert len(json.dumps(result)) < MOST_BYTES
    assert result["output_file_count"] >= len(result["output_file_counts"]) == 20


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"wait": False}, "manifest_path clashes with wait=False"),
        ({"manifest_path": "/"}, "manifest_path '/' names no file"),
        ({"manifest_path": 7}, "manifest_path is a int"),
    ],
)
def test_a_manifest_is_checked_before_anything_is_sent(
    lab: Lab, tmp_path: Path, parameters: dict[str, Any], told: str
) -> None:
    (tmp_path / "000.csv").write_text("1\n")
    given = {"manifest_path": str(tmp_path / "m"), **parameters}
    with pytest.raises(AirflowFailException, match=told):
        perform(upload(tmp_path, source=str(tmp_path / "000.csv"), **given))
    with pytest.raises(AirflowFailException, match="is a folder"):
        perform(upload(tmp_path, source=str(tmp_path / "000.csv"), manifest_path=str(tmp_path)))
    assert lab.jobs() == []


def test_a_deferred_task_with_a_manifest_is_ended_by_a_worker(lab: Lab, tmp_path: Path) -> None:
    lab.dataset("d")
    source, manifest = tmp_path / "000.csv", tmp_path / "m.jsonl"
    task = upload(
        tmp_path, source=str(source), manifest_path=f"file://{manifest}", deferrable=True, inline_wait=0
    )
    with lab.slow_jobs(seconds=0.2):
        result = perform(task)
    (line,) = manifest.read_text().splitlines()
    assert {**json.loads(line), "manifest": f"file://{manifest}"} == result


def test_mapped_tasks_have_a_manifest_each(lab: Lab, tmp_path: Path) -> None:
    lab.dataset("d")
    source, manifest = tmp_path / "000.csv", tmp_path / "m.jsonl"
    for index in range(2):
        task = upload(tmp_path, source=str(source), manifest_path=str(manifest))
        result = perform(task, TaskRun(map_index=index).context())
        assert result["manifest"] == str(tmp_path / f"m-{index}.jsonl")
    assert len({path.read_text() for path in tmp_path.glob("m*")}) == 2
