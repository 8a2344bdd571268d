"""Finds the objects and fields that a query names, and the joins that parents' fields need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Name

_REFERENCE = "Please reference your WSDL or the describe call for the appropriate names."

_MOST_LEVELS = 5

# What only some of the objects behind a polymorphic reference have.
_OF_PEOPLE = ("FirstName", "LastName", "Alias", "Email", "Phone", "Title", "Username")

# What a polymorphic reference leads to, whatever it is:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm
_NAME = SObject(
    "Name",
    "Name",
    "",
    (
        Field("Id", "id", "Name ID"),
        Field("Name", "string", "Name"),
        Field("Type", "picklist", "Type"),
        *(Field(name, "string", name) for name in _OF_PEOPLE),
    ),
    replicateable=False,
)


@dataclass(frozen=True)
class Column:
    """A field as a query reaches it.

    :param path: the field in Salesforce's own spelling, such as ``Account.Owner.Name``.
    :param sql: the column in DuckDB.
    """

    field: Field
    path: str
    sql: str


def object_named(soql: str, name: Name, schema: Schema) -> SObject:
    """Find an object.

    :raises SalesforceRefusal: INVALID_TYPE.
    """
    found = schema.find(name.text)
    if found is None:
        message = (
            f"sObject type '{name.text}' is not supported. If you are attempting to use a custom object, be "
            f"sure to append the '__c' after the entity name. {_REFERENCE}"
        )
        raise refusal_at("INVALID_TYPE", soql, name.at, message)
    return found


class Scope:
    """The object of one SELECT and the parents that are joined to it.

    :param table: the name of the object's table in the statement; parents' names begin with it.
    """

    def __init__(self, soql: str, of: SObject, alias: str | None, table: str, schema: Schema) -> None:
        self.soql = soql
        self.object = of
        self.schema = schema
        self.objects = {of}  # all that are read
        self._own_names = {alias.lower()} if alias else set()
        self._table = table
        self._joins: dict[tuple[str, ...], tuple[str, SObject, str]] = {}

    def column(self, name: Name) -> Column:
        """Find a field, the parent's parent's too.

        :raises SalesforceRefusal: INVALID_FIELD.
        """
        parts = name.text.split(".")
        if len(parts) > 1 and self._is_own(parts[0]):
            parts = parts[1:]
        if len(parts) - 1 > _MOST_LEVELS:
            message = f"Relationship paths cannot have more than {_MOST_LEVELS} levels: '{name.text}'"
            raise refusal_at("MALFORMED_QUERY", self.soql, name.at, message)
        path: tuple[str, ...] = ()
        of, table = self.object, self._table
        for part in parts[:-1]:
            of, table, path = self._parent(of, table, path, part, name)
        field = of.field(parts[-1])
        if field is None:
            raise self._no_column(parts[-1], of, name)
        if field.formula_reads:
            self._read(field.formula_reads)
        return Column(field, ".".join([*path, field.name]), field.sql(table))

    def _is_own(self, part: str) -> bool:
        lower = part.lower()
        if lower in self._own_names:
            return True
        return lower == self.object.name.lower() and lower not in self.object.relationships

    def _parent(
        self, of: SObject, table: str, path: tuple[str, ...], part: str, name: Name
    ) -> tuple[SObject, str, tuple[str, ...]]:
        reference = of.relationships.get(part.lower())
        if reference is None:
            message = (
                f"Didn't understand relationship '{part}' in field path. If you are attempting to use a "
                f"custom relationship, be sure to append the '__r' after the custom relationship name. "
                f"{_REFERENCE}"
            )
            raise refusal_at("INVALID_FIELD", self.soql, name.at, message)
        longer = (*path, reference.relationship)
        if longer not in self._joins:
            parents = [self._read(each) for each in reference.refers_to]
            parent, source = (parents[0], parents[0].table) if len(parents) == 1 else (_NAME, _names(parents))
            alias = f"{self._table}_{len(self._joins) + 1}"
            join = f'LEFT JOIN {source} AS {alias} ON {alias}."Id" = {table}."{reference.name}"'
            self._joins[longer] = (join, parent, alias)
        _, parent, alias = self._joins[longer]
        return parent, alias, longer

    def _read(self, name: str) -> SObject:
        """Note that an object of ours is read."""
        found = self.schema.find(name)
        if found is None:
            raise KeyError(name)
        self.objects.add(found)
        return found

    def _no_column(self, part: str, of: SObject, name: Name) -> Exception:
        message = (
            f"No such column '{part}' on entity '{of.name}'. If you are attempting to use a custom field, be "
            f"sure to append the '__c' after the custom field name. {_REFERENCE}"
        )
        return refusal_at("INVALID_FIELD", self.soql, name.at, message)

    @property
    def joined(self) -> bool:
        """Whether any parent is needed, by a formula too."""
        return bool(self._joins) or len(self.objects) > 1

    @property
    def records(self) -> list[tuple[str, str, str]]:
        """Each record of a row, the parents' too: its path, "" for the own; its object and id, as SQL."""
        found = [("", f"'{self.object.name}'", self.own_id)]
        for path, (_, parent, alias) in self._joins.items():
            name = f'{alias}."Type"' if parent is _NAME else f"'{parent.name}'"
            found.append((".".join(path), name, f'{alias}."Id"'))
        return found

    @property
    def own_id(self) -> str:
        """The id of the object's record."""
        return f'{self._table}."Id"'

    @property
    def own_place(self) -> str:
        """The place of the object's record in its table: the order in which records were made."""
        return f"{self._table}.rowid"

    @property
    def own_live(self) -> list[str]:
        """The conditions of a record that is neither in the bin nor archived."""
        names = [name for name in ("IsDeleted", "IsArchived") if name in self.object.columns]
        return [f'{self._table}."{name}" = false' for name in names]

    @property
    def source(self) -> str:
        """What stands behind FROM."""
        joins = [join for join, _, _ in self._joins.values()]
        return " ".join([f"{self.object.table} AS {self._table}", *joins])


def _names(parents: list[SObject]) -> str:
    """Give what polymorphic references lead to, as a table."""
    parts = []
    for each in parents:
        name = next(wanted for wanted in ("Name", "CaseNumber", "Id") if wanted in each.columns)
        columns = ", ".join(
            f'"{own}"' if own in each.columns else f'NULL::VARCHAR AS "{own}"' for own in _OF_PEOPLE
        )
        parts.append(
            f'SELECT "Id", "{name}" AS "Name", \'{each.name}\' AS "Type", {columns} FROM {each.table}'  # noqa: S608 - our names
        )
    return f"({' UNION ALL '.join(parts)})"
