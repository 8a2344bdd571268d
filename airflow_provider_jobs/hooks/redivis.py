"""Redivis through an Airflow connection."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_jobs import __version__
from airflow_provider_jobs.clients.redivis.api import ENDPOINT
from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Connection


#: A dataset of Redivis's own, public: whether it is there or not, only an accepted token is told.
_PROBE = "demo.connection_test"


@dataclass(frozen=True)
class RedivisSettings:
    """What a connection, and the environment where it is silent, say.

    :param endpoint: None means Redivis itself.
    :param storage_token: Send the token to foreign storage hosts unasked.
    """

    conn_id: str
    token: str = field(repr=False)
    endpoint: str | None = None
    storage_token: bool = False

    @classmethod
    def from_connection(
        cls, conn_id: str, connection: Connection, environment: Mapping[str, str]
    ) -> RedivisSettings:
        """Read a connection.

        :raises ConfigurationError: there is no token, or a field is wrong.
        """
        token = (connection.password or environment.get("REDIVIS_API_TOKEN") or "").strip()
        if not token:
            raise ConfigurationError(
                f"connection {conn_id} has no API token: set its password, or REDIVIS_API_TOKEN"
            )
        endpoint = (connection.host or environment.get("REDIVIS_API_ENDPOINT") or "").strip().rstrip("/")
        if "://" in endpoint and not urlsplit(endpoint).path:
            raise ConfigurationError(f"connection {conn_id}: host has no path: it ends in /api/v1")
        extra = _extra(conn_id, connection.extra)
        storage_token = extra.get("storage_token") in {True, "true", "True", "1"}
        return cls(conn_id, token, endpoint or None, storage_token)


class RedivisHook(BaseHook):
    """The Redivis client of one connection, and nothing besides.

    Takes connections of type ``redivis``: the password is the API token, the host the API's address.

    :param redivis_conn_id: The connection.
    """

    conn_name_attr = "redivis_conn_id"
    default_conn_name = "redivis_default"
    conn_type = "redivis"
    hook_name = "Redivis"

    def __init__(self, redivis_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.redivis_conn_id = redivis_conn_id

    def get_conn(self) -> RedivisClient:
        """Return the client; hooks of equal settings share it and its HTTP session.

        :raises ConfigurationError: the connection cannot be used.
        """
        return self.client_of(self.get_connection(self.redivis_conn_id))

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> RedivisClient:
        """Return the client of a connection that has been looked up already."""
        return _client(RedivisSettings.from_connection(self.redivis_conn_id, connection, os.environ), retry)

    def create_upload(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an upload; see :meth:`.RedivisClient.create_upload`."""
        return self.get_conn().create_upload(table, fields)

    def put_upload(self, table: str, content: Any, name: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a file and create its upload; see :meth:`.RedivisClient.put_upload`."""
        return self.get_conn().put_upload(table, content, name, **options)

    def get_upload(self, table: str, name: str) -> dict[str, Any]:
        """Return an upload; see :meth:`.RedivisClient.get_upload`."""
        return self.get_conn().get_upload(table, name)

    def list_uploads(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the uploads of a table; see :meth:`.RedivisClient.list_uploads` for the filters."""
        return self.get_conn().list_uploads(table, **filters)

    def delete_upload(self, table: str, name: str) -> None:
        """Delete an upload, and the rows that it brought; harmless if there is none."""
        self.get_conn().delete_upload(table, name)

    def create_version(self, dataset: str) -> dict[str, Any]:
        """Open the next version of a dataset; see :meth:`.RedivisClient.create_version`."""
        return self.get_conn().create_version(dataset)

    def release_version(self, dataset: str, release_notes: str | None = None) -> dict[str, Any]:
        """Release the next version of a dataset; see :meth:`.RedivisClient.release_version`."""
        return self.get_conn().release_version(dataset, release_notes)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for a dataset, once, and return whether the token was accepted and what to tell the user."""
        try:
            client = self.client_of(self.get_connection(self.redivis_conn_id), RetryPolicy(attempts=1))
            client.get_dataset(_PROBE)
        except NotFoundError:
            pass  # it has looked, so it has accepted the token
        except JobsError as error:
            return False, str(error)
        return True, "Redivis accepts the token"


def _extra(conn_id: str, text: str | None) -> dict[str, Any]:
    try:
        extra = json.loads(text or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"connection {conn_id}: the extra field is no JSON object")
    return extra


@lru_cache(maxsize=32)
def _client(settings: RedivisSettings, retry: RetryPolicy | None) -> RedivisClient:
    """Return the one client of these settings in this process."""
    from airflow_provider_jobs.core.http.transport import Transport  # noqa: PLC0415

    endpoint = check_url(settings.endpoint or ENDPOINT, f"connection {settings.conn_id}: host")
    transport = Transport(
        _ApiToken(settings.token), user_agent=f"airflow-provider-jobs/{__version__}", retry=retry
    )
    return RedivisClient(transport, endpoint=endpoint, storage_token=settings.storage_token, retry=retry)


class _ApiToken:
    """A ready token, which cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        return dict(self._headers)

    def renew(self, rejected: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's parameter
        """Return False: there is no other token."""
        return False
