"""Records of an org become files with a manifest: whole runs, or none that a reader could take for one."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_jobs import compat
from airflow_provider_jobs.errors import OutageError, ResultsUnavailable, TransportError
from airflow_provider_jobs.transfers.salesforce_to_object_storage import SalesforceToObjectStorageOperator
from tests.integration.task_log import lines_of
from tests.integration.task_run import Attempts
from tests.integration.transfers.targets import ASSET, KEY, seen, values

if TYPE_CHECKING:
    from tests.integration.transfers.targets import Targets


def names(folder: str | Path) -> list[str]:
    """Return what a reader sees: drafts of a run whose retry may come are hidden."""
    return sorted(path.name for path in Path(folder).iterdir() if not path.name.startswith("."))


def test_a_first_run_reads_all_and_the_next_ones_what_has_changed(
    targets: Targets, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deleted records say so; a run that reads nothing leaves no folder, and moves the mark."""
    targets.write(1, 2, 3, Name='a "b",\nc')
    first = targets.run(targets.to_files(mode="incremental", page_records=2))
    assert (
        "all records are read: Airflow keeps no mark of Account in the state of the asset accounts"
        in lines_of(capsys)
    )
    assert (first["mode"], first["mark_before"], first["record_count"]) == ("full", None, 3)
    assert first["mark_after"] == targets.mark
    manifest, rows = seen(Path(first["folder"]))
    assert values(rows) == dict.fromkeys((1, 2, 3), ('a "b",\nc', "false"))
    assert names(first["folder"]) == ["manifest.json", "part-00000.csv", "part-00001.csv"]
    assert (manifest["object"], manifest["operation"], manifest["record_count"]) == ("Account", "queryAll", 3)
    assert manifest["soql"].startswith("SELECT Id, IsDeleted, Name, External_Id__c, SystemModstamp FROM ")
    assert manifest["mark"] == targets.mark
    assert {"path": "SystemModstamp", "type": "datetime"} in manifest["schema"]
    assert {"query", "download"} == first["seconds"].keys()

    targets.write(2, Name="changed")
    targets.delete(3)
    targets.lab.slow(0.2)
    second = targets.run(targets.to_files(mode="incremental", deferrable=True))
    targets.lab.slow(0.0)
    assert (second["mode"], second["mark_before"]) == ("incremental", first["mark_after"])
    assert second["window"][0] == first["mark_after"]
    assert second["window"][1] >= second["mark_after"] == targets.mark > first["mark_after"]
    _, rows = seen(Path(second["folder"]))
    assert values(rows) == {2: ("changed", "false"), 3: ('a "b",\nc', "true")}
    seen(Path(first["folder"]))

    targets.wait()
    third = targets.run(targets.to_files(mode="incremental"))
    assert (third["record_count"], third["manifest"], third["files"]) == (0, None, [])
    assert third["mark_after"] == targets.mark > second["mark_after"]
    assert not Path(third["folder"]).exists()


def test_a_run_that_fails_half_way_is_nowhere_until_its_retry(targets: Targets) -> None:
    """The query is adopted; the mark moves with the manifest; files of the run before stay readable."""
    targets.write(1, 2, 3, 4)
    before = targets.run(targets.to_files())
    run, settings = Attempts(), {"mode": "incremental", "page_records": 2, "compression": "gzip"}
    targets.write(1, 2, 3, Name="new")
    mark = targets.mark
    targets.lab.fault("query.results", "reply", status=503, nth=2, times=0)
    with pytest.raises(ResultsUnavailable, match="goes on with what is complete"):
        targets.run(targets.to_files(**settings), run)
    assert targets.mark == mark
    (folder,) = (path for path in (targets.folder / "Account").iterdir() if str(path) != before["folder"])
    assert names(folder) == []
    seen(Path(before["folder"]))
    (folder / "part-00009.csv.gz").write_text("of an attempt that had more pages")
    targets.route.sandbox.clear_faults()
    queries = targets.queries()
    after = targets.run(targets.to_files(**settings), run, 2)
    assert targets.queries() == queries
    assert names(after["folder"]) == ["manifest.json", "part-00000.csv.gz", "part-00001.csv.gz"]
    assert after["folder"] == str(folder)
    assert sum(file["record_count"] for file in after["files"]) == after["record_count"] == 3
    assert targets.mark == after["mark_after"] != mark
    again = targets.run(targets.to_files(**settings), run, 3)  # Airflow has lost the success
    assert (again["files"], again["mark_after"], targets.queries()) == (
        after["files"],
        after["mark_after"],
        queries,
    )


