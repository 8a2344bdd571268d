"""Services and logins on this machine that refuse, and repeat everything that they were sent."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
#: Where logins of the three services go; everything else is an API.
LOGIN = re.compile(r"/(services/(oauth2/token|Soap/)|token\b|sts\b|v1/projects/-/serviceAccounts/)")
#: Fields of a login that are worth as much as a password while they last.
_PROOFS = frozenset({"assertion", "subject_token", "refresh_token", "client_secret", "password"})


class Echo(ThreadingHTTPServer):
    """Answers with a status, and with what it was asked.

    :param status: Of everything that is refused.
    :param tokens: What logins get; None refuses them too.
    """

    daemon_threads = True

    def __init__(self, status: int, tokens: str | None = None) -> None:
        self.status = status
        self.tokens = tokens
        #: What arrived, as text.
        self.arrived: list[str] = []
        #: What would let somebody else in.
        self.proofs: set[str] = set()
        super().__init__((HOST, 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"


@contextmanager
def echo(status: int, tokens: str | None = None) -> Iterator[Echo]:
    """Serve until the end of the block."""
    with Echo(status, tokens) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Echo

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        arrived = f"{self.requestline}\n{self.headers}{content}"
        self.server.arrived.append(arrived)
        self._keep_proofs(content)
        login = bool(LOGIN.search(self.path))
        if login and self.server.tokens:
            return self._send(200, *self._granted(self.server.tokens))
        return self._send(self.server.status, *self._refusal(" ".join(arrived.split())))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that the base asks for

    def _keep_proofs(self, content: str) -> None:
        self.server.proofs.add((self.headers.get("Authorization") or "").partition(" ")[2])
        self.server.proofs.update(value for name, value in parse_qsl(content) if name in _PROOFS)
        self.server.proofs.discard("")

    def _granted(self, token: str) -> tuple[str, str]:
        if "/Soap/" in self.path:
            fields = {"sessionId": token, "serverUrl": f"{self.server.url}/services/Soap/u/64.0/00D"}
            inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
            return "text/xml", f"<loginResponse><result>{inner}</result></loginResponse>"
        both = {"access_token": token, "accessToken": token, "instance_url": self.server.url}
        life = {"expires_in": 3600, "expireTime": "2100-01-01T00:00:00Z", "token_type": "Bearer"}
        issued = "urn:ietf:params:oauth:token-type:access_token"
        return "application/json", json.dumps({**both, **life, "issued_token_type": issued})

    def _refusal(self, said: str) -> tuple[str, str]:
        if "/Soap/" in self.path:
            inner = f"<faultcode>{escape(said)}</faultcode><faultstring>{escape(said)}</faultstring>"
            return "text/xml", f"<Envelope><Body><Fault>{inner}</Fault></Body></Envelope>"
        document: Any = {
            "error": {
                "code": self.server.status,
                "message": said,
                "errors": [{"reason": said[:40], "message": said}],
            },
            "error_description": said,
        }
        if "/services/data/" in self.path:
            document = [{"errorCode": "ECHO", "message": said}]
        elif LOGIN.search(self.path):
            document = {"error": said, "error_description": said}
        return "application/json", json.dumps(document)

    def _send(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name in ("WWW-Authenticate", "X-Echo", "Set-Cookie"):
            said = (self.headers.get("Authorization") or "").encode("latin-1", "replace").decode("latin-1")
            self.send_header(name, f"echo={said}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""
