"""CSV read record by record, with the place of each: slow, but it can tell what is wrong where."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_jobs.sandbox.uploads.long_lines import is_gzip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions

Cell = tuple[str, bool]  # the text, and whether it was quoted


@dataclass(frozen=True)
class Record:
    """One record of a file; ``problem`` says why it has no cells."""

    line: int  # from 1
    offset: int  # bytes before it
    cells: list[Cell]
    problem: str = ""


def opened(path: Path) -> BinaryIO:
    """Open a file, decompressed."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")  # type: ignore[return-value] # it is one


# So much of a file is read at once, and so long is a record that is looked at.
_PIECE_BYTES = 1 << 20
_RECORD_BYTES = 16 << 20


def is_regular(path: Path, width: int, options: LoadOptions) -> bool:
    """Whether every reader of CSV has to see the same records of so many cells in a file.

    DuckDB drops an empty cell at the end of a row and blanks before a quote, takes an empty line for a row of
    one column, and leaves out lines after those to skip that it cannot read.
    """
    delimiter, quote = (
        each.encode(options.encoding, "ignore") for each in (options.delimiter, options.quote)
    )
    if len(delimiter) != 1 or len(quote) > 1:
        return False
    mark, end, width = re.escape(quote), re.escape(delimiter), width - 1
    cell = b"[^%b%b\r\n]*+" % (mark, end)
    if quote:
        inner = b"[^%b%b]*+" % (mark, b"" if options.quoted_newlines else b"\r\n")
        cell = b"(?:%b%b(?:%b%b%b)*+%b|%b)" % (mark, inner, mark, mark, inner, mark, cell)
    fewest = 0 if options.jagged_rows else width
    record = b"(?=[^\r\n])%b(?:%b%b){%d,%d}" % (cell, end, cell, fewest, width)
    some, last = re.compile(b"(?:%b\r?\n)*+" % record), re.compile(record)
    rest = b""
    with opened(path) as file:
        while len(rest) <= _RECORD_BYTES and (piece := file.read(_PIECE_BYTES)):
            rest += piece
            found = some.match(rest)
            rest = rest[found.end() :] if found else rest
    # Empty lines at the end of a file are rows of one column only.
    return not (rest.strip(b"\r\n") if width else rest) or last.fullmatch(rest) is not None


def records(path: Path, options: LoadOptions) -> Iterator[Record]:
    """Read a file; the rows to skip are left out, empty lines too."""
    splitter = _Splitter(options.delimiter, options.quote)
    started: tuple[int, int, str] | None = None  # line, offset and text of a record whose quote is still open
    skipped = 0
    for number, offset, raw in _lines(path, options.encoding):
        line, place, text = (started[0], started[1], started[2] + raw) if started else (number, offset, raw)
        started = None
        stripped = text.rstrip("\r\n")
        cells, problem = splitter.split(stripped)
        if problem == _UNCLOSED and options.quoted_newlines:
            started = (line, place, text)
            continue
        if skipped < options.rows_to_skip:
            skipped += 1
            continue
        if not stripped:
            continue
        if "\0" in stripped and not options.control_characters:
            problem = "Bad character (ASCII 0) encountered."
        yield Record(line, place, cells, problem)
    if started and skipped >= options.rows_to_skip:
        yield Record(started[0], started[1], [], _UNCLOSED)


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, int, str]]:
    """Give number, byte offset and text of each line; what is not text becomes U+FFFD."""
    # Where a line feed is one byte, lines are cut before they are decoded, so that offsets are right.
    cut = "latin-1" if len("\n".encode(encoding)) == 1 else encoding
    offset = 0
    with opened(path) as file, TextIOWrapper(file, cut, "replace", newline="") as lines:
        for number, line in enumerate(lines, 1):
            raw = line.encode(cut, "replace")
            text = raw.decode(encoding, "replace")
            yield number, offset, text.removeprefix("\ufeff") if number == 1 else text
            offset += len(raw)


_UNCLOSED = 'Missing close quote character (").'


class _Splitter:
    """Splits one record into its cells."""

    def __init__(self, delimiter: str, quote: str) -> None:
        self._delimiter = delimiter
        self._quote = quote
        mark = re.escape(quote)
        self._quoted = re.compile(f"{mark}((?:[^{mark}]|{mark}{mark})*){mark}", re.DOTALL) if quote else None

    def split(self, text: str) -> tuple[list[Cell], str]:
        """Give the cells, or no cells and what is wrong."""
        if not self._quote or self._quote not in text:
            return [(cell, False) for cell in text.split(self._delimiter)], ""
        cells: list[Cell] = []
        at = 0
        while True:
            if self._quoted is not None and text.startswith(self._quote, at):
                found = self._quoted.match(text, at)
                if found is None:
                    return [], _UNCLOSED
                cells.append((found[1].replace(self._quote * 2, self._quote), True))
                at = found.end()
                if at < len(text) and text[at] != self._delimiter:
                    return [], f"Data between close quote character ({self._quote}) and field separator."
            else:
                end = text.find(self._delimiter, at)
                cells.append((text[at:] if end < 0 else text[at:end], False))
                at = len(text) if end < 0 else end
            if at >= len(text):
                return cells, ""
            at += 1
