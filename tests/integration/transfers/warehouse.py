"""A project of the sandbox's BigQuery: records are staged as Salesforce writes them, and statements run."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.bigquery.replies import job_status
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import Media, NoMemory, source_of
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.transfers.bigquery_merge import (
    Counts,
    Merge,
    merge_script,
    refresh_script,
    replace_script,
)
from airflow_provider_jobs.transfers.bigquery_sql import OWN_COLUMNS, Statement
from airflow_provider_jobs.transfers.bigquery_target import (
    Layout,
    TargetPlan,
    create_staging,
    plan_target,
    staging_load,
    staging_table,
)
from tests.integration.sending import IssuedToken

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.sandbox import Sandbox
    from airflow_provider_jobs.transfers.bigquery_sql import Column
    from airflow_provider_jobs.transfers.salesforce_fields import Selection

    Record = Mapping[str, str]


def salesforce_csv(columns: Sequence[Column], records: Sequence[Record]) -> bytes:
    """Return a page of results: every value in quotes, nulls as ``""``, lines that end in CRLF."""
    lines = [[column.path for column in columns]]
    lines += [[record.get(column.path, "") for column in columns] for record in records]
    return "".join(
        ",".join(f'"{each.replace(chr(34), chr(34) * 2)}"' for each in line) + "\r\n" for line in lines
    ).encode()


class Warehouse:
    """The dataset ``d`` of a project of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.project = f"copy-{uuid.uuid4().hex[:12]}"
        transport = Transport(IssuedToken(sandbox), user_agent="test")
        self.client = BigQueryClient(transport, self.project, endpoint=sandbox.bigquery)
        self._url = f"{sandbox.bigquery}/bigquery/v2/projects/{self.project}/datasets"
        self._headers = {"Authorization": f"Bearer {sandbox.token}"}
        self._names = itertools.count()
        reference = {"projectId": self.project, "datasetId": "d"}
        requests.post(
            self._url, json={"datasetReference": reference}, headers=self._headers, timeout=30
        ).raise_for_status()

    def table(self, name: str) -> dict[str, str]:
        return {"projectId": self.project, "datasetId": "d", "tableId": name}

    def resource(self, name: str) -> dict[str, Any] | None:
        """Return what tables.get says; None if there is no such table."""
        reply = requests.get(f"{self._url}/d/tables/{name}", headers=self._headers, timeout=30)
        if reply.status_code == requests.codes.not_found:
            return None
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found

    def tables(self) -> list[str]:
        """Return the names of the dataset's tables."""
        reply = requests.get(f"{self._url}/d/tables", headers=self._headers, timeout=30)
        reply.raise_for_status()
        return sorted(each["tableReference"]["tableId"] for each in reply.json().get("tables", ()))

    def run(self, statement: Statement | str, **more: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        made = Statement(statement) if isinstance(statement, str) else statement
        job_id = f"q{next(self._names)}"
        body = {"jobReference": {"jobId": job_id}, "configuration": {"query": {**made.query(), **more}}}
        self.client.insert_job(body)
        return list(self.client.get_query_results(job_id))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table by Id, each with the columns that have a value."""
        found = self.run(f"SELECT * FROM d.{name} ORDER BY Id")  # noqa: S608 - a test's own name
        return [{key: value for key, value in row.items() if value not in (None, [])} for row in found]

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table without the columns that this package adds."""
        return [
            {key: value for key, value in row.items() if key not in OWN_COLUMNS} for row in self.rows(name)
        ]

    def stage(self, columns: Sequence[Column], pages: Sequence[Sequence[Record]]) -> dict[str, str]:
        """Stage pages of records, one load job each; return the staging table."""
        staging = staging_table(self.table(""), "Any", next(self._names))
        self.run(create_staging(staging, columns))
        for number, records in enumerate(pages):
            job_id = f"l{next(self._names)}"
            load = staging_load(staging, columns, is_first=number == 0)
            media = Media(source_of(salesforce_csv(columns, records), "csv"), NoMemory())
            body = {"jobReference": {"jobId": job_id}, "configuration": {"load": load}}
            began = job_status(self.client.upload_job(body, media))
            (ended,) = wait_for(
                self.client, [began], until=float("inf"), poll_interval=0.01, timing=self.client.timing
            )
            assert ended.statistics["row_count"] == len(records), ended
        return staging

    def plan(self, selection: Selection, target: str = "target", layout: Layout | None = None) -> TargetPlan:
        """Bring the target's schema up to date."""
        plan = plan_target(self.table(target), self.resource(target), selection.columns, layout or Layout())
        for statement in plan.statements:
            self.run(statement)
        return plan


class Copy:
    """A target that is kept up to date with batches of one object's records."""

    def __init__(
        self, warehouse: Warehouse, selection: Selection, cursor: str | None, target: str = "target"
    ) -> None:
        self.warehouse, self.selection, self.cursor, self.target = warehouse, selection, cursor, target

    def merge_of(self, *pages: Sequence[Record], selection: Selection | None = None, **more: Any) -> Merge:
        """Stage records and bring the target up to date; return what can be merged."""
        columns = selection or self.selection
        plan = self.warehouse.plan(columns, self.target)
        staging = self.warehouse.stage(columns.columns, pages)
        merge = Merge(
            self.warehouse.table(self.target),
            staging,
            plan.columns,
            self.cursor,
            plan.kept,
            defaults=plan.defaults or {},
        )
        return replace(merge, **more)

    def run(self, statement: Statement) -> Counts:
        (row,) = self.warehouse.run(statement)
        return Counts(**row)

    def merge(self, *records: Record, until: dt.datetime | None, **more: Any) -> Counts:
        return self.run(merge_script(self.merge_of(records, **more), loaded=len(records), synced_to=until))

    def replace(self, *records: Record, until: dt.datetime | None, **more: Any) -> Counts:
        return self.run(replace_script(self.merge_of(records, **more), loaded=len(records), synced_to=until))

    def refresh(self, *records: Record, selection: Selection) -> Counts:
        merge = self.merge_of(records, selection=selection)
        return self.run(refresh_script(merge, loaded=len(records)))

    def rows(self) -> list[dict[str, Any]]:
        return self.warehouse.records(self.target)
