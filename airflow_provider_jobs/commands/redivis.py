"""Uploads of a table of Redivis, as the command line lists and names them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_jobs.clients.redivis.names import (
    dataset_reference,
    table_reference,
    upload_name,
    upload_uri,
)
from airflow_provider_jobs.clients.redivis.replies import GONE, RELEASE_AFTER, upload_status
from airflow_provider_jobs.commands.selection import Found
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.commands.selection import Filter, Place
    from airflow_provider_jobs.jobs import JobStatus


def listed(client: RedivisClient, wanted: Filter, conn_id: str) -> Iterator[Found]:
    """Yield the uploads of a table that a filter matches, the newest first.

    :raises ConfigurationError: no table is given, or a DAG is.
    """
    if wanted.dag_id or wanted.task_id:
        raise ConfigurationError(
            "Redivis keeps no DAG of its uploads: --dag-id and --task-id are for BigQuery"
        )
    if not wanted.table:
        raise ConfigurationError(
            "Redivis lists the uploads of a table: give --table owner.dataset:next.table"
        )
    table, found = str(table_reference(wanted.table)), []
    for upload in client.list_uploads(table):
        status, created = upload_status(upload, table), number(upload.get("createdAt"))
        found.append(replace(status, ref=replace(status.ref, created_at=created and created / 1000)))
    for status in sorted(found, key=lambda each: each.ref.created_at or 0.0, reverse=True):
        if wanted.matches(status):
            yield Found(conn_id, status)


def find(client: RedivisClient, text: str, place: Place) -> JobStatus:
    """Return how an upload, or a release, is doing.

    :raises ConfigurationError: it names neither.
    :raises NotFoundError: there is no such upload.
    """
    status = client.status(_ref(text, place.table))
    if status.vendor_state == GONE:
        raise NotFoundError(f"{status.ref} is not there: {status.problem}", status=404, reason=GONE)
    return status


def _ref(text: str, table: str | None) -> JobRef:
    """Return what a uri, a name in a table, or the log of a task names."""
    dataset, release, tag = text.rpartition(f":{RELEASE_AFTER}")
    if release:
        return JobRef("redivis", str(dataset_reference(dataset)), RELEASE_AFTER + tag)
    _, tables, rest = text.partition("/tables/")
    if tables:
        uri = upload_uri(tables + rest)
        return JobRef("redivis", unquote(uri.split("/")[2]), uri)
    if not table:
        raise ConfigurationError(f"upload {shown(text, 80)!r} is a name: give --table too")
    where = table_reference(table)
    return JobRef("redivis", str(where), where.upload_path(upload_name(text, "upload")))
