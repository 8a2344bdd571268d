"""Words that lead elsewhere, what they are put into, and a server that writes down where requests go."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = (
    "",
    " ",
    ".",
    "..",
    "../",
    "../../x",
    "/",
    "//evil.example/x",
    "a/../../x",
    "..\\x",
    "?",
    "?x=y",
    "#",
    "%2e%2e",
    "%2e%2e/x",
    "..%2f..%2fx",
    "%2f",
    "%252e%252e/x",
    "a b",
    "@evil.example/x",
    "ä\u202e\u2028",
    "\uff0e\uff0e/",
    "\uff15\uff19.0",
    "a\r\nX-Evil: 1",
    "a HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /x",
    "a\0b",
    "x" * 100_000,
)
#: Put behind a word that is right.
BEHIND = ("/", "/..", "/../../x", "?x=y", "#x", "%2f..%2f..%2fx", " ", "\r\n", "/x", "%00")


def hostile_to(word: str) -> Iterator[str]:
    """Yield what may stand in place of a word."""
    yield from HOSTILE
    yield from (word + end for end in BEHIND)


Place = tuple[Any, ...]


def words(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield the words in a value, and where each is: in mappings, lists and dataclasses too."""
    if isinstance(value, str):
        yield place, str(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from words(each, (*place, key))
    elif isinstance(value, list | tuple):
        for each in value[:1]:  # the others are treated alike
            yield from words(each, (*place, 0))
    elif is_dataclass(value):
        for each in fields(value):
            yield from words(getattr(value, each.name), (*place, each.name))


def with_word(value: Any, place: Place, word: str) -> Any:
    """Return a copy of a value with another word at a place."""
    if not place:
        return word
    first, *rest = place
    if isinstance(value, Mapping):
        return {**value, first: with_word(value[first], tuple(rest), word)}
    if isinstance(value, list | tuple):
        changed = [with_word(each, tuple(rest), word) if n == first else each for n, each in enumerate(value)]
        return type(value)(changed)
    return replace(value, **{first: with_word(getattr(value, first), tuple(rest), word)})


class Recorder(ThreadingHTTPServer):
    """Answers everything as a service that has what is asked for, or has not; keeps the request lines.

    :ivar missing: Nothing that is asked for by GET is there.
    """

    daemon_threads = True

    def __init__(self, documents: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.document = json.loads(json.dumps(documents).replace("SERVER", self.url))
        self.missing = False
        self.lines: list[str] = []
        self._thread = threading.Thread(target=lambda: self.serve_forever(0.01), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def taken(self) -> list[str]:
        """Return the request lines since the last look."""
        lines, self.lines = self.lines, []
        return lines


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for 40 ms
    server: Recorder
    raw_requestline: bytes

    def parse_request(self) -> bool:
        self.server.lines.append(self.raw_requestline.decode("latin-1").removesuffix("\r\n"))
        return super().parse_request()

    def answer(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (size := int(self.rfile.readline(), 16)) >= 0:
                self.rfile.read(size + 2)
                if not size:
                    break
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.missing and self.command == "GET":
            self._reply(404, "application/json", b'{"error": {"code": 404, "message": "gone"}}')
        elif self.headers.get("Accept") == "text/csv":
            self._reply(200, "text/csv", b'"Id"\n')
        else:
            self._reply(200, "application/json", json.dumps(self.server.document).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the base's names

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Sforce-Locator": "null",
            "Sforce-NumberOfRecords": "0",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Write nothing."""


def is_made_of(segment: str, word: str) -> bool:
    """Return True if a segment is a word, or holds one that is long enough to be an id."""
    return segment == word != "" or (len(word) > 5 and word in segment)


class Shape:
    """Where a request goes, whatever the ids are: method, segments of the path, names of parameters.

    :param ids: Words of which a segment may be made; such a segment may be any other.
    """

    def __init__(self, line: str, ids: set[str]) -> None:
        self.method, target, version = line.split(" ")
        assert version == "HTTP/1.1"
        parts = urlsplit(target)
        self.segments = [
            None if any(is_made_of(unquote(segment), word) for word in ids) else segment
            for segment in parts.path.split("/")
        ]
        self.names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.method, *self.segments))

    def holds(self, line: str) -> bool:
        """Return True if a request goes there too."""
        words_of_line = line.split(" ")
        if len(words_of_line) != 3 or not line.isascii() or not line.isprintable():
            return False
        method, target, _ = words_of_line
        parts = urlsplit(target)
        segments = parts.path.split("/")
        if method != self.method or len(segments) != len(self.segments) or "#" in target:
            return False
        names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        return names <= self.names and all(
            segment == fixed if fixed is not None else unquote(segment) not in {"", ".", ".."}
            for segment, fixed in zip(segments, self.segments, strict=True)
        )
