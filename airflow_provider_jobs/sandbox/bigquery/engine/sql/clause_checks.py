"""What may stand where, and which names may come twice, by BigQuery's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

# What is computed from several rows cannot decide which rows there are.
_NO_AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Group: "GROUP BY", exp.Join: "JOIN ON clause", exp.Limit: "LIMIT", exp.Where: "WHERE clause",
}  # fmt: skip


def check_clauses(tree: exp.Expr, statement: Statement, target: Sequence[Field]) -> None:
    """Refuse a statement whose parts are in places where BigQuery does not take them.

    :param target: The columns of the table that the statement changes.
    :raises JobProblem: with the place in the statement.
    """
    for node in tree.walk():
        for kind, rule in _RULES:
            if isinstance(node, kind):
                rule(node, statement)
        if isinstance(node, exp.Insert):
            _insert(node, statement, [each.name.lower() for each in target])


def _repeated(names: Iterable[exp.Expr]) -> exp.Expr | None:
    seen: set[str] = set()
    for name in names:
        if name.name.lower() in seen:
            return name
        seen.add(name.name.lower())
    return None


def _select(node: exp.Select, statement: Statement) -> None:
    source = node.args.get("from_")
    for item in node.expressions:
        if isinstance(item, exp.Star) and source is None:
            refuse("SELECT * must have a FROM clause", statement, item)
    tables = [part.this for part in [source, *(node.args.get("joins") or [])] if part]
    twice = _repeated(name for name in map(_alias, tables) if name is not None)
    if twice:
        refuse(f"Duplicate table alias {twice.name} in the same FROM clause", statement, twice)
    if not node.is_star:
        _group(node, statement)
        _order(node, statement)


def _alias(table: exp.Expr) -> exp.Expr | None:
    alias = table.args.get("alias")
    name = alias.this if alias else table.this if isinstance(table, exp.Table) else None
    return name if isinstance(name, exp.Identifier) else None


def _group(node: exp.Select, statement: Statement) -> None:
    count = len(node.expressions)
    for item in node.args["group"].expressions if node.args.get("group") else ():
        number = _ordinal(item)
        if number is None:
            if isinstance(item, exp.Literal):
                refuse("Cannot GROUP BY literal values", statement, item)
            continue
        if not 1 <= number <= count:
            refuse(f"GROUP BY is out of SELECT column number range: {number}", statement, item)
        if any(_is_aggregate(each) for each in node.expressions[number - 1].find_all(exp.AggFunc)):
            message = f"Column {number} contains an aggregation function, which is not allowed in GROUP BY"
            refuse(message, statement, item)


def _order(node: exp.Select, statement: Statement) -> None:
    count = len(node.expressions)
    for item in node.args["order"].expressions if node.args.get("order") else ():
        number = _ordinal(item.this)
        if number is None and isinstance(item.this, exp.Literal):
            refuse("Cannot ORDER BY literal values", statement, item.this)
        if number is not None and not 1 <= number <= count:
            message = "ORDER BY column number item is out of range. Column numbers must be between 1 and"
            refuse(f"{message} {count}", statement, item.this)


def _ordinal(node: exp.Expr) -> int | None:
    number = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(number, exp.Literal) or not number.is_int:
        return None
    return -int(number.name) if number is not node else int(number.name)


def _with(node: exp.With, statement: Statement) -> None:
    twice = _repeated(query.args["alias"].this for query in node.expressions)
    if twice:
        refuse(f"Duplicate alias {twice.name} for WITH subquery", statement, twice)


def _is_aggregate(node: exp.Expr) -> bool:
    """Whether it is one value for many rows, not an analytic function."""
    return not isinstance(node.parent, exp.Window | exp.IgnoreNulls | exp.RespectNulls)


def _aggregate(node: exp.AggFunc, statement: Statement) -> None:
    if not _is_aggregate(node):
        return
    around = node.find_ancestor(exp.AggFunc, *_NO_AGGREGATES, exp.Select)
    clause = _NO_AGGREGATES.get(type(around)) if around else None
    if clause:
        name = str(node.meta.get("bigquery_name", node.key)).upper()
        refuse(f"Aggregate function {name} not allowed in {clause}", statement, node)
    if isinstance(around, exp.AggFunc) and _is_aggregate(around):
        refuse("Aggregations of aggregations are not allowed", statement, node)


def _window(node: exp.Window, statement: Statement) -> None:
    around = node.find_ancestor(*_NO_AGGREGATES, exp.Select)
    clause = _NO_AGGREGATES.get(type(around)) if around else None
    if clause:
        refuse(f"Analytic function not allowed in {clause}", statement, node)


def _is(node: exp.Is, statement: Statement) -> None:
    value = node.expression
    if not isinstance(value, exp.Null | exp.Boolean | exp.Var | exp.JSON):
        refuse(f'Syntax error: Unexpected "{value.sql(dialect="bigquery")}"', statement, value)


def _star(node: exp.Star, statement: Statement) -> None:
    if not isinstance(node.parent, exp.Select | exp.Column | exp.Count):
        refuse('Syntax error: Unexpected "*"', statement, node)


def _change(node: exp.Expr, statement: Statement) -> None:
    if not isinstance(node.parent, exp.When) and not node.args.get("where"):
        refuse(f"{node.key.upper()} must have a WHERE clause", statement, node.this, node.key.upper())
    if isinstance(node, exp.Update):
        twice = _repeated(item.this for item in node.expressions if not item.this.args.get("table"))
        if twice:
            refuse(f"Update item {twice.name} assigned more than once", statement, twice)


def _insert(node: exp.Insert, statement: Statement, columns: Sequence[str]) -> None:
    named = node.this.expressions if isinstance(node.this, exp.Schema | exp.Tuple) else []
    twice = _repeated(named)
    if twice:
        refuse(f"INSERT has columns with duplicate name: {twice.name}", statement, twice)
    expected = len(named or columns)
    for row in inserted_rows(node):
        if len(row.expressions) != expected:
            message = f"Inserted row has wrong column count; Has {len(row.expressions)}, expected {expected}"
            refuse(message, statement, row, "SELECT" if isinstance(row, exp.Select) else "(")


def inserted_rows(node: exp.Insert) -> list[exp.Expr]:
    """Give the rows of an INSERT: the tuples of its VALUES, or a SELECT; none where a ``*`` hides them."""
    values = node.expression
    rows = values.expressions if isinstance(values, exp.Values) else [values]
    return [
        row for row in rows if isinstance(row, exp.Tuple) or (isinstance(row, exp.Select) and not row.is_star)
    ]


_RULES: tuple[tuple[type[exp.Expr], Callable[..., None]], ...] = (
    (exp.Select, _select),
    (exp.With, _with),
    (exp.AggFunc, _aggregate),
    (exp.Window, _window),
    (exp.Is, _is),
    (exp.Star, _star),
    (exp.Update, _change),
    (exp.Delete, _change),
)
