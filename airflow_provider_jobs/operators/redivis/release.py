"""Releases: a version of a dataset becomes readable for everybody."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.names import releasable_dataset
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
from airflow_provider_jobs.clients.redivis.replies import released_tag
from airflow_provider_jobs.lineage.datasets import redivis_data
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.links.redivis import RedivisDatasetLink
from airflow_provider_jobs.operators.memory import TaskMemory
from airflow_provider_jobs.operators.redivis.job import RedivisOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.jobs import JobStatus

_HOUR = dt.timedelta(hours=1)


class RedivisReleaseOperator(RedivisOperator):
    """Release the next version of a dataset, and wait until it is released.

    What has happened already does not happen again: a dataset without a next version is left as it is, and a
    retry releases nothing that was opened after the first attempt. A release cannot be cancelled.

    The result is a dict: ``job_id``, ``dataset``, ``state`` and ``version``, the tag of what is released,
    ``url`` where Redivis tells one, ``duration_seconds`` unless an earlier attempt had released it.

    :param dataset: ``owner.dataset``; ``:next`` may follow, and no other version.
    :param release_notes: What is new, for readers.
    :param on_incomplete: What an upload of the version does that has failed or is on its way, or a table that
        ``create_missing`` has made and that has no complete one: ``fail`` the task, and nothing is released,
        or ``warn`` in the log. What is on its way is looked at again, by retries too.
    :param execution_timeout: When to give up; default is an hour. None waits without end.
    """

    can_cancel = False
    scope_name = "dataset"
    operator_extra_links = (RedivisDatasetLink(),)
    template_fields = ("dataset", "release_notes", *RedivisOperator.template_fields)

    def __init__(
        self,
        *,
        dataset: str,
        release_notes: str | None = None,
        on_incomplete: str = "fail",
        execution_timeout: dt.timedelta | None = _HOUR,
        **kwargs: Any,
    ) -> None:
        super().__init__(execution_timeout=execution_timeout, **kwargs)
        if on_incomplete not in ("fail", "warn"):
            raise ValueError(f"on_incomplete is {on_incomplete!r}: it is fail or warn")
        self.on_incomplete = on_incomplete
        self.cancel_on_kill = False
        self.dataset = dataset
        self.release_notes = release_notes

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return what is released, for the log."""
        return "release", super().work_of({"dataset": self.dataset, **body})[1]

    def request(self, client: RedivisClient, context: Context) -> ReleaseRequest:
        """Return the work to submit."""
        reference = str(releasable_dataset(self.dataset))
        return ReleaseRequest(
            scope=reference,
            key="release",
            body={"release_notes": self.release_notes or None},
            after=self._after(client, context, reference),
            on_incomplete=self.on_incomplete,
        )

    def traced(self, client: RedivisClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return the dataset, and which version of it was released."""
        status = statuses[0]
        tag = status.statistics.get("version")
        released = replace(redivis_data(client.host, status.ref.scope), version=tag and str(tag))
        return Trace(outputs=(released,)).of_job(status.ref.id, self.service)

    def _after(self, client: RedivisClient, context: Context, reference: str) -> str:
        """Return what was released when the first attempt began; a clear begins anew."""
        memory = TaskMemory(context, "release", reference, self._since)
        after = memory.recall() or memory.recall_before(dataset=reference).get("after")
        if after is None:
            after = released_tag(client.get_dataset(reference))
            memory.remember(after)
        return str(after)
