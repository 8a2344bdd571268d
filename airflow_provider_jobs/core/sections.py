"""A part of a source as a source of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import SourceChanged

if TYPE_CHECKING:
    from airflow_provider_jobs.core.streams import Reader, Source


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
