"""GoogleSQL functions that DuckDB lacks, or that answer there where BigQuery fails: as DuckDB macros.

An error that a query raises by itself starts with a mark, so that its text can be told from DuckDB's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable

ERROR_MARK = "\x01"


def _raise(message: str) -> str:
    """Give the expression that ends a query with a message, itself an expression."""
    return f"error(chr(1) || {message})"


_EMPTY = "'ARRAY_{} cannot get the {} element of an empty array'"

# What fails for some values: name -> (parameters, condition, message, result).
GUARDED = {
    "bq_array_first": ("a", "len(a) = 0", _EMPTY.format("FIRST", "first"), "a[1]"),
    "bq_array_last": ("a", "len(a) = 0", _EMPTY.format("LAST", "last"), "a[-1]"),
    "bq_at": ("a, i, n", "i < 0 OR i >= len(a)", "'Array index ' || n || ' is out of bounds'", "a[i + 1]"),
    "bq_div": ("a, b", "b = 0", "'division by zero: ' || bq_string(a) || ' / ' || bq_string(b)", "a / b"),
    "bq_finite": (
        "x, y, call",
        "isfinite(CAST(x AS DOUBLE)) AND NOT isfinite(CAST(y AS DOUBLE))",
        "'Floating point error in function: ' || call || '(' || bq_string(x) || ')'",
        "y",
    ),
    "bq_idiv": (
        "a, b",
        "b = 0",
        "'division by zero: DIV(' || a || ', ' || b || ')'",
        "CAST(a // b AS BIGINT)",
    ),
    "bq_mod": ("a, b", "b = 0", "'division by zero: MOD(' || a || ', ' || b || ')'", "a % b"),
    "bq_shifted": (
        "x, y, amount, kind",
        "year(y) NOT BETWEEN 1 AND 9999",
        "'Adding ' || amount || ' to ' || kind || ' ' || x || ' causes overflow'",
        "y",
    ),
}

# name -> (parameters, body)
_MACROS = {
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
    "bq_error": ("message", _raise("message")),
    "bq_ieee_divide": ("a, b", "CAST(a AS DOUBLE) / CAST(b AS DOUBLE)"),
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
    "bq_string_from_bytes": ("b", "TRY(decode(b))"),
}
for _name, (_parameters, _wrong, _message, _result) in GUARDED.items():
    _MACROS[_name] = _parameters, f"CASE WHEN {_wrong} THEN {_raise(_message)} ELSE {_result} END"
    # DuckDB's TRY takes nothing that may raise by itself: so this is what SAFE. calls.
    _MACROS[f"{_name}_or_null"] = _parameters, f"CASE WHEN NOT ({_wrong}) THEN {_result} END"

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


def _macro(name: str) -> Callable[[exp.Expression], None]:
    def change(node: exp.Expression) -> None:
        arguments = [node.this, *([node.expression] if node.expression else [])]
        node.replace(exp.Anonymous(this=name, expressions=arguments))

    return change


def _subscript(node: exp.Bracket) -> None:
    """``a[OFFSET(i)]`` and ``a[ORDINAL(i)]`` fail outside the array, where DuckDB gives NULL."""
    if node.args.get("safe") is False:
        (number,) = node.expressions
        first = exp.Literal.number(node.args["offset"])
        index = exp.paren(exp.Sub(this=number.copy(), expression=first))
        node.replace(exp.Anonymous(this="bq_at", expressions=[node.this, index, number]))


def _finite(node: exp.Func) -> None:
    """Outside its domain a function fails, where DuckDB gives infinity or NaN."""
    call = exp.Literal.string(str(node.meta.get("bigquery_name", node.key)).upper())
    node.replace(exp.Anonymous(this="bq_finite", expressions=[node.this.copy(), node.copy(), call]))


# What to do with the functions that sqlglot knows.
FUNCTION_CHANGES: dict[type[exp.Expression], Callable[..., None]] = {
    exp.Div: _macro("bq_div"),
    exp.IntDiv: _macro("bq_idiv"),
    exp.Mod: _macro("bq_mod"),
    exp.ByteLength: _macro("bq_byte_length"),
    exp.RangeBucket: _macro("bq_range_bucket"),
    exp.Bracket: _subscript,
    **dict.fromkeys((exp.Acos, exp.Asin, exp.Exp, exp.Ln, exp.Sqrt), _finite),
}

MACROS = "".join(
    f"CREATE OR REPLACE MACRO {name}({parameters}) AS {body};\n"
    for name, (parameters, body) in _MACROS.items()
)
