"""SELECT and DML: what reads rows and what changes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import find_dataset, insert_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.destination import (
    Target,
    check_partitioning,
    check_target,
    publish,
    stage_texts,
    target_of,
)
from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import can_fill, filler, reader
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId, anonymous_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import compute
from airflow_provider_jobs.sandbox.bigquery.engine.sql.column_rules import make_fit
from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import billed_bytes
from airflow_provider_jobs.sandbox.bigquery.engine.sql.errors import duck_errors
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import Plan, make_plan
from airflow_provider_jobs.sandbox.bigquery.engine.types import schema_resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field


@dataclass(frozen=True)
class StatementResult:
    """What one statement did."""

    kind: str  # statementType
    statistics: dict[str, Any]  # of statistics.query
    destination: TableId | None = None  # where the result is


def plan_statistics(plan: Plan, *, cache_hit: bool = False) -> dict[str, Any]:
    """Give the statistics that are known before a statement runs."""
    return _statistics(
        plan.kind, 0 if cache_hit else plan.processed, plan.written.tables.values(), cache_hit=cache_hit
    )


def _statistics(
    kind: str, processed: int, tables: Iterable[StoredTable], *, cache_hit: bool
) -> dict[str, Any]:
    return {
        "statementType": kind,
        "cacheHit": cache_hit,
        "totalBytesProcessed": str(processed),
        "totalBytesBilled": str(billed_bytes(processed)),
        "billingTier": 1,
        "totalPartitionsProcessed": "0",
        "referencedTables": [table.id.reference for table in tables],
    }


def remembered(context: QueryContext) -> StatementResult | None:
    """Give the result of the same query before, if that read no tables; it is not parsed again."""
    text = context.query.get("query")
    if context.query.get("useQueryCache") is False or context.query.get("useLegacySql") is not False:
        return None
    cached = context.cache.find(context.session, context.cache_key(str(text)), {})
    if cached is None:
        return None
    statistics = _statistics("SELECT", 0, (), cache_hit=True)
    return StatementResult("SELECT", {**statistics, "schema": schema_resource(cached.fields)}, cached.id)


def run_select(context: QueryContext, statement: Statement) -> StatementResult:
    """Run a query; its rows go to the destination, else to an anonymous table."""
    target = _target(context)
    physical = context.store.new_physical()
    with context.session.transaction():
        plan = make_plan(context, statement, always=False)
        context.check_billed(plan.processed)
        if context.query.get("destinationTable"):
            existing = check_target(context.session, target)
            if existing is not None:
                check_partitioning(existing.resource, target.more)
        key = plan.cache_key(context)
        may_hit = context.query.get("useQueryCache") is not False
        cached = context.cache.find(context.session, key, plan.written.versions) if may_hit else None
        fields = cached.fields if cached is not None else compute(context, plan, physical)
    statistics = plan_statistics(plan, cache_hit=cached is not None)
    statistics["schema"] = schema_resource(fields)
    if cached is not None:
        return StatementResult("SELECT", statistics, cached.id)
    with duck_errors():
        if context.query.get("destinationTable"):
            physical, fields = make_fit(context, physical, fields, target)
        if context.session.held:
            key = ""
            _publish_apart(context, physical, fields, target)
        else:
            publish(context.store, context.session, physical, fields, target)
    if not context.query.get("destinationTable"):
        context.cache.keep(context.store, target.table, key, plan.written.versions)
    return StatementResult("SELECT", statistics, target.table)


def _publish_apart(context: QueryContext, physical: str, fields: tuple[Field, ...], target: Target) -> None:
    """Publish a result that is there whatever becomes of the transaction in which it was found."""
    for each in fields:
        if not can_fill(each):
            raise unsupported(f"return {each.type} in a transaction ({each.name})")
    rows = context.session.rows(f"SELECT {select_list(fields)} FROM {physical}")  # noqa: S608 - our name
    context.session.execute(f"DROP TABLE {physical}")
    columns = [[_as_text(each, row[place]) for row in rows] for place, each in enumerate(fields)]
    copy = context.store.new_physical()
    with context.store.session() as session:
        with session.transaction():
            stage_texts(session, copy, fields, columns)
        publish(context.store, session, copy, fields, target)


def _as_text(each: Field, value: Any) -> str | None:
    proto = message("ValueProto")()
    filler(each)(proto, value)
    return reader(each)(proto)


def _target(context: QueryContext) -> Target:
    destination = context.query.get("destinationTable")
    if destination:
        return target_of(context.query, context.project, context.location, "WRITE_EMPTY")
    dataset = ensure_anonymous_dataset(context)
    return Target(TableId(context.project, dataset, f"anon{uuid.uuid4().hex}"), context.location)


def ensure_anonymous_dataset(context: QueryContext) -> str:
    """Give the hidden dataset for results and temporary tables; make it the first time."""
    dataset = anonymous_dataset(context.location)
    with context.store.writing(context.session, f"{context.project}:{dataset}"):
        if find_dataset(context.session, context.project, dataset) is None:
            reference = {"datasetReference": {"datasetId": dataset}, "location": context.location}
            insert_dataset(context.session, context.project, reference)
    return dataset
