"""A Salesforce object, and a folder and a table of Redivis that it is copied to: each test has its own."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from airflow_provider_jobs.transfers.salesforce_to_object_storage import SalesforceToObjectStorageOperator
from airflow_provider_jobs.transfers.salesforce_to_redivis import SalesforceToRedivisOperator
from tests.integration.redivis.lab import RedivisLab
from tests.integration.salesforce.lab import HASTY, csv_rows
from tests.integration.task_run import Attempts, Store, perform
from tests.integration.transfers.route import Route

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox

ASSET = Asset("accounts")
KEY = "salesforce_synced_to/account"
#: Records are visible to a window a minute after they were written, and getUpdated tells whole minutes.
SEEN_SECONDS = 125.0


@dataclass
class AssetStates:
    """Airflow's state stores of the assets of a task."""

    kept: dict[str, Store] = field(default_factory=dict)

    def __getitem__(self, asset: Any) -> Store:
        if isinstance(asset, AssetAlias):
            raise TypeError("an alias is not an asset")
        return self.kept.setdefault(asset.name, Store())


class Targets:
    """The way from the org of a sandbox to files, and to Redivis."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.route = Route(sandbox, patch, folder)
        self.lab = self.route.lab
        self.redivis = RedivisLab(sandbox, patch)
        self.folder = folder / "lake"
        self.states = AssetStates()

    @property
    def mark(self) -> str | None:
        """What the asset's state says."""
        kept = self.states[ASSET].get(KEY)
        return str(kept["synced_to"]) if kept else None

    def settings(self, changes: dict[str, Any]) -> dict[str, Any]:
        return {
            "task_id": "task",
            "object_name": "Account",
            "fields": ("Name", "External_Id__c"),
            "where": f"External_Id__c LIKE '{self.lab.mark}%'",
            "outlets": [AssetAlias("somebody"), ASSET],
            "overlap": dt.timedelta(0),
            **HASTY,
            **changes,
        }

    def to_files(self, **changes: Any) -> SalesforceToObjectStorageOperator:
        return SalesforceToObjectStorageOperator(**self.settings({"results_path": self.folder, **changes}))

    def to_redivis(self, **changes: Any) -> SalesforceToRedivisOperator:
        settings = {"table": self.redivis.table, "create_missing": True, **changes}
        return SalesforceToRedivisOperator(**self.settings(settings))

    def run(
        self, task: Any, run: Attempts | None = None, try_number: int = 1, *, keeps_state: bool = True
    ) -> dict[str, Any]:
        """Run a task to its end; each is a run of its own unless one is given."""
        run = run or Attempts(run_id=uuid.uuid4().hex)
        context = run.context(try_number)
        if keeps_state:
            context["asset_state_store"] = self.states
        result: dict[str, Any] = perform(task, context)
        json.dumps(result)
        return result

    def write(self, *numbers: int, **values: Any) -> None:
        """Make or change accounts, and let the time pass until a window sees them."""
        self.route.accounts(*numbers, **values)
        self.wait()

    def delete(self, *numbers: int) -> None:
        """Delete accounts, and let the time pass until a window sees that."""
        ids = self.route.ids()
        self.route.write("delete", [{"Id": ids[number]} for number in numbers])
        self.wait()

    def wait(self) -> None:
        self.route.sandbox.advance(SEEN_SECONDS)

    def queries(self) -> int:
        """Return how many queries this test has made of accounts, to copy them."""
        return len([job for job in self.lab.jobs("query") if job["operation"] == "queryAll"])


def seen(path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the manifest of a folder, and the records of the files that it names, each compared with it."""
    manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text())
    rows = []
    for each in manifest["files"]:
        content = (path / each["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["size_bytes"], each["sha256"])
        found = csv_rows(content)
        assert len(found) == each["record_count"]
        rows += found
    return manifest, rows


def values(rows: list[dict[str, str]]) -> dict[int, tuple[str, str]]:
    """Return names and IsDeleted by number."""
    return {int(row["External_Id__c"].rpartition("-")[2]): (row["Name"], row["IsDeleted"]) for row in rows}
