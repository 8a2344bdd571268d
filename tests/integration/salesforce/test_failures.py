"""How a query fails: at once or in the end, in Salesforce's words, in both modes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import (
    DeadlineExceeded,
    JobCancelled,
    JobsError,
    ServiceError,
    UncertainSubmission,
)
from tests.integration.salesforce.lab import SOQL, SalesforceLab
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=["synchronous", "deferred"])
def run_query(request: pytest.FixtureRequest, lab: SalesforceLab) -> Callable[..., Any]:
    """Return what runs a query in this mode, slow enough that there is something to defer for."""
    deferred = request.param == "deferred"

    def run_query(soql: str = SOQL, run: TaskRun | None = None, **parameters: Any) -> Any:
        lab.slow(0.3, pending=0.1)
        task = lab.query(soql, deferrable=deferred, **parameters)
        return perform(task, (run or TaskRun()).context())

    return run_query


def test_a_record_that_the_service_drops_is_noticed(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path
) -> None:
    lab.fault("query.results", "drop_record", record=5, times=0)
    with pytest.raises(JobsError, match=r"has \d+ records, and its results have \d+|announced"):
        run_query(results_path=tmp_path / "a.csv", delete_job=True)
    assert list(tmp_path.iterdir()) == []
    assert lab.requests("query.delete") == []


WRONG = {
    "soql": ("SELEC Id", "MALFORMED_QUERY"),
    "object": ("SELECT Id FROM Nothing__c", "INVALID_TYPE"),
    "field": ("SELECT Nothing__c FROM Account", "INVALID_FIELD"),
    "unsupported": ("SELECT COUNT(Id) FROM Account", "400"),
    "empty": ("  ", "soql is empty"),
    "list": (["SELECT Id FROM Account"], "soql is of type list: give a query"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_soql_fails_at_once_in_salesforces_words(
    lab: SalesforceLab, run_query: Callable[..., Any], name: str
) -> None:
    soql, says = WRONG[name]
    with pytest.raises(AirflowFailException, match=says):
        run_query(soql)
    assert lab.jobs() == []
    assert lab.pauses == []


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"denied_operations": "queryAll"}, "Salesforce answered 4"),
        ({"denied_objects": "Account"}, "INVALID_TYPE"),
    ],
)
def test_missing_permission(
    lab: SalesforceLab, run_query: Callable[..., Any], setting: dict[str, str], says: str
) -> None:
    lab.sandbox.salesforce_settings(**setting)
    with pytest.raises(AirflowFailException, match=says):
        run_query(operation="queryAll")


def test_limits_that_are_used_up(lab: SalesforceLab, run_query: Callable[..., Any]) -> None:
    lab.sandbox.salesforce_settings(daily_api_requests=1)
    with pytest.raises(ServiceError, match="REQUEST_LIMIT_EXCEEDED"):
        run_query()


@pytest.mark.parametrize("parameters", [{"delete_job": True}, {"results_path": 7}, {"results_path": "/"}])
def test_what_cannot_work_is_refused_before_anything_is_sent(
    lab: SalesforceLab, run_query: Callable[..., Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(AirflowFailException, match="results_path"):
        run_query(**parameters)
    assert lab.jobs() == []


ENDS = {
    "failed": ("Failed", "QUERY_TIMEOUT : Your query request was running for too long.", "QUERY_TIMEOUT"),
    "failed for good": ("Failed", "InternalServerError : Retried more than 15 times", "etried more than 15"),
    "aborted": ("Aborted", "", "cancelled: Aborted: somebody aborted it"),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("deferrable", [False, True])
def test_an_end_without_success_fails_the_task(
    lab: SalesforceLab, tmp_path: Path, name: str, *, deferrable: bool
) -> None:
    """Never an endless loop, and never a success without records."""
    state, message, says = ENDS[name]
    lab.slow(30)
    task = lab.query(results_path=tmp_path / "a.csv", deferrable=deferrable)
    follow = task._follow

    def end_first(*arguments: Any) -> Any:
        (job,) = lab.jobs()
        lab.sandbox.force_salesforce_job(job["id"], state=state, errorMessage=message)
        return follow(*arguments)

    task._follow = end_first  # type: ignore[method-assign, assignment]
    with pytest.raises((AirflowFailException, JobCancelled), match=says) as caught:
        perform(task)
    assert isinstance(caught.value, JobCancelled) == (name == "aborted")  # which uses the retries
    assert lab.jobs()[0]["id"] in str(caught.value)
    assert "console: http" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("delete_job", [False, True])
def test_a_slow_job_is_ended_at_the_deadline(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool, delete_job: bool
) -> None:
    """No cap on polls calls it failed: the error says what it is, and names the job."""
    lab.slow(60)
    run = TaskRun()
    task = lab.query(
        results_path=tmp_path / "a.csv",
        deferrable=deferrable,
        delete_job=delete_job,
        execution_timeout=dt.timedelta(seconds=1),
    )
    with pytest.raises(DeadlineExceeded, match="did not end within execution_timeout") as caught:
        perform(task, run.context())
    (made,) = lab.requests("query.create")
    assert made["status"] == 200
    assert run.xcoms["job"]["job_id"] == caught.value.ref.id
    assert len(lab.requests("query.abort")) == 1
    assert [job["state"] for job in lab.jobs()] == ([] if delete_job else ["Aborted"])


def test_a_lost_reply_to_create_makes_one_more_job_and_names_the_other(
    lab: SalesforceLab, run_query: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    lab.fault("query.create", "drop_reply_after_accepting")
    result = run_query()
    orphan, followed = (job["id"] for job in lab.jobs())
    assert result["job_id"] == followed
    assert orphan in caplog.text


def test_two_lost_replies_fail_and_say_so(lab: SalesforceLab, run_query: Callable[..., Any]) -> None:
    lab.fault("query.create", "drop_reply_after_accepting", times=2)
    with pytest.raises(UncertainSubmission, match="up to two jobs may exist"):
        run_query()
    assert len(lab.jobs()) == 2
