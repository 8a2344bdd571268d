"""Table names inside a query: found in the catalog and replaced by DuckDB's names, views by their SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, get_table
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import parse, split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session

_MAX_VIEW_DEPTH = 16


def read_name(written: str, project: str, default_dataset: tuple[str, str] | None) -> TableId:
    """Read ``project.dataset.table``, ``dataset.table`` or ``table``.

    :raises JobProblem: it is none of these, or bare without a default.
    """
    # A project may hold dots itself, before a colon: example.com:project.dataset.table.
    domain, colon, rest = written.rpartition(":")
    pieces = rest.split(".", 2)
    if any("INFORMATION_SCHEMA" in piece.upper() for piece in pieces):
        raise invalid_query(f"INFORMATION_SCHEMA is not supported by the sandbox: {written}")
    match pieces:
        case [table] if not colon:
            if default_dataset is None:
                message = f'Table "{written}" must be qualified with a dataset (e.g. dataset.table).'
                raise JobProblem("invalid", message, written)
            return TableId(*default_dataset, table)
        case [dataset, table] if not colon:
            return TableId(project, dataset, table)
        case [owner, dataset, table]:
            return TableId(domain + colon + owner, dataset, table)
    raise invalid_query(f"Invalid table name: `{written}`")


@dataclass
class Tables:
    """The tables that one statement names."""

    session: Session
    project: str
    location: str
    default_dataset: tuple[str, str] | None = None  # project, dataset
    temporary: dict[str, TableId] = field(default_factory=dict)  # of the script, by name in small letters
    found: dict[TableId, StoredTable] = field(default_factory=dict)
    aliases: dict[str, set[TableId]] = field(default_factory=dict)  # how the query calls them
    view_depth: int = 0

    def name(self, node: exp.Table, statement: Statement) -> TableId:
        """Read a table's name; nothing is looked up.

        :raises JobProblem: a table function, or a name without a dataset.
        """
        if not isinstance(node.this, exp.Identifier):
            if not isinstance(node.this, exp.Func):
                raise invalid_query("Invalid table name" + at(statement.script, statement.start))
            known = not isinstance(node.this, exp.Anonymous)
            called = node.this.sql_name().lower() if known else node.this.name
            raise invalid_query(
                f"Table-valued function not found: {called}" + at(statement.script, statement.start)
            )
        parts = ".".join(part.name for part in node.parts)
        if not node.db and parts.lower() in self.temporary:
            return self.temporary[parts.lower()]
        return read_name(parts, self.project, self.default_dataset)

    def changed(self, tree: exp.Expression, statement: Statement) -> TableId:
        """Name the table that a DML statement changes."""
        node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        if not isinstance(node, exp.Table):
            raise invalid_query(
                "The statement names no table to change" + at(statement.script, statement.start)
            )
        return self.name(node, statement)

    def get(self, name: TableId) -> StoredTable:
        """Look a table up and remember that the statement reads it.

        :raises JobProblem: there is none in the job's location.
        """
        if name not in self.found:
            try:
                self.found[name] = get_table(self.session, name, self.location)
            except ApiError as error:
                raise JobProblem(error.reason, error.message) from error
        return self.found[name]

    def qualified(self, tree: exp.Expression, statement: Statement) -> exp.Expression:
        """Write every table's name in full, for a query that will run without these defaults."""
        for node in tree.find_all(exp.Table):
            if not is_with_name(node):
                name = self.name(node, statement)
                for key, part in (("catalog", name.project), ("db", name.dataset), ("this", name.table)):
                    node.set(key, exp.to_identifier(part, quoted=True))
        return tree

    def replace_all(self, tree: exp.Expression, statement: Statement) -> exp.Expression:
        """Point every table of the tree to its rows in DuckDB."""
        for node in list(tree.find_all(exp.Table)):
            if not is_with_name(node):
                self._replace(node, statement)
        return tree

    def _replace(self, node: exp.Table, statement: Statement) -> None:
        name = self.name(node, statement)
        table = self.get(name)
        written = node.name.rpartition(".")[2]
        alias = node.alias or written
        self.aliases.setdefault(alias.lower(), set()).add(name)
        if table.view_query is not None:
            node.replace(self._expanded(table).as_(alias, quoted=True))
            return
        schema, physical = table.physical.split(".")
        node.set("this", exp.to_identifier(physical))
        node.set("db", exp.to_identifier(schema))
        node.set("catalog", None)
        if not isinstance(node.parent, exp.Insert) or node.arg_key != "this":
            columns = node.args["alias"].args.get("columns") if node.args.get("alias") else None
            node.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True), columns=columns))

    def _expanded(self, view: StoredTable) -> exp.Subquery:
        """Give a view's query as a subquery; its bare names belong to its own default dataset."""
        if self.view_depth >= _MAX_VIEW_DEPTH:
            raise invalid_query(f"Views are nested too deeply: {view.id}")
        inner = Tables(
            self.session,
            view.id.project,
            self.location,
            None,
            {},
            self.found,
            self.aliases,
            self.view_depth + 1,
        )
        statement = split(str(view.view_query))[0]
        return exp.Subquery(this=inner.replace_all(parse(statement), statement))


