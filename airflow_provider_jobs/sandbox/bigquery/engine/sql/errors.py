"""What DuckDB says about a query, in BigQuery's words. DuckDB's own text never leaves the sandbox."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.functions import BY_NAME, ERROR_MARK
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query, place, place_of_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

    Words: TypeAlias = str | Callable[[re.Match[str], Statement, exp.Expr], str]

_log = logging.getLogger(__name__)

_DUCK_TYPES = {
    "INTEGER_LITERAL": "INT64", "STRING_LITERAL": "STRING", "VARCHAR": "STRING", "BLOB": "BYTES",
    "BIGINT": "INT64", "INTEGER": "INT64", "HUGEINT": "INT64", "INT32": "INT64", "DOUBLE": "FLOAT64",
    "BOOLEAN": "BOOL", '"NULL"': "NULL",
    "TIMESTAMP": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UUID": "STRING",
}  # fmt: skip

_BAD_VALUE = {
    "INT64": "Bad int64 value: {}", "FLOAT64": "Bad double value: {}", "BOOL": "Bad bool value: {}",
    "DATE": "Invalid date: '{}'", "TIMESTAMP": "Invalid timestamp: '{}'", "TIME": 'Invalid time string "{}"',
    "NUMERIC": "Invalid NUMERIC value: {}",
}  # fmt: skip

# DuckDB's names for what a query spells in another way.
_WRITTEN = {"~~": "LIKE", "!~~": "LIKE", "date_part": "EXTRACT", "array_extract": "[]"}

_SIGNS: dict[type[exp.Expr], str] = {
    exp.DPipe: "||",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


@contextlib.contextmanager
def duck_errors(statement: Statement, tree: exp.Expr) -> Iterator[None]:
    """Let nothing that DuckDB says about a statement out in DuckDB's words."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, statement, tree) from error


def translated(error: duckdb.Error, statement: Statement, tree: exp.Expr) -> JobProblem:
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
            return invalid_query(_message(words, found, statement, tree))
    _log.warning("no BigQuery message is known for: %s", said)
    if isinstance(error, duckdb.OutOfRangeException):
        return invalid_query("A value is out of range for its type")
    if isinstance(error, duckdb.ConversionException):
        return invalid_query("Bad value: a value cannot be converted to the type that is asked for")
    where = at(statement.script, statement.start)
    return invalid_query(
        f"The sandbox cannot execute this statement: it uses a construct that it has no equivalent for{where}"
    )


