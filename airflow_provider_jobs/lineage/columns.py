"""Which columns a statement's columns are made of, where sqlglot is installed; of others nothing is told.

Only what the service itself names counts: a table that it has not read, or a column that is in no schema, is
left out. Source: https://sqlglot.com/sqlglot/lineage.html
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.lineage.datasets import bigquery_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.lineage.datasets import Column, Dataset, Source

log = logging.getLogger(__name__)

_DIALECT = "bigquery"
#: What is longer, or has more columns, is not looked into: a task's end would wait for it.
_MOST_CHARACTERS = 50_000
_MOST_COLUMNS = 300


def sources_of(
    sql: str, output: Dataset, inputs: Sequence[Dataset], *, project: str, dataset: str | None = None
) -> dict[str, tuple[Source, ...]]:
    """Return of each column that a statement writes the columns that it is made of.

    :param inputs: The tables that it has read, with their columns.
    :param project: Of tables that are named without one.
    :param dataset: The same, of tables that are named without a dataset.
    :return: Empty if sqlglot is missing, or does not understand the statement.
    """
    columns = len(output.columns)
    if not 0 < columns <= _MOST_COLUMNS or len(sql) > _MOST_CHARACTERS or not _is_installed():
        return {}
    try:
        return _Statement(output, inputs, project, dataset).sources(sql)
    except Exception as error:  # noqa: BLE001 - a parser has errors of many kinds, and no task fails by it
        log.info("which columns were read is not told: %s", str(error).partition("\n")[0][:200])
        return {}


def _is_installed() -> bool:
    return importlib.util.find_spec("sqlglot") is not None


class _Statement:
    """The columns of one statement."""

    def __init__(self, output: Dataset, inputs: Sequence[Dataset], project: str, dataset: str | None) -> None:
        self._written = {each.name.lower(): each.name for each in output.columns}
        self._inputs = {each.name: each for each in inputs}
        self._where = {"catalog": project, **({"db": dataset} if dataset else {})}
        self._exp: Any = importlib.import_module("sqlglot").exp
        self._in_order = list(self._written.values())

    def sources(self, sql: str) -> dict[str, tuple[Source, ...]]:
        """Return of each column that is written those that it is made of; none of a script."""
        statements = importlib.import_module("sqlglot").parse(sql, dialect=_DIALECT)
        if len(statements) != 1 or (found := self._query(statements[0])) is None:
            return {}
        names, query = found
        scope, leaves = self._qualified(query)
        selects = scope.expression.named_selects
        told: dict[str, tuple[Source, ...]] = {}
        for name, selected in zip(names or selects, selects, strict=True):
            written = self._written.get(name.lower())
            if written and (read := self._read(leaves(selected))):
                told[written] = tuple(dict.fromkeys((*told.get(written, ()), *read)))
        return told

    def _query(self, statement: Any) -> tuple[list[str], Any] | None:
        """Return a query for what a statement writes, and the names of the columns that it goes to."""
        exp = self._exp
        if isinstance(statement, exp.Merge | exp.Update):
            return self._assigned(statement)
        query = statement if isinstance(statement, exp.Query) else statement.expression
        if not isinstance(query, exp.Query):
            return None
        if isinstance(statement, exp.Insert):
            given = statement.this.expressions if isinstance(statement.this, exp.Schema) else ()
            return [each.name for each in given] or self._in_order, query
        return [], query

    def _assigned(self, statement: Any) -> tuple[list[str], Any] | None:
        """Return the values that a MERGE or an UPDATE assigns as a query."""
        exp, pairs = self._exp, []
        is_merge = isinstance(statement, exp.Merge)
        thens = (
            [each.args.get("then") for each in statement.args["whens"].expressions]
            if is_merge
            else [statement]
        )
        for then in thens:
            if isinstance(then, exp.Update):
                pairs += [(each.this.name, each.expression) for each in then.expressions]
            elif isinstance(then, exp.Insert) and then.this and then.expression:
                values = then.expression.expressions
                pairs += list(zip((each.name for each in then.this.expressions), values, strict=True))
        others = statement.args["using"] if is_merge else (statement.args.get("from_") or exp.From()).this
        if not pairs or others is None:
            return None
        selected = [exp.alias_(value.copy(), f"c{number}") for number, (_, value) in enumerate(pairs)]
        query = exp.select(*selected).from_(others.copy()).join(statement.this.copy(), join_type="cross")
        return [name for name, _ in pairs], query

    def _qualified(self, query: Any) -> tuple[Any, Callable[[str], list[Any]]]:
        """Return the scope of a query whose names are whole, and what finds where its columns begin."""
        schema: dict[str, Any] = {}
        for each in self._inputs.values():
            project, name, table = bigquery_parts(each.name)
            types = {column.name: _type(column) for column in each.columns}
            schema.setdefault(project, {}).setdefault(name, {})[table] = types
        qualify = importlib.import_module("sqlglot.optimizer.qualify").qualify
        whole = qualify(
            query.copy(),
            dialect=_DIALECT,
            schema=schema,
            validate_qualify_columns=False,
            identify=False,
            **self._where,
        )
        scope = importlib.import_module("sqlglot.optimizer.scope").build_scope(whole)
        lineage = importlib.import_module("sqlglot.lineage").lineage

        def leaves(name: str) -> list[Any]:
            node = lineage(name, scope.expression, schema=schema, scope=scope, dialect=_DIALECT)
            return [each for each in node.walk() if not each.downstream]

        return scope, leaves

    def _read(self, leaves: Sequence[Any]) -> list[Source]:
        """Return the columns of tables that were read; of others nothing is known."""
        found: list[Source] = []
        for leaf in leaves:
            if not isinstance(leaf.expression, self._exp.Table):
                continue
            table = leaf.expression
            known = self._inputs.get(f"{table.catalog}.{table.db}.{table.name}")
            wanted = leaf.name.rpartition(".")[2].lower()
            if known and (column := next((c.name for c in known.columns if c.name.lower() == wanted), None)):
                found.append((*known.key, column))
        return found


def _type(column: Column) -> str:
    """Return the type of a column as the dialect has it: only whether it is a record counts here."""
    return (
        "STRING"
        if not column.fields
        else f"STRUCT<{', '.join(f'{each.name} STRING' for each in column.fields)}>"
    )
