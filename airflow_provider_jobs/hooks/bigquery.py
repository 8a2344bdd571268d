"""BigQuery through an Airflow connection."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.bigquery.read import (
    partition_exists,
    query_rows,
    start_query,
    table_exists,
)
from airflow_provider_jobs.connection_forms import BIGQUERY, field_behaviour
from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.core.wait.job_list import looking
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.base import (
    JobsHook,
    extra_of,
    form_widgets,
    limits_of,
    note_old_name,
    transport_of,
)
from airflow_provider_jobs.hooks.logins.google import token_for
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.lineage.assets import collect
from airflow_provider_jobs.lineage.traces import lasting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from airflow.sdk import Connection

    from airflow_provider_jobs.core.http.limits import Limits
    from airflow_provider_jobs.core.http.retry import RetryPolicy
    from airflow_provider_jobs.jobs import JobRef

    Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any] | None

#: What a job is asked for lineage alone is given up after so many seconds.
_TELL_SECONDS = 2.0
#: What the names of columns are called by each library that makes data frames, and what else it is told.
_FRAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "pandas": ("columns", {}),
    "polars": ("schema", {"orient": "row", "infer_schema_length": None}),
}


class BigQueryHook(JobsHook[BigQueryClient]):
    """The BigQuery client of one connection, its methods, and rows for ``@task`` functions.

    Takes connections of type ``bigquery_jobs``, and those of type ``google_cloud_platform`` as they are.

    :param gcp_conn_id: The connection.
    :param project_id: The project that runs and pays for jobs; else the connection's, else the credentials'.
    :param impersonation_chain: The service account to act as, or a chain of accounts that ends with it.
    :param location: Where queries of :meth:`get_records` and its like run; default is the connection's.
    :param use_legacy_sql: Their SQL is in BigQuery's legacy dialect.
    :param labels: Labels of their jobs.
    """

    conn_name_attr = "gcp_conn_id"
    default_conn_name = "google_cloud_default"
    conn_type = "bigquery_jobs"
    hook_name = "BigQuery jobs"
    address_fields = ("api_endpoint", "iam_endpoint", "universe_domain")
    login_fields = (
        *("access_token", "keyfile_dict", "key_path", "credential_config_secret", "credential_config_file"),
        "impersonation_chain",
    )
    scope_fields = ("project",)

    def __init__(
        self,
        gcp_conn_id: str = default_conn_name,
        *,
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        location: str | None = None,
        use_legacy_sql: bool = False,
        labels: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.location = location
        self.use_legacy_sql = use_legacy_sql
        self.labels = labels
        self.gcp_conn_id = gcp_conn_id
        self.project_id = project_id
        self.impersonation_chain = impersonation_chain

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's fields for Airflow 3.1, which does not read them of the provider's metadata."""
        return form_widgets(BIGQUERY)

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return how Airflow 3.1 shows the fields that every connection has."""
        return field_behaviour(BIGQUERY)

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> BigQueryClient:
        """Return the client of a connection that has been looked up already."""
        extra = extra_of(self.gcp_conn_id, connection)
        if connection.conn_type == self.conn_type and extra.get("credential_config_file"):
            note_old_name(self.gcp_conn_id, "credential_config_file", "credential_config_secret")
        settings = BigQuerySettings.from_connection(
            self.gcp_conn_id,
            extra,
            project=self.project_id,
            impersonation_chain=self.impersonation_chain,
        )
        return _client(settings, retry, limits_of(self.gcp_conn_id, connection))

    def probe(self, client: BigQueryClient) -> str:
        """Ask for one job."""
        next(client.list_job_pages(maxResults=1), None)
        return f"BigQuery answers for project {client.project}"

    def insert_job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Start a job; see :meth:`.BigQueryClient.insert_job`."""
        return self._told(self.get_conn().insert_job(job), begins=True)

    def get_job(self, job_id: str, *, location: str | None = None) -> dict[str, Any]:
        """Return a Job resource; see :meth:`.BigQueryClient.get_job`."""
        return self._told(self.get_conn().get_job(job_id, location=location))

    def _told(self, job: dict[str, Any], *, begins: bool = False) -> dict[str, Any]:
        """Tell Airflow which tables and files a job reads and writes, once its SQL, and return it."""
        collect(self, lambda: lasting(flow.of_job(job)), (lambda: flow.query_of(job)) if begins else None)
        return job

    def get_openlineage_database_info(self, connection: Connection) -> Any:
        """Return what OpenLineage needs to tell of SQL."""
        from airflow.providers.openlineage.sqlparser import DatabaseInfo  # noqa: PLC0415 - only where it is

        return DatabaseInfo(scheme="bigquery", database=self.project_id)

    def get_openlineage_database_dialect(self, connection: Connection) -> str:
        """Return the dialect of SQL by which OpenLineage reads it."""
        return "bigquery"

    def get_openlineage_default_schema(self) -> None:
        """Return None: SQL names its datasets."""

    def list_jobs(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the jobs of all pages; see :meth:`.BigQueryClient.list_job_pages` for the filters."""
        return self.get_conn().list_jobs(**filters)

    def cancel_job(self, job_id: str, *, location: str | None = None) -> dict[str, Any]:
        """Ask for a job's end; see :meth:`.BigQueryClient.cancel_job`."""
        return self.get_conn().cancel_job(job_id, location=location)

    def delete_job(self, job_id: str, *, location: str) -> None:
        """Delete a job's metadata; see :meth:`.BigQueryClient.delete_job`."""
        self.get_conn().delete_job(job_id, location=location)

    def get_query_results(self, job_id: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a finished query; see :meth:`.BigQueryClient.get_query_results`."""
        return self.get_conn().get_query_results(job_id, **options)

    def get_records(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Run SQL, and return all its rows, each a tuple of Python values.

        :param parameters: Values for ``@name`` as a mapping, for ``?`` as a list.
        :raises ServiceError: BigQuery refuses the SQL, or the query failed.
        """
        client, ref = self._started(sql, parameters)
        rows = [tuple(row.values()) for row in query_rows(client, ref)]
        self._tell_query(client, ref, sql)
        return rows

    def get_first(self, sql: str, parameters: Parameters = None) -> tuple[Any, ...] | None:
        """Run SQL, and return its first row, None if it has none; see :meth:`get_records`."""
        client, ref = self._started(sql, parameters)
        row = next((tuple(row.values()) for row in query_rows(client, ref, 1)), None)
        self._tell_query(client, ref, sql)
        return row

    def get_df(self, sql: str, parameters: Parameters = None, *, df_type: str = "pandas") -> Any:
        """Run SQL, and return its rows as a data frame, all in memory; see :meth:`get_records`.

        :param df_type: ``pandas`` or ``polars``, which has to be installed.
        :raises ConfigurationError: it is not installed.
        """
        if df_type not in _FRAMES:
            raise ConfigurationError(f"df_type {df_type!r} is not one of {', '.join(_FRAMES)}")
        try:
            frames = importlib.import_module(df_type)
        except ImportError:
            text = f"{df_type} is not installed: pip install airflow-provider-jobs[{df_type}]"
            raise ConfigurationError(text) from None
        client, ref = self._started(sql, parameters)
        rows = [tuple(row.values()) for row in query_rows(client, ref)]
        self._tell_query(client, ref, sql)
        names, told = _FRAMES[df_type]
        return frames.DataFrame(rows, **{names: client.result_columns(ref)}, **told)

    def table_exists(self, dataset_id: str, table_id: str, project_id: str | None = None) -> bool:
        """Return True if a table is there, and may be seen.

        :param project_id: The table's; default is the connection's.
        """
        client = self.get_conn()
        return table_exists(client, _reference(client, project_id, dataset_id, table_id))

    def table_partition_exists(
        self, dataset_id: str, table_id: str, partition_id: str, project_id: str | None = None
    ) -> bool:
        """Return True if a partition of a table is there, such as ``20260131``, and so the table is.

        :param project_id: The table's; default is the connection's.
        :raises ConfigurationError: the table has no partitions.
        """
        client = self.get_conn()
        return partition_exists(client, _reference(client, project_id, dataset_id, table_id), partition_id)

    def _started(self, sql: str, parameters: Parameters) -> tuple[BigQueryClient, JobRef]:
        client = self.get_conn()
        location, legacy = self.location or client.location, self.use_legacy_sql
        return client, start_query(
            client, sql, parameters, location=location, legacy=legacy, labels=self.labels
        )

    def _tell_query(self, client: BigQueryClient, ref: JobRef, sql: str) -> None:
        """Tell Airflow what a query has read: its job is asked once for that, if anybody wants to know."""

        def touched() -> Any:
            job = looking(client, _TELL_SECONDS).get_job(ref.id, location=ref.location)
            return lasting(flow.of_job(job))

        collect(self, touched, lambda: (sql, ref.id, ref.scope))


def _reference(
    client: BigQueryClient, project_id: str | None, dataset_id: str, table_id: str
) -> dict[str, str]:
    given = {"datasetId": dataset_id, "tableId": table_id}
    return table_reference(given, project_id or client.table_project, "table_id")


@lru_cache(maxsize=32)
def _client(settings: BigQuerySettings, retry: RetryPolicy | None, limits: Limits) -> BigQueryClient:
    """Return the one client of these settings in this process."""
    where, domain = f"connection {settings.conn_id}", settings.universe_domain
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        raise ConfigurationError(f"{where}: universe_domain is not a domain, such as googleapis.com")
    endpoint = check_url(settings.api_endpoint or f"https://bigquery.{domain}", f"{where}: api_endpoint")
    token, of_credentials = token_for(settings)
    own = settings.table_project or of_credentials
    if not (project := settings.project or own):
        raise ConfigurationError(f"{where} and its credentials name no project: set project, or project_id")
    transport = transport_of(token, retry=retry, limits=limits, account=token.account)
    return BigQueryClient(
        transport,
        project,
        location=settings.location,
        table_project=own,
        endpoint=endpoint,
        universe_domain=domain,
    )
