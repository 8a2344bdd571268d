"""Waiting for Redivis uploads that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_jobs.clients.redivis.names import checked_uri, table_reference, upload_name
from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.redivis.job import REDIVIS_UPLOADS, upload_summary
from airflow_provider_jobs.sensors.base import JobSensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.jobs import JobStatus

__all__ = ["RedivisUploadSensor"]


class RedivisUploadSensor(JobSensor):
    """Waits until an upload is complete; fails with its errorMessage if it failed.

    The result is a dict: ``job_id``, ``table``, ``state``, ``name``, ``row_count``, ``size_bytes``, ``hash``,
    ``bad_record_count``; of several uploads ``uploads``, a list of such.

    :param upload: The result of an operator with ``wait=False``, an upload's uri, or with ``table`` its name.
    :param table: ``owner.dataset:next.table``, for a name.
    :param redivis_conn_id: A connection of type ``redivis``.
    """

    service = "redivis"
    together = REDIVIS_UPLOADS
    template_fields: Sequence[str] = ("upload", "table", "redivis_conn_id")

    def __init__(
        self,
        *,
        upload: str | Mapping[str, Any],
        table: str | None = None,
        redivis_conn_id: str = RedivisHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.upload = upload
        self.table = table
        self.redivis_conn_id = redivis_conn_id

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook."""
        return {"redivis_conn_id": self.redivis_conn_id}

    def client(self) -> RedivisClient:
        """Return the client."""
        return RedivisHook(**self.hook_args()).get_conn()

    def refs(self, client: RedivisClient) -> list[JobRef]:  # noqa: ARG002 - others ask it
        """Return the uploads that ``upload`` names."""
        uri = self.upload.get("job_id") if isinstance(self.upload, Mapping) else self.upload
        if not isinstance(uri, str) or not uri:
            raise ConfigurationError(f"upload is {str(self.upload)[:80]!r}: give a result, a uri or a name")
        if not uri.startswith("/"):
            if not self.table:
                raise ConfigurationError(f"upload {uri[:80]!r} is a name: give its table too")
            table = table_reference(self.table)
            return [JobRef("redivis", str(table), table.upload_path(upload_name(uri, "upload")))]
        try:
            uris = [checked_uri(each) for each in several.split_ids(uri)]
        except ProtocolError:
            raise ConfigurationError(f"upload {uri[:80]!r} is not the uri of an upload") from None
        return [JobRef("redivis", unquote(each.split("/")[2]), each) for each in uris]

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what the result says about an upload."""
        return upload_summary(status)
