"""Salesforce to BigQuery: records go as they come into a staging table of text, and by one script from there.

Between the query and the script nothing is on the worker but a few pages; the target changes as a whole, at
the end, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, ServiceError
from airflow_provider_jobs.jobs import JobState, JobStatus
from airflow_provider_jobs.operators.endings import nice_to_know
from airflow_provider_jobs.transfers.bigquery_merge import (
    ID,
    IS_DELETED,
    Counts,
    Merge,
    bad_values_query,
    bad_values_report,
    merge_script,
    refresh_script,
    replace_script,
)
from airflow_provider_jobs.transfers.bigquery_staging import BigQueryStaging, found_table, rows_of_job
from airflow_provider_jobs.transfers.bigquery_target import (
    Layout,
    has_mark,
    mark_of,
    mark_query,
    plan_target,
)
from airflow_provider_jobs.transfers.salesforce_lineage import target_table
from airflow_provider_jobs.transfers.salesforce_reading import Reading
from airflow_provider_jobs.transfers.salesforce_source import QUERY, SalesforceSource
from airflow_provider_jobs.transfers.salesforce_window import FORMULAS, FULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import Submission
    from airflow_provider_jobs.lineage.datasets import Dataset
    from airflow_provider_jobs.transfers.bigquery_sql import Statement
    from airflow_provider_jobs.transfers.bigquery_target import TargetPlan
    from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice
    from airflow_provider_jobs.transfers.salesforce_reading import Described
    from airflow_provider_jobs.transfers.salesforce_window import Mark

#: The stages after the load: the target's schema follows the object's, and its rows follow the records.
SCHEMA, MERGE = "schema", "merge"
WARN, BACKFILL = "warn", "backfill"
#: What the result of a run that read nothing says, too.
_COUNTS = ("loaded", "inserted", "updated", "deleted", "duplicates", "older", "absent", "nulled")


class SalesforceToBigQueryOperator(SalesforceSource, BigQueryStaging):
    """Copy records of a Salesforce object into a BigQuery table, all of them or those that have changed.

    Records are read by one Bulk API 2.0 query, deleted ones among them, and go page by page into a staging
    table; one script merges them into the target, in a transaction. A worker is held only while bytes flow.
    Rows are counted at every station: if they do not add up, the task fails, and the target is as it was.

    Besides the columns of fields the target has ``_synced_to``, the instant up to which a row's run was
    complete, of which the largest is the mark that an incremental run goes on from; ``_loaded_at``; and
    ``_deleted_at``, which a :class:`.SalesforceSweepOperator` sets.

    The result is a dict: ``object``, ``mode``, ``operation``, ``window``, ``mark_before``, ``mark_after``,
    ``record_count`` (read), ``size_bytes``, ``loaded``, ``inserted``, ``updated``, ``deleted``, what was set
    aside (``duplicates``, ``older``, ``absent``), ``nulled``, ``rows_before`` and ``rows_after`` of the
    target (None if nothing was read: then it is not asked), ``destination_table``, ``seconds`` and
    ``job_ids`` of each stage, and ``refreshed``, the counts of what was read of new fields.

    See the base classes for the other parameters.

    :param numbers: ``numeric`` keeps decimals exact, ``float64`` makes double and percent floating.
    :param multipicklists: ``string`` keeps ``a;b`` as it is, ``array`` makes an ARRAY of it.
    :param deleted: ``keep`` leaves deleted records in the target, with IsDeleted; ``remove`` takes them out.
    :param bad_values: ``fail``, or ``null`` for text that is not a value of its field's type.
    :param on_new_field: ``warn`` leaves a new field empty in rows that do not change; ``backfill`` reads it
        of all records.
    :param time_partitioning: Of a target that is made: the API's TimePartitioning, such as
        ``{"type": "MONTH", "field": "CreatedDate"}``.
    :param cluster_fields: Of a target that is made; default is Id, by which rows are looked for.
    """

    template_fields = tuple(
        dict.fromkeys(
            (
                *("time_partitioning", "cluster_fields"),
                *SalesforceSource.template_fields,
                *BigQueryStaging.template_fields,
            )
        )
    )

    def __init__(
        self,
        *,
        numbers: str = "numeric",
        multipicklists: str = "string",
        deleted: str = "keep",
        bad_values: str = "fail",
        on_new_field: str = WARN,
        time_partitioning: Mapping[str, Any] | None = None,
        cluster_fields: Sequence[str] = ("Id",),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_new_field not in (WARN, BACKFILL):
            raise ValueError(f"on_new_field is {on_new_field!r}: it is {WARN} or {BACKFILL}")
        self.numbers = numbers
        self.multipicklists = multipicklists
        self.deleted = deleted
        self.bad_values = bad_values
        self.on_new_field = on_new_field
        self.time_partitioning = time_partitioning
        self.cluster_fields = cluster_fields

    # Before anything is read.

    def field_choice(self) -> FieldChoice:
        """Return which fields are wanted, and how."""
        return replace(super().field_choice(), numbers=self.numbers, multipicklists=self.multipicklists)

    def target_mark(self, context: Context) -> Mark:
        """Ask the target how far it is complete."""
        client = self.target_client()
        table = found_table(client, self.target(client))
        if table is None or not has_mark(table):
            return mark_of(table, None)
        [row] = self.rows_of(client, context, mark_query(self.target(client)))
        return mark_of(table, row)

    def check_parameters(self) -> None:
        """See that parameters are right and fit together, before any request is sent.

        :raises ConfigurationError: they do not.
        """
        super().check_parameters()
        Merge({}, {}, (), deleted=self.deleted, bad_values=self.bad_values)
        self._layout()

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the target can take what is read; tell what will become of its schema."""
        client = self.target_client()
        plan = self._plan(client, reading)
        if plan.is_new and reading.span.mode == FORMULAS:
            raise ConfigurationError(f'mode "{FORMULAS}" is for a target that is there: read it whole first')
        if plan.is_new:
            self._check_dataset(client)
        self._statement(client, reading, plan, self.target(client), 0)  # of any staging table
        self.tell_reading(described, reading)
        if gone := plan.gone(each["name"] for each in described.describe["fields"]):
            told = "columns whose fields are gone, or hidden from this user, keep their values: %s"
            self.log.warning(told, several.names(gone))
        if plan.added:
            self._carried["added"] = list(plan.added)
            then = "are read of all records" if self.on_new_field == BACKFILL else "stay empty in other rows"
            self.log.warning("new fields become columns, and %s: %s", then, several.names(plan.added))

    # The stages.

    def change(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Submit the job that brings the target's schema up to date, or the one that changes its rows."""
        plan = self._plan(client, self.reading)
        if self.stage == SCHEMA and plan.statements:
            sql = ";\n".join(each.sql for each in plan.statements)
            request = self.request_of(client, context, {"query": {"query": sql}})
            if self._carried.get("schema_again"):
                request = replace(request, key=f"{request.key}_again", key_before=None)
            return [self._submit(client, request)]
        if self.stage == SCHEMA:  # another run has just done it
            return self.begin(MERGE, context)
        staging, loaded = self.staging(client, context), self._carried["loaded"]
        statement = self._statement(client, self.reading, plan, staging, loaded)
        return [self._submit(client, self.statement_request(client, context, statement))]

    def after_load(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Return the job that brings the target's schema up to date, or the one that changes its rows."""
        ahead = not self.refreshes and self._plan(client, self.reading).statements
        return self.begin(SCHEMA if ahead else MERGE, context)

    def after_change(self, client: BigQueryClient, context: Context, status: JobStatus) -> list[Submission]:
        """Return the merge after the schema; after the merge the query of fields that are new, if wanted."""
        if self.stage == SCHEMA:
            again = "schema_again" not in self._carried and bool(self._plan(client, self.reading).statements)
            if again:  # the job was an earlier attempt's, and the target is another by now
                self._carried["schema_again"] = True
            return self.begin(SCHEMA if again else MERGE, context)
        [row] = rows_of_job(client, status)
        counts = Counts(**row)
        self.log.info("%s: %s", self.reading.object_name, counts)
        self._carried[self.counted] = asdict(counts)
        names = (self.counted, "size_bytes", "seconds", "job_ids")
        self.note_done(context, {name: self._carried[name] for name in names})
        self.drop_staging(client, context)
        return self.after_counts(context)

    def after_counts(self, context: Context) -> list[Submission]:
        """Return the query of fields that are new, if they are wanted of all records."""
        reading = self.reading
        # The cursor's own values come with the next change of a record: no other says which is the later one.
        added = [name for name in self._carried.get("added", ()) if name not in {ID, reading.cursor}]
        if self.refreshes or not added or not self._adds_later(reading):
            return []
        self._carried |= {"refresh": added, "first": replace(reading, columns=()).to_json()}
        return self.begin(QUERY, context)

    def _statement(
        self,
        client: BigQueryClient,
        reading: Reading,
        plan: TargetPlan,
        staging: Mapping[str, str],
        loaded: int,
    ) -> Statement:
        """Return the script that changes the target's rows.

        :raises ConfigurationError: there is nothing to change, or it would be too long for BigQuery.
        """
        merge = replace(
            self._merge(reading),
            target=self.target(client),
            staging=staging,
            columns=plan.columns,
            kept=plan.kept,
            defaults=plan.defaults or {},
        )
        if reading.span.mode == FORMULAS:
            return refresh_script(merge, loaded=loaded, before=plan.statements)
        script = replace_script if reading.span.mode == FULL else merge_script
        return script(merge, loaded=loaded, synced_to=reading.span.synced_to)

    # The end.

    def ended(self, client: Any, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses; what was wrong with values is told where a script has failed."""
        if self.stage == MERGE and several.state_of(statuses) is JobState.FAILED:
            nice_to_know("which values are bad", lambda: self._tell_bad_values(client, context), None)
        return statuses

    def _tell_bad_values(self, client: BigQueryClient, context: Context) -> None:
        statement = bad_values_query(
            replace(self._merge(self.reading), staging=self.staging(client, context))
        )
        if statement and (rows := self.rows_of(client, context, statement)):
            self.log.error("%s: %s", self.reading.object_name, bad_values_report(rows))

    def result(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what was read, and what has become of it."""
        carried = self._carried
        reading = Reading.from_json(carried["first"]) if self.refreshes else self.reading
        span, counts = reading.span, carried.get("counts", {})
        return {
            "object": reading.object_name,
            "mode": span.mode,
            "operation": reading.operation,
            **span.told(changed=bool(counts.get("inserted") or counts.get("updated"))),
            "record_count": carried["record_count"],
            "size_bytes": carried.get("size_bytes", 0),
            **dict.fromkeys(_COUNTS, 0),
            **dict.fromkeys(("rows_before", "rows_after")),
            **counts,
            **({"refreshed": carried["refreshed"]} if "refreshed" in carried else {}),
            "destination_table": self.destination_table,
            "seconds": carried.get("seconds", {}),
            "job_ids": carried.get("job_ids", {}),
        }

    # The target.

    def target_dataset(self) -> Dataset:
        """Return the target, with the rows of it that the run has written."""
        counts = self._carried.get("counts")
        rows = counts["inserted"] + counts["updated"] if counts else None
        return replace(target_table(self.target(self.target_client())), row_count=rows)

    def _plan(self, client: BigQueryClient, reading: Reading) -> TargetPlan:
        target = self.target(client)
        later = self._adds_later(reading) and not self.refreshes
        needed = {ID, IS_DELETED, str(reading.cursor)} if later else None
        table = found_table(client, target)
        return plan_target(target, table, reading.columns, self._layout(), needed=needed)

    def _adds_later(self, reading: Reading) -> bool:
        """Return True if columns of new fields are made with their values, after what has changed."""
        whole = reading.span.mode in {FULL, FORMULAS} or not reading.cursor
        return self.on_new_field == BACKFILL and not whole

    def _check_dataset(self, client: BigQueryClient) -> None:
        """See that there is a dataset for a target that has to be made."""
        target = self.target(client)
        dataset = {"projectId": target["projectId"], "datasetId": target["datasetId"]}
        try:
            client.get_dataset(dataset)
        except NotFoundError as error:
            raise ConfigurationError(
                f"there is no dataset {'.'.join(dataset.values())} for the target: make it first"
            ) from error
        except ServiceError as error:
            if error.retryable:
                raise
            self.log.info("whether the dataset is there could not be asked: %s", error)

    def _layout(self) -> Layout:
        if not isinstance(self.time_partitioning or {}, Mapping):
            raise ConfigurationError(
                "time_partitioning is not a mapping: give field, and type besides or not"
            )
        if isinstance(self.cluster_fields, str):
            raise ConfigurationError("cluster_fields is text: give a list of names")
        partition = dict(self.time_partitioning or {})
        if partition and not {"field"} <= partition.keys() <= {"field", "type"}:
            given = ", ".join(sorted(map(str, partition)))
            raise ConfigurationError(f"time_partitioning has {given}: give field, and type besides or not")
        return Layout(
            partition.get("field"), partition.get("type", "MONTH"), tuple(self.cluster_fields or ())
        )

    def _merge(self, reading: Reading) -> Merge:
        return Merge({}, {}, reading.columns, reading.cursor, (), self.deleted, self.bad_values)