def test_an_explicit_window_has_a_folder_of_its_own_and_leaves_the_mark(targets: Targets) -> None:
    """Read once more, it replaces its files once all are there; no manifest tells of a mixture."""
    client = targets.lab.client
    begin = dt.datetime.fromtimestamp(client.service_time(client.timing.now()) // 1, dt.UTC)
    window = (begin, begin + dt.timedelta(hours=9))
    targets.write(1, 2)
    first = targets.run(targets.to_files(mode="window", window=window, page_records=1))
    folder, ends = Path(first["folder"]), [f"{each:%Y%m%dT%H%M%SZ}" for each in window]
    assert folder.name == f"run={ends[1]}-since-{ends[0]}"
    assert (first["mark_after"], targets.mark, first["file_count"]) == (None, None, 2)
    targets.delete(1, 2)

    targets.lab.fault("query.results", "reply", status=503, times=0)
    with pytest.raises(ResultsUnavailable):
        targets.run(targets.to_files(mode="window", window=window))
    targets.route.sandbox.clear_faults()
    seen(folder)
    (folder / "part-00001.csv").unlink()
    (folder / "part-00001.csv").mkdir()
    with pytest.raises(ResultsUnavailable, match=r"part-00001\.csv"):
        targets.run(targets.to_files(mode="window", window=window, page_records=1))
    assert "manifest.json" not in names(folder)
    (folder / "part-00001.csv").rmdir()

    second = targets.run(targets.to_files(mode="window", window=window))
    manifest, rows = seen(folder)
    assert (second["folder"], names(folder)) == (str(folder), ["manifest.json", "part-00000.csv"])
    assert {row["IsDeleted"] for row in rows} == {"true"}
    assert manifest["mark"] is None


def test_the_mark_is_of_one_org_and_one_where_and_goes_back_only_to_a_full_run(
    targets: Targets, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may correct one of the future; another run that has moved it meanwhile is not undone."""
    targets.write(1)
    targets.run(targets.to_files())
    targets.wait()
    kept = targets.states[ASSET].get(KEY)
    assert kept.keys() == {"synced_to", "org", "where"}
    wider = targets.run(targets.to_files(mode="incremental", where="External_Id__c != NULL"))
    assert (wider["mode"], wider["mark_before"]) == ("full", None)
    why = "all records are read: the mark in the state of the asset accounts is of another where"
    assert why in lines_of(capsys)
    targets.wait()
    later = (dt.datetime.fromisoformat(kept["synced_to"]) + dt.timedelta(minutes=30)).isoformat()
    targets.states[ASSET].set(KEY, {**kept, "synced_to": later})
    assert later > str(targets.run(targets.to_files())["mark_after"]) == targets.mark
    targets.wait()
    own = SalesforceToObjectStorageOperator.note

    def note(task: Any, statuses: Any) -> None:
        own(task, statuses)
        targets.states[ASSET].set(KEY, {**kept, "synced_to": later})

    monkeypatch.setattr(SalesforceToObjectStorageOperator, "note", note)
    assert targets.run(targets.to_files())["mark_after"] == targets.mark == later


def test_a_run_of_the_same_second_is_another_one(targets: Targets) -> None:
    """It would replace files that readers know of; its retry has a folder of its own."""
    first = targets.run(targets.to_files())
    upper = dt.datetime.strptime(Path(first["folder"]).name, "run=%Y%m%dT%H%M%S%z")
    sandbox = targets.route.sandbox
    # To the same second: its Date has whole ones only.
    sandbox.advance(upper.timestamp() + 60.1 - sandbox.platform.clock.now())
    run = Attempts()
    with pytest.raises(OutageError, match="is of another run, which has read until the same second"):
        targets.run(targets.to_files(), run)
    targets.wait()
    assert targets.run(targets.to_files(), run, 2)["folder"] > first["folder"]


def test_tasks_of_one_run_do_not_replace_each_others_files(targets: Targets) -> None:
    """Mapped over the parts of one object, they have one folder; who comes later, or ends later, is told."""
    window = ("2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
    settings: dict[str, Any] = {"mode": "window", "window": window}
    targets.write(1, 2)
    one, two = Attempts(map_index=0), Attempts(map_index=1)
    first = targets.run(targets.to_files(**settings), one)
    other = {**settings, "where": f"External_Id__c = '{targets.lab.mark}-1'"}
    told = r"has what task\[0\] of this run has read with another query, which this task would replace"
    with pytest.raises(AirflowFailException, match=told):
        targets.run(targets.to_files(**other), two)
    folder = Path(first["folder"])
    manifest, rows = seen(folder)
    assert (len(rows), manifest["task"]["map_index"]) == (2, 0)

    again = targets.run(targets.to_files(**other), one)  # cleared, and changed
    assert (again["folder"], again["record_count"]) == (str(folder), 1)
    later = targets.run(targets.to_files(**settings))  # a backfill
    assert (later["folder"], later["record_count"]) == (str(folder), 2)

    (folder / "manifest.json").write_text("[]")
    with pytest.raises(AirflowFailException, match=r"manifest\.json is no manifest of a run"):
        targets.run(targets.to_files(**settings))


def test_a_manifest_that_cannot_be_read_just_now_is_not_one_to_remove(targets: Targets) -> None:
    """The store is busy: a retry reads it."""
    store = MemoryFileSystem(skip_instance_cache=True)
    opened, conn_id = store.open, targets.folder.parent.name
    attach("memory", conn_id, fs=store)
    settings: dict[str, Any] = {
        "mode": "window",
        "window": ("2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
        "results_path": f"memory://{conn_id}/lake",
        "results_conn_id": conn_id,
    }
    targets.write(1, 2)
    targets.run(targets.to_files(**settings))

    def busy(path: str, mode: str = "rb", **options: Any) -> Any:
        if "r" in mode and path.endswith("manifest.json"):
            raise OSError(16, "Please reduce your request rate")
        return opened(path, mode, **options)

    store.open = busy
    with pytest.raises(TransportError, match=r"manifest\.json cannot be read: Please reduce"):
        targets.run(targets.to_files(**settings))
    store.open = opened
    assert targets.run(targets.to_files(**settings))["record_count"] == 2


def test_an_empty_object_has_files_too_if_all_is_read(targets: Targets) -> None:
    result = targets.run(targets.to_files())
    manifest, rows = seen(Path(result["folder"]))
    assert (result["record_count"], rows, manifest["record_count"]) == (0, [], 0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mode": "incremental", "outlets": []}, r"needs an asset .* outlets=\[Asset\("),
        ({"mode": "formulas"}, "is for a target whose rows can be updated"),
        ({"mode": "window", "window": ("2026-11-30T00:00:00Z",) * 2}, "is empty"),
        ({"results_path": "file"}, "is not a folder"),
        ({"results_path": "nosuch://bucket/x"}, "cannot be written"),
        ({"exclude_fields": ["SystemModstamp"]}, "exclude_fields has SystemModstamp"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    targets: Targets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    monkeypatch.setattr(compat, "KEEPS_ASSET_STATE", True)
    (tmp_path / "file").touch()
    if settings.get("results_path") == "file":
        settings = {"results_path": tmp_path / "file"}
    with pytest.raises(AirflowFailException, match=says):
        targets.run(targets.to_files(**settings))
    assert targets.lab.jobs("query") == []


def test_an_airflow_that_keeps_no_state_of_assets_reads_all_but_no_changes(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "KEEPS_ASSET_STATE", False)
    with pytest.raises(AirflowFailException, match=r'mode "incremental" needs Airflow 3\.3'):
        targets.run(targets.to_files(mode="incremental"), keeps_state=False)
    assert targets.lab.jobs("query") == []
    result = targets.run(targets.to_files(), keeps_state=False)
    assert (result["mark_before"], result["mark_after"]) == (None, None)
    assert json.loads(Path(result["manifest"]).read_text())["mark"] is not None


def test_mapped_tasks_have_folders_of_their_own_or_are_refused(targets: Targets) -> None:
    """Mapped over objects they have; over parts of one object they would write the same files."""
    fixed = targets.settings({"results_path": str(targets.folder)})
    name, where = fixed.pop("object_name"), fixed.pop("where")
    with DAG("mapped", schedule=None):
        partial = SalesforceToObjectStorageOperator.partial
        objects = partial(**{**fixed, "task_id": "objects"}, where=where).expand(object_name=[name])
        parts = partial(**{**fixed, "task_id": "parts"}, object_name=name).expand(where=[where])
    with pytest.raises(AirflowFailException, match="is one place for all mapped tasks"):
        targets.run(parts.unmap({"where": where}), Attempts(task_id="parts", map_index=0))
    assert targets.lab.jobs("query") == []
    assert targets.run(objects.unmap({"object_name": name}), Attempts(task_id="objects", map_index=0))[
        "files"
    ]
