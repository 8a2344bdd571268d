"""Replies that are read while they arrive, one block at a time."""

from __future__ import annotations

import math
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from airflow_provider_jobs.core.http.failures import transport_error
from airflow_provider_jobs.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

#: Bytes that are asked of the connection at a time: larger ones are no faster, and each thread holds one.
READ_BYTES = 256 * 1024
#: Bytes that one block may grow to when it is decompressed.
_MOST_BYTES = READ_BYTES
_GZIP_FORMAT = 31


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """A reply whose body has not been read. Header names are looked up in any case.

    :param blocks: The body, decompressed, read once; raises what cuts it short.
    :param close: Lets go of the connection, whatever is left in it.
    """

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]
    close: Callable[[], None] = field(default=lambda: None)


def blocks_of(response: requests.Response, until: float = math.inf) -> Iterator[bytes]:
    """Yield the body of a reply, decompressed.

    :param until: When to give up, by :func:`time.monotonic`: a reply may come a byte at a time.
    :raises TransportError: it is cut short, or has not come to its end by then.
    :raises ProtocolError: it is not encoded as its headers say, or in a way that nobody asked for.
    """
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"gzip", "x-gzip"}:
        yield from _inflated(_raw(response, until))
    elif coding == "identity":
        yield from _raw(response, until)
    else:
        raise ProtocolError(f"the body is in the encoding {coding[:50]!r}, which nobody asked for")


def _raw(response: requests.Response, until: float) -> Iterator[bytes]:
    """Yield the body as it comes; one shorter than its headers promise is an error."""
    read = response.raw.read if until == math.inf else response.raw.read1  # the former fills its block first
    try:
        while block := read(READ_BYTES, decode_content=False):
            if time.monotonic() > until:
                raise TimeoutError("timed out")
            yield block
    except (HTTPError, OSError) as error:
        method = response.request.method or "a request"
        raise transport_error(method, response.url, error, "only a part of the reply") from None


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_FORMAT)
    begun = False
    try:
        for block in blocks:
            begun, left = True, block
            while left:
                if decoder.eof:  # another member follows
                    decoder = zlib.decompressobj(_GZIP_FORMAT)
                if made := decoder.decompress(left, _MOST_BYTES):
                    yield made
                left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error:
        raise ProtocolError("the body claims to be compressed by gzip, and is not") from None
    if begun and not decoder.eof:
        raise ProtocolError("the compressed body is cut short")
