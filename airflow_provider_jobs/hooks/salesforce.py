"""Salesforce's Bulk API 2.0 through an Airflow connection."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.replies import FORBIDDEN
from airflow_provider_jobs.connection_forms import SALESFORCE, field_behaviour
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.hooks.base import JobsHook, form_widgets, limits_of, transport_of
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings
from airflow_provider_jobs.hooks.logins.salesforce_tokens import (
    LoginToken,
    ReadyToken,
    new_token,
    token_for,
)
from airflow_provider_jobs.lineage.assets import collect
from airflow_provider_jobs.lineage.datasets import salesforce_object

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Connection

    from airflow_provider_jobs.core.http.limits import Limits
    from airflow_provider_jobs.core.http.retry import RetryPolicy
    from airflow_provider_jobs.jobs import JobRef
    from airflow_provider_jobs.lineage.datasets import Dataset


class SalesforceHook(JobsHook[SalesforceClient]):
    """The Bulk API 2.0 client of one connection, and nothing besides.

    Takes connections of type ``salesforce_bulk``, and those of type ``salesforce`` as they are. A ``job`` is
    an id, of the ``kind`` that goes with it (``query`` or ``ingest``), or a :class:`.JobRef`.

    :param salesforce_conn_id: The connection.
    :param session_id: A ready token, in place of what the connection holds; its org is the connection's.
    :param version: The API version of new jobs, such as ``59.0``; default is the connection's.
    :param delete_cancelled: Delete the jobs that the engine cancels, once they have ended.
    """

    conn_name_attr = "salesforce_conn_id"
    default_conn_name = "salesforce_default"
    conn_type = "salesforce_bulk"
    hook_name = "Salesforce Bulk API 2.0"
    address_fields = ("instance_url", "domain", "proxies")
    login_fields = ("access_token",)  # a login that is refused says what to look at

    def __init__(
        self,
        salesforce_conn_id: str = default_conn_name,
        *,
        session_id: str | None = None,
        version: str | None = None,
        delete_cancelled: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.salesforce_conn_id = salesforce_conn_id
        self.version = version
        self.delete_cancelled = delete_cancelled
        self._session_id = session_id

    def get_conn(self) -> SalesforceClient:
        """Return the client, as other hooks do; a ready token that is rejected is looked up again."""
        connection = self.looked_up()
        token = token_for(self._settings(connection))
        if isinstance(token, ReadyToken):  # not for a triggerer, whose threads must not look connections up
            token.reread = lambda: self._settings(self.looked_up())
        return self.client_of(connection)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's fields for Airflow 3.1, which does not read them of the provider's metadata."""
        return form_widgets(SALESFORCE)

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return how Airflow 3.1 shows the fields that every connection has."""
        return field_behaviour(SALESFORCE)

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> SalesforceClient:
        """Return the client of a connection that has been looked up already.

        :param retry: Makes a client that logs in by itself, whatever became of the login that others share.
        """
        settings = self._settings(connection)
        limits = limits_of(self.salesforce_conn_id, connection)
        if retry:
            token = new_token(settings, retry)
            return _made(SalesforceClient, settings, token, token.instance_url, limits, retry)
        # An org that was renamed has another address at the next login.
        address = token_for(settings).instance_url
        return _client(settings, address, limits, delete_cancelled=self.delete_cancelled)

    def probe(self, client: SalesforceClient) -> str:
        """Ask for the limits; who may not see them, for a query job."""
        try:
            requests = client.limits().get("DailyApiRequests")
        except ServiceError as error:
            if error.status != FORBIDDEN:
                raise
            next(client.list_jobs(), None)
            requests = None
        remaining = number(requests.get("Remaining")) if isinstance(requests, dict) else None
        left = "" if remaining is None else f", {remaining} API requests are left today"
        return f"{client.scope} answers{left}"

    def create_query_job(self, body: Mapping[str, Any], *, version: str | None = None) -> dict[str, Any]:
        """Create a query job; see :meth:`.SalesforceClient.create_query_job`."""
        client = self.get_conn()
        job = client.create_query_job(body, version=version)
        collect(self, lambda: (_objects(client, job), ()))
        return job

    def create_ingest_job(self, body: Mapping[str, Any], *, version: str | None = None) -> dict[str, Any]:
        """Create an ingest job, which waits for data; see :meth:`.SalesforceClient.create_ingest_job`."""
        client = self.get_conn()
        job = client.create_ingest_job(body, version=version)
        collect(self, lambda: ((), _objects(client, job)))
        return job

    def upload_job_data(self, job: str | JobRef, content: Any, *, version: str | None = None) -> None:
        """Send an ingest job's data, a path or bytes; see :meth:`.SalesforceClient.upload_job_data`."""
        self.get_conn().upload_job_data(job, content, version=version)

    def close_job(self, job: str | JobRef, *, version: str | None = None) -> dict[str, Any]:
        """Have an ingest job's data processed; see :meth:`.SalesforceClient.close_job`."""
        return self.get_conn().close_job(job, version=version)

    def get_job(
        self, job: str | JobRef, kind: str = "query", *, version: str | None = None
    ) -> dict[str, Any]:
        """Return a job with its counters; see :meth:`.SalesforceClient.get_job`."""
        return self.get_conn().get_job(job, kind, version=version)

    def list_jobs(
        self, kind: str = "query", *, version: str | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the jobs of the org; see :meth:`.SalesforceClient.list_job_pages` for the filters."""
        return self.get_conn().list_jobs(kind, version=version, **filters)

    def abort_job(
        self, job: str | JobRef, kind: str = "query", *, version: str | None = None
    ) -> dict[str, Any]:
        """Abort a job; see :meth:`.SalesforceClient.abort_job`."""
        return self.get_conn().abort_job(job, kind, version=version)

    def delete_job(self, job: str | JobRef, kind: str = "query", *, version: str | None = None) -> None:
        """Delete a job that has ended, and its results; harmless if it is gone."""
        self.get_conn().delete_job(job, kind, version=version)

    def open_results(
        self, job: str | JobRef, *, version: str | None = None, page_records: int | None = None
    ) -> Iterator[bytes]:
        """Yield a query's results as CSV bytes, every record of them accounted for at the end.

        :param page_records: At most so many records a request.
        """
        return self.get_conn().open_results(job, version=version, page_records=page_records)

    def limits(self) -> dict[str, Any]:
        """Return the org's limits; see :meth:`.SalesforceClient.limits`."""
        return self.get_conn().limits()

    def describe_global(self, version: str | None = None) -> dict[str, Any]:
        """Return all objects; see :meth:`.SalesforceClient.describe_global`."""
        return self.get_conn().describe_global(version=version)

    def describe(self, object_name: str, version: str | None = None) -> dict[str, Any]:
        """Return an object with its fields; see :meth:`.SalesforceClient.describe`."""
        return self.get_conn().describe(object_name, version=version)

    def get_updated(
        self, object_name: str, start: dt.datetime, end: dt.datetime, version: str | None = None
    ) -> dict[str, Any]:
        """Return which records were made or changed; see :meth:`.SalesforceClient.get_updated`."""
        return self.get_conn().get_updated(object_name, start, end, version=version)

    def get_deleted(
        self, object_name: str, start: dt.datetime, end: dt.datetime, version: str | None = None
    ) -> dict[str, Any]:
        """Return which records were deleted; see :meth:`.SalesforceClient.get_deleted`."""
        return self.get_conn().get_deleted(object_name, start, end, version=version)

    def _settings(self, connection: Connection) -> SalesforceSettings:
        return SalesforceSettings.from_connection(
            self.salesforce_conn_id, connection, session_id=self._session_id, version=self.version
        )


def _objects(client: SalesforceClient, job: Mapping[str, Any]) -> list[Dataset]:
    return [salesforce_object(client.scope, str(job["object"]))] if job.get("object") else []


class DiscardingClient(SalesforceClient):
    """A client that leaves nothing of the jobs which it cancels."""

    def cancel(self, ref: JobRef) -> bool:
        """Abort a job, see it end, and delete it; what is complete may still be wanted, and stays."""
        has_ended = super().cancel(ref)
        if not has_ended:
            self.delete_aborted(ref)
        return has_ended


@lru_cache(maxsize=32)
def _client(
    settings: SalesforceSettings, address: str, limits: Limits, *, delete_cancelled: bool
) -> SalesforceClient:
    """Return the one client of these settings, and of this address of the org, in this process."""
    kind = DiscardingClient if delete_cancelled else SalesforceClient
    return _made(kind, settings, token_for(settings), address, limits)


def _made(
    kind: type[SalesforceClient],
    settings: SalesforceSettings,
    token: ReadyToken | LoginToken,
    address: str,
    limits: Limits,
    retry: RetryPolicy | None = None,
) -> SalesforceClient:
    return kind(
        transport_of(token, retry=retry, proxies=dict(settings.proxies), limits=limits),
        address,
        version=settings.version,
        client_id=settings.client_id,
        api_usage_limit=settings.api_usage_limit,
    )
