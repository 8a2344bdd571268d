"""GoogleSQL trees made ready for DuckDB, where sqlglot alone would change the meaning."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from airflow_provider_jobs.sandbox.bigquery.engine.sql.functions import BY_NAME, FUNCTION_CHANGES, GUARDED
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query, place
from airflow_provider_jobs.sandbox.bigquery.engine.sql.time_functions import TIME_CHANGES, date_trunc
from airflow_provider_jobs.sandbox.bigquery.engine.types import BIGNUMERIC_SCALE, NUMERIC_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

_log = logging.getLogger(__name__)

_DECIMALS = {exp.DataType.Type.DECIMAL: NUMERIC_SCALE, exp.DataType.Type.BIGDECIMAL: BIGNUMERIC_SCALE}

# What takes its type from the values in it.
_TYPED_BY_VALUES = (
    exp.Alias, exp.Array, exp.Case, exp.Coalesce, exp.If, exp.PropertyEQ, exp.Select, exp.Struct, exp.Tuple,
)  # fmt: skip


def prepare(
    tree: exp.Expression, statement: Statement, column_types: Mapping[str, set[str]]
) -> exp.Expression:
    """Change what means something else in DuckDB.

    :param column_types: the types that a column name has in the tables of the query.
    """
    for kind, change in _CHANGES.items():
        for node in list(tree.find_all(kind)):
            change(node)
    for node in list(tree.find_all(exp.DateTrunc)):
        date_trunc(node, column_types)
    for call in list(tree.find_all(exp.Anonymous)):
        _call(call, statement)
    return tree


def to_duck(tree: exp.Expression, statement: Statement) -> str:
    """Write the tree in DuckDB's dialect.

    :raises JobProblem: the sandbox has no equivalent.
    """
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except (SqlglotError, ValueError) as error:
        _log.warning("a statement has no equivalent: %s", error)
        construct = str(error).split(maxsplit=1)[0]
        where = at(statement.script, statement.start)
        raise invalid_query(f"Unsupported construct in the sandbox: {construct}{where}") from error


def name_columns(tree: exp.Expression) -> exp.Expression:
    """Name the columns of a result the way BigQuery does: ``f0_``, ``f1_`` where the query gives no name."""
    for select in tree.find_all(exp.Select):
        _name_columns(select, top=select is tree)
    return tree


def _name_columns(select: exp.Select, *, top: bool) -> None:
    kind = select.args.get("kind")
    if kind and not top:
        return  # SELECT AS STRUCT: the names of fields
    if kind == "STRUCT":
        select.set("kind", None)
    count = 0
    for item in select.expressions:
        if item.is_star or isinstance(item, exp.Alias | exp.Aliases):
            continue
        name = item.name if isinstance(item, exp.Column | exp.Dot) else ""
        if not name:
            name = f"f{count}_"
            count += 1
        item.replace(exp.alias_(item.copy(), name, quoted=True))


# -- one construct each --------------------------------------------------------------------------------------


def _number(node: exp.Literal) -> None:
    """1 is an INT64 in BigQuery and 1.5 a FLOAT64; in DuckDB they are an INT32 and a DECIMAL."""
    if node.is_string:
        return
    if node.is_int:
        value = node.parent if isinstance(node.parent, exp.Neg) else node
        first = not isinstance(value.parent, exp.Array) or value.parent.expressions[0] is value
        if isinstance(value.parent, _TYPED_BY_VALUES) and first:
            value.replace(exp.cast(value.copy(), "BIGINT", dialect="duckdb"))
    elif not isinstance(node.parent, exp.Cast | exp.DataTypeParam):
        node.replace(exp.cast(node.copy(), "DOUBLE", dialect="duckdb"))


def _arithmetic(node: exp.Binary) -> None:
    """Whole numbers have 64 bits in BigQuery, 32 in DuckDB where nothing says otherwise."""
    if all(isinstance(side, exp.Literal) and side.is_int for side in (node.left, node.right)):
        node.left.replace(exp.cast(node.left.copy(), "BIGINT", dialect="duckdb"))


def _type(node: exp.DataType) -> None:
    scale = _DECIMALS.get(node.this)
    if scale is not None:
        sizes = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (38, scale)]
        node.replace(exp.DataType(this=exp.DataType.Type.DECIMAL, expressions=sizes))
    elif node.this is exp.DataType.Type.GEOGRAPHY:
        node.replace(exp.DataType.build("TEXT", dialect="duckdb"))


def _cast(node: exp.Cast) -> None:
    if node.args.get("format"):
        return
    if node.to.this is exp.DataType.Type.TEXT and not (
        isinstance(node.this, exp.Literal) and node.this.is_string
    ):
        text = exp.Anonymous(this="bq_string", expressions=[node.this])
        node.replace(text)
    elif node.to.this in {exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY} and not isinstance(
        node.this, exp.ByteString
    ):
        node.replace(exp.Anonymous(this="encode", expressions=[node.this]))


def _session_user(node: exp.Expression) -> None:
    node.replace(exp.Literal.string("sandbox@example.com"))


def _format(node: exp.Format) -> None:
    """FORMAT is DuckDB's printf; ``%t`` and ``%T`` mean the value as text."""
    pattern = node.this
    if isinstance(pattern, exp.Literal):
        pattern = exp.Literal.string(re.sub(r"(?<!%)((?:%%)*)%[tT]", r"\1%s", pattern.name))
    node.replace(exp.Anonymous(this="printf", expressions=[pattern.copy(), *node.expressions]))


