"""Waiting for many jobs of one connection in one loop.

Asking costs the same however many wait: a tick is one ``status_many`` call, in a thread of the group's own.
What it finds out is told at once, while it goes on and after it. In between nothing runs but one timer for
all deadlines. Who waits is woken once, at the end; what it should know before is told to it in its own
context, so that each line finds the log of its own task.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.single import (
    FLOOR_SECONDS,
    OUTAGE_SECONDS,
    asked_pause,
    concerns_job,
    pause_seconds,
)
from airflow_provider_jobs.core.wait.threads import Lane
from airflow_provider_jobs.core.wait.waiter import HEARTBEAT_SECONDS, Waiter
from airflow_provider_jobs.errors import AuthenticationError, DeadlineExceeded, MovedError, OutageError
from airflow_provider_jobs.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.core.work import ManyClient, Tell
    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef

#: Seconds between two ticks for each job that waits, where the group is in a hurry: a list of many jobs costs
#: time to read. From 1,250 jobs on, five seconds are the hurry.
HURRY_SECONDS_PER_JOB = 0.004
#: A group grows calm so many times as slowly as who waits for one job: a look costs the same for all, and
#: each task ends as late as it is looked at. The pause is a twentieth of the time in which nothing has
#: happened.
CALM = 4
#: The part of a pause that chance may take away, so that connections drift apart.
JITTER = 0.1
#: Deadlines and heartbeats are looked through at most this often, in seconds.
SWEEP_SECONDS = 1.0
#: Of so many jobs something is told before others of the event loop have their turn: some 50 ms.
BATCH = 250
#: A call is given up after so many seconds; its own timeouts end it long before, unless the answer trickles.
CALL_SECONDS = 600.0
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Tick:
    """What one look at all jobs of a group was like.

    :param waiters: How many jobs are waited for after it.
    :param seconds: How long it took.
    :param late_seconds: From the moment it was due until everybody had been told what it found.
    :param failed: True if the service could not be asked, neither in it nor since the one before.
    """

    waiters: int
    seconds: float
    late_seconds: float
    failed: bool


class PollGroup:
    """All waiters of one connection and scope share one loop, which runs while anybody waits.

    :param client: Its ``status_many`` is called in a thread.
    :param hurry: False always pauses for the whole poll interval: a look is dear.
    :param on_tick: Called after each tick, in the thread.
    :param lane: Where blocking calls run; default is one of the group's own.
    """

    def __init__(
        self,
        client: ManyClient,
        *,
        outage_seconds: float = OUTAGE_SECONDS,
        hurry: bool = True,
        on_tick: Callable[[Tick], object] | None = None,
        lane: Lane | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._client = client
        self._outage_seconds = outage_seconds
        self._hurry = hurry
        self._on_tick = on_tick
        self._lane = lane or Lane(2)  # should one call hang, there is another thread
        self._timing = timing or Timing()
        self._waiters: dict[JobRef, list[Waiter]] = {}
        self._tick_timer: asyncio.TimerHandle | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self.rejected = False  # the service did not accept the token, or the address, when it was asked last
        self._answered = self._failed = False  # since the last tick
        self._silent_before = False  # nobody was answered in the last tick
        self._answered_at = -_NEVER  # when somebody was
        self._longest_asked = 0.0  # the longest pause that the service has asked for since then
        self._began = self._stirred_at = self._not_before = -_NEVER
        self._poll_interval = _NEVER
        self._luck = 0.0

    async def wait(
        self,
        ref: JobRef,
        *,
        poll_interval: float,
        deadline: float | None = None,
        tell: Callable[[str], object] | None = None,
        name: str | None = None,
    ) -> JobStatus:
        """Wait until the job has ended, and return its last status.

        :param poll_interval: Seconds between two ticks at most; the shortest of all waiters counts.
        :param deadline: Seconds since 1970.
        :param tell: Called in the caller's context with each change of state, and every few minutes.
        :param name: What these lines call the job; default is all that names it.
        :raises DeadlineExceeded: the job was still active then.
        :raises JobsError: the service stayed silent for the outage budget, or said that the job is gone.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiter = Waiter(
            ref,
            poll_interval,
            _NEVER if deadline is None else deadline,
            tell,
            loop.create_future(),
            contextvars.copy_context(),
            joined_at=now,
            answered_at=now,
            # Those who came together should not all speak at once.
            heartbeat_at=now + HEARTBEAT_SECONDS * (0.5 + self._timing.random() / 2),
            name=name or str(ref),
        )
        self._join(waiter, loop)
        try:
            return await waiter.ended
        finally:
            self._leave(waiter)

    def _join(self, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiters:
            self._began = self._stirred_at = self._answered_at = -_NEVER
            self._poll_interval, self._silent_before = _NEVER, False
            self._luck = self._timing.random()
        if waiter.ref not in self._waiters and self._hurry:
            # The client keeps the pause of the others; for this one nobody has asked.
            self._not_before = -_NEVER
        self._waiters.setdefault(waiter.ref, []).append(waiter)
        self._stirred_at = loop.time()
        self._poll_interval = min(self._poll_interval, waiter.poll_interval)
        self._plan_tick(loop)
        self._plan_sweep(loop, min(SWEEP_SECONDS, waiter.deadline - self._timing.now()))

    def _leave(self, waiter: Waiter) -> None:
        same = self._waiters.get(waiter.ref, [])
        if waiter in same:
            same.remove(waiter)
            if not same:
                del self._waiters[waiter.ref]
            self._stop_if_empty()

    def _stop_if_empty(self) -> None:
        if self._waiters:
            return
        for running in (self._tick_timer, self._sweep_timer, self._ticking):
            if running is not None:
                running.cancel()
        self._tick_timer = self._sweep_timer = self._ticking = None

    def _plan_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer of the next tick, or bring it forward; a tick under way does so when it is over."""
        if self._ticking is not None:
            return
        now = loop.time()
        if self._began == -_NEVER:  # many groups that open at once should not all ask at once
            due = now + FLOOR_SECONDS * self._luck
        else:
            due = max(now, self._began + self._pause(now))
        due = max(due, self._not_before)
        if self._tick_timer is not None:
            if self._tick_timer.when() <= due:
                return
            self._tick_timer.cancel()
        # A context of its own: what a tick logs must not land in the log of whoever came first.
        self._tick_timer = loop.call_at(due, self._start_tick, loop, due, context=contextvars.Context())

    def _pause(self, now: float) -> float:
        """Return the seconds between two ticks: few while somebody is new or jobs change, never many."""
        longest = max(FLOOR_SECONDS, self._poll_interval)
        if not self._hurry:
            return longest
        quiet = (now - self._stirred_at) / CALM
        hurry = max(len(self._waiters) * HURRY_SECONDS_PER_JOB, pause_seconds(quiet, longest))
        return min(longest, hurry) * (1 - JITTER * self._luck)

    def _start_tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._tick_timer = None
        self._ticking = loop.create_task(self._tick(loop, due))
        self._ticking.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        """See to it that a bug ends the waits: nobody may wait for a tick that never comes."""
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()):
            for waiter in self._everybody():
                waiter.end(error)
            self._waiters.clear()
            self._stop_if_empty()

    def _everybody(self) -> list[Waiter]:
        return [waiter for same in self._waiters.values() for waiter in same]

    async def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._began = began = loop.time()
        self._luck = self._timing.random()
        refs = list(self._waiters)
        tell = partial(self._tell_soon, loop, began)
        found: Mapping[JobRef, JobStatus | Exception] | Exception
        try:
            async with asyncio.timeout(CALL_SECONDS):
                found = await self._lane.run(partial(_ask, self._client, refs, tell))
        except TimeoutError:
            found = OutageError(f"no answer within {CALL_SECONDS:.0f} s")
        seconds = loop.time() - began
        await self._tell(dict.fromkeys(refs, found) if isinstance(found, Exception) else found, began)
        failed = self._failed and not self._answered
        newcomers = self._hurry and not self._waiters.keys() <= set(refs)
        # The first time it may be those few who were asked: the next tick asks for others. The second time
        # the whole connection has to wait.
        if failed and self._silent_before and not newcomers:
            self._not_before = began + seconds + self._longest_asked
        self._silent_before = failed
        self._ticking = None
        if self._on_tick:
            tick = Tick(len(self._waiters), seconds, loop.time() - due, failed)
            self._lane.submit(partial(self._on_tick, tick))
        self._answered, self._failed, self._longest_asked = False, False, 0.0
        if self._waiters:
            self._poll_interval = min(waiter.poll_interval for waiter in self._everybody())
            self._plan_tick(loop)
        else:
            self._stop_if_empty()

    def _tell_soon(
        self, loop: asyncio.AbstractEventLoop, asked: float, news: Mapping[JobRef, JobStatus | JobsError]
    ) -> None:
        """Have news told that came to a thread of the client, whichever tick has asked for them."""

        def begin() -> None:
            telling = loop.create_task(self._tell(news, asked))
            self._telling.add(telling)
            telling.add_done_callback(self._over)

        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(begin, context=contextvars.Context())

    async def _tell(self, news: Mapping[JobRef, JobStatus | Exception], asked: float) -> None:
        """Tell everybody who waits what is new of his job."""
        loop = asyncio.get_running_loop()
        items = iter(news.items())
        while batch := list(itertools.islice(items, BATCH)):
            for ref, one in batch:
                self._tell_of(ref, one, asked, loop.time())
            await asyncio.sleep(0)

    def _tell_of(self, ref: JobRef, news: JobStatus | Exception, asked: float, now: float) -> None:
        if isinstance(news, JobStatus) or concerns_job(news):
            self._answered, self._answered_at, self.rejected = True, now, False
        else:
            self._failed = True
            self._longest_asked = max(self._longest_asked, asked_pause(news))
            self.rejected = isinstance(news, AuthenticationError | MovedError)
        waiters = self._waiters.get(ref)
        if not waiters:
            return
        for waiter in waiters:
            if waiter.hear(news, asked, now, self._outage_seconds):
                self._stirred_at = now
        if any(waiter.ended.done() for waiter in waiters):
            waiters[:] = [waiter for waiter in waiters if not waiter.ended.done()]
            if not waiters:
                del self._waiters[ref]

    def _plan_sweep(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Set the one timer for all deadlines and heartbeats, or bring it forward."""
        due = loop.time() + max(0.0, seconds)
        if self._sweep_timer is not None:
            if self._sweep_timer.when() <= due:
                return
            self._sweep_timer.cancel()
        self._sweep_timer = loop.call_at(due, self._sweep, loop, context=contextvars.Context())

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweep_timer = None
        now, clock = loop.time(), self._timing.now()
        due = [each for each in self._everybody() if clock >= each.deadline or now >= each.heartbeat_at]
        for waiter in due[:BATCH]:
            if clock >= waiter.deadline:
                waiter.end(DeadlineExceeded(f"{waiter.ref} was still active at its deadline", ref=waiter.ref))
                self._leave(waiter)
            # Who is not mentioned while others are has not had his turn yet.
            elif min(waiter.silence(now), now - self._answered_at) > self._outage_seconds:
                waiter.end(OutageError(f"nothing was heard of {waiter.ref} for {waiter.silence(now):.0f} s"))
                self._leave(waiter)
            else:
                waiter.heartbeat(now, clock)
        if self._waiters:
            self._plan_sweep(loop, SWEEP_SECONDS if len(due) <= BATCH else 0.0)
        else:
            self._stop_if_empty()


def _ask(
    client: ManyClient, refs: Sequence[JobRef], tell: Tell
) -> Mapping[JobRef, JobStatus | Exception] | Exception:
    """Return what a client says, or the error that it raises."""
    try:
        return client.status_many(refs, tell)
    except Exception as error:  # noqa: BLE001 - every waiter gets it, and raises what it cannot bear
        return error
