"""Salesforce to BigQuery: records go as they come into a staging table of text, and by one script from there.

Between the query and the script nothing is on the worker but a few pages; the target changes as a whole, at
the end, or not at all.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.clients.salesforce.results.places import StreamProgress
from airflow_provider_jobs.clients.salesforce.results.stream import SPOOL_PAGES
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.wait.single import ask_each
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    ProtocolError,
    SourceChanged,
)
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.links.transfers import TransferJobLink
from airflow_provider_jobs.operators.attempts import lasting_digest
from airflow_provider_jobs.operators.bigquery.job import BIGQUERY_JOBS, BigQueryJobOperator, BigQueryTask
from airflow_provider_jobs.operators.endings import nice_to_know
from airflow_provider_jobs.operators.memory import TaskMemory, TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.salesforce.job import SalesforceTask
from airflow_provider_jobs.transfers.bigquery_merge import (
    Counts,
    Merge,
    bad_values_query,
    bad_values_report,
    merge_script,
    refresh_script,
    replace_script,
)
from airflow_provider_jobs.transfers.bigquery_target import (
    STAGING_DAYS,
    Layout,
    Mark,
    has_mark,
    mark_of,
    mark_query,
    plan_target,
    staging_load,
    staging_table,
)
from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice
from airflow_provider_jobs.transfers.salesforce_source import QUERY, SalesforceSource
from airflow_provider_jobs.transfers.salesforce_window import FORMULAS, FULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.clients.salesforce.results.stream import ResultPart
    from airflow_provider_jobs.core.work import JobRequest
    from airflow_provider_jobs.operators.bigquery.job import Table
    from airflow_provider_jobs.transfers.bigquery_sql import Statement
    from airflow_provider_jobs.transfers.bigquery_target import TargetPlan
    from airflow_provider_jobs.transfers.salesforce_source import Described, Reading

#: After the query: pages are sent and loaded, the target's schema follows the object's, its rows follow.
LOAD, SCHEMA, MERGE = "load", "schema", "merge"
WARN, BACKFILL = "warn", "backfill"
_DAY_MS = 24 * 3600 * 1000


class SalesforceToBigQueryOperator(SalesforceSource, BigQueryJobOperator):
    """Copy records of a Salesforce object into a BigQuery table, all of them or those that have changed.

    Records are read by one Bulk API 2.0 query, deleted ones among them, and go page by page into a staging
    table; one script merges them into the target, in a transaction. A worker is held only while bytes flow.
    Rows are counted at every station: if they do not add up, the task fails, and the target is as it was.

    Besides the fields' columns the target has ``_synced_to``, the instant up to which its run was complete,
    of which the largest is the mark that an incremental run goes on from; ``_loaded_at``; and ``_deleted_at``,
    which a :class:`.SalesforceSweepOperator` sets.

    The result is a dict: ``object``, ``mode``, ``operation``, ``window``, ``mark_before``, ``mark_after``,
    ``record_count`` (read), ``size_bytes``, ``loaded``, ``inserted``, ``updated``, ``deleted``, what was set
    aside (``duplicates``, ``older``, ``absent``), ``nulled``, ``rows_before`` and ``rows_after`` of the
    target, ``destination_table``, ``seconds`` of each station, and ``job_ids``.

    :param destination_table: The target, as :data:`.Table` has it; it is made if it is not there.
    :param numbers: ``numeric`` keeps decimals exact, ``float64`` makes double and percent floating.
    :param multipicklists: ``string`` keeps ``a;b`` as it is, ``array`` makes an ARRAY of it.
    :param deleted: ``keep`` leaves deleted records in the target, with IsDeleted; ``remove`` takes them out.
    :param bad_values: ``fail``, or ``null`` for text that is not a value of its field's type.
    :param on_new_field: ``warn`` leaves a new field empty in rows that do not change; ``backfill`` reads it
        of all records.
    :param time_partitioning: Of a target that is made: the API's TimePartitioning, such as
        ``{"type": "MONTH", "field": "CreatedDate"}``.
    :param cluster_fields: Of a target that is made; default is Id, by which rows are looked for.
    :param spool_pages: Pages on the worker's disk at most.
    """

    can_begin_in_trigger = False
    found_without_store = False
    together = BIGQUERY_JOBS
    operator_extra_links = (TransferJobLink(),)
    template_fields: Sequence[str] = (
        "destination_table",
        *SalesforceSource.template_fields,
        *BigQueryJobOperator.template_fields,
    )

    def __init__(
        self,
        *,
        destination_table: Table,
        numbers: str = "numeric",
        multipicklists: str = "string",
        deleted: str = "keep",
        bad_values: str = "fail",
        on_new_field: str = WARN,
        time_partitioning: Mapping[str, Any] | None = None,
        cluster_fields: Sequence[str] = ("Id",),
        spool_pages: int = SPOOL_PAGES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_new_field not in (WARN, BACKFILL):
            raise ValueError(f"on_new_field is {on_new_field!r}: it is {WARN} or {BACKFILL}")
        self.destination_table = destination_table
        self.numbers = numbers
        self.multipicklists = multipicklists
        self.deleted = deleted
        self.bad_values = bad_values
        self.on_new_field = on_new_field
        self.time_partitioning = time_partitioning
        self.cluster_fields = cluster_fields
        self.spool_pages = spool_pages

    # Which service a stage is of.

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook of the stage's service."""
        if self.stage == QUERY:
            return {SalesforceHook.conn_name_attr: self.salesforce_conn_id}
        return {
            BigQueryHook.conn_name_attr: self.gcp_conn_id,
            "project_id": self.project_id or None,
            "impersonation_chain": self.impersonation_chain or None,
        }

    def client(self) -> Any:
        """Return the client of the stage's service."""
        return (SalesforceHook if self.stage == QUERY else BigQueryHook)(**self.hook_args()).get_conn()

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about the job of a stage."""
        of_salesforce = status.ref.service == SalesforceTask.service
        return (SalesforceTask if of_salesforce else BigQueryTask).summary(status)

    # Before anything is read.

    def field_choice(self) -> FieldChoice:
        """Return which fields are wanted, and how."""
        return replace(super().field_choice(), numbers=self.numbers, multipicklists=self.multipicklists)

    def target_mark(self, context: Context) -> Mark:
        """Ask the target how far it is complete."""
        client, target = self._target()
        table = _found(client, target)
        if table is None or not has_mark(table):
            return mark_of(table, None)
        request = self._query_request(client, context, mark_query(target))
        ref = client.submit(request).status.ref
        [row] = client.get_query_results(ref.id, ref.scope, location=ref.location)
        return mark_of(table, row)

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the target can take what is read; tell what will become of its schema."""
        self._merge(reading)  # its words
        client, target = self._target()
        plan = self._plan(client, target, reading)
        if plan.is_new and reading.span.mode == FORMULAS:
            raise ConfigurationError(f'mode "{FORMULAS}" is for a target that is there: read it whole first')
        self.tell_reading(described, reading)
        if gone := plan.gone(described.selection.left_out):
            self.log.warning(
                "columns whose fields are gone, or hidden from this user, keep their values: %s", ", ".join(gone)
            )
        if plan.added:
            self._carried["added"] = list(plan.added)
            then = "are read of all records" if self.on_new_field == BACKFILL else "stay empty in other rows"
            self.log.warning("new fields become columns, and %s: %s", then, ", ".join(plan.added))

    # The stages.

    def submissions(self, client: Any, context: Context) -> list[Submission]:
        """Submit the jobs of the stage, or adopt those of an earlier attempt."""
        self._carried["since"] = time.time()
        match self.stage:
            case "load":
                return self._send(client, context)
            case "schema":
                return self._follow_schema(client, context)
            case "merge":
                return [self._change(client, context)]
            case _:
                return self.query(client, context)

    def following(
        self, client: Any, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Return the jobs of the stage after one that has succeeded."""
        if several.state_of(statuses) is not JobState.SUCCEEDED:
            return statuses, ()
        self._note(statuses)
        match self.stage:
            case "query":
                following = self._after_query(context, statuses[0])
            case "load":
                following = self._after_load(context, statuses)
            case "schema":
                following = self._begin(MERGE, context)
            case _:
                following = self._after_merge(client, context, statuses[0])
        return statuses, following

    def _begin(self, stage: str, context: Context) -> list[Submission]:
        return self.submissions(self.enter(stage), context)

    def _note(self, statuses: Sequence[JobStatus]) -> None:
        """Remember how long a stage took, and its jobs."""
        seconds = round(time.time() - self._carried.get("since", time.time()), 1)
        name = f"refresh_{self.stage}" if "refresh" in self._carried else self.stage
        self._carried["seconds"] = {**self._carried.get("seconds", {}), name: seconds}
        ids = several.joined_ids([status.ref for status in statuses])
        self._carried["job_ids"] = {**self._carried.get("job_ids", {}), name: ids}

    def _after_query(self, context: Context, status: JobStatus) -> list[Submission]:
        records = status.statistics.get("record_count") or 0
        if "refresh" not in self._carried:
            self._carried["record_count"] = records
        self._carried["read"] = status.ref.to_json()
        if not records and self.reading.span.mode != FULL:
            self.log.info("no record has changed: the target is as it was")
            return []
        return self._begin(LOAD, context)

    def _send(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Send the query's results in parts, and return the jobs that load them."""
        ref = JobRef.from_json(self._carried["read"])
        staging = self._make_staging(client, context)
        memory = TaskMemory(context, "salesforce_transfer_parts", [ref.id, self._carried["round"]], self._since)
        kept = memory.recall() or {"progress": None, "jobs": []}
        jobs = [JobRef.from_json(each) for each in kept["jobs"]]
        progress = StreamProgress.from_json(kept["progress"]) if kept["progress"] else None

        def remember(progress: StreamProgress) -> None:
            document = {"progress": progress.to_json(), "jobs": [each.to_json() for each in jobs]}
            memory.remember(document)

        submissions = [
            Submission(status, adopted=True) for status in ask_each(client.status, jobs)
        ]
        sink = LocalSink(tempfile.gettempdir())
        try:
            with self.source_client().stream_results(
                ref, sink, spool_pages=self.spool_pages, progress=progress, on_progress=remember
            ) as stream:
                for part in stream.parts():
                    submission = self._send_part(client, context, staging, part)
                    submissions.append(submission)
                    self._carried["size_bytes"] = self._carried.get("size_bytes", 0) + part.end.size_bytes
                    if part.end.following:
                        jobs.append(submission.status.ref)
                self._carried["sent"] = stream.total
        except (ProtocolError, SourceChanged):
            self.next_round(self.source_client(), context)
            raise
        finally:
            sink.clear()
        return submissions

    def _send_part(
        self, client: BigQueryClient, context: Context, staging: Mapping[str, str], part: ResultPart
    ) -> Submission:
        load = {"load": staging_load(staging, self.reading.columns, is_first=False)}
        whole = self.request_of(client, context, load)
        key = f"{whole.key}_{part.number}"
        media = Media(part, TaskSession(context, key), ProgressLog(self.log, part.name))
        submission = self._submit(client, replace(whole, key=key, key_before=None, media=media))
        if part.number:
            self._parts[submission.status.ref.id] = part.name
        return submission

    def _after_load(self, context: Context, statuses: Sequence[JobStatus]) -> list[Submission]:
        loaded, sent = sum(status.statistics.get("row_count") or 0 for status in statuses), self._carried["sent"]
        if loaded != sent:
            self.next_round(self.source_client(), context)
            raise ProtocolError(
                f"{sent} records were sent to BigQuery, and {loaded} rows were loaded: the target is as it was"
            )
        self._carried["loaded"] = loaded
        client, target = self._target()
        return self._begin(SCHEMA if self._plan(client, target, self.reading).statements else MERGE, context)

    def _follow_schema(self, client: BigQueryClient, context: Context) -> list[Submission]:
        statements = self._plan(client, self._target_reference(client), self.reading).statements
        if not statements:  # another run has just done it
            return self._begin(MERGE, context)
        sql = ";\n".join(each.sql for each in statements)
        return [self._submit(client, self.request_of(client, context, {"query": {"query": sql}}))]

    def _change(self, client: BigQueryClient, context: Context) -> Submission:
        reading, target = self.reading, self._target_reference(client)
        plan, loaded = self._plan(client, target, reading), self._carried["loaded"]
        merge = replace(
            self._merge(reading), columns=plan.columns, kept=plan.kept, target=target, staging=self._staging(client, context)
        )
        synced_to = reading.span.synced_to
        if reading.span.mode == FORMULAS:
            statement = refresh_script(merge, loaded=loaded)
        elif reading.span.mode == FULL:
            statement = replace_script(merge, loaded=loaded, synced_to=synced_to)
        else:
            statement = merge_script(merge, loaded=loaded, synced_to=synced_to)
        return self._submit(client, self._query_request(client, context, statement))

    def _after_merge(self, client: BigQueryClient, context: Context, status: JobStatus) -> list[Submission]:
        [row] = client.get_query_results(status.ref.id, status.ref.scope, location=status.ref.location)
        counts = Counts(**row)
        key = "refreshed" if "refresh" in self._carried else "counts"
        self._carried[key] = asdict(counts)
        staging = self._staging(client, context)
        nice_to_know("whether the staging table is dropped", lambda: client.delete_table(staging), None)
        if "refresh" in self._carried or self.on_new_field != BACKFILL or not self._carried.get("added"):
            return []
        if self.reading.span.mode == FULL or self.reading.cursor is None:
            return []
        self._carried["refresh"] = self._carried["added"]
        return self._begin(QUERY, context)

    def ended(self, client: Any, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses; what was wrong with values is told where a script has failed."""
        if self.stage == MERGE and several.state_of(statuses) is JobState.FAILED:
            nice_to_know("which values are bad", lambda: self._tell_bad_values(client, context), None)
        return statuses

    def _tell_bad_values(self, client: BigQueryClient, context: Context) -> None:
        statement = bad_values_query(replace(self._merge(self.reading), staging=self._staging(client, context)))
        if statement is None:
            return
        ref = client.submit(self._query_request(client, context, statement)).status.ref
        rows = list(client.get_query_results(ref.id, ref.scope, location=ref.location))
        if rows:
            self.log.error("%s: %s", self.reading.object_name, bad_values_report(rows))

    def result(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what was read, and what has become of it."""
        reading, carried = self.reading, self._carried
        span, counts = reading.span, dict.fromkeys(_COUNTS, 0) | carried.get("counts", {})
        window = span.window
        after = span.synced_to if carried.get("counts") else None
        return {
            "object": reading.object_name,
            "mode": span.mode,
            "operation": reading.operation,
            "window": [each.isoformat() for each in (window.start, window.end)] if window else None,
            "mark_before": span.mark and span.mark.isoformat(),
            "mark_after": max((each for each in (span.mark, after) if each), default=None),
            "record_count": carried["record_count"],
            "size_bytes": carried.get("size_bytes", 0),
            **counts,
            "destination_table": self.destination_table,
            "seconds": carried.get("seconds", {}),
            "job_ids": carried.get("job_ids", {}),
        }

    # The target.

    def _target(self) -> tuple[BigQueryClient, dict[str, str]]:
        client = BigQueryHook(
            self.gcp_conn_id,
            project_id=self.project_id or None,
            impersonation_chain=self.impersonation_chain or None,
        ).get_conn()
        return client, self._target_reference(client)

    def _target_reference(self, client: BigQueryClient) -> dict[str, str]:
        return table_reference(self.destination_table, client.table_project, "destination_table")

    def _plan(self, client: BigQueryClient, target: Mapping[str, str], reading: Reading) -> TargetPlan:
        partition = dict(self.time_partitioning or {})
        layout = Layout(partition.get("field"), partition.get("type", "MONTH"), tuple(self.cluster_fields))
        return plan_target(target, _found(client, target), reading.columns, layout)

    def _merge(self, reading: Reading) -> Merge:
        return Merge({}, {}, reading.columns, reading.cursor, (), self.deleted, self.bad_values)

    def _staging(self, client: BigQueryClient, context: Context) -> dict[str, str]:
        """Return the table that the results of this query go to, and of no other."""
        dataset, query = self._target_reference(client), self._carried["read"]["id"]
        work = (lasting_digest(context), query, self._carried["round"])
        return staging_table(dataset, self.reading.object_name, *work)

    def _make_staging(self, client: BigQueryClient, context: Context) -> dict[str, str]:
        staging = self._staging(client, context)
        fields = [{"name": column.name, "type": "STRING"} for column in self.reading.columns]
        expires = int((client.service_time(client.timing.now())) * 1000) + STAGING_DAYS * _DAY_MS
        table = {"tableReference": staging, "schema": {"fields": fields}, "expirationTime": str(expires)}
        try:
            client.insert_table(table)
        except ConflictError:
            self.log.info("going on with the staging table %s", staging["tableId"])
        return staging

    def _query_request(
        self, client: BigQueryClient, context: Context, statement: Statement
    ) -> JobRequest:
        return self.request_of(client, context, {"query": statement.query()})


#: What the result of a run that read nothing says, too.
_COUNTS = ("loaded", "inserted", "updated", "deleted", "duplicates", "older", "absent", "nulled")


def _found(client: BigQueryClient, table: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a table, None if there is none."""
    try:
        return client.get_table(table)
    except NotFoundError:
        return None
