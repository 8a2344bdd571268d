"""What DuckDB says while a query runs, in BigQuery's words. DuckDB's own text never leaves the sandbox."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.duck import ERROR_MARK
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def duck_errors() -> Iterator[None]:
    """Let nothing that DuckDB says about a statement out in DuckDB's words."""
    try:
        yield
    except duckdb.TransactionException:
        raise  # the transaction around the statement knows what to say
    except duckdb.Error as error:
        raise translated(error) from error


def translated(error: duckdb.Error) -> JobProblem:
    """Give the job error for what DuckDB said about one statement."""
    said = str(error).split("\n\nLINE ", maxsplit=1)[0]
    if ERROR_MARK in said:
        return invalid_query(said.split(ERROR_MARK, 1)[1].strip())
    if isinstance(error, duckdb.OutOfMemoryException):
        return JobProblem(
            "resourcesExceeded", "Resources exceeded during query execution: Not enough memory."
        )
    for pattern, words in _PATTERNS:
        found = pattern.search(said)
        if found:
            return invalid_query(found.expand(words))
    _log.warning("no BigQuery message is known for: %s", said)
    return unsupported("run this statement over so many rows")


_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"Overflow in \w+ of INT\d+ \((.+?)\)!", r"int64 overflow: \1"),
        (r"Overflow in division of (-\d+ / -1)", r"int64 overflow: \1"),
        (r"Overflow on abs\((\S+)\)", r"int64 overflow: ABS(\1)"),
        (r"Overflow in negation|(?:HUGEINT|INT128).*out of range.*INT64", "int64 overflow"),
        (r"LIMIT/OFFSET cannot be negative", "LIMIT expects a non-negative integer"),
        (r"More than one row returned by a subquery", "Scalar subquery produced more than one element"),
        (r"NOT NULL constraint failed: \w+\.(\w+)", r"Required field \1 cannot be null"),
    )
)
