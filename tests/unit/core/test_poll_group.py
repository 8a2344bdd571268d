"""One loop for many waiters: nobody delays, ends or blinds anybody else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_provider_jobs.core.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.core.polling import (
    FLOOR_SECONDS,
    PollGroup,
)
from airflow_provider_jobs.errors import (
    DeadlineExceeded,
    JobsError,
    NotFoundError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

T = TypeVar("T")
PENDING, RUNNING, SUCCEEDED = JobState.PENDING, JobState.RUNNING, JobState.SUCCEEDED
REF = JobRef("bigquery", "p", "one")
OTHER = JobRef("bigquery", "p", "two")
GONE = NotFoundError("gone", status=404, reason="notFound")
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def is_(state: JobState, ref: JobRef = REF) -> JobStatus:
    return JobStatus(ref, state, state.upper())


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

    def status_many(self, refs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus | JobsError]:
        self.ticks.append({ref.id for ref in refs})
        self.threads.add(threading.current_thread())
        if self.broken:
            raise self.broken
        found: dict[JobRef, JobStatus | JobsError] = {}
        for ref in refs:
            try:
                found[ref] = self.status(ref)
            except JobsError as error:
                found[ref] = error
        return found


async def states(group: PollGroup, ref: JobRef = REF, **options: Any) -> list[JobState]:
    options = {"poll_interval": 0.01, **options}
    async with aclosing(group.watch(ref, **options)) as changes:
        return [status.state async for status in changes]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for happens in threads
        await asyncio.sleep(0.01)


class TestPollGroup:
    """The wait of many."""

    def test_yields_each_change_once_until_the_end(self) -> None:
        service = Service(one=[PENDING, PENDING, RUNNING, SUCCEEDED])
        assert run(states(PollGroup(service))) == [PENDING, RUNNING, SUCCEEDED]
        assert len(service.ticks) == 4

    def test_one_look_serves_all(self) -> None:
        service = Service(one=[RUNNING, SUCCEEDED], two=[RUNNING, SUCCEEDED])

        async def scene() -> list[list[JobState]]:
            group = PollGroup(service)
            return list(await asyncio.gather(states(group), states(group), states(group, OTHER)))

        assert run(scene()) == [[RUNNING, SUCCEEDED]] * 3
        assert service.ticks == [{"one", "two"}] * 2

    def test_asks_in_a_thread(self) -> None:
        service = Service(one=[SUCCEEDED])
        run(states(PollGroup(service)))
        assert threading.current_thread() not in service.threads

    def test_who_leaves_takes_only_itself(self) -> None:
        service = Service(one=[RUNNING], two=[RUNNING] * 2 + [SUCCEEDED])

        async def scene() -> list[JobState]:
            group = PollGroup(service)
            leaver = asyncio.create_task(states(group))
            stayer = asyncio.create_task(states(group, OTHER))
            await until(lambda: len(service.ticks) == 1)
            leaver.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaver
            return await stayer

        assert run(scene()) == [RUNNING, SUCCEEDED]
        assert service.ticks[-1] == {"two"}

    def test_a_job_that_is_gone_fails_its_waiter_only(self) -> None:
        service = Service(one=[GONE], two=[RUNNING, SUCCEEDED])

        async def scene() -> list[list[JobState] | BaseException]:
            group = PollGroup(service)
            return list(await asyncio.gather(states(group), states(group, OTHER), return_exceptions=True))

        assert run(scene()) == [GONE, [RUNNING, SUCCEEDED]]

    def test_bears_an_outage(self) -> None:
        service = Service(one=[TransportError("x"), SUCCEEDED])
        assert run(states(PollGroup(service))) == [SUCCEEDED]
        service.broken = TransportError("x")

        async def scene() -> list[JobState]:
            waiter = asyncio.create_task(states(PollGroup(service)))
            await until(lambda: len(service.ticks) == 3)
            service.broken = None
            return await waiter

        assert run(scene()) == [SUCCEEDED]

    def test_raises_an_outage_beyond_the_budget(self) -> None:
        service = Service(one=[TransportError("x")])
        with pytest.raises(TransportError):
            run(states(PollGroup(service, outage_seconds=0)))

    def test_a_bug_of_the_client_reaches_the_waiters(self) -> None:
        service = Service()
        service.broken = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            run(states(PollGroup(service)))

    def test_the_deadline_ends_the_wait_of_an_active_job(self) -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            run(states(PollGroup(Service(one=[RUNNING])), deadline=time.time() + 0.1))
        assert caught.value.ref == REF

    def test_a_deadline_that_has_passed_ends_it_at_once(self) -> None:
        with pytest.raises(DeadlineExceeded):
            run(states(PollGroup(Service(one=[SUCCEEDED])), deadline=1.0))

    def test_starts_again_after_everybody_has_left(self) -> None:
        service = Service(one=[SUCCEEDED])

        async def scene() -> None:
            group = PollGroup(service)
            assert await states(group) == [SUCCEEDED]
            await until(lambda: group._loop_task is not None and group._loop_task.done())
            assert await states(group) == [SUCCEEDED]

        run(scene())
        assert len(service.ticks) == 2

    def test_who_is_in_a_hurry_does_not_wait_for_who_is_not(self) -> None:
        """The shortest interval counts, also that of a waiter who comes while the loop pauses."""
        service = Service(one=[RUNNING], two=[SUCCEEDED])

        async def scene() -> None:
            group = PollGroup(service)
            patient = asyncio.create_task(states(group, poll_interval=3600))
            await until(lambda: len(service.ticks) == 1 and not service.threads.pop().is_alive())
            for _ in range(9):  # until the loop pauses
                await asyncio.sleep(0)
            hasty = states(group, OTHER, poll_interval=0.1)
            assert await asyncio.wait_for(hasty, 4 * FLOOR_SECONDS) == [SUCCEEDED]
            patient.cancel()

        run(scene())

    def test_its_loop_does_not_run_in_the_context_of_a_waiter(self) -> None:
        """Airflow routes log lines by context: those of all would land in the log of one."""
        variable = contextvars.ContextVar("variable", default="none")
        seen: list[str] = []

        class Looking(Service):
            def status_many(self, refs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus | JobsError]:
                seen.append(variable.get())
                return super().status_many(refs)

        async def scene() -> None:
            variable.set("first")
            await states(PollGroup(Looking(one=[SUCCEEDED])))

        run(scene())
        assert seen == ["none"]

    def test_a_job_that_no_look_mentions_fails_after_the_budget(self) -> None:
        """Whoever is forgotten must not wait for ever."""

        class Forgetful(Service):
            def status_many(self, refs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus | JobsError]:
                super().status_many(refs)
                return {}

        with pytest.raises(JobsError):
            run(states(PollGroup(Forgetful(one=[RUNNING]), outage_seconds=0), deadline=None))

    def test_an_older_reference_to_the_same_job_is_the_same_job(self) -> None:
        service = Service(one=[SUCCEEDED])

        async def scene() -> list[list[JobState]]:
            group = PollGroup(service)
            return list(await asyncio.gather(states(group), states(group, replace(REF, created_at=1.0))))

        assert run(scene()) == [[SUCCEEDED]] * 2
