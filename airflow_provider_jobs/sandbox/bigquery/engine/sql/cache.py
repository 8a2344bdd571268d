"""Results of earlier queries, given again while no table that they read has changed.

https://cloud.google.com/bigquery/docs/cached-results
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, find_table

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import Plan, QueryContext


class ResultCache:
    """By text, parameters and place: the table with the result, and the versions of what was read."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[TableId, dict[TableId, str]]] = {}
        self._guard = threading.Lock()

    def find(self, context: QueryContext, plan: Plan) -> StoredTable | None:
        """Give the result table of the same query, or ``None``."""
        if not self._usable(context, plan) or context.query.get("useQueryCache") is False:
            return None
        with self._guard:
            known = self._known.get(_key(context, plan))
        if known is None or known[1] != _versions(plan):
            return None
        return find_table(context.session, known[0])

    def keep(self, context: QueryContext, plan: Plan, result: TableId) -> None:
        """Remember a result."""
        if self._usable(context, plan):
            with self._guard:
                self._known[_key(context, plan)] = (result, _versions(plan))

    @staticmethod
    def _usable(context: QueryContext, plan: Plan) -> bool:
        return plan.cacheable and not context.query.get("destinationTable") and not context.variables


def _key(context: QueryContext, plan: Plan) -> str:
    parts: list[Any] = [
        context.project, context.location, context.default_dataset, plan.statement.text,
        context.query.get("queryParameters"),
    ]  # fmt: skip
    return json.dumps(parts, sort_keys=True)


def _versions(plan: Plan) -> dict[TableId, str]:
    return {name: str(table.resource["etag"]) for name, table in plan.tables.found.items()}
