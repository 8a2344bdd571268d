"""tables.insert, patch and update: a table or view as a client describes it.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert
https://cloud.google.com/bigquery/docs/managing-table-schemas
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import catalog
from airflow_provider_jobs.sandbox.bigquery.engine.destination import changed_schema, check_partitioning
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.legacy import to_googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    Field,
    column_definitions,
    read_schema,
    schema_resource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext

# Metadata that is kept and given back as it came.
_KEPT = (
    "timePartitioning", "rangePartitioning", "clustering", "labels", "description", "friendlyName",
    "expirationTime", "requirePartitionFilter", "encryptionConfiguration", "resourceTags",
)  # fmt: skip

# Tables of another kind: an ordinary one in their place would only look right.
_REFUSED = (
    "externalDataConfiguration",
    "materializedView",
    "snapshotDefinition",
    "cloneDefinition",
    "biglakeConfiguration",
    "defaultCollation",
)


def insert_table(
    context: QueryContext, project: str, dataset: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create what the body describes.

    :raises ApiError: 400, 404 or 409.
    """
    reference = body.get("tableReference") or {}
    name = TableId(project, dataset, str(reference.get("tableId") or ""))
    session = context.session
    more = _kept(body)
    with context.store.writing(session, name), session.transaction():
        home = catalog.get_dataset(session, project, dataset)
        if catalog.find_table(session, name) is not None:
            raise ApiError(409, "duplicate", f"Already Exists: Table {name}")
        if body.get("view"):
            more["view"] = _view(body["view"])
            fields, physical = _view_fields(context, more["view"], home), ""
        else:
            fields, physical = read_schema(body.get("schema") or {}), context.store.new_physical()
            session.execute(f"CREATE TABLE {physical} ({column_definitions(fields) or 'nothing INTEGER'})")
        table = catalog.new_table(name, physical, fields, home, more)
        return catalog.save_table(session, table).full_resource()


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give the metadata that a table keeps.

    :raises ApiError: the body describes another kind of table.
    """
    for kind in _REFUSED:
        if body.get(kind):
            raise ApiError(400, "invalid", f"{kind} is not supported by the sandbox")
    return {key: body[key] for key in _KEPT if key in body}


def change_table(
    context: QueryContext, name: TableId, body: Mapping[str, Any], etag: str, *, whole: bool
) -> dict[str, Any]:
    """Change what the body says of a table.

    :param etag: what the table has to be still; empty: it does not matter.
    :param whole: whether the body is all that there is, and what it leaves out goes.
    :raises ApiError: 400, 404, or 412, it has changed since.
    """
    session = context.session
    with context.store.writing(session, name), session.transaction():
        table = catalog.get_table(session, name)
        if etag not in {"", "*", table.resource["etag"]}:
            raise ApiError(412, "conditionNotMet", f"Precondition Failed: Table {name} has changed")
        given = _kept(body)
        labels = {**({} if whole else table.resource.get("labels") or {}), **(given.get("labels") or {})}
        given["labels"] = {key: value for key, value in labels.items() if value is not None}
        before = {key: value for key, value in table.resource.items() if not (whole and key in _KEPT)}
        check_partitioning(table.resource, given)
        resource = {key: value for key, value in {**before, **given}.items() if value not in (None, {})}
        if body.get("view"):
            home = catalog.get_dataset(session, name.project, name.dataset)
            resource["view"] = _view(body["view"])
            resource["schema"] = schema_resource(_view_fields(context, resource["view"], home))
        elif body.get("schema"):
            fields = changed_schema(session, table, read_schema(body["schema"]))
            resource["schema"] = schema_resource(fields)
        return catalog.save_table(session, replace(table, resource=resource)).full_resource()


def _view(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give a view the way it will be run; the API's default is legacy SQL here, too."""
    try:
        query = to_googlesql(str(given.get("query") or ""), given.get("useLegacySql"))
    except JobProblem as problem:
        raise ApiError(400, problem.reason, problem.message, "query") from problem
    return {"query": query, "useLegacySql": False}


def _view_fields(
    context: QueryContext, view: Mapping[str, Any], home: Mapping[str, Any]
) -> tuple[Field, ...]:
    context.location = str(home["location"])
    try:
        with context.instance() as instance:
            statement = split(instance, view["query"])[0]
        analysis = make_plan(context, statement).analysis
    except JobProblem as problem:
        raise ApiError(400, problem.reason, problem.message, "query") from problem
    return analysis.fields if analysis is not None else ()
