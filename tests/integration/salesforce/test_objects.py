"""Objects of the org in the sandbox, through the hook: what a user's task is told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, ServiceError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from tests.integration.salesforce.lab import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.salesforce.lab import SalesforceLab


def hours(count: float) -> dt.datetime:
    """Return a moment so many hours from now."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=count)


def test_describe(lab: SalesforceLab) -> None:
    hook = SalesforceHook(version="61.0")
    names = [each["name"] for each in hook.describe_global()["sobjects"]]
    assert {"Account", "Shipment__c"} < set(names)
    fields = {each["name"]: each["type"] for each in hook.describe("Account")["fields"]}
    assert (fields["Id"], fields["BillingAddress"]) == ("id", "address")
    assert [each["path"] for each in lab.requests("sobjects.describe")] == [
        "/services/data/v61.0/sobjects/Account/describe"
    ]


def test_what_was_updated_and_deleted(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.client.upload_job_data(
        job := lab.client.create_ingest_job({"object": "Account", "operation": "insert"})["id"],
        write(lab, tmp_path, count=3).read_bytes(),
    )
    lab.client.close_job(job)
    while lab.client.get_job(job, "ingest")["state"] != "JobComplete":
        lab.wait_a_little()
    soql = f"SELECT Id FROM Account WHERE External_Id__c LIKE '{lab.mark}%'"  # noqa: S608 - SOQL
    ids = b"".join(lab.client.open_results(lab.finished(soql))).decode().replace('"', "").split()[1:]
    hook = SalesforceHook()
    updated = hook.get_updated("Account", hours(-1), hours(1))
    assert set(ids) <= set(updated["ids"])
    assert dt.datetime.fromisoformat(updated["latestDateCovered"]) < hours(0.1)
    lab.sandbox.salesforce_records("delete", object="Account", ids=ids[:1])
    deleted = hook.get_deleted("Account", hours(-1), hours(1))
    assert {each["id"] for each in deleted["deletedRecords"]} & set(ids) == {ids[0]}
    assert ids[0] not in hook.get_updated("Account", hours(-1), hours(1))["ids"]


def test_reads_are_repeated(lab: SalesforceLab) -> None:
    lab.fault("sobjects.describe", "reply", status=503)
    lab.fault("sobjects.updated", "drop_reply_after_accepting")
    assert lab.client.describe("Account")["name"] == "Account"
    assert "ids" in lab.client.get_updated("Account", hours(-1), hours(1))
    assert [each["status"] for each in lab.requests("sobjects.describe")] == [503, 200]


def test_refusals(lab: SalesforceLab) -> None:
    with pytest.raises(NotFoundError, match=r"an object is misspelled, or the user may not see it"):
        lab.client.describe("Acount")
    with pytest.raises(ServiceError, match="AccountShare is not replicable"):
        lab.client.get_updated("AccountShare", hours(-1), hours(1))
    before = len(lab.requests("sobjects.deleted"))
    with pytest.raises(ConfigurationError, match="the last 15 days"):
        lab.client.get_deleted("Account", hours(-16 * 24), hours(0))
    assert len(lab.requests("sobjects.deleted")) == before