def is_with_name(node: exp.Table) -> bool:
    """Whether a bare name means a WITH query that is visible here."""
    if node.db or not isinstance(node.this, exp.Identifier):
        return False
    inner: Any = node
    outer: Any = node.parent
    while outer is not None:
        with_ = outer.args.get("with_") or outer.args.get("with")
        if isinstance(with_, exp.With) and inner is not with_:
            names = [cte.alias.lower() for cte in with_.expressions]
        elif isinstance(outer, exp.With):
            # Inside a WITH query only the earlier ones are visible, unless all may refer to each other.
            every = outer.expressions
            before = (
                every if outer.recursive else every[: next(i for i, cte in enumerate(every) if cte is inner)]
            )
            names = [cte.alias.lower() for cte in before]
        else:
            names = []
        if node.name.lower() in names:
            return True
        inner, outer = outer, outer.parent
    return False


def columns_read(tree: exp.Expression, tables: Tables) -> dict[TableId, set[str]]:
    """Tell which columns of which tables a statement reads, before the names were replaced or after."""
    read: dict[TableId, set[str]] = {name: set() for name in tables.found}
    for column in tree.find_all(exp.Column):
        if isinstance(column.this, exp.Star):
            continue
        # In a.b either a is a table and b its column, or a is a column and b a field of it.
        for name in _candidates(column.table, tables):
            read[name] |= _with_name(tables.found[name], column.name)
        if column.table and column.table.lower() not in tables.aliases:
            for name, table in tables.found.items():
                read[name] |= _with_name(table, column.parts[0].name)
    for star in tree.find_all(exp.Star):
        for name in _starred(star, tables):
            read[name] |= {each.name for each in tables.found[name].fields}
    return read


def _candidates(qualifier: str, tables: Tables) -> set[TableId]:
    return tables.aliases.get(qualifier.lower(), set()) if qualifier else set(tables.found)


def _with_name(table: StoredTable, name: str) -> set[str]:
    return {each.name for each in table.fields if each.name.lower() == name.lower()}


def _starred(star: exp.Star, tables: Tables) -> set[TableId]:
    """Tell which tables a ``*`` in a SELECT list stands for; ``COUNT(*)`` reads none."""
    column = star.parent if isinstance(star.parent, exp.Column) else star
    select = column.parent
    if not isinstance(select, exp.Select) or column.arg_key != "expressions":
        return set()
    if isinstance(column, exp.Column) and column.table:
        return tables.aliases.get(column.table.lower(), set())
    sources = [select.args.get("from_") or select.args.get("from"), *(select.args.get("joins") or [])]
    named = {source.this.alias_or_name.lower() for source in sources if source is not None}
    return {name for alias in named for name in tables.aliases.get(alias, set())}
