"""The org itself: its ids, how fast it is there, what stays, what threads see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.salesforce.ids import long_id
from airflow_provider_jobs.sandbox.salesforce.org import Org, SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.ids import record_id
from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

if TYPE_CHECKING:
    from pathlib import Path

PREFIXES = {
    "Account": "001", "AccountShare": "00r", "Case": "500", "Contact": "003", "Lead": "00Q",
    "Opportunity": "006", "Reading__b": "x01", "Shipment__c": "a01", "Task": "00T", "User": "005",
}  # fmt: skip
# Filled by changes alone, or not open to the Bulk API.
OTHERS = {"AccountHistory", "CaseStatus"}


def test_checksum_of_documented_ids() -> None:
    assert long_id("001D000000IRFma") == "001D000000IRFmaIAH"
    assert long_id("750R0000000zlh9") == "750R0000000zlh9IAA"
    assert long_id("750R0000000zlh9IAB") is None


@pytest.mark.parametrize("name", sorted(PREFIXES))
def test_ids(reading: OrgBench, name: str) -> None:
    ids = [row["Id"] for row in reading.rows(name, deleted=True)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    for number, each in enumerate(ids, start=1):
        assert each.startswith(PREFIXES[name])
        assert each == long_id(each[:15]) == record_id(PREFIXES[name], number)


def test_references_lead_to_records_that_are_not_deleted(reading: OrgBench) -> None:
    records = {name: reading.rows(name) for name in PREFIXES}
    live = {name: {row["Id"] for row in rows} for name, rows in records.items()}
    for name, rows in records.items():
        for field in reading.org.fields(name):
            if field.refers_to and field.on_delete != "keep":
                used = {row[field.name] for row in rows} - {None}
                assert used
                assert used <= set().union(*(live[parent] for parent in field.refers_to))


def test_two_orgs_are_the_same(reading: OrgBench, tmp_path: Path) -> None:
    other = OrgBench(tmp_path)
    soql = "SELECT Id, Name, Description, CreatedDate, Score__c, Account.Name FROM Contact"
    assert other.bytes_of(soql) == reading.bytes_of(soql)
    other.org.close()


def test_objects(reading: OrgBench) -> None:
    assert {each["name"] for each in reading.org.describe_global("59.0")} == PREFIXES.keys() | OTHERS
    for name in PREFIXES.keys() - {"AccountShare", "Reading__b"}:
        names = {each.name for each in reading.org.fields(name.lower())}
        assert {
            "Id",
            "IsDeleted",
            "CreatedDate",
            "CreatedById",
            "LastModifiedDate",
            "SystemModstamp",
        } <= names
    with pytest.raises(SalesforceRefusal, match="Unable to find object: Nope"):
        reading.org.fields("Nope")


def test_all_contacts_are_there_from_the_start(tmp_path: Path) -> None:
    org = Org(tmp_path)
    written = org.run_query("SELECT Id FROM Contact", into=tmp_path / "r.csv", all_rows=True)
    org.close()
    assert written.record_count == 200_000


def test_records_outlive_the_process(tmp_path: Path) -> None:
    first = OrgBench(tmp_path, contacts=50)
    first.ingest("Account", "insert", "Name\nKept\n")
    first.org.close()
    second = OrgBench(tmp_path, contacts=50)
    assert second.query("SELECT Name FROM Account WHERE Name = 'kept'") == [["Kept"]]
    second.ingest("Account", "insert", "Name\nLater\n")
    assert len({row["Id"] for row in second.rows("Account", deleted=True)}) == 5002
    second.org.close()


def test_threads(tmp_path: Path) -> None:
    """Readers see all of an ingest job or nothing of it; writers take turns; ids stay unique."""
    bench = OrgBench(tmp_path, contacts=2_000)
    org, size, jobs = bench.org, 300, 6

    def write(number: int) -> int:
        path = tmp_path / f"in{number}.csv"
        path.write_text("Name\n" + "".join(f"t{number}-{row}\n" for row in range(size)))
        return org.ingest("Shipment__c", "insert", None, path, into=tmp_path / f"out{number}").processed

    def read(number: int) -> int:
        soql = "SELECT Id, Account__r.Name FROM Shipment__c WHERE Name LIKE 't%'"
        return org.run_query(soql, into=tmp_path / f"read{number}.csv").record_count

    def browse(number: int) -> int:
        return org.run_query("SELECT Id, Name FROM Contact", into=tmp_path / f"b{number}.csv").record_count

    with ThreadPoolExecutor(8) as pool:
        written = [pool.submit(write, number) for number in range(jobs)]
        seen = [pool.submit(read, number) for number in range(12)]
        browsed = [pool.submit(browse, number) for number in range(4)]
        assert [each.result() for each in written] == [size] * jobs
        assert not [each.result() % size for each in seen if each.result() % size]
        assert {each.result() for each in browsed} == {2_000 - 2}
    assert read(99) == size * jobs
    assert len(bench.by_id("Shipment__c")) == 10_000 + size * jobs
    org.close()
