"""Every error that this package raises.

The tree of them is in docs/errors.md. ``retryable`` says whether the same call may succeed later. No message
holds a token, a key or an upload URL, and none a line that a service wrote: see :mod:`.words`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_provider_jobs.words import MOST_MESSAGE_CHARACTERS, shown, shown_lines

if TYPE_CHECKING:
    from airflow_provider_jobs.jobs import JobRef, JobStatus


#: Characters of a service's code of an error.
_MOST_REASON = 100


class JobsError(Exception):
    """The root of the tree."""

    retryable = False
    #: True if the request may have taken effect although it ended in this error.
    may_have_happened = False
    #: Seconds before which the next try is of no use, if the service or its docs say so.
    retry_after: float | None = None
    #: A job that may have been made, and of which no reply tells.
    lost_job: JobRef | None = None
    #: True of a report of several lines, whose parts were made fit to be shown before.
    has_lines: ClassVar[bool] = False

    def __init__(self, *message: object) -> None:
        super().__init__(
            *(
                shown_lines(text) if self.has_lines else shown(text, MOST_MESSAGE_CHARACTERS)
                for text in message
            )
        )


class ConfigurationError(JobsError):
    """A parameter, a connection or a credential is wrong; trying again changes nothing."""


class TransportError(JobsError):
    """There was no reply.

    :param sent: False if the request certainly did not reach the service.
    """

    def __init__(self, message: str, *, sent: bool = True, retryable: bool = True) -> None:
        super().__init__(message)
        self.may_have_happened = sent
        self.retryable = retryable


class ServiceError(JobsError):
    """The service answered with an error.

    :param reason: The vendor's code, such as ``invalidQuery``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = shown(reason, _MOST_REASON)
        self.retryable = retryable
        self.retry_after = retry_after
        self.may_have_happened = status >= 500 or status == 408  # noqa: PLR2004 - the HTTP statuses themselves


class AuthenticationError(ServiceError):
    """The service does not accept the token (401)."""


class NotFoundError(ServiceError):
    """The thing does not exist, or we may not see it (404)."""


class ConflictError(ServiceError):
    """The id is taken (409)."""


class MovedError(ServiceError):
    """The service sends us to another address (301, 302, 303, 307, 308), where no token is sent unasked."""


class ProtocolError(JobsError):
    """The reply is not what the API promises; the message says what was wrong with it."""

    retryable = True
    may_have_happened = True


class JobFailed(JobsError):
    """The job ended without success; ``status`` holds everything the service said."""

    has_lines = True

    def __init__(self, status: JobStatus) -> None:
        super().__init__(status.failure_report())
        self.status = status
        self.retryable = status.retryable


class JobCancelled(JobFailed):
    """Somebody else cancelled the job, or a time limit of the service did: another one may succeed."""

    def __init__(self, status: JobStatus) -> None:
        super().__init__(status)
        self.retryable = True


class CheckFailed(JobsError):
    """The rows that a query gave are not as a check wants them; a retry asks anew."""

    has_lines = True

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class ResultsUnavailable(JobsError):
    """The job has succeeded, and its results could not be read: what it has done stays done.

    :param retryable: A retry goes on with the job, and only reads.
    """

    has_lines = True

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class DeadlineExceeded(JobsError):
    """The job was still running at its deadline."""

    retryable = True

    def __init__(self, message: str, *, ref: JobRef) -> None:
        super().__init__(message)
        self.ref = ref


class OutageError(JobsError):
    """Waiting for a job, which may run on, was given up: the service was out, or the task was ended."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class UploadExpired(JobsError):
    """The upload session is gone; another one begins at byte 0."""

    retryable = True


class SourceChanged(JobsError):
    """The bytes were changed while they were sent, and nothing was loaded. A retry starts again."""

    retryable = True


class UncertainSubmission(JobsError):
    """The reply to a create was lost, twice: jobs may exist that nobody waits for."""

    retryable = True
    may_have_happened = True


class UsageLimitReached(JobsError):
    """The limit on the use of the service's allowance is reached; nothing was sent."""

    retryable = True
