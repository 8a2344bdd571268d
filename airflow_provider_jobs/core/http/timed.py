"""Connections whose replies come to an end: read against an absolute time, and counted.

The timeout of a socket begins anew with each byte that comes, so that a reply may last for ever, as may the
informational replies before it, and its headers. Here each read of the socket has what is left of the call.
"""

from __future__ import annotations

import errno
import io
import math
import time
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from airflow_provider_jobs.core.http.limits import HEAD_BYTES, Limits
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES

if TYPE_CHECKING:
    import socket


_INFORMATIONAL = range(100, 200)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one reply.

    :param seconds: From the moment when it is waited for to its end.
    :param until: By :func:`time.monotonic`, for who counts from before the connection; the sooner counts.
    :param most_bytes: Of its body, as it is sent.
    """

    seconds: float
    until: float
    most_bytes: int


_USUAL = Bounds(Limits().call_seconds, math.inf, Limits().page_bytes)
#: Those of the request that this thread sends.
bounds: ContextVar[Bounds] = ContextVar("bounds", default=_USUAL)


class BoundedAdapter(HTTPAdapter):
    """Reads replies within their bounds. Sends bodies in large blocks: 16 KiB cost a third of the speed."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, blocksize=BLOCK_BYTES, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of a proxy."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    """Have a manager's pools, whatever is special of them, make connections with replies of ours."""
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _bounded(pool.ConnectionCls)})
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _bounded(connection: Any) -> type:
    return type(connection.__name__, (connection,), {"response_class": _Response})


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _Reader(self.fp.detach(), sock, bounds.get())
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the head, past informational replies: http.client skips those of status 100 only."""
        super().begin()
        while self.status in _INFORMATIONAL:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        self._reader.begin_body()


class _Reader(io.RawIOBase):
    """Reads a socket until the time is over, or the bytes are too many."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, its: Bounds) -> None:
        self._raw, self._sock, self._its = raw, sock, its
        self._until = min(its.until, time.monotonic() + its.seconds)
        self._silence = sock.gettimeout() or its.seconds
        self._left = HEAD_BYTES

    def begin_body(self) -> None:
        # Of a chunked body each byte may come with a line of its own.
        self._left = 2 * self._its.most_bytes + HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left, self._silence))
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError(errno.EMSGSIZE, "the reply has no end")
        return count

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()
