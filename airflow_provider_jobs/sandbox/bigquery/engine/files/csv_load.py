"""CSV into a staging table: DuckDB reads the files; only if it stumbles, they are read record by record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine.files.bad_rows import BadRows, conversion_message, place
from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_rows import Record, is_regular, records
from airflow_provider_jobs.sandbox.bigquery.engine.files.value_forms import EPOCH, FORMS
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text
from airflow_provider_jobs.sandbox.bigquery.engine.types import column_definitions, duck_type
from airflow_provider_jobs.sandbox.uploads.long_lines import is_gzip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions
    from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import InputFile, Storage
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

# What counts as a truth value: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv#data_types
_TRUE = "('true', 't', 'yes', 'y', '1')"
_FALSE = "('false', 'f', 'no', 'n', '0')"
_FIRST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"
_LAST = "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
# The encodings that DuckDB knows without an extension, by Python's name.
_DUCK_ENCODINGS = {"utf-8": "utf-8", "iso8859-1": "latin-1"}
# A longer line than DuckDB's default is still one record for BigQuery: 100 MB a row.
_MAX_LINE_BYTES = 100 << 20


def load_csv(
    session: Session, storage: Storage, files: Sequence[InputFile], fields: Sequence[Field],
    options: LoadOptions, physical: str,
) -> BadRows:  # fmt: skip
    """Fill a new staging table; give the bad rows, if they are few enough.

    :raises JobProblem: more rows are bad than the job tolerates.
    """
    for each in fields:
        if each.repeated or each.type == "RECORD":
            what = "repeated field" if each.repeated else "nested schema"
            raise JobProblem("invalid", f"Cannot load CSV data with a {what}. Field: {each.name}")
    with storage.folder() as folder:
        if options.encoding in _DUCK_ENCODINGS:
            try:
                with session.transaction():
                    _fast(
                        session, [storage.readable(each, folder) for each in files], fields, options, physical
                    )
            except (duckdb.Error, _Doubt):
                session.check()
            else:
                return BadRows(options.max_bad_records, "CSV")
        return _careful(session, folder, files, fields, options, physical)


class _Doubt(Exception):
    """DuckDB has read the files, but BigQuery might not have."""


def _fast(
    session: Session, paths: Sequence[Path], fields: Sequence[Field], options: LoadOptions, physical: str
) -> None:
    names = [f"c{index}" for index in range(len(fields))]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    markers = ", ".join(text(marker) for marker in options.null_markers)
    values = ", ".join(_demanded(each, name) for each, name in zip(fields, names, strict=True))
    session.execute(f"CREATE TABLE {physical} ({column_definitions(fields)})")
    for path in paths:
        if path.stat().st_size == 0:
            continue
        if not is_regular(path, len(fields), options):
            raise _Doubt
        session.execute(
            f"INSERT INTO {physical} SELECT {values} FROM read_csv({text(str(path))}, "  # noqa: S608 - quoted
            f"columns = {{{columns}}}, auto_detect = false, header = false, "
            f"skip = {options.rows_to_skip}, delim = {text(options.delimiter)}, "
            f"quote = {text(options.quote)}, escape = {text(options.quote)}, nullstr = [{markers}], "
            "allow_quoted_nulls = false, strict_mode = true, "
            f"null_padding = {str(options.jagged_rows).lower()}, "
            f"encoding = '{_DUCK_ENCODINGS[options.encoding]}', max_line_size = {_MAX_LINE_BYTES}, "
            f"compression = '{'gzip' if is_gzip(path) else 'none'}')"
        )
    _look_twice(session, fields, options, physical)


def _look_twice(session: Session, fields: Sequence[Field], options: LoadOptions, physical: str) -> None:
    """Doubt texts with a character that BigQuery does not take unless it is told so."""
    texts = [quoted(each.name) for each in fields if each.type in {"STRING", "GEOGRAPHY", "JSON"}]
    found = "" if options.control_characters else " OR ".join(f"contains({name}, chr(0))" for name in texts)
    if found and session.rows(f"SELECT 1 FROM {physical} WHERE {found} LIMIT 1"):  # noqa: S608 - our names
        raise _Doubt


def _careful(
    session: Session, folder: Path, files: Sequence[InputFile], fields: Sequence[Field],
    options: LoadOptions, physical: str,
) -> BadRows:  # fmt: skip
    bad = BadRows(options.max_bad_records, "CSV")
    clean = folder / "records.json"
    with clean.open("w", encoding="utf-8") as file:
        for index, each in enumerate(files):
            for record in records(each.path, options):
                session.check()
                bad.rows += 1
                problem = record.problem or _shape_problem(record, fields, options)
                if problem:
                    bad.add(each.uri, problem + place(record.line, record.offset))
                    continue
                row = {"file": index, "line": record.line, "place": record.offset}
                cells = _with_nulls(record, len(fields), options)
                file.write(json.dumps({**row, "cells": cells}, separators=(",", ":")) + "\n")
    names = [f"c{index}" for index in range(len(fields))]
    raw = physical + "_raw"
    with session.transaction():
        _read_clean(session, clean, names, raw)
        _note_wrong(session, raw, files, fields, bad)
        bad.check()
        session.execute(f"CREATE TABLE {physical} ({column_definitions(fields)})")
        pairs = list(zip(fields, names, strict=True))
        values = ", ".join(_converted(each, name) for each, name in pairs)
        good = " AND ".join(f"NOT {_wrong(each, name)}" for each, name in pairs)
        session.execute(f"INSERT INTO {physical} SELECT {values} FROM {raw} WHERE {good}")  # noqa: S608 - our names
        session.execute(f"DROP TABLE {raw}")
    return bad


def _shape_problem(record: Record, fields: Sequence[Field], options: LoadOptions) -> str:
    found, wanted = len(record.cells), len(fields)
    if found > wanted and not options.ignore_unknown:
        return (
            f"Too many values in row starting at position: {record.offset}. "
            f"Found {found} column(s) while expected {wanted}."
        )
    if found < wanted and not options.jagged_rows:
        return (
            f"CSV table references column position {found}, but line starting at position:{record.offset} "
            f"contains only {found} columns."
        )
    return ""


def _with_nulls(record: Record, width: int, options: LoadOptions) -> list[str | None]:
    cells: list[str | None] = [
        None if not was_quoted and cell in options.null_markers else cell
        for cell, was_quoted in record.cells[:width]
    ]
    return cells + [None] * (width - len(cells))


def _read_clean(session: Session, clean: Path, names: Sequence[str], raw: str) -> None:
    values = ", ".join(f"cells[{index}] AS {name}" for index, name in enumerate(names, 1))
    columns = "{'file': 'INTEGER', 'line': 'BIGINT', 'place': 'BIGINT', 'cells': 'VARCHAR[]'}"
    session.execute(
        f"CREATE TABLE {raw} (file INTEGER, line BIGINT, place BIGINT, {' VARCHAR, '.join(names)} VARCHAR)"
    )
    if clean.stat().st_size:
        session.execute(
            f"INSERT INTO {raw} SELECT file, line, place, {values} FROM read_json({text(str(clean))}, "  # noqa: S608 - our names
            f"format = 'newline_delimited', columns = {columns}, maximum_object_size = {_MAX_LINE_BYTES})"
        )


def _wrong(each: Field, name: str) -> str:
    missing = f" OR {name} IS NULL" if each.mode == "REQUIRED" else ""
    return f"({_is_wrong(each, name)}{missing})"


def _note_wrong(
    session: Session, raw: str, files: Sequence[InputFile], fields: Sequence[Field], bad: BadRows
) -> None:
    """Describe the first wrong cell of every wrong row."""
    pairs = [(f"c{index}", each) for index, each in enumerate(fields)]
    first = " ".join(f"WHEN {_wrong(each, name)} THEN {index}" for index, (name, each) in enumerate(pairs))
    value = " ".join(f"WHEN {_wrong(each, name)} THEN {name}" for name, each in pairs)
    rows = session.rows(
        f"SELECT file, line, place, CASE {first} END AS wrong, CASE {value} END FROM {raw} "  # noqa: S608 - our names
        "WHERE wrong IS NOT NULL ORDER BY file, line"
    )
    for file, line, offset, index, found in rows:
        each = fields[index]
        if found is None:
            message = (
                f"Required column value for column index: {index} is missing "
                f"in row starting at position: {offset}"
            )
            bad.add(files[file].uri, message + place(line, offset))
        else:
            bad.add(files[file].uri, conversion_message(line, offset, index, each.name, each.sql_name, found))


def _converted(each: Field, value: str) -> str:
    """Give the expression for a typed value; NULL where the text is not one."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return value
    trimmed = f"trim({value})"
    cast = f"TRY_CAST({trimmed} AS {duck_type(each)})"
    if each.type == "TIMESTAMP":
        return _timestamp(trimmed, cast)
    if each.type in FORMS:
        return f"CASE WHEN regexp_full_match({trimmed}, {text(FORMS[each.type])}) THEN {cast} END"
    special = {
        "BOOLEAN": f"CASE WHEN lower({trimmed}) IN {_TRUE} THEN true "
        f"WHEN lower({trimmed}) IN {_FALSE} THEN false END",
        "BYTES": f"TRY(from_base64({trimmed}))",
        "JSON": f"CASE WHEN json_valid({value}) THEN json({value}) END",  # without blanks
    }
    return special.get(each.type, cast)


