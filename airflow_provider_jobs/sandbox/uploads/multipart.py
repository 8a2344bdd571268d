"""Bodies of several parts, taken apart as they arrive: https://www.rfc-editor.org/rfc/rfc2046#section-5.1."""

from __future__ import annotations

import re
from email.message import Message
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
MOST_HEADER_BYTES = 16 * 1024
LINE = b"\r\n"
HEADERS_END = LINE * 2


def boundary_of(content_type: str, *kinds: str) -> bytes:
    """Give the boundary of a content type; ``kinds`` are those accepted, such as ``multipart/related``.

    :raises Refusal: 400, another type, or no boundary.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary("")
    if message.get_content_type() not in kinds or not BOUNDARY.fullmatch(boundary):
        raise Refusal(400, "badRequest", f"Content-Type must be {kinds[0]} with a boundary.")
    return boundary.encode("ascii")


class Multipart:
    """One body; its parts come in order, each to be read to its end before the next.

    :param blocks: the body.
    """

    def __init__(self, blocks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._blocks = blocks
        self._delimiter = LINE + b"--" + boundary
        self._buffer = bytearray(LINE)  # so that the first delimiter looks like all others
        self._begun = False

    async def next_part(self) -> dict[str, str] | None:
        """Give the headers of the next part, names in small letters; None behind the last."""
        if not self._begun:
            self._begun = True
            async for _ in self.content():  # what stands before the first delimiter belongs to no part
                pass
        await self._fill(2)
        if self._buffer.startswith(b"--"):
            return None
        end = self._buffer.find(HEADERS_END)
        while end < 0:
            if len(self._buffer) > MOST_HEADER_BYTES:
                raise _malformed("its headers are too long")
            await self._fill(len(self._buffer) + 1)
            end = self._buffer.find(HEADERS_END)
        text = self._buffer[:end].decode("utf-8", errors="replace").strip()
        del self._buffer[: end + len(HEADERS_END)]
        return {name.lower(): value for name, value in HeaderParser().parsestr(text + "\n\n").items()}

    async def content(self) -> AsyncIterator[bytes]:
        """Give the bytes of the part."""
        kept = len(self._delimiter) - 1  # may be the beginning of a delimiter
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > kept:
                yield bytes(self._buffer[:-kept])
                del self._buffer[:-kept]
            await self._fill(len(self._buffer) + 1)
        if end:
            yield bytes(self._buffer[:end])
        del self._buffer[: end + len(self._delimiter)]

    async def text(self, most: int) -> bytes:
        """Give a short part whole."""
        found = bytearray()
        async for block in self.content():
            found += block
            if len(found) > most:
                raise Refusal(413, "uploadTooLarge", "A part is too long.")
        return bytes(found)

    async def _fill(self, size: int) -> None:
        """Read on until so many bytes are in the buffer."""
        while len(self._buffer) < size:
            try:
                self._buffer += await anext(self._blocks)
            except StopAsyncIteration:
                raise _malformed("it ends before its last boundary") from None


def field_name(headers: dict[str, str]) -> str | None:
    """Give the name of a form field, https://www.rfc-editor.org/rfc/rfc7578#section-4.2."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    name = message.get_param("name", header="content-disposition")
    return name if isinstance(name, str) else None


def _malformed(why: str) -> Refusal:
    return Refusal(400, "badContent", f"The multipart body is malformed: {why}.")
