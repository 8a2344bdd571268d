"""Several text sources as one, their headers but the first left out."""

from __future__ import annotations

import codecs
import functools
import io
from contextlib import closing
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.core.sources.source import Reader, Source


_LINE_END = ord("\n")
_GZIP = b"\x1f\x8b"
_TABS = frozenset({"tab", "\\t"})


def joined(sources: Sequence[Source], rows: int = 0, quote: str = '"', delimiter: str = ",") -> JoinedSource:
    """Return the sources as one, with the header of the first that holds more than one.

    :param rows: Header rows of each; of CSV.
    :raises ConfigurationError: one of them is compressed, or does not know its size, or has a header that
        does not end.
    """
    for source in sources:
        if _is_gzip(source):
            raise ConfigurationError(f"{source.name} is compressed already, and only text can be combined")
    headers = [header_bytes(source, rows, quote, delimiter) for source in sources]
    more = [
        source.size is None or header < source.size for source, header in zip(sources, headers, strict=True)
    ]
    headers[more.index(True) if any(more) else 0] = 0
    return JoinedSource(sources, headers)


def _is_gzip(source: Source) -> bool:
    with closing(source.open()) as reader:
        return reader.read(1) + reader.read(1) == _GZIP


class JoinedSource:
    """Several text sources one after another, as one; a line end is added where one lacks its last.

    :param skipped: Bytes to leave out at the beginning of each: the headers of all files but the first.
    :raises ConfigurationError: one of them does not know its size.
    """

    def __init__(self, sources: Sequence[Source], skipped: Sequence[int]) -> None:
        self._sources = list(sources)
        self._parts: list[tuple[int, Callable[[int], Reader]]] = []
        for source, left_out in zip(sources, skipped, strict=True):
            if source.size is None:
                raise ConfigurationError(f"{source.name} does not know its size, which joining needs")
            self._parts.append((source.size - left_out, _from(source, left_out)))
            if source.size > left_out and not _ends_a_line(source, source.size):
                self._parts.append((1, lambda _: io.BytesIO(b"\n")))
        self.name = sources[0].name
        self.size = sum(size for size, _ in self._parts)
        self.fingerprint = "|".join(source.fingerprint for source in sources)

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on."""
        openers: list[Callable[[], Reader]] = []
        for size, opener in self._parts:
            if offset < size:
                openers.append(functools.partial(opener, offset))
            offset = max(0, offset - size)
        return _JoinedReader(openers)

    def check(self) -> None:
        """See that all of them are still the same."""
        for source in self._sources:
            source.check()


def _from(source: Source, left_out: int) -> Callable[[int], Reader]:
    return lambda offset: source.open(left_out + offset)


def _ends_a_line(source: Source, size: int) -> bool:
    reader = source.open(size - 1)
    try:
        return reader.read(1) == b"\n"
    finally:
        reader.close()


class _JoinedReader:
    def __init__(self, parts: list[Callable[[], Reader]]) -> None:
        self._parts = parts
        self._reader: Reader | None = None

    def read(self, size: int = -1, /) -> bytes:
        while True:
            if self._reader is None:
                if not self._parts:
                    return b""
                self._reader = self._parts.pop(0)()
            if block := self._reader.read(BLOCK_BYTES if size < 0 else size):
                return block
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        if self._reader:
            self._reader.close()


def header_bytes(source: Source, rows: int, quote: str = '"', delimiter: str = ",") -> int:
    """Return how long the first rows of a CSV source are; a line end inside quotes does not end a row.

    A quote opens only where a field begins: elsewhere, as in ``12" pipes``, it is a character like others.

    :param quote: One character; empty if there is none.
    :param delimiter: One character, or ``tab``.
    :raises ConfigurationError: a quote that opens there is never closed.
    """
    mark = quote.encode("latin-1", "ignore")[:1]  # one byte, none if empty
    ends = ("\t" if delimiter in _TABS else delimiter or ",").encode("latin-1", "ignore")[:1] + b"\n"
    length, quoted, may_open = 0, False, True
    with closing(source.open()) as reader:
        while rows and (block := reader.read(64 * 1024)):
            for byte in block:
                length += 1
                if byte in mark and (quoted or may_open):
                    quoted = not quoted
                    may_open = not quoted  # a doubled quote opens again
                else:
                    may_open = byte in ends or (length <= len(codecs.BOM_UTF8) and byte in codecs.BOM_UTF8)
                rows -= byte == _LINE_END and not quoted
                if not rows:
                    break
    if quoted:
        raise ConfigurationError(f"{source.name} has a quote in its header rows that is never closed")
    return length


class SectionSource:
    """Some bytes, and after them a section of another source.

    :param head: Goes first.
    :param begin: The offset at which the section begins.
    :param end: The offset at which it has ended.
    """

    def __init__(self, inner: Source, name: str, head: bytes, begin: int, end: int) -> None:
        self._inner = inner
        self._head = head
        self._begin = begin
        self._end = end
        self.name = name
        self.size = len(head) + end - begin
        self.fingerprint = f"{inner.fingerprint}:{len(head)}+{begin}-{end}"

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on."""
        begin = self._begin + max(0, offset - len(self._head))
        return _SectionReader(self._head[offset:], self._inner.open(begin), self._end - begin, self.name)

    def check(self) -> None:
        """See that the whole source is still the same."""
        self._inner.check()


class _SectionReader:
    def __init__(self, head: bytes, reader: Reader, left: int, name: str) -> None:
        self._head = head
        self._reader = reader
        self._left = left
        self._name = name

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            cut = len(self._head) if size < 0 else size
            block, self._head = self._head[:cut], self._head[cut:]
            return block
        block = self._reader.read(self._left if size < 0 else min(size, self._left)) if self._left else b""
        if self._left and not block and size:
            raise SourceChanged(f"{self._name} became shorter while it was sent")
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._reader.close()
