"""From a query of Salesforce to a staging table of BigQuery: pages are sent as they come, and counted.

What a target makes of the staged rows is up to its operator. The target is not touched here.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.clients.salesforce.results.places import StreamProgress
from airflow_provider_jobs.clients.salesforce.results.stream import FEWEST_SPOOLED, SPOOL_PAGES
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.wait.single import ask_each
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import (
    ConflictError,
    NotFoundError,
    ProtocolError,
    ResultsUnavailable,
    ServiceError,
    SourceChanged,
    TransportError,
)
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.links.bigquery import BigQueryTableLink
from airflow_provider_jobs.links.transfers import TransferJobLink
from airflow_provider_jobs.operators.attempts import lasting_digest
from airflow_provider_jobs.operators.bigquery.job import BIGQUERY_JOBS, BigQueryJobOperator, BigQueryTask
from airflow_provider_jobs.operators.endings import nice_to_know
from airflow_provider_jobs.operators.memory import TaskMemory, TaskSession
from airflow_provider_jobs.operators.progress import ProgressLog
from airflow_provider_jobs.operators.salesforce.job import SalesforceTask
from airflow_provider_jobs.transfers.bigquery_sql import table_path
from airflow_provider_jobs.transfers.bigquery_target import STAGING_DAYS, staging_load, staging_table
from airflow_provider_jobs.transfers.salesforce_source import QUERY, SalesforceTransfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.clients.salesforce.results.stream import ResultPart
    from airflow_provider_jobs.core.work import JobRequest
    from airflow_provider_jobs.operators.bigquery.job import Table
    from airflow_provider_jobs.transfers.bigquery_sql import Statement

#: The stage after the query: pages are sent, and loaded.
LOAD = "load"
_DAY_MS = 24 * 3600 * 1000


class BigQueryStaging(SalesforceTransfer, BigQueryJobOperator):
    """What transfers from Salesforce to BigQuery share.

    :param destination_table: The target, as :data:`.Table` has it.
    :param spool_pages: Pages on the worker's disk at most.
    """

    can_begin_in_trigger = False
    found_without_store = False
    together = BIGQUERY_JOBS
    operator_extra_links = (TransferJobLink(), BigQueryTableLink())
    template_fields = (
        "destination_table",
        *SalesforceTransfer.template_fields,
        *BigQueryJobOperator.template_fields,
    )

    def __init__(self, *, destination_table: Table, spool_pages: int = SPOOL_PAGES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if spool_pages < FEWEST_SPOOLED:
            raise ValueError(f"spool_pages is {spool_pages}: it is at least {FEWEST_SPOOLED}")
        self.destination_table = destination_table
        self.spool_pages = spool_pages

    # What a target adds.

    def change(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Submit the jobs of a stage after those here."""
        raise NotImplementedError

    def after_load(self, client: BigQueryClient, context: Context) -> Sequence[Submission]:
        """Return the jobs that follow once all rows are staged."""
        raise NotImplementedError

    def after_change(
        self, client: BigQueryClient, context: Context, status: JobStatus
    ) -> Sequence[Submission]:
        """Return the jobs that follow those of :meth:`change`."""
        raise NotImplementedError

    def after_counts(self, context: Context) -> Sequence[Submission]:
        """Return what follows once the target is changed, and the counts of that are carried."""
        return ()

    def into(self) -> object:
        """Return what names the target."""
        return [self.project_id, self.destination_table]

    def check_parameters(self) -> None:
        """See that parameters are right and fit together, before any request is sent.

        :raises ConfigurationError: they do not.
        """
        super().check_parameters()
        table_path(self.target(self.target_client()))

    # Which service a stage is of.

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook of the stage's service."""
        return self._of_salesforce() if self.stage == QUERY else self._of_bigquery()

    def client(self) -> Any:
        """Return the client of the stage's service."""
        return (SalesforceHook if self.stage == QUERY else BigQueryHook)(**self.hook_args()).get_conn()

    def target_client(self) -> BigQueryClient:
        """Return BigQuery's client, whatever the stage."""
        return BigQueryHook(**self._of_bigquery()).get_conn()

    def _of_salesforce(self) -> dict[str, Any]:
        return {SalesforceHook.conn_name_attr: self.salesforce_conn_id}

    def _of_bigquery(self) -> dict[str, Any]:
        return {
            BigQueryHook.conn_name_attr: self.gcp_conn_id,
            "project_id": self.project_id or None,
            "impersonation_chain": self.impersonation_chain or None,
        }

    def named_by(self, client: Any, event: dict[str, Any]) -> list[JobStatus]:
        """Return nothing: a BigQuery job that the event of another operator names is not this one's."""
        return []

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about the job of a stage."""
        of_salesforce = status.ref.service == SalesforceTask.service
        return (SalesforceTask if of_salesforce else BigQueryTask).summary(status)

    # The stages.

    def submissions(self, client: Any, context: Context) -> list[Submission]:
        """Submit the jobs of the stage, or adopt those of an earlier attempt."""
        self._carried["since"] = time.time()
        if self.stage == QUERY:
            return self.query(client, context)
        return self._send(client, context) if self.stage == LOAD else self.change(client, context)

    def following(
        self, client: Any, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Return the jobs of the stage after one that has succeeded."""
        if several.state_of(statuses) is not JobState.SUCCEEDED:
            return statuses, ()
        self.note(statuses)
        if self.stage == QUERY:
            return statuses, self._after_query(context, statuses[0])
        if self.stage == LOAD:
            self._check_loaded(context, statuses)
            return statuses, self.after_load(client, context)
        return statuses, self.after_change(client, context, statuses[0])

    def _after_query(self, context: Context, status: JobStatus) -> Sequence[Submission]:
        records = status.statistics.get("record_count") or 0
        self._carried.setdefault("record_count", records)
        self._carried["read"] = status.ref.to_json()
        if self.counted in self._carried:
            self.log.info("an earlier attempt has changed the target already")
            self.drop_staging(self.target_client(), context)
            return self.after_counts(context)
        if not records and self.reading.span.window:
            self.log.info("no record has changed: the target is as it was")
            return self.after_counts(context)
        return self.begin(LOAD, context)

    def _send(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Send the query's results in parts, and return the jobs that load them."""
        ref = JobRef.from_json(self._carried["read"])
        memory = self._kept_parts(client, context)
        kept = memory.recall() or {"progress": None, "jobs": []}
        jobs = [JobRef.from_json(each) for each in kept["jobs"]]
        loads = ask_each(client.status, jobs)
        if any(load.state in {JobState.FAILED, JobState.CANCELLED} for load in loads):
            self.log.info("a part was not loaded by an earlier attempt: all are sent again, to another table")
            self.next_round(self.source_client(), context)
            return self._send(client, context)
        staging = self._make_staging(client, context)
        progress = StreamProgress.from_json(kept["progress"]) if kept["progress"] else None

        def remember(progress: StreamProgress) -> None:
            memory.remember({"progress": progress.to_json(), "jobs": [each.to_json() for each in jobs]})

        submissions = [Submission(load, adopted=True) for load in loads]
        sink = LocalSink(tempfile.gettempdir())
        try:
            with self.source_client().stream_results(
                ref, sink, spool_pages=self.spool_pages, progress=progress, on_progress=remember
            ) as stream:
                for part in stream.parts():
                    submissions.append(self._send_part(client, context, staging, part))
                    jobs.append(submissions[-1].status.ref)
                self._carried["sent"] = stream.total
        except (ProtocolError, SourceChanged):
            self.next_round(self.source_client(), context)
            raise
        except NotFoundError as error:  # Salesforce has the query no more: a retry makes another
            raise ResultsUnavailable(f"the results of {ref} could not be read: {error}") from error
        finally:
            sink.clear()
        return submissions

    def _kept_parts(self, client: BigQueryClient, context: Context) -> TaskMemory:
        """Return where it is kept which parts are in the staging table, and how far the next one is."""
        work = [client.project, self.staging(client, context)]
        return TaskMemory(context, "salesforce_transfer_parts", work, self._since)

    def _send_part(
        self, client: BigQueryClient, context: Context, staging: Mapping[str, str], part: ResultPart
    ) -> Submission:
        load = staging_load(staging, self.reading.columns, is_first=False)
        whole = self.request_of(client, context, {"load": load})
        key = f"{whole.key}_{part.number}"
        media = Media(part, TaskSession(context, key), ProgressLog(self.log, part.name))
        submission = self._submit(client, replace(whole, key=key, key_before=None, media=media))
        if part.number:
            self._parts[submission.status.ref.id] = part.name
        return submission

    def _check_loaded(self, context: Context, statuses: Sequence[JobStatus]) -> None:
        loaded = sum(status.statistics.get("row_count") or 0 for status in statuses)
        if loaded != self._carried["sent"]:
            self.next_round(self.source_client(), context)
            raise ProtocolError(
                f"{self._carried['sent']} records were sent to BigQuery, and {loaded} rows were loaded: the "
                "target is as it was"
            )
        self._carried["loaded"] = loaded
        sizes = [status.statistics.get("input_bytes") or 0 for status in statuses]
        self._carried.setdefault("size_bytes", sum(sizes))

    # The tables.

    def target(self, client: BigQueryClient) -> dict[str, str]:
        """Return the TableReference of the target."""
        return table_reference(self.destination_table, client.table_project, "destination_table")

    def staging(self, client: BigQueryClient, context: Context, number: int | None = None) -> dict[str, str]:
        """Return the table that the results of this query go to, and of no other.

        :param number: Of the round; default is the one that the task is in.
        """
        number = self._carried["round"] if number is None else number
        work = (lasting_digest(context), self._carried["read"]["id"], number)
        return staging_table(self.target(client), self.reading.object_name, *work)

    def _make_staging(self, client: BigQueryClient, context: Context) -> dict[str, str]:
        staging = self.staging(client, context)
        fields = [{"name": column.name, "type": "STRING"} for column in self.reading.columns]
        expires = int(client.service_time(client.timing.now()) * 1000) + STAGING_DAYS * _DAY_MS
        table = {"tableReference": staging, "schema": {"fields": fields}, "expirationTime": str(expires)}
        try:
            client.insert_table(table)
        except ConflictError:
            self.log.info("going on with the staging table %s", staging["tableId"])
        return staging

    def drop_staging(self, client: BigQueryClient, context: Context) -> None:
        """Drop the staging table, and those of earlier rounds; BigQuery does it in days if this cannot."""

        def drop() -> None:
            for number in range(self._carried["round"] + 1):
                client.delete_table(self.staging(client, context, number))

        nice_to_know("whether the staging table is dropped", drop, None)

    def statement_request(self, client: BigQueryClient, context: Context, statement: Statement) -> JobRequest:
        """Return a statement as work of this task."""
        return self.request_of(client, context, {"query": statement.query()})

    def rows_of(self, client: BigQueryClient, context: Context, statement: Statement) -> list[dict[str, Any]]:
        """Run a query that changes nothing, and return its rows: those of now, not an earlier attempt's."""
        request = self.statement_request(client, context, statement)
        now = replace(request, key=f"{request.key}_{uuid.uuid4().hex[:8]}", key_before=None, first=True)
        return rows_of_job(client, client.submit(now).status)


def rows_of_job(client: BigQueryClient, status: JobStatus) -> list[dict[str, Any]]:
    """Return the rows of a query, of a script those of its last statement.

    :raises ResultsUnavailable: it is known to have succeeded, and they cannot be read: a retry finds it done.
    """
    ref = status.ref
    try:
        return list(client.get_query_results(ref.id, ref.scope, location=ref.location))
    except (TransportError, ServiceError) as error:
        if status.state is not JobState.SUCCEEDED:
            raise
        unread = ResultsUnavailable(f"{ref} has succeeded, and its rows could not be read: {error}")
        unread.retry_after = error.retry_after
        raise unread from None


def found_table(client: BigQueryClient, table: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a table, None if there is none."""
    try:
        return client.get_table(table)
    except NotFoundError:
        return None
