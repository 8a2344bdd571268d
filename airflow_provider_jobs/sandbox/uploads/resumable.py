"""The server's side of the resumable protocol, for every service of the sandbox.

See https://cloud.google.com/storage/docs/performing-resumable-uploads. A service makes a session, names
the operations of its URI and says what completes an upload; offsets, totals and chunks are judged here.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.upload_faults import NoRange308, SessionExpired, Short308
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.book import EXPIRED, OPEN, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.operations import Operation
    from airflow_provider_jobs.sandbox.platform import Platform

CHUNK_BYTES = 256 * 1024  # every chunk but the last is a multiple
RESUME = 308  # "resume incomplete"
# What only the owner of a session URI knows; the log leaves it out.
SECRET_PARAMETER = "upload_id"  # noqa: S105 - the parameter's name


FORM = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(?:(\d{1,18})|\*)", re.ASCII)


@dataclass(frozen=True)
class ContentRange:
    """``bytes first-last/total``; without first and last it asks how many bytes are stored."""

    first: int | None
    last: int | None
    total: int | None  # None: not known yet

    @property
    def size(self) -> int:
        """How many bytes come."""
        return 0 if self.first is None or self.last is None else self.last - self.first + 1


def is_status_query(text: str | None) -> bool:
    """Tell a question for the offset from bytes, by the header alone."""
    return text is not None and text.strip().startswith("bytes */")


def read_content_range(text: str) -> ContentRange:
    """Read the header.

    :raises Refusal: 400, it is malformed or contradicts itself.
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise _refusal(f"Invalid Content-Range: {text[:100]!r}.")
    first, last, total = (None if part is None else int(part) for part in found.groups())
    if first is not None and last is not None and (first > last or (total is not None and last >= total)):
        raise _refusal(f"Invalid Content-Range: {text[:100]!r}.")
    return ContentRange(first, last, total)


@dataclass(frozen=True)
class SessionEndpoint:
    """The ASGI application of session URIs: bytes and questions for the offset are two operations."""

    data: Operation
    status: Operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ranges = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-range"]
        operation = self.status if ranges and is_status_query(ranges[0]) else self.data
        await operation(scope, receive, send)


