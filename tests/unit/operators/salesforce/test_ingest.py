"""What the ingest operator sends, adopts, counts and refuses."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobsError, NotFoundError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator
from tests.integration.task_run import Store
from tests.unit.operators.conftest import Timeout
from tests.unit.operators.salesforce.tasks import (
    NUMBERS,
    ORG,
    REF,
    Client,
    context,
    ingest,
    run,
    status,
)
from tests.unit.tasks import deferred, event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_jobs.core.work import Submission


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_bytes(b"Name\n" + b"x\n" * 7)
    return tmp_path / "a.csv"


def test_parameters_of_an_ingest_become_fields(file: Path) -> None:
    client = Client()
    run(
        ingest(
            client,
            file,
            operation="upsert",
            external_id_field="Ext__c",
            assignment_rule_id="01Q",
            column_delimiter="PIPE",
        )
    )
    (request,) = client.requests
    assert request.body == {
        "object": "Account",
        "operation": "upsert",
        "contentType": "CSV",
        "externalIdFieldName": "Ext__c",
        "assignmentRuleId": "01Q",
        "columnDelimiter": "PIPE",
        "lineEnding": "LF",
    }
    run(ingest(client, file, operation="hard_delete"))
    assert client.requests[1].body["operation"] == "hardDelete"


def test_the_numbers_of_records_sent_come_back_from_the_triggerer(file: Path) -> None:
    client = Client(status("running"))
    task = ingest(client, file, deferrable=True, inline_wait=0.0)
    trigger = deferred(task, context())
    ref = JobRef("salesforce", ORG, "750000000000001", "v59.0/jobs/ingest")
    assert trigger.carried == {"sent": {ref.id: 7}}
    told = event(status(ref=ref, record_count=6), carried=trigger.carried)
    with pytest.raises(AirflowFailException, match="has processed 6 records, and 7 were sent"):
        task.execute_complete(context(), told)
    told = event(status(ref=ref), carried=trigger.carried)
    assert task.execute_complete(context(), told)["record_count"] == 7
    assert task.execute_complete(context(), event(status(ref=ref)))["record_count"] == 7


def test_a_task_that_the_version_before_deferred_counts_too(file: Path) -> None:
    """It kept the numbers beside the trigger, and told of all jobs in one status."""
    ref = JobRef("salesforce", ORG, "750000000000001", "v59.0/jobs/ingest")
    old = {"outcome": "ended", "ref": ref.to_json(), "adopted": False, "status": {"state": "succeeded"}}
    task = ingest(Client(status(ref=ref, record_count=6)), file, deferrable=True)
    with pytest.raises(AirflowFailException, match="has processed 6 records, and 7 were sent"):
        task.execute_complete(context(), old, sent={ref.id: 7})


GONE = NotFoundError("gone", status=404, reason="NOT_FOUND")
OPEN = JobStatus(REF, JobState.PENDING, "Open", statistics=dict(NUMBERS))


@pytest.mark.parametrize(
    ("look", "operation", "made", "says"),
    [
        (status("running"), "insert", 0, None),
        (OPEN, "insert", 1, None),
        (status("cancelled", record_count=0), "insert", 1, None),
        (status("failed", record_count=0), "insert", 1, None),
        (status("failed", record_count=None), "insert", 0, "is Failed, and may have processed some"),
        (status("failed", record_count=3), "update", 1, None),
        (status("failed", record_count=3), "insert", 0, "is Failed, and may have processed some"),
        (status("cancelled", record_count=3), "delete", 0, "would delete records twice"),
        (GONE, "update", 1, None),
        (GONE, "insert", 0, "is gone, and whether it has written records is not known"),
    ],
)
def test_a_retry_of_an_ingest_writes_nothing_twice(
    file: Path, look: Any, operation: str, made: int, says: str | None
) -> None:
    store = Store()
    run(ingest(Client(), file, wait=False, operation=operation), context(store))
    client = Client(*[look] * (2 if look is OPEN else 1), status())
    task = ingest(client, file, wait=False, operation=operation)
    if says:
        with pytest.raises(AirflowFailException, match=says):
            run(task, context(store, try_number=2))
    else:
        run(task, context(store, try_number=2))
    assert client.made == made
    # What a failing task may leave is cancelled, whatever it is.
    assert client.did == (["cancel 750000000000001"] if look is OPEN or says else [])


def test_a_job_that_was_closed_while_it_was_looked_at_is_adopted(file: Path) -> None:
    """Its abort comes too late then, and its records must not be sent again."""
    store = Store()
    run(ingest(Client(), file, wait=False), context(store))
    client = Client(OPEN, status("running"))
    run(ingest(client, file, wait=False), context(store, try_number=2))
    assert client.made == 0


def test_who_is_killed_while_parts_are_sent_sends_no_more(file: Path) -> None:
    class Killing(Client):
        def submit(self, request: Any) -> Submission:
            submission = super().submit(request)
            if self.made == 2:
                task.on_kill()
            return submission

    client = Killing(status("running"))
    task = ingest(client, file, part_bytes=7, parallel_uploads=1, wait=False)
    with pytest.raises(OutageError, match="ended while its parts were sent"):
        run(task, context(Store()))
    assert client.made == 2
    assert sorted(client.did) == ["cancel 750000000000001", "cancel 750000000000002"]


def test_who_is_killed_while_parts_are_sent_aborts_those_of_the_attempt_before(file: Path) -> None:
    """And the one that is created too late for the kill: nobody would ever close it."""
    store, settings = Store(), {"part_bytes": 7, "parallel_uploads": 1}
    run(ingest(Client(), file, wait=False, **settings), context(store))
    store.kept["salesforce_ingest"]["kept"].pop("6")

    class Killing(Client):
        def submit(self, request: Any) -> Submission:
            task.on_kill()
            return super().submit(request)

    client = Killing(status("running"))
    client.made = 7
    task = ingest(client, file, **settings)
    with pytest.raises(OutageError):
        run(task, context(store, try_number=2))
    assert sorted(client.did) == [f"cancel 75000000000000{number}" for number in (*range(1, 7), 8)]


def test_the_end_of_the_task_waits_for_no_part_that_is_sent(
    file: Path, end_of_task: Callable[[], None]
) -> None:
    """One part is still being sent when the task has raised; it is never closed, and no other is begun."""
    go_on, outcome = threading.Event(), SimpleQueue[BaseException | None]()

    class Hanging(Client):
        def submit(self, request: Any) -> Submission:
            end_of_task()
            assert go_on.wait(10)
            try:
                return super().submit(request)
            except OutageError as error:
                outcome.put(error)
                raise

    client = Hanging(status("running"))
    with pytest.raises(Timeout):
        run(ingest(client, file, part_bytes=7, parallel_uploads=1), context(Store()))
    go_on.set()
    assert "ended while its parts were sent" in str(outcome.get(timeout=10))
    assert client.made == 1


@pytest.mark.parametrize(
    "given",
    [
        {"results_path": "/x"},
        {"max_failed_records": 0},
        {"max_failed_share": 0.0},
        {"on_failed_records": "pass"},
        {"delete_job": True},
    ],
)
def test_what_is_for_the_end_of_an_ingest_needs_the_wait(file: Path, given: dict[str, Any]) -> None:
    client = Client()
    with pytest.raises(AirflowFailException, match=f"{next(iter(given))} clashes with wait=False"):
        run(ingest(client, file, wait=False, **given))
    assert client.made == 0


def test_the_end_of_the_task_itself_is_worth_a_retry(file: Path) -> None:
    """Airflow tells a worker to stop, on_kill aborts the job, and the task goes on until it sees that."""
    client = Client(status("cancelled"))
    task = ingest(client, file)
    task.on_kill()
    with pytest.raises(JobsError):
        run(task, context(Store()))


def test_another_org_is_another_matter(file: Path) -> None:
    store = Store()
    run(ingest(Client(), file, wait=False), context(store))
    client = Client()
    client.scope = "other.my.salesforce.com"
    with pytest.raises(AirflowFailException, match="has other records than those to send now"):
        run(ingest(client, file, wait=False), context(store))
    run(ingest(client, file, wait=False), context(store, max_tries=7))
    assert client.made == 1


def test_parts_that_went_through_are_named_beside_the_error(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(b"Name\n" + b"x" * 20 + b"\n" + b"y" * 20 + b"\n")
    client = Client()
    submit = client.submit

    def first_only(request: Any) -> Submission:
        if client.made:
            raise NotFoundError("no more", status=404, reason="x")
        return submit(request)

    client.submit = first_only  # type: ignore[method-assign]
    store = Store()
    with pytest.raises(AirflowFailException, match="no more"):
        run(ingest(client, file, part_bytes=30, parallel_uploads=1), context(store))
    assert "1 of 2 parts were sent, and go on: 750000000000001" in caplog.text
    assert list(store.kept["salesforce_ingest"]["kept"]) == ["0"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"on_failed_records": "x"},
        {"max_failed_share": 2},
        {"max_failed_records": -1},
        {"parallel_uploads": 0},
        {"part_bytes": 0},
        {"part_bytes": 200_000_000},
    ],
)
def test_wrong_parameters_of_an_ingest_break_the_dag(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        SalesforceIngestOperator(task_id="t", source="x", object_name="A", operation="insert", **parameters)


def test_what_names_no_one_file_is_refused(tmp_path: Path, file: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"Name\nx\n")
    client = Client()
    with pytest.raises(AirflowFailException, match="source names 2 files"):
        run(ingest(client, tmp_path / "*.csv"))
    assert client.made == 0


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_results_that_cannot_be_written_do_not_hide_the_jobs_failure(
    file: Path, tmp_path: Path, state: str
) -> None:
    client = Client(status(state))
    client.download_ingested = lambda *_: (_ for _ in ()).throw(GONE)  # type: ignore[attr-defined]
    task = ingest(client, file, results_path=str(tmp_path / "results"))
    with pytest.raises(AirflowFailException, match="gone" if state == "succeeded" else "job failed: Failed"):
        run(task)


def test_several_jobs_are_looked_at_by_lists(file: Path) -> None:
    """A get for each of them would count against the daily limit."""
    file.write_bytes(b"Name\n" + b"x" * 20 + b"\n" + b"y" * 20 + b"\n")
    client = Client()
    looks: list[list[JobRef]] = []

    def status_many(refs: list[JobRef], tell: Any = None) -> Any:
        looks.append(refs)
        state = "running" if len(looks) == 2 else "succeeded"
        return {ref: GONE if len(looks) == 1 else status(state, ref, record_count=1) for ref in refs}

    client.status_many = status_many  # type: ignore[attr-defined]
    with pytest.raises(AirflowFailException, match="gone"):
        run(ingest(client, file, part_bytes=30))
    assert run(ingest(client, file, part_bytes=30))["record_count"] == 2
    assert len(looks) == 3
