"""Results of earlier queries, given again while no table that they read has changed.

https://cloud.google.com/bigquery/docs/cached-results
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, drop_table, find_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import Plan, QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Store

MOST_TABLES = 5000  # that nobody named: results and temporary tables, which BigQuery keeps for a day


class ResultCache:
    """By text, parameters and place: the table with the result, and the versions of what was read.

    :param tables: what is there of tables that nobody named, oldest first.
    """

    def __init__(self, tables: Iterable[TableId]) -> None:
        self._known: dict[str, tuple[TableId, dict[TableId, str]]] = {}
        self._tables = dict.fromkeys(tables, "")  # and under which key each is known, if any
        self._guard = threading.Lock()

    def find(self, context: QueryContext, plan: Plan) -> StoredTable | None:
        """Give the result table of the same query, or ``None``."""
        if not self._usable(context, plan) or context.query.get("useQueryCache") is False:
            return None
        with self._guard:
            known = self._known.get(_key(context, plan))
            if known is None or known[1] != _versions(plan):
                return None
            self._tables[known[0]] = self._tables.pop(known[0])  # the newest again
        return find_table(context.session, known[0])

    def keep(self, context: QueryContext, plan: Plan, result: TableId) -> None:
        """Remember a result; drop the oldest if there are too many."""
        if context.query.get("destinationTable"):
            return
        key = _key(context, plan) if self._usable(context, plan) else ""
        with self._guard:
            if key:
                self._known[key] = (result, _versions(plan))
            self._tables[result] = key
        self._drop_oldest(context.store)

    def keep_temporary(self, store: Store, table: TableId) -> None:
        """Remember a temporary table, so that it is dropped some day."""
        with self._guard:
            self._tables[table] = ""
        self._drop_oldest(store)

    def _drop_oldest(self, store: Store) -> None:
        """Drop the tables beyond the bound."""
        for name in self._forgotten():
            with store.session() as session, store.writing(session, name), session.transaction():
                found = find_table(session, name)
                if found is not None:
                    drop_table(session, found)

    def _forgotten(self) -> list[TableId]:
        with self._guard:
            names = list(self._tables)[:-MOST_TABLES] if len(self._tables) > MOST_TABLES else []
            for name in names:
                key = self._tables.pop(name)
                known = self._known.get(key)
                if known is not None and known[0] == name:
                    del self._known[key]
        return names

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
