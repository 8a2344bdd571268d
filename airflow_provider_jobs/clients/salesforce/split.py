"""Records to ingest, cut into parts that Salesforce takes: at record boundaries, each with the header.

Source: https://developer.salesforce.com/docs/platform/api-asynch/guide/datafiles-prepare-csv.html
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import logging
import re
import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import DELIMITERS, MOST_DATA_BYTES, MOST_HEADER_BYTES
from airflow_provider_jobs.core.drafts import Drafts
from airflow_provider_jobs.core.sources.csv_records import (
    MOST_FIELD_CHARACTERS,
    RecordCounter,
    last_record_end,
    record_end,
    values_of,
)
from airflow_provider_jobs.core.sources.gunzip import text_of
from airflow_provider_jobs.core.sources.slices import section
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, FileSource, Source
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

#: Columns of results that no object has: what Salesforce made of a record, beside the record itself.
_ADDED = frozenset({"sf__Id", "sf__Error", "sf__Created"})
#: An empty line, which is not a record.
_EMPTY_LINE = re.compile(rb"(?<=\n)\r?\n")
#: How files begin that are not CSV, and what they are.
_OTHER_FILES = {
    b"\x1f\x8b": "compressed by gzip",
    b"PK\x03\x04": "a zip file or a spreadsheet",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"{": "JSON",
    b"[": "JSON",
    b"<": "XML or HTML",
}


#: What ends a line, outside of quotes.
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LINE_ENDS = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}
_TAKEN = (
    "Every line, line ends inside of quotes left out, has to end with the same LF or CRLF: write it so; "
    "nothing is converted"
)


@dataclass(frozen=True, slots=True)
class IngestPart:
    """What one ingest job takes.

    :param source: Header and records; can be opened again and again.
    :param record_count: Without the header.
    :param line_ending: ``LF`` or ``CRLF``, as the data has it.
    :param delimiter: Between fields, as Salesforce names it; None is its default.
    """

    source: Source
    record_count: int
    line_ending: str
    delimiter: str | None = None


@contextmanager
def split_csv(
    source: Source,
    *,
    most_bytes: int = MOST_DATA_BYTES,
    line_ending: str | None = None,
    delimiter: str | None = None,
) -> Iterator[list[IngestPart]]:
    """Lend the parts of a CSV source, of which all is read through once before; none if it has no record.

    A source that is compressed by gzip, or cannot be read from any offset, is copied to a temporary file; so
    is one that has columns which Salesforce has added, without these: what was rejected can be sent again.

    :param most_bytes: Of a part, its header included.
    :param line_ending: ``LF`` or ``CRLF``; default is what ends the header.
    :param delimiter: As Salesforce names it; default is what is between the names in the header.
    :raises ConfigurationError: it is not CSV text, or has a record that is larger than a part.
    """
    if line_ending not in {None, "LF", "CRLF"}:
        raise ConfigurationError(f"line_ending is {line_ending!r}: it is one of LF, CRLF")
    if delimiter not in {None, *DELIMITERS}:
        raise ConfigurationError(
            f"column_delimiter is {shown(delimiter, 40)!r}: it is one of {', '.join(DELIMITERS)}"
        )
    drafts = Drafts(tempfile.gettempdir())
    try:
        text = text_of(source)
        has_offsets = text.size is not None and getattr(text, "seekable", True) is True
        where = text if has_offsets else _copied(text, drafts)
        header, begin = _header(where, source.name)
        found = "CRLF" if header.endswith(b"\r\n") else "LF"
        if line_ending not in {None, found} and header.endswith(b"\n"):
            raise ConfigurationError(
                f"{source.name} has lines that end with {found}, and line_ending is {line_ending}"
            )
        delimiter = delimiter or _delimiter(header, source.name)
        if added := _added(header, delimiter):
            _Cutter(where, source.name, header, found, most_bytes).parts(begin)  # sees that it is CSV text
            log.info("%s: columns %s are Salesforce's own, and left out", source.name, ", ".join(added))
            where = _without(where, drafts, delimiter, found)
            header, begin = _header(where, source.name)
        cutter = _Cutter(where, source.name, header, found, most_bytes)
        parts = [] if _is_blank(where, begin) else cutter.parts(begin)
        source.check()
        yield [replace(part, delimiter=delimiter) for part in parts]
    finally:
        drafts.clear()


def _delimiter(header: bytes, name: str) -> str | None:
    """Return what is between the names in a header; None if that is a comma, or there is one name alone.

    :raises ConfigurationError: it may be one or another: no name of a field holds any of them.
    """
    text = _unquoted(header, quoted=False).decode("utf-8", "replace")
    found = [each for each, mark in DELIMITERS.items() if mark in text]
    if len(found) > 1:
        raise ConfigurationError(
            f"{name} has a header with {' and '.join(found)} between its names: set column_delimiter"
        )
    if not found or found == ["COMMA"]:
        return None
    log.info("%s has %s between its fields", name, found[0])
    return found[0]


def _added(header: bytes, delimiter: str | None) -> list[str]:
    """Return the columns of a header that Salesforce adds to results."""
    return [name for name in values_of(header, DELIMITERS[delimiter or "COMMA"]) if name in _ADDED]


def _without(source: Source, drafts: Drafts, delimiter: str | None, line_ending: str) -> Source:
    """Return a source without the columns that Salesforce adds; each value is what it was."""
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    how: dict[str, Any] = {"delimiter": DELIMITERS[delimiter or "COMMA"]}
    coding: dict[str, Any] = {"errors": "surrogateescape", "newline": ""}
    end = "\r\n" if line_ending == "CRLF" else "\n"
    with closing(source.open()) as reader, drafts.begin("kept.csv") as file:
        blocks = iter(lambda: reader.read(BLOCK_BYTES), b"")
        rows = csv.reader(_lines(blocks), **how)
        header = next(rows)
        dropped = {at for at, name in enumerate(header) if name in _ADDED}
        with io.TextIOWrapper(file, encoding="utf-8", **coding) as text:
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end, **how)
            for row in itertools.chain([header], rows):
                if row:
                    writer.writerow([value for at, value in enumerate(row) if at not in dropped])
    return FileSource(drafts.draft("kept.csv"))


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, as the csv module takes them, without a byte order mark."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    rest = ""
    for block in blocks:
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        yield from (line + "\n" for line in lines)
    yield rest + decoder.decode(b"", final=True)


def _copied(source: Source, drafts: Drafts) -> Source:
    with closing(source.open()) as reader, drafts.begin("data.csv") as file:
        shutil.copyfileobj(reader, file, BLOCK_BYTES)
    return FileSource(drafts.draft("data.csv"))


def _header(source: Source, name: str) -> tuple[bytes, int]:
    """Return the header, and where the records begin."""
    text = b""
    with closing(source.open()) as reader:
        while len(text) <= MOST_HEADER_BYTES and record_end(text) < 0 and (block := reader.read(64 * 1024)):
            text += block
    skipped = len(codecs.BOM_UTF8) if text.startswith(codecs.BOM_UTF8) else 0
    text = text[skipped:]
    if not text.strip():
        raise ConfigurationError(f"{name} is empty: there is nothing to ingest")
    for beginning, kind in _OTHER_FILES.items():
        if text.startswith(beginning):
            raise ConfigurationError(f"{name} is {kind}: an ingest job takes CSV in UTF-8")
    end = record_end(text)
    if _lone(b"\r", text[:end] if end >= 0 else text):
        raise ConfigurationError(
            f"{name} has lines as Salesforce takes none: its header ends with CR. {_TAKEN}"
        )
    if end < 0 and len(text) > MOST_HEADER_BYTES:
        raise ConfigurationError(f"{name} is not CSV: {MOST_HEADER_BYTES} bytes have no end of a line")
    header = text[:end] if end >= 0 else text
    if not header.strip() or b"\0" in header:
        raise ConfigurationError(f"{name} is not CSV: its first line holds no names of fields")
    try:
        header.decode()
    except UnicodeDecodeError as error:
        at = skipped + error.start
        raise ConfigurationError(f"{name} is not in UTF-8: see the bytes about {at}") from None
    return header, skipped + len(header)


def _is_blank(source: Source, begin: int) -> bool:
    with closing(source.open(begin)) as reader:
        return not any(block.strip() for block in iter(lambda: reader.read(BLOCK_BYTES), b""))


def header_of(source: Source, delimiter: str | None = None) -> tuple[str, str]:
    """Return the line of a CSV source that names its fields, and the character between them.

    The line is without its end, and without the columns that Salesforce adds.

    :param delimiter: As Salesforce names it; default is what is between the names.
    """
    header, _ = _header(text_of(source), source.name)
    delimiter = delimiter or _delimiter(header, source.name)
    mark = DELIMITERS[delimiter or "COMMA"]
    if not _added(header, delimiter):
        return header.decode().rstrip("\r\n"), mark
    kept = (name for name in values_of(header, mark) if name not in _ADDED)
    return mark.join('"' + name.replace('"', '""') + '"' for name in kept), mark


def _lone(mark: bytes, text: bytes) -> bool:
    """Return True if a text has this line end outside of quotes; the text begins there."""
    return mark in text and mark in _LINE_END.findall(_unquoted(text, quoted=False))


def _unquoted(text: bytes, *, quoted: bool) -> bytes:
    """Return a text with a quote in place of all that is inside quotes.

    :param quoted: It begins there.
    """
    return b'"'.join(((b'"' if quoted else b"") + text).replace(b'""', b"").split(b'"')[::2])


class _LineEnds:
    """Sees that all records end as the header does, in a text that comes in pieces."""

    def __init__(self, name: str, line_ending: str) -> None:
        self._name = name
        self._wanted = line_ending
        self._mark = next(mark for mark, found in _LINE_ENDS.items() if found == line_ending)
        self._held = b""

    def check(self, piece: bytes, records: int, *, quoted: bool) -> None:
        """Look at the next piece; a CR at its end waits for the one after it. An empty one is the last.

        :param records: How many have ended before.
        :param quoted: It begins inside quotes.
        :raises ConfigurationError: a record ends with something else.
        """
        counts = [piece.count(mark) for mark in _LINE_ENDS]
        usual = [counts[0], 0, 0] if self._wanted == "LF" else [counts[0]] * 3
        if counts == usual and not self._held:
            return
        text = self._held + _unquoted(piece, quoted=quoted)
        self._held = b"\r" if piece and text.endswith(b"\r") else b""
        for found in _LINE_END.findall(text.removesuffix(self._held)):
            records += 1
            if found != self._mark:
                raise ConfigurationError(
                    f"{self._name} has mixed line ends: record {records} ends with {_LINE_ENDS[found]}, and "
                    f"the header with {self._wanted}. {_TAKEN}"
                )


class _Cutter:
    """Reads records once, and notes where parts have to end."""

    def __init__(self, source: Source, name: str, header: bytes, line_ending: str, most_bytes: int) -> None:
        self._source = source
        self._name = name
        self._header = header
        self._line_ending = line_ending
        self._room = most_bytes - len(header)
        self._ends = _LineEnds(name, line_ending)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parts: list[IngestPart] = []
        #: Where the part begins, where its last whole record ends, and how many it has up to there.
        self._begin = self._end = self._records = 0
        self._before = b"\n"

    def parts(self, begin: int) -> list[IngestPart]:
        """Return the parts of everything from an offset on."""
        if self._room <= 0:
            raise ConfigurationError(f"{self._name} has a header that is larger than a part")
        self._begin = self._end = at = begin
        counter = RecordCounter()
        with closing(self._source.open(begin)) as reader:
            while block := reader.read(BLOCK_BYTES):
                self._check_text(block, at)
                at = self._take(block, at, counter)
        self._check_text(b"", at, final=True)
        self._ends.check(b"", counter.ends, quoted=counter.quoted)
        if counter.quoted:
            raise ConfigurationError(
                f"{self._name} is not CSV: a quote opens in record {counter.ends + 1}, and none closes it"
            )
        if at > self._end:  # the last record has no line end
            self._records += 1
        self._cut(at)
        return self._parts

    def _take(self, block: bytes, at: int, counter: RecordCounter) -> int:
        """Take a block that begins at an offset; return the offset behind it."""
        while block:
            room = self._begin + self._room - at
            if not room:
                if self._end == self._begin:
                    raise ConfigurationError(
                        f"{self._name} has a record that is larger than a part: record {counter.ends + 1} "
                        f"has more than {self._room} bytes"
                    )
                self._cut(self._end)
                continue
            piece, block = block[:room], block[room:]
            before = counter.ends
            self._ends.check(piece, before, quoted=counter.quoted)
            empty = self._empty_lines(piece, quoted=counter.quoted)
            counter.take(piece)
            at += len(piece)
            if ended := counter.ends - before:
                self._end = at - len(piece) + last_record_end(piece, quoted=counter.quoted)
                self._records += ended - empty
        return at

    def _empty_lines(self, piece: bytes, *, quoted: bool) -> int:
        """Return how many empty lines outside of quotes end in a piece."""
        known, text = len(self._before), self._before + piece
        self._before = text[-2:]
        if b"\n\n" not in text and b"\n\r\n" not in text:
            return 0
        found, at = 0, known
        for match in _EMPTY_LINE.finditer(text):
            quoted ^= bool(text.count(b'"', at, match.start()) % 2)
            at = max(at, match.start())
            found += match.end() > known and not quoted
        return found

    def _cut(self, end: int) -> None:
        source = section(self._source, self._name, self._header, self._begin, end)
        self._parts.append(IngestPart(source, self._records, self._line_ending))
        self._begin, self._records = end, 0

    def _check_text(self, block: bytes, at: int, *, final: bool = False) -> None:
        try:
            self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{self._name} is not in UTF-8: see the bytes about {at + error.start}"
            ) from None
