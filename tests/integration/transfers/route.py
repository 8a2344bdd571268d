"""A Salesforce object, and the BigQuery table that it is copied to: each test has its own."""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from tests.integration.salesforce.lab import HASTY, SalesforceLab, csv_rows
from tests.integration.task_run import Attempts, perform, run_trigger
from tests.integration.transfers.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox

FIELDS = ("Name", "Industry", "AnnualRevenue", "NumberOfEmployees", "Description", "External_Id__c")


#: Random examples of each property: a few that are always the same, unless somebody asks for more.
EXAMPLES = int(os.environ.get("TRANSFER_EXAMPLES", "0"))
#: As few columns as can be: Google's analyzer takes its time for each.
NARROW: dict[str, Any] = {"fields": ("Name", "External_Id__c")}


class Route:
    """The way from the sandbox's org to a project of its BigQuery."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.lab = SalesforceLab(sandbox, patch)
        self.sandbox = sandbox
        self.warehouse = Warehouse(sandbox)
        self.mark = self.lab.mark
        #: Of the task of :meth:`steps`.
        self.result: dict[str, Any] = {}
        self._folder = folder
        extra = {
            "project": self.warehouse.project,
            "api_endpoint": sandbox.bigquery,
            "access_token": sandbox.token,
        }
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
        patch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)

    def task(self, **changes: Any) -> SalesforceToBigQueryOperator:
        settings = {
            "task_id": "task",
            "object_name": "Account",
            "fields": FIELDS,
            "where": f"External_Id__c LIKE '{self.mark}%'",
            "destination_table": "d.target",
            "overlap": dt.timedelta(0),
            **HASTY,
            **changes,
        }
        return SalesforceToBigQueryOperator(**settings)

    def run(self, run: Attempts | None = None, try_number: int = 1, **changes: Any) -> dict[str, Any]:
        """Run a task to its end; each is a run of its own unless one is given."""
        run = run or Attempts(run_id=uuid.uuid4().hex)
        result: dict[str, Any] = perform(self.task(**changes), run.context(try_number))
        json.dumps(result)
        return result

    def steps(self, run: Attempts, try_number: int = 1, **changes: Any) -> Iterator[str]:
        """Run a task up to each of its deferrals, and yield the stage that it waits in.

        Each step has a task of its own, as on another worker; the last one leaves its result in ``result``.
        """
        context = run.context(try_number)
        task = self.task(deferrable=True, **changes)
        step = partial(task.execute, context)
        while True:
            try:
                self.result = step()
            except TaskDeferred as error:
                deferred = error
            else:
                return
            yield task.stage
            fired, _ = run_trigger(deferred, context)
            task = self.task(deferrable=True, **changes)
            event, kept = json.loads(json.dumps([fired.payload, deferred.kwargs or {}]))
            step = partial(getattr(task, deferred.method_name), context, event, **kept)

    def write(self, operation: str, records: Sequence[Mapping[str, Any]], **changes: Any) -> None:
        """Write records to the org."""
        path = self._folder / f"{uuid.uuid4().hex}.csv"
        names = list(records[0])
        lines = [names, *([str(each[name]) for name in names] for each in records)]
        path.write_text(
            "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) + "\n" for line in lines),
            encoding="utf-8",
        )
        task = self.lab.ingest(path, operation=operation, **changes)
        result = perform(task, Attempts(run_id=uuid.uuid4().hex).context())
        assert result["failed_record_count"] == 0, result

    def accounts(self, *numbers: int, **values: Any) -> None:
        """Make or change accounts by number."""
        given = {"Name": "Acme", "Industry": "Energy", **values}
        records = [{"External_Id__c": f"{self.mark}-{number}", **given} for number in numbers]
        self.write("upsert", records, external_id_field="External_Id__c")

    def at_once(self, *numbers: int, **values: str) -> None:
        """Make or change accounts by number, in no time."""
        opened = self.begin(*numbers, **values)
        assert self.sandbox.salesforce_transaction("commit", id=opened) == {"errors": []}

    def begin(self, *numbers: int, **values: str) -> str:
        """Begin a transaction that makes or changes accounts by number; return its id."""
        opened: str = self.sandbox.salesforce_transaction("begin")["id"]
        given = {"Name": "Acme", **values}
        records = [{"External_Id__c": f"{self.mark}-{number}", **given} for number in numbers]
        how = {"object": "Account", "operation": "upsert", "key": "External_Id__c"}
        self.sandbox.salesforce_transaction("write", id=opened, records=records, **how)
        return opened

    def change(self, action: str, *numbers: int, **how: Any) -> None:
        """Do with accounts by number what ``salesforce_records`` of the sandbox does."""
        ids = self.ids(deleted=action in {"undelete", "purge"})
        self.sandbox.salesforce_records(
            action, object="Account", ids=[ids[number] for number in numbers], **how
        )

    def later(self, seconds: float = 120) -> None:
        """Put the services' clock forward: what was written is visible, and a window may end after it."""
        self.sandbox.advance(seconds)

    def now(self) -> dt.datetime:
        """Return what Salesforce's clock shows."""
        client = self.lab.client
        client.describe("Account")
        return dt.datetime.fromtimestamp(client.service_time(client.timing.now()), dt.UTC)

    def ids(self, *, deleted: bool = False) -> dict[int, str]:
        """Return the ids of this test's accounts by number, deleted ones left out or not."""
        return {number: row["Id"] for number, row in self.source(deleted=deleted).items()}

    def source(self, *fields: str, deleted: bool = True) -> dict[int, dict[str, str]]:
        """Return the records of the org by number, as another reader sees them."""
        found = self.records(*fields, deleted=deleted)
        return {int(row["External_Id__c"].rpartition("-")[2]): row for row in found}

    def records(self, *fields: str, deleted: bool = True) -> list[dict[str, str]]:
        """Return the records of the org, as another reader sees them."""
        names = ", ".join(dict.fromkeys(("Id", "External_Id__c", *fields)))
        soql = f"SELECT {names} FROM Account WHERE External_Id__c LIKE '{self.mark}%'"  # noqa: S608 - a test's own mark
        body = {"operation": "queryAll" if deleted else "query", "query": soql}
        ref = self.lab.client.submit(SalesforceRequest(body=body)).status.ref
        while not self.lab.client.status(ref).state.ended:
            self.lab.wait_a_little()
        return csv_rows(b"".join(self.lab.client.open_results(ref)))

    def queries(self) -> list[dict[str, Any]]:
        """Return the query jobs that transfers of this test have made, oldest first."""
        made = [each for each in self.lab.jobs("query") if self.mark in each["query"]]
        return [each for each in made if "SystemModstamp" in each["query"]]

    def loads(self) -> list[str]:
        """Return how the load jobs of this test's project have ended; ``done`` is a success."""
        return self._ends("load")

    def merges(self) -> list[str]:
        """Return how the scripts that change the target have ended."""
        return self._ends("query", "BEGIN TRANSACTION")

    def _ends(self, kind: str, text: str = "") -> list[str]:
        own = [
            job
            for job in self.sandbox.bigquery_jobs()
            if job["jobReference"]["projectId"] == self.warehouse.project and kind in job["configuration"]
        ]
        ends = [job["status"] for job in own if text in job["configuration"][kind].get("query", "")]
        return [each.get("errorResult", {}).get("reason") or each["state"].lower() for each in ends]

    def tables(self) -> list[str]:
        """Return the names of the tables in the dataset."""
        return self.warehouse.tables()

    def rows(self) -> dict[int, dict[str, Any]]:
        """Return the target's rows by number, without this package's columns."""
        return {
            int(row["External_Id__c"].rpartition("-")[2]): row for row in self.warehouse.records("target")
        }
