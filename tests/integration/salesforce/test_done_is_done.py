"""What Salesforce has completed is never sent again, and what it has not is not left behind."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.clients.salesforce.names import job_path
from airflow_provider_jobs.errors import JobsError, ResultsUnavailable
from tests.integration.salesforce.lab import SalesforceLab, csv_rows, expected, states, write, written
from tests.integration.task_run import Attempts, Store, TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable

both = pytest.mark.parametrize("deferrable", [False, True])
pytestmark = pytest.mark.usefixtures("short_graces")


UNREADABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "503": ("reply", {"status": 503}),
    "403": ("reply", {"status": 403, "reason": "INSUFFICIENT_ACCESS"}),
    "404": ("not_found", {}),
    "400": ("reply", {"status": 400, "reason": "API_ERROR"}),
    "page": ("answer", {"status": 200, "body": "<html>no</html>"}),
    "cut": ("cut_reply", {"bytes": 10}),
}


@both
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", UNREADABLE)
def test_results_that_cannot_be_read_just_then_are_read_by_the_retry(
    lab: SalesforceLab, tmp_path: Path, name: str, parts: int, *, deferrable: bool
) -> None:
    lab.slow(0.3, pending=0.1)
    run, path = Attempts(max_tries=1), write(lab, tmp_path)
    settings: dict[str, Any] = {"results_path": tmp_path / "r", "deferrable": deferrable}
    if parts > 1:
        settings["part_bytes"] = 3000
    action, how = UNREADABLE[name]
    lab.fault("ingest.results", action, times=0, **how)
    with pytest.raises(ResultsUnavailable, match="completed, and the results could not be read") as caught:
        perform(lab.ingest(path, **settings), run.context(1))
    assert "the next attempt goes on with what is complete" in str(caught.value)
    assert "the records are written, and clearing the task would send all of them again" in str(caught.value)
    assert all(job["id"] in str(caught.value) for job in lab.jobs("ingest"))
    lab.sandbox.clear_faults()
    made = len(lab.jobs("ingest"))
    result = perform(lab.ingest(path, **settings), run.context(2))
    assert result["files"][0]["record_count"] == 100
    assert len(lab.jobs("ingest")) == made
    assert written(lab) == expected(lab)
    assert set(states(lab)) == {"JobComplete"}


@both
@pytest.mark.parametrize("parts", [1, 3])
def test_the_retry_needs_no_file(lab: SalesforceLab, tmp_path: Path, parts: int, *, deferrable: bool) -> None:
    """It may be on another worker."""
    lab.slow(0.2)
    run, path = Attempts(max_tries=1), write(lab, tmp_path)
    settings: dict[str, Any] = {"results_path": tmp_path / "r", "deferrable": deferrable}
    if parts > 1:
        settings["part_bytes"] = 3000
    lab.fault("ingest.results", "reply", status=503, times=0)
    with pytest.raises(ResultsUnavailable):
        perform(lab.ingest(path, **settings), run.context(1))
    lab.sandbox.clear_faults()
    path.unlink()
    result = perform(lab.ingest(path, **settings), run.context(2))
    assert result["files"][0]["record_count"] == result["record_count"] == 100
    assert written(lab) == expected(lab)
    run.max_tries += 1  # as a clear does
    with pytest.raises(AirflowFailException, match="cannot be read"):
        perform(lab.ingest(path, **settings), run.context(3))


@both
def test_the_retry_without_the_file_knows_its_delimiter(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    """By which what was rejected is read."""
    run, path = Attempts(max_tries=1), tmp_path / "a.csv"
    path.write_text(f"Name\tIndustry\n{lab.mark}\tBanking\n\tBanking\n")
    lab.fault("ingest.results", "reply", status=503, times=0)
    with pytest.raises(ResultsUnavailable):
        perform(lab.ingest(path, deferrable=deferrable), run.context(1))
    lab.sandbox.clear_faults()
    path.unlink()
    with pytest.raises(AirflowFailException, match="REQUIRED_FIELD_MISSING"):
        perform(lab.ingest(path, deferrable=deferrable), run.context(2))


@both
def test_the_last_attempt_says_that_the_records_are_written(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    lab.slow(0.2)
    lab.fault("ingest.results", "reply", status=403, times=0)
    task = lab.ingest(write(lab, tmp_path), results_path=tmp_path / "r", deferrable=deferrable)
    with pytest.raises(ResultsUnavailable, match="the records are written") as caught:
        perform(task, Attempts(max_tries=0).context(1))
    assert "next attempt" not in str(caught.value)
    assert states(lab) == ["JobComplete"]


def test_without_a_store_no_retry_writes_the_records_twice(lab: SalesforceLab, tmp_path: Path) -> None:
    """It could not find the job: the task fails for good, and says what is written."""
    lab.fault("ingest.results", "reply", status=503, times=0)
    with pytest.raises(AirflowFailException, match="the records are written"):
        perform(lab.ingest(write(lab, tmp_path), results_path=tmp_path / "r"), TaskRun().context())
    assert written(lab) == expected(lab)


@both
@pytest.mark.parametrize("name", ["503", "403", "404"])
def test_a_query_whose_results_cannot_be_read_just_then_is_not_run_again(
    lab: SalesforceLab, tmp_path: Path, name: str, *, deferrable: bool
) -> None:
    lab.slow(0.2)
    run = Attempts(max_tries=1)
    settings: dict[str, Any] = {"results_path": tmp_path / "a.csv", "deferrable": deferrable}
    action, how = UNREADABLE[name]
    lab.fault("query.results", action, times=0, **how)
    with pytest.raises(ResultsUnavailable, match="completed, and the results could not be read"):
        perform(lab.query(**settings), run.context(1))
    lab.sandbox.clear_faults()
    assert perform(lab.query(**settings), run.context(2))["files"][0]["record_count"] > 0
    assert len(lab.jobs()) == 1


EMPTY: dict[str, dict[str, Any]] = {
    "no content": {"status": 204},
    "empty body": {"status": 200, "body": "", "content_type": "text/csv"},
    "empty body of another type": {"status": 200, "body": "", "content_type": "application/json"},
    "shorter header": {"status": 200, "body": '"sf__Id","sf__Error"\n', "content_type": "text/csv"},
    "header without end": {"status": 200, "body": '"sf__Id","sf__Error"', "content_type": "text/csv"},
}


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", EMPTY)
def test_no_failed_records_may_be_told_in_any_way(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path, name: str, nth: int
) -> None:
    """Of one of several jobs."""
    lab.fault("ingest.results", "answer", path="failedResults", nth=nth, **EMPTY[name])
    result = ingest(write(lab, tmp_path), part_bytes=3000, results_path=tmp_path / "r")
    assert [file["record_count"] for file in result["files"]] == [100, 0, 0]
    assert csv_rows(Path(result["files"][1]["path"]).read_bytes()) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_job_whose_results_have_fewer_columns_is_part_of_the_file(
    lab: SalesforceLab, tmp_path: Path, number: int
) -> None:
    run, path = Attempts(), write(lab, tmp_path)
    settings: dict[str, Any] = {"part_bytes": 3000}
    perform(lab.ingest(path, **settings), run.context())
    ref = lab.client.ref(lab.jobs("ingest")[number]["id"], "ingest")
    with lab.client.csv(f"{job_path(ref)}/successfulResults/", {}) as reply:
        rows = csv_rows(b"".join(reply.blocks))
    text = io.StringIO()
    columns = [column for column in rows[0] if column != "Industry"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    answer = {"status": 200, "body": text.getvalue(), "content_type": "text/csv"}
    lab.fault("ingest.results", "answer", path=f"{ref.id}/successfulResults", times=0, **answer)
    result = perform(lab.ingest(path, results_path=tmp_path / "r", **settings), run.context(2))
    found = csv_rows(Path(result["files"][0]["path"]).read_bytes())
    assert result["files"][0]["record_count"] == 100
    assert sorted(row["External_Id__c"] for row in found) == expected(lab)
    lacking = [row for row in found if row["Industry"] == ""]
    assert sorted(row["sf__Id"] for row in lacking) == sorted(row["sf__Id"] for row in rows)
    assert {row["Industry"] for row in found} == {"Energy", ""}


# Nice to know.


@both
@pytest.mark.parametrize("action", ["hang", "reply"])
def test_a_job_that_cannot_be_deleted_holds_up_no_task(
    lab: SalesforceLab, tmp_path: Path, action: str, *, deferrable: bool
) -> None:
    lab.slow(0.2)
    settings = {"seconds": 2} if action == "hang" else {}
    lab.fault("(query|ingest).delete", action, times=0, **settings)
    query = lab.query(results_path=tmp_path / "a.csv", delete_job=True, deferrable=deferrable)
    assert perform(query)["state"] == "succeeded"
    assert (
        perform(lab.ingest(write(lab, tmp_path), delete_job=True, deferrable=deferrable))["record_count"]
        == 100
    )


def out_after(context: Any, good: int = 0) -> Any:
    """Let no XCom be written after so many."""
    push, pushed = context["ti"].xcom_push, list[str]()

    def out(key: str, value: Any) -> None:
        pushed.append(key)
        if len(pushed) > good:
            raise ConnectionError("the XCom backend is out")
        push(key, value)

    context["ti"].xcom_push = out
    return context


@both
def test_an_xcom_that_cannot_be_written_after_success_fails_no_task(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    lab.slow(0.2)
    task = lab.ingest(write(lab, tmp_path), results_path=tmp_path / "r", deferrable=deferrable)
    assert perform(task, out_after(Attempts().context(), good=2))["record_count"] == 100


@both
def test_a_checkpoint_that_cannot_be_kept_fails_no_download(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    class Full(Store):
        def set(self, key: str, value: Any, **options: Any) -> None:
            if key == "salesforce_download":
                raise ConnectionError("the store is out")
            super().set(key, value, **options)

    task = lab.query(results_path=tmp_path / "a.csv", deferrable=deferrable)
    assert perform(task, Attempts(store=Full()).context())["files"][0]["record_count"] > 0


# Cancels that did not arrive.


@pytest.mark.parametrize("where", ["worker", "triggerer"])
@pytest.mark.parametrize("kind", ["query", "ingest"])
@pytest.mark.parametrize(
    ("action", "how"),
    [
        ("not_found", {}),
        ("reply", {"status": 403, "reason": "INSUFFICIENT_ACCESS"}),
        ("reply", {"status": 400, "reason": "INVALIDJOBSTATE"}),
    ],
)
def test_a_kill_asks_again_where_its_abort_was_not_taken(
    lab: SalesforceLab, tmp_path: Path, kind: str, action: str, how: dict[str, Any], where: str
) -> None:
    lab.slow(60, pending=60)
    more: dict[str, Any] = {"deferrable": True}
    task = lab.query(**more) if kind == "query" else lab.ingest(write(lab, tmp_path), **more)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(TaskRun().context())
    lab.fault(f"{kind}.abort", action, times=2, **how)
    if where == "worker":
        task.on_kill()
    else:
        asyncio.run(caught.value.trigger.on_kill())
    assert [job["state"] for job in lab.jobs()] == ["Aborted"]


# The last attempt leaves nothing behind.


@both
@pytest.mark.parametrize("kind", ["query", "ingest"])
@pytest.mark.parametrize(
    ("store", "max_tries", "left"), [(True, 1, True), (True, 0, False), (False, 1, False), (False, 0, False)]
)
def test_a_job_is_left_to_a_retry_that_finds_it_and_to_nobody_else(
    lab: SalesforceLab,
    tmp_path: Path,
    kind: str,
    max_tries: int,
    *,
    store: bool,
    left: bool,
    deferrable: bool,
) -> None:
    lab.slow(60, pending=60)
    run = (Attempts if store else TaskRun)(max_tries=max_tries)
    path = write(lab, tmp_path)

    def task() -> Any:
        return (
            lab.query(deferrable=deferrable) if kind == "query" else lab.ingest(path, deferrable=deferrable)
        )

    with pytest.raises(ConnectionError, match="is out"):
        perform(task(), out_after(run.context(1)))
    (job,) = lab.jobs()
    assert (job["state"] == "Aborted") is not left
    if left:
        lab.sandbox.force_salesforce_job(job["id"], state="JobComplete", numberRecordsProcessed=100)
        assert perform(task(), run.context(2))["job_id"] == job["id"]


@both
@pytest.mark.parametrize("kind", ["query", "ingest"])
def test_a_job_that_cannot_be_kept_for_a_retry_is_aborted(
    lab: SalesforceLab, tmp_path: Path, kind: str, *, deferrable: bool
) -> None:
    class Out(Store):
        def set(self, key: str, value: Any, **options: Any) -> None:
            raise ConnectionError("the store is out")

    lab.slow(60, pending=60)
    more: dict[str, Any] = {"deferrable": deferrable}
    task = lab.query(**more) if kind == "query" else lab.ingest(write(lab, tmp_path), **more)
    with pytest.raises(ConnectionError, match="the store is out"):
        perform(task, Attempts(store=Out(), max_tries=2).context(1))
    assert [job["state"] for job in lab.jobs()] == ["Aborted"]


def test_parts_that_were_sent_are_not_left_by_a_last_attempt(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.slow(60, pending=60)
    lab.fault("ingest.close", "reply", status=503, nth=2, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(
            lab.ingest(write(lab, tmp_path), part_bytes=3000, parallel_uploads=1),
            Attempts(max_tries=0).context(1),
        )
    assert set(states(lab)) == {"Aborted"}


@both
@pytest.mark.parametrize("kind", ["query", "ingest"])
@pytest.mark.parametrize("body", ["{}", ""])
def test_a_create_whose_reply_names_no_job_is_sent_once_more(
    lab: SalesforceLab, tmp_path: Path, kind: str, body: str, *, deferrable: bool
) -> None:
    lab.slow(0.2)
    lab.fault(
        f"{kind}.create", "answer_after_accepting", status=200, body=body, content_type="application/json"
    )
    task = (
        lab.query(deferrable=deferrable)
        if kind == "query"
        else lab.ingest(write(lab, tmp_path), deferrable=deferrable)
    )
    assert perform(task, Attempts(max_tries=0).context(1))["state"] == "succeeded"
    if kind == "ingest":
        assert written(lab) == expected(lab)
