"""Checks of what a query gives: true, a value, much the same as some days ago."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery.configuration import query_parameters
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.bigquery.read import table_name
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.checking import (
    CheckingOperator,
    number_of,
    share_of,
    value_text,
)
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import JobRequest
    from airflow_provider_jobs.jobs import JobStatus


class BigQueryCheckOperator(CheckingOperator):
    """Fail unless every value in the first row of a query is true: neither false, 0, empty nor NULL.

    :param sql: The query, or a .sql file.
    :param query_params: The API's QueryParameters, or Python values: a mapping for ``@name``, a list for
        question marks.
    """

    template_fields = ("sql", "query_params", *BigQueryJobOperator.template_fields)
    template_ext: Sequence[str] = (".sql",)
    file_fields = ("sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        sql: str,
        query_params: Mapping[str, Any] | Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.query_params = query_params

    def query(self, project: str) -> str:
        """Return the SQL."""
        return self.sql

    def query_fields(self) -> dict[str, Any]:
        """Return the parameters."""
        return query_parameters(self.query_params)

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the columns of the first row that are not true."""
        return [f"{name} is {value_text(value)}" for name, value in rows[0].items() if not value]


class BigQueryValueCheckOperator(CheckingOperator):
    """Fail unless every value in the first row of a query is the one that is expected.

    :param sql: The query, or a .sql file.
    :param pass_value: The value; numbers are compared as numbers, all else as text.
    :param tolerance: The share by which a number may be off, such as 0.1.
    """

    template_fields = ("sql", "pass_value", *BigQueryJobOperator.template_fields)
    template_ext: Sequence[str] = (".sql",)
    file_fields = ("sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(self, *, sql: str, pass_value: Any, tolerance: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.pass_value = str(pass_value) if isinstance(pass_value, int | float) else pass_value
        self.tolerance = tolerance

    def query(self, project: str) -> str:
        """Return the SQL."""
        share_of(self.tolerance)
        return self.sql

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the columns of the first row that are something else."""
        share = share_of(self.tolerance) or 0.0
        expected = f"{value_text(self.pass_value)}{f' within {share:.1%}' if share else ''}"
        return [
            f"{name} is {value_text(value)}: expected {expected}"
            for name, value in rows[0].items()
            if not self._is_expected(value, share)
        ]

    def _is_expected(self, value: Any, share: float) -> bool:
        wanted = _number(self.pass_value)
        if wanted is None:
            return str(value) == str(self.pass_value)
        found, margin = _number(value), abs(wanted) * share
        return found is not None and wanted - margin <= found <= wanted + margin


class BigQueryIntervalCheckOperator(CheckingOperator):
    """Fail unless metrics of a table's day are much like those of some days before.

    Both days are in one query.

    :param table: The table, as :data:`.Table` has it.
    :param metrics_thresholds: SQL of a metric, such as ``COUNT(*)``, and what its ratio has to stay below.
    :param date_filter_column: The column, or SQL, that holds the day.
    :param days_back: How many days before; its sign does not matter.
    :param ratio_formula: ``max_over_min``, the larger by the smaller, or ``relative_diff``, the difference by
        the earlier one.
    :param ignore_zero: Let a metric pass that is 0 on one of the days.
    """

    template_fields = ("table", "metrics_thresholds", *BigQueryJobOperator.template_fields)
    can_begin_in_trigger = False
    takes_legacy_sql = False

    def __init__(
        self,
        *,
        table: str,
        metrics_thresholds: Mapping[str, float],
        date_filter_column: str = "ds",
        days_back: int = -7,
        ratio_formula: str = "max_over_min",
        ignore_zero: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if ratio_formula not in _RATIOS:
            raise ValueError(f"ratio_formula is {ratio_formula!r}: give one of {', '.join(_RATIOS)}")
        self.table = table
        self.metrics_thresholds = metrics_thresholds
        self.date_filter_column = date_filter_column
        self.days_back = -abs(int(days_back))
        self.ratio_formula = ratio_formula
        self.ignore_zero = ignore_zero
        #: The query of both days, once the task runs.
        self.sql: str | None = None
        self._day: dt.date | None = None

    def request(self, client: BigQueryClient, context: Context) -> JobRequest:
        """Return the work to submit: the day is that of the logical date, or of ``run_after`` without one."""
        self._day = _day_of(context)
        return super().request(client, context)

    def note_lineage(self, context: Context, statuses: Sequence[JobStatus], *, succeeded: bool) -> None:
        """Keep what was read; after a deferral nobody has asked for the day so far."""
        self._day = _day_of(context)
        super().note_lineage(context, statuses, succeeded=succeeded)

    def query(self, project: str) -> str:
        """Return the SQL of both days, the later one first."""
        if not self.metrics_thresholds or self._day is None:
            raise ConfigurationError("metrics_thresholds is empty: name a metric")
        for metric, threshold in self.metrics_thresholds.items():
            number_of(f"metrics_thresholds: {metric}", threshold)
        source = table_name(table_reference(self.table, self.project_id or project, "table", is_read=True))
        metrics = ", ".join(f"({metric}) AS metric_{number}" for number, metric in enumerate(self._metrics))
        days = [self._day, self._day + dt.timedelta(days=self.days_back)]
        parts = (
            f"SELECT {number} AS day_number, {metrics} FROM {source} "  # noqa: S608 - names are checked, metrics are SQL
            f"WHERE ({self.date_filter_column}) = '{day.isoformat()}'"
            for number, day in enumerate(days)
        )
        self.sql = f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY day_number"  # noqa: S608 - as above
        return self.sql

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the metrics that have changed too much."""
        days = {row["day_number"]: row for row in rows}
        if missing := {0, 1} - days.keys():
            return [f"there is no row of {'the day' if 0 in missing else f'{-self.days_back} days before'}"]
        lines = []
        for number, metric in enumerate(self._metrics):
            now, before = (days[day][f"metric_{number}"] for day in (0, 1))
            if wrong := self._wrong(now, before, float(self.metrics_thresholds[metric])):
                change = f"{value_text(before)} became {value_text(now)} in {-self.days_back} days"
                lines.append(f"{metric}: {change}: {wrong}")
        return lines

    @property
    def _metrics(self) -> list[str]:
        return sorted(self.metrics_thresholds)

    def _wrong(self, now: Any, before: Any, threshold: float) -> str | None:
        now, before = _number(now), _number(before)
        if now is None or before is None:
            return "it has to be a number on both"
        if not now or not before:
            return None if self.ignore_zero else "0 has no ratio, and ignore_zero is False"
        ratio = _RATIOS[self.ratio_formula](now, before)
        return (
            None if ratio < threshold else f"{self.ratio_formula} is {ratio:.6g}, and not below {threshold:g}"
        )


_RATIOS: dict[str, Callable[[float, float], float]] = {
    "max_over_min": lambda now, before: max(now, before) / min(now, before),
    "relative_diff": lambda now, before: abs(now - before) / before,
}


def _day_of(context: Context) -> dt.date:
    day = context.get("ds") or context["dag_run"].run_after.date().isoformat()
    return dt.date.fromisoformat(day)


def _number(value: Any) -> float | None:
    """Return a number, or the text of one, as a number; None of anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
