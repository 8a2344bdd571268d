"""How a task ends that did not go as planned: what may be left out, and what may not be left behind."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)

from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.wait.threads import within
from airflow_provider_jobs.errors import JobCancelled, JobFailed, JobsError
from airflow_provider_jobs.jobs import JobState, JobStatus
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.core.several import Several
    from airflow_provider_jobs.core.work import JobClient

T = TypeVar("T")

log = logging.getLogger(__name__)

#: How long a task that is over waits for what is only nice to know, in seconds.
NICE_SECONDS = 15.0


def nice_to_know(what: str, step: Callable[[], T], otherwise: T, seconds: float | None = None) -> T:
    """Return what a step finds out about a job that has ended.

    If it cannot, or takes longer than so many seconds (``NICE_SECONDS``), a line in the log says so, which
    begins with ``what``, and ``otherwise`` is returned.
    """
    try:
        return within(NICE_SECONDS if seconds is None else seconds, step)
    except Exception as error:  # noqa: BLE001 - whatever it is: the work is done, no task fails by a footnote
        why = shown(error) or type(error).__name__
        log.warning("%s could not be found out, and is left out: %s", what, why)
        return otherwise


def is_final(error: Exception) -> bool:
    """Return True if an error fails its task for good, whatever tries are left."""
    if isinstance(error, JobsError):
        return not error.retryable
    return isinstance(error, AirflowFailException)


@contextmanager
def airflow_failures(failed: Callable[[Exception], bool]) -> Iterator[None]:
    """Turn errors that no retry can mend into Airflow's failure without retry; the others are Airflow's, too.

    :param failed: Cleans up after an error, and returns True if no retry may follow it.
    """
    try:
        yield
    except Exception as error:
        final = failed(error)
        if not isinstance(error, JobsError):
            raise
        if final:
            raise AirflowFailException(str(error)) from None  # the message holds everything; once is enough
        kind: Any = type(error)
        error.__class__ = _airflows_too(kind)
        raise


@cache
def _airflows_too(kind: type[JobsError]) -> type[JobsError]:
    """Return a kind of error that is an AirflowException besides: whoever runs tasks looks for those."""
    if issubclass(kind, AirflowException):
        return kind
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, (kind, AirflowException), names)


class Plainly:
    """Lets errors that say everything in their words leave without the frames of this package.

    Airflow writes the traceback of whatever a task raises into its log. That of a failure which is the
    service's says nothing more; it is there at DEBUG. No frame may follow: this is the outermost thing that
    a method does which Airflow calls.
    """

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Take the frames off, and let the error go on."""
        if isinstance(error, JobsError | AirflowFailException | AirflowSensorTimeout):
            log.debug("where the error was raised", exc_info=error)
            error.__traceback__ = None
            error.__cause__ = None
            error.__suppress_context__ = True


def retry_follows(context: Context) -> bool:
    """Return True if Airflow runs the task again once this attempt has failed."""
    ti: Any = context["ti"]
    return bool(ti.try_number <= (ti.max_tries or 0))


def failure(client: JobClient, statuses: Sequence[JobStatus], together: Several) -> JobFailed:
    """Return the error of jobs that ended without success, the failing part of a single one named."""
    status = several.report(statuses, together)
    if len(statuses) == 1:
        which = f"which part of {status.ref} failed"
        statement = nice_to_know(which, lambda: client.failing_statement(status), None)
        status = replace(status, statement=statement)
    return JobCancelled(status) if status.state is JobState.CANCELLED else JobFailed(status)
