"""Objects of a store as sources: read in pieces, every byte counted, and read again where that failed."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_jobs.core.http.retry import RetryPolicy, Timing
from airflow_provider_jobs.core.sources.source import drop
from airflow_provider_jobs.errors import ConfigurationError, JobsError, SourceChanged, TransportError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.core.sources.source import Reader

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Bytes that are asked of a store at a time: its client holds them twice while they come, four files at once.
PIECE_BYTES = 4 * 1024 * 1024
#: For readings of one piece; the uploads ask again for longer.
PATIENCE = RetryPolicy(attempts=5, base_seconds=0.5, cap_seconds=8.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a store says of an object.

    :param version: What tells its contents from others of that name and size; empty if the store has no such
        word.
    """

    size: int
    version: str


class StoredObject(Protocol):
    """One object of a store; any method raises what the store's client does, of whatever class."""

    @property
    def name(self) -> str:
        """Its name, without folders."""

    def look(self) -> Seen:
        """Ask the store what it is now."""

    def open(self, offset: int, *, anew: bool) -> Any:
        """Return a binary file of it, which gives what the store sent from an offset on, uncut.

        :param anew: With a connection of its own, since the last one failed.
        """

    def goes_on(self, file: Any, size: int) -> bool:
        """Return True if the store has more than the first ``size`` bytes, which its file does not show."""


class StoredSource:
    """An object of a store.

    A piece that cannot be read is asked for again, over another connection. Where the store has no word for
    a version, the object is read through first, and whatever is read later is compared with that.

    :param piece_bytes: How much to ask for at a time; :data:`PIECE_BYTES` by default.
    """

    def __init__(
        self,
        stored: StoredObject,
        seen: Seen,
        timing: Timing | None = None,
        piece_bytes: int | None = None,
    ) -> None:
        self.stored = stored
        self.piece_bytes = piece_bytes or PIECE_BYTES
        self.name = stored.name
        self.size = seen.size
        self.timing = timing or Timing()
        self._seen = seen

    @cached_property
    def fingerprint(self) -> str:
        """Equal as long as the bytes are; without a word of the store's for that they are read now.

        :raises SourceChanged: it is not as long as the store said.
        """
        digests = b"".join(self.digests)
        version = self._seen.version or f"sha256={hashlib.sha256(digests).hexdigest()}"
        return f"{self.name}:{self.size}:{version}"

    @cached_property
    def digests(self) -> list[bytes]:
        """The digest of each piece, of an object whose store has no word for its version; else none."""
        if self._seen.version:
            return []
        reader, found = _StoredReader(self, []), []
        try:
            while reader.at < self.size:
                found.append(hashlib.sha256(reader.piece()).digest())
        finally:
            reader.close()
        return found

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on; nothing is asked of the store before it is read."""
        reader = _StoredReader(self, self.digests)
        reader.at = offset - offset % self.piece_bytes if self.digests else offset
        drop(reader, offset - reader.at)
        return reader

    def check(self) -> None:
        """See that the store says the same of the object.

        :raises SourceChanged: it does not.
        :raises TransportError: it does not answer.
        """
        if again(self._now, self.timing) != self._seen:
            raise SourceChanged(f"{self.name} was changed while it was sent")

    def _now(self) -> Seen:
        try:
            return self.stored.look()
        except Exception as error:  # noqa: BLE001 - each store's client has classes of its own
            raise failure(self.name, error) from None


class _StoredReader:
    """Reads from ``at`` on; the file is opened when the first byte is wanted."""

    def __init__(self, source: StoredSource, digests: list[bytes]) -> None:
        self._source = source
        self._digests = digests
        self._file: Any = None
        self._failed = False
        self._piece = memoryview(b"")
        self.at = 0

    def read(self, size: int = -1, /) -> bytes:
        if not self._piece and self.at < self._source.size:
            self._piece = memoryview(b"")  # lets go of the piece before
            self._piece = memoryview(self.piece())
        cut = len(self._piece) if size < 0 else size
        block = bytes(self._piece[:cut])
        self._piece = self._piece[cut:]
        return block

    def piece(self) -> bytes:
        """Return the bytes from here to the end of the piece, compared with what was read before."""
        number = self.at // self._source.piece_bytes
        end = min(self._source.size, (number + 1) * self._source.piece_bytes)
        content = again(partial(self._attempt, end), self._source.timing)
        if self._digests and hashlib.sha256(content).digest() != self._digests[number]:
            raise SourceChanged(f"{self._source.name} was changed while it was sent")
        self.at = end
        return content

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):  # it was only read
                file.close()

    def _attempt(self, end: int) -> bytes:
        """Read up to an offset; after a failure the next attempt opens the object anew."""
        try:
            return self._read(end)
        except JobsError:
            self._failed = True
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - each store's client has classes of its own
            self._failed = True
            self.close()
            raise failure(self._source.name, error) from None

    def _read(self, end: int) -> bytes:
        if self._file is None:
            self._file = self._source.stored.open(self.at, anew=self._failed)
        blocks, at = [], self.at
        while at < end:
            block = self._file.read(end - at)
            if not block:
                self._ended_early(at)
            blocks.append(block)
            at += len(block)
        if at > end:
            raise ConfigurationError(
                f"{self._source.name}: the store's client gives other bytes than are stored, as it does of"
                " objects with a content encoding: store it without one"
            )
        if end == self._source.size and (self._file.read(1) or self._source.stored.goes_on(self._file, end)):
            raise SourceChanged(f"{self._source.name} became longer while it was sent")
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _ended_early(self, at: int) -> None:
        if self._source.stored.look().size < self._source.size:
            raise SourceChanged(f"{self._source.name} became shorter while it was sent")
        raise TransportError(f"{self._source.name} ended after {at} bytes of {self._source.size}")


def again(step: Callable[[], T], timing: Timing) -> T:
    """Repeat a step that reads, as long as the store cannot be read, or the last failure is raised."""
    for failures in range(1, PATIENCE.attempts):
        try:
            return step()
        except TransportError as error:
            delay = PATIENCE.delay_seconds(failures, timing.random())
            log.warning("%s; asking again in %.1f s", error, delay)
        timing.sleep(delay)
    return step()


def failure(name: str, error: Exception) -> JobsError:
    """Return what an error of a store's client, of whatever class, is to us."""
    if isinstance(error, FileNotFoundError):
        return SourceChanged(f"{name} went away while it was sent")
    if isinstance(error, PermissionError):
        return ConfigurationError(
            f"{name} cannot be read: {shown(error.strerror or 'permission denied', 200)}"
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return TransportError(f"{name} cannot be read: {shown(reason, 200)}")
