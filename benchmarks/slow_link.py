"""A link that is slower than loopback: a proxy with a rate, a round trip, and a window for each connection.

Bytes leave when the rate allows, arrive half a round trip later, and count against their connection's window
until the other half has passed. Loss and slow start are not part of it.
"""

from __future__ import annotations

import collections
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Shape:
    """What the link is like.

    :param bytes_per_second: Of all connections together.
    :param round_trip_seconds: There and back.
    :param window_bytes: That one connection may have under way.
    """

    bytes_per_second: float
    round_trip_seconds: float
    window_bytes: int


class SlowLink:
    """Listens on an address of this machine, and passes everything on to another one."""

    def __init__(self, target: str, shape: Shape) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._shape = shape
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        half = self._shape.round_trip_seconds / 2
        under_way: collections.deque[tuple[float, bytes]] = collections.deque()
        flying: collections.deque[tuple[float, int]] = collections.deque()
        ready = threading.Condition()
        threading.Thread(target=_deliver, args=(sink, under_way, ready), daemon=True).start()
        in_flight = 0
        while True:
            while flying and (in_flight >= self._shape.window_bytes or flying[0][0] <= time.monotonic()):
                acknowledged_at, count = flying.popleft()
                time.sleep(max(0.0, acknowledged_at - time.monotonic()))
                in_flight -= count
            try:
                block = source.recv(_BLOCK)
            except OSError:
                block = b""
            arrives = self._leave(len(block)) + half
            with ready:
                under_way.append((arrives, block))
                ready.notify()
            if not block:
                return
            in_flight += len(block)
            flying.append((arrives + half, len(block)))

    def _leave(self, count: int) -> float:
        """Return when so many bytes are on the link; it carries the bytes of all connections in turn."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._shape.bytes_per_second
            return self._free_at


def _deliver(
    sink: socket.socket, under_way: collections.deque[tuple[float, bytes]], ready: threading.Condition
) -> None:
    while True:
        with ready:
            while not under_way:
                ready.wait()
            arrives, block = under_way.popleft()
        time.sleep(max(0.0, arrives - time.monotonic()))
        try:
            if not block:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(block)
        except OSError:
            return  # that side went away
