"""Scripts: several statements in one job, each of them a child job.

https://cloud.google.com/bigquery/docs/multi-statement-queries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, ChildJob, JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import parse
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query, position
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan, result_fields
from airflow_provider_jobs.sandbox.bigquery.engine.types import duck_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import StatementResult

    RunStatement = Callable[[QueryContext, Statement, exp.Expression], tuple[StatementResult, dict[str, Any]]]

_NO_JOB = ("DECLARE", "SET")


def is_script(statements: Sequence[Statement]) -> bool:
    """Whether BigQuery runs these statements as child jobs."""
    return len(statements) > 1 or statements[0].keyword in {*_NO_JOB, "BEGIN", "COMMIT", "ROLLBACK"}


def run_script(
    context: QueryContext,
    configuration: Mapping[str, Any],
    statements: Sequence[Statement],
    run_statement: RunStatement,
) -> Outcome:
    """Run the statements in order; the result of the last SELECT is the script's.

    :raises JobProblem: a statement failed; the earlier ones stay done.
    """
    if context.query.get("destinationTable"):
        message = "configuration.query.destinationTable cannot be set for scripts"
        raise JobProblem("invalid", message)
    trees = [parse(statement) for statement in statements]
    children: list[ChildJob] = []
    query = dict(configuration["query"])
    for statement, tree in zip(statements, trees, strict=True):
        try:
            if statement.keyword in _NO_JOB:
                _assign(context, statement, tree)
                continue
            if isinstance(tree, exp.Transaction | exp.Commit | exp.Rollback):
                where = at(statement.script, statement.start)
                raise invalid_query(f"Transactions are not supported by the sandbox{where}")
            result, statistics = run_statement(context, statement, tree)
        except ApiError as error:
            raise _failed(
                statement, JobProblem(error.reason, error.message), configuration, children
            ) from error
        except JobProblem as problem:
            raise _failed(statement, problem, configuration, children) from problem
        child = {**query, "query": statement.text}
        if result.destination is not None:
            child["destinationTable"] = result.destination.reference
            if result.kind == "SELECT":
                query["destinationTable"] = result.destination.reference
        children.append(ChildJob({**configuration, "query": child}, {**statistics, **_frames(statement)}))
    return Outcome({**configuration, "query": query}, _totals(children), children=children)


def _failed(
    statement: Statement,
    problem: JobProblem,
    configuration: Mapping[str, Any],
    children: list[ChildJob],
) -> JobProblem:
    """Give the error of the script: that of its statement, which is the last child."""
    child = {**configuration, "query": {**configuration["query"], "query": statement.text}}
    statistics = {**problem.statistics, **_frames(statement)}
    children.append(ChildJob(child, statistics, problem.error_result, problem.errors))
    location = problem.error_result.get("location", "")
    return JobProblem(
        problem.reason,
        problem.message,
        location,
        errors=problem.errors[1:],
        statistics=_totals(children),
        children=children,
    )


def _frames(statement: Statement) -> dict[str, Any]:
    start_line, start_column = position(statement.script, statement.start)
    end_line, end_column = position(statement.script, statement.end)
    frame = {
        "startLine": start_line, "startColumn": start_column, "endLine": end_line, "endColumn": end_column,
        "text": statement.text,
    }  # fmt: skip
    return {"scriptStatistics": {"evaluationKind": "STATEMENT", "stackFrames": [frame]}}


def _totals(children: Sequence[ChildJob]) -> dict[str, Any]:
    def total(*path: str) -> str:
        return str(sum(int(_dig(child.statistics, path)) for child in children))

    processed, slot = total("totalBytesProcessed"), total("totalSlotMs")
    return {
        "numChildJobs": str(len(children)),
        "totalBytesProcessed": processed,
        "totalSlotMs": slot,
        "query": {
            "statementType": "SCRIPT",
            "cacheHit": False,
            "totalBytesProcessed": processed,
            "totalBytesBilled": total("query", "totalBytesBilled"),
            "totalSlotMs": slot,
        },
    }


def _dig(statistics: Any, path: Sequence[str]) -> str:
    for key in path:
        statistics = statistics.get(key) if isinstance(statistics, dict) else None
    return str(statistics or 0)


def _assign(context: QueryContext, statement: Statement, tree: exp.Expression) -> None:
    """DECLARE or SET: evaluate now, remember the value."""
    if isinstance(tree, exp.Declare):
        for item in tree.expressions:
            value = item.args.get("default") or exp.Null()
            kind = item.args.get("kind")
            stored = _evaluated(context, statement, exp.cast(value.copy(), kind.copy()) if kind else value)
            for name in item.this if isinstance(item.this, list) else [item.this]:
                context.variables[name.name.lower()] = stored
        return
    for item in tree.expressions:
        names, values = item.this.this, item.this.expression
        pairs = [(names, values)]
        if isinstance(names, exp.Tuple) and isinstance(values, exp.Tuple):
            pairs = list(zip(names.expressions, values.expressions, strict=True))
        for name, value in pairs:
            if name.name.lower() not in context.variables:
                raise invalid_query(
                    f"Undeclared variable: {name.name}" + at(statement.script, statement.start)
                )
            kind = context.variables[name.name.lower()].args.get("to")
            typed = exp.cast(value.copy(), kind.copy()) if kind else value
            context.variables[name.name.lower()] = _evaluated(context, statement, typed)


def _evaluated(context: QueryContext, statement: Statement, value: exp.Expression) -> exp.Expression:
    """Run an expression and give its value as a typed literal."""
    plan = make_plan(context, statement, exp.Select(expressions=[exp.alias_(value.copy(), "value")]))
    (each,) = result_fields(context, plan)
    with duck_errors(statement, plan.tree):
        ((text,),) = context.session.rows(f"SELECT CAST(value AS VARCHAR) FROM ({plan.sql})")  # noqa: S608
    literal: exp.Expression = exp.Null() if text is None else exp.Literal.string(text)
    return exp.Cast(this=literal, to=exp.DataType.build(duck_type(each), dialect="duckdb"))
