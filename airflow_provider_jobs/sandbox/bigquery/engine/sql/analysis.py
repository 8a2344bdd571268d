"""What Google's analyzer says of a statement: whether it is valid, its result's columns, what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.language import is_missing
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import GoogleSqlError
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import kind, leaf, part, walk
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import (
    NoSuchType,
    can_fill,
    field_of,
    filler,
    type_of,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import in_script, invalid_query, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance
    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Written

# A column of the table that a statement changes, with DuckDB's number of the row; no ``*`` gives it.
ROW = "_sandbox_row"
# What the evaluator says in its own words, and BigQuery in these.
_EVALUATORS = {"More than one element": "Scalar subquery produced more than one element"}
_CELLS_AT_ONCE = 2000  # of all tables: so few are handed over without asking which are read
_CELLS_KEPT = 20_000  # of all tables: so few stay in the module, for the next query


@dataclass(frozen=True)
class Analysis:
    """A statement that is valid."""

    resolved: Any  # the analyzer's tree
    fields: tuple[Field, ...]  # of a query's result
    read: Mapping[str, frozenset[str]]  # columns by the name of their table in the text
    is_value_table: bool  # each row of the result is one value


def analyze(
    context: QueryContext, instance: Instance, written: Written, text: str, targets: Sequence[Field] = ()
) -> Analysis:
    """Let Google's analyzer check a statement.

    :param text: the statement with the tables' names as ``written`` has them, or a query made of its parts.
    :param targets: the columns that the result's columns are for, and whose types they take.
    :raises JobProblem: it is not valid.
    """
    request = message("local_service.AnalyzeRequest")(
        sql_statement=text, options=options(context, instance, targets)
    )
    request.registered_catalog_id = schema_catalog(context, instance, written)
    try:
        resolved = leaf(instance.call("Analyze", request).resolved_statement)
    except GoogleSqlError as error:
        raise refusal(error, written) from error
    is_query = kind(resolved) == "ResolvedQueryStmt"
    is_value_table = is_query and resolved.is_value_table
    outputs = resolved.output_column_list if is_query else ()
    columns = [("" if each.name.startswith("$") else each.name, each.column.type) for each in outputs]
    fields = tuple(targets) or result_fields(columns, is_value_table)
    return Analysis(resolved, fields, _columns_read(resolved), is_value_table)


def _columns_read(resolved: Any) -> dict[str, frozenset[str]]:
    if kind(resolved) == "ResolvedInsertStmt":  # its table is written, and read only if a query in it says so
        whole, resolved = resolved, type(resolved)()
        resolved.CopyFrom(whole)
        resolved.ClearField("table_scan")
    read: dict[str, frozenset[str]] = {}
    for node in walk(resolved):
        if kind(node) == "ResolvedTableScan":
            columns = frozenset(column.name for column in part(node, "column_list"))
            read[node.table.name] = read.get(node.table.name, frozenset()) | columns
    return read


def result_fields(columns: Sequence[tuple[str, Any]], is_value_table: bool) -> tuple[Field, ...]:
    """Name the columns of a result as BigQuery does: ``f0_``, ``f1_`` where the query gives no name.

    :param is_value_table: whether each row is one value; the fields of a record are columns then.
    :raises JobProblem: two columns have one name, or one has a type that no table of the sandbox can have.
    """
    if is_value_table and columns[0][1].struct_type.field:
        columns = [(each.field_name, each.field_type) for each in columns[0][1].struct_type.field]
    fields, nameless = [], 0
    for name, column_type in columns:
        try:
            fields.append(field_of(name or f"f{nameless}_", column_type))
        except NoSuchType as error:
            raise unsupported(f"return or store values of type {error}") from error
        nameless += not name
    names = [each.name.lower() for each in fields]
    twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
    if twice:
        raise invalid_query(
            f"Duplicate column names in the result are not supported. Found duplicate(s): {twice}"
        )
    return tuple(fields)


def refusal(error: GoogleSqlError, written: Written) -> JobProblem:
    """Give the job error for what the analyzer says of a statement."""
    said = _EVALUATORS.get(error.message, error.message)
    name = said.removeprefix("Function not found: ").partition(" ")[0].rstrip(";")
    if said.startswith("Function not found: ") and is_missing(name):
        return unsupported(f"run the function {name}")
    if said == "COLLATE has invalid collation name 'und:ci'":  # BigQuery's only one
        return unsupported("sort by a collation")
    if said.startswith("Unrecognized name: @@"):
        return unsupported(f"give the system variable {said.split()[2]}")
    return invalid_query(in_script(said, written.statement, written.edits))


def options(context: QueryContext, instance: Instance, targets: Sequence[Field] = ()) -> Any:
    """Give the analyzer's options, with the types of the query's parameters."""
    made = instance.language.analyzer()
    for name, (column_type, _) in context.parameters.items():
        made.query_parameters.add(name=name, type=column_type)
    for name, column_type in (("_PARTITIONTIME", "TIMESTAMP"), ("_PARTITIONDATE", "DATE")):
        made.ddl_pseudo_columns.add(name=name, type=type_of(Field(name, column_type)))
    made.target_column_types.extend(type_of(each) for each in targets)
    return made


def schema_catalog(context: QueryContext, instance: Instance, written: Written) -> int:
    """Register the tables of a statement, with their rows where these are few; give the catalog's number."""
    if _cells(written, written.tables) <= _CELLS_AT_ONCE:
        return _kept(context, instance, written, dict.fromkeys(written.tables))
    catalog = _catalog(context, instance, written)
    request = message("local_service.RegisterCatalogRequest")(simple_catalog=catalog)
    return instance.catalog(catalog.SerializeToString(deterministic=True), lambda: request)


