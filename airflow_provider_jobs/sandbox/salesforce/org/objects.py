"""The objects of this org, as ``objects.toml`` has them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from airflow_provider_jobs.sandbox.salesforce.org.ids import record_id
from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject

# Who writes through the API, and owns what is written.
ACTING_USER = record_id("005", 1)

# What the fields of a type are, where the file does not say otherwise.
_BY_TYPE: dict[str, dict[str, Any]] = {
    "address": {"writable": False},
    "boolean": {"default": "false"},
    "id": {"length": 18, "writable": False},
    "int": {"digits": 10},
    "location": {"writable": False},
    "multipicklist": {"length": 4099},
    "picklist": {"length": 255},
    "reference": {"length": 18},
}
_BEFORE_OWN = 2  # of the system's fields


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    """Give lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _field(given: dict[str, Any], of: str) -> Field:
    read = {**_BY_TYPE.get(given["type"], {}), **given, "label": given["label"].replace("{label}", of)}
    if isinstance(read.get("refers_to"), str):
        read["refers_to"] = [read["refers_to"]]
    return Field(**_tuples(read))


def _object(name: str, given: dict[str, Any], system: dict[str, dict[str, Any]]) -> SObject:
    own, label = given.pop("fields"), given.pop("label")
    if not any(isinstance(each, str) for each in own):
        names = list(system)
        own = [*names[:_BEFORE_OWN], *own, *names[_BEFORE_OWN:]]
    fields = tuple(_field(system[each] if isinstance(each, str) else each, label) for each in own)
    derived = tuple(given.pop("derived", {}).items())
    return SObject(name, label, fields=fields, derived=derived, **_tuples(given))


def _read() -> tuple[SObject, ...]:
    text = Path(__file__).with_suffix(".toml").read_text("utf-8").replace("{me}", ACTING_USER)
    objects = tomllib.loads(text)
    system = {each["name"]: each for each in objects.pop("System")["fields"]}
    return tuple(_object(name, given, system) for name, given in objects.items())


OBJECTS = _read()
