"""What Redivis's operators tell of files, tables and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from tests.integration.redivis.lab import OWNER, ROWS, RedivisLab, write
from tests.integration.task_run import perform

if TYPE_CHECKING:
    from pathlib import Path


def test_an_upload_fills_a_table_and_a_release_has_a_version(lab: RedivisLab, tmp_path: Path) -> None:
    path = write(tmp_path)
    upload = RedivisUploadOperator(source=str(path), table=lab.table, create_missing=True, task_id="upload")
    perform(upload)
    trace, namespace = upload._trace, f"redivis://{lab.client.host}"
    assert trace
    assert [each.key for each in trace.inputs] == [("file", str(path))]
    [table] = trace.outputs
    assert table.key == (namespace, f"{OWNER}.{lab.dataset}.orders")
    assert (table.row_count, table.size_bytes) == (20_000, len(ROWS))
    release = RedivisReleaseOperator(dataset=f"{OWNER}.{lab.dataset}", task_id="release")
    result = perform(release)
    assert release._trace
    [released] = release._trace.outputs
    assert released.key == (namespace, f"{OWNER}.{lab.dataset}")
    assert released.version == result["version"]
