"""Waiting for jobs: one loop for all waiters of a connection, or one thread for one job.

Asking costs the same however many wait: a tick is one ``status_many`` call in a thread of its own. One failed
tick is not a failed job: an outage budget bounds how long the service may stay silent.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_provider_jobs.core.jobs import JobState, JobStatus
from airflow_provider_jobs.errors import (
    ConfigurationError,
    DeadlineExceeded,
    JobsError,
    NotFoundError,
    ProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from airflow_provider_jobs.core.jobs import JobRef
    from airflow_provider_jobs.core.retry import Timing

T = TypeVar("T")

#: How long a service may stay silent before its waiters fail, in seconds.
OUTAGE_SECONDS = 900.0
#: The shortest pause between two looks at a job, in seconds.
FLOOR_SECONDS = 0.5


class StatusClient(Protocol):
    """What waiting needs of a client."""

    def status(self, ref: JobRef) -> JobStatus:
        """Return how a job is doing."""

    def status_many(self, refs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus | JobsError]:
        """Return how many jobs are doing."""


def pause_seconds(waited: float, poll_interval: float) -> float:
    """Return the pause before the next look: a fifth of the wait so far, at most ``poll_interval``."""
    return min(poll_interval, max(FLOOR_SECONDS, waited / 5))


def concerns_job(error: BaseException) -> bool:
    """Return False if an error says nothing about the job: the service, network or token is at fault."""
    return not isinstance(error, JobsError) or isinstance(error, NotFoundError | ConfigurationError)


def wait_for(
    client: StatusClient,
    status: JobStatus,
    *,
    until: float,
    poll_interval: float,
    timing: Timing,
    outage_seconds: float = OUTAGE_SECONDS,
    on_change: Callable[[JobStatus], None] | None = None,
) -> JobStatus:
    """Wait in this thread and return the job's last status: ended, or still active at the time ``until``.

    :param until: Seconds since 1970; infinity waits without end.
    :raises JobsError: the service stayed silent for ``outage_seconds``, or said that the job is gone.
    """
    began = answered = timing.now()
    while not status.state.ended and (now := timing.now()) < until:
        timing.sleep(max(0.0, min(pause_seconds(now - began, poll_interval), until - now)))
        try:
            news = client.status(status.ref)
        except JobsError as error:
            if concerns_job(error) or timing.now() > answered + outage_seconds:
                raise
            continue
        answered = timing.now()
        if on_change and news.state != status.state:
            on_change(news)
        status = news
    return status


async def in_thread(step: Callable[[], T]) -> T:
    """Run a blocking call in a daemon thread of its own, so that neither a pool nor the exit waits for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        outcome: tuple[T | None, BaseException | None]
        try:
            outcome = step(), None
        except StopIteration as error:
            outcome = None, RuntimeError(f"StopIteration: {error}")  # no future carries the original
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            outcome = None, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="airflow-provider-jobs", daemon=True).start()
    return await future


@dataclass(eq=False, slots=True)
class _Waiter:
    ref: JobRef
    poll_interval: float
    news: asyncio.Queue[JobStatus | BaseException] = field(default_factory=asyncio.Queue)
    state: JobState | None = None
    answered_at: float = field(default_factory=time.monotonic)


class PollGroup:
    """All waiters of one connection and scope share one loop, which lives while anybody waits.

    :param client: Its ``status_many`` is called in a thread.
    """

    def __init__(self, client: StatusClient, *, outage_seconds: float = OUTAGE_SECONDS) -> None:
        self._client = client
        self._outage_seconds = outage_seconds
        self._waiters: set[_Waiter] = set()
        self._joined = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None

    async def watch(
        self, ref: JobRef, *, poll_interval: float, deadline: float | None = None
    ) -> AsyncGenerator[JobStatus, None]:
        """Yield the job's status when it becomes known and whenever its state changes, until it has ended.

        :param poll_interval: Seconds between two ticks at most; the shortest of all waiters counts.
        :param deadline: Seconds since 1970.
        :raises DeadlineExceeded: the job was still active then.
        :raises JobsError: the service stayed silent for the outage budget, or said that the job is gone.
        """
        waiter = _Waiter(ref, poll_interval)
        self._waiters.add(waiter)
        self._joined.set()
        if self._loop_task is None or self._loop_task.done():
            # A context of its own: what this loop logs must not land in the log of whoever came first.
            self._loop_task = asyncio.create_task(self._loop(), context=contextvars.Context())
        try:
            while True:
                status = await _next_news(waiter, deadline)
                yield status
                if status.state.ended:
                    return
        finally:
            self._waiters.discard(waiter)

    async def _loop(self) -> None:
        while self._waiters:
            began = time.monotonic()
            refs = {waiter.ref for waiter in self._waiters}
            news: Mapping[JobRef, JobStatus | BaseException]
            try:
                news = await in_thread(functools.partial(self._client.status_many, list(refs)))
            except Exception as error:  # noqa: BLE001 - every waiter gets it, and raises what it cannot bear
                news = dict.fromkeys(refs, error)
            for waiter in self._waiters:
                if waiter.ref in refs:
                    self._tell(waiter, news.get(waiter.ref, _NO_ANSWER))
            await asyncio.sleep(0)  # who was told leaves before the pause is chosen
            await self._pause(began)

    async def _pause(self, began: float) -> None:
        """Sleep until the next tick, which somebody who joins meanwhile may want earlier."""
        while self._waiters:
            interval = max(FLOOR_SECONDS, min(waiter.poll_interval for waiter in self._waiters))
            self._joined.clear()
            try:
                async with asyncio.timeout(max(0.0, began + interval - time.monotonic())):
                    await self._joined.wait()
            except TimeoutError:
                return

    def _tell(self, waiter: _Waiter, news: JobStatus | BaseException) -> None:
        now = time.monotonic()
        if isinstance(news, JobStatus):
            waiter.answered_at = now
            if news.state != waiter.state:
                waiter.news.put_nowait(news)
            waiter.state = news.state
        elif concerns_job(news) or now > waiter.answered_at + self._outage_seconds:
            waiter.news.put_nowait(news)


_NO_ANSWER = ProtocolError("the client said nothing about this job")


async def _next_news(waiter: _Waiter, deadline: float | None) -> JobStatus:
    left = None if deadline is None else max(0.0, deadline - time.time())
    try:
        async with asyncio.timeout(left):
            news = await waiter.news.get()
    except TimeoutError:
        raise DeadlineExceeded(f"{waiter.ref} was still active at its deadline", ref=waiter.ref) from None
    if isinstance(news, BaseException):
        raise news
    return news
