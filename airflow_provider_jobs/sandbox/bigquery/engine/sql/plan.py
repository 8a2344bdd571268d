"""One statement of a query job, looked up and analyzed, before anything of it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, walk
from airflow_provider_jobs.sandbox.bigquery.engine.sql.analysis import Analysis, analyze
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Edit
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

_KINDS = {
    "QueryStatement": "SELECT", "Query": "SELECT", "InsertStatement": "INSERT", "UpdateStatement": "UPDATE",
    "DeleteStatement": "DELETE", "MergeStatement": "MERGE",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A statement that can run: a query, or one that changes the rows of a table."""

    written: Written
    kind: str
    text: str  # the statement, or a query made of its parts, with the tables' names
    targets: tuple[Field, ...]  # the columns that the result is for, if any
    coerced: tuple[Field, ...]  # the same, if the query's types are others
    analysis: Analysis | None  # of a query without tables there is none: running it says as much
    processed: int

    @property
    def rows(self) -> int:
        """How many rows the tables have that it reads."""
        return sum(self.written.tables[name].rows for name in (self.analysis.read if self.analysis else ()))

    def cache_key(self, context: QueryContext) -> str:
        """Give what the result is remembered by; nothing if the same text may give other rows."""
        return "" if self.written.volatile else context.cache_key(self.written.statement.text)


def statement_kind(statement: Statement) -> str:
    """Give the ``statementType`` of a query or a DML statement, else an empty text."""
    return _KINDS.get(kind(statement.node), "")


def make_plan(
    context: QueryContext, statement: Statement, targets: tuple[Field, ...] = (), *, always: bool = True
) -> Plan:
    """Look the tables of a statement up and let Google's analyzer check it; nothing runs yet.

    :param always: whether to analyze also a query of which running it says as much.
    :raises JobProblem: the statement is not valid.
    """
    with context.instance() as instance:
        written = context.tables.write(instance, statement)
        text = written.text
        analysis = None
        if always or written.tables or any(kind(each) == "SelectAs" for each in walk(statement.node)):
            analysis = analyze(context, instance, written, text)
        coerced: tuple[Field, ...] = ()
        if targets and analysis is not None and _types(analysis.fields) != _types(targets):
            # The analyzer coerces what a plain SELECT gives.
            text = text if _is_plain(statement) else f"SELECT * FROM ({text}\n)"  # noqa: S608
            coerced = targets
            analysis = analyze(context, instance, written, text, coerced)
    processed = processed_bytes(written, analysis)
    return Plan(written, statement_kind(statement), text, targets, coerced, analysis, processed)


def _types(fields: Sequence[Field]) -> list[Any]:
    """Give what has to be the same; of a record, the names of its fields, too: DuckDB finds these by them."""
    return [
        (each.type, each.repeated, [part.name for part in each.fields], _types(each.fields))
        for each in fields
    ]


def _is_plain(statement: Statement) -> bool:
    node = statement.node
    if statement.is_expression:
        return True
    query = node.query if has(node, "query") else node
    more = any(has(query, each) for each in ("with_clause", "order_by", "limit_offset"))
    return kind(leaf(query.query_expr)) == "Select" and not more


def analyzed(context: QueryContext, statement: Statement) -> Any:
    """Give the analyzer's tree of a statement that is not planned.

    :raises JobProblem: it is not valid.
    """
    with context.instance() as instance:
        written = context.tables.write(instance, statement)
        return analyze(context, instance, written, written.text).resolved


def type_written(context: QueryContext, statement: Statement) -> Any:
    """Give the ``TypeProto`` of a type that is written in a statement.

    :raises JobProblem: there is no such type.
    """
    size = len(statement.text.encode())
    edits = [Edit(0, 0, "SELECT CAST(NULL AS "), Edit(size, size, ")")]
    written = Written(statement, edits, {}, None, volatile=False)
    with context.instance() as instance:
        analysis = analyze(context, instance, written, written.text)
    return analysis.resolved.output_column_list[0].column.type


def processed_bytes(written: Written, analysis: Analysis | None) -> int:
    """Give the size of the columns that a statement reads."""
    read = analysis.read if analysis is not None else {}
    return sum(
        written.tables[name].column_bytes.get(column, 0)
        for name, columns in read.items()
        for column in columns
    )
