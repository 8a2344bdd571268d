"""Records of an org become uploads of a table of Redivis: a window once, counted, and never half of one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs import compat
from airflow_provider_jobs.errors import JobsError, ProtocolError, SourceChanged
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from tests.integration.redivis.lab import OWNER
from tests.integration.salesforce.lab import HASTY
from tests.integration.task_run import Attempts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.transfers.targets import Targets

PAGED = {"spool_bytes": 0}


def rows_in(targets: Targets) -> int:
    """Return how many rows the table has in the next version, what it inherits included."""
    return int(targets.redivis.client.get_table(targets.redivis.table)["numRows"])


def names(targets: Targets) -> list[str]:
    return sorted(upload["name"] for upload in targets.redivis.uploads())


def strategy(targets: Targets) -> str:
    return str(targets.redivis.client.get_table(targets.redivis.table)["uploadMergeStrategy"])


def test_a_full_upload_replaces_and_changes_are_appended(targets: Targets) -> None:
    """In one version, and from one version to the next."""
    targets.write(1, 2, 3, Name='a "b",\nc')
    first = targets.run(targets.to_redivis(mode="incremental"))
    assert (first["mode"], first["record_count"], first["row_count"], first["replaced"]) == ("full", 3, 3, 0)
    assert (first["mark_before"], first["mark_after"]) == (None, targets.mark)
    assert {"query", "upload"} == first["seconds"].keys() == first["job_ids"].keys()
    assert names(targets) == [first["name"]]
    assert strategy(targets) == "replace"

    targets.write(2, Name="changed")
    targets.delete(3)
    for project in ("salesforce", OWNER):
        targets.route.sandbox.timing(project=project, running_seconds=0.2)
    changes = targets.run(targets.to_redivis(mode="incremental", deferrable=True))
    for project in ("salesforce", OWNER):
        targets.route.sandbox.timing(project=project, running_seconds=0.0)
    ends = [f"{dt.datetime.fromisoformat(each):%Y%m%dT%H%M%SZ}" for each in changes["window"]]
    assert changes["name"] == f"Account-{ends[0]}-{ends[1]}.csv"
    assert (changes["row_count"], targets.mark) == (2, changes["mark_after"])
    assert strategy(targets) == "replace"  # what the full run has replaced does not come back
    assert rows_in(targets) == 5

    release = RedivisReleaseOperator(task_id="r", dataset=f"acme.{targets.redivis.dataset}", **HASTY)
    targets.run(release)
    targets.write(4)
    third = targets.run(targets.to_redivis(mode="incremental"))
    assert (third["row_count"], strategy(targets), rows_in(targets)) == (1, "append", 6)

    targets.wait()
    whole = targets.run(targets.to_redivis())
    assert (whole["mode"], whole["row_count"], whole["replaced"]) == ("full", 4, 1)
    assert (names(targets), rows_in(targets)) == ([whole["name"]], 4)


def test_a_run_without_changes_opens_no_version(targets: Targets) -> None:
    targets.write(1)
    first = targets.run(targets.to_redivis())
    targets.run(RedivisReleaseOperator(task_id="r", dataset=f"acme.{targets.redivis.dataset}", **HASTY))
    targets.wait()
    result = targets.run(targets.to_redivis(mode="incremental"))
    assert (result["record_count"], result["name"], result["row_count"]) == (0, None, 0)
    assert result["mark_after"] == targets.mark > first["mark_after"]
    assert not targets.redivis.client.get_dataset(f"acme.{targets.redivis.dataset}").get("nextVersion")


@pytest.mark.parametrize("spool", [{}, PAGED], ids=["kept on disk", "read twice"])
def test_a_retry_goes_on_with_the_upload_of_an_attempt_that_was_cut(
    targets: Targets, spool: dict[str, int]
) -> None:
    """The query is adopted, and the rest is sent: one upload; the mark moves with its end."""
    targets.write(*range(1, 400), Name="x" * 200)
    run, settings = Attempts(), {"session_bytes": 1, **spool}
    targets.route.sandbox.salesforce_settings(page_rows=100)
    half = 40_000
    targets.redivis.fault("upload.data", "cut_after_bytes", bytes=half)
    targets.redivis.fault("upload.status", "reply", status=503, times=0)
    with pytest.raises(JobsError):
        targets.run(targets.to_redivis(**settings), run)
    assert (targets.mark, names(targets)) == (None, [])
    targets.route.sandbox.clear_faults()
    queries, sent = targets.queries(), targets.redivis.sent()
    result = targets.run(targets.to_redivis(**settings), run, 2)
    assert (targets.queries(), names(targets)) == (queries, [result["name"]])
    assert (result["row_count"], targets.mark) == (399, result["mark_after"])
    assert result["size_bytes"] > half
    assert targets.redivis.sent() - sent <= result["size_bytes"]


def test_pages_that_are_others_than_before_are_all_sent_again(targets: Targets) -> None:
    """What an attempt has kept of its place in them is of no use: it must not fail each retry."""
    targets.write(*range(1, 400), Name="x" * 200)
    run, settings = Attempts(), {"session_bytes": 1, **PAGED}
    targets.route.sandbox.salesforce_settings(page_rows=100)
    targets.redivis.fault("upload.data", "cut_after_bytes", bytes=60_000)
    targets.redivis.fault("upload.status", "reply", status=503, times=0)
    with pytest.raises(JobsError):
        targets.run(targets.to_redivis(**settings), run)
    targets.route.sandbox.clear_faults()
    targets.route.sandbox.salesforce_settings(page_rows=70)
    with pytest.raises((ProtocolError, SourceChanged)):
        targets.run(targets.to_redivis(**settings), run, 2)
    result = targets.run(targets.to_redivis(**settings), run, 3)
    assert (result["row_count"], names(targets)) == (399, [result["name"]])


def test_a_full_upload_that_failed_has_replaced_nothing(targets: Targets, tmp_path: Path) -> None:
    """The rows of the version before stay: only what a full run has brought makes up for them."""
    targets.write(1, 2)
    targets.run(targets.to_redivis(mode="incremental"))
    targets.run(RedivisReleaseOperator(task_id="r", dataset=f"acme.{targets.redivis.dataset}", **HASTY))
    targets.write(3)
    before = targets.run(targets.to_redivis(mode="incremental"))
    bad = tmp_path / "Account-20260101T000000Z.csv"
    bad.write_bytes(b"a,b\n1,2,3\n")
    how = {"file_type": "delimited", "options": {"quoteCharacter": '"'}, "merge_strategy": "replace"}
    with pytest.raises(AirflowFailException):
        targets.run(targets.redivis.operator(str(bad), **how))
    assert (names(targets), strategy(targets)) == (sorted([bad.name, before["name"]]), "replace")
    targets.write(4)
    changes = targets.run(targets.to_redivis(mode="incremental"))
    assert (changes["row_count"], strategy(targets), rows_in(targets)) == (1, "append", 4)


def test_a_full_run_that_sends_nothing_replaces_nothing(targets: Targets) -> None:
    """Somebody may release the version that it has opened: the rows of the version before are in it."""
    targets.write(1, 2)
    targets.run(targets.to_redivis(mode="incremental"))
    release = RedivisReleaseOperator(task_id="r", dataset=f"acme.{targets.redivis.dataset}", **HASTY)
    targets.run(release)
    targets.wait()
    targets.redivis.fault("uploads.create", "reply", status=403, times=0)
    with pytest.raises(AirflowFailException):
        targets.run(targets.to_redivis())
    assert (names(targets), strategy(targets), rows_in(targets)) == ([], "append", 2)


def test_an_upload_is_not_sent_again(targets: Targets) -> None:
    """Neither where Airflow has lost the success, nor where the attempt ended before it noted the upload."""
    targets.write(1, 2)
    run = Attempts()
    first = targets.run(targets.to_redivis(), run)
    for forgets in (False, True):
        if forgets:
            run.store.delete("salesforce_transfer_upload")
        sent, queries = targets.redivis.sent(), targets.queries()
        again = targets.run(targets.to_redivis(), run, 2)
        assert (again["name"], again["row_count"]) == (first["name"], 2)
        assert (targets.redivis.sent(), targets.queries(), names(targets)) == (sent, queries, [first["name"]])


def test_another_upload_of_the_same_window_is_told(targets: Targets) -> None:
    """An explicit window that is read once more has other records perhaps: a user says what counts."""
    client = targets.lab.client
    begin = dt.datetime.fromtimestamp(client.service_time(client.timing.now()) // 1, dt.UTC)
    window = (begin, begin + dt.timedelta(hours=9))
    targets.write(1, 2)
    first = targets.run(targets.to_redivis(mode="window", window=window))
    assert (first["mark_after"], targets.mark, first["row_count"]) == (None, None, 2)
    targets.write(3)
    with pytest.raises(AirflowFailException, match="has another upload named Account-"):
        targets.run(targets.to_redivis(mode="window", window=window))
    assert rows_in(targets) == 2
    again = targets.run(targets.to_redivis(mode="window", window=window, on_conflict="replace"))
    assert (again["name"], again["row_count"], rows_in(targets)) == (first["name"], 3, 3)
    whole = targets.run(targets.to_redivis())
    assert (whole["replaced"], names(targets)) == (
        0,
        sorted([first["name"], whole["name"]]),
    )  # its end is later


def test_records_that_are_missing_fail_the_run(targets: Targets) -> None:
    """Whoever of the two loses one: the mark stays, and no upload takes others away."""
    targets.write(1, 2, 3)
    before = targets.run(targets.to_redivis())
    targets.write(4)
    mark = targets.mark
    targets.lab.fault("query.results", "drop_record", times=0)
    with pytest.raises(ProtocolError, match="has 4 records, and its results have 3"):
        targets.run(targets.to_redivis())
    assert names(targets) == [before["name"]]
    targets.route.sandbox.clear_faults()
    targets.wait()
    targets.redivis.fault("uploads.get", "patch", document={"numRows": 3}, times=0)
    with pytest.raises(AirflowFailException, match="row count is 4 here, 3 there"):
        targets.run(targets.to_redivis())
    assert before["name"] in names(targets)
    assert targets.mark == mark


def test_no_records_empty_the_table(targets: Targets) -> None:
    targets.write(1)
    targets.run(targets.to_redivis())
    targets.wait()
    result = targets.run(targets.to_redivis(where="Name = 'nobody'"))
    assert (result["record_count"], result["row_count"], rows_in(targets)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"table": "acme.x:v1_0.accounts"}, "is a released version"),
        ({"create_missing": False}, "does not exist.*create_missing would create it"),
        ({"create_missing": ["table"]}, "the dataset .* does not exist"),
        ({"options": {"hasHeaderRow": False}}, "options holds hasHeaderRow, which is given"),
        ({"mode": "incremental", "outlets": []}, "needs an asset"),
        ({"mode": "formulas"}, "is for a target whose rows can be updated"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    targets: Targets, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], says: str
) -> None:
    monkeypatch.setattr(compat, "KEEPS_ASSET_STATE", True)
    with pytest.raises(AirflowFailException, match=says):
        targets.run(targets.to_redivis(**settings))
    assert targets.lab.jobs("query") == []
    assert targets.redivis.requests("datasets.create") == []
