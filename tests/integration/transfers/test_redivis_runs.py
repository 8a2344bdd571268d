"""Runs that another run, a release or somebody's hand comes between: no row is lost or there twice."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobFailed, JobsError, ProtocolError
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.transfers.salesforce_to_redivis import SalesforceToRedivisOperator
from tests.integration.salesforce.lab import HASTY
from tests.integration.task_log import lines_of
from tests.integration.task_run import Attempts
from tests.integration.transfers.targets import ASSET, KEY
from tests.integration.transfers.test_to_redivis import names, rows_in, strategy

if TYPE_CHECKING:
    from tests.integration.transfers.targets import Targets


def release(targets: Targets) -> None:
    dataset = f"acme.{targets.redivis.dataset}"
    targets.run(RedivisReleaseOperator(task_id="release", dataset=dataset, **HASTY))


def released_rows(targets: Targets) -> int:
    return int(targets.redivis.client.get_table(targets.redivis.table.replace(":next", ""))["numRows"])


def cut(targets: Targets, run: Attempts, **changes: Any) -> None:
    """Run an attempt that reads, and sends nothing."""
    targets.redivis.fault("tempUploads.create", "reply", status=503, times=0)
    with pytest.raises(JobsError):
        targets.run(targets.to_redivis(**changes), run)
    targets.route.sandbox.clear_faults()


def once_it_is_sent(patch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let something happen between an upload's end and what the task does then, the first time."""
    own = SalesforceToRedivisOperator.note

    def note(task: Any, statuses: Any) -> None:
        own(task, statuses)
        if task.stage == "upload":
            patch.undo()
            happens()

    patch.setattr(SalesforceToRedivisOperator, "note", note)


def test_a_retry_of_an_older_full_run_does_not_double_the_rows_of_a_later_one(targets: Targets) -> None:
    targets.write(1, 2)
    run = Attempts()
    cut(targets, run)
    targets.write(3)
    targets.run(targets.to_redivis())
    result = targets.run(targets.to_redivis(), run, 2)
    assert (names(targets), rows_in(targets)) == ([result["name"]], 3)


def test_a_retry_of_an_older_full_run_takes_no_later_changes_away(targets: Targets) -> None:
    """The mark is that of the later run, whose version is released: nobody would read them again."""
    targets.write(1, 2)
    run, incremental = Attempts(), {"mode": "incremental"}
    cut(targets, run, **incremental)
    targets.write(3)
    targets.run(targets.to_redivis(**incremental))
    release(targets)
    result = targets.run(targets.to_redivis(**incremental), run, 2)
    assert (result["mode"], result["record_count"], released_rows(targets)) == ("incremental", 0, 3)


@pytest.mark.parametrize("outlets", [[ASSET], []], ids=["with a mark", "without"])
def test_a_full_run_that_is_overtaken_leaves_the_later_one_alone(
    targets: Targets, outlets: list[Any]
) -> None:
    targets.write(1, 2)
    run, settings = Attempts(), {"outlets": outlets}

    def overtake() -> None:
        targets.write(3)
        targets.run(targets.to_redivis(**settings))

    with pytest.MonkeyPatch.context() as patch:
        once_it_is_sent(patch, overtake)
        with pytest.raises(JobFailed, match="another run was faster: it has read all") as caught:
            targets.run(targets.to_redivis(**settings), run)
    assert caught.value.retryable
    assert (len(names(targets)), rows_in(targets)) == (1, 3)
    targets.wait()
    result = targets.run(targets.to_redivis(**settings), run, 2)
    assert (names(targets), rows_in(targets)) == ([result["name"]], 3)


@pytest.mark.parametrize("opened", [True, False])
def test_a_full_run_whose_version_is_released_meanwhile_replaces_in_the_next(
    targets: Targets, *, opened: bool
) -> None:
    """It is no success: the version that was released has the rows of the one before, too."""
    targets.write(1, 2)
    targets.run(targets.to_redivis())
    release(targets)
    targets.write(3)
    run = Attempts()

    def publish() -> None:
        release(targets)
        if opened:
            targets.redivis.client.create_version(f"acme.{targets.redivis.dataset}")

    with pytest.MonkeyPatch.context() as patch:
        once_it_is_sent(patch, publish)
        with pytest.raises(JobFailed, match="the version was released, or the upload deleted") as caught:
            targets.run(targets.to_redivis(), run)
    assert caught.value.retryable
    targets.wait()
    result = targets.run(targets.to_redivis(), run, 2)
    assert (names(targets), strategy(targets), rows_in(targets)) == ([result["name"]], "replace", 3)


