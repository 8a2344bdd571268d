"""What the header of an ingest job names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import IngestFailed

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema


@dataclass(frozen=True)
class Parent:
    """A parent that is named by its own external id, as the column ``Account.External_Id__c`` does."""

    object: SObject
    key: Field


@dataclass(frozen=True)
class InputColumn:
    """One column of the file.

    :param field: the field that it sets, or that tells which record is meant.
    :param targets: the objects that a reference may point to.
    """

    place: int
    field: Field
    parent: Parent | None = None
    targets: tuple[SObject, ...] = ()

    @property
    def raw(self) -> str:
        """The column of texts."""
        return f"c{self.place}"

    @property
    def converted(self) -> bool:
        """Whether there is a column of converted values; a text is its own value."""
        return self.parent is not None or self.field.type not in TEXT_TYPES

    @property
    def value(self) -> str:
        """The value: NULL where there is none, or none that fits."""
        return f"v{self.place}" if self.converted else f"nullif(nullif({self.raw}, ''), '#N/A')"


def columns_of(header: list[str], of: SObject, schema: Schema) -> list[InputColumn]:
    """Find the field of each column.

    :raises IngestFailed: a column names none, or two name the same.
    """
    found: list[InputColumn] = []
    for place, name in enumerate(header):
        column = _column(place, name, of, schema)
        if any(column.field is other.field for other in found):
            raise IngestFailed(f"InvalidBatch : Field name specified more than once : {name}")
        found.append(column)
    return found


def _column(place: int, name: str, of: SObject, schema: Schema) -> InputColumn:
    # Of a polymorphic reference, Account:What.External_Id__c tells which object is meant.
    path, dot, key = name.partition(".")
    parent, _, relationship = path.rpartition(":")
    field = of.field(name)
    if dot:
        field = of.relationships.get(relationship.lower())
    if field is None or field.compound:
        raise IngestFailed(f"InvalidBatch : Field name not found : {name}")
    targets = tuple(found for each in field.refers_to if (found := schema.find(each)))
    if not dot:
        return InputColumn(place, field, targets=targets)
    if parent:
        targets = tuple(each for each in targets if each.name.lower() == parent.lower())
    parent_key = targets[0].field(key) if len(targets) == 1 else None
    if parent_key is None or not parent_key.identifies or parent_key.type == "id":
        raise IngestFailed(f"InvalidBatch : Field name not found : {name}")
    return InputColumn(place, field, Parent(targets[0], parent_key), targets)


def column_of(columns: list[InputColumn], name: str) -> InputColumn | None:
    """Find the column that sets a field."""
    return next((each for each in columns if each.field.name == name and each.parent is None), None)
