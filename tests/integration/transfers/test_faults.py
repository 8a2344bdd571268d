"""Whatever fails on the way: the target is the org, or as it was, and the next attempt ends right."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobsError
from tests.integration.task_run import Attempts
from tests.integration.transfers.route import NARROW

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route

SALESFORCE = (
    "sobjects.describe",
    "sobjects.updated",
    "query.create",
    "query.get",
    "query.resultPages",
    "query.results",
)
BIGQUERY = (
    "tables.get",
    "tables.insert",
    "tables.delete",
    "jobs.insert",
    "jobs.get",
    "jobs.list",
    "jobs.getQueryResults",
    "upload.start",
    "upload.data",
)
ONCE: dict[str, dict[str, Any]] = {
    "503": {"action": "reply", "status": 503, "reason": "backendError"},
    "cut": {"action": "cut"},
    "reply_lost": {"action": "drop_reply_after_accepting"},
    "garbage": {"action": "garbage", "body": "<html>"},
}
NO_TOKEN = {"action": "token_expired"}
BROKEN = {"action": "reply", "reason": "backendError", "message": "broken"}
#: Before the run; a full one leaves nothing of it, a failed one all.
OLD = "CREATE TABLE d.target AS SELECT '001' AS Id, 'Old' AS Name, TIMESTAMP '2026-01-01' AS _synced_to"


@pytest.fixture
def org(timed: Route) -> Route:
    """Five and twenty accounts in three pages, and a target of before."""
    timed.sandbox.salesforce_settings(page_rows=10)
    timed.at_once(*range(25))
    timed.later()
    timed.warehouse.run(OLD)
    timed.sandbox.clear_requests()
    return timed


def check(org: Route, *, queries: int = 1) -> None:
    """See that the target is the org, and that everything was done once."""
    assert {number: row["Name"] for number, row in org.rows().items()} == dict.fromkeys(range(25), "Acme")
    assert len(org.queries()) == queries
    assert org.loads().count("done") == org.merges().count("done") == 1
    assert org.tables() == ["target"]


def check_untouched(org: Route) -> None:
    [row] = org.warehouse.run("SELECT Id, Name FROM d.target")
    assert row == {"Id": "001", "Name": "Old"}


@pytest.mark.parametrize(
    ("kind", "deferrable"),
    [("503", True), ("cut", False), ("reply_lost", False), ("reply_lost", True), ("garbage", True)],
)
def test_what_fails_once_is_asked_again(org: Route, kind: str, deferrable: bool) -> None:
    """Each request of the run fails once. Only a query whose reply is lost is there twice; one is read."""
    for service, operations in (("salesforce", SALESFORCE), ("bigquery", BIGQUERY)):
        for each in operations:
            org.sandbox.faults(operation=rf"{service}\.{each}", **ONCE[kind])
    result = org.run(deferrable=deferrable, **NARROW)
    assert result["record_count"] == result["inserted"] == 25
    met = {each["operation"] for each in org.sandbox.requests() if each["faults"]}
    assert met >= {f"salesforce.{each}" for each in SALESFORCE}
    assert met >= {f"bigquery.{each}" for each in BIGQUERY}
    org.sandbox.clear_faults()
    check(org, queries=2 if kind in {"reply_lost", "garbage"} else 1)


def test_an_upload_goes_on(org: Route) -> None:
    """Its requests are spoiled one after another, each in another way."""
    ways: list[dict[str, Any]] = [
        {"action": "short_308", "bytes": 10, "nth": 1},
        {"action": "cut_after_bytes", "bytes": 100, "nth": 2},
        {"action": "308_without_range", "nth": 3},
        {"action": "session_expired", "bytes": 0, "status": 410, "nth": 4},
        {"action": "lost_final_reply"},
    ]
    for how in ways:
        org.sandbox.faults(operation=r"bigquery\.upload\.data", **how)
    assert org.run(**NARROW)["loaded"] == 25
    assert sum(bool(each["faults"]) for each in org.sandbox.requests()) == len(ways)
    check(org)


FAILURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "create_401": ("salesforce.query.create", NO_TOKEN, "401"),
    "results_401": ("salesforce.query.results", NO_TOKEN, "401"),
    "results_404": ("salesforce.query.results", {"action": "not_found"}, "404"),
    "pages_cut": ("salesforce.query.results", {"action": "cut", "times": 100}, "no reply"),
    "record_dropped": ("salesforce.query.results", {"action": "drop_record"}, "24"),
    "record_not_there": (
        "salesforce.query.results",
        {"action": "drop_record", "count": "kept", "times": 100},
        "has 9 records",
    ),
    "page_not_listed": ("salesforce.query.resultPages", {"action": "skip_page", "page": 1, "times": 2}, "15"),
    "upload_401": ("bigquery.upload.start", NO_TOKEN, "401"),
    "load_fails": ("bigquery.jobs.run", {**BROKEN, "nth": 2}, "broken"),
    "schema_fails": ("bigquery.jobs.run", {**BROKEN, "nth": 3}, "broken"),
    "merge_fails": ("bigquery.jobs.run", {**BROKEN, "nth": 4}, "broken"),
    "counts_401": ("bigquery.jobs.getQueryResults", {**NO_TOKEN, "nth": 2}, "401"),
}
#: Of these the work was done, and only the attempt failed.
DONE = {"counts_401"}


@pytest.mark.parametrize("case", FAILURES)
def test_what_fails_leaves_the_target_alone_and_the_next_attempt_ends_right(org: Route, case: str) -> None:
    """Promises 30, 40 and 45 among them: there is no second query where the first is usable."""
    operation, how, said = FAILURES[case]
    org.sandbox.faults(operation=operation.replace(".", r"\."), **how)
    run = Attempts(run_id=uuid.uuid4().hex)
    with pytest.raises(JobsError, match=said) as failed:
        org.run(run, **NARROW)
    assert failed.value.retryable
    assert len(str(failed.value)) < 2000
    org.sandbox.clear_faults()
    if case not in DONE:
        check_untouched(org)
    result = org.run(run, 2, **NARROW)
    assert result["inserted"] == 25
    check(org)


@pytest.mark.parametrize(
    ("operation", "said"), [("salesforce.query.run", "too long"), ("bigquery.jobs.run", "bad query")]
)
def test_a_job_that_fails_for_good_is_told_in_the_services_words(
    org: Route, operation: str, said: str
) -> None:
    """Acceptance 41: 0 records and a green task are no way to tell of a query that timed out."""
    org.sandbox.faults(
        operation=operation.replace(".", r"\."),
        action="reply",
        reason="invalidQuery" if "bigquery" in operation else "QUERY_TIMEOUT",
        message=f"It ran {said}",
        nth=2 if "bigquery" in operation else 1,
    )
    with pytest.raises((JobsError, AirflowFailException), match=said):
        org.run(**NARROW)
    check_untouched(org)
