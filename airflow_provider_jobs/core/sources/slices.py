"""A source made of slices of other sources: several text files as one, or a part of one with its header."""

from __future__ import annotations

import codecs
import io
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.sources.csv_records import header_end
from airflow_provider_jobs.core.sources.gunzip import text_of, text_size
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, OpenedSource
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.core.sources.source import Reader, Source


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes of a source from one offset up to another."""

    source: Source
    begin: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes they are; 0 too if a source has grown, and its header ends after what it was."""
        return max(0, self.end - self.begin)


class JoinedSource:
    """Slices one after another, as one source."""

    def __init__(self, name: str, fingerprint: str, slices: Sequence[Slice]) -> None:
        self._slices = slices
        self.name = name
        self.fingerprint = fingerprint
        self.size = sum(each.size for each in slices)

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on."""
        rest = []
        for each in self._slices:
            if offset < each.size:
                rest.append(replace(each, begin=each.begin + offset))
            offset = max(0, offset - each.size)
        return _JoinedReader(rest)

    def check(self) -> None:
        """See that all sources are still the same, those of empty slices too."""
        for each in self._slices:
            each.source.check()


class _JoinedReader:
    """Reads slices that are not empty; each is opened when it is its turn."""

    def __init__(self, slices: list[Slice]) -> None:
        self._slices = slices
        self._reader: Reader = io.BytesIO()
        self._left = 0
        self._name = ""

    def read(self, size: int = -1, /) -> bytes:
        if not self._left and self._slices:
            self._reader.close()
            following = self._slices[0]
            self._reader = following.source.open(following.begin)
            self._left, self._name = following.size, following.source.name
            del self._slices[0]
        wanted = min(self._left, BLOCK_BYTES if size < 0 else size)
        block = self._reader.read(wanted) if wanted else b""
        if wanted and not block:
            raise SourceChanged(f"{self._name} became shorter while it was sent")
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._reader.close()


def section(inner: Source, name: str, head: bytes, begin: int, end: int) -> JoinedSource:
    """Return some bytes, and after them the slice of a source, as one."""
    fingerprint = f"{inner.fingerprint}:{len(head)}+{begin}-{end}"
    return JoinedSource(name, fingerprint, [_constant(head), Slice(inner, begin, end)])


def joined(sources: Sequence[Source], rows: int = 0, quote: str = '"', delimiter: str = ",") -> JoinedSource:
    """Return text sources as one; a line end is added where one lacks its last.

    Headers are left out but that of the first source that has more, byte order marks but one at the very
    beginning.

    :param rows: Header rows of each; of CSV.
    :raises ConfigurationError: one of them cannot be decompressed, or does not know its size, or has a header
        that does not end.
    """
    texts = [_text(source) for source in sources]
    rests = [
        replace(text, begin=header_end(text.source, rows, quote, delimiter, begin=text.begin))
        for text in texts
    ]
    first = next((at for at, rest in enumerate(rests) if rest.size), 0)
    if texts[first].size:
        rests[first] = replace(rests[first], begin=0)
    slices = []
    for rest in rests:
        slices.append(rest)
        if rest.size and _peek(rest.source, rest.end - 1, 1) != b"\n":
            slices.append(_constant(b"\n"))
    # A session of an earlier version, which sent these marks, is not gone on with.
    seen = [rest.source.fingerprint + (":unmarked" if rest.begin and not rows else "") for rest in rests]
    return JoinedSource(sources[0].name, "|".join(seen), slices)


def _text(source: Source) -> Slice:
    """Return all of a source but its byte order mark; what is compressed by gzip as text."""
    source = text_of(source)
    size = text_size(source)
    if size is None:
        raise ConfigurationError(f"{source.name} does not know its size, which joining needs")
    beginning = _peek(source, 0, len(codecs.BOM_UTF8))
    return Slice(source, len(codecs.BOM_UTF8) if beginning == codecs.BOM_UTF8 else 0, size)


def _peek(source: Source, at: int, count: int) -> bytes:
    with closing(source.open(at)) as reader:
        return b"".join(reader.read(1) for _ in range(count))


def _constant(content: bytes) -> Slice:
    """Return bytes as a slice, of a source that never changes."""
    return Slice(OpenedSource("", len(content), "", lambda: io.BytesIO(content), str), 0, len(content))
