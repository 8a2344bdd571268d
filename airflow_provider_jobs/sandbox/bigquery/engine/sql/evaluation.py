"""Statements that Google's evaluator runs: exactly, as long as the input is small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import (
    Crashed,
    DeadlineExceeded,
    GoogleSqlError,
)
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import NullElement, can_fill, reader
from airflow_provider_jobs.sandbox.bigquery.engine.sql.analysis import attach, options, refusal, result_fields
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Written
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

# Codes of https://abseil.io/docs/cpp/guides/status-codes that say nothing against a statement.
_RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _INTERNAL = 8, 12, 13
# What the evaluator refuses because of its own limits: BigQuery's are wider.
_LIMITS = ("Cannot generate arrays with more than", "Out of memory for MemoryAccountant")


class CannotEvaluate(Exception):
    """The evaluator lacks something, or the statement is too much for it; it may be valid."""


@dataclass(frozen=True)
class Rows:
    """Rows as columns of texts, which DuckDB casts to the columns' types."""

    fields: tuple[Field, ...]
    columns: list[list[str | None]]


def evaluate(
    context: QueryContext,
    written: Written,
    text: str,
    read: Mapping[str, frozenset[str]],
    targets: Sequence[Field] = (),
    *,
    is_value_table: bool = False,
) -> Rows:
    """Run a query.

    :param read: the columns that it reads, by the names of their tables in the text.
    :raises JobProblem: it fails in BigQuery, too.
    :raises CannotEvaluate: it may not.
    """
    reply = _called(context, written, text, read, targets)
    columns = [(each.name, each.type) for each in reply.prepared.columns]
    fields = tuple(targets) or result_fields(columns, is_value_table)
    rows = [row.cell for row in reply.content.table_data.row]
    if is_value_table and columns[0][1].struct_type.field:
        # A row that is NULL has no fields, and all its columns are NULL.
        empty = [message("ValueProto")()] * len(fields)
        rows = [row[0].struct_value.field or empty for row in rows]
    return Rows(fields, texts(fields, rows))


def _called(
    context: QueryContext,
    written: Written,
    text: str,
    read: Mapping[str, frozenset[str]],
    targets: Sequence[Field],
) -> Any:
    for name, columns in read.items():
        for each in written.tables[name].fields:
            if each.name in columns and not can_fill(each) and written.tables[name].rows:
                raise CannotEvaluate(f"it reads GEOGRAPHY ({each.name})")
    request = message("local_service.EvaluateQueryRequest")(sql=text)
    for name, (_, value) in context.parameters.items():
        request.params.add(name=name, value=value)
    try:
        with context.instance() as instance:
            request.options.CopyFrom(options(context, instance, targets))
            attach(context, instance, request, written, read)
            return instance.call("EvaluateQuery", request)
    except GoogleSqlError as error:
        if error.code in {_RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _INTERNAL} or error.message.startswith(
            _LIMITS
        ):
            raise CannotEvaluate(error.message) from error
        raise refusal(error, written) from error
    except (Crashed, DeadlineExceeded) as error:
        raise CannotEvaluate("a query that takes so long, or so much") from error


def texts(fields: Sequence[Field], rows: Iterable[Any]) -> list[list[str | None]]:
    """Give the columns of rows as texts.

    :raises JobProblem: an array has a NULL in it.
    """
    readers = [reader(each) for each in fields]
    columns: list[list[str | None]] = [[] for _ in fields]
    try:
        for row in rows:
            for column, read, cell in zip(columns, readers, row, strict=True):
                column.append(read(cell))
    except NullElement as error:
        message_ = f"Array cannot have a null element; error in writing field {error}"
        raise invalid_query(message_) from error
    return columns
