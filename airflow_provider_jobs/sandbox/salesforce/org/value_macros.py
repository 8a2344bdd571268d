"""How values are spelled in results, as DuckDB's macros."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field

# Decimal numbers look as Java prints a double: 100.0, 1.2345678E7, 5.0E-4. DuckDB prints the same digits, but
# plainly up to 1e16, as 1e+16 above, as 1e-05 below 1e-4. The first argument is that text.
VALUE_MACROS = """
CREATE OR REPLACE MACRO sf_mantissa(digits) AS
    substr(digits, 1, 1) || '.' || CASE WHEN length(digits) = 1 THEN '0' ELSE substr(digits, 2) END;
CREATE OR REPLACE MACRO sf_positive(t, x) AS CASE
    WHEN contains(t, 'e') THEN
        sf_mantissa(replace(split_part(t, 'e', 1), '.', '')) || 'E' || split_part(t, 'e', 2)::INTEGER
    WHEN x >= 1e7 THEN
        sf_mantissa(rtrim(split_part(t, '.', 1) || rtrim(split_part(t, '.', 2), '0'), '0'))
        || 'E' || (length(split_part(t, '.', 1)) - 1)
    WHEN x = 0 OR x >= 1e-3 THEN t
    ELSE sf_mantissa(ltrim(split_part(t, '.', 2), '0'))
        || 'E-' || (length(split_part(t, '.', 2)) - length(ltrim(split_part(t, '.', 2), '0')) + 1) END;
CREATE OR REPLACE MACRO sf_double(x) AS CASE
    WHEN x = 0 OR abs(x) BETWEEN 1e-3 AND 9999999.999999999 THEN x::VARCHAR
    WHEN x < 0 THEN '-' || sf_positive((-x)::VARCHAR, -x) ELSE sf_positive(x::VARCHAR, x) END;
"""


def literal(text: str) -> str:
    """Quote one of our own texts for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def text_of(field: Field, column: str) -> str:
    """Give a field's value as text, NULL where it is null: SQL.

    :param column: the column that holds the value, as SQL.
    """
    if field.type == "datetime":
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    if field.type == "time":
        return f"strftime(DATE '2000-01-01' + {column}, '%H:%M:%S.%gZ')"
    if field.type in ("double", "currency", "percent"):
        return f"sf_double({column})"
    if field.decimal:
        return f"sf_double({column}::DOUBLE)"
    if field.stored_as != "VARCHAR":
        return f"CAST({column} AS VARCHAR)"
    return column
