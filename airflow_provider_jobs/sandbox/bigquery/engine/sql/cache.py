"""Results of earlier queries, given again while no table that they read has changed.

https://cloud.google.com/bigquery/docs/cached-results
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, drop_table, find_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

MOST_TABLES = 5000  # that nobody named: results and temporary tables, which BigQuery keeps for a day


class ResultCache:
    """By text, parameters and place: the table with the result, and the versions of what was read.

    :param tables: what is there of tables that nobody named, oldest first.
    """

    def __init__(self, tables: Iterable[TableId]) -> None:
        self._known: dict[str, tuple[TableId, Mapping[TableId, str]]] = {}
        self._tables = dict.fromkeys(tables, "")  # and under which key each is known, if any
        self._guard = threading.Lock()

    def find(self, session: Session, key: str, versions: Mapping[TableId, str]) -> StoredTable | None:
        """Give the result table of the same query, or ``None``."""
        with self._guard:
            known = self._known.get(key) if key else None
            if known is None or known[1] != versions:
                return None
            self._tables[known[0]] = self._tables.pop(known[0])  # the newest again
        return find_table(session, known[0])

    def keep(self, store: Store, table: TableId, key: str, versions: Mapping[TableId, str]) -> None:
        """Remember a result; drop the oldest if there are too many.

        :param key: nothing if no later query may have it.
        """
        with self._guard:
            if key:
                self._known[key] = (table, versions)
            self._tables[table] = key
        self._drop_oldest(store)

    def keep_temporary(self, store: Store, table: TableId) -> None:
        """Remember a temporary table, so that it is dropped some day."""
        self.keep(store, table, "", {})

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
