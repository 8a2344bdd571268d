"""JSON and Avro rows into a staging table: checked one by one, then read by DuckDB in one go."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastavro import reader

from airflow_provider_jobs.sandbox.bigquery.engine.files.autodetect import detect_json
from airflow_provider_jobs.sandbox.bigquery.engine.files.avro import (
    as_stored,
    avro_fields,
    without_logical_types,
)
from airflow_provider_jobs.sandbox.bigquery.engine.files.bad_rows import BadRows
from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_rows import opened
from airflow_provider_jobs.sandbox.bigquery.engine.files.record_values import BadValue, readable, spell_row
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text
from airflow_provider_jobs.sandbox.bigquery.engine.types import column_definitions, duck_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions
    from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import InputFile, Storage
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

# "The maximum row size is 100 MB".
_MAX_ROW_BYTES = 100 << 20


def detect_json_file(path: Path) -> tuple[Field, ...]:
    """Guess the schema of a file of JSON rows."""
    return detect_json(row for _, row, problem in _json_rows(path) if not problem)


def avro_file_fields(given: InputFile, *, logical: bool) -> tuple[Field, ...]:
    """Read the schema that an Avro file carries."""
    try:
        with given.path.open("rb") as file:
            schema = reader(file).writer_schema
            return avro_fields(schema if logical else without_logical_types(schema))
    except (ValueError, TypeError, KeyError, EOFError, IndexError) as error:
        raise _broken(given, "Avro") from error


def load_records(
    session: Session, storage: Storage, files: Sequence[InputFile], fields: Sequence[Field],
    options: LoadOptions, physical: str,
) -> BadRows:  # fmt: skip
    """Fill a new staging table; give the bad rows, if they are few enough.

    :raises JobProblem: more rows are bad than the job tolerates, or a file is broken.
    """
    bad = BadRows(options.max_bad_records, "Avro" if options.format == "AVRO" else "JSON")
    with storage.folder() as folder:
        clean = folder / "records.json"
        with clean.open("w", encoding="utf-8") as out:
            for given in files:
                for line in _spelled(session, given, fields, options, bad):
                    out.write(line)
        bad.check()
        with session.transaction():
            session.execute(f"CREATE TABLE {physical} ({column_definitions(fields)})")
            if clean.stat().st_size:
                _read(session, clean, fields, physical)
    return bad


def _spelled(
    session: Session, given: InputFile, fields: Sequence[Field], options: LoadOptions, bad: BadRows
) -> Iterator[str]:
    """Give the good rows of a file as lines for DuckDB; note the bad ones."""
    rows = _avro_rows(given, options) if options.format == "AVRO" else _json_rows(given.path)
    for place, row, found in rows:
        session.check()
        bad.rows += 1
        problem = found
        try:
            spelled = None if problem else spell_row(fields, row, ignore_unknown=options.ignore_unknown)
        except BadValue as error:
            spelled, problem = None, str(error)
        if spelled is None:
            bad.add(given.uri, f"{bad.format} parsing error in row starting at position {place}: {problem}")
        else:
            yield json.dumps(spelled, ensure_ascii=False, separators=(",", ":")) + "\n"


def _read(session: Session, clean: Path, fields: Sequence[Field], physical: str) -> None:
    columns = ", ".join(f"{text(each.name)}: {text(duck_type(readable(each)))}" for each in fields)
    values = ", ".join(f"CAST({quoted(each.name)} AS {duck_type(each)})" for each in fields)
    session.execute(
        f"INSERT INTO {physical} SELECT {values} FROM read_json({text(str(clean))}, "  # noqa: S608 - quoted
        f"format = 'newline_delimited', columns = {{{columns}}}, maximum_object_size = {_MAX_ROW_BYTES})"
    )


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _number(text: str) -> Decimal | float:
    """Give a number with its digits; one that no type has room for is 0 or infinite."""
    rough = float(text)
    return Decimal(text) if math.isfinite(rough) and rough else rough


# NaN and Infinity are texts in JSON: https://github.com/apache/beam/pull/935.
_READ = json.JSONDecoder(parse_float=_number, parse_constant=_refuse).decode


def _json_rows(path: Path) -> Iterator[tuple[int, Any, str]]:
    """Give offset, row and, instead of a row, what is wrong with it."""
    offset = 0
    with opened(path) as file:
        for raw in file:
            line = raw.decode("utf-8", errors="replace").strip()
            line = line if offset else line.removeprefix("\ufeff")  # in the middle it is data
            if line:
                try:
                    row = _READ(line)
                    if "\\u" in line:  # half of a pair is not a character
                        json.dumps(row, ensure_ascii=False, default=str).encode()
                    yield offset, row, ""
                except (ValueError, RecursionError):
                    yield offset, None, "Parser terminated before end of string"
            offset += len(raw)


def _avro_rows(given: InputFile, options: LoadOptions) -> Iterator[tuple[int, Any, str]]:
    try:
        with given.path.open("rb") as file:
            rows = reader(file)
            plain = not options.avro_logical_types and not options.schema
            for number, row in enumerate(rows):
                yield number, as_stored(row, rows.writer_schema) if plain else row, ""
    except (ValueError, TypeError, KeyError, EOFError, IndexError) as error:
        raise _broken(given, "Avro") from error


def _broken(given: InputFile, kind: str) -> JobProblem:
    message = f"Error while reading data, error message: The {kind} file cannot be parsed. File: {given.uri}"
    return JobProblem("invalid", message, given.uri)
