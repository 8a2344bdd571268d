"""INSERT, UPDATE, DELETE, MERGE: queries made of the statement's parts tell which rows change, and how.

A row of the table is known by DuckDB's number of it, which stays the same until the transaction ends.
https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import save_table
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import names
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.analysis import ROW, analyze
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import compute, compute_tuples
from airflow_provider_jobs.sandbox.bigquery.engine.sql.column_rules import add_defaults, default_of, fit
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import Plan, make_plan
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import StatementResult, plan_statistics
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

_ROW_FIELD = Field(ROW, "INTEGER")
_THERE = "_sandbox_there"  # TRUE in each row of a MERGE's source
_COUNTS = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}


@dataclass
class _Changes:
    """DuckDB tables with what is to happen; of rows that change the first column is their number."""

    inserted: list[tuple[str, tuple[Field, ...]]] = field(default_factory=list)
    updated: list[tuple[str, tuple[Field, ...]]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def run_dml(context: QueryContext, statement: Statement) -> StatementResult:
    """Change the rows of one table, in one transaction."""
    if context.query.get("destinationTable"):
        raise JobProblem("invalid", "Cannot set destination table in jobs with DML statements")
    session = context.session
    path = leaf(statement.node.target_path)
    name = context.tables.name([each.id_string for each in path.names])
    with context.store.writing(session, name), session.transaction():
        plan = make_plan(context, statement)
        context.check_billed(plan.processed)
        table = plan.written.target
        if table is None:
            raise unsupported("change this: it is not a table")
        work = {"INSERT": _insert, "UPDATE": _update, "DELETE": _delete, "MERGE": _merge}[plan.kind]
        counts = _apply(context, table, work(context, plan, table))
        save_table(session, table)
    statistics = plan_statistics(plan)
    statistics["numDmlAffectedRows"] = str(sum(counts.values()))
    statistics["dmlStats"] = {_COUNTS[what]: str(count) for what, count in counts.items()}
    if plan.kind != "MERGE":
        statistics["dmlStats"] = {_COUNTS[plan.kind]: str(counts[plan.kind])}
    return StatementResult(plan.kind, statistics, name)


def _apply(context: QueryContext, table: StoredTable, changes: _Changes) -> dict[str, int]:
    """Make the changes; give how many rows each kind of them concerned.

    :raises JobProblem: a row is changed twice, or a required column would be NULL.
    """
    session = context.session
    touched = " UNION ALL ".join(
        f"SELECT {ROW} FROM {staged}"  # noqa: S608 - our names
        for staged in [*(staged for staged, _ in changes.updated), *changes.deleted]
    )
    if touched and session.rows(f"SELECT 1 FROM ({touched}) GROUP BY {ROW} HAVING count(*) > 1 LIMIT 1"):  # noqa: S608
        raise invalid_query("UPDATE/MERGE must match at most one source row for each target row")
    counts = dict.fromkeys(_COUNTS, 0)
    with duck_errors():
        for staged, fields in changes.updated:
            fit(context, staged, fields)
            sets = ", ".join(f"{quoted(each.name)} = s.{quoted(each.name)}" for each in fields[1:])
            sql = f"UPDATE {table.physical} SET {sets} FROM {staged} s WHERE {table.physical}.rowid = s.{ROW}"  # noqa: S608
            counts["UPDATE"] += session.rows(sql)[0][0]
        for staged in changes.deleted:
            sql = f"DELETE FROM {table.physical} WHERE rowid IN (SELECT {ROW} FROM {staged})"  # noqa: S608
            counts["DELETE"] += session.rows(sql)[0][0]
        for rows, fields in changes.inserted:
            staged, given = add_defaults(context, table, rows, fields)
            fit(context, staged, given)
            columns = ", ".join(quoted(each.name) for each in given)
            sql = f"INSERT INTO {table.physical} ({columns}) SELECT {columns} FROM {staged}"  # noqa: S608
            counts["INSERT"] += session.rows(sql)[0][0]
            session.execute(f"DROP TABLE {staged}")
        for staged in [*(staged for staged, _ in changes.updated), *changes.deleted]:
            session.execute(f"DROP TABLE {staged}")
    return counts


def _computed(context: QueryContext, plan: Plan, text: str, targets: tuple[Field, ...]) -> str:
    """Compute a query that is made of a statement's parts; give the DuckDB table of its rows."""
    with context.instance() as instance:
        try:
            analysis = analyze(context, instance, plan.written, text, targets)
        except JobProblem as problem:
            # The statement is valid: it is its parts that cannot stand like this.
            raise unsupported("run this form of the statement") from problem
    physical = context.store.new_physical()
    compute(context, Plan(plan.written, "SELECT", text, targets, targets, analysis, 0), physical)
    return physical


