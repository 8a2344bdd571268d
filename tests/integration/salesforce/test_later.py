"""Salesforce says: come back later, or elsewhere. The task's retries do, and write nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_jobs.core.http import retry
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    MovedError,
    ResultsUnavailable,
    ServiceError,
)
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators import base
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.salesforce.lab import USUAL, SalesforceLab, csv_rows, write
from tests.integration.task_run import Attempts, TaskRun, perform, run_trigger

if TYPE_CHECKING:
    from pathlib import Path

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
#: Longer than a worker is held for.
LONG = 300
ROWS = "External_Id__c,Name\n"
NEW_HOST = "acme-renamed.my.salesforce.com"


def move(lab: SalesforceLab) -> None:
    """Let the same org be at another address."""
    url = lab.sandbox.salesforce.replace("127.0.0.1", "localhost")
    lab.connect(instance_url=url, access_token=lab.sandbox.salesforce_token)


SPENT = {
    "requests": ({"daily_api_requests": 0}, "REQUEST_LIMIT_EXCEEDED"),
    "query jobs": ({"daily_query_jobs": 0}, "LIMIT_EXCEEDED"),
    "results": ({"daily_query_file_storage_mb": 0}, "LIMIT_EXCEEDED"),
}


@MODES
@pytest.mark.parametrize("name", SPENT)
def test_a_spent_limit_is_left_to_the_retries(lab: SalesforceLab, name: str, *, deferrable: bool) -> None:
    limits, code = SPENT[name]
    run = Attempts()
    lab.sandbox.salesforce_settings(**limits)
    with pytest.raises(ServiceError, match=rf"{code}.*come back in 600 s"):
        perform(lab.query(deferrable=deferrable), run.context(1))
    assert len(lab.requests("query.create")) == 1
    lab.sandbox.salesforce_settings(**{each: USUAL.get(each, 10_000) for each in limits})
    assert perform(lab.query(deferrable=deferrable), run.context(2))["state"] == "succeeded"
    assert len(lab.jobs()) == 1
    assert lab.pauses == []


@MODES
def test_a_limit_on_requests_at_a_time_passes_within_the_attempt(
    lab: SalesforceLab, *, deferrable: bool
) -> None:
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    lab.fault("query.create", "reply", status=403, reason="REQUEST_LIMIT_EXCEEDED", message=message)
    assert perform(lab.query(deferrable=deferrable), Attempts().context())["state"] == "succeeded"
    assert len(lab.pauses) == len(lab.jobs()) == 1


@MODES
def test_a_limit_that_is_spent_while_a_worker_waits(lab: SalesforceLab, *, deferrable: bool) -> None:
    """One look: the next attempt, or the triggerer, goes on with the same job."""
    run = Attempts()
    lab.slow(0.5)
    lab.fault("query.get", "reply", status=403, reason="REQUEST_LIMIT_EXCEEDED")
    task = lab.query(deferrable=deferrable, inline_wait=30.0)
    with pytest.raises(TaskDeferred if deferrable else JobsError) as caught:
        task.execute(run.context(1))
    if deferrable:
        assert caught.value.trigger.pause_seconds == 600  # type: ignore[attr-defined]
    else:
        assert lab.jobs()[0]["id"] in str(caught.value)
        assert caught.value.retryable  # type: ignore[attr-defined]
    assert len(lab.requests("query.get")) == 1
    assert perform(lab.query(deferrable=deferrable), run.context(2))["state"] == "succeeded"
    assert len(lab.jobs()) == 1


@MODES
def test_a_spent_limit_after_the_end_costs_no_second_job(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    run = Attempts()
    lab.fault("query.results", "reply", status=403, reason="REQUEST_LIMIT_EXCEEDED")
    lab.fault("query.resultPages", "reply", status=403, reason="REQUEST_LIMIT_EXCEEDED")
    path = tmp_path / "accounts.csv"
    with pytest.raises(ResultsUnavailable, match="REQUEST_LIMIT_EXCEEDED"):
        perform(lab.query(deferrable=deferrable, results_path=path), run.context(1))
    lab.sandbox.clear_faults()
    perform(lab.query(deferrable=deferrable, results_path=path), run.context(2))
    assert csv_rows(path.read_bytes())
    assert len(lab.jobs()) == 1


@MODES
def test_an_ended_ready_token_may_be_another_at_the_next_try(lab: SalesforceLab, *, deferrable: bool) -> None:
    run = Attempts()
    lab.connect(access_token="00D!ended")
    with pytest.raises(ServiceError, match=r"401 INVALID_SESSION_ID.*renew a ready token"):
        perform(lab.query(deferrable=deferrable), run.context(1))
    lab.connect(access_token=lab.sandbox.salesforce_token)
    assert perform(lab.query(deferrable=deferrable), run.context(2))["state"] == "succeeded"


@MODES
@pytest.mark.parametrize("kind", ["query", "ingest"])
def test_a_job_of_a_my_domain_that_was_renamed_meanwhile_is_gone_on_with(
    lab: SalesforceLab, tmp_path: Path, kind: str, *, deferrable: bool
) -> None:
    """The job runs, and the org is at another address: the retry finds it there."""
    run = Attempts()

    def task(**changes: Any) -> Any:
        if kind == "query":
            return lab.query(**changes)
        return lab.ingest(write(lab, tmp_path), **changes)

    lab.slow(0.5)
    with pytest.raises(TaskDeferred):
        task(deferrable=True, inline_wait=0.0).execute(run.context(1))
    move(lab)
    assert perform(task(deferrable=deferrable), run.context(2))["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_trigger_goes_on_at_the_new_address(lab: SalesforceLab) -> None:
    """The login has named it, and the triggerer has started anew."""
    lab.slow(0.5)
    context = Attempts().context()
    with pytest.raises(TaskDeferred) as deferred:
        lab.query(deferrable=True, inline_wait=0.0).execute(context)
    move(lab)
    fired, left = run_trigger(deferred.value, context)
    assert isinstance(fired, TaskSuccessEvent)
    assert left["return_value"]["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_jobs_of_another_org_are_left_alone_whatever_their_ids(lab: SalesforceLab) -> None:
    """An id alone does not tell: sandboxes are copies of their production."""
    ref = lab.client.ref(lab.finished("SELECT Id FROM Account"))
    stranger = replace(ref, scope="other.my.salesforce.com", created_at=1.0)
    for job in (stranger, replace(stranger, created_at=None), replace(stranger, id="750000000000099AAA")):
        with pytest.raises(ConfigurationError, match="another org"):
            lab.client.status(job)


@MODES
@pytest.mark.parametrize("status", [301, 307])
def test_a_renamed_my_domain_is_named_and_left_to_the_retries(
    lab: SalesforceLab, status: int, *, deferrable: bool
) -> None:
    """The token goes to no other host."""
    run = Attempts()
    lab.fault("query.create", "redirect", status=status, location=f"https://{NEW_HOST}/services/data?s=3CR3T")
    with pytest.raises(MovedError, match=f"127.0.0.1 answered {status} and points to {NEW_HOST},") as caught:
        perform(lab.query(deferrable=deferrable), run.context(1))
    assert "3CR3T" not in str(caught.value)
    assert perform(lab.query(deferrable=deferrable), run.context(2))["state"] == "succeeded"
    assert len(lab.jobs()) == 1


def test_a_login_at_a_renamed_my_domain(lab: SalesforceLab) -> None:
    """A refused login is not asked for again for a while; this one was not refused."""
    account = lab.account
    lab.connect(consumer_key=account.consumer_key, consumer_secret=account.consumer_secret)
    lab.fault("login.token", "redirect", location=f"https://{NEW_HOST}/services/oauth2/token")
    run = Attempts()
    with pytest.raises(MovedError, match=NEW_HOST):
        perform(lab.query(), run.context(1))
    assert perform(lab.query(), run.context(2))["state"] == "succeeded"


def test_who_is_sent_elsewhere_logs_in_again(lab: SalesforceLab) -> None:
    """The login is what names the org's host: a triggerer that lives for weeks learns a new one by it."""
    account = lab.account
    lab.connect(consumer_key=account.consumer_key, consumer_secret=account.consumer_secret)
    client = lab.client
    client.limits()
    lab.fault("limits", "redirect", location=f"https://{NEW_HOST}/")
    logins = len(lab.requests("login.token"))
    with pytest.raises(MovedError, match=NEW_HOST):
        client.limits()
    lab.sandbox.clear_faults()
    assert lab.client.limits()["DailyApiRequests"]
    assert len(lab.requests("login.token")) == logins + 1


