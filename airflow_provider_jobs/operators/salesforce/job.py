"""What both Salesforce operators share."""

from __future__ import annotations

import datetime as dt
import json
import logging
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.salesforce.results.download import MOST_WORKERS
from airflow_provider_jobs.clients.salesforce.results.files import Checkpoint
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import MOST_LISTED, Several
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    NotFoundError,
    ResultsUnavailable,
)
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef, JobState
from airflow_provider_jobs.lineage.datasets import Dataset, file_dataset, salesforce_object
from airflow_provider_jobs.links.salesforce import SalesforceJobLink
from airflow_provider_jobs.operators.attempts import task_digest
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.endings import nice_to_know, retry_follows
from airflow_provider_jobs.operators.files.manifest import ManifestOperator
from airflow_provider_jobs.operators.files.results import found_elsewhere
from airflow_provider_jobs.operators.files.stores import sink_for
from airflow_provider_jobs.operators.memory import TaskMemory, left_out
from airflow_provider_jobs.operators.task import ServiceTask
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded, LocalSink, Output
    from airflow_provider_jobs.hooks.base import JobsHook
    from airflow_provider_jobs.jobs import JobStatus

log = logging.getLogger(__name__)

_DAY = dt.timedelta(days=1)
#: Airflow's store takes 64 KB at most; a checkpoint of very many parts is longer, and is not kept.
_MOST_STATE_BYTES = 60_000
#: What is told of several jobs together.
SALESFORCE_JOBS = Several(
    title="Salesforce jobs",
    shared=("kind", "api_version", "object", "operation"),
    summed=("record_count", "failed_record_count", "retries"),
)


def check_download(compression: str | None, page_records: int | None, parallel_downloads: int) -> None:
    """See that results can be read as a DAG says; :class:`ValueError` if not."""
    if compression not in (None, "gzip"):
        raise ValueError(f"compression is {compression!r}: it is gzip or None")
    if not 1 <= parallel_downloads <= MOST_WORKERS:
        raise ValueError(f"parallel_downloads is {parallel_downloads}: it is 1 to {MOST_WORKERS}")
    if page_records is not None and page_records < 1:
        raise ValueError(f"page_records is {page_records}: at least 1 is needed")


def objects_of(statuses: Sequence[JobStatus], **numbers: Any) -> tuple[Dataset, ...]:
    """Return the dataset of the object that jobs are about; none if Salesforce has not told which.

    :param numbers: What of it was read or written.
    """
    ref, name = statuses[0].ref, statuses[0].statistics.get("object")
    return (replace(salesforce_object(ref.scope, str(name)), **numbers),) if name else ()


def memory_of(
    client: SalesforceClient, context: Context, key: str, work: list[Any], since: int
) -> TaskMemory:
    """Return the memory of a piece of work in an org: under the address that its jobs were made at.

    The org may have been renamed since then, and has the same jobs.
    """
    memory = TaskMemory(context, key, [client.scope, *work], since)
    ref = next(_refs(memory.recall_other()), None)
    if ref is None or ref.scope == client.scope or not client.knows(ref):
        return memory
    return TaskMemory(context, key, [ref.scope, *work], since)


def _refs(kept: Any) -> Iterator[JobRef]:
    """Yield the references of jobs in what was kept."""
    if isinstance(kept, dict) and {"scope", "id"} <= kept.keys():
        yield JobRef.from_json(kept)
    elif isinstance(kept, dict | list):
        for each in kept.values() if isinstance(kept, dict) else kept:
            yield from _refs(each)


def adoptable(client: SalesforceClient, ref: JobRef) -> JobStatus | None:
    """Return the status of a query that an earlier attempt has created, None if a new one is needed."""
    if not client.knows(ref):
        log.warning("%s is of another org than the connection: it is left alone", ref)
        return None
    try:
        status = client.status(ref)
    except NotFoundError:
        log.info("%s, of an earlier attempt, is gone", ref)
        return None
    if status.state in {JobState.FAILED, JobState.CANCELLED}:
        log.info("%s, of an earlier attempt, is %s", ref, status.vendor_state)
        return None
    return status


