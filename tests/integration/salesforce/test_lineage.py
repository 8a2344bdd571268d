"""What Salesforce's operators tell of objects and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.integration.task_run import perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.salesforce.lab import SalesforceLab


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_query_reads_an_object_and_writes_a_file(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    soql = "SELECT Id, Name FROM Account LIMIT 5"
    task = lab.query(soql, results_path=tmp_path / "a.csv", deferrable=deferrable)
    result = perform(task)
    trace = task._trace
    assert trace
    assert (trace.sql, trace.job) == (soql, (result["job_id"], "salesforce"))
    [read], [written] = trace.inputs, trace.outputs
    assert read.key == (f"salesforce://{lab.client.scope}", "Account")
    assert written.key == ("file", str(tmp_path / "a.csv"))
    assert read.row_count == written.row_count == result["record_count"]
    assert written.size_bytes == (tmp_path / "a.csv").stat().st_size


def test_an_ingest_reads_a_file_and_writes_an_object(lab: SalesforceLab, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("Name\none\ntwo\n", encoding="utf-8")
    task = lab.ingest(source, results_path=tmp_path / "results")
    perform(task)
    trace = task._trace
    assert trace
    assert [each.key for each in trace.inputs] == [("file", str(source))]
    written, results = trace.outputs
    assert (written.name, written.row_count) == ("Account", 2)
    assert results.key == ("file", str(tmp_path / "results"))


def test_a_failed_query_names_its_job(lab: SalesforceLab) -> None:
    task = lab.query("SELECT Nope FROM Account")
    with pytest.raises(AirflowFailException):
        perform(task)
    assert task._lineage_after().sql == "SELECT Nope FROM Account"
