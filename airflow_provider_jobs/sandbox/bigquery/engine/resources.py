"""tables.insert: a table or view as a client describes it.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import catalog
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.legacy import to_googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, column_definitions, read_schema

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
    more = {key: body[key] for key in _KEPT if key in body}
    for kind in _REFUSED:
        if body.get(kind):
            raise ApiError(400, "invalid", f"{kind} is not supported by the sandbox")
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
