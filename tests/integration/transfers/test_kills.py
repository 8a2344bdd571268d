"""A copy that is stopped anywhere: the next attempt goes on, and nothing is there twice or left behind."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.errors import DeadlineExceeded, JobFailed, OutageError
from airflow_provider_jobs.operators.progress import ProgressLog
from tests.integration.task_run import Attempts
from tests.integration.transfers.route import NARROW
from tests.integration.transfers.stopping import StoppedError, at, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.transfers.route import Route


@pytest.fixture
def org(timed: Route) -> Route:
    """Five and twenty accounts in three pages."""
    timed.sandbox.salesforce_settings(page_rows=10)
    timed.at_once(*range(25))
    timed.later()
    return timed


def kill(task: Any) -> None:
    """Do what Airflow does: it calls on_kill in a signal handler, and lets the task go on."""
    task.on_kill()


@contextmanager
def killed_jobs(org: Route, method: str, nth: int, slow_from: int | None = None) -> Iterator[None]:
    """Kill a task after the nth call of a method, while its jobs run; return once they have ended.

    :param slow_from: The call from which on jobs run longer than the test; default is the same.
    """

    def slow(_task: Any) -> None:
        org.sandbox.timing(project=org.warehouse.project, running_seconds=30)

    with pytest.MonkeyPatch.context() as patch:
        at(patch, method, slow, nth=slow_from or nth)
        at(patch, method, kill, nth=nth, after=True)
        with pytest.raises(OutageError, match="the task was ended"):
            yield
    ended(org)
    org.sandbox.timing(project=org.warehouse.project, running_seconds=0)


def ended(org: Route) -> None:
    """Return once no job runs."""
    while any(job["status"]["state"] != "DONE" for job in org.sandbox.bigquery_jobs()):
        org.lab.wait_a_little()


def while_sending(patch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    def called(_log: ProgressLog, _sent: int, _total: int | None) -> None:
        happens()

    patch.setattr(ProgressLog, "__call__", called)


def check(org: Route, *, loads: int = 1) -> None:
    """See that the target is the org, that one merge made it so, and that nothing is left."""
    assert {number: row["Name"] for number, row in org.rows().items()} == dict.fromkeys(range(25), "Acme")
    assert org.merges().count("done") == 1
    assert org.loads().count("done") == loads
    assert org.tables() == ["target"]
    assert not {job["status"]["state"] for job in org.sandbox.bigquery_jobs()} - {"DONE"}
    assert not {job["state"] for job in org.queries()} - {"JobComplete", "Aborted"}


@pytest.mark.parametrize(
    ("method", "nth", "after"),
    [
        ("_after_query", 1, False),
        ("_check_loaded", 1, False),
        ("change", 2, True),
        ("note_done", 1, False),
        ("drop_staging", 1, False),
        ("result", 1, False),
    ],
)
def test_a_worker_that_is_gone(org: Route, method: str, nth: int, *, after: bool) -> None:
    """30: after the query, the load, with the merge under way, and when it has committed."""
    run = Attempts(run_id=uuid.uuid4().hex)
    with pytest.MonkeyPatch.context() as patch:
        at(patch, method, stop, nth=nth, after=after)
        with pytest.raises(StoppedError):
            org.run(run, **NARROW)
    result = org.run(run, 2, **NARROW)
    assert result["inserted"] == result["record_count"] == 25
    assert set(result["seconds"]) >= {"query", "load", "merge"}
    assert len(org.queries()) == 1
    check(org)


@pytest.mark.parametrize("instead", ["none", "a column less"])
def test_a_target_that_is_dropped_before_the_retry(org: Route, instead: str) -> None:
    """The job that made its schema is adopted, and was for another table."""
    run = Attempts(run_id=uuid.uuid4().hex)
    if instead != "none":
        org.run(fields=("External_Id__c",))
    with pytest.MonkeyPatch.context() as patch:
        at(patch, "change", stop, after=True)
        with pytest.raises(StoppedError):
            org.run(run, **NARROW)
    ended(org)
    org.warehouse.run("DROP TABLE d.target" if instead == "none" else "ALTER TABLE d.target DROP COLUMN Name")
    assert org.run(run, 2, **NARROW)["loaded"] == 25
    assert {row["Name"] for row in org.rows().values()} == {"Acme"}


def test_the_mark_is_asked_for_by_each_attempt(org: Route) -> None:
    """Another run may have moved it since, and BigQuery keeps the rows of a query for a day."""
    first = org.run(**NARROW)
    run, how = Attempts(run_id=uuid.uuid4().hex), {"mode": "incremental", **NARROW}
    with pytest.MonkeyPatch.context() as patch:
        at(patch, "target_mark", stop, after=True)
        with pytest.raises(StoppedError):
            org.run(run, **how)
    org.warehouse.run(
        "UPDATE d.target SET _synced_to = TIMESTAMP_ADD(_synced_to, INTERVAL 1 SECOND) WHERE TRUE"
    )
    moved = dt.datetime.fromisoformat(first["mark_after"]) + dt.timedelta(seconds=1)
    assert org.run(run, 2, **how)["mark_before"] == moved.isoformat()


def test_a_worker_that_is_gone_while_it_sends(org: Route) -> None:
    """31."""

    def end() -> None:
        raise StoppedError

    run = Attempts(run_id=uuid.uuid4().hex)
    with pytest.MonkeyPatch.context() as patch:
        while_sending(patch, end)
        with pytest.raises(StoppedError):
            org.run(run, **NARROW)
    assert org.run(run, 2, **NARROW)["inserted"] == 25
    assert len(org.queries()) == 1
    check(org)


@pytest.mark.parametrize(("method", "nth"), [("_send_part", 1), ("change", 2)])
def test_a_task_that_is_killed(org: Route, method: str, nth: int) -> None:
    """Its jobs are cancelled, those among them that it submits after the kill."""
    run = Attempts(run_id=uuid.uuid4().hex)
    with killed_jobs(org, method, nth):
        org.run(run, **NARROW)
    assert org.loads() + org.merges() == (["stopped"] if method == "_send_part" else ["done", "stopped"])
    assert org.run(run, 2, **NARROW)["inserted"] == 25
    assert len(org.queries()) == 1
    check(org)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_that_takes_too_long(org: Route, *, deferrable: bool) -> None:
    """The job that it waits for is cancelled; the retry takes what was done, and does the rest."""
    run = Attempts(run_id=uuid.uuid4().hex)
    org.sandbox.timing(project=org.warehouse.project, running_seconds=3600)
    too_long: dict[str, Any] = {"execution_timeout": dt.timedelta(seconds=3), "deferrable": deferrable}
    with pytest.raises(DeadlineExceeded, match="execution_timeout"):
        org.run(run, **too_long, **NARROW)
    org.sandbox.timing(project=org.warehouse.project, running_seconds=0)
    assert org.warehouse.resource("target") is None
    assert set(org.loads()) <= {"stopped"}
    assert org.run(run, 2, **NARROW)["inserted"] == 25
    check(org)


@pytest.fixture
def in_parts(org: Route, monkeypatch: pytest.MonkeyPatch) -> Route:
    """The same accounts, of which each page is a part."""
    cut = functools.partialmethod(SalesforceClient.stream_results, part_bytes=1200)
    monkeypatch.setattr(SalesforceClient, "stream_results", cut)
    return org


def test_one_of_several_parts_is_not_loaded(in_parts: Route) -> None:
    """All are sent again, once: which rows are staged would be a guess otherwise."""
    run = Attempts(run_id=uuid.uuid4().hex)
    in_parts.sandbox.faults(
        operation=r"bigquery\.jobs\.run", action="reply", reason="backendError", message="x"
    )
    with pytest.raises(JobFailed, match="backendError"):
        in_parts.run(run, **NARROW)
    assert in_parts.loads() == ["backendError", "done", "done"]
    assert in_parts.run(run, 2, **NARROW)["loaded"] == 25
    check(in_parts, loads=5)


def test_a_task_of_several_parts_is_killed(in_parts: Route) -> None:
    run = Attempts(run_id=uuid.uuid4().hex)
    with killed_jobs(in_parts, "_send_part", 2, slow_from=1):
        in_parts.run(run, **NARROW)
    assert in_parts.loads() == ["stopped", "stopped"]
    assert in_parts.run(run, 2, **NARROW)["loaded"] == 25
    check(in_parts, loads=3)
