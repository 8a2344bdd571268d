"""A Salesforce object, and the BigQuery table that it is copied to: each test has its own."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from tests.integration.salesforce.lab import HASTY, SalesforceLab, csv_rows
from tests.integration.task_run import Attempts, perform
from tests.integration.transfers.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox

FIELDS = ("Name", "Industry", "AnnualRevenue", "NumberOfEmployees", "Description", "External_Id__c")


class Route:
    """The way from the sandbox's org to a project of its BigQuery."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.lab = SalesforceLab(sandbox, patch)
        self.sandbox = sandbox
        self.warehouse = Warehouse(sandbox)
        self.mark = self.lab.mark
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

    def ids(self) -> dict[int, str]:
        """Return the ids of this test's accounts by number, deleted ones left out."""
        soql = f"SELECT Id, External_Id__c FROM Account WHERE External_Id__c LIKE '{self.mark}%'"  # noqa: S608 - a test's own mark
        rows = csv_rows(b"".join(self.lab.client.open_results(self.lab.finished(soql))))
        return {int(row["External_Id__c"].rpartition("-")[2]): row["Id"] for row in rows}

    def rows(self) -> dict[int, dict[str, Any]]:
        """Return the target's rows by number, without this package's columns."""
        return {
            int(row["External_Id__c"].rpartition("-")[2]): row for row in self.warehouse.records("target")
        }
