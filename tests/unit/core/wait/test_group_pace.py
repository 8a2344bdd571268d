"""How often a group of waiters looks, and what it reports of that."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_jobs.core.wait.group import Tick
from airflow_provider_jobs.core.wait.single import FLOOR_SECONDS
from airflow_provider_jobs.errors import DeadlineExceeded, ServiceError
from airflow_provider_jobs.jobs import JobRef
from tests.unit.core.wait.virtual import (
    EPOCH,
    OTHER,
    REF,
    Service,
    clock,
    ended_at,
    group_of,
    run,
)


class TestPace:
    """How often it looks."""

    def test_is_fast_with_young_jobs_and_slower_later(self) -> None:
        service = Service(one=200)
        run(ended_at(group_of(service)))
        pauses = [after - before for before, after in pairwise(service.times)]
        assert pauses[0] == FLOOR_SECONDS
        assert pauses == pytest.approx(sorted(pauses))
        assert pauses[-1] == pytest.approx(5.0)

    @pytest.mark.parametrize("seconds", [2, 7, 12, 20, 40])
    def test_an_end_is_seen_late_by_a_twentieth(self, seconds: float) -> None:
        """Of jobs that somebody waits for, most take less than a minute."""
        seen = run(ended_at(group_of(Service(one=seconds))))
        assert seen - seconds <= max(FLOOR_SECONDS, seconds / 20)

    @pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("latency", [0.0, 0.4])
    def test_an_end_is_seen_within_the_interval(self, dice: float, latency: float) -> None:
        for end in (0.1, 7.3, 61.7, 333.3):
            seen = run(ended_at(group_of(Service(one=end), latency, dice=dice)))
            assert seen - end <= 5.0 + 2 * latency

    def test_is_fast_again_when_jobs_end(self) -> None:
        """Jobs of one batch end together."""
        service = Service(one=200, two=1000)

        async def scene() -> None:
            group = group_of(service)
            other = asyncio.create_task(ended_at(group, OTHER))
            seen = await ended_at(group)
            await asyncio.sleep(1.9)
            other.cancel()
            after = [time - seen for time in service.times if time > seen]
            assert after == pytest.approx([0.5, 1.0, 1.5])

        run(scene())

    def test_many_jobs_are_not_looked_at_in_a_hurry(self) -> None:
        refs = [JobRef("bigquery", "p", str(number)) for number in range(1000)]
        service = Service(**{ref.id: 10.0 for ref in refs})

        async def scene() -> None:
            group = group_of(service)
            await asyncio.gather(*(ended_at(group, ref) for ref in refs))

        run(scene())
        assert service.times == [0, 4, 8, 12]

    def test_dear_looks_are_never_in_a_hurry(self) -> None:
        service = Service(one=10)
        run(ended_at(group_of(service, hurry=False)))
        assert service.times == [0, 5, 10]

    def test_the_shortest_interval_counts(self) -> None:
        """Also that of a waiter who comes while the group pauses, and no longer when it has left."""
        service = Service(one=5000, two=320)

        async def scene() -> None:
            group = group_of(service)
            patient = asyncio.create_task(ended_at(group, poll_interval=60))
            await asyncio.sleep(315)
            assert await ended_at(group, OTHER, poll_interval=1) <= 321
            await asyncio.sleep(2000)
            patient.cancel()

        run(scene())
        assert service.times[-1] - service.times[-2] == 60

    def test_groups_that_open_together_drift_apart(self) -> None:
        first, second = Service(one=200), Service(one=200)
        run(ended_at(group_of(first, dice=0.2)))
        run(ended_at(group_of(second, dice=0.8)))
        assert first.times[0] != second.times[0]
        assert len(set(first.times) & set(second.times)) < 3

    @pytest.mark.parametrize("seconds", [7.0, 200.0, 600.0])
    def test_keeps_the_pause_that_is_asked_for(self, seconds: float) -> None:
        """Whoever comes meanwhile does not ask sooner either, and a deadline is not moved by it."""
        service = Service(one=100, two=100)
        busy = ServiceError("busy", status=429, reason="r", retryable=True, retry_after=seconds)
        service.errors = {"one": busy, "two": busy}

        async def scene() -> None:
            group = group_of(service)
            waits = [asyncio.create_task(ended_at(group, ref)) for ref in (REF, OTHER)]
            await asyncio.sleep(seconds * 0.9)
            with pytest.raises(DeadlineExceeded):
                await group.wait(REF, poll_interval=5.0, deadline=clock() + seconds / 20)
            assert len(service.looks) == 2  # the second might have asked for others
            service.errors.clear()
            await asyncio.gather(*waits)
            assert service.times[2] == pytest.approx(seconds + service.times[1], abs=1)

        run(scene())

    def test_a_pause_of_those_who_wait_is_not_that_of_a_newcomer(self) -> None:
        service = Service(one=20, two=20)
        service.errors["two"] = ServiceError("busy", status=403, reason="r", retry_after=600.0)

        async def scene() -> None:
            group = group_of(service)
            other = asyncio.create_task(ended_at(group, OTHER))
            await asyncio.sleep(5)
            assert await ended_at(group) <= 30
            other.cancel()

        run(scene())

    def test_a_pause_of_one_job_is_not_that_of_the_others(self) -> None:
        service = Service(one=20, two=20)
        service.errors["two"] = ServiceError("busy", status=429, reason="r", retry_after=300.0)

        async def scene() -> None:
            group = group_of(service)
            other = asyncio.create_task(ended_at(group, OTHER))
            assert await ended_at(group) <= 25
            other.cancel()

        run(scene())

    def test_a_pause_of_those_who_were_asked_first_is_not_that_of_the_others(self) -> None:
        """A look asks for a few jobs only: that none of these was answered tells nothing of the rest."""

        class OneByOne(Service):
            def status_many(self, refs: Any, tell: Any = None) -> Any:
                first = not self.looks
                return super().status_many([ref for ref in refs if (ref.id in self.errors) == first], tell)

        service = OneByOne(one=3, two=20)
        service.errors["two"] = ServiceError("busy", status=429, reason="r", retry_after=300.0)

        async def scene() -> None:
            group = group_of(service)
            other = asyncio.create_task(ended_at(group, OTHER))
            assert await ended_at(group) <= 5
            other.cancel()

        run(scene())

    def test_does_not_ask_twice_at_once(self) -> None:
        service = Service(one=30)
        run(ended_at(group_of(service, seconds=12.0), poll_interval=1))
        assert service.times == [12, 24, 36]


class TestTicks:
    """What it reports of each look."""

    def test_reports_waiters_and_times(self) -> None:
        ticks: list[Tick] = []
        run(ended_at(group_of(Service(one=0.4), 0.25, on_tick=ticks.append)))
        assert ticks == [
            Tick(waiters=1, seconds=0.25, late_seconds=0.25, failed=False),
            Tick(waiters=0, seconds=0.25, late_seconds=0.25, failed=False),
        ]

    def test_reports_a_failure(self) -> None:
        ticks: list[Tick] = []
        service = Service(one=2)
        service.outage = (0, 1)
        run(ended_at(group_of(service, on_tick=ticks.append)))
        assert [tick.failed for tick in ticks][:3] == [True, True, False]

    def test_the_clock_of_deadlines_is_that_of_the_world(self) -> None:
        assert run(_async(clock)) == EPOCH


async def _async(function: Any) -> Any:
    return function()
