"""Replies without end: too many bytes, too slow, too many lines before the body. Each call ends, and soon."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import IO, TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http import stream as streamed
from airflow_provider_jobs.core.http.limits import ERROR_BYTES, HEAD_BYTES, Limits
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import JobsError, ProtocolError, TransportError
from tests.unit.core.http.test_transport import transport

if TYPE_CHECKING:
    from airflow_provider_jobs.core.http.transport import Transport

Serve = Callable[..., Any]
ZEROS = 8 * 1024 * 1024
BOMB = gzip.compress(bytes(ZEROS))
GZIP = {"Content-Encoding": "gzip"}
OK = b"HTTP/1.1 200 OK\r\n"
#: More than any test takes, so that a server of a failing test ends too.
MOST_SENT = 32 * 1024 * 1024


class Endless:
    """Sends pieces to each who asks, until he hangs up.

    :ivar sent: Bytes of all replies.
    """

    def __init__(self, pieces: Callable[[], Iterator[bytes]], pause_seconds: float) -> None:
        self.pieces, self.pause_seconds = pieces, pause_seconds
        self.sent = self.connections = 0
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                for piece in self.pieces():
                    if self._stopped.wait(self.pause_seconds) or self.sent > MOST_SENT:
                        return
                    connection.sendall(piece)
                    self.sent += len(piece)
            except OSError:
                return

    def stop(self) -> None:
        self._stopped.set()
        self._socket.close()


@pytest.fixture
def endless() -> Iterator[Callable[..., Endless]]:
    """Return what starts a server of a reply: its beginning, and the piece that follows again and again."""
    servers: list[Endless] = []

    def start(begin: bytes, piece: bytes, pause_seconds: float = 0.0) -> Endless:
        def pieces() -> Iterator[bytes]:
            yield begin
            yield from repeat(piece)

        servers.append(Endless(pieces, pause_seconds))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def bounded(clock: Any, **limits: Any) -> Transport:
    return transport(clock.timing, retry=RetryPolicy(attempts=1), limits=Limits(**limits))


def as_it_is(reply: Reply) -> Reply:
    return reply


def read(sender: Transport, url: str) -> bytes:
    with sender.stream(Request("GET", url)) as reply:
        return b"".join(reply.blocks)


WAYS: dict[str, Callable[[Transport, str], Any]] = {
    "call": lambda sender, url: sender.call(Request("GET", url), as_it_is),
    "looking": lambda sender, url: sender.call(Request("GET", url, within_seconds=0.3), as_it_is),
    "once": lambda sender, url: sender.once(Request("PUT", url, content=b"x")),
    "stream": read,
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


@pytest.mark.parametrize("way", ["call", "looking", "once"])
def test_a_reply_is_not_inflated_beyond_its_bound(serve: Serve, clock: Any, way: str) -> None:
    server = serve({"body": BOMB, "headers": GZIP})
    sender = bounded(clock, reply_bytes=100_000)
    tracemalloc.start()
    with pytest.raises(ProtocolError, match=r"more than 100000 bytes.*max_reply_mb") as caught:
        WAYS[way](sender, server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < ZEROS / 2
    assert len(server.seen) == 1
    assert not caught.value.retryable
    assert caught.value.may_have_happened


def test_a_reply_up_to_its_bound_is_read(serve: Serve, clock: Any) -> None:
    server = serve({"body": gzip.compress(b"x" * 1000), "headers": GZIP})
    assert len(WAYS["call"](bounded(clock, reply_bytes=1000), server.url).body) == 1000
    with pytest.raises(ProtocolError):
        WAYS["call"](bounded(clock, reply_bytes=999), server.url)


def test_a_request_may_have_a_bound_of_its_own(serve: Serve, clock: Any) -> None:
    request = Request("GET", serve({"body": b"x" * 1000}).url, most_bytes=999)
    with pytest.raises(ProtocolError, match="more than 999 bytes"):
        bounded(clock).call(request, as_it_is)


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_of_a_long_refusal_the_beginning_is_read(serve: Serve, clock: Any, headers: dict[str, str]) -> None:
    server = serve({"status": 503, "body": BOMB if headers else bytes(ZEROS), "headers": headers})
    reply = WAYS["once"](bounded(clock), server.url)
    assert (reply.status, reply.body) == (503, bytes(ERROR_BYTES))


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_a_refusal_that_cannot_be_decoded_keeps_its_status(serve: Serve, clock: Any, coding: str) -> None:
    server = serve({"status": 502, "body": b"<html>", "headers": {"Content-Encoding": coding}})
    reply = WAYS["once"](bounded(clock), server.url)
    assert (reply.status, reply.body) == (502, b"")


@EVERY_WAY
@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (OK + b"Content-Length: 99999\r\n\r\n", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (OK + b"\r\n", b"x"),
        (OK + b"X-A: ", b"x"),
        (OK, b"X-A: x\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (b"HTTP/1.1 ", b" "),
    ],
    ids=["body", "chunks", "until closed", "header", "headers", "100", "103", "status"],
)
def test_a_reply_that_trickles_is_given_up(
    endless: Callable[..., Endless], clock: Any, begin: bytes, piece: bytes, way: str
) -> None:
    server = endless(begin, piece, 0.01)
    sender = bounded(clock, call_seconds=0.3, page_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"timed out|no reply"):
        WAYS[way](sender, server.url)
    assert time.monotonic() - began < 30.0


@EVERY_WAY
@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        (OK + b"X-A: x\r\n", b" folded" + b"x" * 4000 + b"\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: x\r\n" * 100),
        (OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\3", b"x" * 4000),
    ],
    ids=["100", "102", "header", "trailers", "name in gzip"],
)
def test_what_comes_fast_and_is_no_body_is_counted(
    endless: Callable[..., Endless], clock: Any, begin: bytes, piece: bytes, way: str
) -> None:
    server = endless(begin, piece)
    with pytest.raises(TransportError):
        WAYS[way](bounded(clock, reply_bytes=10_000, page_bytes=10_000), server.url)
    assert server.sent < HEAD_BYTES + 16 * 1024 * 1024  # the rest is in the buffers of two sockets
    assert server.connections == 1


def test_informational_replies_are_not_taken_for_the_reply(serve: Serve, clock: Any) -> None:
    """Nor is the reply then taken for that to the next request."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    first = OK + b"Content-Length: 3\r\nConnection: close\r\n\r\none"
    server = serve({"raw": hints + b"HTTP/1.1 100 Continue\r\n\r\n" + hints + first}, {"body": b"two"})
    sender = bounded(clock)
    assert [WAYS["call"](sender, server.url).body for _ in range(2)] == [b"one", b"two"]


