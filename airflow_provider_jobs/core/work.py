"""A piece of work to submit, and what the engine asks of a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus

    Tell = Callable[[Mapping[JobRef, JobStatus | JobsError]], object]


def truth(value: Any, name: str) -> bool | None:
    """Return a truth value that a template may have made text of; None if there is none.

    :param name: What the message calls it.
    :raises ConfigurationError: it is neither true nor false, in small letters or large ones.
    """
    if value is None or isinstance(value, bool):
        return value
    told = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
    if told is None:
        raise ConfigurationError(f"{name} is {shown(value, 40)!r}: give true or false")
    return told


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Work to submit.

    :param scope: The project, org or table that runs it.
    :param key: The beginning of the job's id where the caller chooses it; the same work has the same key.
    :param body: The job's configuration, as the vendor's API spells it.
    :param location: The region to run in; None leaves it to the service.
    :param not_before: Seconds since 1970 by our clock: a job of that key created earlier belongs to something
        else.
    :param try_number: Which attempt at the work this is; 0 if nobody counts. A job that a later one has made
        is not ours any more.
    :param first: No attempt at this work has come before this one.
    :param key_before: The key that the version before gave to this work, where its job may still be met.
    """

    scope: str
    key: str
    body: dict[str, Any]
    location: str | None = None
    media: Media | None = None
    not_before: float = 0.0
    try_number: int = 0
    first: bool = False
    key_before: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted job.

    :param adopted: True if an earlier attempt had submitted it.
    :param left_alone: It is somebody else's: neither waited for nor cancelled.
    :param shared: Somebody else has made it of the same bytes: waited for, and not cancelled.
    """

    status: JobStatus
    adopted: bool
    left_alone: bool = False
    shared: bool = False


class CancelClient(Protocol):
    """What a kill needs of a client."""

    def cancel(self, ref: JobRef) -> bool:
        """Ask for a job's end; return True if there is nothing to stop, since it has ended.

        :raises NotFoundError: the service does not know it: it is gone, or too young.
        """


class ManyClient(Protocol):
    """What the wait of many tasks needs of a client."""

    def status_many(
        self, refs: Sequence[JobRef], tell: Tell | None = None
    ) -> Mapping[JobRef, JobStatus | JobsError]:
        """Return how many jobs are doing.

        :param tell: Gets news as soon as there are some, in whatever thread and also after the return. What
            it was told need not be returned.
        """


class StatusClient(ManyClient, Protocol):
    """What the wait of one task needs of a client."""

    def status(self, ref: JobRef) -> JobStatus:
        """Return how a job is doing."""


class JobClient(StatusClient, CancelClient, Protocol):
    """What the whole life of a job needs of a client."""

    def submit(self, request: JobRequest) -> Submission:
        """Start the work once, or adopt what an earlier attempt started."""

    def failing_statement(self, status: JobStatus) -> str | None:
        """Return which part of a failed job failed, if it has parts."""