def _message(words: Words, found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    if callable(words):
        return words(found, statement, tree)
    message, marked, name = found.expand(words).partition(" @ ")
    return message + (place_of_name(name, statement, tree) if marked else "")


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


def _ungrouped(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    columns = (node for node in tree.find_all(exp.Column) if node.name.lower() == found[1].lower())
    free = (node for node in columns if not node.find_ancestor(exp.AggFunc, exp.Group, exp.Where, exp.Join))
    node = next(free, None)
    above = node.find_ancestor(exp.Having, exp.Order, exp.Select) if node else None
    clauses = {"having": "HAVING clause", "order": "ORDER BY clause"}
    clause = clauses.get(above.key if above else "", "SELECT list")
    where = place(node.this, statement) if node else place_of_name("*", statement, tree)
    return f"{clause} expression references column {found[1]} which is neither grouped nor aggregated{where}"


def _signature(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    name, kinds = _WRITTEN.get(found[1], found[1].upper()), _types(found[2])
    node = next((node for node in tree.walk() if name in _spellings(node)), tree)
    where = place(node, statement)
    if isinstance(node, exp.Bracket):
        value, _, index = kinds.partition(", ")
        return f"Subscript access using [{index}] on values of type {value} is not supported{where}"
    if isinstance(node, exp.Extract):
        kinds = f"DATE_TIME_PART FROM {kinds.rpartition(', ')[2]}"
    kind = "function" if name[:1].isalpha() and name != "LIKE" else "operator"
    written = str(node.meta.get("bigquery_name", name)).upper()
    return f"No matching signature for {kind} {written} for argument types: {kinds}{where}"


def _operands(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    sort = {"concatenate": exp.DPipe, "combine": exp.Func}.get(found[0].split()[1], exp.Predicate)
    node = tree.find(sort) or tree
    sign = _SIGNS.get(type(node)) or str(node.meta.get("bigquery_name", "="))
    kind, kinds = "function" if sign[:1].isalpha() else "operator", f"{_type(found[1])}, {_type(found[2])}"
    return f"No matching signature for {kind} {sign} for argument types: {kinds}{place(node, statement)}"


def _spellings(node: exp.Expr) -> set[str]:
    """Give the names and signs that DuckDB reads where an expression stands, its operands aside."""
    if not isinstance(node, exp.Func | exp.Binary | exp.Unary | exp.Bracket):
        return set()
    alone = node.copy()
    for part in list(alone.iter_expressions()):
        if isinstance(part, exp.Func | exp.Binary | exp.Unary | exp.Column | exp.Bracket):
            part.replace(exp.Null())
    signs = {"[]"} if isinstance(node, exp.Bracket) else set()
    return signs | set(re.findall(r"\w+|[^\w\s(),'\"]+", alone.sql(dialect="duckdb").upper()))


def _arguments(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    name = next((written for written, macro in BY_NAME.items() if macro == found[1]), found[1])
    return f"Number of arguments does not match for function {name}{place_of_name(name, statement, tree)}"


def _no_function(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    # A name that BigQuery does not know either has been refused before.
    calls = (node for node in tree.find_all(exp.Func) if found[1].upper() in _spellings(node))
    names = (str(node.meta["bigquery_name"]) for node in calls if "bigquery_name" in node.meta)
    name = next(names, found[1])
    return f"Function not supported by the sandbox: {name.upper()}{place_of_name(name, statement, tree)}"


def _bad_value(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    """A literal is refused where it stands, before the query runs; a value of a column has no place."""
    value, kind = found["value"], _type(re.split(r"[( ]", found["type"].upper())[0])
    casts = _casts(tree, kind)
    for node in tree.find_all(exp.Literal):
        cast = node.parent if type(node.parent) is exp.Cast else None
        if node.is_string and node.name == value and (cast or not casts):
            wanted = cast.to.sql(dialect="bigquery") if cast else kind
            return f'Could not cast literal "{value}" to type {wanted}{place(node, statement)}'
    return _BAD_VALUE.get(kind, "Bad value: {}").format(value)


def _invalid_cast(found: re.Match[str], statement: Statement, tree: exp.Expr) -> str:
    kind, wanted = _type(found[1]), _type(found[2])
    where = "".join(place(node.this, statement) for node in _casts(tree, wanted)[:1])
    return f"Invalid cast from {kind} to {wanted}{where}"


def _casts(tree: exp.Expr, wanted: str) -> list[exp.Cast]:
    return [node for node in tree.find_all(exp.Cast) if node.to.sql(dialect="bigquery") == wanted]


_UNKNOWN = r"Unrecognized name: \1 @ \1"
_TOO_MANY_COLUMNS = (
    "Scalar subquery cannot have more than one column unless using SELECT AS STRUCT to build STRUCT values"
    " @ ("
)
_NOT_IN_LIST = r"Column \1 in SELECT * \2 list does not exist @ \1"

# What DuckDB says, and what BigQuery says for it: a text, with " @ " before the word whose place ends it, or
# a function. What goes wrong while a query runs has no place.
_PATTERNS: tuple[tuple[re.Pattern[str], Words], ...] = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r'Referenced (?:column|table) "(.+?)" (?:was )?not found', _UNKNOWN),
        (r'Column "(.+?)" referenced that exists in the SELECT clause', _UNKNOWN),
        (r'Alias with name "+(.+?)"+ exists', _UNKNOWN),
        (r"Referenced column (?:\w+\.)?(\w+) not found in", _UNKNOWN),
        (r"Referenced update column (\S+) not found", _UNKNOWN),
        (r'"(\w+)" does not have a column named "(.+?)"', r"Name \2 not found inside \1 @ \2"),
        (r"Cannot extract field '(.+?)' from expression \"(\w+)\"", r"Name \1 not found inside \2 @ \1"),
        (r"Cannot extract field '(.+?)' from", r"Cannot access field \1 on a value that is no STRUCT @ \1"),
        (r'Could not find key "(.+?)" in struct', r"Field name \1 does not exist in STRUCT @ \1"),
        (r'Column "(.+?)" does not exist on (left|right) side',
         r"Column \1 in USING clause not found on \2 side of join @ \1"),
        (r'Column "(.+?)" in EXCLUDE list not found', _NOT_IN_LIST.replace(r"\2", "EXCEPT")),
        (r'Column "(.+?)" in REPLACE list not found', _NOT_IN_LIST.replace(r"\2", "REPLACE")),
        (r"SELECT list is empty after", "SELECT * expands to zero columns after applying EXCEPT @ *"),
        (r'does not have a column with name "(.+?)"', r"Column \1 is not present in the table @ \1"),
        (r'Ambiguous reference to column name "(.+?)"', r"Column name \1 is ambiguous @ \1"),
        (r'duplicate alias "(.+?)"', r"Duplicate table alias \1 in the same FROM clause @ \1"),
        (r'column "?(.+?)"? must appear in the GROUP BY clause', _ungrouped),
        (r"at least one window function must appear",
         "The QUALIFY clause requires an analytic function in the SELECT list or the clause @ QUALIFY"),
        (r"No function matches the given name and argument types '(.+?)\((.*?)\)'\. You", _signature),
        (r'best candidate function for the function call "(.+?)\((.*?)\)"\. In', _signature),
        (r"Macro (\w+)\(\) does not support the supplied arguments", _arguments),
        (r"Cannot (?:co\w+|mix) .*?types? (?:of )?(.+?) and (?:type )?(.+?) (?:-|in)", _operands),
        (r'unction with name "?(\w+)"? (?:does not exist|is not in the catalog)', _no_function),
        (r"Unimplemented type for cast \((.+) -> (.+)\)", _invalid_cast),
        (r"Overflow in \w+ of INT\d+ \((.+?)\)!", r"int64 overflow: \1"),
        (r"Overflow on abs\((\S+)\)", r"int64 overflow: ABS(\1)"),
        (r"Cannot negate|HUGEINT.*out of range.*INT64", "int64 overflow"),
        (r"value (\S+) can't be cast .* for the destination type INT64", r"int64 out of range: \1"),
        (r"Could not convert string ['\"](?P<value>.*?)['\"] to '?(?P<type>[A-Z0-9]+)", _bad_value),
        (r"Failed to cast value.*?['\"](?P<value>.*?)['\"] to (?P<type>BOOL)", _bad_value),
        (r'(?P<type>date|timestamp|time) field (?:format|value out of range): "(?P<value>.*?)"', _bad_value),
        (r"(?:Date|Time) out of range: (\S+)", r"Input calculates to invalid date or time: \1"),
        (r"Epoch seconds out of range", "Input is outside of the supported range of TIMESTAMP"),
        (r'Could not parse string "(?:1970 )?(.*?)" according to', 'Failed to parse input string "\\1"'),
        (r"Could not decode string .* as base64", "Failed to decode invalid base64 string"),
        (r"Invalid input for hex digit", "Failed to decode hex string"),
        (r"Invalid UTF8 Codepoint (\S+)", r"Invalid codepoint \1"),
        (r"Malformed JSON", "Invalid input: syntax error while parsing value"),
        (r"Invalid Input Error: (missing [)\]]|no argument for repetition|invalid escape|bad )(.*)",
         r"Cannot parse regular expression: \1\2"),
        (r"UNNEST requires a single list", "Values referenced in UNNEST must be arrays @ UNNEST"),
        (r"ARRAY_SLICE can only|Slice with steps",
         "No matching signature for function ARRAY_REVERSE @ ARRAY_REVERSE"),
        (r"list_value\(T, T\)", "Array elements do not have a common supertype @ ["),
        (r"struct_extract with an integer", "Subscript access on values of type STRUCT is not supported @ ["),
        (r"(\w+) clause cannot contain window", r"Analytic function not allowed in \1 clause @ OVER"),
        (r"aggregate functions are not allowed in (\w+)", r"Aggregate function not allowed in \1 @ \1"),
        (r'syntax error at or near "UNION"',
         "Syntax error: Expected end of input but got keyword UNION @ UNION"),
        (r"Parser Error: syntax error", "Syntax error: The statement cannot be parsed @ "),
        (r"LIMIT/OFFSET cannot be negative", "LIMIT expects a non-negative integer @ LIMIT"),
        (r"More than one row returned by a subquery", "Scalar subquery produced more than one element"),
        (r"subquery has (?:\d+|too many) columns|Subquery returns (\d+) columns", _TOO_MANY_COLUMNS),
        (r"Set operations can only apply", "Queries in a set operation have mismatched column count"),
        (r"NOT NULL constraint failed: \w+\.(\w+)", r"Required field \1 cannot be null"),
        (r"MERGE.*(?:multiple|more than once)|multiple source rows",
         "UPDATE/MERGE must match at most one source row for each target row"),
        (r"Index .* out of (?:bounds|range)", "Array index is out of bounds"),
    )
)  # fmt: skip