def _array_agg(node: exp.ArrayAgg) -> None:
    """IGNORE NULLS and LIMIT inside ARRAY_AGG: a filter and a slice in DuckDB."""
    outer = node.parent if isinstance(node.parent, exp.IgnoreNulls) else node
    limit = node.this.expression if isinstance(node.this, exp.Limit) else None
    if limit is None and outer is node:
        return
    value = node.this.this if limit is not None else node.this
    aggregate: exp.Expression = exp.Anonymous(this="array_agg", expressions=[value.copy()])
    if outer is not node:
        plain = value
        while isinstance(plain, exp.Order | exp.Distinct):
            plain = plain.expressions[0] if isinstance(plain, exp.Distinct) else plain.this
        present = exp.Not(this=exp.Is(this=plain.copy(), expression=exp.Null()))
        aggregate = exp.Filter(this=aggregate, expression=exp.Where(this=present))
    if limit is not None:
        aggregate = exp.Anonymous(
            this="list_slice", expressions=[aggregate, exp.Literal.number(1), limit.copy()]
        )
    outer.replace(aggregate)


def _unnest(node: exp.Unnest) -> None:
    """Offsets count from 0 in BigQuery, from 1 in DuckDB; a column without a name is called f0_."""
    if not isinstance(node.parent, exp.From | exp.Join):
        return
    alias = node.args.get("alias")
    columns = list(alias.args.get("columns") or []) if alias else []
    value = columns[0].name if columns else "f0_"
    offset = node.args.get("offset")
    if not offset:
        if not columns:
            node.set(
                "alias",
                exp.TableAlias(this=exp.to_identifier("_unnested"), columns=[exp.to_identifier(value)]),
            )
        return
    counted = node.copy()
    counted.set("offset", exp.to_identifier("_place"))
    counted.set(
        "alias", exp.TableAlias(this=exp.to_identifier("_numbered"), columns=[exp.to_identifier("_value")])
    )
    called = offset.name if isinstance(offset, exp.Identifier) else "offset"
    place = exp.Sub(this=exp.column("_place"), expression=exp.Literal.number(1))
    select = exp.Select(
        expressions=[
            exp.alias_(exp.column("_value"), value, quoted=True),
            exp.alias_(exp.Paren(this=place), called, quoted=True),
        ],
    ).from_(counted)
    node.replace(exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier("_unnested"))))


def _struct(node: exp.Struct) -> None:
    """Fields without a name are ``_field_1``, ``_field_2``, unless the type that is written names them."""
    typed = isinstance(node.parent, exp.Cast) and node.parent.to.expressions
    given = [part.name for part in typed or () if isinstance(part, exp.ColumnDef)]
    named = []
    for number, item in enumerate(node.expressions, 1):
        if isinstance(item, exp.PropertyEQ):
            named.append(item)
            continue
        name = item.alias_or_name if isinstance(item, exp.Column | exp.Alias | exp.Dot) else ""
        name = given[number - 1] if number <= len(given) else name
        value = item.this if isinstance(item, exp.Alias) else item
        named.append(
            exp.PropertyEQ(
                this=exp.to_identifier(name or f"_field_{number}", quoted=True), expression=value.copy()
            )
        )
    node.set("expressions", named)


def _update(node: exp.Update) -> None:
    """SET names the columns of the target; DuckDB wants them without its name."""
    if not isinstance(node.parent, exp.When):  # that one belongs to a MERGE
        _unqualify(node.expressions, node.this.alias_or_name)


def _merge(node: exp.Merge) -> None:
    for when in node.args["whens"].expressions:
        then = when.args["then"]
        if isinstance(then, exp.Update):
            _unqualify(then.expressions, node.this.alias_or_name)
        elif (
            isinstance(then, exp.Insert)
            and isinstance(then.this, exp.Var)
            and then.this.name.upper() == "ROW"
        ):
            then.set("this", exp.Star())


def _unqualify(assignments: list[exp.Expression], target: str) -> None:
    for assignment in assignments:
        column = assignment.this
        if not isinstance(column, exp.Column) or column.table.lower() not in {"", target.lower()}:
            raise invalid_query(
                "Updates of nested fields are not supported by the sandbox: set the whole record"
            )
        column.set("table", None)


def _safe(node: exp.Expression) -> None:
    call = node.this.this if isinstance(node.this, exp.Cast) else node.this
    if isinstance(call, exp.Anonymous) and call.name in GUARDED:
        call.set("this", f"{call.name}_or_null")
        node.replace(node.this)
    else:
        node.replace(exp.Anonymous(this="TRY", expressions=[node.this]))


def _call(node: exp.Anonymous, statement: Statement) -> None:
    name = str(node.this)
    if isinstance(node.parent, exp.Dot):
        name = node.parent.sql(dialect="bigquery").split("(")[0]
    if "start" in node.meta:  # written by the user, not by one of the changes above
        known = BY_NAME.get(name.upper())
        if known is None:
            raise invalid_query(f"Function not found: {name}" + place(node, statement))
        node.set("this", known)


_CHANGES: dict[type[exp.Expression], Callable[..., None]] = {
    exp.Literal: _number,
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    exp.DataType: _type,
    exp.Cast: _cast,
    exp.SessionUser: _session_user,
    exp.Format: _format,
    exp.ArrayAgg: _array_agg,
    exp.Unnest: _unnest,
    exp.Struct: _struct,
    exp.Update: _update,
    exp.Merge: _merge,
    **FUNCTION_CHANGES,
    **TIME_CHANGES,
    exp.SafeFunc: _safe,  # when the function itself is translated
}
