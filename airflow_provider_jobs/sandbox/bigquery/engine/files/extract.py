"""Extract jobs: a table to one or several objects.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationExtract
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import get_table
from airflow_provider_jobs.sandbox.bigquery.engine.files.export_files import (
    ExportOptions,
    write_avro,
    write_csv,
    write_json,
    write_parquet,
)
from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import one_character
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.partitions import partition_of, split_decorator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import Storage
    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import RunningJob
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session

# BigQuery cuts an export with a wildcard into files of a size it chooses; here a file has this many rows.
SHARD_ROWS = 100_000
# "A 12-digit number that starts with 0".
_SHARD_DIGITS = 12

_COMPRESSIONS = {
    "CSV": {"NONE", "GZIP"},
    "NEWLINE_DELIMITED_JSON": {"NONE", "GZIP"},
    "PARQUET": {"NONE", "SNAPPY", "GZIP", "ZSTD"},
    "AVRO": {"NONE", "DEFLATE", "SNAPPY"},
}


@dataclass(frozen=True)
class _Part:
    """Some rows and the object they go to."""

    uri_index: int
    target: Path
    start: int
    count: int


def run_extract(session: Session, storage: Storage, job: RunningJob) -> Outcome:
    """Write a table's rows to objects.

    :raises JobProblem: the format cannot hold the table, or a URI is not one.
    """
    configuration = job.configuration["extract"]
    options = _options(configuration)
    uris = _uris(configuration)
    reference, partition = split_decorator(configuration.get("sourceTable"))
    name = TableId.from_reference(reference, job.project, "sourceTable")
    with session.transaction():
        table = get_table(session, name, job.location)
        _refuse(table, options)
        table = partition_of(session, table, partition)
        parts = _parts(storage, uris, table.rows)
        with storage.folder() as folder:
            written = [_write(session, table, part, options, folder / str(n)) for n, part in enumerate(parts)]
            session.check()
            # All files are complete before the first of them appears.
            for path, part in zip(written, parts, strict=True):
                storage.put(path, part.target)
    counts = [str(sum(part.uri_index == index for part in parts)) for index in range(len(uris))]
    statistics = {"extract": {"destinationUriFileCounts": counts, "inputBytes": str(table.size)}}
    return Outcome(dict(job.configuration), statistics)


def _options(configuration: Mapping[str, Any]) -> ExportOptions:
    if configuration.get("sourceModel"):
        raise JobProblem("invalid", "Models are not supported by the sandbox")
    kind = str(configuration.get("destinationFormat") or "CSV").upper()
    compression = str(configuration.get("compression") or "NONE").upper()
    if kind not in _COMPRESSIONS:
        raise JobProblem("invalid", f"Invalid value for destinationFormat: {kind} is not a valid value")
    if compression not in _COMPRESSIONS[kind]:
        raise JobProblem("invalid", f"Compression type {compression} is not supported for {kind}.")
    if kind == "AVRO" and compression == "SNAPPY" and find_spec("cramjam") is None:
        raise JobProblem(
            "invalid", "Compression type SNAPPY for AVRO needs the Python package cramjam in the sandbox."
        )
    return ExportOptions(
        format=kind,
        compression=compression,
        delimiter=one_character(configuration.get("fieldDelimiter")),
        header=configuration.get("printHeader") is not False,
        avro_logical_types=bool(configuration.get("useAvroLogicalTypes")),
    )


def _uris(configuration: Mapping[str, Any]) -> list[str]:
    one = configuration.get("destinationUri")
    uris = configuration.get("destinationUris") or ([one] if one else [])
    if not uris or not isinstance(uris, list):
        raise JobProblem("invalid", "Required parameter is missing: destinationUris")
    for uri in uris:
        if str(uri).count("*") > 1:
            raise JobProblem("invalid", f"Invalid wildcard in {uri}: only one * is allowed")
    if len(uris) > 1 and any("*" not in uri for uri in uris):
        raise JobProblem("invalid", "Several destination URIs need a wildcard each")
    return [str(uri) for uri in uris]


def _refuse(table: StoredTable, options: ExportOptions) -> None:
    if table.view_query is not None:
        raise JobProblem(
            "invalid", f"{table.id} is not allowed for this operation because it is currently a VIEW."
        )
    for each in table.fields if options.format == "CSV" else ():
        if each.repeated or each.type == "RECORD":
            message = f"Operation cannot be performed on a nested schema. Field: {each.name}"
            raise JobProblem("invalid", message)


def _parts(storage: Storage, uris: list[str], rows: int) -> list[_Part]:
    """Share the rows out: one file for a plain URI, numbered files for a wildcard."""
    if "*" not in uris[0]:
        return [_Part(0, storage.target(uris[0]), 0, rows)]
    files = max(len(uris), -(-rows // SHARD_ROWS))
    share = -(-rows // files)
    parts = []
    for number in range(files):
        shard, index = divmod(number, len(uris))
        start = min(number * share, rows)
        uri = uris[index].replace("*", str(shard).zfill(_SHARD_DIGITS))
        parts.append(_Part(index, storage.target(uri), start, min(share, rows - start)))
    return parts


def _write(session: Session, table: StoredTable, part: _Part, options: ExportOptions, path: Path) -> Path:
    rows = f"FROM (SELECT * FROM {table.physical} LIMIT {part.count} OFFSET {part.start})"  # noqa: S608 - our own name
    write = {
        "CSV": write_csv,
        "PARQUET": write_parquet,
        "NEWLINE_DELIMITED_JSON": write_json,
        "AVRO": write_avro,
    }
    write[options.format](session, table.fields, rows, options, path)
    return path