def test_a_login_rate_that_is_exceeded(lab: SalesforceLab) -> None:
    account = lab.account
    lab.connect(consumer_key=account.consumer_key, consumer_secret=account.consumer_secret)
    body = '{"error": "invalid_grant", "error_description": "login rate exceeded"}'
    lab.fault("login.token", "answer", status=400, body=body, content_type="application/json")
    run = Attempts()
    with pytest.raises(ServiceError, match="login rate exceeded"):
        perform(lab.query(), run.context(1))
    assert perform(lab.query(), run.context(2))["state"] == "succeeded"


@MODES
def test_an_ingest_that_a_limit_ends_before_any_record_is_sent_again(
    lab: SalesforceLab, tmp_path: Path, *, deferrable: bool
) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text(f"{ROWS}{lab.mark}-1,one\n")
    run = Attempts()
    lab.slow(30)
    task = lab.ingest(path, deferrable=deferrable)
    _end_once_made(lab, task, state="Failed", errorMessage="ExceededQuota : ApiBatchItems Limit exceeded.")
    with pytest.raises(JobFailed, match="ExceededQuota"):
        perform(task, run.context(1))
    lab.slow(0)
    perform(lab.ingest(path, deferrable=deferrable), run.context(2))
    assert [account["External_Id__c"] for account in lab.own_accounts()] == [f"{lab.mark}-1"]


