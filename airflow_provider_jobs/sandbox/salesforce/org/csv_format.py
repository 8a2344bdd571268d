"""Salesforce's CSV: every value in quotes, quotes doubled, nulls empty; and where each record begins."""

from __future__ import annotations

import itertools
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}

LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

# Records at a time: what is in memory while a file is written.
_BLOCK_RECORDS = 2000

_ENTRY_BYTES = 8  # an offset in the index


class CsvFormat:
    """How the records of one job are separated.

    :raises SalesforceRefusal: INVALIDJOB: there is no such delimiter or line ending.
    """

    def __init__(self, delimiter: str, line_ending: str) -> None:
        if delimiter not in DELIMITERS:
            raise SalesforceRefusal("INVALIDJOB", f"Unsupported columnDelimiter: {delimiter}")
        if line_ending not in LINE_ENDINGS:
            raise SalesforceRefusal("INVALIDJOB", f"Unsupported lineEnding: {line_ending}")
        self.line_ending_name = line_ending
        self.delimiter = DELIMITERS[delimiter]
        self.line_ending = LINE_ENDINGS[line_ending]

    def header(self, columns: Sequence[str]) -> bytes:
        """Give the first line."""
        quoted = ('"' + each.replace('"', '""') + '"' for each in columns)
        return (self.delimiter.join(quoted) + self.line_ending).encode()

    def record_sql(self, values: Sequence[str]) -> str:
        """Give a record as SQL.

        :param values: SQL of texts.
        """
        between = f"'\"{self.delimiter}\"'"
        cells = f", {between}, ".join(f"replace({each}, '\"', '\"\"')" for each in values)
        ending = {"\n": "chr(10)", "\r\n": "chr(13) || chr(10)"}[self.line_ending]
        return f"concat('\"', {cells}, '\"' || {ending})"

    def write(self, path: Path, columns: Sequence[str], records: duckdb.DuckDBPyConnection) -> ResultFile:
        """Write a file from a running statement that gives ``record_sql`` and nothing else."""
        return write_records(path, self.header(columns), _blocks(records))


def _blocks(records: duckdb.DuckDBPyConnection) -> Iterator[list[bytes]]:
    while True:
        block = records.fetchmany(_BLOCK_RECORDS)
        if not block:
            return
        yield [record.encode() for (record,) in block]


@dataclass(frozen=True)
class ResultFile:
    """A header and records; any run of records is one range of bytes.

    Offsets lie in a file beside it, ``<name>.index``: nothing grows in memory with the records.

    :param header_bytes: length of the header with its line ending; the first record begins there.
    """

    path: Path
    header_bytes: int
    record_count: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Find a file that was written before, by this process or another."""
        index = _index_of(path)
        with index.open("rb") as file:
            header_bytes = array("Q", file.read(_ENTRY_BYTES))[0]
        return cls(path, header_bytes, index.stat().st_size // _ENTRY_BYTES - 1)

    def header(self) -> bytes:
        """Read the header with its line ending."""
        with self.path.open("rb") as file:
            return file.read(self.header_bytes)

    def page(self, first_record: int, count: int) -> tuple[int, int]:
        """Give start and end of the bytes of ``count`` records from ``first_record`` (0 is the first) on.

        Fewer records give a shorter range; past the end it is empty.
        """
        first = min(max(first_record, 0), self.record_count)
        last = min(first + max(count, 0), self.record_count)
        with _index_of(self.path).open("rb") as file:
            return self._offset(file.fileno(), first), self._offset(file.fileno(), last)

    @staticmethod
    def _offset(descriptor: int, record: int) -> int:
        return array("Q", os.pread(descriptor, _ENTRY_BYTES, record * _ENTRY_BYTES))[0]

    def delete(self) -> None:
        """Remove the file and its index."""
        self.path.unlink(missing_ok=True)
        _index_of(self.path).unlink(missing_ok=True)


def write_records(path: Path, header: bytes, blocks: Iterable[list[bytes]]) -> ResultFile:
    """Write a header and blocks of encoded records, and the index beside them."""
    offset, count = len(header), 0
    with path.open("wb") as file, _index_of(path).open("wb") as index:
        file.write(header)
        array("Q", [offset]).tofile(index)
        for block in blocks:
            ends = array("Q", itertools.accumulate(map(len, block), initial=offset))
            file.write(b"".join(block))
            ends[1:].tofile(index)
            offset, count = ends[-1], count + len(block)
    return ResultFile(path, len(header), count)


def _index_of(path: Path) -> Path:
    return path.with_name(path.name + ".index")
