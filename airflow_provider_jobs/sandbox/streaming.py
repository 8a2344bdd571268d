"""Bodies that are sent block by block: from a file, packed on the way, at a set speed, or broken off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response

from airflow_provider_jobs.sandbox.connection import connection_of, cut, gone, wait_for_first

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

BLOCK_BYTES = 256 * 1024  # several are under way at once, one a reply
PACK_BLOCK_BYTES = 1024 * 1024  # large enough to be worth a thread
STEP_SECONDS = 0.02  # of a speed that is set: so much is sent at once
GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Sending:
    """How a body goes out."""

    bytes_per_second: float = 0.0  # 0: as fast as the client takes it
    cut_at: int | None = None  # the connection ends after so many bytes
    stall_at: int | None = None  # nothing more comes after so many bytes, for some seconds
    stall_seconds: float = 0.0
    stopping: asyncio.Event | None = None  # ends a stall early


PLAIN = Sending()


class Source(Protocol):
    """A body."""

    @property
    def length(self) -> int | None:
        """How many bytes it has; None: that shows at its end."""

    def blocks(self) -> AsyncIterator[bytes]:
        """Give the bytes."""


@dataclass(frozen=True)
class Ready:
    """A body that is in memory."""

    content: bytes

    @property
    def length(self) -> int | None:
        """How many bytes it has."""
        return len(self.content)

    async def blocks(self) -> AsyncIterator[bytes]:
        """Give the bytes."""
        for start in range(0, len(self.content), BLOCK_BYTES):
            yield self.content[start : start + BLOCK_BYTES]


@dataclass(frozen=True)
class Pieces:
    """Parts of a file, one after the other.

    :param ranges: first byte and the byte behind the last, of each.
    """

    path: Path
    ranges: tuple[tuple[int, int], ...]
    gzip: bool = False

    @property
    def length(self) -> int | None:
        """How many bytes it has; unknown where they are packed on the way."""
        return None if self.gzip else sum(stop - start for start, stop in self.ranges)

    async def blocks(self) -> AsyncIterator[bytes]:
        """Give the bytes."""
        file = os.open(self.path, os.O_RDONLY)
        try:
            if not self.gzip:
                for start, size in self._steps(BLOCK_BYTES):
                    yield os.pread(file, size, start)
                return
            packer = zlib.compressobj(1, zlib.DEFLATED, GZIP)
            loop = asyncio.get_running_loop()
            for start, size in self._steps(PACK_BLOCK_BYTES):
                block = await loop.run_in_executor(None, _packed, packer, file, size, start)
                if block:
                    yield block
            yield packer.flush()
        finally:
            os.close(file)

    def _steps(self, most: int) -> Iterator[tuple[int, int]]:
        for start, stop in self.ranges:
            for step in range(start, stop, most):
                yield step, min(most, stop - step)


def _packed(packer: zlib._Compress, file: int, size: int, start: int) -> bytes:
    return packer.compress(os.pread(file, size, start))


class StreamedResponse(Response):
    """What Starlette sends, block by block."""

    def __init__(
        self, source: Source, status: int, headers: dict[str, str], media_type: str | None, sending: Sending
    ) -> None:
        self._source = source
        self._sending = sending
        self._sent = 0
        super().__init__(None, status, headers, media_type)
        if source.length is None:
            del self.headers["Content-Length"]  # the server sends it in chunks
        else:
            self.headers["Content-Length"] = str(source.length)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as long as there is a client."""
        if self._sending.cut_at is not None:
            connection_of(scope).transport.set_write_buffer_limits(0)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = asyncio.ensure_future(gone(receive))
        try:
            whole = await self._send_body(send, left)
        finally:
            left.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await left
        if whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await connection_of(scope).flow.drain()  # until the socket has taken everything
        await cut(scope, receive, send)

    async def _send_body(self, send: Send, left: asyncio.Future[None]) -> bool:
        """Send the blocks; False: the connection shall end here."""
        loop = asyncio.get_running_loop()
        begun, speed = loop.time(), self._sending.bytes_per_second
        async with contextlib.aclosing(self._cut_up()) as blocks:
            async for block in blocks:
                if left.done():
                    return False
                self._sent += len(block)
                early = begun + self._sent / speed - loop.time() if speed else 0.0
                if early > 0:
                    await asyncio.sleep(early)
                await send({"type": "http.response.body", "body": block, "more_body": True})
                if self._sent == self._sending.stall_at:
                    await self._stall(left)
        return self._sent != self._sending.cut_at

    async def _cut_up(self) -> AsyncGenerator[bytes, None]:
        """Give the blocks, with ends where something happens; none behind the cut."""
        marks = sorted(
            mark for mark in (self._sending.cut_at, self._sending.stall_at) if mark is not None and mark >= 0
        )
        position, speed = 0, self._sending.bytes_per_second
        most = max(1, int(speed * STEP_SECONDS)) if speed else BLOCK_BYTES
        if marks and marks[0] == 0:
            yield b""
        async for block in self._source.blocks():
            rest = block
            while rest:
                if position == self._sending.cut_at:
                    return
                following = next((mark for mark in marks if mark > position), None)
                size = min(most, len(rest), len(rest) if following is None else following - position)
                yield rest[:size]
                position, rest = position + size, rest[size:]

    async def _stall(self, left: asyncio.Future[None]) -> None:
        others: list[Coroutine[Any, Any, object]] = [asyncio.wait({left})]
        if self._sending.stopping is not None:
            others.append(self._sending.stopping.wait())
        await wait_for_first(self._sending.stall_seconds, *others)
