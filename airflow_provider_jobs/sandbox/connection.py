"""Cutting a connection on purpose, which ASGI has no word for."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EXTENSION = "sandbox.cut"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, zero seconds: close sends RST instead of FIN


class ConnectionCut(Exception):
    """Raised inside a request to end its connection without another byte."""


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 whose application can reset the connection: ``scope["extensions"]["sandbox.cut"]()``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[EXTENSION] = self.cut
            await inner(scope, receive, send)

        self.app = app

    def cut(self) -> None:
        """Drop the connection; the client sees a reset."""
        if self.transport.is_closing():  # the client was faster
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


async def cut(scope: Scope, receive: Receive, _send: Send) -> None:
    """End this request's connection and wait until the server has noticed."""
    scope["extensions"][EXTENSION]()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Wait until the connection is closed, by whichever side; drops what is still sent."""
    while (await receive())["type"] != "http.disconnect":
        pass
