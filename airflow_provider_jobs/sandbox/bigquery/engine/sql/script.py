"""Scripts: several statements in one job, each of them a child job.

https://cloud.google.com/bigquery/docs/multi-statement-queries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, number
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import kind, leaf
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import field_of, filler, type_of
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, ChildJob, JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import compute
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query, position
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan, type_written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import StatementResult

    RunStatement = Callable[[QueryContext, Statement], tuple[StatementResult, dict[str, Any]]]

_NO_JOB = {"VariableDeclaration", "SingleAssignment", "AssignmentFromStruct"}
_ALONE = {*_NO_JOB, "BeginStatement", "CommitStatement", "RollbackStatement", "BeginEndBlock"}


def is_script(statements: Sequence[Statement]) -> bool:
    """Whether BigQuery runs these statements as child jobs."""
    return len(statements) > 1 or kind(statements[0].node) in _ALONE


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
    children: list[ChildJob] = []
    query = dict(configuration["query"])
    for statement in statements:
        try:
            if kind(statement.node) in _NO_JOB:
                _assign(context, statement)
                continue
            result, statistics = run_statement(context, statement)
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


def _assign(context: QueryContext, statement: Statement) -> None:
    """DECLARE or SET: evaluate now, remember the value."""
    node = statement.node
    match kind(node):
        case "VariableDeclaration":
            _declare(context, statement)
        case "SingleAssignment":
            name = _declared(context, statement, node.variable)
            context.variables[name] = _value(
                context, statement, node.expression, [context.variables[name][0]]
            )
        case "AssignmentFromStruct":
            variables = [_declared(context, statement, each) for each in node.variables.identifier_list]
            types = [context.variables[name][0] for name in variables]
            whole = message("TypeProto")(type_kind=number("TypeKind", "TYPE_STRUCT"))
            for each in types:
                whole.struct_type.field.add(field_type=each)
            _, value = _value(context, statement, node.struct_expression, [whole])
            for name, each, part in zip(variables, types, value.struct_value.field, strict=True):
                context.variables[name] = each, part


def _declared(context: QueryContext, statement: Statement, variable: Any) -> str:
    name = str(variable.id_string).lower()
    if name not in context.variables:
        raise invalid_query(
            f"Undeclared variable: {variable.id_string}" + at(statement.script, statement.start)
        )
    return name


def _declare(context: QueryContext, statement: Statement) -> None:
    node = statement.node
    types = []
    if node.HasField("type"):
        types = [type_written(context, statement.inner(leaf(node.type)))]
    if node.HasField("default_value"):
        stored = _value(context, statement, node.default_value, types)
    else:
        stored = types[0], message("ValueProto")()
    for name in node.variable_list.identifier_list:
        context.variables[name.id_string.lower()] = stored


def _value(
    context: QueryContext, statement: Statement, expression: Any, types: Sequence[Any]
) -> tuple[Any, Any]:
    """Run an expression and give its value, of the type that is wanted, if any."""
    targets = tuple(field_of("value", each) for each in types)
    inner = statement.inner(leaf(expression), is_expression=True)
    physical = context.store.new_physical()
    with context.session.transaction():
        (each,) = compute(context, make_plan(context, inner, targets), physical)
        ((found,),) = context.session.rows(f"SELECT {select_list([each])} FROM {physical}")  # noqa: S608 - our name
        context.session.execute(f"DROP TABLE {physical}")
    value = message("ValueProto")()
    filler(each)(value, found)
    return (types[0] if types else type_of(each)), value
