"""The fields of a new upload: https://docs.redivis.com/api/rest-api/uploads/post."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.redivis.replies import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = frozenset(
    {
        "delimited", "stream", "avro", "ndjson", "parquet", "orc", "xls", "xlsx", "dta", "sas7bdat", "sav",
        "geojson", "geojsonl", "json", "shp", "shp.zip", "kml",
    }
)  # fmt: skip
EXTENSIONS = {"csv": "delimited", "tsv": "delimited", "txt": "delimited", "jsonl": "ndjson"}
FLAGS = frozenset({"hasHeaderRow", "skipBadRecords", "allowJaggedRows", "hasQuotedNewlines"})
CHARACTERS = frozenset({"delimiter", "quoteCharacter", "escapeCharacter"})
OBJECTS = {"metadata": dict, "transferSpecification": dict, "nullMarkers": list, "schema": list}
TEXTS = frozenset({"name", "type", "tempUploadId", "resumableUploadId"})
LONGEST_NAME = 500


def check_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields with their defaults, name and type among them.

    :raises Refusal: 400, naming what is wrong.
    """
    fields: dict[str, Any] = {"hasHeaderRow": True, "skipBadRecords": False, "allowJaggedRows": False}
    fields |= {name: value for name, value in document.items() if value is not None}
    for name, value in fields.items():
        _check_field(name, value)
    if fields.get("transferSpecification"):
        raise invalid("The sandbox fetches no data: send it.")
    fields["type"] = fields.get("type") or _type_of(str(fields.get("name", "")))
    fields["name"] = fields.get("name") or f"untitled_upload.{fields['type']}"
    if fields.get("schema") is not None and fields["type"] != "stream":
        raise invalid("schema is for uploads of type stream.")
    return fields


def fields_of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Give the fields that are spelled as URL parameters."""
    fields: dict[str, Any] = {}
    for name, text in query.items():
        try:
            fields[name] = json.loads(text) if name in FLAGS or name in OBJECTS else text
        except ValueError as error:
            raise invalid(f"{name} is malformed.") from error
    fields.pop("uploadType", None)
    return fields


def _check_field(name: str, value: Any) -> None:
    if name in FLAGS:
        good = isinstance(value, bool)
    elif name in CHARACTERS:
        good = isinstance(value, str) and len(value) == 1
    elif name in OBJECTS:
        good = isinstance(value, OBJECTS[name])
    elif name in TEXTS:
        good = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
    else:
        raise invalid(f"An upload has no field {name[:100]}.")
    if not good or (name == "type" and value not in TYPES):
        raise invalid(f"Invalid value of {name}: {str(value)[:100]!r}.")


def _type_of(name: str) -> str:
    plain = name.lower().removesuffix(".gz")
    extension = "shp.zip" if plain.endswith(".shp.zip") else plain.rpartition(".")[2]
    kind = EXTENSIONS.get(extension, extension)
    if "." not in plain or kind not in TYPES or extension in {"delimited", "stream"}:
        raise invalid(f"The type of {name[:100]!r} is not known; give it.")
    return kind
