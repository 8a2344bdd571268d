"""CREATE, DROP, TRUNCATE and ALTER: the catalog does these, not DuckDB's own DDL.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import catalog
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, names, number
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId, anonymous_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import compute
from airflow_provider_jobs.sandbox.bigquery.engine.sql.column_rules import fit
from airflow_provider_jobs.sandbox.bigquery.engine.sql.ddl_parts import (
    clustering,
    fields_of,
    options,
    partitioning,
    refuse_collation,
    retyped,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement, at, invalid_query, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import analyzed, make_plan
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import (
    StatementResult,
    ensure_anonymous_dataset,
    plan_statistics,
)
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    Field,
    change_column,
    column_definitions,
    duck_type,
    schema_resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext


def run_ddl(context: QueryContext, statement: Statement) -> StatementResult:
    """Run one DDL statement.

    :raises JobProblem: the sandbox has no equivalent, or the statement is not valid.
    """
    if context.query.get("destinationTable"):
        raise JobProblem("invalid", "Cannot set destination table in jobs with DDL statements")
    run = _STATEMENTS.get(kind(statement.node))
    if run is None:
        raise unsupported(
            f"run {statement.keyword} statements of this kind{at(statement.script, statement.start)}"
        )
    if kind(statement.node) not in _IN_TRANSACTIONS:
        _refuse_in_transaction(context)
    return run(context, statement)


_IN_TRANSACTIONS = {"CreateFunctionStatement", "CreateTableStatement", "DropStatement", "TruncateStatement"}


def _refuse_in_transaction(context: QueryContext) -> None:
    """Refuse what changes more than rows and temporary tables while a transaction is open."""
    if context.session.held:
        raise invalid_query("DDL statements on permanent objects are not supported inside a transaction")


def _result(name: str, operation: str, table: TableId, more: dict[str, Any] | None = None) -> StatementResult:
    statistics = {
        "cacheHit": False, "totalBytesProcessed": "0", "totalBytesBilled": "0", "referencedTables": [],
        **(more or {}), "statementType": name, "ddlOperationPerformed": operation,
        "ddlTargetTable": table.reference,
    }  # fmt: skip
    return StatementResult(name, statistics, table)


def _name(context: QueryContext, path: Any) -> TableId:
    return context.tables.name([each.id_string for each in path.names])


def _is_temporary(resolved: Any) -> bool:
    return names("ResolvedCreateStatementEnums.CreateScope")[part(resolved, "create_scope")] == "CREATE_TEMP"


def _mode(resolved: Any) -> str:
    return names("ResolvedCreateStatementEnums.CreateMode")[part(resolved, "create_mode")]


def _create_table(context: QueryContext, statement: Statement) -> StatementResult:
    node = statement.node
    if any(has(node, each) for each in ("clone_data_source", "copy_data_source", "like_table_name")):
        raise unsupported(f"run CREATE TABLE LIKE, CLONE or COPY{at(statement.script, statement.start)}")
    resolved = analyzed(context, statement)
    refuse_collation(resolved)
    more = {**partitioning(resolved), **clustering(resolved), **options(part(resolved, "option_list"))}
    given = fields_of(part(resolved, "column_definition_list"))
    # Temporary tables of a script or a session go by this name; each has an id of its own.
    called = ".".join(each.id_string for each in part(node, "name").names).lower()
    if _is_temporary(resolved):
        ensure_anonymous_dataset(context)
        name = TableId(context.project, anonymous_dataset(context.location), f"temp{uuid.uuid4().hex}")
        before = context.temporary.get(called, name)
    else:
        _refuse_in_transaction(context)
        name = before = _name(context, part(node, "name"))
    what = "CREATE_TABLE_AS_SELECT" if node.HasField("query") else "CREATE_TABLE"
    session, physical = context.session, context.store.new_physical()
    statistics: dict[str, Any] = {}
    with context.store.writing(session, name), session.transaction():
        dataset = catalog.get_dataset(session, name.project, name.dataset, context.location)
        existing = _existing(context, before, _mode(resolved))
        if existing is not None and _mode(resolved) == "CREATE_IF_NOT_EXISTS":
            return _result(what, "SKIP", existing.id)
        if node.HasField("query"):
            plan = make_plan(context, statement.inner(node.query), given)
            context.check_billed(plan.processed)
            compute(context, plan, physical)
            fit(context, physical, given)
            statistics = plan_statistics(plan)
        else:
            session.execute(f"CREATE TABLE {physical} ({column_definitions(given) or 'nothing INTEGER'})")
        if existing is not None:
            catalog.drop_table(session, existing)
        catalog.save_table(session, catalog.new_table(name, physical, given, dataset, more))
    if _is_temporary(resolved):
        context.temporary[called] = name
        context.cache.keep_temporary(context.store, name)
    return _result(what, "CREATE" if existing is None else "REPLACE", name, statistics)


def _existing(context: QueryContext, name: TableId, mode: str) -> catalog.StoredTable | None:
    """Give the table of the name, if there is one and it is not in the way.

    :raises JobProblem: it is.
    """
    existing = catalog.find_table(context.session, name)
    if existing is not None and mode == "CREATE_DEFAULT":
        raise JobProblem("duplicate", f"Already Exists: Table {name}")
    return existing


def _create_view(context: QueryContext, statement: Statement) -> StatementResult:
    resolved, node = analyzed(context, statement), statement.node
    query = statement.inner(part(node, "query"))
    name = _name(context, part(node, "name"))
    if part(resolved, "has_explicit_columns"):
        raise unsupported(f"name the columns of a view{at(statement.script, statement.start)}")
    session = context.session
    with context.store.writing(session, name), session.transaction():
        dataset = catalog.get_dataset(session, name.project, name.dataset, context.location)
        existing = _existing(context, name, _mode(resolved))
        if existing is not None and _mode(resolved) == "CREATE_IF_NOT_EXISTS":
            return _result("CREATE_VIEW", "SKIP", name)
        fields = _fields(context, query)
        with context.instance() as instance:
            sql = context.tables.qualified(instance, query)
        if existing is not None:
            catalog.drop_table(session, existing)
        more = {**options(part(resolved, "option_list")), "view": {"query": sql, "useLegacySql": False}}
        catalog.save_table(session, catalog.new_table(name, "", fields, dataset, more))
    return _result("CREATE_VIEW", "CREATE" if existing is None else "REPLACE", name)


def _fields(context: QueryContext, query: Statement) -> tuple[Field, ...]:
    analysis = make_plan(context, query).analysis
    return analysis.fields if analysis is not None else ()


def _create_function(context: QueryContext, statement: Statement) -> StatementResult:
    """Remember a function for the statements that follow in the script."""
    resolved, node = analyzed(context, statement), statement.node
    if not _is_temporary(resolved) or resolved.language != "SQL" or resolved.is_aggregate:
        kinds = "functions that outlive their script, or in other languages than SQL, or aggregates"
        raise unsupported(f"make {kinds}{at(statement.script, statement.start)}")
    function = message("FunctionProto")(
        name_path=list(part(resolved, "name_path")), group="Templated_SQL_Function"
    )
    function.mode = number("FunctionEnums.Mode", "SCALAR")
    function.signature.add().CopyFrom(resolved.signature)
    function.templated_sql_function_argument_name.extend(resolved.argument_name_list)
    code = resolved.code
    if resolved.has_explicit_return_type:
        declared = part(node, "return_type")
        code = f"CAST(({code}) AS {statement.inner(leaf(declared)).text})"
        function.signature[0].return_type.Clear()
        function.signature[0].return_type.kind = number("SignatureArgumentKind", "ARG_TYPE_ARBITRARY")
    function.parse_resume_location.input = code
    function.parse_resume_location.byte_position = 0
    function.parse_resume_location.allow_resume = False
    context.functions[".".join(function.name_path).lower()] = function
    return StatementResult("CREATE_FUNCTION", _no_bytes("CREATE_FUNCTION", "CREATE"))


def _no_bytes(name: str, operation: str) -> dict[str, Any]:
    return {
        "statementType": name, "ddlOperationPerformed": operation, "totalBytesProcessed": "0",
        "totalBytesBilled": "0", "cacheHit": False,
    }  # fmt: skip


def _drop(context: QueryContext, statement: Statement) -> StatementResult:
    resolved = analyzed(context, statement)
    if resolved.object_type == "SCHEMA":
        _refuse_in_transaction(context)
        return _drop_schema(context, resolved)
    if resolved.object_type not in {"TABLE", "VIEW"}:
        raise unsupported(f"run DROP {resolved.object_type}{at(statement.script, statement.start)}")
    what, name = f"DROP_{resolved.object_type}", _name(context, statement.node.name)
    if name not in context.temporary.values():
        _refuse_in_transaction(context)
    session = context.session
    with context.store.writing(session, name), session.transaction():
        found = catalog.find_table(session, name)
        if found is None:
            if resolved.is_if_exists:
                return _result(what, "SKIP", name)
            catalog.get_table(session, name, context.location)
        else:
            actual = "VIEW" if found.view_query is not None else "TABLE"
            if actual != resolved.object_type:
                expected = f"An object of type {resolved.object_type} was expected."
                raise invalid_query(f"Cannot drop {name} which has type {actual}. {expected}")
            catalog.drop_table(session, found)
    for called in [each for each, table in context.temporary.items() if table == name]:
        del context.temporary[called]  # the name means a table of a dataset again
    return _result(what, "DROP", name)


def _truncate(context: QueryContext, statement: Statement) -> StatementResult:
    name = _name(context, leaf(statement.node.target_path))
    if statement.node.HasField("where"):
        raise unsupported("run TRUNCATE TABLE with a WHERE clause")
    session = context.session
    with context.store.writing(session, name), session.transaction():
        table = catalog.get_table(session, name, context.location)
        if table.view_query is not None:
            raise invalid_query(f"Cannot truncate {name}: it is a view")
        session.execute(f"DELETE FROM {table.physical}")  # noqa: S608 - our own name
        catalog.save_table(session, table)
    return _result("TRUNCATE_TABLE", "REPLACE", name)


def _alter(context: QueryContext, statement: Statement) -> StatementResult:
    name = _name(context, part(statement.node, "path"))
    session = context.session
    with context.store.writing(session, name), session.transaction():
        if part(statement.node, "is_if_exists") and catalog.find_table(session, name) is None:
            return _result("ALTER_TABLE", "SKIP", name)
        table = catalog.get_table(session, name, context.location)
        resolved = analyzed(context, statement)
        for action in map(leaf, part(resolved, "alter_action_list")):
            table = _altered(context, table, action)
        catalog.save_table(session, table)
    return _result("ALTER_TABLE", "ALTER", name)


def _altered(context: QueryContext, table: catalog.StoredTable, action: Any) -> catalog.StoredTable:
    if kind(action) in _COLUMN_ACTIONS:
        return _altered_column(context, table, action)
    fields = {each.name.lower(): each for each in table.fields}
    alter = f"ALTER TABLE {table.physical}"
    match kind(action):
        case "ResolvedAddColumnAction":
            (new,) = fields_of([action.column_definition])
            if new.name.lower() in fields:
                return table
            if new.mode == "REQUIRED":
                raise invalid_query(f"Cannot add required column {new.name} to an existing table")
            context.session.execute(f"{alter} ADD COLUMN {quoted(new.name)} {duck_type(new)}")
            fields[new.name.lower()] = new
        case "ResolvedDropColumnAction":
            if action.name.lower() not in fields:
                return table
            context.session.execute(f"{alter} DROP COLUMN {quoted(fields.pop(action.name.lower()).name)}")
        case "ResolvedRenameColumnAction":
            if action.name.lower() not in fields:
                return table
            old = fields[action.name.lower()]
            context.session.execute(f"{alter} RENAME COLUMN {quoted(old.name)} TO {quoted(action.new_name)}")
            fields[action.name.lower()] = replace(old, name=action.new_name)
        case "ResolvedSetOptionsAction":
            return replace(table, resource={**table.resource, **options(action.option_list)})
        case other:
            words = "".join(f" {each}" if each.isupper() else each for each in other.removeprefix("Resolved"))
            raise unsupported(f"run this form of ALTER TABLE ({words.strip().lower()})")
    return replace(table, resource={**table.resource, "schema": schema_resource(fields.values())})


def _altered_column(context: QueryContext, table: catalog.StoredTable, action: Any) -> catalog.StoredTable:
    fields = {each.name.lower(): each for each in table.fields}
    old = fields.get(action.parent.column.lower())
    if old is None:
        return table  # IF EXISTS
    new = fields[old.name.lower()] = _COLUMN_ACTIONS[kind(action)](old, action)
    with duck_errors():
        change_column(context.session, table.physical, old, new)
    return replace(table, resource={**table.resource, "schema": schema_resource(fields.values())})


def _nullable(old: Field, _action: Any) -> Field:
    return replace(old, mode="NULLABLE" if old.mode == "REQUIRED" else old.mode)


def _with_default(old: Field, action: Any) -> Field:
    return replace(old, extras={**old.extras, "defaultValueExpression": action.default_value.sql})


def _without_default(old: Field, _action: Any) -> Field:
    kept = {name: value for name, value in old.extras.items() if name != "defaultValueExpression"}
    return replace(old, extras=kept)


def _described(old: Field, action: Any) -> Field:
    given = options(action.option_list)
    return replace(old, extras={**old.extras, "description": given.get("description", "")})


_COLUMN_ACTIONS: dict[str, Callable[[Field, Any], Field]] = {
    "ResolvedAlterColumnDropDefaultAction": _without_default,
    "ResolvedAlterColumnDropNotNullAction": _nullable,
    "ResolvedAlterColumnOptionsAction": _described,
    "ResolvedAlterColumnSetDataTypeAction": retyped,
    "ResolvedAlterColumnSetDefaultAction": _with_default,
}


def _create_schema(context: QueryContext, statement: Statement) -> StatementResult:
    resolved = analyzed(context, statement)
    refuse_collation(resolved)
    project, dataset = _schema_name(context, resolved)
    body = {
        "datasetReference": {"datasetId": dataset}, "location": context.location,
        **options(part(resolved, "option_list")),
    }  # fmt: skip

    def create(there: bool) -> str:
        if there and _mode(resolved) == "CREATE_IF_NOT_EXISTS":
            return "SKIP"
        catalog.insert_dataset(context.session, project, body)
        return "CREATE"

    return _schema(context, "CREATE_SCHEMA", (project, dataset), create)


def _drop_schema(context: QueryContext, resolved: Any) -> StatementResult:
    project, dataset = _schema_name(context, resolved)
    full = names("ResolvedDropStmtEnums.DropMode")[resolved.drop_mode] == "CASCADE"

    def drop(there: bool) -> str:
        if not there and resolved.is_if_exists:
            return "SKIP"
        catalog.delete_dataset(context.session, project, dataset, delete_contents=full)
        return "DROP"

    return _schema(context, "DROP_SCHEMA", (project, dataset), drop)


def _schema_name(context: QueryContext, resolved: Any) -> tuple[str, str]:
    *owner, dataset = ".".join(part(resolved, "name_path")).rsplit(".", 1)
    return owner[0] if owner else context.project, dataset


def _schema(
    context: QueryContext, name: str, schema: tuple[str, str], work: Callable[[bool], str]
) -> StatementResult:
    project, dataset = schema
    session = context.session
    with context.store.writing(session, f"{project}:{dataset}"), session.transaction():
        operation = work(catalog.find_dataset(session, project, dataset) is not None)
    target = {"ddlTargetDataset": {"projectId": project, "datasetId": dataset}}
    return StatementResult(name, {**target, **_no_bytes(name, operation)})


_STATEMENTS: dict[str, Callable[[QueryContext, Statement], StatementResult]] = {
    "AlterTableStatement": _alter,
    "CreateFunctionStatement": _create_function,
    "CreateSchemaStatement": _create_schema,
    "CreateTableStatement": _create_table,
    "CreateViewStatement": _create_view,
    "DropStatement": _drop,
    "TruncateStatement": _truncate,
}