def attach(
    context: QueryContext,
    instance: Instance,
    request: Any,
    written: Written,
    read: Mapping[str, frozenset[str]],
) -> None:
    """Give an evaluation the tables of its statement, and the rows of those that it reads."""
    if _cells(written, written.tables) <= _CELLS_AT_ONCE:
        request.registered_catalog_id = _kept(context, instance, written, dict.fromkeys(written.tables))
    elif _cells(written, read) <= _CELLS_KEPT:
        request.registered_catalog_id = _kept(context, instance, written, read)
    else:
        request.simple_catalog.CopyFrom(_catalog(context, instance, written))
        _fill(context, request, written, read)


def _cells(written: Written, names: Iterable[str]) -> int:
    return sum(written.tables[name].rows * (len(written.tables[name].fields) + 1) for name in names)


def _kept(
    context: QueryContext, instance: Instance, written: Written, columns: Mapping[str, frozenset[str] | None]
) -> int:
    """Register tables with the rows of some columns, of all where there is ``None``."""
    catalog = _catalog(context, instance, written)
    versions = tuple((name, written.tables[name].resource["etag"], columns[name]) for name in sorted(columns))

    def request() -> Any:
        made = message("local_service.RegisterCatalogRequest")(simple_catalog=catalog)
        _fill(context, made, written, columns)
        return made

    return instance.catalog((catalog.SerializeToString(deterministic=True), versions), request)


def _catalog(context: QueryContext, instance: Instance, written: Written) -> Any:
    """Describe the tables that a statement may name, and the script's variables and functions."""
    catalog = instance.language.catalog()
    for number, (name, table) in enumerate(written.tables.items(), 1):
        made = catalog.table.add(
            name=name, serialization_id=number, full_name=str(table.id).replace(":", ".")
        )
        for each in table.fields:
            made.column.add(name=each.name, type=type_of(each))
        if table is written.numbered:
            made.column.add(name=ROW, type=type_of(Field(ROW, "INTEGER")), is_pseudo_column=True)
    for name, (value_type, value) in context.variables.items():
        catalog.constant.add(name_path=[name], type=value_type, value=value)
    catalog.custom_function.extend(context.functions.values())
    return catalog


def _fill(
    context: QueryContext, request: Any, written: Written, columns: Mapping[str, frozenset[str] | None]
) -> None:
    """Hand the rows over; a column that is not read, and one that the module has no values of, is NULL."""
    for name, wanted in columns.items():
        table = written.tables[name]
        data = request.table_content[name].table_data
        data.SetInParent()
        fields = [each for each in table.fields if (wanted is None or each.name in wanted) and can_fill(each)]
        fillers = [(table.fields.index(each), filler(each)) for each in fields]
        size = len(table.fields) + (table is written.numbered)
        columns_read = f", {select_list(fields)}" if fields else ""
        reading = f"SELECT rowid{columns_read} FROM {table.physical}"  # noqa: S608 - our names
        for row in context.session.rows(reading):
            cell = data.row.add().cell.add
            cells = [cell() for _ in range(size)]
            for (place, fill), value in zip(fillers, row[1:], strict=True):
                fill(cells[place], value)
            if table is written.numbered:
                cells[-1].int64_value = row[0]
