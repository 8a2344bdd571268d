"""Salesforce's CSV: every value in quotes, quotes doubled, nulls empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.result_file import write_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.result_file import ResultFile

DELIMITERS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}

LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

# Records at a time: what is in memory while a file is written.
_BLOCK_RECORDS = 2000


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
