"""A source made of slices of other sources: several text files as one, or a part of one with its header."""

from __future__ import annotations

import codecs
import io
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.sources.csv_records import CsvForm, ends_inside_quotes, header_end, names_in
from airflow_provider_jobs.core.sources.gunzip import text_of, text_size
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, OpenedSource
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.core.sources.source import Reader, Source

#: How files begin that cannot be joined as they are, and what they are.
_OTHER_TEXTS = {
    b"\x1f\x8b": "compressed twice",
    b"\xff\xfe": "in UTF-16 or UTF-32",
    b"\xfe\xff": "in UTF-16",
    b"\x00\x00\xfe\xff": "in UTF-32",
}
#: Of which the line ends of a file are told.
_LOOKED_AT_BYTES = 64 * 1024


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


def joined(sources: Mapping[str, Source], form: CsvForm, encoding: str = "") -> JoinedSource:
    """Return text files as one; a line end is added where one lacks its last.

    Headers are left out but that of the first source that has more, byte order marks but one at the very
    beginning. Where line ends inside quotes are part of a value, all files but the last are read through.

    What is compressed by gzip is joined as text.

    :param sources: Each under the words that name it to a reader.
    :param form: Of CSV; that of JSON has no header rows and no quote.
    :param encoding: As BigQuery is told.
    :raises ConfigurationError: together they would not be what they are alone, or nobody can be sure: one
        cannot be decompressed, or does not know its size; has carriage returns for line ends; has a header
        that does not end, or names other columns; ends inside quotes.
    """
    texts = {place: _text(place, source, encoding) for place, source in sources.items()}
    rests = {
        place: replace(text, begin=header_end(text.source, form, begin=text.begin, place=place))
        for place, text in texts.items()
    }
    full = [place for place, rest in rests.items() if rest.size]
    if form.by_name and form.rows:
        _check_names({place: _header(texts[place], rests[place]) for place in full}, form)
    if form.quoted_line_ends and form.quote:
        for place, following in pairwise(full):
            _check_quotes(place, following, texts[place], form)
    first = next(iter(full or texts))
    if texts[first].size:
        rests[first] = replace(rests[first], begin=0)
    slices = []
    for rest in rests.values():
        slices.append(rest)
        if rest.size and _peek(rest.source, rest.end - 1, 1) != b"\n":
            slices.append(_constant(b"\n"))
    # A session of an earlier version, which sent these marks, is not gone on with.
    seen = [
        rest.source.fingerprint + (":unmarked" if rest.begin and not form.rows else "")
        for rest in rests.values()
    ]
    return JoinedSource(next(iter(sources.values())).name, "|".join(seen), slices)


def _text(place: str, source: Source, encoding: str) -> Slice:
    """Return all of a source but its byte order mark; what is compressed by gzip as text."""
    source = text_of(source)
    beginning = _peek(source, 0, _LOOKED_AT_BYTES)
    for mark, kind in _OTHER_TEXTS.items():
        if beginning.startswith(mark):
            raise ConfigurationError(
                f"{place} is {kind}, and only text in UTF-8 or ISO-8859-1 can be combined"
            )
    size = text_size(source)
    if size is None:
        raise ConfigurationError(f"{place} does not know its size, which joining needs")
    marked = beginning.startswith(codecs.BOM_UTF8)
    if marked and encoding.upper() not in {"", "UTF-8"}:
        raise ConfigurationError(
            f"{place} begins with the byte order mark of UTF-8, and its encoding is said to be {encoding}"
        )
    if b"\r" in beginning and b"\n" not in beginning:
        raise ConfigurationError(
            f"{place} has lines that end with a carriage return alone: where its records begin is not sure "
            "among other files; convert its line ends, or upload the files without combine"
        )
    return Slice(source, len(codecs.BOM_UTF8) if marked else 0, size)


def _header(text: Slice, rest: Slice) -> bytes:
    return _peek(text.source, text.begin, rest.begin - text.begin)


def _check_names(headers: Mapping[str, bytes], form: CsvForm) -> None:
    """See that all files name the same columns in the same order: only one header is sent."""
    named = {place: names_in(header, form) for place, header in headers.items()}
    for (one, names), (other, others) in pairwise(named.items()):
        if names != others:
            raise ConfigurationError(
                f"{one} and {other} have different header rows: {_shown(names)} and {_shown(others)}; "
                "columns are found by their names, and only one header is sent: upload them without combine"
            )


def _check_quotes(place: str, following: str, text: Slice, form: CsvForm) -> None:
    """See that no value goes on in the next file."""
    if ends_inside_quotes(text.source, form, begin=text.begin):
        raise ConfigurationError(
            f"{place} has a quote that is never closed: what {following} begins with would be taken for a "
            "part of its last value"
        )


def _shown(names: Sequence[str]) -> str:
    return shown(",".join(names), 100)


def _peek(source: Source, at: int, count: int) -> bytes:
    """Return some bytes of a source; fewer if it ends before."""
    text = b""
    with closing(source.open(at)) as reader:
        while len(text) < count and (block := reader.read(count - len(text))):
            text += block
    return text


def _constant(content: bytes) -> Slice:
    """Return bytes as a slice, of a source that never changes."""
    return Slice(OpenedSource("", len(content), "", lambda: io.BytesIO(content), str), 0, len(content))
