"""Calls and casts as they are written: how many arguments a function takes, and which types there are.

The parser takes the functions of all dialects and forgives what BigQuery does not.
https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType

from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

_ANY = 1 << 20

# The fewest and the most arguments of common functions.
_ARGUMENTS = {
    name: (fewest, most)
    for fewest, most, names in (
        (0, 0, "CUME_DIST DENSE_RANK GENERATE_UUID PERCENT_RANK RAND RANK ROW_NUMBER SESSION_USER"),
        (1, 1, """ABS ACOS ANY_VALUE APPROX_COUNT_DISTINCT ARRAY_AGG ARRAY_CONCAT_AGG ARRAY_LENGTH
            ARRAY_REVERSE ASCII ASIN ATAN AVG BYTE_LENGTH CEIL CEILING CHAR_LENGTH CHARACTER_LENGTH CHR COS
            COUNT COUNTIF EXP FIRST_VALUE FLOOR FROM_BASE64 FROM_HEX IS_INF IS_NAN LAST_VALUE LENGTH LN
            LOGICAL_AND LOGICAL_OR LOWER MAX MD5 MIN NTILE REVERSE SAFE_NEGATE SHA1 SHA256 SHA512 SIGN SIN
            SQRT SUM TAN TIMESTAMP_MICROS TIMESTAMP_MILLIS TIMESTAMP_SECONDS TO_BASE64 TO_HEX UNICODE
            UNIX_DATE UNIX_MICROS UNIX_MILLIS UNIX_SECONDS UPPER"""),
        (2, 2, """DATE_ADD DATE_SUB DATETIME_ADD DATETIME_SUB DIV ENDS_WITH FORMAT_DATE FORMAT_DATETIME
            FORMAT_TIME IEEE_DIVIDE IFNULL MOD NULLIF PARSE_DATE PARSE_DATETIME PARSE_TIME POW POWER
            REGEXP_CONTAINS REGEXP_EXTRACT_ALL REPEAT SAFE_ADD SAFE_DIVIDE SAFE_MULTIPLY SAFE_SUBTRACT
            STARTS_WITH STRPOS TIME_ADD TIME_SUB TIMESTAMP_ADD TIMESTAMP_SUB"""),
        (3, 3, "DATE_DIFF DATETIME_DIFF IF REGEXP_REPLACE TIME_DIFF TIMESTAMP_DIFF TRANSLATE"),
        (1, 2, "LOG LTRIM RTRIM SPLIT STRING_AGG TO_JSON_STRING TRIM TRUNC"),
        (1, 3, "LAG LEAD ROUND"),
        (2, 3, """ARRAY_TO_STRING DATE_TRUNC DATETIME_TRUNC FORMAT_TIMESTAMP GENERATE_ARRAY
            GENERATE_DATE_ARRAY LPAD PARSE_TIMESTAMP RPAD SUBSTR SUBSTRING TIMESTAMP_TRUNC"""),
        (2, 4, "INSTR REGEXP_EXTRACT REGEXP_INSTR REGEXP_SUBSTR"),
        (1, _ANY, "COALESCE CONCAT FORMAT GREATEST LEAST"),
    )
    for name in names.split()
}  # fmt: skip
_AGGREGATES = {
    "ANY_VALUE", "APPROX_COUNT_DISTINCT", "ARRAY_AGG", "ARRAY_CONCAT_AGG", "AVG", "COUNT", "COUNTIF",
    "LOGICAL_AND", "LOGICAL_OR", "MAX", "MIN", "STRING_AGG", "SUM",
}  # fmt: skip

_TYPES = {
    "ARRAY", "BIGDECIMAL", "BIGINT", "BIGNUMERIC", "BOOL", "BOOLEAN", "BYTEINT", "BYTES", "DATE", "DATETIME",
    "DECIMAL", "FLOAT64", "GEOGRAPHY", "INT", "INT64", "INTEGER", "INTERVAL", "JSON", "NUMERIC", "RANGE",
    "SMALLINT", "STRING", "STRUCT", "TIME", "TIMESTAMP", "TINYINT",
}  # fmt: skip

# Words before a name that is followed by columns in parentheses, not by arguments.
_NO_CALL_AFTER = frozenset(("INTO", "TABLE", "VIEW"))
_OPENING = frozenset((TokenType.L_PAREN, TokenType.L_BRACKET))
_CLOSING = frozenset((TokenType.R_PAREN, TokenType.R_BRACKET))


def check_calls(statement: Statement) -> None:
    """Refuse wrong numbers of arguments and unknown types.

    :raises JobProblem: with the place in the statement.
    """
    tokens = statement.tokens
    for number, (name, opening) in enumerate(pairwise(tokens)):
        before = [token.text.upper() for token in tokens[max(0, number - 2) : number]]
        of_a_dataset = before[-1:] == ["."] and before[0] != "SAFE"
        if opening.token_type is not TokenType.L_PAREN or of_a_dataset or _NO_CALL_AFTER & set(before[-1:]):
            continue
        inner = _arguments(tokens[number + 2 :])
        if name.text.upper() in {"CAST", "SAFE_CAST"}:
            _check_type(statement, inner)
        elif name.text.upper() in _ARGUMENTS:
            _check_arguments(statement, name, inner)


def _arguments(tokens: Sequence[Token]) -> list[Token]:
    """Give what is between two parentheses, without what is in further ones."""
    depth = 0
    found = []
    for token in tokens:
        depth -= token.token_type in _CLOSING
        if depth < 0:
            break
        if depth == 0:
            found.append(token)
        depth += token.token_type in _OPENING
    return found


def _check_type(statement: Statement, inner: Sequence[Token]) -> None:
    for word, named in pairwise(inner):
        if word.token_type is TokenType.ALIAS and named.text.upper() not in _TYPES:
            raise invalid_query(f"Type not found: {named.text}" + at(statement.script, named.start))


def _check_arguments(statement: Statement, name: Token, inner: Sequence[Token]) -> None:
    kinds = [token.token_type for token in inner]
    where = at(statement.script, name.start)
    if kinds == [TokenType.DISTINCT]:
        raise invalid_query(f"DISTINCT function call with no arguments is not allowed{where}")
    if TokenType.STRUCT in kinds and TokenType.LT in kinds:
        return  # the commas of a type are not those of arguments
    # What follows ORDER BY belongs to the last argument.
    plain = kinds[: kinds.index(TokenType.ORDER_BY)] if TokenType.ORDER_BY in kinds else kinds
    count = plain.count(TokenType.COMMA) + 1 if plain else 0
    written = name.text.upper()
    fewest, most = _ARGUMENTS[written]
    if not fewest <= count <= most:
        kind = "aggregate function" if written in _AGGREGATES else "function"
        raise invalid_query(f"Number of arguments does not match for {kind} {written}{where}")
