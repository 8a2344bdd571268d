"""Waiting of one thread for one job. Time comes from outside, so none passes."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_provider_jobs.core.wait.single import ask_each, concerns_job, pause_seconds, wait_for
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    OutageError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

T = TypeVar("T")
PENDING, RUNNING, SUCCEEDED = JobState.PENDING, JobState.RUNNING, JobState.SUCCEEDED
REF = JobRef("bigquery", "p", "one")
OTHER = JobRef("bigquery", "p", "two")
GONE = NotFoundError("gone", status=404, reason="notFound")
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def is_(state: JobState, ref: JobRef = REF) -> JobStatus:
    return JobStatus(ref, state, state.upper())


def refused(status: int, **more: Any) -> ServiceError:
    return ServiceError("forbidden", status=status, reason="r", **more)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


class Service:
    """Tells of each job what it is told to tell, one entry a look, the last one again and again."""

    def __init__(self, **news: Sequence[JobState | BaseException]) -> None:
        self.news = {name: list(entries) for name, entries in news.items()}
        self.ticks: list[set[str]] = []
        self.threads: set[threading.Thread] = set()
        self.broken: BaseException | None = None

    def status(self, ref: JobRef) -> JobStatus:
        news = self.news[ref.id]
        found = news.pop(0) if len(news) > 1 else news[0]
        if isinstance(found, BaseException):
            raise found
        return is_(found, ref)

    def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> dict[JobRef, JobStatus | JobsError]:
        self.ticks.append({ref.id for ref in refs})
        found: dict[JobRef, JobStatus | JobsError] = {}
        for ref in refs:
            try:
                found[ref] = self.status(ref)
            except JobsError as error:
                found[ref] = error
        return found


def test_jobs_of_one_task_are_asked_for_side_by_side() -> None:
    """Each waits here until all of them are asked for."""
    together = threading.Barrier(3)

    def ask(ref: JobRef) -> JobStatus:
        together.wait(PATIENCE)
        return is_(SUCCEEDED, ref)

    refs = [JobRef("bigquery", "p", str(number)) for number in range(3)]
    assert [status.ref for status in ask_each(ask, refs)] == refs
    assert ask_each(ask, []) == []


def test_the_first_error_of_several_asked_for_is_raised() -> None:
    def ask(ref: JobRef) -> JobStatus:
        raise TransportError(ref.id)

    for refs in ([REF], [REF, OTHER]):
        with pytest.raises(TransportError):
            ask_each(ask, refs)


@pytest.mark.parametrize(
    ("waited", "interval", "pause"),
    [(0, 5, 0.5), (2, 5, 0.5), (10, 5, 2), (1000, 5, 5), (1000, 0.1, 0.5), (0, 0.001, 0.5)],
)
def test_pauses_grow_with_the_wait(waited: float, interval: float, pause: float) -> None:
    assert pause_seconds(waited, interval) == pause


@pytest.mark.parametrize(
    ("error", "concerns"),
    [
        (GONE, True),
        (ConfigurationError("x"), True),
        (KeyError("bug"), True),
        (TransportError("x"), False),
        (AuthenticationError("x", status=401, reason="r"), False),
        (ServiceError("x", status=503, reason="r"), False),
    ],
)
def test_tells_trouble_of_the_service_from_trouble_of_the_job(
    error: BaseException, *, concerns: bool
) -> None:
    assert concerns_job(error) is concerns


class TestWaitFor:
    """The wait of one thread."""

    def wait(self, clock: Any, service: Service, first: JobState = PENDING, **options: Any) -> JobStatus:
        options = {"until": float("inf"), "poll_interval": 5.0, **options}
        (last,) = wait_for(service, [is_(first)], timing=clock.timing, **options)
        return last

    def test_asks_nothing_of_a_job_that_has_ended(self, clock: Any) -> None:
        assert self.wait(clock, Service(), SUCCEEDED).state is SUCCEEDED
        assert clock.pauses == []

    def test_waits_until_it_has_ended_and_tells_of_changes(self, clock: Any) -> None:
        told: list[JobStatus] = []
        service = Service(one=[PENDING, RUNNING, RUNNING, SUCCEEDED])
        last = self.wait(clock, service, on_change=told.append)
        assert last.state is SUCCEEDED
        assert [status.state for status in told] == [RUNNING, SUCCEEDED]
        assert clock.pauses == [0.5] * 4

    def test_returns_the_active_job_at_the_time_given(self, clock: Any) -> None:
        began = clock.time
        last = self.wait(clock, Service(one=[RUNNING]), until=began + 4.2)
        assert last.state is RUNNING
        assert clock.time == pytest.approx(began + 4.2)

    def test_does_not_look_after_the_time_given(self, clock: Any) -> None:
        assert self.wait(clock, Service(), until=clock.time).state is PENDING
        assert clock.pauses == []

    def test_never_pauses_longer_than_the_interval(self, clock: Any) -> None:
        self.wait(clock, Service(one=[RUNNING] * 200 + [SUCCEEDED]))
        assert max(clock.pauses) == 5.0

    def test_bears_an_outage_within_the_budget(self, clock: Any) -> None:
        outage = [TransportError("x")] * 9
        service = Service(one=[*outage, RUNNING, TransportError("x"), SUCCEEDED])
        assert self.wait(clock, service, outage_seconds=60).state is SUCCEEDED

    def test_an_outage_beyond_the_budget_is_raised(self, clock: Any) -> None:
        began = clock.time
        with pytest.raises(TransportError):
            self.wait(clock, Service(one=[TransportError("x")]), outage_seconds=60)
        assert 60 < clock.time - began <= 65

    def test_a_refusal_that_says_nothing_about_the_job_is_an_outage_too(self, clock: Any) -> None:
        """A look that is forbidden for a while must not fail a task for good whose job runs on."""
        with pytest.raises(OutageError, match="p:one: forbidden") as caught:
            self.wait(clock, Service(one=[refused(403)]), outage_seconds=60)
        assert caught.value.retryable

    @pytest.mark.parametrize("retryable", [True, False])
    def test_a_pause_that_is_asked_for_is_kept(self, clock: Any, *, retryable: bool) -> None:
        busy = refused(429, retry_after=90.0, retryable=retryable)
        assert self.wait(clock, Service(one=[busy, RUNNING, SUCCEEDED])).state is SUCCEEDED
        assert clock.pauses[1] == 90
        assert clock.pauses[2] <= 5

    def test_a_longer_pause_is_not_waited_for(self, clock: Any) -> None:
        service = Service(one=[refused(429, retry_after=121.0), SUCCEEDED])
        with pytest.raises(OutageError, match="p:one: forbidden") as caught:
            self.wait(clock, service)
        assert caught.value.retry_after == 121
        assert len(clock.pauses) == 1

    def test_a_longer_pause_is_kept_up_to_a_deadline_that_is_near(self, clock: Any) -> None:
        until = clock.time + 100.0
        service = Service(one=[refused(429, retry_after=3600.0), SUCCEEDED])
        assert self.wait(clock, service, until=until).state is SUCCEEDED
        assert clock.time == until

    def test_a_token_that_is_not_accepted_is_looked_at_again_soon(self, clock: Any) -> None:
        """The key, or the connection, may be another one by then."""
        ended = AuthenticationError("ended", status=401, reason="r", retryable=True, retry_after=600.0)
        assert self.wait(clock, Service(one=[ended, SUCCEEDED])).state is SUCCEEDED
        assert max(clock.pauses) <= 5

    def test_who_waits_for_no_pause_at_all(self, clock: Any) -> None:
        with pytest.raises(OutageError):
            self.wait(clock, Service(one=[refused(429, retry_after=1.0)]), longest_pause=0.0)

    def test_each_answer_renews_the_budget(self, clock: Any) -> None:
        news: list[JobState | BaseException] = [TransportError("x"), RUNNING] * 40
        assert self.wait(clock, Service(one=[*news, SUCCEEDED]), outage_seconds=8).state is SUCCEEDED

    def test_a_job_that_is_gone_is_raised_at_once(self, clock: Any) -> None:
        with pytest.raises(NotFoundError):
            self.wait(clock, Service(one=[GONE]))
        assert len(clock.pauses) == 1


class TestSeveral:
    """Several jobs of one task are waited for in one."""

    def wait(self, clock: Any, service: Service, **options: Any) -> list[JobStatus]:
        options = {"until": float("inf"), "poll_interval": 5.0, **options}
        return wait_for(service, [is_(RUNNING), is_(RUNNING, OTHER)], timing=clock.timing, **options)

    def test_waits_until_all_have_ended_and_asks_for_those_that_have_not(self, clock: Any) -> None:
        told: list[JobStatus] = []
        service = Service(one=[SUCCEEDED], two=[RUNNING, RUNNING, SUCCEEDED])
        found = self.wait(clock, service, on_change=told.append)
        assert found == [is_(SUCCEEDED), is_(SUCCEEDED, OTHER)]
        assert service.ticks == [{"one", "two"}]
        assert [status.ref for status in told] == [REF, OTHER]

    def test_one_that_is_gone_ends_the_wait(self, clock: Any) -> None:
        with pytest.raises(NotFoundError):
            self.wait(clock, Service(one=[TransportError("x")], two=[GONE]))
        assert len(clock.pauses) == 1

    def test_the_others_are_heard_while_one_cannot_be_asked_for(self, clock: Any) -> None:
        service = Service(one=[TransportError("x")] * 3 + [SUCCEEDED], two=[SUCCEEDED])
        assert [status.state for status in self.wait(clock, service, outage_seconds=60)] == [SUCCEEDED] * 2

    def test_an_outage_of_one_beyond_the_budget_is_raised(self, clock: Any) -> None:
        with pytest.raises(TransportError):
            self.wait(clock, Service(one=[TransportError("x")], two=[RUNNING]), outage_seconds=60)

    def test_an_outage_of_all_is_borne_within_the_budget(self, clock: Any) -> None:
        class Out(Service):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> dict[JobRef, JobStatus | JobsError]:
                if len(clock.pauses) < 4:
                    raise TransportError("x")
                return super().status_many(refs, tell)

        found = self.wait(clock, Out(one=[SUCCEEDED], two=[SUCCEEDED]), outage_seconds=60)
        assert [status.state for status in found] == [SUCCEEDED] * 2