def _timestamp(trimmed: str, cast: str) -> str:
    """Give the expression for a TIMESTAMP: it is the instant that has to be in the years 1 to 9999."""
    # DuckDB wants two digits in the hours of a zone.
    hours = f"regexp_replace({trimmed}, '(:.*[+-])([0-9])(:[0-9]*)?$', '\\10\\2\\3')"
    found = (
        f"CASE WHEN regexp_full_match({trimmed}, {text(EPOCH)}) "
        f"THEN TRY(to_timestamp(TRY_CAST({trimmed} AS DOUBLE))) "
        f"WHEN regexp_full_match({trimmed}, {text(FORMS['TIMESTAMP'])}) "
        f"THEN {cast.replace(trimmed, hours)} END"
    )
    return f"CASE WHEN {found} BETWEEN {_FIRST} AND {_LAST} THEN {found} END"


def _demanded(each: Field, value: str) -> str:
    """Give the expression for a typed value that fails the statement where the text is not one."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return value
    wrong = f"error({text('bad ' + each.type)})"
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE coalesce({_converted(each, value)}, {wrong}) END"


def _is_wrong(each: Field, value: str) -> str:
    """Give the condition for text that is not a value of the column's type."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return "false"
    return f"({value} IS NOT NULL AND ({_converted(each, value)}) IS NULL)"