def _insert(context: QueryContext, plan: Plan, table: StoredTable) -> _Changes:
    node, written = plan.written.statement.node, plan.written
    fields = _named_fields(table, node)
    if node.HasField("query"):
        staged = context.store.new_physical()
        compute(context, make_plan(context, written.statement.inner(node.query), fields), staged)
    else:
        rows = [[_value(plan, each, column) for each, column in zip(row.values, fields, strict=True)]
                for row in node.rows.rows]  # fmt: skip
        staged = context.store.new_physical()
        compute_tuples(context, plan, rows, fields, staged)
    return _Changes(inserted=[(staged, fields)])


def _named_fields(table: StoredTable, node: Any, list_name: str = "column_list") -> tuple[Field, ...]:
    """Give the columns that an INSERT names, all of them if it names none."""
    if not node.HasField(list_name):
        return table.fields
    by_name = {each.name.lower(): each for each in table.fields}
    return tuple(by_name[each.id_string.lower()] for each in getattr(node, list_name).identifiers)


def _value(plan: Plan, node: Any, column: Field) -> str:
    """Give the SQL of a value for a column."""
    if kind(leaf(node)) == "DefaultLiteral":
        return default_of(column)
    return plan.written.part(leaf(node))


def _target(plan: Plan) -> tuple[str, str]:
    """Give the SQL that names the table that changes, and how the statement calls it."""
    node = plan.written.statement.node
    path = leaf(node.target_path)
    alias = (
        node.alias.identifier.id_string if has(node, "alias") else path.names[-1].id_string.rpartition(".")[2]
    )
    called = next(name for name, table in plan.written.tables.items() if table is plan.written.target)
    return f"`{called}` AS `{alias}`", f"`{alias}`"


def _update(context: QueryContext, plan: Plan, table: StoredTable) -> _Changes:
    node = plan.written.statement.node
    target, alias = _target(plan)
    values, fields = _assignments(plan, table, node.update_item_list, alias)
    sources = (
        f"{plan.written.part(node.from_clause)[4:]}, {target}" if node.HasField("from_clause") else target
    )
    where = plan.written.part(leaf(node.where))
    text = f"SELECT {', '.join([f'{alias}.{ROW}', *values])} FROM {sources} WHERE {where}"  # noqa: S608
    return _Changes(updated=[(_computed(context, plan, text, (_ROW_FIELD, *fields)), (_ROW_FIELD, *fields))])


def _delete(context: QueryContext, plan: Plan, _table: StoredTable) -> _Changes:
    node = plan.written.statement.node
    target, alias = _target(plan)
    text = f"SELECT {alias}.{ROW} FROM {target} WHERE {plan.written.part(leaf(node.where))}"  # noqa: S608
    return _Changes(deleted=[_computed(context, plan, text, (_ROW_FIELD,))])


def _assignments(
    plan: Plan, table: StoredTable, items: Any, alias: str
) -> tuple[list[str], tuple[Field, ...]]:
    """Give the SQL of the values that SET gives to columns, and the columns.

    A field of a record is set in a copy of the record.
    """
    by_name = {each.name.lower(): each for each in table.fields}
    values: dict[str, str] = {}
    for item in items.update_items:
        if not item.HasField("set_value"):
            raise unsupported("run DML statements inside of UPDATE")
        path = _path(leaf(item.set_value.path))
        if (len(path) > 1 and path[0].lower() not in by_name) or (
            path[0].lower() == alias.strip("`").lower() and len(path) > 1
        ):
            path = path[1:]
        column = by_name[path[0].lower()]
        record = values.get(column.name, f"{alias}.`{column.name}`")
        values[column.name] = _set_in(record, path[1:], _value(plan, item.set_value.value, column))
    return list(values.values()), tuple(by_name[name.lower()] for name in values)


