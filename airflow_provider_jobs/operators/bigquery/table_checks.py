"""Checks of a table: of its columns, and by conditions; each task runs one query."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.bigquery.read import column_name, table_name
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.checking import CheckingOperator, share_of, value_text, where_of
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: What is asked of a column, as SQL.
_COLUMN_CHECKS = {
    "null_check": "COUNTIF({} IS NULL)",
    "distinct_check": "COUNT(DISTINCT {})",
    "unique_check": "COUNT({0}) - COUNT(DISTINCT {0})",
    "min": "MIN({})",
    "max": "MAX({})",
}
#: How a result may be compared: in which direction a tolerance widens it, what it is called, and how.
_COMPARISONS: dict[str, tuple[int, str, Callable[[Any, Any], bool]]] = {
    "equal_to": (0, "=", operator.eq),
    "greater_than": (-1, ">", operator.gt),
    "geq_to": (-1, ">=", operator.ge),
    "less_than": (1, "<", operator.lt),
    "leq_to": (1, "<=", operator.le),
}


class TableChecking(CheckingOperator):
    """A check of one table.

    :param table: The table, as :data:`.Table` has it.
    :param partition_clause: SQL that a row has to satisfy to be looked at, such as ``day = '2026-01-31'``.
    """

    template_fields = ("table", "partition_clause", *BigQueryJobOperator.template_fields)
    takes_legacy_sql = False

    def __init__(self, *, table: str, partition_clause: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.partition_clause = partition_clause
        #: The query, once the task runs.
        self.sql: str | None = None

    def source(self, project: str) -> str:
        """Return the table as it stands in SQL."""
        return table_name(table_reference(self.table, self.project_id or project, "table", is_read=True))


class BigQueryColumnCheckOperator(TableChecking):
    """Fail unless the columns of a table are as they should be.

    :param column_mapping: By column and check what its result has to be, such as
        ``{"price": {"min": {"geq_to": 0}}}``. Checks are ``null_check``, ``distinct_check``,
        ``unique_check``, ``min`` and ``max``, comparisons ``equal_to``, ``greater_than``, ``geq_to``,
        ``less_than`` and ``leq_to``; beside them may be a ``tolerance`` and a ``partition_clause``.
    :param accept_none: Take NULL for 0.
    """

    template_fields = ("column_mapping", *TableChecking.template_fields)

    def __init__(
        self, *, column_mapping: Mapping[str, Mapping[str, Any]], accept_none: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.column_mapping = column_mapping
        self.accept_none = accept_none

    def query(self, project: str) -> str:
        """Return the SQL: one row with a column for each check, each part of the table read once."""
        by_rows: dict[str, list[str]] = {}
        for number, (column, check, wanted) in enumerate(self._checks()):
            sql = _COLUMN_CHECKS[check].format(column_name(column, "column_mapping"))
            rows = where_of(self.partition_clause, wanted.get("partition_clause"))
            by_rows.setdefault(rows, []).append(f"{sql} AS check_{number}")
        if not by_rows:
            raise ConfigurationError("column_mapping is empty: name a column and a check")
        source = self.source(project)
        parts = [f"(SELECT {', '.join(each)} FROM {source}{rows})" for rows, each in by_rows.items()]  # noqa: S608 - names are checked
        self.sql = f"SELECT * FROM {', '.join(parts)}"  # noqa: S608 - as above
        return self.sql

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the checks whose results are not as they should be."""
        lines = []
        for number, (column, check, wanted) in enumerate(self._checks()):
            value = rows[0][f"check_{number}"]
            compared = 0 if value is None and self.accept_none else value
            if any(not _holds(compared, name, wanted) for name in _COMPARISONS if name in wanted):
                lines.append(f"{column}: {check} is {value_text(value)}: expected {_expected(wanted)}")
        return lines

    def _checks(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Return column, check and what is wanted of it.

        :raises ConfigurationError: there is no such check, or nothing that its result is compared with.
        """
        for column, checks in _mapping(self.column_mapping, "column_mapping").items():
            for check, wanted in _mapping(checks, f"column_mapping: {column}").items():
                if check not in _COLUMN_CHECKS:
                    raise ConfigurationError(
                        f"column_mapping: {shown(check, 80)!r} of {shown(column, 80)} is not a check: give "
                        f"one of {', '.join(_COLUMN_CHECKS)}"
                    )
                if not _COMPARISONS.keys() & _mapping(wanted, f"column_mapping: {column}: {check}").keys():
                    raise ConfigurationError(
                        f"column_mapping: {shown(column, 80)}: {check} is compared with nothing: give one of "
                        f"{', '.join(_COMPARISONS)}"
                    )
                share_of(wanted.get("tolerance"))
                yield column, check, wanted


class BigQueryTableCheckOperator(TableChecking):
    """Fail unless a table satisfies conditions.

    :param checks: By name a condition that holds of the table, such as ``COUNT(*) > 10``, or of each of its
        rows: ``{"sums": {"check_statement": "a + b = c"}}``; beside it may be a ``partition_clause``.
    :param accept_none: Let a condition pass that no row was there for.
    """

    template_fields = ("checks", *TableChecking.template_fields)

    def __init__(
        self, *, checks: Mapping[str, Mapping[str, Any]], accept_none: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.checks = checks
        self.accept_none = accept_none

    def query(self, project: str) -> str:
        """Return the SQL: one row with a column for each condition."""
        source = self.source(project)
        parts = []
        for number, (name, check) in enumerate(_mapping(self.checks, "checks").items()):
            if not (condition := _mapping(check, f"checks: {name}").get("check_statement")):
                raise ConfigurationError(f"checks: {shown(name, 80)} has no check_statement")
            rows = where_of(self.partition_clause, check.get("partition_clause"))
            each = f"SELECT CASE WHEN ({condition}) THEN 1 ELSE 0 END AS passed FROM {source}{rows}"  # noqa: S608 - names are checked
            parts.append(f"(SELECT MIN(passed) FROM ({each})) AS check_{number}")  # noqa: S608 - as above
        if not parts:
            raise ConfigurationError("checks is empty: name a condition")
        self.sql = f"SELECT {', '.join(parts)}"
        return self.sql

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the conditions that do not hold."""
        lines = []
        for number, (name, check) in enumerate(self.checks.items()):
            value = rows[0][f"check_{number}"]
            if value is None and not self.accept_none:
                lines.append(f"{name}: there are no rows for {check['check_statement']}")
            elif value == 0:
                lines.append(f"{name}: {check['check_statement']} does not hold")
        return lines


def _mapping(value: Any, parameter: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{shown(parameter, 200)} is a {type(value).__name__}: a mapping is needed")
    return value


def _holds(value: Any, comparison: str, wanted: Mapping[str, Any]) -> bool:
    share, (side, _, compare) = share_of(wanted.get("tolerance")), _COMPARISONS[comparison]
    try:
        expected = _like(value, wanted[comparison])
        if share is None:
            return compare(value, expected)
        margin = abs(expected) * _like(expected, share)
        if side:
            return compare(value, expected + side * margin)
        return bool(expected - margin <= value <= expected + margin)
    except (TypeError, ValueError, ArithmeticError):  # NULL, or text and a number
        return False


def _like(value: Any, bound: Any) -> Any:
    """Return a bound as what is compared with it: a template makes text, and a float 0.1 is not a NUMERIC's.

    :raises ValueError: it is not one.
    :raises ArithmeticError: it is not a NUMERIC.
    """
    if isinstance(value, Decimal):
        return Decimal(str(bound))
    if not isinstance(bound, str):
        return bound
    if isinstance(value, int | float):
        return float(bound) if isinstance(value, float) else Decimal(bound)
    if isinstance(value, dt.datetime):
        read = dt.datetime.fromisoformat(bound)
        return read.replace(tzinfo=dt.UTC) if value.tzinfo and not read.tzinfo else read
    return type(value).fromisoformat(bound) if isinstance(value, dt.date | dt.time) else bound


def _expected(wanted: Mapping[str, Any]) -> str:
    parts = [f"{_COMPARISONS[name][1]} {value_text(wanted[name])}" for name in _COMPARISONS if name in wanted]
    share = share_of(wanted.get("tolerance"))
    return f"{' and '.join(parts)}{'' if share is None else f' within {share:.1%}'}"
