"""Finds the objects and fields that a query names, and the joins that parents' fields need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.objects import find_object
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Name

_REFERENCE = "Please reference your WSDL or the describe call for the appropriate names."

_MOST_LEVELS = 5


@dataclass(frozen=True)
class Column:
    """A field as a query reaches it.

    :param path: the field in Salesforce's own spelling, such as ``Account.Owner.Name``.
    :param sql: the column in DuckDB.
    """

    field: Field
    path: str
    sql: str


def object_named(soql: str, name: Name) -> SObject:
    """Find an object.

    :raises SalesforceRefusal: INVALID_TYPE.
    """
    found = find_object(name.text)
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

    def __init__(self, soql: str, of: SObject, alias: str | None, table: str) -> None:
        self.soql = soql
        self.object = of
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
        return Column(field, ".".join([*path, field.name]), f'{table}."{field.name}"')

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
            parent = find_object(reference.refers_to)
            if parent is None:
                raise KeyError(reference.refers_to)
            alias = f"{self._table}_{len(self._joins) + 1}"
            join = f'LEFT JOIN {parent.table} AS {alias} ON {alias}."Id" = {table}."{reference.name}"'
            self._joins[longer] = (join, parent, alias)
        _, parent, alias = self._joins[longer]
        return parent, alias, longer

    def _no_column(self, part: str, of: SObject, name: Name) -> Exception:
        message = (
            f"No such column '{part}' on entity '{of.name}'. If you are attempting to use a custom field, be "
            f"sure to append the '__c' after the custom field name. {_REFERENCE}"
        )
        return refusal_at("INVALID_FIELD", self.soql, name.at, message)

    @property
    def joined(self) -> bool:
        """Whether any parent is needed."""
        return bool(self._joins)

    @property
    def own_id(self) -> str:
        """The id of the object's record."""
        return f'{self._table}."Id"'

    @property
    def own_place(self) -> str:
        """The place of the object's record in its table: the order in which records were made."""
        return f"{self._table}.rowid"

    @property
    def own_deleted(self) -> str:
        """Whether the object's record is in the bin."""
        return f'{self._table}."IsDeleted"'

    @property
    def source(self) -> str:
        """What stands behind FROM."""
        joins = [join for join, _, _ in self._joins.values()]
        return " ".join([f"{self.object.table} AS {self._table}", *joins])

    @property
    def objects(self) -> set[SObject]:
        """All objects that are read."""
        return {self.object, *(parent for _, parent, _ in self._joins.values())}
