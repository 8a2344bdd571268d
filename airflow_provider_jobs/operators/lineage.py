"""What a task tells of the data that it has read and written: to OpenLineage, and by events of assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.lineage import openlineage
from airflow_provider_jobs.lineage.datasets import is_temporary
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.operators.endings import nice_to_know
from airflow_provider_jobs.operators.task import JobTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_jobs.jobs import JobRef, JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset

#: How long the end of a task waits for what a service is asked only for lineage, in seconds.
ASK_SECONDS = 5.0


class LineageTask(JobTask):
    """A task that tells what it reads and writes.

    OpenLineage asks in a process of its own, which is ended after ten seconds and may have no connection:
    whatever needs a service is found out before, where somebody will ask, and kept.

    :param emit_assets: After success have Airflow record an event for the asset of each dataset that was
        written, such as ``bigquery://project/dataset/table``, with ``job_id``, ``row_count`` and
        ``size_bytes``. DAGs may be scheduled by these.
    """

    _client: Any
    _refs: list[JobRef]

    def __init__(self, *, emit_assets: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.emit_assets = emit_assets
        self._trace: Trace | None = None
        if emit_assets:
            dag = self.get_dag()
            self._alias = AssetAlias(f"{dag.dag_id}.{self.task_id}" if dag else self.task_id)
            self.outlets = [*self.outlets, self._alias]

    # What the operators of a service add.

    def planned(self) -> Trace:
        """Return what the parameters alone say of the data that is read and written; nothing is asked."""
        return Trace()

    def traced(self, client: Any, statuses: Sequence[JobStatus]) -> Trace:
        """Return what was read and written by the jobs of the task, as their service has told already."""
        return self.planned()

    def told_more(self, client: Any, statuses: Sequence[JobStatus], trace: Trace) -> Trace:
        """Return a trace with what its service tells on request: columns, for example."""
        return trace

    # What is the same for all.

    def get_openlineage_facets_on_start(self) -> OperatorLineage | None:
        """Return what is known before the task runs, and before it goes on after a deferral."""
        return openlineage.operator_lineage(self._lineage_before())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return what the task has read and written; the statements of a script are events of their own."""
        trace = self._lineage_after()
        statements = trace.statements
        what = "lineage: whether the statements are told of"
        nice_to_know(what, lambda: openlineage.emit_statements(task_instance, statements), None)
        return openlineage.operator_lineage(trace)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage | None:
        """Return the same of a task that has failed; OpenLineage itself adds the error."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def note_lineage(self, context: Context, statuses: Sequence[JobStatus], *, succeeded: bool) -> None:
        """Keep what was read and written, and tell Airflow's assets of it; no task fails by that."""
        client, what = self._client, "lineage: which data it was"
        trace = self._trace = nice_to_know(what, lambda: self.traced(client, statuses), Trace())
        is_script = any(status.statistics.get("child_job_count") for status in statuses)
        if openlineage.is_asked() or (self.emit_assets and is_script):
            what = "lineage: what the service says of the data"
            self._trace = nice_to_know(
                what, lambda: self.told_more(client, statuses, trace), trace, ASK_SECONDS
            )
        if succeeded and self.emit_assets:
            what, told = "lineage: whether its assets are told of", self._trace
            nice_to_know(what, lambda: self._emit_assets(context, told), None)

    def _lineage_after(self) -> Trace:
        """Return what was kept; of a task that came to no end of its jobs the plan, and which they are."""
        if self._trace is not None:
            return self._trace
        trace = self._lineage_before()
        refs = [ref for ref in self._refs if ref.id]
        return trace.of_job(several.joined_ids(refs), refs[0].service) if refs else trace

    def _lineage_before(self) -> Trace:
        return nice_to_know("lineage: what it is to read and write", self._planned, Trace())

    def _planned(self) -> Trace:
        try:
            return self.planned()
        except JobsError:
            return Trace()  # a parameter is wrong: the task fails by that, and says so

    def _emit_assets(self, context: Context, trace: Trace) -> None:
        own = {str(each.uri): each for each in self.outlets if isinstance(each, Asset)}
        events: Any = context["outlet_events"]
        for each in trace.outputs:
            if is_temporary(each):
                continue
            asset = Asset(uri=each.uri)
            if asset.uri in own:
                events[own[asset.uri]].extra.update(_numbers(each, trace))
            else:
                events[self._alias].add(asset, extra=_numbers(each, trace))


def _numbers(dataset: Dataset, trace: Trace) -> dict[str, Any]:
    """Return what the event of an asset says."""
    numbers = {
        "job_id": trace.job[0] if trace.job else None,
        "service": trace.job[1] if trace.job else None,
        "row_count": dataset.row_count,
        "size_bytes": dataset.size_bytes,
    }
    return {name: value for name, value in numbers.items() if value is not None}
