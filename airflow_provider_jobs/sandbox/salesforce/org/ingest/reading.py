"""Reads the CSV of an ingest job as strictly as Salesforce does.

https://developer.salesforce.com/docs/platform/api-asynch/guide/datafiles-prepare-csv.html
"""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import IngestFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.csv_format import CsvFormat

_UNESCAPED = (
    "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"
)
_NOT_UTF8 = "ClientInputError : Failed to read request. Exception: the data is not valid UTF-8"
_NO_RECORDS = "InvalidBatch : Records not found"

_BLOCK_RECORDS = 5000
# The csv module's own limit would fail a file by one value; the checks of values reject the record.
_MOST_CHARACTERS = 2**31 - 1


def load(cursor: duckdb.DuckDBPyConnection, path: Path, form: CsvFormat) -> list[str]:
    """Bring a file into the temporary table ``staged`` (n, c0, c1 …; n counts from 0); give its header.

    :raises IngestFailed: it is not CSV, or not in the job's form.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            records = _records(_lines(file, form), form.delimiter)
            header = next(records, [])
            if not header:
                raise IngestFailed(_NO_RECORDS)
            _store(cursor, len(header), _checked(records, len(header)))
    except UnicodeDecodeError as error:
        raise IngestFailed(_NOT_UTF8) from error
    return header


def _lines(file: Iterator[str], form: CsvFormat) -> Iterator[str]:
    """Give the lines, once it is clear that they end as the job says."""
    for number, line in enumerate(file):
        if number == 0 and line.endswith(("\n", "\r")):
            ending = "\r\n" if line.endswith("\r\n") else line[-1]
            if ending != form.line_ending:
                message = (
                    "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is "
                )
                raise IngestFailed(message + form.line_ending_name)
        yield line


def _records(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Split lines into values; a quote has to begin or end a value, or to be doubled."""
    cell = rf'(?:"(?:[^"]|"")*"|[^"{re.escape(delimiter)}]*)'
    well_quoted = re.compile(rf"{cell}(?:{re.escape(delimiter)}{cell})*[\r\n]*", re.DOTALL)
    raw: list[str] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            raw.append(line)
            yield line

    csv.field_size_limit(_MOST_CHARACTERS)
    reader = csv.reader(remembered(), delimiter=delimiter, strict=True)
    try:
        for values in reader:
            if any('"' in value for value in values) and not well_quoted.fullmatch("".join(raw)):
                raise IngestFailed(_UNESCAPED)
            raw.clear()
            yield values
    except csv.Error as error:
        raise IngestFailed(_UNESCAPED) from error


def _checked(records: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    """Leave out blank lines; every other record needs as many values as the header."""
    for number, values in enumerate(records, start=1):
        if not values:
            continue
        if len(values) != width:
            message = f"Row {number} has {len(values)} columns, the header has {width}"
            raise IngestFailed(f"InvalidBatch : Failed to parse CSV. {message}")
        yield values


def _store(cursor: duckdb.DuckDBPyConnection, width: int, records: Iterator[list[str]]) -> None:
    columns = ", ".join(f"c{place} VARCHAR" for place in range(width))
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE staged (n BIGINT, {columns})")
    values = ", ".join("unnest(?::VARCHAR[])" for _ in range(width))
    first = 0
    while block := list(islice(records, _BLOCK_RECORDS)):
        cursor.execute(
            f"INSERT INTO staged SELECT unnest(range(?, ?)), {values}",
            [first, first + len(block), *(list(column) for column in zip(*block, strict=True))],
        )
        first += len(block)
