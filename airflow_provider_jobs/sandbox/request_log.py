"""The last requests, for tests that count them: never a token, header or body."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT = 20_000  # entries; the oldest leave first
SECRET_PARAMETERS = frozenset({"access_token", "oauth_token", "key", "upload_id", "X-Goog-Signature"})


@dataclass
class Entry:
    """One request, as far as it has got."""

    method: str
    path: str
    query: str
    port: int  # that it came to: the sandbox has two
    operation: str = ""
    account: str = ""
    status: int | None = None  # None: no reply was sent (yet)
    started_at: float = 0.0
    seconds: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    error: str = ""  # reason and message of a refusal
    faults: list[str] = field(default_factory=list)  # actions of those that it met


class RequestLog:
    """A bounded, thread-safe list of what was asked."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Take a request that has just begun."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def entries(self) -> list[dict[str, Any]]:
        """Give all entries, oldest first."""
        with self._lock:
            return [asdict(entry) for entry in self._entries]

    def newest(self, most: int, wanted: Callable[[Entry], bool]) -> dict[str, Any]:
        """Give how many there are, and the newest of those that are wanted, newest first."""
        with self._lock:
            entries = list(self._entries)
        return {
            "total": len(entries),
            "newest": [asdict(entry) for entry in islice(filter(wanted, reversed(entries)), most)],
        }


class Logged:
    """The application, with every request in the log before its reply can reach the client."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and count what goes in and out."""
        if scope["type"] != "http" or _of_the_sandbox(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        query = _without_secrets(scope["query_string"].decode("latin-1"))
        entry = Entry(scope["method"], scope["path"], query, scope["server"][1], started_at=time.time())
        scope["sandbox.entry"] = entry
        begun = time.monotonic()
        self._log.add(entry)

        async def counted_receive() -> Message:
            message = await receive()
            entry.bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            entry.bytes_out += len(message.get("body", b""))
            entry.seconds = round(time.monotonic() - begun, 6)
            await send(message)

        try:
            await self._app(scope, counted_receive, counted_send)
        finally:
            entry.seconds = round(time.monotonic() - begun, 6)


def _of_the_sandbox(method: str, path: str) -> bool:
    """Tell whether a request is for the control endpoints or the status page, and for no service."""
    return path.startswith("/sandbox/") or (path == "/" and method in {"GET", "HEAD"})


def _without_secrets(query: str) -> str:
    if not any(name in query for name in SECRET_PARAMETERS):
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "***" if name in SECRET_PARAMETERS else value) for name, value in pairs])
