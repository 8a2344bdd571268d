"""BigQuery through an Airflow connection."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.base import JobsHook, extra_of, limits_of, transport_of
from airflow_provider_jobs.hooks.logins.google import BigQuerySettings, token_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Connection

    from airflow_provider_jobs.core.http.limits import Limits
    from airflow_provider_jobs.core.http.retry import RetryPolicy


class BigQueryHook(JobsHook[BigQueryClient]):
    """The BigQuery client of one connection, and nothing besides.

    Takes connections of type ``bigquery_jobs``, and those of type ``google_cloud_platform`` as they are.

    :param project_id: The project that runs and pays for jobs; else the connection's, else the credentials'.
    :param impersonation_chain: The service account to act as, or a chain of accounts that ends with it.
    """

    conn_name_attr = "gcp_conn_id"
    default_conn_name = "google_cloud_default"
    conn_type = "bigquery_jobs"
    hook_name = "BigQuery jobs"

    def __init__(
        self,
        gcp_conn_id: str = default_conn_name,
        *,
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gcp_conn_id = gcp_conn_id
        self.project_id = project_id
        self.impersonation_chain = impersonation_chain

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> BigQueryClient:
        """Return the client of a connection that has been looked up already."""
        settings = BigQuerySettings.from_connection(
            self.gcp_conn_id,
            extra_of(self.gcp_conn_id, connection),
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
        return self.get_conn().insert_job(job)

    def get_job(self, job_id: str, *, location: str | None = None) -> dict[str, Any]:
        """Return a Job resource; see :meth:`.BigQueryClient.get_job`."""
        return self.get_conn().get_job(job_id, location=location)

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
    transport = transport_of(token, retry=retry, limits=limits)
    return BigQueryClient(
        transport,
        project,
        location=settings.location,
        table_project=own,
        endpoint=endpoint,
        universe_domain=domain,
    )
