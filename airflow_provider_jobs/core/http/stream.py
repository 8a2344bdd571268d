"""Replies that are read while they arrive, one block at a time."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from airflow_provider_jobs.core.http.failures import transport_error
from airflow_provider_jobs.core.http.messages import beginning
from airflow_provider_jobs.errors import ProtocolError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    import requests

try:
    inflating: Any = importlib.import_module("isal.isal_zlib")  # the extra `isal`: three times as fast
except ImportError:
    inflating = importlib.import_module("zlib")

#: Bytes that are asked of the connection at a time: larger ones are no faster, and each thread holds one.
READ_BYTES = 256 * 1024
#: Bytes that one block may grow to when it is decompressed.
_MOST_BYTES = READ_BYTES
_GZIP_FORMAT = 31
_GZIP_BEGINNING = b"\x1f\x8b"
_GZIP = frozenset({"gzip", "x-gzip"})
#: Compressed bytes that are decompressed at a time: each call copies what it leaves of them, and of more that
#: took a quarter of the time.
_AT_A_TIME_BYTES = 64 * 1024
_NOT_GZIP = "the body claims to be compressed by gzip, and is not"
#: Gzip members of one body: each of them costs a copy of what is left of these.
_MOST_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """A reply whose body has not been read. Header names are looked up in any case.

    :param blocks: The body, decompressed, read once; raises what cuts it short.
    :param close: Lets go of the connection, whatever is left in it.
    :param packed: The body as it is sent, if gzip compresses it: read in place of ``blocks``, see
        :meth:`keeping`.
    """

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]
    close: Callable[[], None] = field(default=lambda: None)
    packed: Iterator[bytes] | None = None

    def keeping(self, keep: Callable[[bytes], None]) -> StreamedReply:
        """Return the reply in the form that hands over its body as it is sent, while its blocks are read.

        One that is not compressed hands over nothing.
        """
        if self.packed is None:
            return self
        return replace(self, blocks=_inflated(_handed_over(self.packed, keep)), packed=None)

    def in_turns(self, turns: threading.Semaphore) -> StreamedReply:
        """Return the reply in the form that lets go of its reader's turn while it waits for the network."""
        if self.packed is None:
            return replace(self, blocks=_between_turns(self.blocks, turns))
        packed = _between_turns(self.packed, turns)
        return replace(self, blocks=_inflated(packed), packed=packed)


def blocks_of(response: requests.Response) -> Iterator[bytes]:
    """Yield the body of a reply, decompressed.

    :raises TransportError: it is cut short, or has not come to its end in time.
    :raises ProtocolError: it is not encoded as its headers say, or in a way that nobody asked for.
    """
    coding = _coding(response)
    if coding in _GZIP:
        yield from _inflated(_raw(response))
    elif coding == "identity":
        yield from _raw(response)
    else:
        raise ProtocolError(f"the body is in the encoding {shown(coding, 50)!r}, which nobody asked for")


def streamed(response: requests.Response) -> StreamedReply:
    """Return a reply, its body unread."""
    packed = _raw(response) if _coding(response) in _GZIP else None
    return StreamedReply(response.status_code, response.headers, blocks_of(response), response.close, packed)


def whole(response: requests.Response, most_bytes: int) -> bytes:
    """Return the body of a good reply, decompressed.

    :raises ProtocolError: it has more bytes; which ones nobody will know.
    """
    body = beginning(blocks_of(response), most_bytes)
    if len(body) > most_bytes:
        error = ProtocolError(
            f"the reply has more than {most_bytes} bytes: if that is right, raise max_reply_mb of the "
            "connection"
        )
        error.retryable = False  # it would come again
        raise error
    return body


def _raw(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it comes; one shorter than its headers promise is an error."""
    try:
        while block := response.raw.read(READ_BYTES, decode_content=False):
            yield block
    except (HTTPError, OSError) as error:
        method = response.request.method or "a request"
        raise transport_error(method, response.url, error, "only a part of the reply") from None


def _coding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "identity").strip().lower()


def _handed_over(blocks: Iterator[bytes], keep: Callable[[bytes], None]) -> Iterator[bytes]:
    for block in blocks:
        keep(block)
        yield block


def _between_turns(blocks: Iterator[bytes], turns: threading.Semaphore) -> Iterator[bytes]:
    while True:
        turns.release()
        try:
            block = next(blocks, b"")
        finally:
            turns.acquire()
        if not block:
            return
        yield block


def _cut(blocks: Iterator[bytes]) -> Iterator[bytes | memoryview]:
    for block in blocks:
        view = memoryview(block)
        yield from (view[at : at + _AT_A_TIME_BYTES] for at in range(0, len(view), _AT_A_TIME_BYTES))


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = inflating.decompressobj(_GZIP_FORMAT)
    members = 0
    try:
        for block in _cut(blocks):
            members, left = max(members, 1), block
            while left:
                if decoder.eof:  # another member follows
                    if not _GZIP_BEGINNING.startswith(bytes(left[:2])):
                        raise ProtocolError(_NOT_GZIP)
                    decoder, members = inflating.decompressobj(_GZIP_FORMAT), members + 1
                    if members > _MOST_MEMBERS:
                        raise ProtocolError(f"the body has more than {_MOST_MEMBERS} gzip members")
                if made := decoder.decompress(left, _MOST_BYTES):
                    yield made
                left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except inflating.error:
        raise ProtocolError(_NOT_GZIP) from None
    if members and not decoder.eof:
        raise ProtocolError("the compressed body is cut short")
