"""What a table's columns ask of values: defaults, lengths, digits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import find_table
from airflow_provider_jobs.sandbox.bigquery.engine.destination import WIDER, Target, from_text
from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import filler, type_of
from airflow_provider_jobs.sandbox.bigquery.engine.sql.evaluation import CannotEvaluate, evaluate
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Written
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, duck_type

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext

_NO_TABLES = Written(Statement("", 0, 0, None), [], {}, None, volatile=False)
_DIGITS = {"NUMERIC": 9, "BIGNUMERIC": 38}  # after the point, where nothing is said of them


def default_of(column: Field) -> str:
    """Give the SQL of a column's default."""
    return f"({column.extras.get('defaultValueExpression') or 'NULL'})"


def make_fit(
    context: QueryContext, staged: str, fields: tuple[Field, ...], target: Target
) -> tuple[str, tuple[Field, ...]]:
    """Give rows that a job will publish the sizes of their columns, and the defaults of those they lack.

    :returns: The DuckDB table of the rows, and its columns.
    :raises JobProblem: a value is too long, or too large; the rows are gone then.
    """
    try:
        existing = find_table(context.session, target.table)
        if existing is None or (target.write == "WRITE_TRUNCATE" and target.partition is None):
            fit(context, staged, fields)
            return staged, fields
        columns = {each.name.lower(): each for each in existing.fields}
        pairs = [(each, columns.get(each.name.lower(), each)) for each in fields]
        # Publishing refuses the others.
        fit(context, staged, tuple(to for each, to in pairs if _alike(each, to)))
        filled, fields = add_defaults(context, existing, staged, fields)
    except BaseException:
        context.session.clean_up(f"DROP TABLE IF EXISTS {staged}")
        raise
    if filled != staged:
        for each in fields:
            if each.mode == "REQUIRED":
                column = f"ALTER TABLE {filled} ALTER COLUMN {quoted(each.name)}"
                context.session.execute(f"{column} SET NOT NULL")
    return filled, fields


def _alike(each: Field, column: Field) -> bool:
    widened = (each.type, column.type) in WIDER
    return each.repeated == column.repeated and (each.type == column.type or widened)


def add_defaults(
    context: QueryContext, table: StoredTable, staged: str, given: tuple[Field, ...]
) -> tuple[str, tuple[Field, ...]]:
    """Add the columns to staged rows that have a default and no value; each row has one of its own.

    :returns: The DuckDB table of the rows, another one if there is something to add, and its columns.
    """
    session = context.session
    named = {each.name.lower() for each in given}
    missing = [
        each
        for each in table.fields
        if each.name.lower() not in named and "defaultValueExpression" in each.extras
    ]
    if not missing:
        return staged, given
    ((count,),) = session.rows(f"SELECT count(*) FROM {staged}")  # noqa: S608 - our name
    lists = [
        _evaluated(context, f"SELECT {default_of(each)} FROM UNNEST(@n)", "n", _several(count), each)[0]  # noqa: S608
        for each in missing
    ]
    texts = ", ".join(f"unnest(CAST(? AS VARCHAR[])) AS d{number}" for number in range(len(missing)))
    values = ", ".join(
        from_text(each, f"d{number}") + f" AS {quoted(each.name)}" for number, each in enumerate(missing)
    )
    whole = context.store.new_physical()
    sql = f"CREATE TABLE {whole} AS SELECT s.*, {values} FROM {staged} s POSITIONAL JOIN (SELECT {texts})"  # noqa: S608
    session.execute(sql, lists)
    session.execute(f"DROP TABLE {staged}")
    return whole, (*given, *missing)


def _several(count: int) -> tuple[Any, Any]:
    value = message("ValueProto")()
    value.array_value.SetInParent()
    for _ in range(count):
        value.array_value.element.add(int64_value=0)
    return type_of(Field("n", "INTEGER", "REPEATED")), value


def _evaluated(
    context: QueryContext, text: str, name: str, value: tuple[Any, Any], target: Field
) -> list[list[Any]]:
    alone = replace(context, parameters={name: value}, variables={}, functions={})
    try:
        return evaluate(alone, _NO_TABLES, text, {}, (replace(target, name="f0_"),)).columns
    except CannotEvaluate as error:
        raise unsupported(f"compute values of the column {target.name}: {error}") from error


def fit(context: QueryContext, staged: str, fields: tuple[Field, ...]) -> None:
    """Round and check staged values by what the columns' types say: ``STRING(3)``, ``NUMERIC(5, 2)``.

    :raises JobProblem: a value is too long, or too large.
    """
    for each in fields:
        if each.repeated or not each.extras.keys() & {"maxLength", "precision"}:
            continue
        column = quoted(each.name)
        if each.type in _DIGITS:
            digits, scale = int(each.extras["precision"]), int(each.extras.get("scale") or 0)
            rounded = f"CAST(round({column}, {scale}) AS {duck_type(each)})"
            wrong, kind = f"abs({rounded}) >= 1e{digits - scale}", f"{each.type}({digits}, {scale})"
        else:
            longest = int(each.extras["maxLength"])
            rounded, kind = column, f"{each.type}({longest})"
            wrong = f"{'octet_length' if each.type == 'BYTES' else 'length'}({column}) > {longest}"
        found = f"SELECT {select_list([each])} FROM {staged} WHERE {wrong} LIMIT 1"  # noqa: S608 - our names
        for (value,) in context.session.rows(found):
            proto = message("ValueProto")()
            filler(each)(proto, value)
            _evaluated(context, f"SELECT CAST(@v AS {kind})", "v", (type_of(each), proto), each)
        if rounded != column:
            context.session.execute(f"UPDATE {staged} SET {column} = {rounded}")  # noqa: S608
