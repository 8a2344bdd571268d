"""Redivis's REST API as far as it fills tables: one request each, and what its reply means.

Source: https://docs.redivis.com/api/rest-api
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.redivis.names import (
    dataset_reference,
    owner_path,
    table_reference,
    upload_uri,
)
from airflow_provider_jobs.clients.redivis.replies import (
    RELEASE_AFTER,
    gone_status,
    parse_json,
    release_status,
    upload_status,
)
from airflow_provider_jobs.core.http.messages import Reply, Request, WarnOnce, check_url, listed, pages
from airflow_provider_jobs.core.http.path import checked_path
from airflow_provider_jobs.errors import NotFoundError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.core.http.transport import Transport

ENDPOINT = "https://redivis.com/api/v1"


class RedivisApi:
    """Uploads, datasets, tables and versions, in the API's own words; safe to share between threads.

    Methods take and return the API's own JSON. Tables are ``owner.dataset:next.table``.

    :param endpoint: The API's address, ``/api/v1`` included.
    """

    #: As :class:`.Request` has it; :func:`.looking` sets it.
    within_seconds: float | None = None

    def __init__(self, transport: Transport, *, endpoint: str = ENDPOINT) -> None:
        self._transport = transport
        #: Takes a step that looks before it acts, again and again as the retry policy allows.
        self.repeat = transport.repeat
        self._base = check_url(endpoint).rstrip("/")
        self._warn = WarnOnce()

    @property
    def host(self) -> str:
        """The host of the API."""
        return urlsplit(self._base).netloc

    # https://docs.redivis.com/api/rest-api/uploads/post
    def create_upload(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an upload; sent once.

        :param fields: Of the API's Upload; ``tempUploadId`` names bytes that were sent before.
        """
        return self._call("POST", f"{table_reference(table).path}/uploads", body=fields)

    # https://docs.redivis.com/api/rest-api/uploads/get
    def get_upload(self, table: str, name: str) -> dict[str, Any]:
        """Return an upload.

        :raises NotFoundError: there is no upload of that name, or it is not shown.
        """
        return self._call("GET", table_reference(table).upload_path(name))

    def get_upload_at(self, uri: str) -> dict[str, Any]:
        """Return the upload of a ``uri``."""
        return self._call("GET", upload_uri(uri))

    def find(self, path: str) -> dict[str, Any] | None:
        """Return what is at a path below the API's address, None if there is nothing to see."""
        try:
            return self._call("GET", path)
        except NotFoundError:
            return None

    # https://docs.redivis.com/api/rest-api/uploads/list
    def list_uploads(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the uploads of a table.

        :param filters: The API's ``maxResults`` (uploads a page) and ``pageToken``.
        """
        for page in self.list_upload_pages(table, **filters):
            yield from listed(page, "results")

    def list_upload_pages(self, table: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list of uploads."""
        path = f"{table_reference(table).path}/uploads"
        return pages(
            lambda token: self._call("GET", path, params={**filters, "pageToken": token}),
            lambda page: page.get("nextPageToken"),
            f"the list of uploads of {table}",
            filters.get("pageToken"),
        )

    # https://docs.redivis.com/api/rest-api/uploads/delete
    def delete_upload(self, table: str, name: str) -> None:
        """Delete an upload, and the rows that it brought; harmless if there is none."""
        self.delete_upload_at(table_reference(table).upload_path(name))

    def delete_upload_at(self, uri: str) -> None:
        """Delete the upload of a ``uri``; harmless if it is gone."""
        with suppress(NotFoundError):
            self._call("DELETE", upload_uri(uri))

    # https://docs.redivis.com/api/rest-api/datasets
    def get_dataset(self, dataset: str) -> dict[str, Any]:
        """Return a dataset, as the version that is named shows it."""
        return self._call("GET", dataset_reference(dataset).path)

    def create_dataset(
        self, owner: str, fields: Mapping[str, Any], *, owner_type: str = "organization"
    ) -> dict[str, Any]:
        """Create a dataset of an ``organization`` or a ``user``; sent once."""
        return self._call("POST", owner_path(owner, owner_type), body=fields)

    # https://docs.redivis.com/api/rest-api/tables
    def get_table(self, table: str) -> dict[str, Any]:
        """Return a table."""
        return self._call("GET", table_reference(table).path)

    def list_tables(self, dataset: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the tables of the version of a dataset that is named.

        :param filters: The API's ``maxResults`` (tables a page) and ``pageToken``.
        """
        path = f"{dataset_reference(dataset).path}/tables"
        for page in pages(
            lambda token: self._call("GET", path, params={**filters, "pageToken": token}),
            lambda page: page.get("nextPageToken"),
            f"the list of tables of {dataset}",
            filters.get("pageToken"),
        ):
            yield from listed(page, "results")

    def create_table(self, dataset: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table in an unreleased version of a dataset; sent once."""
        path = f"{dataset_reference(dataset).path}/tables"
        return self._call("POST", path, body=fields)

    def update_table(self, table: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of a table, such as ``uploadMergeStrategy``."""
        return self._call("PATCH", table_reference(table).path, body=fields)

    # https://docs.redivis.com/api/rest-api/versions
    def create_version(self, dataset: str) -> dict[str, Any]:
        """Open the next version of a dataset; sent once."""
        return self._call("POST", f"{dataset_reference(dataset).path}/versions")

    def release_version(self, dataset: str, release_notes: str | None = None) -> dict[str, Any]:
        """Release the next version of a dataset; sent once, and may run on after the reply."""
        path = f"{dataset_reference(dataset).path}/versions/next/release"
        body = {"releaseNotes": release_notes} if release_notes else {}
        return self._call("POST", path, body=body)

    def status(self, ref: JobRef) -> JobStatus:
        """Return how an upload, or a release, is doing; an upload that is gone counts as cancelled."""
        if ref.id.startswith(RELEASE_AFTER):
            return release_status(self.get_dataset(ref.scope), ref)
        found = self.find(upload_uri(ref.id))
        return gone_status(ref) if found is None else self.read(found, ref)

    def read(self, upload: Mapping[str, Any], ref: JobRef) -> JobStatus:
        """Return our reading of an upload; warn once of a status that is not known."""
        status = upload_status(upload, ref.scope, ref)
        if status.state is JobState.RUNNING and status.vendor_state != "running":
            self._warn(f"an upload is {status.vendor_state!r}, which is not known: it counts as running")
        return status

    def _call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> dict[str, Any]:
        once = method == "POST"  # it creates: a repetition could make a second one
        within = self.within_seconds
        request = Request(
            method,
            self._base + checked_path(path),
            params or {},
            body,
            idempotent=not once,
            within_seconds=within,
        )
        return self._transport.call(request, self._parse)

    def _parse(self, reply: Reply) -> dict[str, Any]:
        if warning := reply.headers.get("X-REDIVIS-WARNING"):
            self._warn(f"Redivis warns: {warning}")
        return parse_json(reply)
