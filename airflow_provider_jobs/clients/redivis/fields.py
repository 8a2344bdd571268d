"""The fields of an upload's create, checked before anything is sent.

Source: https://docs.redivis.com/api/resource-definitions/upload
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import ConfigurationError

_TABLES = ("delimited", "stream", "avro", "ndjson", "parquet", "orc", "xls", "xlsx", "dta", "sas7bdat", "sav")
_MAPS = ("geojson", "geojsonl", "json", "shp", "shp.zip", "kml")
TYPES = (*_TABLES, *_MAPS)
#: Endings of names that tell the type.
_ENDINGS = tuple(f".{each}" for each in {*TYPES, "csv", "tsv", "txt", "jsonl"} - {"delimited", "stream"})
#: Field and the Python types that it takes.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "type": str,
    "hasHeaderRow": bool,
    "skipBadRecords": bool,
    "allowJaggedRows": bool,
    "hasQuotedNewlines": bool,
    "delimiter": str,
    "quoteCharacter": str,
    "escapeCharacter": str,
    "nullMarkers": (list, tuple),
    "schema": (list, tuple),
    "metadata": Mapping,
}


def check_type(name: str, fields: Mapping[str, Any]) -> None:
    """Check that fields or name tell an upload's type: else it is refused once all bytes are sent."""
    if not fields.get("type") and not name.lower().removesuffix(".gz").endswith(_ENDINGS):
        raise ConfigurationError(f"file_type is needed: the name {name!r} does not tell the type")


def upload_fields(given: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields to send, made of parameters and of ``options``; None leaves a field out.

    :raises ConfigurationError: a field is wrong, is given twice, or clashes with another.
    """
    if not isinstance(options or {}, Mapping):
        raise ConfigurationError(f"options is a {type(options).__name__}: a mapping is needed")
    fields = {name: value for name, value in given.items() if value is not None}
    for name, value in (options or {}).items():
        if name in fields:
            raise ConfigurationError(f"options holds {name}, which is given as a parameter too")
        if name not in FIELDS:
            raise ConfigurationError(f"options holds {name!r}, which is not one of {', '.join(FIELDS)}")
        if value is not None:
            fields[name] = value
    fields = {
        name: truth(value, name) if FIELDS[name] is bool and isinstance(value, str) else value
        for name, value in fields.items()
    }
    for name, value in fields.items():
        if not isinstance(value, FIELDS[name]):
            raise ConfigurationError(f"{name} is {value!r}: that is not a value for it")
    kind = fields.get("type")
    if kind is not None and kind not in TYPES:
        raise ConfigurationError(f"type is {kind!r}: it is one of {', '.join(TYPES)}")
    if "schema" in fields and kind != "stream":
        raise ConfigurationError("schema is for uploads of type stream only")
    return fields
