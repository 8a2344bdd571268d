"""Where the records of CSV text end, without parsing it: a line end inside quotes ends none of them."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_jobs.core.sources.source import Source

_LINE_FEED = ord("\n")
_LINE_ENDS = (b"\n", b"\r")
#: The csv module's own limit, 131,072, fails a whole text by one value.
MOST_FIELD_CHARACTERS = 2**31 - 1
_TABS = frozenset({"tab", "\\t"})
_NEITHER_QUOTE_NOR_LINE_END = bytes(byte for byte in range(256) if byte not in b'"\n')
#: Quotes become the digit 1, all else 0.
_QUOTES_AS_DIGITS = bytes(ord("1") if byte == ord('"') else ord("0") for byte in range(256))


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How CSV files are written, as whoever reads them is told.

    :param rows: Header rows of each.
    :param quote: One character; empty if there is none.
    :param delimiter: One character, or ``tab``.
    :param quoted_line_ends: A line end inside quotes is a part of a value.
    :param by_name: Columns are found by their names, in the last header row of each file.
    """

    rows: int = 0
    quote: str = '"'
    delimiter: str = ","
    quoted_line_ends: bool = True
    by_name: bool = False

    @property
    def separator(self) -> str:
        """The delimiter as it stands in the text."""
        return "\t" if self.delimiter in _TABS else self.delimiter[:1] or ","


class RecordCounter:
    """Counts the line ends outside of quotes, in a text that comes in blocks.

    All but quotes and line ends is deleted first; what is left becomes a number with a bit for each, 1 for a
    quote. Added up from the left without carrying, the bits of a number tell what is inside: behind an odd
    number of quotes. Many times faster than a parser.

    :ivar ends: Records that have ended.
    :ivar quoted: The text ends inside quotes.
    """

    def __init__(self) -> None:
        self.ends = 0
        self.quoted = False
        self._tail = b"\n"

    def take(self, block: bytes) -> None:
        """Count what is in a block."""
        self._tail = block[-1:] or self._tail
        digits = block.translate(_QUOTES_AS_DIGITS, _NEITHER_QUOTE_NOR_LINE_END)
        if not digits:
            return
        count = len(digits)
        quotes = inside = int(digits, 2)
        distance = 1
        while distance < count:
            inside ^= inside >> distance
            distance *= 2
        if self.quoted:
            inside ^= (1 << count) - 1
        self.ends += count - (quotes | inside).bit_count()
        self.quoted = bool(inside & 1)

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
            if block[end - 1] == _LINE_FEED and not quoted:
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


class QuoteFollower:
    """Follows the quotes of a CSV text that comes in blocks.

    A quote opens only where a field begins: elsewhere, as in ``12" pipes``, it is a character like others.

    :ivar quoted: The text so far ends inside quotes.
    """

    def __init__(self, form: CsvForm) -> None:
        # BigQuery takes the first byte of each, in ISO-8859-1.
        self._mark, separator = (
            text.encode("latin-1", "ignore")[:1] for text in (form.quote, form.separator)
        )
        opening = b"|(?<=[\r\n%s])%s" % (re.escape(separator), re.escape(self._mark)) if self._mark else b""
        self._outside = re.compile(b"[\r\n]" + opening)
        self._inside = re.compile(b"[\r\n%s]" % re.escape(self._mark))
        self.quoted = False
        self._before = b"\n"
        self._closed_last = False

    def line_ends(self, block: bytes) -> Iterator[tuple[int, bool]]:
        """Yield where in a block CR and LF are, and whether inside quotes; to be taken to the end."""
        at, text = len(self._before), self._before + block
        if self._closed_last and block.startswith(self._mark):  # a doubled one, in two blocks
            self.quoted, at = True, at + 1
        while found := (self._inside if self.quoted else self._outside).search(text, at):
            at = found.end()
            if found[0] in _LINE_ENDS:
                yield found.start() - len(self._before), self.quoted
                continue
            self.quoted = not self.quoted
            if not self.quoted and text.startswith(self._mark, at):  # doubled: it opens again
                self.quoted, at = True, at + 1
        if block:
            self._closed_last = at == len(text) and not self.quoted and text[-1:] == self._mark
            self._before = text[-1:]


def header_end(source: Source, form: CsvForm, *, begin: int = 0, place: str = "") -> int:
    """Return where the header rows of a CSV source end; a line end inside quotes does not end a row.

    :param begin: Where they begin: after the byte order mark.
    :param place: What names the source to a reader; default is its name.
    :raises ConfigurationError: where they end is not sure: a quote that opens there is never closed, a row
        ends with a carriage return alone, or a line inside quotes where that is not a part of a value.
    """
    name, rows = place or source.name, form.rows
    follower, at, lone = QuoteFollower(form), begin, -1
    with closing(source.open(begin)) as reader:
        while rows and (block := reader.read(64 * 1024)):
            for found, quoted in follower.line_ends(block):
                if quoted:
                    _check_quoted(name, form)
                    continue
                fed = block[found] == _LINE_FEED
                _check_lone(name, lone, at + found - 1 if fed else -1)
                lone = -1 if fed else at + found
                rows -= fed
                if not rows:
                    return at + found + 1
            at += len(block)
    _check_lone(name, lone, at - 1)
    if follower.quoted:
        raise ConfigurationError(f"{name} has a quote in its header rows that is never closed")
    return at


def _check_lone(name: str, carriage_return: int, expected: int) -> None:
    """Refuse a carriage return that stands elsewhere than before a line feed, or at the end of all."""
    if carriage_return not in {-1, expected}:
        raise ConfigurationError(
            f"{name} has header rows that end with a carriage return alone: convert its line ends"
        )


def _check_quoted(name: str, form: CsvForm) -> None:
    if not form.quoted_line_ends:
        raise ConfigurationError(
            f"{name} has a line end inside quotes in its header rows: where they end is not sure unless "
            "allowQuotedNewlines is given"
        )


def names_in(header: bytes, form: CsvForm) -> list[str]:
    """Return the values of the last row of a header."""
    text = io.StringIO(header.decode("latin-1"), newline="")  # of any encoding: to be compared only
    *_, names = csv.reader(
        text,
        delimiter=form.separator,
        quotechar=form.quote[:1] or None,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
    )
    return names


def ends_inside_quotes(source: Source, form: CsvForm, *, begin: int = 0) -> bool:
    """Return True if a CSV source ends inside quotes; all of it is read."""
    follower = QuoteFollower(form)
    with closing(source.open(begin)) as reader:
        while block := reader.read(BLOCK_BYTES):
            deque(follower.line_ends(block), maxlen=0)
    return follower.quoted