@pytest.mark.parametrize("how", ["another", "gone", "made anew"])
def test_a_mark_without_its_table_is_of_no_use(targets: Targets, how: str) -> None:
    """Changes alone would be all that the new table ever has."""
    targets.write(1, 2)
    targets.run(targets.to_redivis())
    targets.write(3)
    if how == "another":
        targets.redivis.table = targets.redivis.table.replace("orders", "others")
    else:
        dataset = f"{targets.redivis.dataset}_again"
        targets.redivis.table = targets.redivis.table.replace(targets.redivis.dataset, dataset)
        targets.redivis.dataset = dataset
    if how == "made anew":
        targets.redivis.make_table()
    result = targets.run(targets.to_redivis(mode="incremental"))
    assert (result["mode"], result["mark_before"], rows_in(targets)) == ("full", None, 3)
    targets.write(4)
    result = targets.run(targets.to_redivis(mode="incremental"))
    assert (result["mode"], rows_in(targets)) == ("incremental", 4)


def test_a_mark_that_does_not_name_its_table_counts(targets: Targets) -> None:
    """It is of an earlier version of this package."""
    targets.write(1)
    targets.run(targets.to_redivis())
    del targets.states[ASSET].kept[KEY]["table"]
    targets.write(2)
    assert targets.run(targets.to_redivis(mode="incremental"))["mode"] == "incremental"


def test_a_mark_that_is_put_back_before_a_retry_leaves_nothing_unread(targets: Targets) -> None:
    targets.write(1)
    before = targets.run(targets.to_redivis())["mark_after"]
    targets.write(2)
    targets.run(targets.to_redivis(mode="incremental"))
    targets.write(3)
    run = Attempts()
    cut(targets, run, mode="incremental")
    targets.states[ASSET].kept[KEY]["synced_to"] = before
    result = targets.run(targets.to_redivis(mode="incremental"), run, 2)
    assert (result["mark_before"], result["record_count"]) == (before, 2)


def test_a_full_run_corrects_a_mark_of_the_future(targets: Targets) -> None:
    """As the message says that an incremental run fails with."""
    targets.write(1)
    targets.run(targets.to_redivis())
    ahead = dt.datetime.fromisoformat(str(targets.mark)) + dt.timedelta(days=9)
    targets.states[ASSET].kept[KEY]["synced_to"] = ahead.isoformat()
    with pytest.raises(AirflowFailException, match='read the object with mode "full"'):
        targets.run(targets.to_redivis(mode="incremental"))
    targets.wait()
    result = targets.run(targets.to_redivis())
    assert targets.mark is not None
    assert targets.mark < ahead.isoformat()
    assert result["mark_after"] == targets.mark


def test_the_log_says_what_is_sent_where_to(targets: Targets, capsys: pytest.CaptureFixture[str]) -> None:
    targets.write(1)
    lines_of(capsys)
    targets.run(targets.to_redivis())
    told = lines_of(capsys)
    assert [line for line in told if line.startswith("queryAll: SELECT Id")]
    assert [line for line in told if line.startswith(f'upload: {{"table": "{targets.redivis.table}"')]
    assert not [line for line in told if line.startswith("salesforce: ")]


def test_a_query_that_does_not_tell_its_records_is_not_one_without(targets: Targets) -> None:
    targets.write(1)
    targets.run(targets.to_redivis())
    targets.write(2)
    mark = targets.mark
    targets.lab.fault("query.get", "patch", document={"numberRecordsProcessed": None}, times=0)
    with pytest.raises(ProtocolError, match="does not say how many records it has"):
        targets.run(targets.to_redivis(mode="incremental"))
    assert targets.mark == mark
