"""A server on the loopback interface that answers as a test tells it, or misbehaves."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Any
    body: bytes


@dataclass
class Answer:
    """What to answer; the ways to misbehave come one at a time.

    :param reset: Cut the connection instead of answering.
    :param short: Promise so many bytes more than are sent.
    :param stall: Answer nothing until the test ends.
    :param raw: Bytes sent as they are.
    :param trickle: Send the body a byte at a time, without end.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    short: int = 0
    stall: bool = False
    raw: bytes | None = None
    trickle: bool = False


class Loopback(ThreadingHTTPServer):
    """Gives its answers in order, the last one again and again."""

    daemon_threads = True

    def __init__(self, answers: tuple[Answer, ...], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answers = list(answers) or [Answer()]
        self.seen: list[Seen] = []
        self.stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; anything else is a bug of the test."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Loopback

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, self.headers, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.stall:
            self.server.stopped.wait()
        if answer.reset or answer.stall:
            # Lingering for no second turns the end of the connection into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if answer.trickle:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not self.server.stopped.wait(0.01):
                self.wfile.write(b" ")
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + answer.short))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = self.close_connection or bool(answer.short)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *args: Any) -> None:
        """Say nothing: a test's output is its own."""

    def finish(self) -> None:
        if self.connection.fileno() >= 0:
            super().finish()


@pytest.fixture
def serve() -> Iterator[Callable[..., Loopback]]:
    """Return what starts a server: ``serve({"status": 503}, {"reset": True}, {})``."""
    servers: list[Loopback] = []

    def start(*answers: dict[str, Any]) -> Loopback:
        servers.append(Loopback(tuple(Answer(**each) for each in answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """Return the address of a server whose certificate nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(encoding)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = Loopback((Answer(),), context)
    yield server.url.replace("http:", "https:")
    server.stop()
