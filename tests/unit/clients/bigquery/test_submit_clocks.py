"""Whose a job is, whatever Airflow's clock and BigQuery's show."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import TransportError
from tests.unit.clients.replay import client_of, job
from tests.unit.conftest import Clock

SKEWS = st.floats(-86400, 86400)


def made(created: float) -> dict[str, Any]:
    return job("j_0", "RUNNING", statistics={"creationTime": str(int(created * 1000))})


def submitted(skew: float, age: float, *replies: Any, run_age: float, first: bool) -> tuple[bool, str]:
    """Return whether a job was adopted, and its id.

    :param age: How old the job is when it is met, in seconds; the run is ``run_age`` old.
    """
    clock = Clock()
    client, _ = client_of(clock, *replies, made(clock.time + skew - age), "insert_running")
    client._transport.ahead_seconds = skew
    request = JobRequest("p", "j", {}, not_before=clock.time - run_age - 10.0, try_number=1, first=first)
    submission = client.submit(request)
    return submission.adopted, submission.status.ref.id


@given(skew=SKEWS, run_age=st.floats(0, 3600), first=st.booleans())
def test_a_job_of_this_very_call_is_no_adopted_one(skew: float, run_age: float, *, first: bool) -> None:
    lost = TransportError("cut")
    assert submitted(skew, -1.0, lost, "duplicate", run_age=run_age, first=first) == (False, "j_0")


@given(skew=SKEWS, run_age=st.floats(30, 3600))
def test_a_job_of_this_run_is_adopted(skew: float, run_age: float) -> None:
    assert submitted(skew, run_age - 20, "duplicate", run_age=run_age, first=False) == (True, "j_0")


@given(skew=SKEWS, run_age=st.floats(0, 3600), first=st.booleans(), lost=st.booleans())
def test_a_job_from_before_the_run_is_not(skew: float, run_age: float, *, first: bool, lost: bool) -> None:
    """Nor if a request of this call was lost, which may have made one."""
    replies = [TransportError("cut")] * lost + ["duplicate", made(Clock().time + skew - run_age - 30)]
    clock = Clock()
    client, replay = client_of(clock, *replies, "insert_running")
    client._transport.ahead_seconds = skew
    not_before = clock.time - run_age - 10.0
    client.submit(JobRequest("p", "j", {}, not_before=not_before, try_number=1, first=first))
    assert replay.sent[-1].body["jobReference"]["jobId"] == "j_1"
