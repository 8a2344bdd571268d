"""One loop for many waiters: nobody delays, ends or blinds anybody else."""

from __future__ import annotations

import asyncio
import itertools
import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.wait.group import BATCH, CALL_SECONDS, PollGroup
from airflow_provider_jobs.core.wait.single import OUTAGE_SECONDS
from airflow_provider_jobs.errors import (
    JobsError,
    NotFoundError,
    OutageError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobStatus
from tests.unit.core.wait.virtual import (
    DOWN,
    OTHER,
    REF,
    RUNNING,
    SUCCEEDED,
    Inline,
    Service,
    ended_at,
    group_of,
    now,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


GONE = NotFoundError("gone", status=404, reason="notFound")


class TestWaiting:
    """What one waiter sees."""

    def test_returns_the_last_status(self) -> None:
        assert run(group_of(Service(one=3)).wait(REF, poll_interval=5)) == JobStatus(
            REF, SUCCEEDED, "SUCCEEDED"
        )

    def test_tells_each_change_once(self) -> None:
        told: list[str] = []
        run(group_of(Service(one=100)).wait(REF, poll_interval=5, tell=told.append))
        assert told == ["p:one is SUCCEEDED"]

    def test_a_thousand_waits_begin_without_a_line(self) -> None:
        """Airflow 3.3's triggerer hangs if so much is logged while it is handed more triggers."""
        told: list[str] = []

        async def scene() -> None:
            group = group_of(Service(**{f"job{number}": 10_000 for number in range(1000)}))
            waits = [
                asyncio.create_task(
                    group.wait(replace(REF, id=f"job{number}"), poll_interval=5, tell=told.append)
                )
                for number in range(1000)
            ]
            await asyncio.sleep(60)
            for wait in waits:
                wait.cancel()

        run(scene())
        assert told == []

    def test_one_look_serves_all(self) -> None:
        service = Service(one=3, two=3)

        async def scene() -> None:
            group = group_of(service)
            await asyncio.gather(ended_at(group), ended_at(group), ended_at(group, OTHER))
            assert len(group._waiters) == 0

        run(scene())
        assert all(names == {"one", "two"} for _, names in service.looks)

    def test_asks_in_a_thread_of_its_own(self) -> None:
        threads: set[threading.Thread] = set()

        class Real:
            def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> dict[JobRef, JobStatus]:
                threads.add(threading.current_thread())
                return {ref: JobStatus(ref, SUCCEEDED, "DONE") for ref in refs}

        asyncio.run(PollGroup(Real()).wait(REF, poll_interval=1))
        assert threads
        assert threading.current_thread() not in threads

    def test_an_older_reference_to_the_same_job_is_the_same_job(self) -> None:
        service = Service(one=3)

        async def scene() -> None:
            group = group_of(service)
            await asyncio.gather(ended_at(group), ended_at(group, replace(REF, created_at=1.0)))

        run(scene())

    def test_who_comes_during_a_look_waits_for_the_next(self) -> None:
        service = Service(one=100, two=0)

        async def scene() -> float:
            group = group_of(service, seconds=2.0)
            first = asyncio.create_task(ended_at(group))
            await asyncio.sleep(1.0)
            found = await ended_at(group, OTHER)
            first.cancel()
            return found

        assert run(scene()) == 4.0

    def test_works_on_after_everybody_has_left(self) -> None:
        async def scene() -> None:
            group = group_of(Service(one=3))
            await ended_at(group)
            await asyncio.sleep(60)
            assert await ended_at(group) == now()

        run(scene())

    def test_wakes_very_many_a_few_at_a_time(self) -> None:
        """Others of the event loop have their turn in between."""
        refs = [JobRef("bigquery", "p", str(number)) for number in range(2 * BATCH + 1)]
        turns: list[int] = [0]
        ended: list[int] = []

        def turn() -> None:
            turns.append(len(ended))
            if len(ended) < len(refs):
                asyncio.get_running_loop().call_soon(turn)

        class Last(Service):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                if self.looks:
                    turn()
                return super().status_many(refs, tell)

        async def scene() -> None:
            group = group_of(Last(**{ref.id: 1.0 for ref in refs}))
            waiters = [asyncio.create_task(ended_at(group, ref)) for ref in refs]
            for waiter in waiters:
                waiter.add_done_callback(lambda _: ended.append(1))
            await asyncio.gather(*waiters)

        run(scene())
        assert max(after - before for before, after in pairwise(turns)) <= BATCH


class TestLeaving:
    """Each ends by itself, and takes nobody along."""

    def test_who_leaves_takes_only_itself(self) -> None:
        service = Service(one=1000, two=20)

        async def scene() -> None:
            group = group_of(service)
            leaver = asyncio.create_task(ended_at(group))
            stayer = asyncio.create_task(ended_at(group, OTHER))
            await asyncio.sleep(10)
            leaver.cancel()
            assert 20 <= await stayer <= 25
            assert leaver.cancelled()

        run(scene())
        assert service.looks[-1][1] == {"two"}

    def test_who_leaves_during_a_look_is_told_nothing(self) -> None:
        told: list[str] = []

        async def scene() -> None:
            group = group_of(Service(one=0, two=0), seconds=2.0)
            leaver = asyncio.create_task(ended_at(group, tell=told.append))
            stayer = asyncio.create_task(ended_at(group, OTHER))
            await asyncio.sleep(1)
            leaver.cancel()
            assert await stayer == 2.0

        run(scene())
        assert told == []

    def test_when_the_last_has_left_nothing_runs(self) -> None:
        service = Service(one=1000)

        async def scene() -> None:
            group = group_of(service, seconds=2.0)
            for leave_after in (1.0, 3.0):  # during a look, and between two
                leaver = asyncio.create_task(ended_at(group))
                await asyncio.sleep(leave_after)
                leaver.cancel()
                await asyncio.sleep(0)
                looks = len(service.looks)
                await asyncio.sleep(1000)
                assert len(service.looks) == looks
            assert len(asyncio.all_tasks()) == 1

        run(scene())

    def test_who_leaves_at_the_moment_of_the_end_just_leaves(self) -> None:
        """Its wait is cancelled after the look that found the job ended, before it was woken."""

        async def scene() -> None:
            group = group_of(Service(one=0))
            leaver = asyncio.create_task(ended_at(group))
            await asyncio.sleep(0)
            (waiter,) = group._waiters[REF]
            waiter.ended.cancel()
            await asyncio.sleep(1)
            assert leaver.cancelled()
            waiter.end(GONE)
            assert waiter.ended.cancelled()

        run(scene())

    def test_a_job_that_is_gone_fails_its_waiter_only(self) -> None:
        service = Service(one=1000, two=3)
        service.errors["one"] = GONE

        async def scene() -> Any:
            group = group_of(service)
            return await asyncio.gather(ended_at(group), ended_at(group, OTHER), return_exceptions=True)

        gone, seen = run(scene())
        assert gone is GONE
        assert seen >= 3

    def test_a_bug_of_the_client_reaches_the_waiters(self) -> None:
        class Broken:
            def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> Any:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(group_of(Broken()).wait(REF, poll_interval=1))

    def test_a_bug_of_ours_reaches_the_waiters_too(self) -> None:
        """Nobody may wait for a tick that never comes."""

        class Broken(Inline):
            async def run(self, step: Any) -> Any:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(group_of(Service(one=0), lane=Broken()).wait(REF, poll_interval=1))


class TestOutage:
    """The service cannot be asked."""

    def test_bears_an_outage_within_the_budget(self) -> None:
        service = Service(one=10)
        service.outage = (5, OUTAGE_SECONDS)
        assert OUTAGE_SECONDS <= run(ended_at(group_of(service))) <= OUTAGE_SECONDS + 5

    def test_raises_an_outage_beyond_it(self) -> None:
        service = Service(one=1000)
        service.outage = (100, 2000)

        async def scene() -> None:
            with pytest.raises(TransportError):
                await ended_at(group_of(service, outage_seconds=60))
            assert 160 <= now() <= 170

        run(scene())

    def test_one_failed_look_after_a_long_pause_is_no_outage(self) -> None:
        service = Service(one=4000)
        service.outage = (1700, 200)
        assert run(ended_at(group_of(service), poll_interval=1800.0)) <= 5600

    def test_trouble_with_one_job_is_its_own(self) -> None:
        service = Service(one=1000, two=200)
        service.errors["one"] = DOWN

        async def scene() -> Any:
            group = group_of(service, outage_seconds=60)
            return await asyncio.gather(ended_at(group), ended_at(group, OTHER), return_exceptions=True)

        failed, seen = run(scene())
        assert failed is DOWN
        assert 200 <= seen <= 205

    def test_a_job_that_no_look_mentions_fails_after_the_budget(self) -> None:
        """Whoever is forgotten must not wait for ever."""

        class Forgetful:
            def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> dict[JobRef, JobStatus]:
                return {}

        with pytest.raises(JobsError, match="nothing was heard"):
            run(group_of(Forgetful(), outage_seconds=60).wait(REF, poll_interval=5))

    def test_a_job_whose_turn_is_long_in_coming_is_not_forgotten(self) -> None:
        """Salesforce's jobs are asked for two a look where there is no list: a turn of many takes long."""
        jobs = [JobRef("salesforce", "org", str(number)) for number in range(200)]
        turns = itertools.cycle(zip(jobs[::2], jobs[1::2], strict=True))

        class InTurn:
            def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> dict[JobRef, JobStatus]:
                state = SUCCEEDED if now() >= 2000 else RUNNING
                return {ref: JobStatus(ref, state, state.upper()) for ref in next(turns) if ref in refs}

        async def scene() -> None:
            group = group_of(InTurn(), hurry=False)
            seen = await asyncio.gather(*(ended_at(group, ref, poll_interval=15.0) for ref in jobs))
            assert 2000 <= max(seen) <= 2000 + 100 * 15.0 + 15.0

        run(scene())

    def test_an_answer_that_never_ends_is_given_up(self) -> None:
        lane = Inline()
        lane.hung = True

        async def scene() -> None:
            with pytest.raises(OutageError):
                await ended_at(group_of(Service(one=0), lane=lane))
            assert OUTAGE_SECONDS <= now() <= OUTAGE_SECONDS + CALL_SECONDS

        run(scene())
