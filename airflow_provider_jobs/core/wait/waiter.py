"""One who waits for a job in a poll group: what it was told last, and what is worth telling it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.wait.single import concerns_job
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    import asyncio
    import contextvars
    from collections.abc import Callable

    from airflow_provider_jobs.jobs import JobRef

#: Every so often a waiter is told that it still waits, in seconds.
HEARTBEAT_SECONDS = 300.0
#: A silence of the service longer than this beyond the poll interval is worth a word, in seconds.
SILENCE_SECONDS = 30.0


@dataclass(eq=False, slots=True)
class Waiter:
    """Ten thousand of these have to fit in little memory, and none may start a timer of its own.

    :param deadline: Seconds since 1970.
    :param tell: Gets lines for people, each in the context of who waits.
    :param ended: Done when the wait is over.
    :param name: What lines call the job.
    :param joined_at: In seconds of the event loop's clock, as are the other times.
    :param answered_at: When the service last said something of this job.
    :param failing_since: When the first of its failures after that began.
    """

    ref: JobRef
    poll_interval: float
    deadline: float
    tell: Callable[[str], object] | None
    ended: asyncio.Future[JobStatus]
    context: contextvars.Context
    joined_at: float
    answered_at: float
    heartbeat_at: float
    name: str
    state: JobState | None = None
    vendor_state: str = "not seen yet"
    trouble: str | None = None
    failing_since: float | None = None

    def hear(self, news: JobStatus | Exception, asked: float, now: float, outage_seconds: float) -> bool:
        """Take in what a tick found; return True if the job's state has changed.

        That a wait begins is no news, and no line: a triggerer that takes over a thousand would write as many
        at once while Airflow hands it more, and Airflow 3.3's two processes then hang, for good.
        """
        if not isinstance(news, JobStatus):
            if self.failing_since is None:
                self.failing_since = asked
            if concerns_job(news) or now > self.failing_since + outage_seconds:
                self.end(news)
            self.trouble = str(news)
            return False
        self.answered_at, self.trouble, self.failing_since = now, None, None
        self.vendor_state = news.vendor_state
        if news.state is self.state:
            return False
        begins = self.state is None and not news.state.ended
        self.state = news.state
        if not begins:
            self.say(f"{self.name} is {news.vendor_state}")
        if news.state.ended:
            self.end(news)
        return True

    def end(self, outcome: JobStatus | BaseException) -> None:
        """Wake who waits."""
        if self.ended.done():
            return  # it is leaving by itself
        if isinstance(outcome, JobStatus):
            self.ended.set_result(outcome)
        else:
            self.ended.set_exception(outcome)

    def say(self, line: str) -> None:
        """Pass a line on, soon."""
        if self.tell:
            self.ended.get_loop().call_soon(self.tell, line, context=self.context)

    def silence(self, now: float) -> float:
        """Return for how long the service has said nothing of this job, beyond the poll interval."""
        return now - self.answered_at - self.poll_interval

    def heartbeat(self, now: float, clock: float) -> None:
        """Say that the wait goes on, and since when nobody answers; ``clock`` is seconds since 1970."""
        line = f"{self.name} is {self.vendor_state}"
        if self.trouble or self.silence(now) > SILENCE_SECONDS:
            since = time.strftime("%H:%M:%S", time.gmtime(clock - (now - self.answered_at)))
            line += f" as far as is known; no answer since {since} UTC"
            line += f": {self.trouble}" if self.trouble else ""
        self.say(f"{line}; waiting for {(now - self.joined_at) / 60:.0f} min")
        self.heartbeat_at = now + HEARTBEAT_SECONDS
