"""Request bodies that are read from a source while they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.core.upload.protocol import ResumableUpload
from airflow_provider_jobs.errors import SourceChanged, TransportError

if TYPE_CHECKING:
    from airflow_provider_jobs.core.sources.source import Media, Reader


class SectionBody:
    """The bytes, from its offset on, that one request of an upload sends.

    They are counted, and the source is checked before the very last is sent.
    """

    def __init__(self, reader: Reader, length: int, media: Media, upload: ResumableUpload) -> None:
        self._reader = reader
        self._left = self._length = length
        self._media = media
        self._upload = upload
        self._begin = upload.offset

    def __len__(self) -> int:
        return self._length

    @property
    def taken(self) -> int:
        """How many of the bytes were sent."""
        return self._length - self._left

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, nothing at the end.

        :raises SourceChanged: the source has changed.
        :raises TransportError: it cannot be read, perhaps only for now.
        """
        if not self._left:
            return b""
        source, upload = self._media.source, self._upload
        try:
            block = self._reader.read(min(self._left, BLOCK_BYTES if size < 0 else size))
            sent = self._begin + self.taken + len(block)
            longer = sent == upload.total and self._reader.read(1)
        except OSError as error:  # would be taken for one of the connection
            reason = error.strerror or type(error).__name__
            raise TransportError(f"{source.name} cannot be read: {reason}") from None
        if sent == upload.total:
            source.check()
        if longer or not block:
            raise SourceChanged(f"{source.name} became {'longer' if longer else 'shorter'} while it was sent")
        self._left -= len(block)
        upload.note_sent(sent)
        if self._media.on_progress:
            self._media.on_progress(sent, upload.total)
        return block


class WholeBody(SectionBody):
    """All bytes of a source, in one request."""

    def __init__(self, reader: Reader, media: Media) -> None:
        size = media.source.size or 0
        super().__init__(reader, size, media, ResumableUpload(size))
