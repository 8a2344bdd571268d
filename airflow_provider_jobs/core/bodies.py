"""Request bodies that are read from a source while they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.core.streams import BLOCK_BYTES
from airflow_provider_jobs.errors import SourceChanged

if TYPE_CHECKING:
    from airflow_provider_jobs.core.streams import Media, Reader


class WholeBody:
    """All bytes of a source as the body of one request; checked before the last of them leaves."""

    def __init__(self, reader: Reader, media: Media) -> None:
        self._reader = reader
        self._media = media
        self._length = self._left = media.source.size or 0

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if not self._left:
            return b""
        block = self._reader.read(min(self._left, BLOCK_BYTES if size < 0 else size))
        if not block:
            raise SourceChanged(f"{self._media.source.name} became shorter while it was sent")
        self._left -= len(block)
        if not self._left:
            self._media.source.check()
        if self._media.on_progress:
            self._media.on_progress(self._length - self._left, self._length)
        return block
