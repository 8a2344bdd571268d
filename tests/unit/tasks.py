"""Doubles of what Airflow hands to a task, and of a client."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.triggers.job import JobTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.core.work import JobRequest
    from airflow_provider_jobs.errors import JobsError

REF = JobRef("bigquery", "p", "key_0", "EU", created_at=1_700_000_000.0)
STARTED = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def status(state: str = "succeeded", ref: JobRef = REF, **more: Any) -> JobStatus:
    return JobStatus(ref, JobState(state), state.upper(), url="https://console/key_0", **more)


def failed(reason: str = "invalidQuery", *, retryable: bool = False, state: str = "failed") -> JobStatus:
    problem = JobProblem(reason, "it went wrong", "query")
    return status(state, problem=problem, problems=(problem,), problem_count=1, retryable=retryable)


class FakeClient:
    """Tells what it is told to tell, and keeps what it was asked.

    :param submitted: What each submit finds: a status, an adopted one as a tuple of it, or an error.
    :param looks: What each look at a job finds, the last one again and again.
    """

    project = "p"
    table_project = "p"
    location: str | None = None
    statement: str | None = None

    def __init__(self, *submitted: Any, looks: tuple[Any, ...] = ()) -> None:
        self.submitted = list(submitted)
        self.looks = list(looks)
        self.requests: list[JobRequest] = []
        self.cancelled: list[JobRef] = []
        self.counted: list[JobRef] = []

    def submit(self, request: JobRequest) -> Submission:
        self.requests.append(request)
        if request.body.get("dryRun"):
            statistics = {"statement_type": "SELECT", "bytes_processed": 4096}
            estimate = status(ref=JobRef("bigquery", "p", ""), statistics=statistics)
            return Submission(estimate, adopted=False)
        assert self.submitted, "one job too many"
        found = self.submitted.pop(0)
        if isinstance(found, Exception):
            raise found
        adopted = isinstance(found, tuple)
        return Submission(found[0] if adopted else found, adopted)

    def status(self, ref: JobRef) -> JobStatus:
        found: Any = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, JobStatus)
        return found

    def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> Mapping[JobRef, JobStatus | JobsError]:
        return {ref: self.status(ref) for ref in refs}

    def cancel(self, ref: JobRef) -> bool:
        self.cancelled.append(ref)
        return False

    def failing_statement(self, status: JobStatus) -> str | None:
        return self.statement

    def row_count(self, ref: JobRef) -> int:
        self.counted.append(ref)
        return 42


class FakeTi:
    """A task instance: what identifies it, and what it has pushed."""

    def __init__(self, **changes: Any) -> None:
        self.dag_id = "dag"
        self.run_id = "manual__2026-01-02T00:00:00+00:00"
        self.task_id = "task"
        self.map_index = -1
        self.max_tries = 1
        self.try_number = 1
        self.start_date: dt.datetime | None = STARTED
        self.pushed: dict[str, Any] = {}
        vars(self).update(changes)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def context(run_started: dt.datetime | None = None, **changes: Any) -> Any:
    return {"ti": FakeTi(**changes), "dag_run": SimpleNamespace(start_date=run_started)}


def faked(operator: Any, client: Any) -> Any:
    """Return the operator, speaking to another client."""
    operator.client = lambda: client
    return operator


def event(*found: JobStatus, outcome: str = "ended", **more: Any) -> dict[str, Any]:
    """Return what the trigger tells, as it comes out of Airflow's database."""
    refs = [each.ref.to_json() for each in found] or [REF.to_json()]
    told = {"outcome": outcome, "refs": refs, "adopted": False, "carried": {}, **more}
    if found:
        told["statuses"] = [each.to_json() for each in found]
    restored: dict[str, Any] = json.loads(json.dumps(told))
    return restored


def deferred(task: Any, with_context: Any = None) -> JobTrigger:
    """Return the trigger that a task defers to."""
    with pytest.raises(TaskDeferred) as caught:
        run(task, with_context)
    assert caught.value.method_name == "execute_complete"
    trigger = caught.value.trigger
    assert isinstance(trigger, JobTrigger)
    return trigger


def run(operator: Any, with_context: Any = None) -> Any:
    """Execute as Airflow's task runner does."""
    sentinel = {f"{type(operator).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
    return operator.execute(with_context or context(), **sentinel)
