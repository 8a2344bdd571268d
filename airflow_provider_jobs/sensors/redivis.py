"""Waiting for Redivis uploads that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_jobs.clients.redivis.names import table_reference, upload_name, upload_uri
from airflow_provider_jobs.clients.redivis.replies import GONE
from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.redivis.job import RedivisTask
from airflow_provider_jobs.sensors.base import JobSensor
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.jobs import JobStatus

__all__ = ["RedivisUploadSensor"]


class RedivisUploadSensor(RedivisTask, JobSensor):
    """Waits until an upload is complete; fails with its errorMessage if it failed.

    The result is that of :class:`.RedivisUploadOperator`.

    :param upload: The result of an operator with ``wait=False``, an upload's uri, or with ``table`` its name.
    :param table: ``owner.dataset:next.table``, for a name.
    """

    template_fields = ("upload", "table", *RedivisTask.template_fields)

    def __init__(self, *, upload: str | Mapping[str, Any], table: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.upload = upload
        self.table = table

    def statuses(self, client: RedivisClient, refs: list[JobRef]) -> list[JobStatus]:
        """Return how the uploads are doing.

        :raises NotFoundError: one is not there, and was not seen before.
        """
        statuses = super().statuses(client, refs)
        for status in statuses if not self._seen else ():
            if status.vendor_state == GONE:
                raise NotFoundError(f"{status.ref} is not there: {status.problem}", status=404, reason=GONE)
        return statuses

    def refs(self, client: RedivisClient) -> list[JobRef]:
        """Return the uploads that ``upload`` names."""
        uri = self.upload.get("job_id") if isinstance(self.upload, Mapping) else self.upload
        if not isinstance(uri, str) or not uri:
            raise ConfigurationError(f"upload is {shown(self.upload, 80)!r}: give a result, a uri or a name")
        if not uri.startswith("/"):
            if not self.table:
                raise ConfigurationError(f"upload {shown(uri, 80)!r} is a name: give its table too")
            table = table_reference(self.table)
            return [JobRef("redivis", str(table), table.upload_path(upload_name(uri, "upload")))]
        uris = [upload_uri(each) for each in several.split_ids(uri)]
        return [JobRef("redivis", unquote(each.split("/")[2]), each) for each in uris]
