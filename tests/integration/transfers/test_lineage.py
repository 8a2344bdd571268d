"""What transfers tell: the fields of the object, and what became of each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route
    from tests.integration.transfers.targets import Targets


def test_a_copy_in_a_table(route: Route) -> None:
    route.accounts(1, 2)
    task = route.task()
    result = perform(task, Attempts().context())
    trace = task._trace
    assert trace
    [source], [table] = trace.inputs, trace.outputs
    assert source.key == (f"salesforce://{route.lab.client.scope}", "Account")
    assert source.row_count == result["record_count"]
    assert table.namespace == "bigquery"
    assert table.row_count == result["inserted"] + result["updated"]
    assert table.sources["Name"] == ((*source.key, "Name"),)
    assert {each.name: each.type for each in table.columns}["IsDeleted"] == "BOOL"
    assert trace.job
    assert set(trace.job[0].split()) >= set(result["job_ids"].values())
    assert trace.sql
    assert trace.sql.startswith("SELECT ")


def test_copies_in_files_and_in_redivis(targets: Targets) -> None:
    targets.write(1, 2)
    to_files, to_redivis = targets.to_files(), targets.to_redivis()
    written, sent = targets.run(to_files), targets.run(to_redivis)
    assert to_files._trace
    assert to_redivis._trace
    [folder], [table] = to_files._trace.outputs, to_redivis._trace.outputs
    assert folder.key == ("file", written["folder"])
    assert (folder.row_count, folder.file_count) == (2, written["file_count"])
    owner, dataset, name = targets.redivis.table.split(".")
    assert table.name == f"{owner}.{dataset.partition(':')[0]}.{name}"
    assert (table.row_count, table.size_bytes) == (2, sent["size_bytes"])
    assert "Name" in folder.sources
    assert "Name" in table.sources
