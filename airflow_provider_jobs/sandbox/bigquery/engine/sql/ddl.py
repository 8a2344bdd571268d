"""CREATE, DROP, TRUNCATE and ALTER: the catalog does these, not DuckDB's own DDL.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine import catalog
from airflow_provider_jobs.sandbox.bigquery.engine.destination import stage
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId, anonymous_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.ddl_parts import (
    clustering,
    fields_of,
    options,
    partitioning,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement, at, invalid_query
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan, result_fields
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import (
    StatementResult,
    ensure_anonymous_dataset,
    plan_statistics,
)
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    Field,
    column_definitions,
    duck_type,
    schema_resource,
)

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import QueryContext


def run_ddl(context: QueryContext, statement: Statement, tree: exp.Expression) -> StatementResult:
    """Run one DDL statement.

    :raises JobProblem: the sandbox has no equivalent, or the statement is not valid.
    """
    if context.query.get("destinationTable"):
        raise JobProblem("invalid", "Cannot set destination table in jobs with DDL statements")
    kind = str(tree.args.get("kind") or "").upper()
    if isinstance(tree, exp.Create) and kind == "TABLE":
        return _create_table(context, statement, tree)
    if isinstance(tree, exp.Create) and kind == "VIEW":
        return _create_view(context, statement, tree)
    if kind == "SCHEMA":
        return _schema(context, tree)
    if isinstance(tree, exp.Drop) and kind in {"TABLE", "VIEW"}:
        return _drop(context, statement, tree)
    if isinstance(tree, exp.TruncateTable):
        return _truncate(context, statement, tree)
    if isinstance(tree, exp.Alter) and kind == "TABLE":
        return _alter(context, statement, tree)
    where = at(statement.script, statement.start)
    raise invalid_query(f"Unsupported statement in the sandbox: {statement.keyword} {kind}".rstrip() + where)


def _result(kind: str, operation: str, table: TableId, more: dict[str, Any] | None = None) -> StatementResult:
    statistics = {
        "cacheHit": False, "totalBytesProcessed": "0", "totalBytesBilled": "0", "referencedTables": [],
        **(more or {}), "statementType": kind, "ddlOperationPerformed": operation,
        "ddlTargetTable": table.reference,
    }  # fmt: skip
    return StatementResult(kind, statistics, table)


def _create_table(context: QueryContext, statement: Statement, tree: exp.Create) -> StatementResult:
    if tree.args.get("clone") or any(tree.find_all(exp.LikeProperty)):
        where = at(statement.script, statement.start)
        raise invalid_query(f"Unsupported statement in the sandbox: CREATE TABLE LIKE or CLONE{where}")
    name = _new_name(context, statement, tree)
    kind = "CREATE_TABLE_AS_SELECT" if tree.expression else "CREATE_TABLE"
    more = {**partitioning(tree), **clustering(tree), **options(tree)}
    given = fields_of(tree.this) if isinstance(tree.this, exp.Schema) else ()
    if not given and tree.expression is None:
        where = at(statement.script, statement.start)
        raise invalid_query(f"CREATE TABLE requires a column list or AS query{where}")
    session, physical = context.session, context.store.new_physical()
    with context.store.writing(session, name), session.transaction():
        dataset = catalog.get_dataset(session, name.project, name.dataset, context.location)
        existing = catalog.find_table(session, name)
        if existing is not None and tree.args.get("exists"):
            return _result(kind, "SKIP", name)
        if existing is not None and not tree.args.get("replace"):
            raise JobProblem("duplicate", f"Already Exists: Table {name}")
        statistics: dict[str, Any] = {}
        if tree.expression is not None:
            plan = make_plan(context, statement, tree.expression)
            context.check_billed(plan.processed)
            given = given or result_fields(context, plan)
            with duck_errors(statement, plan.tree):
                stage(session, physical, given, plan.sql)
            statistics = plan_statistics(plan)
        else:
            session.execute(f"CREATE TABLE {physical} ({column_definitions(given) or 'nothing INTEGER'})")
        if existing is not None:
            catalog.drop_table(session, existing)
        catalog.save_table(session, catalog.new_table(name, physical, given, dataset, more))
    if any(tree.find_all(exp.TemporaryProperty)):
        context.temporary[_table_node(tree).name.lower()] = name
        context.cache.keep_temporary(context.store, name)
    return _result(kind, "CREATE" if existing is None else "REPLACE", name, statistics)


def _table_node(tree: exp.Expression) -> exp.Table:
    node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(node, exp.Table):
        raise invalid_query("The statement names no table")
    return node


def _new_name(context: QueryContext, statement: Statement, tree: exp.Create) -> TableId:
    node = _table_node(tree)
    if any(tree.find_all(exp.TemporaryProperty)):
        ensure_anonymous_dataset(context)
        return TableId(context.project, anonymous_dataset(context.location), f"temp{uuid.uuid4().hex}")
    return context.tables().name(node, statement)


def _create_view(context: QueryContext, statement: Statement, tree: exp.Create) -> StatementResult:
    name = _new_name(context, statement, tree)
    select = context.tables().qualified(tree.expression, statement)
    sql = select.sql(dialect="bigquery")
    session = context.session
    with context.store.writing(session, name), session.transaction():
        dataset = catalog.get_dataset(session, name.project, name.dataset, context.location)
        existing = catalog.find_table(session, name)
        if existing is not None and tree.args.get("exists"):
            return _result("CREATE_VIEW", "SKIP", name)
        if existing is not None and not tree.args.get("replace"):
            raise JobProblem("duplicate", f"Already Exists: Table {name}")
        fields = result_fields(context, make_plan(context, statement, select))
        if existing is not None:
            catalog.drop_table(session, existing)
        more = {**options(tree), "view": {"query": sql, "useLegacySql": False}}
        catalog.save_table(session, catalog.new_table(name, "", fields, dataset, more))
    return _result("CREATE_VIEW", "CREATE" if existing is None else "REPLACE", name)


def _drop(context: QueryContext, statement: Statement, tree: exp.Drop) -> StatementResult:
    kind = f"DROP_{tree.args['kind'].upper()}"
    nodes = tree.args.get("tables") or [tree.this]
    name = context.tables().name(nodes[0], statement)
    session = context.session
    with context.store.writing(session, name), session.transaction():
        found = catalog.find_table(session, name)
        if found is None:
            if tree.args.get("exists"):
                return _result(kind, "SKIP", name)
            catalog.get_table(session, name, context.location)
        else:
            if (found.view_query is not None) != (kind == "DROP_VIEW"):
                actual = "VIEW" if found.view_query is not None else "TABLE"
                raise invalid_query(
                    f"Cannot drop {name} which has type {actual}. An object of type {kind[5:]} was expected."
                )
            catalog.drop_table(session, found)
    return _result(kind, "DROP", name)


def _truncate(context: QueryContext, statement: Statement, tree: exp.TruncateTable) -> StatementResult:
    name = context.tables().name(tree.expressions[0], statement)
    session = context.session
    with context.store.writing(session, name), session.transaction():
        table = catalog.get_table(session, name, context.location)
        if table.view_query is not None:
            raise invalid_query(f"Cannot truncate {name}: it is a view")
        session.execute(f"DELETE FROM {table.physical}")  # noqa: S608 - our own name
        catalog.save_table(session, table)
    return _result("TRUNCATE_TABLE", "REPLACE", name)


def _alter(context: QueryContext, statement: Statement, tree: exp.Alter) -> StatementResult:
    name = context.tables().name(tree.this, statement)
    session = context.session
    with context.store.writing(session, name), session.transaction():
        if tree.args.get("exists") and catalog.find_table(session, name) is None:
            return _result("ALTER_TABLE", "SKIP", name)
        table = catalog.get_table(session, name, context.location)
        for action in tree.args["actions"]:
            table = _altered(context, statement, table, action)
        catalog.save_table(session, table)
    return _result("ALTER_TABLE", "ALTER", name)


def _altered(
    context: QueryContext, statement: Statement, table: catalog.StoredTable, action: exp.Expression
) -> catalog.StoredTable:
    fields = list(table.fields)
    alter = f"ALTER TABLE {table.physical}"
    if isinstance(action, exp.ColumnDef):
        (new,) = fields_of(exp.Schema(expressions=[action]))
        if any(each.name.lower() == new.name.lower() for each in fields):
            if action.args.get("exists"):
                return table
            raise invalid_query(f"Column already exists: {new.name}" + at(statement.script, statement.start))
        if new.mode == "REQUIRED":
            raise invalid_query(f"Cannot add required column {new.name} to an existing table")
        context.session.execute(f"{alter} ADD COLUMN {quoted(new.name)} {duck_type(new)}")
        fields.append(new)
    elif isinstance(action, exp.Drop):
        index = _column(fields, action.this or action.args["tables"][0], statement)
        context.session.execute(f"{alter} DROP COLUMN {quoted(fields.pop(index).name)}")
    elif isinstance(action, exp.RenameColumn):
        index = _column(fields, action.this, statement)
        context.session.execute(
            f"{alter} RENAME COLUMN {quoted(fields[index].name)} TO {quoted(action.args['to'].name)}"
        )
        fields[index] = replace(fields[index], name=action.args["to"].name)
    else:
        where = at(statement.script, statement.start)
        raise invalid_query(f"Unsupported statement in the sandbox: this form of ALTER TABLE{where}")
    return replace(table, resource={**table.resource, "schema": schema_resource(fields)})


def _column(fields: list[Field], node: exp.Expression, statement: Statement) -> int:
    for index, each in enumerate(fields):
        if each.name.lower() == node.name.lower():
            return index
    raise invalid_query(f"Column not found: {node.name}" + at(statement.script, statement.start))


def _schema(context: QueryContext, tree: exp.Expression) -> StatementResult:
    node = tree.args["tables"][0] if isinstance(tree, exp.Drop) and tree.args.get("tables") else tree.this
    project, dataset = node.catalog or context.project, node.db or node.name
    session = context.session
    statistics: dict[str, Any] = {"ddlTargetDataset": {"projectId": project, "datasetId": dataset}}
    with context.store.writing(session, f"{project}:{dataset}"), session.transaction():
        there = catalog.find_dataset(session, project, dataset) is not None
        if isinstance(tree, exp.Create):
            kind, operation = "CREATE_SCHEMA", "SKIP" if there and tree.args.get("exists") else "CREATE"
            if operation == "CREATE":
                body = {
                    "datasetReference": {"datasetId": dataset},
                    "location": context.location,
                    **options(tree),
                }
                catalog.insert_dataset(session, project, body)
        else:
            kind, operation = "DROP_SCHEMA", "SKIP" if not there and tree.args.get("exists") else "DROP"
            if operation == "DROP":
                full = bool(tree.args.get("cascade"))
                catalog.delete_dataset(session, project, dataset, delete_contents=full)
    result = {
        "statementType": kind,
        "ddlOperationPerformed": operation,
        "totalBytesProcessed": "0",
        "totalBytesBilled": "0",
    }
    return StatementResult(kind, {**statistics, **result, "cacheHit": False})
