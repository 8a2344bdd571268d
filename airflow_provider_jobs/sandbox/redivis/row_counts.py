"""How many rows a file has, which takes reading it: what is broken fails.

See https://docs.redivis.com/reference/your-data/tables/uploading-data.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from fastavro import block_reader

from airflow_provider_jobs.sandbox.uploads.long_lines import MOST_LINE_BYTES, has_long_line, is_gzip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DELIMITERS = ",\t;|"
SAMPLE_BYTES = 64 * 1024
MEMORY: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "512MB", "threads": 2}
# The csv module has one limit for a whole process; the careful reader lifts it for a moment.
_careful = threading.Lock()


class Unreadable(Exception):
    """The file is not what its type says; the message becomes the upload's."""


@dataclass
class Count:
    """What was found."""

    rows: int
    bad: int = 0
    first_bad: int | None = None  # from 1, a header not counted

    def add(self, *, good: bool) -> None:
        """Count a record."""
        self.rows += good
        self.bad += not good
        if not good and self.first_bad is None:
            self.first_bad = self.rows + self.bad


def count_rows(path: Path, options: dict[str, Any], cancelled: threading.Event) -> Count:
    """Read a file.

    :param options: the create fields of its upload, the type among them.
    :raises Unreadable: it has rows that cannot be read, and they are not to be skipped.
    """
    kind = options["type"]
    reader = READERS.get(kind)
    if reader is None:
        raise Unreadable(f"The sandbox cannot read files of type {kind}.")
    if path.stat().st_size == 0:
        return Count(0)
    if kind in LINE_TYPES and has_long_line(path, cancelled):
        raise Unreadable(f"A row is longer than {MOST_LINE_BYTES} bytes.")
    found = reader(path, options)
    if found.bad and not options.get("skipBadRecords"):
        records = f"{found.bad} of {found.bad + found.rows} records could not be parsed"
        raise Unreadable(f"{records}; the first is record {found.first_bad}.")
    return found


def _delimited(path: Path, options: dict[str, Any]) -> Count:
    with _text(path) as file:
        sample = file.readline(SAMPLE_BYTES)
    form = _Form.of(sample, options)
    header = 1 if options.get("hasHeaderRow", True) else 0
    if options.get("hasQuotedNewlines") is not False:
        width = len(next(form.reader(iter([sample])), []))
        try:
            return Count(max(0, _fast_count(path, form, width) - header))
        except (duckdb.Error, csv.Error):
            pass  # something is wrong, or DuckDB is stricter than needed: look at every record
    return _careful_count(path, form, header, options)


@dataclass(frozen=True)
class _Form:
    delimiter: str
    quote: str
    escape: str
    jagged: bool

    @classmethod
    def of(cls, sample: str, options: dict[str, Any]) -> _Form:
        quote = options.get("quoteCharacter") or '"'
        delimiter = options.get("delimiter") or max(DELIMITERS, key=sample.count)
        jagged = bool(options.get("allowJaggedRows"))
        return cls(delimiter, quote, options.get("escapeCharacter") or quote, jagged)

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Give the records."""
        doubled = self.escape == self.quote
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            doublequote=doubled,
            escapechar=None if doubled else self.escape,
            strict=True,
        )


def _fast_count(path: Path, form: _Form, width: int) -> int:
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(max(1, width)))
    with duckdb.connect(config=MEMORY) as database:
        (found,) = database.execute(
            f"SELECT count(*) FROM read_csv($path, columns = {{{columns}}}, auto_detect = false, "  # noqa: S608 - our names
            "header = false, delim = $delimiter, quote = $quote, escape = $escape, strict_mode = true, "
            "null_padding = $jagged, max_line_size = $most, compression = $compression)",
            {
                "path": str(path),
                "delimiter": form.delimiter,
                "quote": form.quote,
                "escape": form.escape,
                "jagged": form.jagged,
                "most": MOST_LINE_BYTES,
                "compression": "gzip" if is_gzip(path) else "none",
            },
        ).fetchall()
    return int(found[0])


def _careful_count(path: Path, form: _Form, header: int, options: dict[str, Any]) -> Count:
    count = Count(0)
    newlines = options.get("hasQuotedNewlines") is not False
    with _careful, _text(path) as file:
        usual = csv.field_size_limit(MOST_LINE_BYTES)
        try:
            width: int | None = None
            for cells in _records(form.reader(iter(file))):
                if cells == []:  # an empty line
                    continue
                width = width or len(cells or [])
                if header:
                    header = 0
                else:
                    count.add(good=_is_good(cells, width, jagged=form.jagged, newlines=newlines))
        finally:
            csv.field_size_limit(usual)
    return count


def _is_good(cells: list[str] | None, width: int, *, jagged: bool, newlines: bool) -> bool:
    if cells is None or not (newlines or not any("\n" in cell for cell in cells)):
        return False
    return len(cells) == width or (jagged and len(cells) < width)


def _records(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """Give every record; None for one that cannot be read."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None


def _lines_of_json(path: Path, _options: dict[str, Any]) -> Count:
    count = Count(0)
    with _text(path) as file:
        for line in file:
            if line.strip():
                try:
                    good = isinstance(json.loads(line), dict)
                except ValueError:
                    good = False
                count.add(good=good)
    return count


def _json(path: Path, options: dict[str, Any]) -> Count:
    if path.stat().st_size > MOST_LINE_BYTES:
        raise Unreadable("The sandbox reads JSON of at most 100 MB; use ndjson.")
    try:
        with _text(path) as file:
            document = json.load(file)
    except ValueError as error:
        raise Unreadable(f"The file is not valid JSON: {error}.") from error
    rows = (
        document.get("features") if options["type"] == "geojson" and isinstance(document, dict) else document
    )
    if not isinstance(rows, list):
        raise Unreadable("The file must hold a list of records.")
    count = Count(0)
    for row in rows:
        count.add(good=isinstance(row, dict))
    return count


def _parquet(path: Path, _options: dict[str, Any]) -> Count:
    try:
        with duckdb.connect(config=MEMORY) as database:
            (found,) = database.execute(
                "SELECT sum(num_rows) FROM parquet_file_metadata($path)", {"path": str(path)}
            ).fetchall()
    except duckdb.Error as error:
        raise Unreadable("The file is not in Parquet format.") from error
    return Count(int(found[0]))


def _avro(path: Path, _options: dict[str, Any]) -> Count:
    try:
        with path.open("rb") as file:
            return Count(sum(block.num_records for block in block_reader(file)))
    except (ValueError, TypeError, KeyError, EOFError, IndexError) as error:
        raise Unreadable("The file is not in Avro format.") from error


def _text(path: Path) -> io.TextIOWrapper:
    """Open a file as text, decompressed."""
    file = gzip.open(path, "rb") if is_gzip(path) else path.open("rb")  # noqa: SIM115 - the wrapper closes it
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")


LINE_TYPES = frozenset({"delimited", "ndjson", "geojsonl", "stream"})
READERS: dict[str, Callable[[Path, dict[str, Any]], Count]] = {
    "delimited": _delimited,
    "ndjson": _lines_of_json,
    "geojsonl": _lines_of_json,
    "stream": _lines_of_json,
    "json": _json,
    "geojson": _json,
    "parquet": _parquet,
    "avro": _avro,
}
