"""GoogleSQL functions that neither DuckDB has nor sqlglot translates, as DuckDB macros.

An error that a query raises by itself starts with a mark, so that its text can be told from DuckDB's own.
"""

from __future__ import annotations

ERROR_MARK = "\x01"


def _raise(message: str) -> str:
    """Give the expression that ends a query with a message, itself an expression."""
    return f"error(chr(1) || {message})"


def _unless_zero(message: str, result: str) -> str:
    return f"CASE WHEN b = 0 THEN {_raise(message)} ELSE {result} END"


_NO_FIRST = _raise("'ARRAY_FIRST cannot get the first element of an empty array'")
_NO_LAST = _raise("'ARRAY_LAST cannot get the last element of an empty array'")

# name -> (parameters, body)
_MACROS = {
    "bq_error": ("message", _raise("message")),
    "bq_div": ("a, b", _unless_zero("'division by zero: ' || a || ' / ' || b", "a / b")),
    "bq_idiv": (
        "a, b",
        _unless_zero("'division by zero: DIV(' || a || ', ' || b || ')'", "CAST(a // b AS BIGINT)"),
    ),
    "bq_mod": ("a, b", _unless_zero("'division by zero: MOD(' || a || ', ' || b || ')'", "a % b")),
    "bq_ieee_divide": ("a, b", "CAST(a AS DOUBLE) / CAST(b AS DOUBLE)"),
    # Text of any value as BigQuery casts it; each branch has to bind for every type.
    "bq_string": (
        "x",
        r"""CASE typeof(x)
        WHEN 'DOUBLE' THEN regexp_replace(CAST(x AS VARCHAR), '\.0$', '')
        WHEN 'BLOB' THEN decode(CAST(CAST(x AS VARCHAR) AS BLOB))
        WHEN 'JSON' THEN CAST(x AS VARCHAR)
        ELSE CASE WHEN typeof(x) LIKE 'DECIMAL%'
            THEN regexp_replace(regexp_replace(CAST(x AS VARCHAR), '(\.\d*?)0+$', '\1'), '\.$', '')
            ELSE CAST(x AS VARCHAR) END
        END""",
    ),
    "bq_byte_length": (
        "x",
        """CASE typeof(x) WHEN 'BLOB' THEN octet_length(CAST(CAST(x AS VARCHAR) AS BLOB))
        ELSE strlen(CAST(x AS VARCHAR)) END""",
    ),
    "bq_range_bucket": ("x, bounds", "len(list_filter(bounds, lambda bound: bound <= x))"),
    "bq_safe_add": ("a, b", "TRY(a + b)"),
    "bq_safe_subtract": ("a, b", "TRY(a - b)"),
    "bq_safe_multiply": ("a, b", "TRY(a * b)"),
    "bq_safe_negate": ("a", "TRY(-a)"),
    "bq_array_first": ("a", f"CASE WHEN len(a) = 0 THEN {_NO_FIRST} ELSE a[1] END"),
    "bq_array_last": ("a", f"CASE WHEN len(a) = 0 THEN {_NO_LAST} ELSE a[-1] END"),
    "bq_string_from_bytes": ("b", "TRY(decode(b))"),
}

# Functions by the name a query uses, for those that sqlglot leaves as they are.
BY_NAME = {
    "ERROR": "bq_error",
    "IEEE_DIVIDE": "bq_ieee_divide",
    "SAFE_ADD": "bq_safe_add",
    "SAFE_SUBTRACT": "bq_safe_subtract",
    "SAFE_MULTIPLY": "bq_safe_multiply",
    "SAFE_NEGATE": "bq_safe_negate",
    "ARRAY_FIRST": "bq_array_first",
    "ARRAY_LAST": "bq_array_last",
    "SAFE_CONVERT_BYTES_TO_STRING": "bq_string_from_bytes",
}

MACROS = "".join(
    f"CREATE OR REPLACE MACRO {name}({parameters}) AS {body};\n"
    for name, (parameters, body) in _MACROS.items()
)
