"""Table names inside a query: found in the catalog, and written so that each stands for itself alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, get_table
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part, span, walk
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import (
    Edit,
    Statement,
    edited,
    invalid_query,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session

_MAX_VIEW_DEPTH = 16
_VOLATILE = {
    "CURRENT_DATE", "CURRENT_DATETIME", "CURRENT_TIME", "CURRENT_TIMESTAMP", "GENERATE_UUID", "RAND",
    "SESSION_USER",
}  # fmt: skip
# Statements whose target follows by another word than FROM.
_NAMELESS = {"AlterTableStatement", "InsertStatement"}  # whose target can have no alias
_CHANGES = {*_NAMELESS, "UpdateStatement", "DeleteStatement", "MergeStatement"}


def read_name(written: str, project: str, default_dataset: tuple[str, str] | None) -> TableId:
    """Read ``project.dataset.table``, ``dataset.table`` or ``table``.

    :raises JobProblem: it is none of these, or bare without a default.
    """
    # A project may hold dots itself, before a colon: example.com:project.dataset.table.
    domain, colon, rest = written.rpartition(":")
    pieces = rest.split(".", 2)
    if any("INFORMATION_SCHEMA" in piece.upper() for piece in pieces):
        raise unsupported(f"read INFORMATION_SCHEMA ({written})")
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


@dataclass(frozen=True)
class Written:
    """A statement whose tables have one quoted name each, and whose positional parameters have names."""

    statement: Statement
    edits: list[Edit]
    tables: dict[str, StoredTable]  # by the names in the text
    target: StoredTable | None  # the table that it changes
    volatile: bool  # whether it may give other rows the next time
    versions: dict[TableId, str] = field(default_factory=dict)  # of what it reads, views too

    @property
    def text(self) -> str:
        """The statement with these names."""
        return edited(self.statement.text, self.edits)

    @property
    def numbered(self) -> StoredTable | None:
        """The table of which the rows' numbers are wanted: those of it change."""
        return None if kind(self.statement.node) == "InsertStatement" else self.target

    def part(self, node: Any) -> str:
        """Give a part of the statement with these names."""
        start, end = (place - self.statement.first_byte for place in span(node))
        inner = [
            Edit(each.start - start, each.end - start, each.text)
            for each in self.edits
            if start <= each.start and each.end <= end
        ]
        return edited(self.statement.text.encode()[start:end].decode(), inner)


