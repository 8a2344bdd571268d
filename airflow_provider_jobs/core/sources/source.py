"""Where uploaded bytes come from: files, objects of a store, bytes. Nothing here holds more than a block."""

from __future__ import annotations

import io
import os
import stat
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from airflow_provider_jobs.errors import ConfigurationError, SourceChanged

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that are read, and handed to the connection, at a time: a third faster than requests' 16 KiB.
BLOCK_BYTES = 1024 * 1024


class Reader(Protocol):
    """A file-like object that is read to its end once."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, any number if it is negative; nothing at the end."""

    def close(self) -> None:
        """Close it."""


class Source(Protocol):
    """Bytes that can be read again from any offset, in one process or the next."""

    @property
    def name(self) -> str:
        """The name of the file, without folders."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None if only reading it through tells."""

    @property
    def fingerprint(self) -> str:
        """Equal as long as the bytes are."""

    def open(self, offset: int = 0) -> Reader:
        """Return a reader of the rest from an offset on."""

    def check(self) -> None:
        """See that the bytes are still those that were looked at first.

        :raises SourceChanged: they are not.
        """


class SessionMemory(Protocol):
    """Remembers an upload's session for the next attempt, encrypted or not at all: it lets anybody upload."""

    def recall(self, fingerprint: str, /) -> str | None:
        """Return the session that was begun for these bytes, or None."""

    def remember(self, fingerprint: str, url: str, /) -> None:
        """Keep a session."""

    def forget(self) -> None:
        """Delete the session: its upload is complete, or the service has dropped it."""


class NoMemory:
    """Remembers no session: each attempt begins anew."""

    def recall(self, *_: str) -> None:
        """Do nothing."""

    remember = forget = recall


@dataclass(frozen=True)
class Media:
    """What to upload with a job.

    :param on_progress: Called with the bytes sent and the bytes in all, or None, after each block. What it
        raises ends the upload.
    """

    source: Source
    memory: SessionMemory = field(default_factory=NoMemory)
    on_progress: Callable[[int, int | None], None] | None = None


class FileSource:
    """A file of this machine.

    :raises ConfigurationError: it is missing, unreadable, or not a file.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = self._path.name
        try:
            found = self._path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ConfigurationError(f"{path} is not a file")
            with self._path.open("rb"):
                pass
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        self.size = found.st_size
        self.fingerprint = self._seen(found)  # of the same look: between two the file may grow

    def open(self, offset: int = 0) -> BinaryIO:
        """Return the file from an offset on."""
        try:
            file = self._path.open("rb", buffering=0)
        except OSError as error:
            raise SourceChanged(f"{self._path} cannot be read any more: {error.strerror}") from None
        file.seek(offset)
        return file

    def check(self) -> None:
        """See that size and time of the file are still the same."""
        try:
            found = self._path.stat()
        except OSError:
            raise SourceChanged(f"{self._path} went away while it was sent") from None
        if self._seen(found) != self.fingerprint:
            raise SourceChanged(f"{self._path} was changed while it was sent")

    def _seen(self, found: os.stat_result) -> str:
        return f"{self.name}:{found.st_size}:{found.st_mtime_ns}"


@dataclass(frozen=True)
class OpenedSource:
    """Anything that can be opened again: an object of a store.

    :param look: Returns the fingerprint as it is now.
    :param seekable: Readers can seek; otherwise what lies before an offset is read and discarded.
    """

    name: str
    size: int | None
    fingerprint: str
    opener: Callable[[], BinaryIO]
    look: Callable[[], str]
    seekable: bool = True

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on."""
        reader = self.opener()
        if offset and self.seekable:
            reader.seek(offset)
        elif offset:
            drop(reader, offset)
        return reader

    def check(self) -> None:
        """See that the object is still the same."""
        if self.look() != self.fingerprint:
            raise SourceChanged(f"{self.name} was changed while it was sent")


class GzipSource:
    """Another source, compressed while it is read; equal input gives equal output."""

    size = None

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.name = f"{inner.name}.gz"
        # Another zlib, on another worker, may make other bytes of the same input.
        self.fingerprint = f"{inner.fingerprint}:gzip-{zlib.ZLIB_RUNTIME_VERSION}"

    def open(self, offset: int = 0) -> Reader:
        """Return the compressed bytes from an offset on: those before are made again, and discarded."""
        reader = _GzipReader(self._inner)
        drop(reader, offset)
        return reader

    def check(self) -> None:
        """See that the inner source is still the same."""
        self._inner.check()


class _GzipReader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._inner = source.open()
        self._taken = 0
        self._compressor = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: a gzip header, its time zero
        self._made = bytearray()
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        while not self._ended and (size < 0 or len(self._made) < size):
            block = self._inner.read(BLOCK_BYTES)
            self._count(block)
            self._made += self._compressor.compress(block) if block else self._compressor.flush()
            self._ended = not block
        cut = len(self._made) if size < 0 else size
        taken = bytes(self._made[:cut])
        del self._made[:cut]
        return taken

    def _count(self, block: bytes) -> None:
        """See that the end of what is compressed is not before or after the end that it had."""
        self._taken += len(block)
        size = self._source.size
        if size is not None and (self._taken > size or (not block and self._taken < size)):
            raise SourceChanged(
                f"{self._source.name} had {size} bytes, and not {self._taken}, as it was read"
            )

    def close(self) -> None:
        self._inner.close()


def drop(reader: Reader, count: int) -> None:
    """Read and discard ``count`` bytes.

    :raises SourceChanged: there are fewer; the reader is closed then.
    """
    while count:
        block = reader.read(min(count, BLOCK_BYTES))
        if not block:
            reader.close()
            raise SourceChanged("the source has become shorter")
        count -= len(block)


class OpenFileSource:
    """A file that is open already, from where it stands; it is left open. One reader at a time.

    :raises ConfigurationError: it cannot seek, or is open as text.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        try:
            self._begin = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._begin
            file.seek(self._begin)
            if not isinstance(file.read(0), bytes):
                raise ConfigurationError("the file is open as text: open it in binary mode")
        except (AttributeError, OSError, ValueError):
            raise ConfigurationError("the file object cannot seek, so nothing could be sent again") from None
        own = getattr(file, "name", None)
        self.name = os.path.basename(own) if isinstance(own, str) and own else name  # noqa: PTH119 - a name only
        self.fingerprint = f"{self.name}:{self.size}"

    def open(self, offset: int = 0) -> Reader:
        """Return a reader of the rest from an offset on."""
        self._file.seek(self._begin + offset)
        return _LeftOpen(self._file)

    def check(self) -> None:
        """See that the file is as long as it was."""
        at = self._file.tell()
        size = self._file.seek(0, os.SEEK_END) - self._begin
        self._file.seek(at)
        if size != self.size:
            raise SourceChanged(f"{self.name} was changed while it was sent")


class _LeftOpen:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""


def source_of(content: Any, kind: str | None = None) -> Source:
    """Return a path, bytes, an open file or a source as a source.

    :param kind: What it holds: the ending of the name of content without one.
    :raises ConfigurationError: it is something else, or cannot be read.
    """
    if isinstance(content, bytes | bytearray | memoryview):
        content = io.BytesIO(content)
    if isinstance(content, str | os.PathLike):
        return FileSource(os.fspath(content))
    if hasattr(content, "fingerprint"):
        source: Source = content
        return source
    if hasattr(content, "read"):
        return OpenFileSource(content, f"untitled_upload.{kind}" if kind else "untitled_upload")
    raise ConfigurationError(f"content is a {type(content).__name__}: give a path, bytes, or an open file")
