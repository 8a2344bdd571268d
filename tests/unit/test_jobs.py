"""Jobs survive the way through JSON, and a failure tells everything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus

TEXT = st.text(min_size=1, max_size=20)
REFS = st.builds(
    JobRef,
    service=TEXT,
    scope=TEXT,
    id=TEXT,
    location=st.none() | TEXT,
    created_at=st.none() | st.floats(0, 4e9),
)
PROBLEMS = st.builds(JobProblem, reason=TEXT, message=st.text(max_size=20), location=st.none() | TEXT)
STATUSES = st.builds(
    JobStatus,
    ref=REFS,
    state=st.sampled_from(JobState),
    vendor_state=TEXT,
    problem=st.none() | PROBLEMS,
    problems=st.lists(PROBLEMS, max_size=3).map(tuple),
    problem_count=st.integers(0, 99),
    retryable=st.booleans(),
    statement=st.none() | TEXT,
    url=st.none() | TEXT,
    statistics=st.dictionaries(TEXT, st.integers() | TEXT, max_size=3),
)


@given(ref=REFS)
def test_a_reference_comes_back_whole(ref: JobRef) -> None:
    back = JobRef.from_json(json.loads(json.dumps(ref.to_json())))
    assert back == ref
    assert back.created_at == ref.created_at


@given(status=STATUSES)
def test_a_status_comes_back_whole(status: JobStatus) -> None:
    back = JobStatus.from_json(json.loads(json.dumps(status.to_json())))
    assert back == status
    assert isinstance(back.state, JobState)


@given(ref=REFS)
def test_a_reference_is_the_same_job_whenever_it_was_created(ref: JobRef) -> None:
    other = JobRef(ref.service, ref.scope, ref.id, ref.location, created_at=1.0)
    assert other == ref
    assert hash(other) == hash(ref)


@pytest.mark.parametrize(
    ("state", "ended"),
    [("pending", False), ("running", False), ("succeeded", True), ("failed", True), ("cancelled", True)],
)
def test_knows_which_states_are_final(state: str, ended: bool) -> None:
    assert JobState(state).ended is ended


def test_a_report_holds_everything_the_service_said() -> None:
    ref = JobRef("bigquery", "p", "j", "EU")
    problems = tuple(JobProblem("invalid", f"row {number}", "gs://b/f") for number in range(1, 21))
    status = JobStatus(
        ref,
        JobState.FAILED,
        "DONE",
        problem=JobProblem("invalid", "too many errors"),
        problems=problems,
        problem_count=23,
        statement="line 3, column 1: SELECT 1/0",
        url="https://console/x",
    )
    lines = status.failure_report().splitlines()
    assert lines[0] == "job failed: invalid: too many errors"
    assert lines[1] == "  statement: line 3, column 1: SELECT 1/0"
    assert lines[2] == "  error 1: invalid (gs://b/f): row 1"
    assert lines[21] == "  error 20: invalid (gs://b/f): row 20"
    assert lines[22:] == ["  and 3 more", "  job: p:EU:j", "  console: https://console/x"]


@pytest.mark.parametrize("place", ["query", None])
def test_a_single_error_is_not_said_twice(place: str | None) -> None:
    """BigQuery's errorResult is in errors[] again."""
    problem, again = JobProblem("invalidQuery", "no", "query"), JobProblem("invalidQuery", "no", place)
    status = JobStatus(
        JobRef("b", "p", "j"), JobState.FAILED, "DONE", problem=problem, problems=(again,), problem_count=1
    )
    assert status.failure_report() == "job failed: invalidQuery (query): no\n  job: p:j"


def test_equal_errors_in_two_places_are_both_said() -> None:
    problem, other = JobProblem("invalid", "no", "a.csv"), JobProblem("invalid", "no", "b.csv")
    status = JobStatus(
        JobRef("b", "p", "j"), JobState.FAILED, "DONE", problem=problem, problems=(problem, other)
    )
    assert "error 1: invalid (b.csv): no" in status.failure_report()


def test_a_report_without_details_still_names_the_job() -> None:
    status = JobStatus(JobRef("bigquery", "p", "j"), JobState.CANCELLED, "DONE")
    assert status.failure_report() == "job cancelled: DONE\n  job: p:j"