@dataclass(frozen=True)
class Tables:
    """Where the tables are that a statement may name."""

    session: Session
    project: str
    location: str
    default_dataset: tuple[str, str] | None = None  # project, dataset
    temporary: dict[str, TableId] = field(default_factory=dict)  # of the script, by name in small letters
    view_depth: int = 0
    closed: bool = False  # whether nobody knows what is in them, since a transaction has failed

    def name(self, segments: Sequence[str]) -> TableId:
        """Read a table's name; nothing is looked up.

        :raises JobProblem: a name without a dataset, or INFORMATION_SCHEMA.
        """
        written = ".".join(segments)
        if written.lower() in self.temporary:
            return self.temporary[written.lower()]
        return read_name(written, self.project, self.default_dataset)

    def get(self, name: TableId) -> StoredTable:
        """Look a table up.

        :raises JobProblem: there is none in the job's location.
        """
        if self.closed:
            raise unsupported(f"read {name} in a transaction in which a statement has failed")
        try:
            return get_table(self.session, name, self.location)
        except ApiError as error:
            raise JobProblem(error.reason, error.message) from error

    def write(self, instance: Instance, statement: Statement) -> Written:
        """Look up the tables of a statement and write their names in full, views as their SQL.

        :raises JobProblem: a table is not there, or a view goes round in circles.
        """
        edits = _reworded(statement)
        if statement.is_expression:
            size = len(statement.text.encode())
            edits += [Edit(0, 0, "SELECT ("), Edit(size, size, ")")]
        tables: dict[str, StoredTable] = {}
        found: dict[TableId, StoredTable] = {}
        versions: dict[TableId, str] = {}
        target = None
        volatile = any(map(_is_volatile, walk(statement.node)))
        for path, place, named, changed in self._paths(instance, statement):
            name = self.name([each.id_string for each in path.names])
            table = found[name] = found[name] if name in found else self.get(name)
            versions[name] = str(table.resource["etag"])
            if changed:
                target = table
            if table.view_query is not None:
                if changed:
                    raise invalid_query(f"Cannot modify {table.id}: it is a view")
                inner = self._view(instance, table)
                text = f"({inner.text}\n)"
                tables |= {called: each for called, each in inner.tables.items() if called not in tables}
                volatile, versions = volatile or inner.volatile, versions | inner.versions
            else:
                called = _called(table, tables)
                text, tables[called] = f"`{called}`", table
            alias = path.names[-1].id_string.rpartition(".")[2]
            edits.append(Edit(*place, text if named else f"{text} AS `{alias}`"))
        return Written(statement, edits, tables, target, volatile, versions)

    def qualified(self, instance: Instance, statement: Statement) -> str:
        """Write every table's name in full, for a query that will run without these defaults."""
        edits = []
        for path, place, _, _ in self._paths(instance, statement):
            name = self.name([each.id_string for each in path.names])
            edits.append(Edit(*place, f"`{name.project}`.`{name.dataset}`.`{name.table}`"))
        return edited(statement.text, edits)

    def _view(self, instance: Instance, view: StoredTable) -> Written:
        """Write a view's query; its names belong to its own project."""
        if self.view_depth >= _MAX_VIEW_DEPTH:
            raise invalid_query(f"Views are nested too deeply: {view.id}")
        inner = replace(
            self, project=view.id.project, default_dataset=None, temporary={}, view_depth=self.view_depth + 1
        )
        return inner.write(instance, split(instance, str(view.view_query))[0])

    def _paths(
        self, instance: Instance, statement: Statement
    ) -> Iterator[tuple[Any, tuple[int, int], bool, bool]]:
        """Give each path that names a table: node, place, whether an alias follows, whether it changes."""
        root = statement.node
        found = [
            each for each in walk(root) if kind(each) == "TablePathExpression" and each.HasField("path_expr")
        ]
        changes = kind(root) in _CHANGES
        if not found and not changes:
            return
        named = self._named(instance, statement)
        if changes:
            path = part(root, "path") if kind(root) == "AlterTableStatement" else leaf(root.target_path)
            named_already = kind(root) in _NAMELESS or has(root, "alias")
            yield path, _place(path, statement), named_already, True
        for each in found:
            segments = tuple(part.id_string for part in each.path_expr.names)
            if segments not in named:
                continue  # a WITH query, or an array of a table before
            if each.HasField("for_system_time"):
                raise unsupported(f"read {'.'.join(segments)} as of an earlier time")
            yield each.path_expr, _place(each.path_expr, statement), each.HasField("alias"), False

    def _named(self, instance: Instance, statement: Statement) -> set[tuple[str, ...]]:
        request = message("local_service.ExtractTableNamesFromStatementRequest")(
            sql_statement=f"SELECT ({statement.text})" if statement.is_expression else statement.text,
            options=instance.language.options,
        )
        reply = instance.call("ExtractTableNamesFromStatement", request)
        return {tuple(name.table_name_segment) for name in reply.table_name}


def _place(path: Any, statement: Statement) -> tuple[int, int]:
    places = [span(name) for name in path.names]
    return min(places)[0] - statement.first_byte, max(end for _, end in places) - statement.first_byte


def _called(table: StoredTable, others: dict[str, StoredTable]) -> str:
    """Give the name of a table in the text; names of tables are case-sensitive, there they are not."""
    name = f"{table.id.project}.{table.id.dataset}.{table.id.table}"
    while others.get(name, table).id != table.id or any(
        other != name and other.lower() == name.lower() for other in others
    ):
        name += "'"
    return name


# What reads the format of a time in the evaluator's place, by the function's first word.
_FORMATS = {"FORMAT": "sandbox_written_format", "PARSE": "sandbox_read_format"}
# System variables that are parameters in the evaluator: ``@@error.message`` is ``@sandbox_error_message``.
ERROR_VARIABLES = ("error_message", "error_statement_text")
_TIMES = ("DATE", "DATETIME", "TIME", "TIMESTAMP")


def _reworded(statement: Statement) -> list[Edit]:
    """Give positional parameters names, ``@p1``, ``@p2``, and formats of times words for the evaluator."""
    edits = []
    for node in walk(statement.node):
        if kind(node) == "ParameterExpr" and not node.HasField("name"):
            start, end = (place - statement.first_byte for place in span(node))
            edits.append(Edit(start, end, f"@p{node.position}"))
        elif kind(node) == "SystemVariableExpr":
            name = "_".join(each.id_string.lower() for each in node.path.names)
            if name in ERROR_VARIABLES:
                start, end = (place - statement.first_byte for place in span(node))
                edits.append(Edit(start, end, f"@sandbox_{name}"))
        elif kind(node) == "FunctionCall" and node.arguments:
            action, _, what = part(node, "function").names[-1].id_string.upper().partition("_")
            if action in _FORMATS and what in _TIMES:
                start, end = (place - statement.first_byte for place in span(node.arguments[0]))
                edits += [Edit(start, start, f"{_FORMATS[action]}("), Edit(end, end, ")")]
    return edits


def _is_volatile(node: Any) -> bool:
    if kind(node) == "FunctionCall":
        return part(node, "function").names[-1].id_string.upper() in _VOLATILE
    return kind(node) in {"SampleClause", "SystemVariableExpr"}
