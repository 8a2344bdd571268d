"""Where the records of CSV text end, without parsing it: a line end inside quotes ends none of them."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_jobs.core.sources.source import Source

_LINE_END = ord("\n")
#: The csv module's own limit, 131,072, fails a whole text by one value.
MOST_FIELD_CHARACTERS = 2**31 - 1
_TABS = frozenset({"tab", "\\t"})
_NEITHER_QUOTE_NOR_LINE_END = bytes(byte for byte in range(256) if byte not in b'"\n')


class RecordCounter:
    """Counts the line ends outside of quotes, in a text that comes in blocks.

    All but quotes and line ends is deleted first, then pairs of quotes, which change nothing: what is left
    between every other quote is inside. Several times faster than a parser.

    :ivar ends: Records that have ended.
    :ivar quoted: The text ends inside quotes.
    """

    def __init__(self) -> None:
        self.ends = 0
        self.quoted = False
        self._tail = b"\n"

    def take(self, block: bytes) -> None:
        """Count what is in a block."""
        marks = block.translate(None, _NEITHER_QUOTE_NOR_LINE_END)
        if self.quoted:
            marks = b'"' + marks
        pieces = marks.replace(b'""', b"").split(b'"')
        self.ends += sum(map(len, pieces[::2]))
        self.quoted = len(pieces) % 2 == 0
        self._tail = block[-1:] or self._tail

    @property
    def complete(self) -> bool:
        """True if the text ends with a line end, or is empty."""
        return self._tail == b"\n" and not self.quoted

    @property
    def records(self) -> int:
        """Records so far, with the one at the end that lacks its line end."""
        return self.ends + (not self.complete)


def records_of(blocks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Yield the records of CSV text one after another, the header first, each with its line end.

    :param most_bytes: A record is cut after so many: memory stays flat, and no record hides those behind it.
    """
    record, quoted = bytearray(), False
    for block in blocks:
        at = 0
        while at < len(block):
            end = block.find(b"\n", at) + 1 or len(block)
            quoted ^= bool(block.count(b'"', at, end) % 2)
            record += block[at : min(end, at + most_bytes - len(record))]
            if block[end - 1] == _LINE_END and not quoted:
                yield bytes(record)
                record.clear()
            at = end
    if record:
        yield bytes(record)


def values_of(record: bytes, delimiter: str) -> list[str]:
    """Return the values of one record; a value may be of any length, and the last one cut."""
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    text = io.StringIO(record.decode("utf-8", "replace"), newline="")
    return next(csv.reader(text, delimiter=delimiter), [])


def record_end(text: bytes) -> int:
    """Return where the first record of a text ends, after its line end; -1 if it does not end."""
    at, quoted = 0, False
    while (found := text.find(b"\n", at)) >= 0:
        quoted ^= bool(text.count(b'"', at, found) % 2)
        if not quoted:
            return found + 1
        at = found + 1
    return -1


def last_record_end(text: bytes, *, quoted: bool = False) -> int:
    """Return where the last whole record of a text ends, after its line end; 0 if no record ends.

    :param quoted: The text *ends* inside quotes.
    """
    end = len(text)
    while (found := text.rfind(b"\n", 0, end)) >= 0:
        quoted ^= bool(text.count(b'"', found, end) % 2)
        if not quoted:
            return found + 1
        end = found
    return 0


def header_end(source: Source, rows: int, quote: str = '"', delimiter: str = ",", *, begin: int = 0) -> int:
    """Return where the first rows of a CSV source end; a line end inside quotes does not end a row.

    A quote opens only where a field begins: elsewhere, as in ``12" pipes``, it is a character like others.

    :param quote: One character; empty if there is none.
    :param delimiter: One character, or ``tab``.
    :param begin: Where they begin: after the byte order mark.
    :raises ConfigurationError: a quote that opens there is never closed.
    """
    mark = quote.encode("latin-1", "ignore")[:1]  # one byte, none if empty
    ends = ("\t" if delimiter in _TABS else delimiter or ",").encode("latin-1", "ignore")[:1] + b"\n"
    at, quoted, may_open = begin, False, True
    with closing(source.open(begin)) as reader:
        while rows and (block := reader.read(64 * 1024)):
            for byte in block:
                at += 1
                if byte in mark and (quoted or may_open):
                    quoted = not quoted
                    may_open = not quoted  # a doubled quote opens again
                else:
                    may_open = byte in ends
                rows -= byte == _LINE_END and not quoted
                if not rows:
                    break
    if quoted:
        raise ConfigurationError(f"{source.name} has a quote in its header rows that is never closed")
    return at
