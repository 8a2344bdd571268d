"""Dates and times in GoogleSQL trees, where DuckDB gives another type or counts in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _as_date(node: exp.Expression) -> None:
    """DuckDB answers with a TIMESTAMP where BigQuery answers with a DATE."""
    node.replace(exp.cast(node.copy(), "DATE", dialect="duckdb"))


def _shift(node: exp.Func) -> None:
    """The calendar ends with the year 9999; DuckDB's goes on. A DATE stays a DATE."""
    kind = node.key.removesuffix("add").removesuffix("sub")
    sign = "-" if node.key.endswith("sub") else ""
    amount = exp.Literal.string(f"{sign}{node.expression.name or 'n'} {node.text('unit').upper()}")
    shifted: exp.Expression = exp.Anonymous(
        this="bq_shifted", expressions=[node.this.copy(), node.copy(), amount, exp.Literal.string(kind)]
    )
    node.replace(exp.cast(shifted, "DATE", dialect="duckdb") if kind == "date" else shifted)


def _as_timestamp(node: exp.Expression) -> None:
    """DuckDB answers with a time without a zone."""
    node.replace(exp.cast(node.copy(), "TIMESTAMPTZ", dialect="duckdb"))


def _current_datetime(node: exp.Expression) -> None:
    node.replace(exp.cast(exp.CurrentTimestamp(), "TIMESTAMP", dialect="duckdb"))


def _extract(node: exp.Extract) -> None:
    """Parts of a date that DuckDB counts in another way, or has another name for."""
    value = node.expression
    if isinstance(value, exp.Cast) and value.to.this is exp.DataType.Type.TIMESTAMPTZ:
        # Sessions are in UTC, so this is the same time; sqlglot cannot know that.
        value = exp.cast(value.copy(), "TIMESTAMP", dialect="duckdb")
        node.set("expression", value)
    part = node.name.upper()
    if part == "DATE":
        node.replace(exp.cast(value.copy(), "DATE", dialect="duckdb"))
    elif part == "DAYOFWEEK":
        day = exp.Anonymous(this="dayofweek", expressions=[value.copy()])
        node.replace(exp.Paren(this=exp.Add(this=day, expression=exp.Literal.number(1))))
    elif part == "WEEK":
        week = exp.Anonymous(this="strftime", expressions=[value.copy(), exp.Literal.string("%U")])
        node.replace(exp.cast(week, "BIGINT", dialect="duckdb"))
    elif part == "ISOWEEK":
        node.set("this", exp.Var(this="WEEK"))
    elif part in {"MILLISECOND", "MICROSECOND"}:
        # DuckDB counts from the minute, BigQuery from the second.
        whole = exp.Literal.number(1_000 if part == "MILLISECOND" else 1_000_000)
        node.replace(exp.Paren(this=exp.Mod(this=node.copy(), expression=whole)))


def date_trunc(node: exp.DateTrunc, column_types: Mapping[str, set[str]]) -> None:
    """Keep a DATE a DATE; only the type of the value tells, and only for a column it is known."""
    value = node.this
    types = column_types.get(value.name.lower(), set()) if isinstance(value, exp.Column) else set()
    timed = isinstance(value, exp.CurrentTimestamp | exp.CurrentDatetime) or (
        isinstance(value, exp.Cast) and value.to.this is not exp.DataType.Type.DATE
    )
    if not timed and not types & {"TIMESTAMP", "DATETIME"}:
        _as_date(node)


TIME_CHANGES: dict[type[exp.Expression], Callable[..., None]] = {
    **dict.fromkeys((exp.DateAdd, exp.DateSub), _shift),
    **dict.fromkeys((exp.DatetimeAdd, exp.DatetimeSub, exp.TimestampAdd, exp.TimestampSub), _shift),
    exp.StrToTime: _as_timestamp,
    exp.UnixToTime: _as_timestamp,
    exp.CurrentDatetime: _current_datetime,
    exp.Extract: _extract,
}