class Sessions:
    """The protocol, on the uploads of one service.

    :param complete: makes the final reply; called for every request that finds all bytes stored.
    """

    def __init__(
        self, platform: Platform, service: str, complete: Callable[[Call, Upload], Awaitable[Reply]]
    ) -> None:
        self._book = platform.uploads
        self._settings = platform.upload_settings
        self._clock = platform.clock
        self._service = service
        self._complete = complete

    def find(self, call: Call) -> Upload:
        """Give the upload whose session the request's URI names.

        :raises Refusal: 404 or 410, there is none, or none any more.
        """
        upload = self._book.session(call.request.query_params.get(SECRET_PARAMETER, ""))
        if upload is None or upload.service != self._service:
            raise Refusal(404, "notFound", "There is no such upload session.")
        self.check_alive(upload)
        return upload

    def check_alive(self, upload: Upload) -> None:
        """Refuse an upload whose time is over.

        :raises Refusal: 404 or 410.
        """
        over = self._clock.now() >= upload.started_at + self._settings.lifetime_of(self._service)
        if over:
            self._book.expire(upload)
        if over or upload.state == EXPIRED or upload.session_over:
            raise SessionExpired(self._settings.expired_status)

    async def take(self, call: Call, upload: Upload) -> Reply:
        """Answer a PUT of bytes, or a question for the offset."""
        async with Body(call, self._book.threads) as body, self._turn(upload, body):
            upload.requests += 1
            try:
                await body.pour(None, 0, 0, lambda _: None)  # for the faults that strike before any byte
                self.check_alive(upload)  # it has waited for its turn
                if upload.state != OPEN:
                    return await self._complete(call, upload)
                given = _range_of(call, body)
                _check(given, upload, body)
                self._learn_total(upload, given)
                return await self._store(call, upload, body, given)
            except SessionExpired:
                self._book.expire(upload)
                raise

    @asynccontextmanager
    async def _turn(self, upload: Upload, body: Body) -> AsyncIterator[None]:
        """Let the newest request have the session: a client that asks has given up what it sent before."""
        earlier, upload.reader = upload.reader, body
        if earlier is not None:
            earlier.abandon()
        try:
            async with upload.turn:
                yield
        finally:
            if upload.reader is body:
                upload.reader = None

    def _learn_total(self, upload: Upload, given: ContentRange) -> None:
        if upload.total is None and given.total is not None:
            upload.total = given.total
            self._book.write(upload)

    async def _store(self, call: Call, upload: Upload, body: Body, given: ContentRange) -> Reply:
        before = upload.stored
        if given.first is not None:
            await self._append(upload, body, given.first, given.size)
            if await _goes_on(body):
                self._book.truncate(upload, before)
                raise _refusal(f"The body has more bytes than its range, {given.size}.")
            self._lose(call, upload, max(before, given.first))
        if any(isinstance(action, NoRange308) for action in call.actions):
            self._book.truncate(upload, 0)
            return _incomplete(upload)
        if upload.stored == upload.total:
            self._book.complete(upload)
            return await self._complete(call, upload)
        return _incomplete(upload)

    async def _append(self, upload: Upload, body: Body, first: int, size: int) -> None:
        """Drop what is stored already, store the rest."""

        def received(count: int) -> None:
            upload.bytes_received += count

        known = min(upload.stored - first, size)
        await body.pour(None, 0, known, received)
        await self._book.pour(upload, body, size - known)
        self.check_alive(upload)  # the bytes took their time

    def _lose(self, call: Call, upload: Upload, least: int) -> None:
        """Forget what a fault says, down to what was stored before."""
        for action in call.actions:
            if isinstance(action, Short308) and upload.stored > least + action.bytes:
                self._book.truncate(upload, least + action.bytes)


def _range_of(call: Call, body: Body) -> ContentRange:
    """Give what the request brings; without the header it is the whole file."""
    text = call.request.headers.get("content-range")
    if text is not None:
        return read_content_range(text)
    if body.length is None:
        raise Refusal(411, "required", "A request without Content-Range needs a Content-Length.")
    return ContentRange(0, body.length - 1, body.length) if body.length else ContentRange(None, None, 0)


def _check(given: ContentRange, upload: Upload, body: Body) -> None:
    """Refuse what does not fit to the bytes and the total that are known."""
    total = upload.total if given.total is None else given.total
    if total is not None and total != (total if upload.total is None else upload.total):
        raise _refusal(f"The total is {upload.total}, not {total}.")
    if total is not None and total < upload.stored:
        raise _refusal(f"{upload.stored} bytes are stored already; the total cannot be {total}.")
    if given.first is None or given.last is None:
        return
    if given.first > upload.stored:
        raise _refusal(f"The next byte is {upload.stored}; those before {given.first} are missing.")
    if total is not None and given.last >= total:
        raise _refusal(f"Byte {given.last} is not one of {total}.")
    if body.length not in {None, given.size}:
        raise _refusal(f"The body has {body.length} bytes, its range {given.size}.")
    if given.last + 1 != total and given.size % CHUNK_BYTES:
        raise _refusal(f"{given.size} bytes: every chunk but the last must be a multiple of {CHUNK_BYTES}.")


async def _goes_on(body: Body) -> bool:
    """Tell whether more bytes come; for bodies that did not tell their length."""
    more: list[int] = []
    await body.pour(None, 0, 1, more.append)
    return any(more)


def _refusal(message: str) -> Refusal:
    return Refusal(400, "badRequest", message, location="Content-Range")


def _incomplete(upload: Upload) -> Reply:
    headers = {"Range": f"bytes=0-{upload.stored - 1}"} if upload.stored else {}
    return Reply(status=RESUME, headers=headers)
