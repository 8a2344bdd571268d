"""What waiting for jobs means, and how one thread waits for those of one task; ``group`` waits for many.

A look that fails is not a failed job: an outage budget bounds how long the service may stay silent.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import LONGEST_PAUSE_SECONDS
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    OutageError,
)
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.core.http.retry import Timing
    from airflow_provider_jobs.core.work import StatusClient
    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a service may stay silent before its waiters fail, in seconds.
OUTAGE_SECONDS = 900.0
#: The shortest pause between two looks at a job, in seconds.
FLOOR_SECONDS = 0.5
#: How long a job may stay invisible after its submission was accepted, in seconds.
GRACE_SECONDS = 60.0
#: Jobs of one task that are asked for at once.
ASKED_AT_ONCE = 8


def pause_seconds(waited: float, poll_interval: float) -> float:
    """Return the pause before the next look: a fifth of the wait so far, within two bounds."""
    return max(FLOOR_SECONDS, min(poll_interval, waited / 5))


def concerns_job(error: BaseException) -> bool:
    """Return False if an error says nothing about the job: the service, network or token is at fault."""
    return not isinstance(error, JobsError) or isinstance(error, NotFoundError | ConfigurationError)


def asked_pause(error: BaseException) -> float:
    """Return how long a service asks not to be asked again, in seconds; 0 if it does not.

    A token that is not accepted is looked at again with each look: it may be another one by then.
    """
    if not isinstance(error, JobsError) or isinstance(error, AuthenticationError):
        return 0.0
    return error.retry_after or 0.0


def within_pause(pause: tuple[float, float] | None, now: float) -> bool:
    """Return True while a service does not want to be asked; a clock that is set back does not prolong it.

    :param pause: When it said so, and for how many seconds.
    """
    return pause is not None and 0 <= now - pause[0] < pause[1]


def look(client: StatusClient, refs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus | JobsError]:
    """Return how the jobs of one task are doing, each failure in the place of its job."""
    try:
        return {refs[0]: client.status(refs[0])} if len(refs) == 1 else client.status_many(refs)
    except JobsError as error:
        return dict.fromkeys(refs, error)


def ask_each(ask: Callable[[T], JobStatus], refs: Sequence[T]) -> list[JobStatus]:
    """Ask for the jobs of one task side by side, and return how they are doing, in their order.

    :param refs: The jobs, as ``ask`` takes them.

    :raises JobsError: one of them cannot be asked for.
    """
    if len(refs) == 1:
        return [ask(refs[0])]
    with Pool(ASKED_AT_ONCE) as pool:
        return pool.results([partial(ask, ref) for ref in refs])


def last_look(client: StatusClient, refs: Sequence[JobRef]) -> list[JobStatus]:
    """Return how jobs are doing; one that cannot be asked for counts as active, so that it is cancelled."""
    statuses = []
    for ref, news in look(client, refs).items():
        if isinstance(news, JobsError):
            log.warning("how %s is doing could not be found out: %s", ref, news)
        statuses.append(JobStatus(ref, JobState.RUNNING, "unknown") if isinstance(news, JobsError) else news)
    return statuses


def wait_for(
    client: StatusClient,
    statuses: Sequence[JobStatus],
    *,
    until: float,
    poll_interval: float,
    timing: Timing,
    outage_seconds: float = OUTAGE_SECONDS,
    longest_pause: float = LONGEST_PAUSE_SECONDS,
    on_change: Callable[[JobStatus], None] | None = None,
) -> list[JobStatus]:
    """Wait in this thread and return the jobs' last statuses: ended, or still active at the time ``until``.

    :param statuses: How the jobs are doing now.
    :param until: Seconds since 1970; infinity waits without end.
    :param longest_pause: Of the pauses that the service asks for, in seconds; a longer one is for somebody
        who holds no worker, unless ``until`` is as near.
    :raises OutageError: the service stayed silent for ``outage_seconds``, or asked for a longer pause.
    :raises JobsError: it said that a job is gone.
    """
    began, asked_for = timing.now(), 0.0
    failing_since: float | None = None
    known = {status.ref: status for status in statuses}
    while (active := [ref for ref in known if not known[ref].state.ended]) and (now := timing.now()) < until:
        pause = max(asked_for, pause_seconds(now - began, poll_interval))
        timing.sleep(max(0.0, min(pause, until - now)))
        asked = timing.now()
        error: JobsError | None = None
        for ref, news in look(client, active).items():
            if isinstance(news, JobsError):
                error = error if error and concerns_job(error) else news
                continue
            if on_change and news.state != known[ref].state:
                on_change(news)
            known[ref] = news
        if error is None:
            failing_since, asked_for = None, 0.0
            continue
        if concerns_job(error):
            raise error
        failing_since = asked if failing_since is None else failing_since
        now, asked_for = timing.now(), asked_pause(error)
        too_long = asked_for > longest_pause and until - now > longest_pause
        silent = now > failing_since + outage_seconds
        if silent and error.retryable and not too_long:
            raise error
        if silent or too_long:  # whatever the service refuses: it has said nothing about the jobs
            raise OutageError(f"{several.names(active)}: {error}", retry_after=error.retry_after) from error
    return list(known.values())
