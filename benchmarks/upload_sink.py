"""A server that takes uploads as BigQuery does, over TLS, and throws the bytes away.

It answers the start of a session, data, status queries, and a plain PUT; it counts, and never stores.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 4 * 1024 * 1024
JOB = {
    "kind": "bigquery#job",
    "id": "p:US.j",
    "jobReference": {"projectId": "p", "jobId": "j", "location": "US"},
    "configuration": {"load": {}, "jobType": "LOAD"},
    "status": {"state": "DONE"},
    "statistics": {"creationTime": "1"},
}


class Sink:
    """Serves on an address until it is closed."""

    def __init__(self, host: str, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server((host, 0))
        self.url = f"https://{host}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connection, server_side=True) as stream:
                while self._request(stream):
                    pass
        except OSError:
            return  # the client went away

    def _request(self, stream: ssl.SSLSocket) -> bool:
        head = bytearray()
        while b"\r\n\r\n" not in head:
            block = stream.recv(65536)
            if not block:
                return False
            head += block
        text, _, rest = bytes(head).partition(b"\r\n\r\n")
        headers = text.decode().lower()
        if "expect: 100-continue" in headers:
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(r"\r\ncontent-length: *(\d+)", headers)
        left = int(length[1]) - len(rest) if length else 0
        room = bytearray(_BLOCK)
        while left > 0:
            count = stream.recv_into(room, min(left, _BLOCK))
            if not count:
                return False
            left -= count
        stream.sendall(self._reply(headers))
        return True

    def _reply(self, headers: str) -> bytes:
        if "uploadtype=resumable" in headers.partition("\r\n")[0]:
            host = re.search(r"\r\nhost: *(\S+)", headers)  # the way the client came, a slow one perhaps
            url = f"https://{host[1]}/session" if host else f"{self.url}/session"
            return f"HTTP/1.1 200 OK\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()
        sent = re.search(r"\r\ncontent-range: bytes (\d+)-(\d+)/(\d+|\*)", headers)
        if sent and (sent[3] == "*" or int(sent[2]) + 1 < int(sent[3])):
            return f"HTTP/1.1 308 Resume\r\nRange: bytes=0-{sent[2]}\r\nContent-Length: 0\r\n\r\n".encode()
        if headers.startswith("get"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        body = json.dumps(JOB).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body
