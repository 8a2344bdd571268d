"""The resumable-upload protocol as a state machine: it makes headers and reads replies, and does no I/O.

::

    reply to data or to a status query     next step
    308                                    SEND from the offset that it confirms, 0 without one
    200, 201                               DONE
    408, 429, 5xx, a first 401, no reply   ASK how far the service is, with a status query
    404, 410                               none: UploadExpired
    any other                              REFUSED: the service's error, or ASK if that is retryable

An upload begins with SEND, one that is resumed with ASK. BigQuery and the storage behind Redivis speak it.

Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    ProtocolError,
    ServiceError,
    SourceChanged,
    UploadExpired,
)
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Every piece but the last is a multiple of this many bytes long; the services refuse others.
UNIT_BYTES = 256 * 1024
_TRANSIENT = frozenset({408, 429, *range(500, 600)})
_EXPIRED = frozenset({404, 410})
_COMPLETE = frozenset({200, 201})
_INCOMPLETE = 308
_UNAUTHORIZED = 401


class Step(Enum):
    """What to do next."""

    SEND = auto()
    ASK = auto()
    DONE = auto()
    #: The reply is not part of the protocol: what it means is up to the service.
    REFUSED = auto()


@dataclass
class ResumableUpload:
    """The state of one upload.

    :param total: Bytes in all; None until the end of the source has been seen.
    :param offset: Bytes that the service has confirmed; nothing else moves it.
    :param sent: Bytes that were sent so far; None if an earlier attempt sent an unknown number.
    :param rejected: The last reply did not accept the token.
    """

    total: int | None
    offset: int = 0
    sent: int | None = 0
    rejected: bool = False

    def content_range(self, length: int) -> str:
        """Return the Content-Range of the next ``length`` bytes.

        0 is a status query, which also ends an upload all of which is stored.
        """
        total = "*" if self.total is None else str(self.total)
        return f"bytes {self.offset}-{self.offset + length - 1}/{total}" if length else f"bytes */{total}"

    def note_sent(self, end: int) -> None:
        """Note that the bytes up to an offset were sent, whether or not they arrived."""
        if self.sent is not None:
            self.sent = max(self.sent, end)

    def after_data(self, status: int, headers: Mapping[str, str], length: int) -> Step:
        """Read the reply to data, of which ``length`` bytes were sent when it came.

        :raises UploadExpired: the session is gone.
        :raises ProtocolError: the service confirms more than was sent, or calls a part complete.
        """
        step = self._after(status, headers, self.offset + length)
        if step is Step.DONE:
            self.offset += length
        return step

    def after_status(self, status: int, headers: Mapping[str, str]) -> Step:
        """Read the reply to a status query: of a complete upload the reply to its last data was lost."""
        return self._after(status, headers, self.total if self.sent is None else self.sent)

    def _after(self, status: int, headers: Mapping[str, str], at_most: int | None) -> Step:
        rejected, self.rejected = self.rejected, status == _UNAUTHORIZED
        if status in _COMPLETE:
            if at_most != self.total:
                raise ProtocolError(f"the upload was called complete after {at_most} bytes of {self.total}")
            return Step.DONE
        if status == _INCOMPLETE:
            offset = stored_bytes(headers)
            if at_most is not None and offset > at_most:
                raise ProtocolError(f"the service claims {offset} bytes, and only {at_most} were sent")
            self.offset = offset
            return Step.SEND
        if status in _EXPIRED:
            raise UploadExpired("the upload session is gone: start another one")
        if status in _TRANSIENT or (self.rejected and not rejected):  # the token was renewed meanwhile, once
            return Step.ASK
        return Step.REFUSED


def stored_bytes(headers: Mapping[str, str]) -> int:
    """Return how many bytes a 308 confirms: k + 1 with ``Range: bytes=0-k``, 0 without ``Range``.

    :raises ProtocolError: the header says something else.
    """
    text = headers.get("Range")
    if text is None:
        return 0
    match = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", text.strip())
    if not match:
        raise ProtocolError(f"the service confirms the range {shown(text, 40)!r}, which does not begin at 0")
    return int(match[1]) + 1


def worth_resuming(error: JobsError) -> bool:
    """Return False if a retry with the same session would fail in the same way."""
    if isinstance(error, ServiceError):
        return error.retryable or isinstance(error, AuthenticationError)
    return not isinstance(error, ProtocolError | SourceChanged | UploadExpired)
