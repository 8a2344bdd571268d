"""Deadlines and heartbeats of many waiters, by one timer."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.wait.group import BATCH, PollGroup
from airflow_provider_jobs.core.wait.waiter import HEARTBEAT_SECONDS
from airflow_provider_jobs.errors import (
    DeadlineExceeded,
    JobsError,
)
from airflow_provider_jobs.jobs import JobState, JobStatus
from tests.unit.core.wait.virtual import (
    EPOCH,
    OTHER,
    REF,
    Inline,
    Service,
    ended_at,
    group_of,
    now,
    run,
    timing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.jobs import JobRef


class TestDeadline:
    """Absolute times, watched by one timer."""

    def test_a_deadline_ends_the_wait_of_an_active_job(self) -> None:
        async def scene() -> None:
            with pytest.raises(DeadlineExceeded) as caught:
                await ended_at(group_of(Service(one=1000)), deadline=EPOCH + 62.5)
            assert caught.value.ref == REF
            assert 62.5 <= now() <= 63.5

        run(scene())

    def test_a_deadline_that_has_passed_ends_it_at_once(self) -> None:
        async def scene() -> None:
            with pytest.raises(DeadlineExceeded):
                await ended_at(group_of(Service(one=0)), deadline=1.0)
            assert now() == 0

        run(scene())

    def test_a_deadline_does_not_wait_for_a_service_that_is_silent(self) -> None:
        lane = Inline()
        lane.hung = True

        async def scene() -> None:
            with pytest.raises(DeadlineExceeded):
                await ended_at(group_of(Service(one=0), lane=lane), deadline=EPOCH + 7)
            assert now() <= 8

        run(scene())

    def test_a_deadline_is_each_ones_own(self) -> None:
        async def scene() -> None:
            group = group_of(Service(one=100))
            hasty = asyncio.create_task(ended_at(group, deadline=EPOCH + 10))
            assert await ended_at(group, deadline=EPOCH + 1000) >= 100
            assert isinstance(hasty.exception(), DeadlineExceeded)

        run(scene())

    def test_a_deadline_that_is_near_does_not_wait_for_the_next_round(self) -> None:
        async def scene() -> None:
            group = group_of(Service(one=100))
            patient = asyncio.create_task(ended_at(group))
            await asyncio.sleep(0)
            with pytest.raises(DeadlineExceeded):
                await ended_at(group, deadline=EPOCH + 0.25)
            assert now() == 0.25
            patient.cancel()

        run(scene())

    def test_a_deadline_of_very_many_at_once_leaves_others_their_turn(self) -> None:
        count = 2 * BATCH + 1

        async def scene() -> None:
            group = group_of(Service(one=1000))
            waiters = [asyncio.create_task(ended_at(group, deadline=EPOCH + 10)) for _ in range(count)]
            left: set[int] = set()
            while group._waiters or not left:
                left.add(len(group._everybody()))
                await asyncio.sleep(0.25 if now() < 10 else 0)
            await asyncio.gather(*waiters, return_exceptions=True)
            assert left >= {count, count - BATCH, count - 2 * BATCH}

        run(scene())


class TestHeartbeat:
    """A line every few minutes, in the log of the task."""

    def lines(self, service: Service, *, lane: Inline | None = None, seconds: float = 1300) -> list[str]:
        told: list[str] = []

        async def scene() -> None:
            group = group_of(service, lane=lane or Inline())
            waiter = asyncio.create_task(
                group.wait(REF, poll_interval=5, tell=lambda line: told.append(f"{now():.0f} {line}"))
            )
            await asyncio.sleep(seconds)
            waiter.cancel()

        run(scene())
        return told

    def test_a_heartbeat_says_that_the_wait_goes_on(self) -> None:
        lines = self.lines(Service(one=10_000))
        times = [int(line.split()[0]) for line in lines]
        assert times[0] == HEARTBEAT_SECONDS / 2
        assert all(after - before == HEARTBEAT_SECONDS for before, after in pairwise(times))
        assert lines[-1] == "1050 p:one is RUNNING; waiting for 18 min"

    def test_says_since_when_nobody_answers_and_why(self) -> None:
        service = Service(one=10_000)
        service.outage = (97, 800)
        lines = self.lines(service)
        assert lines[0] == (
            "150 p:one is RUNNING as far as is known; no answer since 22:14:54 UTC: no reply from bigquery; "
            "waiting for 2 min"
        )
        assert lines[-1] == "1050 p:one is RUNNING; waiting for 18 min"

    def test_says_the_services_own_word_of_now(self) -> None:
        """It may change where our state does not: a job that is not visible yet is shown, and waits on."""

        class Showing(Service):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                word = "PENDING" if now() > 60 else "not visible yet"
                return {ref: JobStatus(ref, JobState.PENDING, word) for ref in refs}

        assert self.lines(Showing(), seconds=200) == ["150 p:one is PENDING; waiting for 2 min"]

    def test_says_that_a_look_has_not_come_back(self) -> None:
        lane = Inline()
        lane.hung = True
        lines = self.lines(Service(one=10_000), lane=lane, seconds=200)
        assert lines == [
            "150 p:one is not seen yet as far as is known; no answer since 22:13:20 UTC; waiting for 2 min"
        ]

    def test_those_who_came_together_do_not_speak_at_once(self) -> None:
        told: list[float] = []
        throws = iter([0.5, 0.1, 0.9, *[0.0] * 1000])  # the first is the group's own

        async def scene() -> None:
            group = group_of(Service(one=10_000), timing=replace(timing(), random=lambda: next(throws)))
            waiters = [
                asyncio.create_task(group.wait(REF, poll_interval=5, tell=lambda _: told.append(now())))
                for _ in range(2)
            ]
            await asyncio.sleep(310)
            for waiter in waiters:
                waiter.cancel()

        run(scene())
        beats = [time for time in told if time > 100]
        assert len(set(beats)) == len(beats) == 2

    def test_each_line_is_told_in_the_context_of_its_waiter(self) -> None:
        """Airflow routes log lines by context."""
        task = contextvars.ContextVar("task", default="none")
        told: set[tuple[str, str]] = set()
        asked: set[str] = set()

        class Looking(Service):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                asked.add(task.get())
                return super().status_many(refs, tell)

        async def waiter(group: PollGroup, ref: JobRef) -> None:
            task.set(ref.id)
            await group.wait(ref, poll_interval=5, tell=lambda line: told.add((task.get(), line[2:5])))

        async def scene() -> None:
            group = group_of(Looking(one=400, two=500))
            await asyncio.gather(waiter(group, REF), waiter(group, OTHER))

        run(scene())
        assert told == {("one", "one"), ("two", "two")}
        assert asked == {"none"}
