"""A second chance: rejected records sent again as they are, parts in their turn, locks waited out."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.errors import DeadlineExceeded, JobsError, OutageError
from tests.integration.salesforce.lab import SalesforceLab, csv_rows, expected, states, write, written
from tests.integration.task_run import Attempts, TaskRun, perform, run_trigger

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = {"SEMICOLON": ";", "PIPE": "|", "TAB": "\t", "CARET": "^", "BACKQUOTE": "`", "COMMA": ","}


@pytest.mark.parametrize("part_bytes", [100_000, 1200])
def test_failed_records_can_be_sent_again_as_they_are(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path, part_bytes: int
) -> None:
    """The columns that Salesforce adds are no fields; values that hold anything are what they were."""
    name = f'Zoë "x",\r\n{lab.mark}; y\r'
    rows = [f'"{name.replace(chr(34), chr(34) * 2)}",{lab.mark}-{n},a few' for n in range(30)]
    (tmp_path / "a.csv").write_bytes(("Name,External_Id__c,NumberOfEmployees\n" + "\n".join(rows)).encode())
    results = tmp_path / "results"
    with pytest.raises(AirflowFailException, match="30 of 30 records were rejected"):
        ingest(tmp_path / "a.csv", results_path=results, part_bytes=part_bytes)
    failed = results / "failed.csv"
    failed.write_bytes(failed.read_bytes().replace(b"a few", b"7"))
    result = ingest(failed, results_path=tmp_path / "again")
    assert (result["record_count"], result["failed_record_count"]) == (30, 0)
    found = csv_rows((tmp_path / "again" / "successful.csv").read_bytes())
    assert {row["Name"] for row in found} == {name}
    assert written(lab) == expected(lab, 30)


def test_added_columns_are_told(lab: SalesforceLab, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        f'"sf__Id";"sf__Error";"Name";"External_Id__c"\r\n"";"X";"A";"{lab.mark}-0"\r\n', newline=""
    )
    assert perform(lab.ingest(path))["record_count"] == 1
    assert written(lab) == expected(lab, 1)
    assert "columns sf__Id, sf__Error are Salesforce's own, and left out" in caplog.text
    assert "SEMICOLON between its fields" in caplog.text


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("deferrable", [False, True])
def test_the_delimiter_is_found(lab: SalesforceLab, tmp_path: Path, name: str, *, deferrable: bool) -> None:
    """And known again at the end, where what was rejected is read."""
    mark = MARKS[name]
    lines = [["Name", "External_Id__c"], ["A,;|^`\t", f"{lab.mark}-0"], ["", f"{lab.mark}-bad"]]
    text = "".join(mark.join(f'"{value}"' for value in line) + "\n" for line in lines)
    (tmp_path / "a.csv").write_text(text)
    lab.slow(0.2)
    with pytest.raises(
        AirflowFailException, match=rf"REQUIRED_FIELD_MISSING \(record with External_Id__c {lab.mark}-bad"
    ):
        perform(lab.ingest(tmp_path / "a.csv", deferrable=deferrable))
    assert written(lab) == expected(lab, 1)
    assert lab.jobs()[0]["columnDelimiter"] == name


def test_a_header_that_leaves_the_delimiter_open_is_refused(lab: SalesforceLab, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Name;Phone,External_Id__c\nA;1\n")
    with pytest.raises(
        AirflowFailException, match="COMMA and SEMICOLON between its names: set column_delimiter"
    ):
        perform(lab.ingest(tmp_path / "a.csv"))
    assert lab.jobs() == []


def spans(lab: SalesforceLab) -> list[tuple[str, str]]:
    return [(job["createdDate"], job["systemModstamp"]) for job in lab.jobs("ingest")]


def test_parts_in_their_turn(lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path) -> None:
    """Never are two of them processed at a time; all are counted."""
    running: list[int] = []
    close = lab.sandbox.salesforce_jobs

    def look() -> None:
        running.append(sum(job["state"] in {"UploadComplete", "InProgress"} for job in close()[lab._known :]))

    from airflow_provider_jobs.clients.salesforce import change  # noqa: PLC0415 - imports requests

    with pytest.MonkeyPatch.context() as patch:
        before = change.close

        def looked_at(*given: Any) -> Any:
            look()
            return before(*given)

        patch.setattr(change, "close", looked_at)
        result = ingest(
            write(lab, tmp_path, 40), part_bytes=1000, parts_in_turn=True, results_path=tmp_path / "r"
        )
    assert len(result["jobs"]) >= 3
    assert running == [0] * len(result["jobs"])
    assert result["record_count"] == 40
    assert written(lab) == expected(lab, 40)
    assert len(csv_rows(Path(result["files"][0]["path"]).read_bytes())) == 40


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_part_that_fails_leaves_none_open(lab: SalesforceLab, tmp_path: Path, *, deferrable: bool) -> None:
    run, path = Attempts(), write(lab, tmp_path, 40)
    lab.slow(0.2)
    lab.fault("ingest.run", "reply", status=400, nth=2)
    how = {"part_bytes": 1000, "parts_in_turn": True, "deferrable": deferrable}
    with pytest.raises(
        (AirflowFailException, JobsError), match="2 Salesforce jobs failed: SERVER_UNAVAILABLE"
    ):
        perform(lab.ingest(path, **how), run.context())
    assert set(states(lab)) == {"JobComplete", "Failed", "Aborted"}
    lab.sandbox.clear_faults()
    assert perform(lab.ingest(path, **how), run.context(2))["record_count"] == 40
    assert written(lab) == expected(lab, 40)


def test_a_kill_between_parts_leaves_none_open(lab: SalesforceLab, tmp_path: Path) -> None:
    run, path = Attempts(), write(lab, tmp_path, 40)
    lab.slow(30)
    task = lab.ingest(path, part_bytes=1000, parts_in_turn=True, deferrable=True)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(run.context())
    assert states(lab).count("Open") == len(states(lab)) - 1 >= 2
    trigger = caught.value.trigger
    import asyncio  # noqa: PLC0415 - for this one

    asyncio.run(trigger.on_kill())
    assert set(states(lab)) == {"Aborted"}
    lab.slow(0)
    assert (
        perform(lab.ingest(path, part_bytes=1000, parts_in_turn=True), run.context(2))["record_count"] == 40
    )
    assert written(lab) == expected(lab, 40)


ERRORS = {
    "code": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--",
    "words": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: Unable to obtain exclusive access to 1 records:--",
}


@pytest.mark.parametrize(
    ("error", "part_bytes", "in_turn"),
    [("code", 100_000, False), ("words", 1200, False), ("code", 1200, True)],
)
def test_records_that_a_lock_kept_out_are_sent_again_they_alone(
    lab: SalesforceLab,
    ingest: Callable[..., Any],
    tmp_path: Path,
    error: str,
    part_bytes: int,
    *,
    in_turn: bool,
) -> None:
    lab.fault("ingest.run", "lock_records", records=3, error=ERRORS[error], times=1)
    path = write(lab, tmp_path, 40, bad=2)
    result = ingest(
        path, part_bytes=part_bytes, parts_in_turn=in_turn, max_failed_records=2, results_path=tmp_path / "r"
    )
    assert written(lab) == expected(lab, 40)
    assert (result["record_count"], result["failed_record_count"]) == (42, 2)
    files = {file["records"]: csv_rows(Path(file["path"]).read_bytes()) for file in result["files"]}
    assert sorted(row["External_Id__c"] for row in files["successful"]) == expected(lab, 40)
    assert sorted(row["External_Id__c"] for row in files["failed"]) == [f"{lab.mark}-bad-{n}" for n in (0, 1)]
    sent = [job["numberRecordsProcessed"] for job in lab.jobs("ingest")]
    assert sum(sent) == 42 + 3


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_lock_that_stays_counts_as_rejected_in_the_end(
    lab: SalesforceLab, tmp_path: Path, retries: int, *, deferrable: bool
) -> None:
    lab.slow(0.1)
    lab.fault("ingest.run", "lock_records", records=2, times=0)
    with pytest.raises(AirflowFailException, match="3 of 11 records were rejected") as caught:
        perform(lab.ingest(write(lab, tmp_path, 10, bad=1), lock_retries=retries, deferrable=deferrable))
    text = str(caught.value)
    assert (text.count("UNABLE_TO_LOCK_ROW"), text.count("REQUIRED_FIELD_MISSING")) == (2, 1)
    assert len(lab.jobs("ingest")) == 1 + retries
    assert len(written(lab)) == 8


@pytest.mark.parametrize("where", ["create", "data", "close", "deferred"])
def test_a_retry_sends_no_locked_record_twice(lab: SalesforceLab, tmp_path: Path, where: str) -> None:
    """Whatever ends the attempt while the second job is made, or runs."""
    run, path = Attempts(), write(lab, tmp_path, 10)
    lab.fault("ingest.run", "lock_records", records=4, times=1)
    if where != "deferred":
        lab.fault(f"ingest.{where}", "reply", status=503, nth=2, times=0)
        with pytest.raises(JobsError, match="503"):
            perform(lab.ingest(path), run.context())
        lab.sandbox.clear_faults()
    else:
        task = lab.ingest(path, deferrable=True)
        lab.slow(0.3)
        with pytest.raises(TaskDeferred):
            perform_once_more(task, run.context())
    result = perform(lab.ingest(path), run.context(2))
    assert (result["record_count"], result["failed_record_count"]) == (10, 0)
    assert written(lab) == expected(lab, 10)


def perform_once_more(task: Any, context: Any) -> None:
    """Run a task until it defers the second time: the triggerer dies then, and the attempt with it."""
    try:
        task.execute(context)
    except TaskDeferred as deferred:
        first = deferred
    client, refs = task.client(), first.trigger.refs
    while not all(client.status(ref).state.ended for ref in refs):
        pass
    statuses = [client.status(ref).to_json() for ref in refs]
    event = {
        "outcome": "ended",
        "refs": [ref.to_json() for ref in refs],
        "adopted": False,
        "statuses": statuses,
    }
    carried = json.loads(json.dumps(first.trigger.carried))
    task.execute_complete(context, {**event, "carried": carried})


def test_a_kill_while_locked_records_are_sent_leaves_no_job(lab: SalesforceLab, tmp_path: Path) -> None:
    run, path = Attempts(), write(lab, tmp_path, 10)
    lab.fault("ingest.run", "lock_records", records=4, times=1)
    task = lab.ingest(path)
    submit = type(lab.client).submit
    made: list[Any] = []

    def killing(client: Any, request: Any) -> Any:
        found = submit(client, request)
        made.append(found)
        if len(made) == 2:
            task.on_kill()
        return found

    lab.slow(0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(lab.client), "submit", killing)
        with pytest.raises((JobsError, OutageError)):
            perform(task, run.context())
    assert states(lab) == ["JobComplete", "Aborted"]
    assert perform(lab.ingest(path), run.context(2))["record_count"] == 10
    assert written(lab) == expected(lab, 10)


def test_jobs_before_one_that_was_aborted_count_once(lab: SalesforceLab, tmp_path: Path) -> None:
    """Somebody aborts the job that a retry has adopted: it makes another, and meets the first again."""
    run, path = Attempts(), write(lab, tmp_path, 40)
    how: dict[str, Any] = {"part_bytes": 1000, "parts_in_turn": True, "deferrable": True, "inline_wait": 0.0}
    lab.slow(0.2)
    task, context = lab.ingest(path, **how), run.context()
    with pytest.raises(TaskDeferred) as first:
        task.execute(context)
    fired, _ = run_trigger(first.value, context)
    lab.slow(30)
    with pytest.raises(TaskDeferred):
        task.execute_complete(context, json.loads(json.dumps(fired.payload)))
    task, context = lab.ingest(path, **how), run.context(2)
    with pytest.raises(TaskDeferred) as adopted:
        task.execute(context)
    for ref in adopted.value.trigger.refs:
        lab.client.abort_job(ref)
    lab.slow(0)
    result = perform(task, context, since=adopted.value)
    assert result["record_count"] == 40
    assert len({job["job_id"] for job in result["jobs"]}) == len(result["jobs"])
    assert written(lab) == expected(lab, 40)


def test_records_of_a_lock_count_once_where_the_task_fails(lab: SalesforceLab, tmp_path: Path) -> None:
    """In the XCom, too: of 42 records 2 are rejected, and 3 went to another job."""
    run = Attempts()
    lab.fault("ingest.run", "lock_records", records=3, error=ERRORS["code"], times=1)
    with pytest.raises(AirflowFailException, match="2 of 42 records were rejected"):
        perform(lab.ingest(write(lab, tmp_path, 40, bad=2)), run.context())
    told = run.xcoms["job"]
    assert (told["record_count"], told["failed_record_count"]) == (42, 2)


@pytest.mark.parametrize("what", ["part", "locked"])
def test_no_job_is_begun_after_the_timeout(lab: SalesforceLab, tmp_path: Path, what: str) -> None:
    run, path = Attempts(), write(lab, tmp_path, 40)
    how: dict[str, Any] = {"deferrable": True, "inline_wait": 0.0, "execution_timeout": dt.timedelta(hours=1)}
    if what == "part":
        how |= {"part_bytes": 1000, "parts_in_turn": True}
    else:
        lab.fault("ingest.run", "lock_records", records=3, times=1)
    lab.slow(0.2)
    context, task = run.context(), lab.ingest(path, **how)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    deferred.value.trigger.deadline = None
    context["ti"].start_date -= dt.timedelta(hours=2)
    with pytest.raises(DeadlineExceeded, match="no further job is begun"):
        perform(task, context, since=deferred.value)
    assert states(lab).count("JobComplete") == 1
    assert not {"UploadComplete", "InProgress"} & set(states(lab))


def test_after_a_part_that_was_refused_no_further_one_is_sent(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.fault("ingest.create", "reply", status=400, reason="INVALIDENTITY", nth=2, times=1)
    with pytest.raises(AirflowFailException, match="INVALIDENTITY"):
        perform(lab.ingest(write(lab, tmp_path, 40), part_bytes=500, parallel_uploads=1), TaskRun().context())
    assert len(lab.requests("ingest.create")) == 2


@pytest.mark.parametrize("operation", ["upsert", "insert"])
def test_jobs_of_locked_records_of_another_file(lab: SalesforceLab, tmp_path: Path, operation: str) -> None:
    """Their old values must not come after the new ones; and records are not inserted twice."""
    run, path = Attempts(), write(lab, tmp_path, 10)
    how: dict[str, Any] = {"operation": operation, "deferrable": True}
    how |= {"external_id_field": "External_Id__c"} if operation == "upsert" else {}
    lab.fault("ingest.run", "lock_records", records=4, times=1)
    lab.slow(0.3)
    with pytest.raises(TaskDeferred):
        perform_once_more(lab.ingest(path, **how), run.context())
    lab.slow(30)
    write(lab, tmp_path, 11)
    if operation == "insert":
        with pytest.raises(AirflowFailException, match="other records than those to send now"):
            perform(lab.ingest(path, **how), run.context(2))
        return
    lab.slow(0)
    assert perform(lab.ingest(path, **how), run.context(2))["record_count"] == 11
    assert "Aborted" in states(lab)


@pytest.mark.parametrize("operation", ["ingest.close", "ingest.abort"])
@pytest.mark.parametrize("body", ["{}", '{"state": null}'])
def test_a_change_whose_reply_tells_no_state(
    lab: SalesforceLab, tmp_path: Path, operation: str, body: str
) -> None:
    """The job is asked for."""
    lab.fault(operation, "garbage", body=body, times=1)
    if operation == "ingest.close":
        assert perform(lab.ingest(write(lab, tmp_path, 3)))["record_count"] == 3
        return
    job = lab.client.create_ingest_job({"object": "Account", "operation": "insert"})
    assert lab.client.abort_job(job["id"], "ingest")["state"] == "Aborted"


def test_empty_lines_alone_make_no_job(lab: SalesforceLab, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Name,External_Id__c\n\n\n\n")
    assert perform(lab.ingest(tmp_path / "a.csv"))["record_count"] == 0
    assert lab.jobs() == []


def test_parts_in_turn_need_the_wait(lab: SalesforceLab, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="parts_in_turn clashes with wait=False"):
        lab.ingest(write(lab, tmp_path), parts_in_turn=True, wait=False).execute(TaskRun().context())
