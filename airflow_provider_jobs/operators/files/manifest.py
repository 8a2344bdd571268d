"""The manifest of a task: a line for each of its files or jobs, of which an XCom lists the first only."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.results.files import Part
from airflow_provider_jobs.core.several import MOST_LISTED
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.attempts import task_digest
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.files.results import folder_and_name
from airflow_provider_jobs.operators.files.stores import sink_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_jobs.jobs import JobStatus

_PARAMETER = "manifest_path"


class ManifestOperator(JobOperator):
    """What operators of many files share.

    :param manifest_path: A file to write after success, a line of JSON for each file or job of the task: a
        path, a URL such as ``s3://bucket/key``, or an ObjectStoragePath. Mapped tasks add their index to its
        name. The result names it as ``manifest``.
    :param manifest_conn_id: The connection of the object store that ``manifest_path`` is in, for URLs.
    """

    def __init__(
        self,
        *,
        manifest_path: str | Path | ObjectStoragePath | None = None,
        manifest_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.manifest_path = manifest_path
        self.manifest_conn_id = manifest_conn_id
        self._manifest = ""

    def ends_in_trigger(self) -> bool:
        """Return True if the trigger may end the task: no manifest is to be written."""
        return not self.manifest_path and super().ends_in_trigger()

    def summary_of(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what the XCom ``job`` says, with where the manifest is."""
        return {**super().summary_of(statuses), **({"manifest": self._manifest} if self._manifest else {})}

    def check_manifest(self) -> None:
        """See, before any work is done, that the manifest can be written.

        :raises ConfigurationError: it cannot.
        """
        if self.manifest_path:
            if not self.wait:
                raise ConfigurationError(
                    f"{_PARAMETER} clashes with wait=False: it is for the end of the job"
                )
            folder, name = folder_and_name(self.manifest_path, self.manifest_conn_id or None, _PARAMETER)
            sink_for(folder, _PARAMETER).check([name])

    def write_manifest(self, context: Context, entries: Sequence[dict[str, Any]]) -> None:
        """Write all entries to the manifest if there is to be one; else say that the result has not all."""
        if not self.manifest_path:
            if len(entries) > MOST_LISTED:
                told = "the result lists the first %s of %s entries; %s writes all of them to a file"
                self.log.info(told, MOST_LISTED, len(entries), _PARAMETER)
            return
        folder, name = folder_and_name(self.manifest_path, self.manifest_conn_id or None, _PARAMETER)
        if (index := context["ti"].map_index) is not None and index >= 0:
            stem, dot, suffixes = name.partition(".")
            name = f"{stem}-{index}{dot}{suffixes}"
        text = "".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries)
        self._manifest = publish_manifest(context, folder, name, text, len(entries))
        self.log.info("%s names all %s", self._manifest, len(entries))


def publish_manifest(context: Context, folder: Any, name: str, text: str, entry_count: int) -> str:
    """Write a manifest, whole or not at all, and return where it is."""
    sink, content = sink_for(folder, f"manifest {task_digest(context)}"), text.encode()
    try:
        with sink.begin(name) as file:
            file.write(content)
        part = Part(name, entry_count, len(content), hashlib.sha256(content).hexdigest())
        (place,) = sink.publish([part])
    finally:
        sink.clear()
    return place
