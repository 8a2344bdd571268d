"""Sends a source through a resumable session, and resumes it after interruptions."""

from __future__ import annotations

import functools
import logging
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, contextmanager
from typing import IO, TYPE_CHECKING

from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.retry import LONGEST_PAUSE_SECONDS, RetryPolicy
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, Media, Reader, drop
from airflow_provider_jobs.core.upload.body import SectionBody
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES, ResumableUpload, Step
from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    ProtocolError,
    TransportError,
    UploadExpired,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import Source

log = logging.getLogger(__name__)

#: Bytes of a source of unknown size that are kept on disk until they are confirmed.
WINDOW_BYTES = 64 * 1024 * 1024
#: Sessions that may expire one after another before an upload is given up.
SESSIONS = 5
#: Replies that confirm less than a unit more, of one upload: real ones come after a cut.
_MOST_SHORT = 10_000
#: For failures in a row; when the service confirms more than before, the count begins anew.
PATIENCE = RetryPolicy(attempts=12, total_seconds=600.0, cap_seconds=60.0)


class Uploader:
    """Sends one source to one session; :mod:`.protocol` says what to do after each reply.

    A source that knows its size goes in one open request from the confirmed offset on: no pause between
    chunks, and an interruption costs one status query. A source of unknown size goes in windows.

    :param patience: What failures in a row are allowed before the last one is raised.
    :param authorized: False keeps our token from the session's host.
    :param window_bytes: A multiple of :data:`.UNIT_BYTES`.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        media: Media,
        *,
        patience: RetryPolicy = PATIENCE,
        authorized: bool = True,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._transport = transport
        self._url = url
        self._media = media
        self._patience = patience
        self._authorized = authorized
        self._window_bytes = window_bytes
        self._failures, self._waited = 0, 0.0
        self._upload = ResumableUpload(media.source.size)

    def send(self, refusal: Callable[[Reply], JobsError], *, resume: bool = False) -> Reply:
        """Send everything and return the reply that says so.

        :param refusal: Makes an error of a reply that the protocol does not know.
        :param resume: Ask first how far an earlier attempt came.
        :raises UploadExpired: the session is gone.
        :raises SourceChanged: the bytes were changed meanwhile; the upload is left incomplete.
        :raises JobsError: the service refused, or failed for longer than ``patience`` allows.
        """
        ask, best, short = resume, 0, 0
        if resume:
            self._upload.sent = None
        with _pieces(self._media.source, self._window_bytes) as piece:
            while True:
                reply, step, problem = self._attempt(None if ask else piece, refusal)
                if reply and step is Step.DONE:
                    return reply
                short += self._upload.offset < best + UNIT_BYTES
                if short > _MOST_SHORT:
                    raise ProtocolError("the service stores a few bytes at a time of what is sent")
                if self._upload.offset > best:
                    best, self._failures, self._waited = self._upload.offset, 0, 0.0
                elif not problem and not ask:
                    problem = ProtocolError("the service stores nothing of what is sent")
                ask = step is not Step.SEND
                if problem:
                    self._pause(problem)

    def _attempt(
        self, piece: Piece | None, refusal: Callable[[Reply], JobsError]
    ) -> tuple[Reply | None, Step, JobsError | None]:
        """Send a piece, or ask without one; an error that another attempt may mend is returned."""
        try:
            reply, step = self._send(piece) if piece else self._ask()
        except (TransportError, AuthenticationError) as error:  # the latter from the token's issuer
            if not error.retryable:
                raise
            return None, Step.ASK, error
        if step in {Step.SEND, Step.DONE}:
            return reply, step, None
        problem = refusal(reply)
        if step is Step.REFUSED and not problem.retryable:
            raise problem
        if step is Step.ASK and isinstance(problem, AuthenticationError):
            problem.retry_after = None  # the token was renewed meanwhile
        return reply, step, problem

    def _pause(self, problem: JobsError) -> None:
        timing = self._transport.timing
        self._failures += 1
        delay = self._patience.delay_seconds(self._failures, timing.random(), problem.retry_after)
        self._waited += delay
        spent = self._failures >= self._patience.attempts or self._waited > self._patience.total_seconds
        if spent or delay > LONGEST_PAUSE_SECONDS:  # the retry resumes
            raise problem
        log.warning("%s; going on with the upload in %.1f s", problem, delay)
        timing.sleep(delay)

    def _ask(self) -> tuple[Reply, Step]:
        reply = self._put(0, b"")
        return reply, self._upload.after_status(reply.status, reply.headers)

    def _send(self, piece: Piece) -> tuple[Reply, Step]:
        with piece(self._upload) as (reader, length):
            section = SectionBody(reader, length, self._media, self._upload)
            if not length:  # this request ends the upload, and no last byte is left to hold back
                self._media.source.check()
            reply = self._put(length, section if length else b"")
        return reply, self._upload.after_data(reply.status, reply.headers, section.taken)

    def _put(self, length: int, content: bytes | SectionBody) -> Reply:
        headers = {"Content-Range": self._upload.content_range(length)}
        request = Request("PUT", self._url, headers=headers, content=content, authorized=self._authorized)
        return self._transport.once(request)


#: Opens what comes after the confirmed offset: a reader, and how many bytes of it to send in one request.
Piece = Callable[[ResumableUpload], AbstractContextManager[tuple[Reader, int]]]


@contextmanager
def _pieces(source: Source, window_bytes: int) -> Iterator[Piece]:
    """Lend what opens pieces: windows of a source of unknown size, otherwise all that is left of it."""
    if source.size is None:
        with tempfile.TemporaryFile() as kept, closing(_Window(source, kept, window_bytes)) as window:
            yield window.piece
    else:
        yield functools.partial(_rest, source)


@contextmanager
def _rest(source: Source, upload: ResumableUpload) -> Iterator[tuple[Reader, int]]:
    with closing(source.open(upload.offset)) as reader:
        yield reader, (source.size or 0) - upload.offset


class _Window:
    """The part of a source of unknown size that is being sent, kept on disk until it is confirmed.

    The source is opened where the service is: what an earlier attempt sent may cost much to read again.
    """

    def __init__(self, source: Source, kept: IO[bytes], window_bytes: int) -> None:
        self._source = source
        self._reader: Reader | None = None
        self._kept = kept
        self._window_bytes = window_bytes
        self._start = self._end = 0

    @contextmanager
    def piece(self, upload: ResumableUpload) -> Iterator[tuple[Reader, int]]:
        """Lend what is left of the window, in whole units; of a new one once less than a unit is left."""
        if upload.offset < self._start:
            raise UploadExpired("the service lost bytes that it had confirmed: start another session")
        if upload.total is None and self._end - upload.offset < UNIT_BYTES:
            self._slide(upload.offset)
            if self._end - self._start < self._window_bytes:
                upload.total = self._end  # the source ended
        self._kept.seek(upload.offset - self._start)
        left = self._end - upload.offset
        yield self._kept, left - (left % UNIT_BYTES if upload.total is None else 0)

    def _slide(self, offset: int) -> None:
        """Move the window to an offset: inside of what is kept, or where an earlier attempt has come to."""
        if self._reader is None:
            # From the byte before on: a source that ends sooner now cannot give it.
            self._start = self._end = max(0, offset - 1)
            self._reader = self._source.open(self._end)
        drop(self._reader, max(0, offset - self._end))
        self._kept.seek(max(0, offset - self._start))
        rest = self._kept.read(max(0, self._end - offset))
        self._kept.seek(0)
        self._kept.write(rest)
        self._start, self._end = offset, offset + len(rest)
        while (left := self._start + self._window_bytes - self._end) and (
            block := self._reader.read(min(left, BLOCK_BYTES))
        ):
            self._kept.write(block)
            self._end += len(block)
        self._kept.truncate()  # nothing, but of the last: to write over what is there costs half

    def close(self) -> None:
        """Close what was opened."""
        if self._reader is not None:
            self._reader.close()
