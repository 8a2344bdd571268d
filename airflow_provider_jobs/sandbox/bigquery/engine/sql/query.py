"""Query jobs, real and dry.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.ddl import run_ddl
from airflow_provider_jobs.sandbox.bigquery.engine.sql.dml import run_dml
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parameters import read_parameters
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan, statement_kind
from airflow_provider_jobs.sandbox.bigquery.engine.sql.script import is_script, run_script
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import (
    StatementResult,
    plan_statistics,
    remembered,
    run_select,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.variables import error_parameters
from airflow_provider_jobs.sandbox.bigquery.engine.types import schema_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

_REFUSED = ("tableDefinitions", "userDefinedFunctionResources", "continuous")


def run_query(context: QueryContext, configuration: Mapping[str, Any]) -> Outcome:
    """Run a query job.

    :raises JobProblem: with the children of a script as far as they got.
    """
    _refuse_ignored(context)
    started = time.perf_counter()
    before = remembered(context)
    if before is not None:
        return Outcome(with_destination(configuration, before.destination), _job_statistics(before, started))
    statements = _read(context)
    if is_script(statements):
        return run_script(context, configuration, statements, run_statement)
    result, statistics = run_statement(context, statements[0])
    return Outcome(with_destination(configuration, result.destination), statistics)


def _read(context: QueryContext) -> list[Statement]:
    """Read the script and its parameters."""
    with context.instance() as instance:
        given = read_parameters(instance, context.query.get("queryParameters") or [])
        context.parameters = {**given, **error_parameters()}
        return split(instance, context.script)


def _refuse_ignored(context: QueryContext) -> None:
    """Refuse what would change the result and is not there, and what no query has."""
    for name in _REFUSED:
        if context.query.get(name):
            raise JobProblem("invalid", f"{name} is not supported by the sandbox")
    priority = context.query.get("priority") or "INTERACTIVE"
    if priority not in {"INTERACTIVE", "BATCH"}:
        raise JobProblem("invalid", f"Invalid value for priority: {priority} is not a valid value")


def run_statement(context: QueryContext, statement: Statement) -> tuple[StatementResult, dict[str, Any]]:
    """Run one statement; give what it did and the job statistics of it."""
    started = time.perf_counter()
    what = statement_kind(statement)
    try:
        if what == "SELECT":
            result = run_select(context, statement)
        elif what:
            result = run_dml(context, statement)
        else:
            result = run_ddl(context, statement)
    except JobProblem as problem:
        if what:
            problem.statistics.setdefault("query", {"statementType": what})
        raise
    return result, _job_statistics(result, started)


def _job_statistics(result: StatementResult, started: float) -> dict[str, Any]:
    slot_milliseconds = str(max(1, round((time.perf_counter() - started) * 1000)))
    if result.statistics["cacheHit"]:
        slot_milliseconds = "0"
    return {
        "totalBytesProcessed": result.statistics["totalBytesProcessed"],
        "totalSlotMs": slot_milliseconds,
        "query": {**result.statistics, "totalSlotMs": slot_milliseconds},
    }


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
    statements = _read(context)
    if is_script(statements):
        statistics = {
            "statementType": "SCRIPT",
            "cacheHit": False,
            "totalBytesProcessed": "0",
            "totalBytesBilled": "0",
        }
    else:
        with context.session.transaction():
            statistics = _dry_statement(context, statements[0])
    statistics["totalBytesProcessedAccuracy"] = "PRECISE"
    return {
        "configuration": dict(configuration),
        "statistics": {"totalBytesProcessed": statistics["totalBytesProcessed"], "query": statistics},
    }


def _dry_statement(context: QueryContext, statement: Statement) -> dict[str, Any]:
    what, body = statement_kind(statement), statement
    if not what:
        query = getattr(statement.node, "query", None) if has(statement.node, "query") else None
        if query is None:
            return {
                "statementType": "",
                "cacheHit": False,
                "totalBytesProcessed": "0",
                "totalBytesBilled": "0",
            }
        body = statement.inner(query)
    plan = make_plan(context, body)
    context.check_billed(plan.processed)
    statistics = {**plan_statistics(plan), "totalBytesBilled": "0"}
    if plan.kind == "SELECT" and plan.analysis is not None:
        statistics["schema"] = schema_resource(plan.analysis.fields)
    if not what:
        kinds = {"CreateTableStatement": "CREATE_TABLE_AS_SELECT", "CreateViewStatement": "CREATE_VIEW"}
        statistics["statementType"] = kinds.get(kind(statement.node), "")
    return statistics
