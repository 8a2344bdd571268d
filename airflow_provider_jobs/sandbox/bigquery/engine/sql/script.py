"""Scripts: several statements in one job, each of them a child job; and what decides which of them run.

https://cloud.google.com/bigquery/docs/multi-statement-queries
https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, ChildJob, JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query, position
from airflow_provider_jobs.sandbox.bigquery.engine.sql.transactions import Transaction
from airflow_provider_jobs.sandbox.bigquery.engine.sql.variables import (
    BOOL,
    STRING,
    assign,
    error_parameters,
    first_equal,
    records_of,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import StatementResult

    RunStatement = Callable[[QueryContext, Statement], tuple[StatementResult, dict[str, Any]]]

_ASSIGNMENTS = {"VariableDeclaration", "SingleAssignment", "AssignmentFromStruct"}


def is_script(statements: Sequence[Statement]) -> bool:
    """Whether BigQuery runs these statements as child jobs."""
    return len(statements) > 1 or kind(statements[0].node) in {*_ASSIGNMENTS, *_STEPS}


def run_script(
    context: QueryContext,
    configuration: Mapping[str, Any],
    statements: Sequence[Statement],
    run_statement: RunStatement,
) -> Outcome:
    """Run the statements in order; the result of the last SELECT is the script's.

    :raises JobProblem: a statement failed; the earlier ones stay done, but for those of an open transaction.
    """
    if context.query.get("destinationTable"):
        message = "configuration.query.destinationTable cannot be set for scripts"
        raise JobProblem("invalid", message)
    script = _Script(context, configuration, run_statement)
    try:
        script.run(statements)
        script.transaction.end()
    except _Return:
        script.transaction.end()
    except JobProblem as problem:
        script.transaction.abandon()
        raise script.failed(problem) from problem
    return Outcome(
        {**configuration, "query": script.query}, _totals(script.children), children=script.children
    )


class _Leave(Exception):
    """BREAK or LEAVE: out of the loop, or the block, of that label."""


class _Iterate(Exception):
    """CONTINUE or ITERATE: to the next round of the loop of that label."""


class _Return(Exception):
    """RETURN: out of the script."""


@dataclass
class _Script:
    """A script under way."""

    context: QueryContext
    configuration: Mapping[str, Any]
    run_statement: RunStatement
    children: list[ChildJob] = field(default_factory=list)
    handled: list[JobProblem] = field(
        default_factory=list
    )  # by the exception handlers that run, innermost last

    def __post_init__(self) -> None:
        self.query = dict(self.configuration["query"])
        self.transaction = Transaction(self.context)
        self._last_text = ""  # of the statement that failed last

    def run(self, statements: Sequence[Statement]) -> None:
        """Run statements one after another.

        :raises JobProblem: one failed, and no handler in them takes it.
        """
        for statement in statements:
            self.context.session.check()
            step = _STEPS.get(kind(statement.node))
            if step is not None:
                step(self, statement)
            elif kind(statement.node) in _ASSIGNMENTS:
                self.tried(statement, partial(assign, self.context, statement))
            else:
                self._execute(statement)

    def body(self, statement: Statement, block: Any) -> None:
        """Run the statements that one has in it."""
        self.run([statement.inner(leaf(node)) for node in block.statement_list])

    def is_true(self, statement: Statement, condition: Any) -> bool:
        """Whether a condition holds; NULL does not."""
        value = self.tried(statement, lambda: value_of(self.context, statement, condition, BOOL))
        return bool(value.bool_value)

    def tried(self, statement: Statement, work: Callable[[], Any], *, changes: bool = False) -> Any:
        """Do a part of the script that may fail; then it is the last child.

        :param changes: whether it may have changed something until it failed.
        """
        try:
            return work()
        except ApiError as error:
            problem = JobProblem(error.reason, error.message)
            problem.__cause__ = error
        except JobProblem as error:
            problem = error
        child = {**self.configuration, "query": {**self.configuration["query"], "query": statement.text}}
        statistics = {**problem.statistics, **_frames(statement)}
        self.children.append(ChildJob(child, statistics, problem.error_result, problem.errors))
        self._last_text = statement.text
        self.transaction.failed(changes=changes)
        raise problem

    def _execute(self, statement: Statement) -> None:
        changes = self.transaction.check(statement)
        result, statistics = self.tried(
            statement, lambda: self.run_statement(self.context, statement), changes=changes
        )
        child = {**self.configuration["query"], "query": statement.text}
        if result.destination is not None:
            child["destinationTable"] = result.destination.reference
            if result.kind == "SELECT":
                self.query["destinationTable"] = result.destination.reference
        self.add(statement, statistics, child)

    def add(self, statement: Statement, statistics: dict[str, Any], query: dict[str, Any]) -> None:
        """Note an executed statement."""
        more = {**self.transaction.statistics, **_frames(statement)}
        self.children.append(ChildJob({**self.configuration, "query": query}, {**statistics, **more}))

    def handle(self, statement: Statement, handler: Any, problem: JobProblem) -> None:
        """Run an exception handler; the statements in it can ask for the error."""
        before = self.context.parameters
        self.context.parameters = {**before, **error_parameters(problem.message, self._last_text)}
        self.handled.append(problem)
        try:
            self.body(statement, handler.statement_list)
        finally:
            self.handled.pop()
            self.context.parameters = before

    def failed(self, problem: JobProblem) -> JobProblem:
        """Give the error of the script: that of its last statement."""
        return JobProblem(
            problem.reason,
            problem.message,
            problem.error_result.get("location", ""),
            errors=problem.errors[1:],
            statistics=_totals(self.children),
            children=self.children,
        )


def _label(node: Any) -> str:
    return str(part(node, "label").name.id_string).lower() if has(node, "label") else ""


def _if(script: _Script, statement: Statement) -> None:
    node = statement.node
    if script.is_true(statement, node.condition):
        return script.body(statement, node.then_list)
    for each in node.elseif_clauses.elseif_clauses:
        if script.is_true(statement, each.condition):
            return script.body(statement, each.body)
    return script.body(statement, node.else_list)


def _case(script: _Script, statement: Statement) -> None:
    node = statement.node
    clauses = node.when_then_clauses.when_then_clauses
    if node.HasField("expression"):
        index = script.tried(statement, lambda: first_equal(script.context, statement))
    else:
        holds = (n for n, each in enumerate(clauses) if script.is_true(statement, each.condition))
        index = next(holds, -1)
    script.body(statement, node.else_list if index < 0 else clauses[index].body)


def _once(script: _Script, statement: Statement) -> bool:
    """Run the body of a loop; tell whether the loop goes on."""
    mine = ("", _label(statement.node))
    try:
        script.context.session.check()
        script.body(statement, part(statement.node, "body"))
    except _Leave as signal:
        if signal.args[0] not in mine:
            raise
        return False
    except _Iterate as signal:
        if signal.args[0] not in mine:
            raise
    return True


def _while(script: _Script, statement: Statement) -> None:
    """Run WHILE, or LOOP, which has no condition."""
    node = statement.node
    while not node.HasField("condition") or script.is_true(statement, node.condition):
        if not _once(script, statement):
            return


def _repeat(script: _Script, statement: Statement) -> None:
    while _once(script, statement):
        if script.is_true(statement, statement.node.until_clause.condition):
            return


def _for(script: _Script, statement: Statement) -> None:
    node, variables = statement.node, script.context.variables
    query = statement.inner(node.query)
    name = node.variable.id_string.lower()
    for value in script.tried(statement, lambda: records_of(script.context, query)):
        variables[name] = value
        if not _once(script, statement):
            break
    variables.pop(name, None)


def _begin_end(script: _Script, statement: Statement) -> None:
    node, variables = statement.node, script.context.variables
    before = set(variables)
    problem = None
    try:
        script.body(statement, node.statement_list_node)
    except _Leave as signal:
        if not signal.args[0] or signal.args[0] != _label(node):
            raise
    except JobProblem as error:
        if not node.HasField("handler_list") or _is_fatal(error):
            raise
        problem = error
    finally:
        for name in set(variables) - before:
            del variables[name]
    if problem is not None:
        script.handle(statement, node.handler_list.exception_handler_list[0], problem)


def _is_fatal(problem: JobProblem) -> bool:
    """Whether no handler may take it: a cancel, and what only the sandbox cannot do."""
    return problem.reason in {"stopped", "internalError"} or "sandbox" in problem.message


def _raise(script: _Script, statement: Statement) -> None:
    if not statement.node.HasField("message"):
        if not script.handled:
            raise invalid_query("Cannot re-raise an existing exception outside of an exception handler")
        raise script.handled[-1]

    def fail() -> None:
        value = value_of(script.context, statement, statement.node.message, STRING)
        raise invalid_query(value.string_value)

    script.tried(statement, fail)


def _leave(_script: _Script, statement: Statement) -> None:
    raise _Leave(_label(statement.node))


def _iterate(_script: _Script, statement: Statement) -> None:
    raise _Iterate(_label(statement.node))


def _return(_script: _Script, _statement: Statement) -> None:
    raise _Return


def _control(script: _Script, statement: Statement) -> None:
    """Begin or end a transaction."""
    name = script.tried(statement, lambda: script.transaction.control(kind(statement.node)))
    statistics = {"query": {"statementType": name, "totalBytesProcessed": "0", "totalBytesBilled": "0"}}
    script.add(statement, statistics, {**script.configuration["query"], "query": statement.text})


_STEPS: dict[str, Callable[[_Script, Statement], None]] = {
    "BeginEndBlock": _begin_end,
    "BeginStatement": _control,
    "BreakStatement": _leave,
    "CaseStatement": _case,
    "CommitStatement": _control,
    "ContinueStatement": _iterate,
    "ForInStatement": _for,
    "IfStatement": _if,
    "RaiseStatement": _raise,
    "RepeatStatement": _repeat,
    "ReturnStatement": _return,
    "RollbackStatement": _control,
    "WhileStatement": _while,
}


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
