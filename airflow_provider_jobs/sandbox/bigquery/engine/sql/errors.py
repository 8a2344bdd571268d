"""What DuckDB says about a query, in BigQuery's words. DuckDB's own text never leaves the sandbox."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.functions import ERROR_MARK
from airflow_provider_jobs.sandbox.bigquery.problems import JobProblem
from airflow_provider_jobs.sandbox.bigquery.sql import at, invalid_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.sandbox.bigquery.sql import Statement

_log = logging.getLogger(__name__)

_DUCK_TYPES = {
    "INTEGER_LITERAL": "INT64", "STRING_LITERAL": "STRING", "VARCHAR": "STRING", "BLOB": "BYTES",
    "BIGINT": "INT64", "INTEGER": "INT64", "HUGEINT": "INT64", "INT32": "INT64", "DOUBLE": "FLOAT64",
    "BOOLEAN": "BOOL",
    "TIMESTAMP": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UUID": "STRING",
}  # fmt: skip

_BAD_VALUE = {
    "INT64": "Bad int64 value: {}", "INT32": "Bad int64 value: {}", "DOUBLE": "Bad double value: {}",
    "BOOL": "Bad bool value: {}",
    "DATE": "Invalid date: '{}'", "TIME": 'Invalid time string "{}"', "DECIMAL": "Invalid NUMERIC value: {}",
}  # fmt: skip


@contextlib.contextmanager
def duck_errors(statement: Statement, tree: exp.Expression) -> Iterator[None]:
    """Let nothing that DuckDB says about a statement out in DuckDB's words."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, statement, tree) from error


def translated(error: duckdb.Error, statement: Statement, tree: exp.Expression) -> JobProblem:
    """Give the job error for what DuckDB said about one statement."""
    said = str(error)
    if ERROR_MARK in said:
        return invalid_query(said.split(ERROR_MARK, 1)[1].split("\n\nLINE ", maxsplit=1)[0].strip())
    if isinstance(error, duckdb.OutOfMemoryException):
        return JobProblem(
            "resourcesExceeded", "Resources exceeded during query execution: Not enough memory."
        )
    for pattern, words in _PATTERNS:
        found = pattern.search(said)
        if found:
            return invalid_query(words(found, statement, tree))
    _log.warning("no BigQuery message is known for: %s", said)
    if isinstance(error, duckdb.OutOfRangeException):
        return invalid_query("A value is out of range for its type")
    if isinstance(error, duckdb.ConversionException):
        return invalid_query("Bad value: a value cannot be converted to the type that is asked for")
    where = at(statement.script, statement.start)
    return invalid_query(
        f"The sandbox cannot execute this statement: it uses a construct that it has no equivalent for{where}"
    )


def place_of(name: str, statement: Statement, tree: exp.Expression) -> str:
    """Give `` at [line:column]`` of the first identifier or function with that name."""
    wanted = name.lower()
    for node in tree.find_all(exp.Identifier, exp.Anonymous):
        start = node.meta.get("start")
        if isinstance(start, int) and str(node.this).lower() == wanted:
            return at(statement.script, start)
    for token in statement.tokens:
        if token.text.lower() == wanted:
            return at(statement.script, token.start)
    return at(statement.script, statement.start)


def _types(listed: str) -> str:
    # Commas inside DECIMAL(38,9) or a STRUCT separate nothing here.
    parts = re.split(r",\s*(?![^()]*\))", listed)
    return ", ".join(_type(part) for part in parts)


def _type(name: str) -> str:
    plain = name.strip()
    if plain.endswith("[]"):
        return f"ARRAY<{_type(plain[:-2])}>"
    if plain.startswith("DECIMAL"):
        return "NUMERIC"
    if plain.startswith("STRUCT"):
        return "STRUCT"
    return _DUCK_TYPES.get(plain, plain)


