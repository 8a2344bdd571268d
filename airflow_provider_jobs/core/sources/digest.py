"""Bytes that are hashed while they are sent, so that what arrives can be compared with what was sent."""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, Reader, Source
from airflow_provider_jobs.errors import SourceChanged


class Digested:
    """A source that knows its size and MD5.

    Each byte is hashed once, in a thread, mostly while its block is sent. A source of unknown size is read
    through first.
    """

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="upload-digest")
        self._last: Future[None] | None = None
        self.name = inner.name
        self.fingerprint = inner.fingerprint
        if inner.size is None:
            self._hash_up_to(sys.maxsize)
        self.size = self._hashed if inner.size is None else inner.size

    def open(self, offset: int = 0) -> Reader:
        """Return a reader of the rest from an offset on."""
        self._hash_up_to(offset)
        return _HashingReader(self, self._inner.open(offset), offset)

    def check(self) -> None:
        """See that the inner source is still the same."""
        self._inner.check()

    def md5(self) -> str:
        """Return the MD5 of all bytes, in hexadecimal digits; those that were not sent are read now.

        :raises SourceChanged: the source has changed.
        """
        self._hash_up_to(self.size)
        self._inner.check()
        if self._hashed != self.size:
            raise SourceChanged(f"{self.name} has {self._hashed} bytes, and {self.size} were expected")
        self._finish_last()
        self._thread.shutdown()  # every byte is hashed, so it has nothing left to do
        return self._md5.hexdigest()

    def take(self, block: bytes, begin: int) -> None:
        """Hash what is new of a block that was read from the offset ``begin``."""
        new = self._hashed - begin
        if 0 <= new < len(block):
            self._finish_last()  # so that no more than two blocks are held
            self._last = self._thread.submit(self._md5.update, memoryview(block)[new:])
            self._hashed = begin + len(block)

    def _finish_last(self) -> None:
        if self._last:
            self._last.result()

    def _hash_up_to(self, end: int) -> None:
        if self._hashed >= end:
            return
        with closing(self._inner.open(self._hashed)) as reader:
            while (left := end - self._hashed) and (block := reader.read(min(left, BLOCK_BYTES))):
                self.take(block, self._hashed)


class _HashingReader:
    def __init__(self, source: Digested, reader: Reader, offset: int) -> None:
        self._source = source
        self._reader = reader
        self._at = offset

    def read(self, size: int = -1, /) -> bytes:
        block = self._reader.read(size)
        if self._at + len(block) > self._source.size:
            raise SourceChanged(f"{self._source.name} became longer while it was sent")
        self._source.take(block, self._at)
        self._at += len(block)
        return block

    def close(self) -> None:
        self._reader.close()
