"""What an object is: its fields, their types, what may be done with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
TEXT_TYPES = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "multipicklist"})
ID_TYPES = frozenset({"id", "reference"})
NUMBER_TYPES = frozenset({"int", "double", "currency", "percent"})
COMPOUND_TYPES = frozenset({"address", "location"})

_STORED_AS = {
    "boolean": "BOOLEAN", "int": "INTEGER", "double": "DOUBLE", "currency": "DOUBLE", "percent": "DOUBLE",
    "date": "DATE", "datetime": "TIMESTAMP",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field.

    :param length: characters that fit; 0 where that means nothing.
    :param digits: digits before the decimal point.
    :param scale: digits after it; more are rounded.
    :param writable: whether insert and update may name it.
    :param refers_to: the object that a reference points to.
    :param relationship: the name by which queries reach that object.
    :param values: all that a restricted picklist takes.
    :param default: what an insert without a value stores, as SQL.
    """

    name: str
    type: str
    label: str
    length: int = 0
    digits: int = 18
    scale: int = 0
    required: bool = False
    writable: bool = True
    long: bool = False
    external_id: bool = False
    refers_to: str = ""
    relationship: str = ""
    values: tuple[str, ...] = ()
    default: str = "NULL"

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith(("__c", "__s"))

    @property
    def compound(self) -> bool:
        """Whether it only bundles other fields, as an address does."""
        return self.type in COMPOUND_TYPES

    @property
    def sortable(self) -> bool:
        """Whether ORDER BY takes it."""
        return not self.long and not self.compound and self.type != "multipicklist"

    @property
    def filterable(self) -> bool:
        """Whether WHERE takes it."""
        return not self.long and not self.compound

    @property
    def stored_as(self) -> str:
        """DuckDB's type."""
        return _STORED_AS.get(self.type, "VARCHAR")

    @property
    def column(self) -> str:
        """The quoted name of the column in DuckDB."""
        return f'"{self.name}"'


@dataclass(frozen=True)
class SObject:
    """One object.

    :param key_prefix: how its record ids begin.
    :param derived: fields that follow from others of the record, with how: SQL.
    """

    name: str
    label: str
    key_prefix: str
    fields: tuple[Field, ...]
    derived: tuple[tuple[str, str], ...] = ()
    deletable: bool = True
    _by_name: dict[str, Field] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name.update({each.name.lower(): each for each in self.fields})

    def field(self, name: str) -> Field | None:
        """Find a field; case does not matter."""
        return self._by_name.get(name.lower())

    @cached_property
    def relationships(self) -> dict[str, Field]:
        """References by the lower-case name of their relationship."""
        return {each.relationship.lower(): each for each in self.fields if each.relationship}

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        """Fields with a column in DuckDB."""
        return tuple(each for each in self.fields if not each.compound)

    @property
    def table(self) -> str:
        """The quoted name of the table in DuckDB."""
        return f'"{self.name}"'
