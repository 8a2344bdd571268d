"""What a task of very many parts leaves in XComs stays small, and still names every job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.core.several import split_ids
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.salesforce.lab import SalesforceLab, write
from tests.integration.task_run import TaskRun, perform

PARTS = 300
#: Each takes several requests; beyond 20 their number makes no difference but to the ids.
JOBS = 60


def test_300_files_of_results_are_a_small_xcom(lab: SalesforceLab, tmp_path: Path) -> None:
    run, folder, manifest = TaskRun(), tmp_path / "parts", tmp_path / "manifest.jsonl"
    task = lab.query(
        f"SELECT Id FROM Account LIMIT {PARTS}",  # noqa: S608 - it is SOQL
        results_path=str(folder),
        results_as="parts",
        page_records=1,
        manifest_path=str(manifest),
    )
    result = perform(task, run.context())
    assert result == run.xcoms["job"]
    assert len(json.dumps(result)) < 16_000
    assert (result["file_count"], result["record_count"], len(result["files"])) == (PARTS, PARTS, 20)
    written = sorted(str(path) for path in folder.iterdir())
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["path"] for line in lines] == written
    assert lines[:20] == result["files"]
    assert result["size_bytes"] == sum(Path(path).stat().st_size for path in written)
    assert sorted(str(path) for path in folder.glob(f"{result['job_id']}-*.csv")) == written


def test_very_many_jobs_are_a_small_xcom_that_names_every_job(lab: SalesforceLab, tmp_path: Path) -> None:
    run, manifest = TaskRun(), tmp_path / "manifest.jsonl"
    task = lab.ingest(
        write(lab, tmp_path, JOBS), part_bytes=100, parallel_uploads=8, manifest_path=str(manifest)
    )
    result = perform(task, run.context())
    assert result == run.xcoms["job"]
    assert len(json.dumps(result)) < 12_000
    assert (result["job_count"], result["record_count"], len(result["jobs"])) == (JOBS, JOBS, 20)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["job_id"] for line in lines] == split_ids(result["job_id"])
    assert len(lab.jobs("ingest")) == JOBS
    waited = perform(SalesforceJobSensor(task_id="sensor", job=json.loads(json.dumps(result))))
    assert waited["job_id"] == result["job_id"]
    assert waited["record_count"] == JOBS


def test_a_manifest_of_a_query_is_of_its_files(lab: SalesforceLab, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="manifest_path needs results_path"):
        perform(lab.query(manifest_path=str(tmp_path / "m")))
    assert lab.jobs() == []