def _path(node: Any) -> list[str]:
    if kind(node) == "PathExpression":
        return [each.id_string for each in node.names]
    if kind(node) == "DotIdentifier":
        return [*_path(leaf(node.expr)), node.name.id_string]
    raise unsupported("set elements of arrays")


def _set_in(record: str, path: Sequence[str], value: str) -> str:
    if not path:
        return value
    inner = _set_in(f"{record}.`{path[0]}`", path[1:], value)
    return f"(SELECT AS STRUCT {record}.* REPLACE ({inner} AS `{path[0]}`))"


def _merge(context: QueryContext, plan: Plan, table: StoredTable) -> _Changes:
    """Run each WHEN clause as a query over the rows that no earlier clause of its kind takes."""
    node, written = plan.written.statement.node, plan.written
    target, alias = _target(plan)
    source = leaf(node.table_expression)
    called = source.alias.identifier.id_string if has(source, "alias") else ""
    if not called and kind(source) == "TablePathExpression":
        called = source.path_expr.names[-1].id_string.rpartition(".")[2]
    there = f"`{called or '_sandbox_source'}`"
    marked = f"(SELECT *, TRUE AS {_THERE} FROM {written.part(source)}) AS {there}"  # noqa: S608
    on = written.part(leaf(node.merge_condition))
    # A row without a match has the columns of its own table alone: names without a table mean these.
    unused = (
        f"(SELECT {there}.* FROM {marked} LEFT JOIN {target} ON {on} WHERE {alias}.{ROW} IS NULL) AS {there}"  # noqa: S608
    )
    alone = f"{target} LEFT JOIN {marked} ON {on} WHERE {there}.{_THERE} IS NULL"
    rows = {
        "MATCHED": f"{target} JOIN {marked} ON {on}",
        "NOT_MATCHED_BY_SOURCE": f"(SELECT {alias}.*, {alias}.{ROW} FROM {alone}) AS {alias}",  # noqa: S608
        "NOT_MATCHED_BY_TARGET": unused,
    }
    earlier: dict[str, list[str]] = {}
    changes = _Changes()
    for when in node.when_clauses.clause_list:
        match = names("ASTMergeWhenClauseEnums.MatchType")[when.match_type]
        condition = written.part(leaf(when.search_condition)) if when.HasField("search_condition") else "TRUE"
        conditions = [*earlier.setdefault(match, []), f"({condition})"]
        earlier[match].append(f"NOT IFNULL(({condition}), FALSE)")
        _clause(
            context,
            plan,
            table,
            when.action,
            f"FROM {rows[match]} WHERE {' AND '.join(conditions)}",
            (alias, there),
            changes,
        )
    return changes


def _clause(
    context: QueryContext,
    plan: Plan,
    table: StoredTable,
    action: Any,
    rows: str,
    called: tuple[str, str],
    changes: _Changes,
) -> None:
    """Compute what one WHEN clause of a MERGE changes; ``called`` has the names of target and source."""
    alias, source = called
    what = names("ASTMergeActionEnums.ActionType")[action.action_type]
    if what == "DELETE":
        changes.deleted.append(_computed(context, plan, f"SELECT {alias}.{ROW} {rows}", (_ROW_FIELD,)))
        return
    if what == "UPDATE":
        values, columns = _assignments(plan, table, action.update_item_list, alias)
        fields = (_ROW_FIELD, *columns)
        values.insert(0, f"{alias}.{ROW}")
    else:
        fields = _named_fields(table, action, "insert_column_list")
        given = action.insert_row.values
        if given:
            values = [_value(plan, each, column) for each, column in zip(given, fields, strict=True)]
        else:  # INSERT ROW: the columns of the same names
            values = [f"{source}.`{each.name}`" for each in fields]
    staged = _computed(context, plan, f"SELECT {', '.join(values)} {rows}", fields)
    (changes.inserted if what == "INSERT" else changes.updated).append((staged, fields))
