"""What waiting for a job means, and how one thread waits for one job; ``poll_group`` waits for many.

A look that fails is not a failed job: an outage budget bounds how long the service may stay silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.core.http.retry import Timing
    from airflow_provider_jobs.core.work import StatusClient
    from airflow_provider_jobs.jobs import JobStatus

#: How long a service may stay silent before its waiters fail, in seconds.
OUTAGE_SECONDS = 900.0
#: The shortest pause between two looks at a job, in seconds.
FLOOR_SECONDS = 0.5


def pause_seconds(waited: float, poll_interval: float) -> float:
    """Return the pause before the next look: a fifth of the wait so far, at most ``poll_interval``.

    It is never shorter than :data:`FLOOR_SECONDS`.
    """
    return max(FLOOR_SECONDS, min(poll_interval, waited / 5))


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
    began = timing.now()
    failing_since: float | None = None
    while not status.state.ended and (now := timing.now()) < until:
        timing.sleep(max(0.0, min(pause_seconds(now - began, poll_interval), until - now)))
        asked = timing.now()
        try:
            news = client.status(status.ref)
        except JobsError as error:
            failing_since = asked if failing_since is None else failing_since
            if concerns_job(error) or timing.now() > failing_since + outage_seconds:
                raise
            continue
        failing_since = None
        if on_change and news.state != status.state:
            on_change(news)
        status = news
    return status
