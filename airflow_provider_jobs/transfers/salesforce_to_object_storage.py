"""Salesforce to a folder or an object store: files as Salesforce sends them, and a manifest of them."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.results.download import WORKERS
from airflow_provider_jobs.clients.salesforce.results.files import Output
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import MOST_LISTED
from airflow_provider_jobs.core.sources.stored import failure
from airflow_provider_jobs.errors import ConfigurationError, OutageError
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.lineage.datasets import file_dataset
from airflow_provider_jobs.links.salesforce import SalesforceJobLink
from airflow_provider_jobs.operators.attempts import task_digest
from airflow_provider_jobs.operators.files.manifest import publish_manifest
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.results import check_not_shared, remove_others, written
from airflow_provider_jobs.operators.files.stores import sink_for
from airflow_provider_jobs.operators.salesforce.job import SalesforceResults, check_download
from airflow_provider_jobs.transfers.salesforce_asset import AssetMarkedTransfer, compact
from airflow_provider_jobs.transfers.salesforce_soql import check_name
from airflow_provider_jobs.transfers.salesforce_window import WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded, LocalSink
    from airflow_provider_jobs.core.work import Submission
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset
    from airflow_provider_jobs.transfers.salesforce_reading import Described, Reading

#: What tells of a run's files; a run without one is not complete.
MANIFEST = "manifest.json"


class SalesforceToObjectStorageOperator(SalesforceResults, AssetMarkedTransfer):
    """Copy records of a Salesforce object to files, all of them or those that have changed.

    Each run has a folder, ``OBJECT/run=UPPER`` below ``results_path``, where UPPER is the time until when it
    read, such as ``20261130T020000Z``; that of an explicit window is ``run=UPPER-since-LOWER``. It holds
    ``part-00000.csv`` and so on, a file for each page, each with the header, bytes as Salesforce sends them;
    and, written last, ``manifest.json``: readers go by that. A run that fails leaves the folders of others as
    they are. Records that are deleted are among the others, with IsDeleted.

    The manifest has ``object``, ``api_version``, ``soql``, ``operation``, ``mode``, ``window``, ``mark`` (up
    to when the runs so far are complete; None of an explicit window), ``job_id``, ``task`` (``dag_id``,
    ``run_id``, ``task_id`` and ``map_index``), ``record_count``, ``compression``, ``files`` (of each
    ``name``, ``record_count``, ``size_bytes`` and ``sha256``) and ``schema``: of each column ``path``, as
    the header has it, and ``type``, as Salesforce describes it.

    The result is a dict: ``object``, ``mode``, ``operation``, ``window``, ``mark_before``, ``mark_after``,
    ``record_count``, ``folder``, ``manifest`` (None if nothing has changed: there are no files then),
    ``file_count``, ``size_bytes``, ``files`` (the first 20), ``seconds`` and ``job_ids``.

    :param results_path: The folder: a path, a URL such as ``s3://bucket/key``, or an ObjectStoragePath.
    :param results_conn_id: The connection of the object store, for URLs.
    :param compression: ``gzip``, or None.
    :param page_records: At most so many records a file; pages are read one by one then.
    :param parallel_downloads: Pages to read at a time; default 8, most 16.
    """

    operator_extra_links = (SalesforceJobLink(),)
    template_fields: Sequence[str] = (
        "results_path",
        "results_conn_id",
        *AssetMarkedTransfer.template_fields,
    )

    def __init__(
        self,
        *,
        results_path: str | Path | ObjectStoragePath,
        compression: str | None = None,
        page_records: int | None = None,
        parallel_downloads: int = WORKERS,
        **kwargs: Any,
    ) -> None:
        super().__init__(results_path=results_path, **kwargs)
        check_download(compression, page_records, parallel_downloads)
        self.compression = compression
        self.page_records = page_records
        self.parallel_downloads = parallel_downloads

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that files can be written, before anything is read.

        :raises ConfigurationError: they cannot, or other tasks of the run write the same.
        :raises OutageError: the folder is another run's.
        """
        super().check_target(context, described, reading)
        check_not_shared(self, context, apart="object_name")
        folder = self._folder(reading)
        sink = sink_for(folder, task_digest(context))
        sink.check([MANIFEST])
        if MANIFEST not in sink.listed():
            return
        _check_not_of_another(context, folder, reading)
        if reading.span.mode != WINDOW:
            raise OutageError(
                f"{folder} is of another run, which has read until the same second: another attempt has "
                "another folder"
            )

    def submissions(self, client: SalesforceClient, context: Context) -> list[Submission]:
        """Create the query's job, or go on with that of an earlier attempt."""
        self._carried["since"] = time.time()
        return self.query(client, context)

    def following(
        self, client: SalesforceClient, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Note how long the query took; no job follows it."""
        if several.state_of(statuses) is JobState.SUCCEEDED:
            self.note(statuses)
        return statuses, ()

    def completed(
        self, client: SalesforceClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Write the files and the manifest; the mark moves once all of it is there."""
        since = time.time()
        if not self.nothing_to_take(statuses[0]):
            with self._reading_results(context, statuses):
                self._write(client, context, statuses[0])
        self.note_seconds("download", since)
        self.keep_mark(context)
        return statuses

    def result(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what was read, and the files that it has become."""
        return {
            **self.told(),
            "folder": str(self._folder(self.reading)),
            "manifest": self._carried.get("manifest"),
            "file_count": len(self._files),
            "size_bytes": sum(file["size_bytes"] for file in self._files),
            "files": self._files[:MOST_LISTED],
        }

    def target_dataset(self) -> Dataset:
        """Return the folder of the run, with the sums of its files."""
        folder = file_dataset(str(self._folder(self.reading)))
        if not self._files:
            return folder
        sums = {name: sum(file[name] for file in self._files) for name in ("record_count", "size_bytes")}
        numbers = {"row_count": sums["record_count"], "size_bytes": sums["size_bytes"]}
        return replace(folder, **numbers, file_count=len(self._files))

    def _folder(self, reading: Reading) -> Any:
        span = reading.span
        since = f"-since-{compact(span.window.start)}" if span.mode == WINDOW and span.window else ""
        folder = opened(self.results_path, self.results_conn_id or None)
        return folder / check_name(reading.object_name, "the object") / f"run={compact(span.end)}{since}"

    def _write(self, client: SalesforceClient, context: Context, status: JobStatus) -> None:
        folder = self._folder(self.reading)
        sink = self._sink(context, folder)
        downloaded = self._download(
            client,
            context,
            status.ref,
            Output(
                f"part.csv{'.gz' if self.compression else ''}", split=True, compress=bool(self.compression)
            ),
            sink,
            workers=self.parallel_downloads,
            page_records=self.page_records,
            on_whole=lambda: _remove_manifest(context, folder, sink, self.reading),
        )
        remove_others(sink, "part", {file.name for file in downloaded.files})
        self._files = written(downloaded)
        text = json.dumps(self._manifest(context, status, downloaded), ensure_ascii=False, indent=1) + "\n"
        self._carried["manifest"] = publish_manifest(context, folder, MANIFEST, text, len(downloaded.files))

    def _manifest(self, context: Context, status: JobStatus, downloaded: Downloaded) -> dict[str, Any]:
        reading = self.reading
        told = reading.span.told(changed=True)
        return {
            "object": reading.object_name,
            "api_version": self.summary(status)["api_version"],
            "soql": reading.soql,
            "operation": reading.operation,
            "mode": reading.span.mode,
            "window": told["window"],
            "mark": told["mark_after"],
            "job_id": status.ref.id,
            "task": _instance(context),
            "record_count": downloaded.record_count,
            "compression": self.compression,
            "files": [
                {
                    "name": file.name,
                    "record_count": file.record_count,
                    "size_bytes": file.size_bytes,
                    "sha256": file.sha256,
                }
                for file in downloaded.files
            ],
            "schema": [{"path": column.path, "type": column.kind} for column in reading.columns],
        }


def _instance(context: Context) -> dict[str, Any]:
    ti = context["ti"]
    index = -1 if ti.map_index is None else ti.map_index
    return {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": index}


def _check_not_of_another(context: Context, folder: Any, reading: Reading) -> None:
    """See that a folder has not what another task of the same run has read with another query.

    :raises ConfigurationError: it has, or its manifest is none of ours, or may not be read.
    :raises TransportError: the manifest cannot be read just now.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return
    except Exception as error:  # noqa: BLE001 - each store's client has classes of its own
        raise failure(str(folder / MANIFEST), error) from None
    try:
        manifest = json.loads(content)
        soql, task = manifest["soql"], {**(manifest.get("task") or {})}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        what = type(error).__name__
        raise ConfigurationError(f"{folder / MANIFEST} is no manifest of a run ({what}): remove it") from None
    own = _instance(context)
    if (
        soql == reading.soql
        or task == own
        or any(task.get(name) != own[name] for name in ("dag_id", "run_id"))
    ):
        return
    number = f"[{task.get('map_index')}]" if task.get("map_index", -1) >= 0 else ""
    raise ConfigurationError(
        f"{folder} has what {task.get('task_id')}{number} of this run has read with another query, which "
        "this task would replace: give each a results_path of its own, as by {{ ti.map_index }} in it"
    )


def _remove_manifest(context: Context, folder: Any, sink: LocalSink, reading: Reading) -> None:
    """Let no manifest tell of files that are about to be replaced."""
    if MANIFEST in sink.listed():
        _check_not_of_another(context, folder, reading)
        sink.remove(MANIFEST)