class SalesforceTask(ServiceTask):
    """What operators and sensors share.

    :param salesforce_conn_id: A connection of type ``salesforce_bulk`` or ``salesforce``.
    """

    service = "salesforce"
    hook_class: ClassVar[type[JobsHook[Any]]] = SalesforceHook
    together = SALESFORCE_JOBS
    template_fields: Sequence[str] = ("salesforce_conn_id",)

    def __init__(self, *, salesforce_conn_id: str = SalesforceHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.salesforce_conn_id = salesforce_conn_id

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what a result says about a job: where it is, and the numbers that people use."""
        version, _, kind = (status.ref.location or "").partition("/jobs/")
        known = {name: value for name, value in status.statistics.items() if value is not None}
        if (milliseconds := known.pop("processing_ms", None)) is not None:
            known["processing_seconds"] = milliseconds / 1000
        return {
            "job_id": status.ref.id,
            "kind": kind,
            "api_version": version.removeprefix("v"),
            "state": status.state,
            **known,
            "url": status.url,
        }


class SalesforceResults(SalesforceTask, JobOperator):
    """What tasks share that read the results of their jobs into files.

    :param results_path: Of a query the file to write, or for parts the folder; of an ingest the folder for
        ``successful.csv``, ``failed.csv`` and ``unprocessed.csv``: a path, a URL such as ``s3://bucket/key``,
        or an ObjectStoragePath. Without it nothing is downloaded.
    :param results_conn_id: The connection of the object store that ``results_path`` is in, for URLs.
    """

    #: What to know of a job that is complete, if its results could not be read.
    after_success: ClassVar[str] = "its results stay for 7 days; a clear runs the query again"
    #: True if a retry that cannot find the job may do its work again.
    harmless_again: ClassVar[bool] = True

    def __init__(
        self,
        *,
        results_path: str | Path | ObjectStoragePath | None = None,
        results_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.results_path = results_path
        self.results_conn_id = results_conn_id
        self._files: list[dict[str, Any]] = []

    def summary_of(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what the XCom ``job`` says, with the first files that were written, and their sums."""
        files = {
            "file_count": len(self._files),
            "size_bytes": sum(file["size_bytes"] for file in self._files),
            "files": self._files[:MOST_LISTED],
        }
        return {**super().summary_of(statuses), **(files if self._files else {})}

    def result_files(self) -> tuple[Dataset, ...]:
        """Return the dataset of the files for results, with their sums once they are written."""
        if not self.results_path:
            return ()
        found = file_dataset(str(self.results_path))
        if not self._files:
            return (found,)
        size = sum(file["size_bytes"] for file in self._files)
        rows = sum(file["record_count"] for file in self._files)
        return (replace(found, row_count=rows, size_bytes=size, file_count=len(self._files)),)

    def _sink(self, context: Context, folder: Any) -> LocalSink:
        """Return what writes results to a folder; the log says if other workers do not have that.

        All attempts of the task find each other's drafts there, whatever became of their jobs.
        """
        if told := found_elsewhere(folder, self.executor):
            self.log.info("%s", shown(told))
        return sink_for(folder, task_digest(context))

    def _download(
        self,
        client: SalesforceClient,
        context: Context,
        ref: JobRef,
        output: Output,
        sink: LocalSink,
        **how: Any,
    ) -> Downloaded:
        """Write the results of a query to files; a retry goes on behind the last whole page.

        :param how: As of :func:`.results.download.download`.
        """
        work = [ref.id, str(self.results_path)]
        memory = TaskMemory(context, "salesforce_download", work, self._since)
        kept = None
        with left_out("the checkpoint of the download"):
            kept = memory.recall()
        # Drafts are kept for another attempt only.
        another = memory.lasts and retry_follows(context)
        return client.download(
            ref,
            output,
            sink,
            checkpoint=Checkpoint.from_json(kept) if kept else None,
            on_checkpoint=partial(_keep_checkpoint, memory) if another else None,
            **how,
        )

    @contextmanager
    def _reading_results(self, context: Context, statuses: Sequence[JobStatus]) -> Iterator[None]:
        """Read the results of jobs that are complete: what stands in the way does not undo what they did.

        :raises ResultsUnavailable: something did; worth a retry, unless that could not find the jobs.
        """
        try:
            yield
        except JobFailed:
            raise
        except (JobsError, OSError) as error:
            lasts = context.get("task_state_store") is not None
            follows = lasts and retry_follows(context)
            jobs = several.names([status.ref for status in statuses])
            lines = [
                f"{jobs} completed, and the results could not be read: {error}",
                *(["  the next attempt goes on with what is complete, and only reads"] if follows else []),
                f"  {self.after_success}",
                *(f"  console: {status.url}" for status in statuses if status.url),
            ]
            unread = ResultsUnavailable("\n".join(lines), retryable=lasts or self.harmless_again)
            unread.retry_after = getattr(error, "retry_after", None)
            raise unread from error


class SalesforceOperator(SalesforceResults, ManifestOperator):
    """What both operators share; see :class:`.JobOperator` for how they wait.

    :param api_version: The API version of the job, such as ``59.0``; default is the connection's.
    :param delete_job: Delete the job after success, once every record is accounted for; otherwise Salesforce
        keeps it for 7 days. A query is deleted after it was aborted, too.
    :param wait: False returns the reference of the submitted job, for a sensor; what is for the job's end,
        such as ``results_path``, is refused then.
    :param execution_timeout: When to give up, since Salesforce itself may not. None waits without end.
    :param poll_interval: Seconds between two looks at the job, at most: each counts against the org's daily
        limit.
    :param column_delimiter: ``COMMA`` (Salesforce's default), ``TAB``, ``SEMICOLON``, ``PIPE``, ``CARET`` or
        ``BACKQUOTE``.
    :param line_ending: ``LF`` or ``CRLF``; default of a query is ``LF``, as Salesforce has it, of an ingest
        what ends the file's first line.
    """

    template_fields = (
        "column_delimiter",
        "line_ending",
        "results_path",
        "results_conn_id",
        "manifest_path",
        "manifest_conn_id",
        *SalesforceTask.template_fields,
        "api_version",
    )
    operator_extra_links = (SalesforceJobLink(),)
    ui_color = "#b9dff5"

    def __init__(
        self,
        *,
        api_version: str | None = None,
        delete_job: bool = False,
        execution_timeout: dt.timedelta | None = _DAY,
        poll_interval: float = 15.0,
        column_delimiter: str | None = None,
        line_ending: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(execution_timeout=execution_timeout, poll_interval=poll_interval, **kwargs)
        self.api_version = api_version
        self.delete_job = delete_job
        self.column_delimiter = column_delimiter
        self.line_ending = line_ending

    def ends_in_trigger(self) -> bool:
        """Return True if the trigger may end the task: nothing is left to download or to delete."""
        return not (self.results_path or self.delete_job) and super().ends_in_trigger()

    def _say_if_forgetful(self, memory: TaskMemory) -> None:
        if not memory.lasts:
            self.log.info(
                "this Airflow keeps no state of a task: a retry cannot adopt the job, it makes another"
            )

    def _delete(self, client: SalesforceClient, statuses: Sequence[JobStatus]) -> None:
        """Delete what is of no more use; no task fails by what cannot be deleted: Salesforce will do it."""

        def delete() -> None:
            for status in statuses:
                if not status.ref.id:
                    continue  # there was nothing to make a job for
                try:
                    client.delete_job(status.ref)
                except JobsError as error:
                    self.log.warning(
                        "%s could not be deleted, Salesforce does it in 7 days: %s", status.ref, error
                    )

        nice_to_know("whether all jobs are deleted", delete, None)

    def _check_wait(self, **for_the_end: object) -> None:
        """See that nothing is wanted of a task that does not wait for the job's end.

        :param for_the_end: What is given of the parameters that are for it.
        :raises ConfigurationError: something is.
        """
        for name, given in for_the_end.items():
            if given and not self.wait:
                raise ConfigurationError(f"{name} clashes with wait=False: it is for the end of the job")


def _keep_checkpoint(memory: TaskMemory, checkpoint: Checkpoint | None) -> None:
    document = checkpoint.to_json() if checkpoint else None
    with left_out("the checkpoint of the download"):
        if document is None or len(json.dumps(document)) > _MOST_STATE_BYTES:
            memory.forget()
        else:
            memory.remember(document)
