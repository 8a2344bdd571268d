"""A source whose bytes are compressed by gzip, read as the text that they are."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, Reader, drop
from airflow_provider_jobs.errors import ConfigurationError, JobsError

if TYPE_CHECKING:
    from airflow_provider_jobs.core.sources.source import Source

_BEGINNING = b"\x1f\x8b"


class GunzipSource:
    """Another source, decompressed while it is read; its members, if it has several, one after another.

    Its size is not known: only reading it through tells.
    """

    size = None

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.name = inner.name
        self.fingerprint = f"{inner.fingerprint}:gunzip"

    def open(self, offset: int = 0) -> Reader:
        """Return the text from an offset on: what lies before is decompressed too, and dropped."""
        reader = _GunzipReader(self._inner)
        drop(reader, offset)
        return reader

    def check(self) -> None:
        """See that the inner source is still the same."""
        self._inner.check()


class _Raw(io.RawIOBase):
    """A reader for who needs as many bytes as it asks for, buffered: a store may return fewer."""

    def __init__(self, inner: Reader) -> None:
        super().__init__()
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self._inner.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


class _GunzipReader:
    """Reads text; where reading fails, the next try begins at byte 0: what was in buffers is lost."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0
        self._failed = False
        self._open()

    def read(self, size: int = -1, /) -> bytes:
        try:
            if self._failed:
                self._go_on()
            block = self._text.read(BLOCK_BYTES if size < 0 else size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ConfigurationError(
                f"{self._source.name} is compressed by gzip, and cannot be decompressed: {error}"
            ) from None
        except (JobsError, OSError):
            self._failed = True
            raise
        self._at += len(block)
        return block

    def _open(self) -> None:
        self._inner = self._source.open()
        self._text = gzip.GzipFile(fileobj=io.BufferedReader(_Raw(self._inner), BLOCK_BYTES), mode="rb")

    def _go_on(self) -> None:
        self.close()
        self._open()
        drop(self._text, self._at)
        self._failed = False

    def close(self) -> None:
        self._text.close()
        self._inner.close()


def is_gzip(source: Source) -> bool:
    """Return True if a source begins as gzip does, whatever its name."""
    with closing(source.open()) as reader:
        return reader.read(1) + reader.read(1) == _BEGINNING


def text_of(source: Source) -> Source:
    """Return a source as it is, or decompressed if it is compressed by gzip."""
    return GunzipSource(source) if is_gzip(source) else source


def text_size(source: Source) -> int | None:
    """Return how many bytes a source has; what is compressed is read through to tell."""
    if not isinstance(source, GunzipSource):
        return source.size
    with closing(source.open()) as reader:
        return sum(map(len, iter(lambda: reader.read(BLOCK_BYTES), b"")))
