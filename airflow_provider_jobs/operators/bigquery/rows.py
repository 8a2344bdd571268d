"""Rows of a table, or of a query, as a task's result."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.configuration import not_negative
from airflow_provider_jobs.clients.bigquery.names import check_job_id, check_project, table_reference
from airflow_provider_jobs.clients.bigquery.read import chosen, rows_of, table_rows
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.lineage.datasets import bigquery_table
from airflow_provider_jobs.lineage.traces import Trace, of_bigquery_job
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator
from airflow_provider_jobs.operators.bigquery.lineage import tables_of
from airflow_provider_jobs.operators.endings import Plainly, airflow_failures, is_final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow.providers.common.compat.sdk import BaseOperatorLink
    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset


class BigQueryGetDataOperator(BigQueryJobOperator):
    """Return rows of a table, or of a query that ran or still runs; meant for few of them.

    A table is read as it is stored: no job runs, and nothing is billed. A query's job is waited for, and
    never cancelled. The result is a list with a list for each row, its values in the order of the columns.

    :param dataset_id: The dataset of the table.
    :param table_id: The table, if not ``job_id``.
    :param table_project_id: The project of the table; default is ``project_id``, else the connection's.
    :param job_id: The job of the query, if not ``table_id``.
    :param job_project_id: The project of the job; default is ``project_id``, else the connection's.
    :param max_results: Rows at most; None gives all.
    :param selected_fields: Columns, separated by commas; default is all. Their order is the table's.
    :param as_dict: Give a dict for each row.
    :param use_legacy_sql: Without effect, as no SQL is made.
    :param encryption_configuration: Without effect, as nothing is written.
    """

    template_fields = (
        "dataset_id",
        "table_id",
        "table_project_id",
        "job_project_id",
        "max_results",
        "selected_fields",
        *BigQueryJobOperator.template_fields,
    )
    can_begin_in_trigger = False
    #: The job's own task has its link, and a table has no job.
    operator_extra_links: Collection[BaseOperatorLink] = ()

    def __init__(
        self,
        *,
        dataset_id: str | None = None,
        table_id: str | None = None,
        table_project_id: str | None = None,
        job_project_id: str | None = None,
        max_results: int | None = 100,
        selected_fields: str | Sequence[str] | None = None,
        as_dict: bool = False,
        use_legacy_sql: bool | None = None,
        encryption_configuration: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset_id = dataset_id
        self.table_id = table_id
        self.table_project_id = table_project_id
        self.job_project_id = job_project_id
        self.max_results = max_results
        self.selected_fields = selected_fields
        self.as_dict = as_dict
        self.use_legacy_sql = use_legacy_sql
        self.encryption_configuration = encryption_configuration
        self._rows: list[Any] = []

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says of a job that another task has made."""
        return {**super().summary(status), "shared": True}

    def execute(self, context: Context) -> Any:
        """Return the rows of a table, or wait for the job."""
        if self.job_id:
            return super().execute(context)
        compat.show_exit()
        with Plainly(), airflow_failures(is_final):
            self._client = self.client()
            rows = self._rows_of_table(self._client)
            self.note_lineage(context, [], succeeded=True)
            return rows

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **before: Any) -> Any:
        """Go on with what the trigger found; a table is read by a task that another operator has deferred."""
        if self.job_id:
            return super().execute_complete(context, event, **before)
        return self.execute(context)

    def submissions(self, client: BigQueryClient, context: Context) -> Sequence[Submission]:
        """Return the job, which somebody else has made."""
        if self.table_id:
            raise ConfigurationError("job_id clashes with table_id: give one of them")
        project = self.job_project_id or self.project_id or client.project
        place = self.location or client.location
        ref = JobRef("bigquery", check_project(project), check_job_id(self.job_id or ""), place)
        return [Submission(client.status(ref), adopted=False, shared=True)]

    def completed(
        self, client: BigQueryClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses; the rows are kept for the result."""
        (status,) = statuses
        rows = rows_of(client, status.ref, self._most())
        if rows and (columns := self._columns()):
            names = [field["name"] for field in chosen([{"name": name} for name in rows[0]], columns)]
            rows = [{name: row[name] for name in names} for row in rows]
        self._rows = self._told(rows)
        return statuses

    def planned(self) -> Trace:
        """Return the table, if it is named with its project."""
        project = self.table_project_id or self.project_id
        return Trace((self._table(project),) if project and self.table_id else ())

    def traced(self, client: BigQueryClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return what was read: a table, or that of the query."""
        if statuses:
            (status,) = statuses
            return Trace(of_bigquery_job(status).outputs).of_job(status.ref.id, self.service)
        return Trace((replace(self._table(client.table_project), row_count=len(self._rows)),))

    def told_more(self, client: BigQueryClient, statuses: Sequence[JobStatus], trace: Trace) -> Trace:
        """Return the trace with the table's columns."""
        return trace.described(tables_of(client, trace.inputs))

    def ends_in_trigger(self) -> bool:
        """Return False: a worker reads the rows."""
        return False

    def result(self, statuses: Sequence[JobStatus]) -> Any:
        """Return the rows."""
        return self._rows

    def _rows_of_table(self, client: BigQueryClient) -> list[Any]:
        if not (self.table_id and self.dataset_id):
            raise ConfigurationError("give job_id, or dataset_id and table_id")
        table = self._reference(client.table_project)
        self._rows = self._told(table_rows(client, table, self._columns(), self._most()))
        return self._rows

    def _reference(self, project: str) -> dict[str, str]:
        given = {"datasetId": self.dataset_id or "", "tableId": self.table_id or ""}
        named = self.table_project_id or self.project_id or project
        return table_reference(given, named, "table_id", is_read=True)

    def _table(self, project: str) -> Dataset:
        return bigquery_table(flow.names([self._reference(project)])[0])

    def _told(self, rows: Iterable[Mapping[str, Any]]) -> list[Any]:
        plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
        self.log.info("%d rows were read", len(plain))
        return plain if self.as_dict else [list(row.values()) for row in plain]

    def _most(self) -> int | None:
        return not_negative("max_results", self.max_results)

    def _columns(self) -> list[str]:
        given = self.selected_fields or []
        names = given.split(",") if isinstance(given, str) else given
        return [name.strip() for name in names if name.strip()]


def _plain(value: Any) -> Any:
    """Return a value that an XCom takes: bytes become base64, a time of day text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
