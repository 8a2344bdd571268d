"""Parquet files into a staging table; DuckDB reads them.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    NUMERIC_SCALE,
    UnknownType,
    column_definitions,
    duck_type,
    field_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions
    from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import InputFile, Storage
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field


def parquet_fields(session: Session, storage: Storage, files: Sequence[InputFile]) -> tuple[Field, ...]:
    """Read the schema of the last file, as BigQuery does: files are taken in alphabetical order."""
    with storage.folder() as folder:
        given = files[-1]
        try:
            source = f"read_parquet({text(str(storage.readable(given, folder)))})"
            found = session.relation(f"SELECT * FROM {source}")  # noqa: S608 - quoted
            return tuple(field_of(name, kind) for name, kind in zip(found.columns, found.types, strict=True))
        except duckdb.Error as error:
            raise _broken(given) from error
        except UnknownType as error:
            raise _failed(given, f"{error} cannot be loaded.") from error


def load_parquet(
    session: Session, storage: Storage, files: Sequence[InputFile], fields: Sequence[Field],
    options: LoadOptions, physical: str,
) -> None:  # fmt: skip
    """Fill a new staging table; columns are matched by name.

    :raises JobProblem: a file is broken or has columns of other types.
    """
    with storage.folder() as folder, session.transaction():
        session.execute(f"CREATE TABLE {physical} ({column_definitions(fields)})")
        for given in files:
            source = f"read_parquet({text(str(storage.readable(given, folder)))})"
            try:
                found = session.relation(f"SELECT * FROM {source}")  # noqa: S608 - quoted
                kinds = dict(zip(map(str.lower, found.columns), found.types, strict=True))
                present = set(kinds)
                _refuse_columns(given, kinds, fields, options)
                _refuse_values(
                    session, given, source, [each for each in fields if each.name.lower() in present]
                )
                values = ", ".join(_value(each, present) for each in fields)
                session.execute(f"INSERT INTO {physical} SELECT {values} FROM {source}")  # noqa: S608 - quoted
            except duckdb.ConstraintException as error:
                raise _failed(given, "A required field is missing.") from error
            except (
                duckdb.ConversionException,
                duckdb.BinderException,
                duckdb.TypeMismatchException,
            ) as error:
                raise _failed(given, "Parquet column types do not match the schema.") from error
            except duckdb.Error as error:
                raise _broken(given) from error


# What a column of a file may be in a table besides its own type.
_ALSO = {
    "STRING": {"JSON", "GEOGRAPHY", "BYTES"}, "BYTES": {"STRING"}, "DATETIME": {"TIMESTAMP"},
    "TIMESTAMP": {"DATETIME"}, "INTEGER": {"FLOAT", "NUMERIC", "BIGNUMERIC"}, "JSON": {"STRING"},
    "NUMERIC": {"BIGNUMERIC"},
}  # fmt: skip


def _refuse_columns(
    given: InputFile, kinds: Mapping[str, Any], fields: Sequence[Field], options: LoadOptions
) -> None:
    """Refuse a file with columns that DuckDB would leave out, or cast.

    :raises JobProblem: there is one.
    """
    unknown = kinds.keys() - {each.name.lower() for each in fields}
    if unknown and not options.ignore_unknown:
        raise _failed(given, f"No such field: {min(unknown)}.")
    for each in fields:
        kind = kinds.get(each.name.lower())
        if kind is not None:
            _refuse_type(given, each, kind, options)


def _refuse_type(given: InputFile, each: Field, kind: Any, options: LoadOptions) -> None:
    try:
        found = field_of(each.name, kind)
    except UnknownType as error:
        raise _failed(given, f"{error} cannot be loaded.") from error
    # BigQuery takes BIGNUMERIC only where a schema, or decimalTargetTypes, asks for it.
    wide = kind.id == "decimal" and dict(kind.children)["scale"] > NUMERIC_SCALE
    if wide and (each.type == "NUMERIC" or not options.schema):
        raise _failed(given, f"The sandbox does not load so many digits as {each.name} has into NUMERIC.")
    if found.type != each.type and each.type not in _ALSO.get(found.type, ()):
        what = f"has type {found.sql_name} which does not match the target type {each.sql_name}"
        raise _failed(given, f"Parquet column '{each.name}' {what}.")
    inner = kind.children[0][1] if kind.id in {"list", "array"} else kind
    if each.type == "RECORD":
        parts = {name.lower(): part for name, part in inner.children}
        for part in each.fields:
            if part.name.lower() in parts:
                _refuse_type(given, part, parts[part.name.lower()], options)


# The first and the last value of types of which DuckDB has more: infinity, the year 20222, 24:00:00.
_BOUNDS = {
    "DATE": ("0001-01-01", "9999-12-31"),
    "DATETIME": ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    "TIMESTAMP": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
    "TIME": ("00:00:00", "23:59:59.999999"),
}


def _refuse_values(session: Session, given: InputFile, source: str, fields: Sequence[Field]) -> None:
    """Refuse a file with values that DuckDB reads, and no column of BigQuery can hold."""
    for each in fields:
        wrong = _wrong(each, f"CAST({quoted(each.name)} AS {duck_type(each)})")
        if wrong and session.rows(f"SELECT 1 FROM {source} WHERE {wrong} LIMIT 1"):  # noqa: S608 - quoted
            what = f"Invalid {each.sql_name} value. Field: {each.name}."
            if each.repeated or each.type == "RECORD":
                rule = "Only optional fields can be set to NULL, no elements of arrays; years are 1 to 9999."
                what = f"{rule} Field: {each.name}."
            raise _failed(given, what)


def _wrong(each: Field, value: str, depth: int = 0) -> str:
    """Give the condition for a NULL in an array, or a value beyond its type; nothing if any value will do."""
    if each.repeated:
        item = f"e{depth}"
        inner = _wrong(each.element, item, depth + 1)
        wrong = f"{item} IS NULL{f' OR {inner}' if inner else ''}"
        return f"len(list_filter({value}, lambda {item}: {wrong})) > 0"
    if each.type == "RECORD":
        parts = (_wrong(part, f"({value}).{quoted(part.name)}", depth) for part in each.fields)
        return " OR ".join(f"({part})" for part in parts if part)
    if each.type not in _BOUNDS:
        return ""
    first, last = (f"CAST({text(bound)} AS {duck_type(each)})" for bound in _BOUNDS[each.type])
    return f"({value}) NOT BETWEEN {first} AND {last}"


def _value(each: Field, present: set[str]) -> str:
    if each.name.lower() not in present:
        return f"CAST(NULL AS {duck_type(each)})"
    return f"CAST({quoted(each.name)} AS {duck_type(each)})"


def _broken(given: InputFile) -> JobProblem:
    return _failed(given, "Input file is not in Parquet format.")


def _failed(given: InputFile, what: str) -> JobProblem:
    message = f"Error while reading data, error message: {what} File: {given.uri}"
    return JobProblem("invalid", message, given.uri)
