"""What the query operator sends, waits for, adopts, returns and refuses."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.clients.salesforce.results.files import Downloaded
from airflow_provider_jobs.errors import DeadlineExceeded, NotFoundError
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from tests.integration.task_run import Store
from tests.unit.operators.salesforce.tasks import (
    REF,
    Client,
    context,
    query,
    run,
    status,
)
from tests.unit.tasks import event

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.jobs import JobRef


def test_parameters_become_fields() -> None:
    client = Client()
    run(query(client, operation="queryAll", column_delimiter="TAB", line_ending="CRLF", api_version="61.0"))
    (request,) = client.requests
    assert request.body == {
        "operation": "queryAll",
        "query": "SELECT Id",
        "contentType": "CSV",
        "columnDelimiter": "TAB",
        "lineEnding": "CRLF",
    }
    assert request.version == "61.0"
    run(query(client, column_delimiter="", line_ending="", api_version=""))
    assert client.requests[1].body == {"operation": "query", "query": "SELECT Id", "contentType": "CSV"}
    assert client.requests[1].version is None


def test_the_result_has_what_is_known() -> None:
    assert run(query(Client())) == {
        "job_id": REF.id,
        "kind": "query",
        "api_version": "59.0",
        "state": "succeeded",
        "object": "Account",
        "operation": "query",
        "record_count": 7,
        "processing_seconds": 1.5,
        "retries": 0,
        "url": "https://x",
    }


def test_several_jobs_are_summed_up_as_far_as_they_are_known() -> None:
    first, second = status(), status(ref=replace(REF, id="2"), retries=None, failed_record_count=1)
    summed = query(Client()).summary_of([first, second])
    assert (summed["record_count"], summed["object"]) == (14, "Account")
    assert "retries" not in summed
    assert "failed_record_count" not in summed
    assert [job["job_id"] for job in summed["jobs"]] == [REF.id, "2"]
    assert summed["job_id"] == f"{REF.id} 2"
    assert "processing_ms" not in str(summed)


def test_what_a_list_does_not_tell_is_asked_for() -> None:
    """A trigger sees lists, which have neither counters nor reasons."""
    listed = replace(status(record_count=None, processing_ms=None, retries=None), whole=False)
    result = query(Client(status())).execute_complete(context(), event(listed))
    assert result["record_count"] == 7


def test_the_triggerer_deletes_what_it_cancels_if_wanted(tmp_path: Path) -> None:
    assert query(Client()).hook_args() == {"salesforce_conn_id": "salesforce_default"}
    deleting = query(Client(), delete_job=True, results_path=str(tmp_path / "a.csv"))
    assert deleting.hook_args() == {"salesforce_conn_id": "salesforce_default", "delete_cancelled": True}


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_the_end_of_the_task(*, cancel_on_kill: bool) -> None:
    client = Client(status("running"))
    task = query(client, wait=False, cancel_on_kill=cancel_on_kill)
    run(task)
    task.on_kill()
    assert [each.split()[0] for each in client.did] == (["cancel"] if cancel_on_kill else [])


def test_the_deadline_deletes_what_it_aborted_if_wanted(tmp_path: Path) -> None:
    """The client of such a task deletes a job with its abort, so that nobody finds it any more."""
    client = Client(NotFoundError("gone", status=404, reason="NOT_FOUND"))
    settings = {"delete_job": True, "results_path": str(tmp_path / "a.csv")}
    with pytest.raises(DeadlineExceeded, match="is cancelled"):
        run(query(client, execution_timeout=dt.timedelta(seconds=-1), **settings))
    assert [each.split()[0] for each in client.did] == ["cancel"]
    assert SalesforceQueryOperator(task_id="t", soql="x").execution_timeout == dt.timedelta(days=1)


def test_what_is_for_the_end_of_a_query_needs_the_wait(tmp_path: Path) -> None:
    client = Client()
    with pytest.raises(AirflowFailException, match="results_path clashes with wait=False"):
        run(query(client, wait=False, results_path=str(tmp_path / "a.csv")))
    assert client.made == 0


@pytest.mark.parametrize(
    ("looks", "adopted"),
    [
        ([status("running"), status()], True),
        ([status()], True),
        ([status("failed"), status()], False),
        ([status("cancelled"), status()], False),
        ([NotFoundError("gone", status=404, reason="NOT_FOUND"), status()], False),
    ],
)
def test_a_retry_adopts_what_is_good(looks: list[Any], *, adopted: bool) -> None:
    store = Store()
    run(query(Client(), wait=False), context(store))
    client = Client(*looks)
    run(query(client), context(store, try_number=2))
    assert client.made == (0 if adopted else 1)


def test_a_job_of_another_org_is_not_adopted() -> None:
    store = Store()
    run(query(Client(), wait=False), context(store))
    client = Client()
    client.scope = "other.my.salesforce.com"
    run(query(client), context(store))
    assert client.made == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"results_as": "x"},
        {"compression": "zip"},
        {"parallel_downloads": 0},
        {"page_records": 0},
        {"poll_interval": -1},
    ],
)
def test_wrong_parameters_of_a_query_break_the_dag(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        SalesforceQueryOperator(task_id="t", soql="x", **parameters)


class Downloading(Client):
    """Keeps what a download was given, and tells of checkpoints of some sizes."""

    def __init__(self, *sizes: int | None) -> None:
        super().__init__(status())
        self.sizes = sizes
        self.given: list[dict[str, Any]] = []

    def download(self, ref: JobRef, output: Any, sink: Any, **how: Any) -> Downloaded:
        self.given.append(how)
        for size in self.sizes if how["on_checkpoint"] else ():
            document = {"x": "y" * (size or 0)}
            how["on_checkpoint"](SimpleNamespace(to_json=lambda kept=document: kept) if size else None)
        return Downloaded((), 7, 1)


@pytest.mark.parametrize(("sizes", "kept"), [((10,), 10), ((10, 100_000), None), ((10, None), None)])
def test_a_checkpoint_that_is_too_long_is_not_kept(
    tmp_path: Path, sizes: tuple[int, ...], kept: int | None
) -> None:
    store = Store()
    run(query(Downloading(*sizes), results_path=str(tmp_path / "a.csv")), context(store))
    found = store.kept.get("salesforce_download")
    assert (found and len(found["kept"]["x"])) == kept


@pytest.mark.parametrize(("try_number", "max_tries", "kept"), [(1, 1, True), (2, 1, False), (1, 0, False)])
def test_drafts_are_kept_for_another_attempt_only(
    tmp_path: Path, try_number: int, max_tries: int, *, kept: bool
) -> None:
    client = Downloading()
    with_context = context(Store(), try_number=try_number, max_tries=max_tries)
    run(query(client, results_path=str(tmp_path / "a.csv")), with_context)
    assert (client.given[0]["on_checkpoint"] is not None) is kept


def test_a_success_that_airflow_has_not_recorded_is_not_done_again() -> None:
    """The worker may die after its last line; the task runs again then, and finds the job."""
    store = Store()
    run(query(Client()), context(store))
    client = Client()
    run(query(client), context(store, try_number=2))
    assert client.made == 0
    run(query(client), context(store, max_tries=3))
    assert client.made == 1


def test_everything_that_a_dag_may_want_to_template_is() -> None:
    fields = {"soql", "operation", "results_path", "results_conn_id", "api_version", "salesforce_conn_id"}
    assert fields <= set(SalesforceQueryOperator.template_fields)
    assert {"source", "source_conn_id", "object_name", "external_id_field", "assignment_rule_id"} <= set(
        SalesforceIngestOperator.template_fields
    )
    assert ".soql" in SalesforceQueryOperator.template_ext
