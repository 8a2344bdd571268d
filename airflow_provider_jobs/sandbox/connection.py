"""What ASGI has no word for: cutting a connection on purpose, and taking a body straight from its socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Scope, Send

EXTENSION = "sandbox.connection"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, zero seconds: close sends RST instead of FIN


class ConnectionCut(Exception):
    """Raised inside a request to end its connection without another byte."""


class SandboxProtocol(H11Protocol):
    """HTTP/1.1 whose application reaches it: ``scope["extensions"]["sandbox.connection"]``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[EXTENSION] = self
            await inner(scope, receive, send)

        self.app = app

    def cut(self) -> None:
        """Drop the connection; the client sees a reset."""
        if self.transport.is_closing():  # the client was faster
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()

    def take_socket(self) -> tuple[int, bytes] | None:
        """Stop reading; give the socket's descriptor and what of the body was read, but not received yet.

        None if there is nothing left to read. ``receive`` must not be called until the socket is back.
        """
        if self.transport.is_closing() or not self.cycle.more_body:
            return None
        self.flow.pause_reading()
        read, self.cycle.body = bytes(self.cycle.body), bytearray()
        self.cycle.message_event.clear()
        return int(self.transport.get_extra_info("socket").fileno()), read

    def give_socket_back(self) -> None:
        """Go on reading, behind the body, which has been taken from the socket to its last byte."""
        closing = any(
            name == b"connection" and b"close" in value.lower() for name, value in self.scope["headers"]
        )
        head = f"PUT / HTTP/{self.scope['http_version']}\r\nHost: sandbox\r\nContent-Length: 0\r\n"
        # To h11 a request without a body has just arrived in place of the one whose body it did not see.
        self.conn = self.cycle.conn = h11.Connection(h11.SERVER)
        self.conn.receive_data((head + ("Connection: close\r\n\r\n" if closing else "\r\n")).encode())
        self.conn.next_event()  # the request
        self.conn.next_event()  # its end
        self.cycle.more_body = False


def connection_of(scope: Scope) -> SandboxProtocol:
    """Give the connection of a request."""
    connection: SandboxProtocol = scope["extensions"][EXTENSION]
    return connection


async def cut(scope: Scope, receive: Receive, _send: Send) -> None:
    """End this request's connection and wait until the server has noticed."""
    connection_of(scope).cut()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Wait until the connection is closed, by whichever side; drops what is still sent."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def wait_for_first(seconds: float | None, *others: Coroutine[Any, Any, object]) -> None:
    """Wait for the seconds or for the first of the others; ends the others."""
    waits = [asyncio.ensure_future(other) for other in others]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
