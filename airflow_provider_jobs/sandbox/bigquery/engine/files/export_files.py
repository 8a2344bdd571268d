"""One exported file in each format.

https://cloud.google.com/bigquery/docs/exporting-data
"""

from __future__ import annotations

import gzip
import io
import json
import math
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import IO, TYPE_CHECKING, Any

from fastavro import writer

from airflow_provider_jobs.sandbox.bigquery.engine.encoding import (
    ENCODERS,
    iso_text,
    select_list,
    timestamp_text,
)
from airflow_provider_jobs.sandbox.bigquery.engine.files.avro import avro_schema
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

_BATCH_ROWS = 10_000
# Speed counts here: the highest level takes four times as long for a few percent.
_GZIP_LEVEL = 5


@dataclass(frozen=True)
class ExportOptions:
    """How to write the files."""

    format: str
    compression: str
    delimiter: str
    header: bool
    avro_logical_types: bool


def write_csv(
    session: Session, fields: Sequence[Field], rows: str, options: ExportOptions, path: Path
) -> None:
    """Write CSV; a NULL is nothing, an empty text is ``""``."""
    values = ", ".join(f"{_csv_text(each)} AS {quoted(each.name)}" for each in fields) or "NULL"
    session.execute(
        f"COPY (SELECT {values} {rows}) TO {text(str(path))} "
        f"(FORMAT csv, HEADER {str(options.header).lower()}, DELIMITER {text(options.delimiter)}, "
        "QUOTE '\"', ESCAPE '\"', NULLSTR '', "
        f"COMPRESSION {'gzip' if options.compression == 'GZIP' else 'none'})"
    )


def _csv_text(each: Field) -> str:
    name = quoted(each.name)
    match each.type:
        case "BYTES":
            return f"to_base64({name})"
        case "TIMESTAMP":
            return f"CAST(CAST({name} AS TIMESTAMP) AS VARCHAR) || ' UTC'"
        case "DATETIME":
            return f"replace(CAST({name} AS VARCHAR), ' ', 'T')"
        case "FLOAT":
            return (
                f"CASE WHEN isnan({name}) THEN 'NaN' WHEN {name} = 'inf' THEN 'Infinity' "
                f"WHEN {name} = '-inf' THEN '-Infinity' "
                f"ELSE regexp_replace(CAST({name} AS VARCHAR), '\\.0$', '') END"
            )
        case "NUMERIC" | "BIGNUMERIC":  # without zeros at the end, and without a point at the end
            return f"rtrim(rtrim(CAST({name} AS VARCHAR), '0'), '.')"
    return f"CAST({name} AS VARCHAR)"


_PARQUET_CODECS = {"NONE": "uncompressed", "SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd"}


def write_parquet(
    session: Session, fields: Sequence[Field], rows: str, options: ExportOptions, path: Path
) -> None:
    """Write Parquet."""
    values = ", ".join(quoted(each.name) for each in fields) or "NULL"
    session.execute(
        f"COPY (SELECT {values} {rows}) TO {text(str(path))} "
        f"(FORMAT parquet, COMPRESSION {_PARQUET_CODECS[options.compression]})"
    )


def write_json(
    session: Session, fields: Sequence[Field], rows: str, options: ExportOptions, path: Path
) -> None:
    """Write one JSON object a line; NULLs are left out."""
    with _text_file(path, gzipped=options.compression == "GZIP") as file:
        for row in _rows(session, fields, rows):
            line = json.dumps(_json_record(fields, row), ensure_ascii=False, separators=(",", ":"))
            file.write(line + "\n")


@contextmanager
def _text_file(path: Path, *, gzipped: bool) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        if not gzipped:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as file:
                yield file
            return
        with gzip.open(raw, "wt", _GZIP_LEVEL, encoding="utf-8", newline="\n") as file:
            yield file


def _rows(session: Session, fields: Sequence[Field], rows: str) -> Iterator[tuple[Any, ...]]:
    session.execute(f"SELECT {select_list(fields)} {rows}")
    for batch in session.batches(_BATCH_ROWS):
        yield from batch


def _json_record(fields: Sequence[Field], values: Sequence[Any]) -> dict[str, Any]:
    cells = ((each, value) for each, value in zip(fields, values, strict=True))
    return {
        each.name: _json_value(each, value) for each, value in cells if value is not None or each.repeated
    }


def _json_value(each: Field, value: Any) -> Any:
    if each.repeated:
        return [_json_value(each.element, item) for item in value or ()]
    if each.type == "RECORD":
        return _json_record(each.fields, list(value.values()))
    if each.type == "FLOAT" and math.isfinite(value):
        return value
    # Whole numbers, too, are texts in an export: JSON readers would round the long ones.
    return _JSON_VALUES.get(each.type, str)(value)


_JSON_VALUES: dict[str, Callable[[Any], Any]] = {
    **ENCODERS,
    "BOOLEAN": bool,
    "JSON": json.loads,
    "TIMESTAMP": timestamp_text,
}


def write_avro(
    session: Session, fields: Sequence[Field], rows: str, options: ExportOptions, path: Path
) -> None:
    """Write Avro."""
    codec = {"NONE": "null", "DEFLATE": "deflate", "SNAPPY": "snappy"}[options.compression]
    schema = avro_schema(fields, logical=options.avro_logical_types)
    records = (_avro_record(fields, row, options) for row in _rows(session, fields, rows))
    with path.open("wb") as file:
        writer(file, schema, records, codec=codec)


def _avro_record(fields: Sequence[Field], values: Sequence[Any], options: ExportOptions) -> dict[str, Any]:
    return {each.name: _avro_value(each, value, options) for each, value in zip(fields, values, strict=True)}


def _avro_value(each: Field, value: Any, options: ExportOptions) -> Any:
    if each.repeated:
        return [_avro_value(each.element, item, options) for item in value or ()]
    if value is None:
        return None
    if each.type == "RECORD":
        return _avro_record(each.fields, list(value.values()), options)
    if each.type == "TIMESTAMP":
        return value.replace(tzinfo=UTC)
    as_text = each.type == "DATETIME" or (each.type in {"DATE", "TIME"} and not options.avro_logical_types)
    return iso_text(value) if as_text else value