def _unrecognized(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Unrecognized name: {found[1]}{place_of(found[1], statement, tree)}"


def _no_field(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Name {found[2]} not found inside {found[1]}{place_of(found[2], statement, tree)}"


def _no_struct_field(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Field name {found[1]} does not exist in STRUCT{place_of(found[1], statement, tree)}"


def _ungrouped(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    place = place_of(found[1], statement, tree)
    return (
        f"SELECT list expression references column {found[1]} which is neither grouped nor aggregated{place}"
    )


def _ambiguous(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Column name {found[1]} is ambiguous{place_of(found[1], statement, tree)}"


def _signature(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    name = found[1].upper()
    kind = "function" if name[:1].isalpha() else "operator"
    place = place_of(found[1], statement, tree)
    return f"No matching signature for {kind} {name} for argument types: {_types(found[2])}{place}"


def _comparison(found: re.Match[str], statement: Statement, _tree: exp.Expression) -> str:
    place = at(statement.script, statement.start)
    kinds = f"{_types(found[1])}, {_types(found[2])}"
    return f"No matching signature for operator = for argument types: {kinds}{place}"


def _no_function(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    # A name that BigQuery does not know either has been refused before.
    place = place_of(found[1], statement, tree)
    return f"Function not supported by the sandbox: {found[1].upper()}{place}"


def _overflow(found: re.Match[str], _statement: Statement, _tree: exp.Expression) -> str:
    return f"int64 overflow: {found[1]}"


def _bad_value(found: re.Match[str], _statement: Statement, _tree: exp.Expression) -> str:
    kind = re.split(r"[( ]", found[2])[0]
    return _BAD_VALUE.get(kind, "Bad value: {}").format(found[1])


def _duplicate_alias(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Duplicate table alias {found[1]} in the same FROM clause{place_of(found[1], statement, tree)}"


def _no_target(found: re.Match[str], statement: Statement, tree: exp.Expression) -> str:
    return f"Column {found[1]} is not present in the table{place_of(found[1], statement, tree)}"


def _fixed(message: str) -> Callable[[re.Match[str], Statement, exp.Expression], str]:
    return lambda found, _statement, _tree: found.expand(message)


def _fixed_at(message: str) -> Callable[[re.Match[str], Statement, exp.Expression], str]:
    return lambda found, statement, _tree: found.expand(message) + at(statement.script, statement.start)


_PATTERNS = [
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r'Referenced column "(.+?)" (?:was )?not found', _unrecognized),
        (r'Column "(.+?)" referenced that exists in the SELECT clause', _unrecognized),
        (r'Alias with name "+(.+?)"+ exists', _unrecognized),
        (
            r"ORDER term out of range - should be between 1 and (\d+)",
            _fixed_at(r"ORDER BY column number item is out of range; expected a position between 1 and \1"),
        ),
        (
            r'Column "(.+?)" in EXCLUDE list not found',
            _fixed_at(r"Column \1 in SELECT * EXCEPT list does not exist"),
        ),
        (r"LIMIT/OFFSET cannot be negative", _fixed_at("LIMIT expects a non-negative integer")),
        (
            r"Invalid Input Error: (?:missing [)\]]|no argument for repetition|invalid escape|bad )",
            _fixed_at("Cannot parse regular expression"),
        ),
        (
            r"value (\S+) can't be cast because the value is out of range for the destination type INT64",
            _fixed(r"int64 out of range: \1"),
        ),
        (r'duplicate alias "(.+?)"', _duplicate_alias),
        (r'Referenced table "(.+?)" not found', _unrecognized),
        (r'Table "(.+?)" does not have a column named "(.+?)"', _no_field),
        (r'Values list "(.+?)" does not have a column named "(.+?)"', _no_field),
        (r'Could not find key "(.+?)" in struct', _no_struct_field),
        (r'column "?(.+?)"? must appear in the GROUP BY clause', _ungrouped),
        (r'Ambiguous reference to column name "(.+?)"', _ambiguous),
        (r"No function matches the given name and argument types '(.+?)\((.*?)\)'\. You", _signature),
        (r'best candidate function for the function call "(.+?)\((.*?)\)"\. In', _signature),
        (r"Cannot compare values of type (.+?) and (?:values of )?type (.+?)(?: -| in|\.|$)", _comparison),
        (r"Cannot mix values of type (.+?) and (.+?) in", _comparison),
        (r"Function with name (\S+) does not exist", _no_function),
        (r"Overflow in \w+ of INT\d+ \((.+?)\)!", _overflow),
        (
            r"Cannot negate|HUGEINT.*out of range.*INT64|INT128 with value (\S+) can't",
            _fixed("int64 overflow"),
        ),
        (r"Could not convert string ['\"](.*?)['\"] to '?([A-Z0-9]+(?:\(.*?\))?)", _bad_value),
        (r"Failed to cast value.*?['\"](.*?)['\"] to (BOOL)", _bad_value),
        (r"date field value out of range: \"(.*?)\"", _fixed(r"Invalid date: '\1'")),
        (r"invalid date field format: \"(.*?)\"", _fixed(r"Invalid date: '\1'")),
        (
            r"(?:invalid )?timestamp field (?:format|value out of range): \"(.*?)\"",
            _fixed(r"Invalid timestamp: '\1'"),
        ),
        (r"time field value out of range: \"(.*?)\"", _fixed(r'Invalid time string "\1"')),
        (r"Could not parse string \"(.*?)\" according to", _fixed(r"Failed to parse input string \"\1\"")),
        (r"Malformed JSON.*", _fixed("Invalid input: syntax error while parsing value")),
        (
            r"More than one row returned by a subquery",
            _fixed("Scalar subquery produced more than one element"),
        ),
        (
            r"Set operations can only apply",
            _fixed_at("Queries in a set operation have mismatched column count"),
        ),
        (
            r"WHERE clause cannot contain (?:aggregates|aggregate)",
            _fixed_at("Aggregate function not allowed in WHERE clause"),
        ),
        (
            r"aggregate function calls cannot be nested",
            _fixed_at("Aggregations of aggregations are not allowed"),
        ),
        (
            r"has (\d+) columns but (\d+) values were supplied",
            _fixed_at(r"Inserted row has wrong column count; Has \2, expected \1"),
        ),
        (
            r"Column name/value mismatch for insert.*?expected (\d+) columns but (\d+)",
            _fixed_at(r"Inserted row has wrong column count; Has \2, expected \1"),
        ),
        (r'Table "?.*?"? does not have a column with name "(.+?)"', _no_target),
        (r"NOT NULL constraint failed: \w+\.(\w+)", _fixed(r"Required field \1 cannot be null")),
        (
            r"MERGE.*(?:multiple|more than once)|multiple source rows",
            _fixed("UPDATE/MERGE must match at most one source row for each target row"),
        ),
        (
            r"subquery has (?:\d+|too many) columns|Subquery returns (\d+) columns",
            _fixed_at(
                "Scalar subquery cannot have more than one column unless using SELECT AS STRUCT "
                "to build STRUCT values"
            ),
        ),
        (r"Index .* out of (?:bounds|range)", _fixed("Array index is out of bounds")),
    )
]
