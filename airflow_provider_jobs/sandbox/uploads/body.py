"""The body of one request, read piece by piece, with the faults that strike inside it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Self

from airflow_provider_jobs.sandbox.call import whole_number
from airflow_provider_jobs.sandbox.connection import ConnectionCut, connection_of, wait_for_first
from airflow_provider_jobs.sandbox.uploads.pouring import Pour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Executor
    from types import TracebackType

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.fault_actions import Exchange

WORTH_TAKING_BYTES = 256 * 1024  # a shorter rest has arrived before a thread could begin to read it
ENDLESS = 1 << 62


class Body:
    """A context manager: at its end, what is left of a body that was begun is dropped.

    Any method raises what a fault says, and ConnectionCut where the client is gone or a later request
    has taken the upload over.

    :param threads: where large bodies are read.
    """

    def __init__(self, call: Call, threads: Executor) -> None:
        if call.exchange is None:
            raise TypeError("the control endpoints take no uploads")
        self._exchange: Exchange = call.exchange
        self._entry = call.request.scope["sandbox.entry"]
        self._connection = connection_of(call.request.scope)
        self._threads = threads
        due = [(after, action) for action in call.actions if (after := action.due()) is not None]
        self._due = sorted(due, key=lambda pair: pair[0])
        self.length = whole_number(call.request.headers.get("content-length", ""))
        self.read = 0
        self._waiting = b""  # has arrived, but nobody has asked for it yet
        self._socket: int | None = None

    @property
    def ended(self) -> bool:
        """Whether all of it was read."""
        return self.read == self.length

    def abandon(self) -> None:
        """End this request where it is; for a later request that takes its upload over."""
        self._exchange.abandoned.set()

    async def pour(self, file: int | None, at: int, most: int, counted: Callable[[int], None]) -> None:
        """Move at most so many bytes to the end of a file, which is at ``at``; no file drops them."""
        start, until = self.read, self.read + most
        while True:
            await self._strike()
            if self.ended or self.read >= until:
                return
            place, count = at + self.read - start, min(until, self._next_stop()) - self.read
            if self._socket is not None and not self._waiting:
                await self._pour_socket(self._socket, file, place, count, counted)
            else:
                block = await self._block(count)
                if file is not None and block:
                    os.pwrite(file, block, place)
                counted(len(block))

    async def blocks(self) -> AsyncIterator[bytes]:
        """Give the whole body, block by block."""
        while True:
            await self._strike()
            if self.ended:
                return
            yield await self._block(self._next_stop() - self.read, take=False)

    async def _strike(self) -> None:
        """Let the faults act that are due at this byte."""
        while self._due and self._due[0][0] <= self.read:
            _, action = self._due.pop(0)
            await action.during(self._exchange)
        if self._exchange.abandoned.is_set():
            raise ConnectionCut

    def _next_stop(self) -> int:
        """Give how many bytes come before the next fault, or in all."""
        return min(self._due[0][0] if self._due else ENDLESS, ENDLESS if self.length is None else self.length)

    async def _block(self, most: int, *, take: bool = True) -> bytes:
        """Give some of the next bytes.

        :param take: whether what follows may be read from the socket directly.
        """
        if not self._waiting:
            await self._receive()
            rest = (self.length or 0) - self.read - len(self._waiting)
            taken = self._connection.take_socket() if take and rest > WORTH_TAKING_BYTES else None
            if taken is not None:
                self._socket, more = taken
                self._waiting += more
                self._entry.bytes_in += len(more)
        block, self._waiting = self._waiting[:most], self._waiting[most:]
        self.read += len(block)
        return block

    async def _receive(self) -> None:
        """Wait for more bytes, or for a reason not to."""
        coming = asyncio.ensure_future(self._exchange.receive())
        waits = (self._exchange.abandoned.wait(), self._exchange.stopping.wait())
        await wait_for_first(None, asyncio.wait({coming}), *waits)
        if not coming.done():
            coming.cancel()
            raise ConnectionCut
        message = coming.result()
        if message["type"] == "http.disconnect":
            raise ConnectionCut
        self._waiting = message.get("body", b"")
        if not message.get("more_body", False):
            self.length = self.read + len(self._waiting)

    async def _pour_socket(
        self, source: int, file: int | None, at: int, count: int, counted: Callable[[int], None]
    ) -> None:
        """Let a thread move bytes from the socket; give the socket back after the last."""
        exchange = self._exchange

        def ended() -> bool:
            return exchange.abandoned.is_set() or exchange.stopping.is_set()

        def moved(number: int) -> None:
            self.read += number
            self._entry.bytes_in += number
            counted(number)

        pour = Pour(source, file, at, count, ended, moved)
        if not await asyncio.get_running_loop().run_in_executor(self._threads, pour.run):
            raise ConnectionCut
        if self.ended:
            self._socket = None
            self._connection.give_socket_back()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read what is left, so that the connection can serve the reply and more requests."""
        if (
            self._socket is not None
            and (kind is None or issubclass(kind, Exception))
            and kind != ConnectionCut
        ):
            self._due.clear()
            await self.pour(None, 0, ENDLESS, lambda _: None)
