"""What DuckDB is known to do exactly as BigQuery: functions and their types, aggregates, casts.

The tests hold both engines to the same answers for what is here.
"""

from __future__ import annotations

# Types whose values are equal, or less, by the same rules; FLOAT64 has NaN, which is neither.
ORDERED = {"INTEGER", "NUMERIC", "STRING", "BYTES", "BOOLEAN", "DATE", "TIMESTAMP", "DATETIME", "TIME"}
ANY = {*ORDERED, "FLOAT"}
WHOLE = {"INTEGER"}
TRUTH = {"BOOLEAN"}

# Functions: name -> (types of the arguments, DuckDB's SQL for them).
FUNCTIONS: dict[str, tuple[set[str], str]] = {
    "$add": (WHOLE, "({0} + {1})"), "$subtract": (WHOLE, "({0} - {1})"),
    "$multiply": (WHOLE, "({0} * {1})"), "$unary_minus": (WHOLE, "(- {0})"), "abs": (WHOLE, "abs({0})"),
    "div": (WHOLE, "bq_div({0}, {1})"), "mod": (WHOLE, "bq_mod({0}, {1})"),
    "$equal": (ORDERED, "({0} = {1})"), "$not_equal": (ORDERED, "({0} <> {1})"),
    "$less": (ORDERED, "({0} < {1})"), "$less_or_equal": (ORDERED, "({0} <= {1})"),
    "$greater": (ORDERED, "({0} > {1})"), "$greater_or_equal": (ORDERED, "({0} >= {1})"),
    "$between": (ORDERED, "({0} BETWEEN {1} AND {2})"), "$not": (TRUTH, "(NOT {0})"),
    "$is_null": (ANY, "({0} IS NULL)"), "$is_true": (TRUTH, "({0} IS TRUE)"),
    "$is_false": (TRUTH, "({0} IS FALSE)"), "if": (ANY, "CASE WHEN {0} THEN {1} ELSE {2} END"),
    "ifnull": (ANY, "coalesce({0}, {1})"), "nullif": (ORDERED, "nullif({0}, {1})"),
    "date": ({"TIMESTAMP", "DATETIME"}, "CAST({0} AS DATE)"),
    "$extract_date": ({"TIMESTAMP", "DATETIME"}, "CAST({0} AS DATE)"),
    "starts_with": ({"STRING"}, "starts_with({0}, {1})"), "ends_with": ({"STRING"}, "ends_with({0}, {1})"),
    "byte_length": ({"STRING"}, "strlen({0})"), "floor": ({"FLOAT"}, "floor({0})"),
    "ceil": ({"FLOAT"}, "ceil({0})"),
}  # fmt: skip
VARIADIC: dict[str, tuple[set[str], str, str]] = {
    "$and": (TRUTH, "(", " AND "), "$or": (TRUTH, "(", " OR "),
    "coalesce": (ANY, "coalesce(", ", "), "concat": ({"STRING"}, "(", " || "),
    "generate_array": (WHOLE, "bq_series(", ", "),
}  # fmt: skip
# Aggregates: name -> (types of the argument, DuckDB's SQL).
AGGREGATES: dict[str, tuple[set[str], str]] = {
    "$count_star": (set(), "count(*)"), "count": (ORDERED, "count({0})"),
    "min": (ORDERED, "min({0})"), "max": (ORDERED, "max({0})"),
    "countif": (TRUTH, "coalesce(count_if({0}), 0)"),
    "logical_and": (TRUTH, "bool_and({0})"), "logical_or": (TRUTH, "bool_or({0})"),
}  # fmt: skip
TYPED_AGGREGATES = {
    ("sum", "INTEGER"): "CAST(sum({0}) AS BIGINT)", ("sum", "NUMERIC"): "CAST(sum({0}) AS DECIMAL(38, 9))",
    ("sum", "FLOAT"): "bq_finite(fsum({0}))", ("avg", "FLOAT"): "bq_finite(favg({0}))",
    ("avg", "INTEGER"): "avg({0})",
}  # fmt: skip
RANKS = {"row_number": "row_number()", "rank": "rank()", "dense_rank": "dense_rank()"}
CASTS = {
    ("INTEGER", "FLOAT"), ("INTEGER", "NUMERIC"), ("INTEGER", "STRING"), ("DATE", "STRING"),
    ("BOOLEAN", "STRING"), ("TIMESTAMP", "DATE"), ("DATETIME", "DATE"), ("DATE", "DATETIME"),
    ("DATE", "TIMESTAMP"),
}  # fmt: skip
# Parts of dates and times, by their numbers in zetasql.functions.DateTimestampPart.
PARTS = {1: "year", 2: "month", 3: "day", 6: "quarter", 7: "hour", 8: "minute"}
DATE_PARTS = ("$extract", "date_trunc", "timestamp_trunc", "datetime_trunc")
JOINS = {"INNER": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}
UNIONS = {
    "UNION_ALL": "UNION ALL", "UNION_DISTINCT": "UNION", "INTERSECT_DISTINCT": "INTERSECT",
    "EXCEPT_DISTINCT": "EXCEPT",
}  # fmt: skip
