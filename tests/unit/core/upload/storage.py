"""A storage service in this process: keeps uploads as the real ones do, and fails as a test tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import OpenedSource
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    ServiceError,
    TransportError,
)
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "https://storage.example.com/upload?upload_id=S3CR3T"
_SENT_BYTES = 64 * 1024


class NumberedToken:
    """Token number one, and the next after each renewal."""

    def __init__(self) -> None:
        self.number = 1

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.number}"}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        self.number += 1
        return True


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    :param kept: Bytes of it that are stored; None for all.
    :param taken: Bytes of it that are read from the connection; at least those that are kept.
    :param status: Answered in place of what is true; 0 for no answer at all.
    :param headers: Of that answer.
    :param reason: In the body of that answer.
    """

    kept: int | None = None
    taken: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = "r"


FINE = Fault()
LOST = Fault(status=0)


def cut(taken: int, kept: int | None = None) -> Fault:
    """The connection ends after so many bytes, of which some may be stored."""
    return Fault(taken=taken, kept=taken if kept is None else kept, status=0)


def answered(
    status: int, kept: int = 0, *, reason: str = "r", stored: int = 0, retry_after: int = 0
) -> Fault:
    """Another answer than the true one.

    :param kept: Bytes of the request that are stored.
    :param stored: Bytes that the answer says are stored.
    """
    headers = {"Range": f"bytes=0-{stored - 1}"} if stored else {}
    headers |= {"Retry-After": str(retry_after)} if retry_after else {}
    return Fault(kept=kept, status=status, reason=reason, headers=headers)


@dataclass
class Asked:
    """One request as it arrived."""

    content_range: str
    length: int
    taken: int
    authorization: str | None


class Storage(Transport):
    """One session of an upload; strict about what clients have to keep to.

    :param faults: Of the first requests, one each; the others are answered as they should be.
    """

    def __init__(self, *faults: Fault | BaseException, stored: bytes = b"") -> None:
        self.clock = Clock()
        super().__init__(NumberedToken(), user_agent="test", timing=self.clock.timing)
        self.faults = list(faults)
        self.stored = bytearray(stored)
        self.complete = False
        self.asked: list[Asked] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        assert (request.method, request.url, request.params) == ("PUT", URL, {})
        fault = self.faults.pop(0) if self.faults else FINE
        if isinstance(fault, BaseException):
            raise fault
        text = request.headers["Content-Range"]
        content: Any = request.content
        asked = Asked(text, len(content), 0, headers.get("Authorization"))
        self.asked.append(asked)
        self._receive(asked, content, fault)
        if fault.status is None:
            return self._answer()
        if not fault.status:
            raise TransportError("no reply from storage.example.com to PUT: Connection reset by peer")
        body = b'{"error": {"errors": [{"reason": "%s"}]}}' % fault.reason.encode()
        return Reply(fault.status, fault.headers, body)

    def _receive(self, asked: Asked, content: Any, fault: Fault) -> None:
        begin, end, total = _ranges(asked.content_range)
        if begin is None:
            assert not asked.length
        else:
            assert begin == len(self.stored), "a client goes on where the service is"
            assert asked.length == end - begin > 0
            assert (end == total) if total is not None else asked.length % UNIT_BYTES == 0
        received = bytearray()
        while (left := (asked.length if fault.taken is None else fault.taken) - len(received)) > 0 and (
            block := content.read(min(left, _SENT_BYTES)) if asked.length else b""
        ):
            received += block
        asked.taken = len(received)
        self.stored += received[: fault.kept]
        self.complete = self.complete or len(self.stored) == total

    def _answer(self) -> Reply:
        if self.complete:
            return Reply(200, {}, b'{"done": true}')
        return Reply(308, {"Range": f"bytes=0-{len(self.stored) - 1}"} if self.stored else {}, b"")

    @property
    def ranges(self) -> list[str]:
        """The ranges of the requests, without their unit."""
        return [asked.content_range.removeprefix("bytes ") for asked in self.asked]


def _ranges(text: str) -> tuple[int | None, int, int | None]:
    match = re.fullmatch(r"bytes (?:\*|(\d+)-(\d+))/(?:\*|(\d+))", text)
    assert match, text
    begin, last, total = (None if each is None else int(each) for each in match.groups())
    return begin, (last or 0) + 1, total


def refusal(reply: Reply) -> JobsError:
    """What a service makes of an answer that is not part of the protocol."""
    if reply.status == 401:
        return AuthenticationError("refused", status=401, reason="authError")
    retryable = b"rateLimitExceeded" in reply.body
    seconds = reply.headers.get("Retry-After")
    return ServiceError(
        f"refused {reply.status}",
        status=reply.status,
        reason="r",
        retryable=retryable,
        retry_after=float(seconds) if seconds else None,
    )


def source_of(
    content: bytes, *, sized: bool = True, opened: list[Any] | None = None, **more: Any
) -> OpenedSource:
    """Return a source of these bytes; what it opens is noted."""

    def opener() -> Any:
        reader = NotedBytes(content)
        if opened is not None:
            opened.append(reader)
        return reader

    fields: dict[str, Any] = {
        "name": "rows.csv",
        "fingerprint": "same",
        "opener": opener,
        "look": lambda: "same",
    }
    return OpenedSource(size=len(content) if sized else None, **fields | more)


class NotedBytes:
    """A file of bytes that gives fewer than it is asked for, as files may.

    :ivar given: Bytes that were read so far.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = self.given = 0
        self.closed = False

    def read(self, size: int = -1, /) -> bytes:
        assert not self.closed
        end = len(self._content) if size < 0 else self._at + max(1, size * 2 // 3)
        block = self._content[self._at : end]
        self._at += len(block)
        self.given += len(block)
        return block

    def seek(self, offset: int) -> None:
        self._at = offset

    def close(self) -> None:
        self.closed = True