def test_a_worker_waits_where_a_retry_would_send_the_records_again(
    lab: SalesforceLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Airflow 3.3 it does not find the job; two minutes are half a second here."""
    for module in (retry, base):
        monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.5)
    path = tmp_path / "accounts.csv"
    path.write_text(f"{ROWS}{lab.mark}-1,one\n")
    lab.slow(0.5)
    lab.fault("ingest.get", "reply", status=429, reason="TooManyRequests", retry_after=1)
    assert perform(lab.ingest(path, deferrable=False), TaskRun().context(1))["record_count"] == 1
    assert [job["state"] for job in lab.jobs("ingest")] == ["JobComplete"]


def test_an_ingest_that_may_have_written_fails_for_good(lab: SalesforceLab, tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text(f"{ROWS}{lab.mark}-1,one\n{lab.mark}-2,two\n")
    lab.sandbox.salesforce_settings(ingest_limit=1)
    with pytest.raises(AirflowFailException):
        perform(lab.ingest(path), Attempts().context(1))


def test_a_sensor_keeps_the_pause(lab: SalesforceLab) -> None:
    lab.slow(5)
    reference = lab.query(wait=False).execute(Attempts().context())
    lab.fault("query.get", "reply", status=403, reason="REQUEST_LIMIT_EXCEEDED", retry_after=LONG)
    sensor: Any = SalesforceJobSensor(task_id="sensor", job=reference, poke_interval=1.0)
    assert not sensor.poke(Attempts().context()).is_done
    assert LONG - 5 < sensor._get_next_poke_interval(0.0, lambda: 0.0, 1) <= LONG


def test_a_create_that_is_refused_by_a_limit_is_no_orphan(
    lab: SalesforceLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault("query.create", "reply", status=503, reason="REQUEST_LIMIT_EXCEEDED")
    with pytest.raises(ServiceError):
        SalesforceHook().create_query_job({"operation": "query", "query": "SELECT Id FROM Account"})
    assert "may have been created" not in capsys.readouterr().out


def _end_once_made(lab: SalesforceLab, task: Any, **end: str) -> None:
    """End the task's job as soon as the task waits for it."""
    run = task._wait

    def ended(*arguments: Any, **options: Any) -> Any:
        lab.sandbox.force_salesforce_job(lab.jobs()[-1]["id"], **end)
        return run(*arguments, **options)

    task._wait = ended
