"""What a load job asks for, checked once.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.types import read_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

FORMATS = {"CSV", "NEWLINE_DELIMITED_JSON", "PARQUET", "AVRO"}
_ENCODINGS = {
    "UTF-8": "utf-8", "ISO-8859-1": "latin-1", "UTF-16BE": "utf-16-be", "UTF-16LE": "utf-16-le",
    "UTF-32BE": "utf-32-be", "UTF-32LE": "utf-32-le",
}  # fmt: skip
# Changes what values mean; ignoring one would load wrong rows.
_REFUSED = (
    "dateFormat", "datetimeFormat", "timeFormat", "timestampFormat", "timeZone", "hivePartitioningOptions",
    "columnNameCharacterMap", "referenceFileSchemaUri", "fileSetSpecType", "jsonExtension", "copyFilesOnly",
    "sourceColumnMatch", "createSession", "connectionProperties", "decimalTargetTypes",
)  # fmt: skip
_HARMLESS = (
    "COLUMN_NAME_CHARACTER_MAP_UNSPECIFIED", "FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH",
    "SOURCE_COLUMN_MATCH_UNSPECIFIED",
)  # fmt: skip


@dataclass(frozen=True)
class LoadOptions:
    """The options of one load job."""

    format: str
    schema: tuple[Field, ...]  # empty: from the table, from the files, or detected
    autodetect: bool
    max_bad_records: int
    ignore_unknown: bool
    skip_rows: int | None  # None: not given, which matters to the detection of a header
    delimiter: str
    quote: str
    encoding: str  # Python's name
    quoted_newlines: bool
    jagged_rows: bool
    control_characters: bool  # whether texts may hold the character 0
    null_markers: tuple[str, ...]
    avro_logical_types: bool

    @property
    def rows_to_skip(self) -> int:
        """How many lines before the data, when nothing is detected."""
        return self.skip_rows or 0


def read_options(load: Mapping[str, Any]) -> LoadOptions:
    """Read the options of a load job.

    :raises JobProblem: one is malformed, or the sandbox would have to ignore it.
    """
    for name in _REFUSED:
        if (
            load.get(name) and load[name] not in _HARMLESS and load[name] != ["NUMERIC"]
        ):  # the default of decimals
            raise JobProblem("invalid", f"{name} is not supported by the sandbox")
    source_format = str(load.get("sourceFormat") or "CSV").upper()
    if source_format not in FORMATS:
        raise JobProblem("invalid", f"Source format {source_format} is not supported by the sandbox")
    if load.get("nullMarkers") and load.get("nullMarker"):
        raise JobProblem("invalid", "nullMarker and nullMarkers cannot be set at the same time")
    markers = load.get("nullMarkers") or ([load["nullMarker"]] if "nullMarker" in load else [""])
    schema = read_schema(load["schema"]) if load.get("schema") else _inline_schema(load)
    return LoadOptions(
        format=source_format,
        schema=schema,
        autodetect=bool(load.get("autodetect")),
        max_bad_records=_count(load, "maxBadRecords") or 0,
        ignore_unknown=bool(load.get("ignoreUnknownValues")),
        skip_rows=_count(load, "skipLeadingRows"),
        delimiter=one_character(load.get("fieldDelimiter")),
        quote=_quote(load.get("quote")),
        encoding=_encoding(load.get("encoding")),
        quoted_newlines=bool(load.get("allowQuotedNewlines")),
        jagged_rows=bool(load.get("allowJaggedRows")),
        control_characters=bool(load.get("preserveAsciiControlCharacters")),
        null_markers=tuple(str(marker) for marker in markers),
        avro_logical_types=bool(load.get("useAvroLogicalTypes")),
    )


def _count(load: Mapping[str, Any], name: str) -> int | None:
    value = load.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise JobProblem("invalid", f"Invalid value for {name}: {value}")
    return number


def one_character(given: Any) -> str:
    """Read a field delimiter: a comma unless given; a backslash and a t mean a tab."""
    if given is None or given == "":
        return ","
    text = {"\\t": "\t", "tab": "\t"}.get(str(given), str(given))
    if len(text) != 1 or text in '\r\n"':
        raise JobProblem(
            "invalid", f"Invalid value for fieldDelimiter: {given}. It must be a single character"
        )
    return text


def _quote(given: Any) -> str:
    if given is None:
        return '"'
    if len(str(given)) > 1:
        raise JobProblem(
            "invalid", f"Invalid value for quote: {given}. It must be a single character, or empty"
        )
    return str(given)


def _encoding(given: Any) -> str:
    name = str(given or "UTF-8").upper()
    if name not in _ENCODINGS:
        raise JobProblem("invalid", f"Invalid value for encoding: {given} is not a valid value")
    return codecs.lookup(_ENCODINGS[name]).name


def _inline_schema(load: Mapping[str, Any]) -> tuple[Field, ...]:
    """Read the old ``name:TYPE,name:TYPE`` form."""
    inline = load.get("schemaInline")
    if not inline:
        return ()
    if str(load.get("schemaInlineFormat") or "simple").lower() != "simple":
        raise JobProblem("invalid", "schemaInlineFormat other than simple is not supported by the sandbox")
    pairs = [part.strip().partition(":") for part in str(inline).split(",")]
    return read_schema({"fields": [{"name": name, "type": kind or "STRING"} for name, _, kind in pairs]})
