"""Load jobs.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad

A schema that is detected has to fit the table that is there, its columns found by their names ("If autodetect
is used, then columns are matched by name", sourceColumnMatch). What BigQuery says of others:
https://github.com/googleapis/python-bigquery/issues/1340 ("has changed type"),
https://github.com/googleapis/java-cloud-bom/pull/6344 ("Cannot add fields (field: string_field_0)").
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from gzip import BadGzipFile
from typing import TYPE_CHECKING, Any

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine.destination import (
    Target,
    check_partitioning,
    check_target,
    publish,
    target_of,
)
from airflow_provider_jobs.sandbox.bigquery.engine.files.autodetect import detect_csv
from airflow_provider_jobs.sandbox.bigquery.engine.files.bad_rows import BadRows
from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_load import load_csv
from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_rows import opened
from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions, read_options
from airflow_provider_jobs.sandbox.bigquery.engine.files.parquet_load import load_parquet, parquet_fields
from airflow_provider_jobs.sandbox.bigquery.engine.files.record_load import (
    avro_file_fields,
    detect_json_file,
    load_records,
)
from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import InputFile
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.sql.column_rules import make_fit
from airflow_provider_jobs.sandbox.bigquery.engine.types import column_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import Storage
    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import RunningJob
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

_MEDIA_NAME = "the uploaded file"
_BAD_GZIP = (EOFError, BadGzipFile, zlib.error)
_PIECE_BYTES = 1 << 20


@dataclass
class _Load:
    """One load job under way."""

    context: QueryContext
    storage: Storage
    files: list[InputFile]
    options: LoadOptions
    target: Target
    existing: StoredTable | None

    @property
    def session(self) -> Session:
        """The job's connection to the store."""
        return self.context.session


def run_load(context: QueryContext, storage: Storage, job: RunningJob) -> Outcome:
    """Load files into a table.

    :raises JobProblem: with the statistics of what was read until then.
    """
    configuration = job.configuration["load"]
    statistics = {
        "inputFiles": "0",
        "inputFileBytes": "0",
        "outputRows": "0",
        "outputBytes": "0",
        "badRecords": "0",
    }
    try:
        options = read_options(configuration)
        target = target_of(configuration, job.project, job.location, "WRITE_APPEND")
        existing = check_target(context.session, target)
        if existing is not None:
            check_partitioning(existing.resource, target.more)
        files = _files(storage, job, configuration)
        size = sum(each.path.stat().st_size for each in files)
        statistics |= {"inputFiles": str(len(files)), "inputFileBytes": str(size)}
        load = _Load(context, storage, files, options, target, existing)
        try:
            bad, counts = _load(load)
        except _BAD_GZIP as error:
            raise _bad_gzip(files) from error
    except JobProblem as problem:
        statistics["badRecords"] = str(
            sum(error.get("message", "").count("File: ") for error in problem.errors[1:])
        )
        problem.statistics = {"load": statistics}
        raise
    statistics |= {**counts, "badRecords": str(bad.count)}
    return Outcome(dict(job.configuration), {"load": statistics}, errors=bad.errors)


def _bad_gzip(files: list[InputFile]) -> JobProblem:
    """Find the file that cannot be decompressed."""
    for each in files:
        try:
            with opened(each.path) as file:
                while file.read(_PIECE_BYTES):
                    pass
        except _BAD_GZIP:
            break
    message = f"The gzip file is cut off or damaged. File: {each.uri}"
    return JobProblem("invalid", f"Error while reading data, error message: {message}", each.uri)


def _files(storage: Storage, job: RunningJob, configuration: Mapping[str, Any]) -> list[InputFile]:
    uris = configuration.get("sourceUris")
    if job.media is not None:
        return [InputFile(_MEDIA_NAME, job.media)]
    if not uris or not isinstance(uris, list):
        raise JobProblem("invalid", "Required parameter is missing: sourceUris")
    return storage.find(uris)


def _load(load: _Load) -> tuple[BadRows, dict[str, str]]:
    fields = _fields(load)
    if not fields:
        raise JobProblem("invalid", "No schema specified on job or table.")
    physical = load.context.store.new_physical()
    try:
        bad = _stage(load, fields, physical)
        physical, fields = _made_fit(load, physical, fields)
        sizes = column_bytes(load.session, physical, fields)
    except BaseException:
        load.session.clean_up(f"DROP TABLE IF EXISTS {physical}")
        raise
    try:
        publish(load.context.store, load.session, physical, fields, load.target)
    except duckdb.Error as error:
        message = f"Provided Schema does not match Table {load.target.table}."
        raise JobProblem("invalid", message) from error
    return bad, {"outputRows": str(sizes.pop("")), "outputBytes": str(sum(sizes.values()))}


def _made_fit(load: _Load, physical: str, fields: tuple[Field, ...]) -> tuple[str, tuple[Field, ...]]:
    try:
        return make_fit(load.context, physical, fields, load.target)
    except JobProblem as problem:
        if problem.reason != "invalidQuery":
            raise
        raise JobProblem("invalid", problem.message) from problem  # there is no query


def _fields(load: _Load) -> tuple[Field, ...]:
    """Give the schema of the rows to come: given, found in the files, or the table's; a header is skipped."""
    options, first = load.options, load.files[0]
    if options.schema:
        return options.schema
    if options.format == "PARQUET":
        return parquet_fields(load.session, load.storage, load.files)
    if options.format == "AVRO":
        return avro_file_fields(first, logical=options.avro_logical_types)
    if not options.autodetect:
        return load.existing.fields if load.existing is not None else ()
    # Also of rows that are appended: publishing finds their columns by name, and refuses others.
    if options.format == "NEWLINE_DELIMITED_JSON":
        return detect_json_file(first.path)
    fields, skip = detect_csv(first.path, options)
    load.options = replace(options, skip_rows=skip)
    return fields


def _stage(load: _Load, fields: tuple[Field, ...], physical: str) -> BadRows:
    if load.options.format == "PARQUET":
        load_parquet(load.session, load.storage, load.files, fields, load.options, physical)
        return BadRows(0, "Parquet")
    read = load_csv if load.options.format == "CSV" else load_records
    return read(load.session, load.storage, load.files, fields, load.options, physical)
