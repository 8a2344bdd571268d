"""What every statement of one query job shares."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Stopped, googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId, check_dataset
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.legacy import to_googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import Tables
from airflow_provider_jobs.sandbox.bigquery.engine.store import stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.cache import ResultCache
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

_MEGABYTE = 1 << 20
# "With a minimum 10 MB data processed per query."
_MINIMUM_BILLED = 10 * _MEGABYTE


@dataclass
class QueryContext:
    """What every statement of one query job shares."""

    store: Store
    session: Session
    cache: ResultCache
    project: str
    location: str
    query: dict[str, Any]  # configuration.query
    # Values as the module has them: a type and a value.
    parameters: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    variables: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    temporary: dict[str, TableId] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)  # of a script, as the module describes them
    transaction_failed: bool = False  # a statement of the open transaction

    @property
    def default_dataset(self) -> tuple[str, str] | None:
        """Project and dataset of table names without one."""
        given = self.query.get("defaultDataset")
        if not given:
            return None
        return given.get("projectId") or self.project, check_dataset(given.get("datasetId"))

    @property
    def script(self) -> str:
        """The SQL, in GoogleSQL's spelling."""
        sql = self.query.get("query")
        if not isinstance(sql, str) or not sql.strip():
            raise JobProblem("invalid", "Required parameter is missing: query")
        parameters = bool(self.query.get("queryParameters"))
        return to_googlesql(sql, self.query.get("useLegacySql"), parameters=parameters)

    def cache_key(self, text: str) -> str:
        """Give what the result of a query is remembered by; nothing if the same text may give other rows.

        Of a query that reads no tables and calls nothing that changes, nothing else decides.
        """
        hidden = self.variables or self.functions or self.temporary or self.query.get("connectionProperties")
        if self.query.get("destinationTable") or self.query.get("createSession") or hidden:
            return ""
        parts: list[Any] = [
            self.project, self.location, self.default_dataset, text, self.query.get("queryParameters"),
        ]  # fmt: skip
        return json.dumps(parts, sort_keys=True)

    @property
    def tables(self) -> Tables:
        """Where the tables are that a statement may name."""
        closed = self.transaction_failed
        return Tables(
            self.session, self.project, self.location, self.default_dataset, self.temporary, closed=closed
        )

    @property
    def in_session(self) -> bool:
        """Whether other queries share this one's session."""
        return bool(self.query.get("createSession") or self.query.get("connectionProperties"))

    @contextlib.contextmanager
    def instance(self) -> Iterator[Instance]:
        """Lend an instance of GoogleSQL, which stops when the job is cancelled.

        :raises JobProblem: that happened.
        """
        try:
            with googlesql().instance(self.session.cancelled) as instance:
                yield instance
        except Stopped as error:
            raise stopped() from error

    def check_billed(self, processed: int) -> None:
        """Fail before anything runs if the job may not cost that much."""
        limit = int(self.query.get("maximumBytesBilled") or 0)
        needed = billed_bytes(processed)
        if limit and needed > limit:
            raise JobProblem(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {limit}. {needed} or higher required.",
            )


def billed_bytes(processed: int) -> int:
    """Give the bytes that BigQuery would bill."""
    if processed == 0:
        return 0
    return max(_MINIMUM_BILLED, -(-processed // _MEGABYTE) * _MEGABYTE)
