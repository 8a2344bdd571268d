"""The one door to what executes BigQuery jobs; the HTTP side knows nothing behind it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_jobs.sandbox.bigquery.engine import catalog, resources
from airflow_provider_jobs.sandbox.bigquery.engine.copy import run_copy
from airflow_provider_jobs.sandbox.bigquery.engine.encoding import encode_row, select_list
from airflow_provider_jobs.sandbox.bigquery.engine.files.extract import run_extract
from airflow_provider_jobs.sandbox.bigquery.engine.files.load import run_load
from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import Storage
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import (
    ApiError,
    JobProblem,
    Outcome,
    RunningJob,
)
from airflow_provider_jobs.sandbox.bigquery.engine.partitions import partitions
from airflow_provider_jobs.sandbox.bigquery.engine.sql.cache import ResultCache
from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
from airflow_provider_jobs.sandbox.bigquery.engine.sql.duck import MACROS
from airflow_provider_jobs.sandbox.bigquery.engine.sql.locations import datasets_of
from airflow_provider_jobs.sandbox.bigquery.engine.sql.query import dry_run, run_query
from airflow_provider_jobs.sandbox.bigquery.engine.sql.sessions import QuerySession, Sessions
from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Engine:
    """Datasets, tables and jobs of one sandbox root; every method may be called from any thread."""

    def __init__(self, root: Path) -> None:
        """Open the root, or start an empty one: ``bigquery.duckdb`` and ``buckets`` below it."""
        root.mkdir(parents=True, exist_ok=True)
        googlesql()  # it loads meanwhile
        self.storage = Storage(root)
        self._store = Store(root.resolve(), [self.storage.buckets, self.storage.scratch], MACROS)
        with self._store.session() as session:
            self._cache = ResultCache(catalog.hidden_tables(session))
        self._sessions = Sessions()

    def close(self) -> None:
        """Close the database; jobs that still run end with an error."""
        self._store.close()

    # -- datasets and tables ----------------------------------------------------------------------

    def insert_dataset(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a dataset; 409 if there is one."""
        name = (body.get("datasetReference") or {}).get("datasetId")
        with self._store.session() as session, self._store.writing(session, f"{project}:{name}"):
            return catalog.insert_dataset(session, project, body)

    def get_dataset(self, project: str, dataset: str) -> dict[str, Any]:
        """Give a dataset; 404 if there is none."""
        with self._store.session() as session:
            return catalog.get_dataset(session, project, dataset)

    def list_datasets(self, project: str) -> list[dict[str, Any]]:
        """List datasets by name."""
        with self._store.session() as session:
            return catalog.list_datasets(session, project)

    def delete_dataset(self, project: str, dataset: str, *, delete_contents: bool) -> None:
        """Delete a dataset; 400 if it is not empty and its tables are not to go with it."""
        with (
            self._store.session() as session,
            self._store.writing(session, f"{project}:{dataset}"),
            session.transaction(),
        ):
            catalog.delete_dataset(session, project, dataset, delete_contents=delete_contents)

    def insert_table(self, project: str, dataset: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an empty table or a view; 409 if there is one."""
        with self._store.session() as session:
            context = self._context(session, project, "", {"query": "SELECT 1", "useLegacySql": False})
            return resources.insert_table(context, project, dataset, body)

    def change_table(
        self, project: str, dataset: str, table: str, body: dict[str, Any], etag: str, *, whole: bool
    ) -> dict[str, Any]:
        """Change a table's metadata and columns; 404 if there is none, 412 if it has another etag."""
        name = TableId(project, dataset, table)
        with self._store.session() as session:
            context = self._context(session, project, "", {"query": "SELECT 1", "useLegacySql": False})
            try:
                return resources.change_table(context, name, body, etag, whole=whole)
            except JobProblem as problem:
                raise ApiError(400, problem.reason, problem.message) from problem

    def get_table(self, project: str, dataset: str, table: str) -> dict[str, Any]:
        """Give a table with its schema and sizes; 404 if there is none."""
        name = TableId(project, dataset, table)
        with self._store.session() as session, session.transaction():
            return catalog.get_table(session, name).full_resource()

    def list_tables(self, project: str, dataset: str) -> list[dict[str, Any]]:
        """List tables by name."""
        with self._store.session() as session, session.transaction():
            return [each.full_resource() for each in catalog.list_tables(session, project, dataset)]

    def delete_table(self, project: str, dataset: str, table: str) -> None:
        """Delete a table; 404 if there is none."""
        name = TableId(project, dataset, table)
        with (
            self._store.session() as session,
            self._store.writing(session, name),
            session.transaction(),
        ):
            catalog.drop_table(session, catalog.get_table(session, name))

    def read_rows(
        self,
        project: str,
        dataset: str,
        table: str,
        *,
        start: int,
        count: int,
        int64_timestamps: bool = False,
    ) -> list[dict[str, Any]]:
        """Give ``count`` rows from row ``start`` on, in the order in which they were written."""
        name = TableId(project, dataset, table)
        with self._store.session() as session, session.transaction():
            found = catalog.get_table(session, name)
            if found.view_query is not None:
                raise ApiError(400, "invalid", f"Cannot list a table of type VIEW: {name}")
            if not found.fields:
                return []
            rows = session.rows(
                f"SELECT {select_list(found.fields)} FROM {found.physical} LIMIT ? OFFSET ?",  # noqa: S608 - our names
                [count, start],
            )
            return [encode_row(found.fields, row, int64_timestamps=int64_timestamps) for row in rows]

    def partitions(self, project: str, dataset: str, table: str) -> list[str]:
        """Give the names of a table's partitions; 400 if it has none by a column."""
        name = TableId(project, dataset, table)
        with self._store.session() as session, session.transaction():
            try:
                return partitions(session, catalog.get_table(session, name))
            except JobProblem as problem:
                raise ApiError(400, problem.reason, problem.message) from problem

    # -- jobs -------------------------------------------------------------------------------------

    def location_of(self, project: str, configuration: dict[str, Any]) -> str | None:
        """Tell where a job has to run; ``None`` if nothing that it names exists: then any place will do."""
        with self._store.session() as session:
            for owner, dataset in datasets_of(project, configuration):
                found = catalog.find_dataset(session, owner, dataset)
                if found is not None:
                    return str(found["location"])
        return None

    def dry_run(self, project: str, configuration: dict[str, Any]) -> dict[str, Any]:
        """Check a query job without running it.

        :raises JobProblem: the query would fail.
        """
        if "query" not in configuration:
            raise JobProblem("invalid", "dryRun is only supported for query jobs")
        location = self.location_of(project, configuration) or "US"
        with self._store.session() as session:
            context = self._context(session, project, location, configuration["query"])
            return _guarded(lambda: self._dry_run(context, configuration))

    def _dry_run(self, context: QueryContext, configuration: dict[str, Any]) -> dict[str, Any]:
        shared = self._sessions.of(context, dry=True)
        if shared is None:
            return dry_run(context, configuration)
        with shared.lent(context):
            return dry_run(context, configuration)

    def run(self, job: RunningJob) -> Outcome:
        """Run a job to its end.

        :raises JobProblem: it failed or was cancelled.
        """
        return _guarded(lambda: self._run(job))

    def _run(self, job: RunningJob) -> Outcome:
        with self._store.session(job.cancelled) as session:
            if "query" in job.configuration:
                context = self._context(session, job.project, job.location, job.configuration["query"])
                shared = self._sessions.of(context)
                if shared is None:
                    return run_query(context, job.configuration)
                with shared.lent(context):
                    return _told(shared, run_query(context, job.configuration))
            started = time.perf_counter()
            outcome = self._run_transfer(session, job)
            outcome.statistics["totalSlotMs"] = str(max(1, round((time.perf_counter() - started) * 1000)))
            return outcome

    def _run_transfer(self, session: Session, job: RunningJob) -> Outcome:
        if "load" in job.configuration:
            context = self._context(session, job.project, job.location, {})
            return run_load(context, self.storage, job)
        if "extract" in job.configuration:
            return run_extract(session, self.storage, job)
        if "copy" in job.configuration:
            return run_copy(self._store, session, job)
        raise JobProblem(
            "invalid", "Required parameter is missing: a query, load, extract or copy configuration"
        )

    def _context(self, session: Session, project: str, location: str, query: dict[str, Any]) -> QueryContext:
        return QueryContext(self._store, session, self._cache, project, location, query)


def _told(session: QuerySession, outcome: Outcome) -> Outcome:
    """Have a job, and the statements of a script, say which session they were in."""
    for statistics in (outcome.statistics, *(child.statistics for child in outcome.children)):
        statistics.update(session.statistics)
    return outcome


def _guarded(action: Callable[[], _T]) -> _T:
    """Let out only what a job may say: nothing of Python, nothing of DuckDB."""
    try:
        return action()
    except ApiError as error:
        raise JobProblem(error.reason, error.message, error.location) from error
    except JobProblem:
        raise
    except Exception as error:
        _log.exception("a job failed for a reason that the sandbox did not foresee")
        message = (
            "The job encountered an internal error during execution and was unable to complete successfully."
        )
        raise JobProblem("internalError", message) from error
