"""Redivis through an Airflow connection."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.api import ENDPOINT
from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.connection_forms import REDIVIS, field_behaviour
from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError
from airflow_provider_jobs.hooks.base import (
    JobsHook,
    StaticToken,
    extra_of,
    form_widgets,
    limits_of,
    transport_of,
)
from airflow_provider_jobs.lineage.assets import collect
from airflow_provider_jobs.lineage.datasets import redivis_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Connection

    from airflow_provider_jobs.core.http.limits import Limits
    from airflow_provider_jobs.core.http.retry import RetryPolicy

#: A dataset of Redivis's own, public: whether it is there or not, only an accepted token is told.
_PROBE = "demo.connection_test"
#: How a truth is written: JSON has both itself, the query of a connection's URI text alone.
_TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class RedivisSettings:
    """What a connection, and the environment where it is silent, say.

    :param endpoint: None means Redivis itself.
    :param storage_token: Send the token to storage on other hosts than the API's.
    """

    conn_id: str
    token: str = field(repr=False)
    endpoint: str | None = field(default=None, repr=False)  # an address may hold a password
    storage_token: bool = False

    @classmethod
    def from_connection(
        cls, conn_id: str, connection: Connection, environment: Mapping[str, str]
    ) -> RedivisSettings:
        """Read a connection.

        :raises ConfigurationError: there is no token, or a field is wrong.
        """
        token = _first(connection.password, environment.get("REDIVIS_API_TOKEN"))
        if not token:
            raise ConfigurationError(
                f"connection {conn_id} has no API token: set its password, or REDIVIS_API_TOKEN"
            )
        endpoint = _first(connection.host, environment.get("REDIVIS_API_ENDPOINT")).rstrip("/")
        if re.fullmatch(r"\w+://[^/]*", endpoint):
            raise ConfigurationError(f"connection {conn_id}: host has no path: it ends in /api/v1")
        given = extra_of(conn_id, connection).get("storage_token")
        storage_token = _TRUTHS.get("" if given is None else str(given).strip().lower())
        if storage_token is None:
            raise ConfigurationError(f"connection {conn_id}: storage_token is neither true nor false")
        return cls(conn_id, token, endpoint or None, storage_token)


def _first(*texts: str | None) -> str:
    """Return the first text that is not blank, without the blanks around it; empty if all are."""
    return next((text.strip() for text in texts if text and text.strip()), "")


class RedivisHook(JobsHook[RedivisClient]):
    """The Redivis client of one connection, and nothing besides.

    Takes connections of type ``redivis``: the password is the API token, the host the API's address.

    :param redivis_conn_id: The connection.
    """

    conn_name_attr = "redivis_conn_id"
    default_conn_name = "redivis_default"
    conn_type = "redivis"
    hook_name = "Redivis"
    address_fields = ("host",)
    login_fields = ("password",)

    def __init__(self, redivis_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.redivis_conn_id = redivis_conn_id

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's fields for Airflow 3.1, which does not read them of the provider's metadata."""
        return form_widgets(REDIVIS)

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return how Airflow 3.1 shows the fields that every connection has."""
        return field_behaviour(REDIVIS)

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> RedivisClient:
        """Return the client of a connection that has been looked up already."""
        settings = RedivisSettings.from_connection(self.redivis_conn_id, connection, os.environ)
        return _client(settings, retry, limits_of(self.redivis_conn_id, connection))

    def probe(self, client: RedivisClient) -> str:
        """Ask for a dataset; whether there is one or not, Redivis has looked, and so accepted the token."""
        with suppress(NotFoundError):
            client.get_dataset(_PROBE)
        return "Redivis accepts the token"

    def create_upload(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an upload; see :meth:`.RedivisClient.create_upload`."""
        client = self.get_conn()
        upload = client.create_upload(table, fields)
        collect(self, lambda: ((), [redivis_data(client.host, table)]))
        return upload

    def put_upload(self, table: str, content: Any, name: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a file and create its upload; see :meth:`.RedivisClient.put_upload`."""
        client = self.get_conn()
        upload = client.put_upload(table, content, name, **options)
        collect(self, lambda: ((), [redivis_data(client.host, table)]))
        return upload

    def get_upload(self, table: str, name: str) -> dict[str, Any]:
        """Return an upload; see :meth:`.RedivisClient.get_upload`."""
        return self.get_conn().get_upload(table, name)

    def list_uploads(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the uploads of a table; see :meth:`.RedivisClient.list_uploads` for the filters."""
        return self.get_conn().list_uploads(table, **filters)

    def delete_upload(self, table: str, name: str) -> None:
        """Delete an upload, and the rows that it brought; harmless if it is gone."""
        self.get_conn().delete_upload(table, name)

    def create_version(self, dataset: str) -> dict[str, Any]:
        """Open the next version of a dataset; see :meth:`.RedivisClient.create_version`."""
        return self.get_conn().create_version(dataset)

    def release_version(self, dataset: str, release_notes: str | None = None) -> dict[str, Any]:
        """Release the next version of a dataset; see :meth:`.RedivisClient.release_version`."""
        return self.get_conn().release_version(dataset, release_notes)


@lru_cache(maxsize=32)
def _client(settings: RedivisSettings, retry: RetryPolicy | None, limits: Limits) -> RedivisClient:
    """Return the one client of these settings in this process."""
    endpoint = check_url(settings.endpoint or ENDPOINT, f"connection {settings.conn_id}: host")
    transport = transport_of(StaticToken(settings.token), retry=retry, limits=limits)
    return RedivisClient(transport, endpoint=endpoint, storage_token=settings.storage_token)
