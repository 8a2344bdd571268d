"""Query jobs, real and dry.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.ddl import run_ddl
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import parse, split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import (
    QueryContext,
    make_plan,
    result_fields,
    statement_kind,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.script import is_script, run_script
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import (
    StatementResult,
    plan_statistics,
    run_dml,
    run_select,
)
from airflow_provider_jobs.sandbox.bigquery.engine.types import schema_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

_REFUSED = (
    "tableDefinitions", "userDefinedFunctionResources", "continuous",
)  # fmt: skip


def run_query(context: QueryContext, configuration: Mapping[str, Any]) -> Outcome:
    """Run a query job.

    :raises JobProblem: with the children of a script as far as they got.
    """
    _refuse_ignored(context)
    context.read_parameters()
    statements = split(context.script)
    if is_script(statements):
        return run_script(context, configuration, statements, run_statement)
    result, statistics = run_statement(context, statements[0], parse(statements[0]))
    return Outcome(with_destination(configuration, result.destination), statistics)


def _refuse_ignored(context: QueryContext) -> None:
    """Refuse what would change the result and is not there, and what no query has."""
    for name in _REFUSED:
        if context.query.get(name):
            raise JobProblem("invalid", f"{name} is not supported by the sandbox")
    priority = context.query.get("priority") or "INTERACTIVE"
    if priority not in {"INTERACTIVE", "BATCH"}:
        raise JobProblem("invalid", f"Invalid value for priority: {priority} is not a valid value")


def run_statement(
    context: QueryContext, statement: Statement, tree: exp.Expression
) -> tuple[StatementResult, dict[str, Any]]:
    """Run one statement; give what it did and the job statistics of it."""
    started = time.perf_counter()
    kind = statement_kind(tree)
    try:
        if kind == "SELECT":
            result = run_select(context, statement, tree)
        elif kind:
            result = run_dml(context, statement, tree)
        else:
            result = run_ddl(context, statement, tree)
    except JobProblem as problem:
        if kind:
            problem.statistics.setdefault("query", {"statementType": kind})
        raise
    slot_milliseconds = str(max(1, round((time.perf_counter() - started) * 1000)))
    if result.statistics["cacheHit"]:
        slot_milliseconds = "0"
    statistics = {
        "totalBytesProcessed": result.statistics["totalBytesProcessed"],
        "totalSlotMs": slot_milliseconds,
        "query": {**result.statistics, "totalSlotMs": slot_milliseconds},
    }
    return result, statistics


def with_destination(configuration: Mapping[str, Any], table: TableId | None) -> dict[str, Any]:
    """Give the configuration with the table that holds the result."""
    if table is None:
        return dict(configuration)
    query = {**configuration["query"], "destinationTable": table.reference}
    return {**configuration, "query": query}


def dry_run(context: QueryContext, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Check a query and tell what it would read; nothing is written.

    :raises JobProblem: the query would not run.
    """
    _refuse_ignored(context)
    context.read_parameters()
    statements = split(context.script)
    trees = [parse(statement) for statement in statements]
    if is_script(statements):
        statistics = {
            "statementType": "SCRIPT",
            "cacheHit": False,
            "totalBytesProcessed": "0",
            "totalBytesBilled": "0",
        }
    else:
        with context.session.transaction():
            statistics = _dry_statement(context, statements[0], trees[0])
    statistics["totalBytesProcessedAccuracy"] = "PRECISE"
    return {
        "configuration": dict(configuration),
        "statistics": {"totalBytesProcessed": statistics["totalBytesProcessed"], "query": statistics},
    }


def _dry_statement(context: QueryContext, statement: Statement, tree: exp.Expression) -> dict[str, Any]:
    kind = statement_kind(tree)
    body = tree if kind else tree.args.get("expression")
    if not isinstance(body, exp.Expression):
        return {"statementType": "", "cacheHit": False, "totalBytesProcessed": "0", "totalBytesBilled": "0"}
    plan = make_plan(context, statement, body)
    context.check_billed(plan.processed)
    statistics = {**plan_statistics(plan), "totalBytesBilled": "0"}
    if plan.kind == "SELECT":
        statistics["schema"] = schema_resource(result_fields(context, plan))
    else:
        with duck_errors(statement, plan.tree):
            context.session.rows(f"EXPLAIN {plan.sql}")
    if not kind:
        statistics["statementType"] = f"CREATE_{tree.args['kind'].upper()}"
        if tree.args["kind"].upper() == "TABLE":
            statistics["statementType"] += "_AS_SELECT"
    return statistics
