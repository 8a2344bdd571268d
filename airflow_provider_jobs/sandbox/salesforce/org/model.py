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
    "date": "DATE", "datetime": "TIMESTAMP", "time": "TIME",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field.

    :param length: characters that fit; 0 where that means nothing.
    :param digits: digits before the decimal point.
    :param scale: digits after it; more are rounded.
    :param writable: whether insert and update may name it.
    :param refers_to: the objects that a reference may point to; of several it is polymorphic.
    :param relationship: the name by which queries reach that object.
    :param on_delete: what becomes of a record when the one it refers to is deleted: ``clear`` empties the
        reference, ``cascade`` deletes it too, ``keep`` does nothing.
    :param values: all that a restricted picklist takes.
    :param default: what an insert without a value stores, as SQL.
    :param part_of: the compound field, or the name, that it is a part of.
    :param formula: how it follows from others whenever it is read: SQL, with ``{0}`` for the table.
    :param formula_reads: the other object that the formula reads.
    :param decimal: an integer that results spell with a fraction, ``0.0``.
    :param id_lookup: it may stand for an id, though its values need not be unique.
    :param hidden: the user may not see it: for the API it is not there.
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
    refers_to: tuple[str, ...] = ()
    relationship: str = ""
    on_delete: str = "clear"
    values: tuple[str, ...] = ()
    default: str = "NULL"
    part_of: str = ""
    formula: str = ""
    formula_reads: str = ""
    decimal: bool = False
    id_lookup: bool = False
    hidden: bool = False

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith(("__c", "__s"))

    @property
    def identifies(self) -> bool:
        """Whether its values can tell which record is meant."""
        return self.id_lookup or self.external_id or self.type == "id"

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

    def sql(self, table: str) -> str:
        """Give its value in a table of a statement."""
        return f"({self.formula.replace('{0}', table)})" if self.formula else f"{table}.{self.column}"


@dataclass(frozen=True)
class SObject:
    """One object.

    :param key_prefix: how its record ids begin.
    :param derived: fields that follow from others of the record, with how: SQL.
    :param writable: whether records are made and changed through the API.
    :param replicateable: whether it can be asked for what was updated and deleted.
    :param bulk: whether the Bulk API takes it.
    :param tracked: fields whose changes its history keeps.
    :param index: of a big object, the fields by which it can be queried.
    """

    name: str
    label: str
    key_prefix: str
    fields: tuple[Field, ...]
    derived: tuple[tuple[str, str], ...] = ()
    deletable: bool = True
    writable: bool = True
    replicateable: bool = True
    bulk: bool = True
    tracked: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    _by_name: dict[str, Field] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name.update({each.name.lower(): each for each in self.visible})

    @cached_property
    def visible(self) -> tuple[Field, ...]:
        """Fields that the user may see."""
        return tuple(each for each in self.fields if not each.hidden)

    def field(self, name: str) -> Field | None:
        """Find a field that the user may see; case does not matter."""
        return self._by_name.get(name.lower())

    @cached_property
    def relationships(self) -> dict[str, Field]:
        """References by the lower-case name of their relationship."""
        return {each.relationship.lower(): each for each in self.visible if each.relationship}

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        """Fields with a column in DuckDB."""
        return tuple(each for each in self.fields if not each.compound and not each.formula)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The names of these."""
        return frozenset(each.name for each in self.stored)

    @property
    def stamp(self) -> str | None:
        """The field that tells when a record was changed last, if there is one."""
        stamps = ("SystemModstamp", "LastModifiedDate", "CreatedDate")
        return next((each for each in stamps if each in self.columns), None)

    @property
    def table(self) -> str:
        """The quoted name of the table in DuckDB."""
        return f'"{self.name}"'