def test_no_cookie_is_kept(serve: Serve, clock: Any) -> None:
    cookies = {"Set-Cookie": "a=" + "x" * 3000 + "; Path=/"}
    server = serve({"headers": cookies}, {"headers": cookies, "status": 404}, {})
    sender = bounded(clock)
    for way in ("call", "once", "stream"):
        WAYS[way](sender, server.url)
    assert [seen.headers["Cookie"] for seen in server.seen] == [None, None, None]
    assert len(sender._session.cookies) == 0


def read_request(asked: IO[bytes]) -> bool:
    """Read a request to its end; its body may come after its headers. Return False if there is none."""
    length = 0
    while (line := asked.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    asked.read(length)
    return bool(line)


def test_a_connection_is_used_again(clock: Any) -> None:
    reply = OK + b"Content-Length: 2\r\n\r\n{}"

    class Lasting(Endless):
        def _answer(self, connection: socket.socket) -> None:
            with connection, connection.makefile("rb") as asked:
                while read_request(asked):
                    connection.sendall(reply)

    server = Lasting(lambda: iter(()), 0.0)
    sender = bounded(clock)
    for way in ("call", "looking", "once", "call"):
        assert WAYS[way](sender, server.url).body == b"{}"
    assert read(sender, server.url) == b"{}"
    sender._session.close()
    server.stop()
    assert server.connections == 1


def test_a_proxy_that_trickles_is_given_up(endless: Callable[..., Endless], clock: Any) -> None:
    server = endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.01)
    sender = transport(
        clock.timing,
        retry=RetryPolicy(attempts=1),
        limits=Limits(call_seconds=0.3),
        proxies={"https": server.url},
    )
    with pytest.raises(TransportError):
        WAYS["call"](sender, "https://bigquery.example/")


def test_the_members_of_a_compressed_body_are_counted(
    serve: Serve, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_MOST_MEMBERS", 10)
    server = serve({"body": gzip.compress(b"") * 11, "headers": GZIP})
    with pytest.raises(JobsError, match="more than 10 gzip members"):
        WAYS["call"](bounded(clock), server.url)
