"""The objects of one org as they are now: what administrators add, hide, rename and change is kept.

Nothing of this moves a stamp of a record.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUSTOM = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
# What a new field may be.
_TYPES = (
    "boolean", "currency", "date", "datetime", "double", "email", "int", "multipicklist", "percent", "phone",
    "picklist", "string", "textarea", "time", "url",
)  # fmt: skip
_LENGTHS = {"email": 80, "phone": 40, "picklist": 255, "multipicklist": 4099}
_LENGTH, _DIGITS = 255, 18
_ALWAYS_SEEN = frozenset(
    {
        "Id", "IsDeleted", "IsArchived", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById",
        "SystemModstamp",
    }
)  # fmt: skip


class Schema:
    """The objects; a change replaces one of them, and who reads goes on with the one it has."""

    def __init__(self, objects: Iterable[SObject]) -> None:
        self._by_name = {each.name.lower(): each for each in objects}

    @property
    def objects(self) -> list[SObject]:
        """All of them, by name."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def find(self, name: str) -> SObject | None:
        """Find an object; case does not matter."""
        return self._by_name.get(name.lower())

    def children_of(self, parent: SObject) -> list[tuple[SObject, Field]]:
        """List the references that may point to an object's records."""
        return [
            (child, field)
            for child in self.objects
            for field in child.fields
            if parent.name in field.refers_to
        ]

    def family_of(self, parent: SObject) -> set[SObject]:
        """All objects that may change when a record is deleted: children, and those of deleted children."""
        found, deleted, waiting = {parent}, {parent}, [parent]
        while waiting:
            for child, field in self.children_of(waiting.pop()):
                found.add(child)
                if field.on_delete == "cascade" and child not in deleted:
                    deleted.add(child)
                    waiting.append(child)
        return found

    def put(self, of: SObject, old: Field | None, new: Field) -> None:
        """Let a field follow another, or come last."""
        kept = tuple(new if each is old else each for each in of.fields)
        changed = replace(of, fields=kept if old else (*kept, new), _by_name={})
        self._by_name[of.name.lower()] = changed

    def restore(self, name: str, old_name: str, definition: str) -> None:
        """Do again what an earlier process has done."""
        of = self._by_name[name.lower()]
        old = next((each for each in of.fields if each.name == old_name), None)
        read: dict[str, Any] = json.loads(definition)
        read |= {key: tuple(value) for key, value in read.items() if isinstance(value, list)}
        self.put(of, old, Field(**read))


def spelled(field: Field) -> str:
    """Give a field as text, for :meth:`Schema.restore`."""
    return json.dumps(asdict(field))


def changed_field(of: SObject, action: str, name: str, given: dict[str, Any]) -> tuple[Field | None, Field]:
    """Give a field as it is, None for a new one, and as it is to be.

    :param action: ``add``, ``hide``, ``show``, ``rename`` or ``retype``.
    :param given: ``to``, the new name; ``type``, ``length``, ``digits`` and ``scale`` of a new type.
    :raises SalesforceRefusal: it cannot be done.
    """
    old = next((each for each in of.fields if each.name.lower() == name.lower()), None)
    if action == "add":
        _check_new(of, name)
        return None, _of_type(Field(name, "", name.removesuffix("__c").replace("_", " ")), given)
    if old is None:
        raise _refused(f"{of.name} has no field {name}")
    if action in ("hide", "show"):
        if old.name in _ALWAYS_SEEN or old.required:
            raise _refused(f"every user sees {old.name}")
        return old, replace(old, hidden=action == "hide")
    _check_changeable(of, old)
    if action == "rename":
        _check_new(of, str(given.get("to", "")))
        return old, replace(old, name=str(given["to"]))
    if action == "retype":
        return old, _of_type(old, given)
    raise _refused(f"there is no change {action}: there are add, hide, show, rename, retype")


def _of_type(field: Field, given: dict[str, Any]) -> Field:
    kind = given.get("type", "string")
    if kind not in _TYPES:
        raise _refused(f"a field may be of type {', '.join(_TYPES)}")
    numbers = {name: given.get(name) for name in ("length", "digits", "scale")}
    wrong = [name for name, value in numbers.items() if value is not None and not isinstance(value, int)]
    if wrong:
        raise _refused(f"{wrong[0]} is a whole number")
    text = kind in ("string", "textarea", "url") or kind in _LENGTHS
    scale = numbers["scale"] or 0
    return replace(
        field,
        type=kind,
        length=(numbers["length"] or _LENGTHS.get(kind, _LENGTH)) if text else 0,
        digits=(numbers["digits"] or (10 if kind == "int" else _DIGITS)) - scale,
        scale=scale,
        external_id=field.external_id and text,
        default="false" if kind == "boolean" else "NULL",
        values=(),
    )


def _check_new(of: SObject, name: str) -> None:
    if not _CUSTOM.fullmatch(name):
        raise _refused("a field's name begins with a letter and ends with __c, such as Region__c")
    if any(each.name.lower() == name.lower() for each in of.fields):
        raise _refused(f"{of.name} has a field {name} already")


def _check_changeable(of: SObject, field: Field) -> None:
    formulas = [*(each.formula for each in of.fields), *(sql for _, sql in of.derived)]
    plain = field.custom and not (field.part_of or field.compound or field.formula or field.refers_to)
    if not plain or field.required or any(field.column in each for each in formulas):
        raise _refused(f"{field.name} is not a custom field that nothing depends on")


def _refused(message: str) -> SalesforceRefusal:
    return SalesforceRefusal("INVALID_FIELD", message)
