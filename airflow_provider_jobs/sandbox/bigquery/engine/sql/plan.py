"""One statement of a query job, translated and looked up, before anything of it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId, check_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.clause_checks import check_clauses
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.legacy import to_googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parameters import bind, read_parameters
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Tables, columns_read
from airflow_provider_jobs.sandbox.bigquery.engine.sql.translate import name_columns, prepare, to_duck
from airflow_provider_jobs.sandbox.bigquery.engine.sql.type_checks import check_types
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, UnknownType, field_of

if TYPE_CHECKING:
    from collections.abc import Container

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.cache import ResultCache
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

_MEGABYTE = 1 << 20
# "With a minimum 10 MB data processed per query."
_MINIMUM_BILLED = 10 * _MEGABYTE

_KINDS: tuple[tuple[type[Any], str], ...] = (
    (exp.Query, "SELECT"),
    (exp.Insert, "INSERT"),
    (exp.Update, "UPDATE"),
    (exp.Delete, "DELETE"),
    (exp.Merge, "MERGE"),
)


@dataclass
class QueryContext:
    """What every statement of one query job shares."""

    store: Store
    session: Session
    cache: ResultCache
    project: str
    location: str
    query: dict[str, Any]  # configuration.query
    parameters: dict[str, exp.Expression] = field(default_factory=dict)
    variables: dict[str, exp.Expression] = field(default_factory=dict)
    temporary: dict[str, TableId] = field(default_factory=dict)

    @property
    def default_dataset(self) -> tuple[str, str] | None:
        """Project and dataset of table names without one."""
        given = self.query.get("defaultDataset")
        if not given:
            return None
        return given.get("projectId") or self.project, check_dataset(given.get("datasetId"))

    @property
    def script(self) -> str:
        """The SQL, in GoogleSQL's spelling."""
        sql = self.query.get("query")
        if not isinstance(sql, str) or not sql.strip():
            raise JobProblem("invalid", "Required parameter is missing: query")
        parameters = bool(self.query.get("queryParameters"))
        return to_googlesql(sql, self.query.get("useLegacySql"), parameters=parameters)

    def tables(self) -> Tables:
        """Start looking up the tables of one statement."""
        return Tables(self.session, self.project, self.location, self.default_dataset, self.temporary)

    def read_parameters(self) -> None:
        """Read the job's query parameters."""
        self.parameters = read_parameters(self.query.get("queryParameters") or [])

    def check_billed(self, processed: int) -> None:
        """Fail before anything runs if the job may not cost that much."""
        limit = int(self.query.get("maximumBytesBilled") or 0)
        needed = billed_bytes(processed)
        if limit and needed > limit:
            raise JobProblem(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {limit}. {needed} or higher required.",
            )


@dataclass(frozen=True)
class Plan:
    """A statement that DuckDB can run."""

    statement: Statement
    tree: exp.Expression
    kind: str
    sql: str
    tables: Tables
    processed: int

    def cache_key(self, context: QueryContext) -> str:
        """Give what the result is remembered by; nothing if the same text may give other rows."""
        if context.query.get("destinationTable") or context.variables or any(self.tree.find_all(*_VOLATILE)):
            return ""
        parts: list[Any] = [
            context.project, context.location, context.default_dataset, self.statement.text,
            context.query.get("queryParameters"),
        ]  # fmt: skip
        return json.dumps(parts, sort_keys=True)

    @property
    def versions(self) -> dict[TableId, str]:
        """The version of each table that it reads."""
        return {name: str(table.resource["etag"]) for name, table in self.tables.found.items()}


_VOLATILE = (
    exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime, exp.CurrentUser, exp.Rand,
    exp.Uuid, exp.TableSample,
)  # fmt: skip


def billed_bytes(processed: int) -> int:
    """Give the bytes that BigQuery would bill."""
    if processed == 0:
        return 0
    return max(_MINIMUM_BILLED, -(-processed // _MEGABYTE) * _MEGABYTE)


def statement_kind(tree: exp.Expression) -> str:
    """Give the ``statementType`` of a query or a DML statement, else an empty text."""
    return next((name for kind, name in _KINDS if isinstance(tree, kind)), "")


def make_plan(context: QueryContext, statement: Statement, tree: exp.Expression) -> Plan:
    """Translate one statement and look its tables up; nothing runs yet.

    :raises JobProblem: the statement is not valid.
    """
    original = tree.copy()
    tables = context.tables()
    tables.replace_all(tree, statement)
    columns = [each for table in tables.found.values() for each in table.fields]
    column_types: dict[str, set[str]] = {}
    for each in columns:
        column_types.setdefault(each.name.lower(), set()).add(each.type)
    changed = isinstance(original, exp.DML) and tables.get(tables.changed(original, statement))
    target = changed.fields if changed else ()
    check_clauses(original, statement, target)
    check_types(original, statement, columns, context.variables, target)
    bind(tree, statement, context.parameters, _visible(context.variables, tree, column_types))
    processed = _processed_bytes(tree, tables)
    kind = statement_kind(tree)
    if kind == "SELECT":
        _refuse_lists(tree)
        tree = name_columns(tree)
    tree = prepare(tree, statement, column_types)
    return Plan(statement, original, kind, to_duck(tree, statement), tables, processed)


def _visible(
    variables: dict[str, exp.Expression], tree: exp.Expression, columns: Container[str]
) -> dict[str, exp.Expression]:
    """Leave out the variables that a column of the query hides."""
    if not variables:
        return {}
    inner = {
        name.lower()
        for select in tree.find_all(exp.Select)
        if select is not tree
        for name in select.named_selects
    }
    for alias in tree.find_all(exp.TableAlias):
        inner |= {each.name.lower() for each in alias.columns}
    return {name: value for name, value in variables.items() if name not in columns and name not in inner}


def _refuse_lists(tree: exp.Expression) -> None:
    if any(not select.expressions for select in tree.find_all(exp.Select)):
        raise invalid_query("Syntax error: SELECT list must not be empty")
    names = [name.lower() for name in getattr(tree, "named_selects", []) if name and name != "*"]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        listed = ", ".join(twice)
        raise invalid_query(
            f"Duplicate column names in the result are not supported. Found duplicate(s): {listed}"
        )


def _processed_bytes(tree: exp.Expression, tables: Tables) -> int:
    read = columns_read(tree, tables)
    return sum(
        tables.found[name].column_bytes.get(column, 0) for name, columns in read.items() for column in columns
    )


def result_fields(context: QueryContext, plan: Plan) -> tuple[Field, ...]:
    """Give the schema of a SELECT without running it."""
    with duck_errors(plan.statement, plan.tree):
        relation = context.session.relation(plan.sql)
    try:
        fields = tuple(
            field_of(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)
        )
    except UnknownType as error:
        raise invalid_query(f"The result has a column that cannot be returned: {error}") from error
    names = [each.name.lower() for each in fields]
    if len(set(names)) != len(names):
        twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
        raise invalid_query(
            f"Duplicate column names in the result are not supported. Found duplicate(s): {twice}"
        )
    return fields
