"""Which engine runs a statement: Google's evaluator on small input, DuckDB where it is known to be exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine.destination import stage, stage_texts
from airflow_provider_jobs.sandbox.bigquery.engine.sql.analysis import analyze
from airflow_provider_jobs.sandbox.bigquery.engine.sql.duck import NoTranslation, duck_sql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.evaluation import CannotEvaluate, evaluate
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.analysis import Analysis
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import Plan
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

SMALL_ROWS = 10_000  # read by a statement: handed to the evaluator in a quarter of a second
_VALUES_AT_ONCE = 2000  # of a VALUES clause
MOST_ROWS = 200_000  # that the evaluator takes where DuckDB cannot, in some ten seconds


def compute(context: QueryContext, plan: Plan, physical: str) -> tuple[Field, ...]:
    """Compute the rows of a query into a new DuckDB table; give its columns.

    :raises JobProblem: the query fails, or the sandbox cannot run it and says so.
    """
    if plan.rows <= SMALL_ROWS:
        try:
            return by_evaluator(context, plan, physical)
        except CannotEvaluate as error:
            return by_duckdb(context, plan, physical, str(error))
    if plan.rows <= MOST_ROWS:
        try:
            return by_duckdb(context, plan, physical, "")
        except NoTranslation:
            return _evaluate_at_last(context, plan, physical)
    return by_duckdb(context, plan, physical, f"read more than {MOST_ROWS:,} rows for this")


def compute_tuples(
    context: QueryContext, plan: Plan, rows: Sequence[Sequence[str]], fields: tuple[Field, ...], physical: str
) -> None:
    """Compute the rows of a VALUES clause, given as SQL, into a new DuckDB table."""
    columns: list[list[str | None]] = [[] for _ in fields]
    read = plan.analysis.read if plan.analysis is not None else {}
    at_once = max(1, _VALUES_AT_ONCE // max(1, len(fields)))
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        values = [value for row in some for value in row]
        text = "SELECT " + ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
        try:
            found = evaluate(context, plan.written, text, read, fields * len(some))
        except CannotEvaluate as error:
            raise unsupported(f"run this: {error}") from error
        for number, column in enumerate(columns):
            column += [each for (each,) in found.columns[number :: len(fields)]]
    with duck_errors():
        stage_texts(context.session, physical, fields, columns)


def by_evaluator(context: QueryContext, plan: Plan, physical: str) -> tuple[Field, ...]:
    """Let Google's evaluator run a query.

    :raises CannotEvaluate: it lacks something, or the query is too much for it.
    """
    read = plan.analysis.read if plan.analysis is not None else {}
    is_value_table = plan.analysis is not None and plan.analysis.is_value_table
    rows = evaluate(context, plan.written, plan.text, read, plan.coerced, is_value_table=is_value_table)
    fields = plan.targets or rows.fields
    with duck_errors():
        stage_texts(context.session, physical, fields, rows.columns)
    return fields


def _evaluate_at_last(context: QueryContext, plan: Plan, physical: str) -> tuple[Field, ...]:
    try:
        return by_evaluator(context, plan, physical)
    except CannotEvaluate as error:
        raise unsupported(f"run this: {error}") from error


def by_duckdb(context: QueryContext, plan: Plan, physical: str, otherwise: str) -> tuple[Field, ...]:
    """Let DuckDB run a query.

    :param otherwise: why nothing else can; empty: something can.
    :raises NoTranslation: DuckDB is not known to be exact, and something else can run it.
    """
    analysis = plan.analysis or _analyzed(context, plan)
    try:
        sql = duck_sql(analysis.resolved, plan.written.tables, {**context.variables, **context.parameters})
    except NoTranslation as error:
        if not otherwise:
            raise
        raise unsupported(f"run this ({error}): {otherwise}") from error
    fields = plan.targets or analysis.fields
    with duck_errors():
        stage(context.session, physical, fields, sql)
    return fields


def _analyzed(context: QueryContext, plan: Plan) -> Analysis:
    with context.instance() as instance:
        return analyze(context, instance, plan.written, plan.text, plan.coerced)
