"""Fields come, go, and change: what queries, describe and ingest jobs know of it, and what stays."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from airflow_provider_jobs.sandbox.salesforce.org import Org, SalesforceRefusal
from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "59.0"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgBench]:
    bench = OrgBench(tmp_path_factory.mktemp("schema"), contacts=50)
    yield bench
    bench.org.close()


def described(org: Org, name: str = "Account") -> dict[str, Any]:
    return {each["name"]: each for each in org.describe(name, VERSION)["fields"]}


def stamps(bench: OrgBench, name: str = "Account") -> list[str]:
    return bench.column(f"SELECT SystemModstamp FROM {name}", all_rows=True)  # noqa: S608 - SOQL


def refused(bench: OrgBench, soql: str) -> str:
    with pytest.raises(SalesforceRefusal) as caught:
        bench.org.check_query(soql)
    assert caught.value.code == "INVALID_FIELD"
    return caught.value.message


def test_a_new_field_is_empty_and_moves_no_stamp(bench: OrgBench) -> None:
    before = stamps(bench)
    bench.org.change_field("Account", "add", "Region__c", {"type": "string", "length": 20})
    bench.org.change_field("Account", "add", "Vip__c", {"type": "boolean"})
    bench.org.change_field("Account", "add", "Ratio__c", {"type": "double", "digits": 10, "scale": 4})
    assert stamps(bench) == before
    fields = described(bench.org)
    assert (fields["Region__c"]["type"], fields["Region__c"]["length"]) == ("string", 20)
    assert (fields["Ratio__c"]["precision"], fields["Ratio__c"]["scale"]) == (10, 4)
    soql = "SELECT Region__c, Vip__c, Ratio__c FROM Account WHERE Name = 'r' OR Name LIKE '%7'"
    assert {tuple(row) for row in bench.query(soql)} == {("", "false", "")}
    bench.ingest(
        "Account", "insert", [["Name", "Region__c", "Vip__c", "Ratio__c"], ["r", "EU", "yes", "1.23456"]]
    )
    assert ["EU", "true", "1.2346"] in bench.query(soql)
    assert bench.errors("Account", "insert", [["Name", "Region__c"], ["r", "x" * 21]])[0].startswith(
        "STRING_TOO_LONG"
    )


def test_a_hidden_field_is_as_one_that_is_not_there(bench: OrgBench) -> None:
    bench.org.change_field("Account", "hide", "industry", {})
    try:
        assert "Industry" not in described(bench.org)
        assert "No such column 'Industry' on entity 'Account'" in refused(
            bench, "SELECT Industry FROM Account"
        )
        assert "No such column" in refused(bench, "SELECT Id FROM Account WHERE Industry = 'a'")
        assert "No such column" in refused(bench, "SELECT Account.Industry FROM Contact")
        assert (
            "Industry"
            not in bench.bytes_of("SELECT FIELDS(STANDARD) FROM Account LIMIT 1").decode().splitlines()[0]
        )
        with pytest.raises(Exception, match="Field name not found : Industry"):
            bench.ingest("Account", "insert", [["Name", "Industry"], ["a", "b"]])
        assert bench.query(
            "SELECT Account_Industry__c FROM Contact WHERE Account_Industry__c != null LIMIT 1"
        )
    finally:
        bench.org.change_field("Account", "show", "Industry", {})
    assert "Industry" in described(bench.org)
    assert bench.query("SELECT Industry FROM Account WHERE Industry != null LIMIT 1")


def test_a_renamed_field_keeps_its_values(bench: OrgBench) -> None:
    values = bench.column("SELECT Discount__c FROM Shipment__c")
    bench.org.change_field("Shipment__c", "rename", "Discount__c", {"to": "Rebate__c"})
    assert bench.column("SELECT Rebate__c FROM Shipment__c") == values
    assert "No such column" in refused(bench, "SELECT Discount__c FROM Shipment__c")
    assert {"Rebate__c"} == {"Rebate__c", "Discount__c"} & described(bench.org, "Shipment__c").keys()
    bench.ingest("Shipment__c", "insert", [["Name", "Rebate__c"], ["renamed", "7.5"]])
    assert bench.column("SELECT Rebate__c FROM Shipment__c WHERE Name = 'renamed'") == ["7.5"]


def test_a_field_of_another_type(bench: OrgBench) -> None:
    """Values that do not fit the new type are empty then."""
    bench.ingest("Account", "insert", [["Name", "External_Id__c"], ["typed", "12.5"], ["typed", "x"]])
    bench.org.change_field("Account", "retype", "External_Id__c", {"type": "double", "digits": 6, "scale": 1})
    assert described(bench.org)["External_Id__c"]["type"] == "double"
    soql = "SELECT External_Id__c FROM Account WHERE Name = 'typed' ORDER BY External_Id__c"
    assert bench.column(soql) == ["", "12.5"]
    bench.org.change_field("Account", "retype", "External_Id__c", {"type": "string"})
    assert bench.column(soql) == ["", "12.5"]


def test_several_currencies(tmp_path: Path) -> None:
    bench = OrgBench(tmp_path, contacts=5)
    bench.org.use_currencies()
    bench.org.use_currencies()
    assert {row[0] for row in bench.query("SELECT CurrencyIsoCode FROM Lead")} == {"USD"}
    bench.ingest("Lead", "insert", [["LastName", "Company", "CurrencyIsoCode"], ["a", "money", "EUR"]])
    assert bench.column("SELECT CurrencyIsoCode FROM Lead WHERE Company = 'money'") == ["EUR"]
    assert "CurrencyIsoCode" in described(bench.org, "Shipment__c")
    assert "CurrencyIsoCode" not in described(bench.org, "AccountHistory")
    bench.org.close()


@pytest.mark.parametrize(
    ("action", "name", "given", "words"),
    [
        ("add", "Region", {}, "begins with a letter and ends with __c"),
        ("add", 'a" --__c', {}, "begins with a letter"),
        ("add", "active__C", {}, "begins with a letter"),
        ("add", "Active__c", {}, "has a field Active__c already"),
        ("add", "New__c", {"type": "blob"}, "may be of type boolean"),
        ("add", "New__c", {"length": "9"}, "length is a whole number"),
        ("hide", "Nope__c", {}, "Account has no field Nope__c"),
        ("hide", "SystemModstamp", {}, "every user sees SystemModstamp"),
        ("hide", "Name", {}, "every user sees Name"),
        ("rename", "Industry", {"to": "I__c"}, "not a custom field that nothing depends on"),
        ("rename", "Active__c", {"to": "Phone"}, "ends with __c"),
        ("retype", "Name", {"type": "double"}, "not a custom field"),
        ("drop", "Active__c", {}, "there is no change drop"),
    ],
)  # fmt: skip
def test_changes_that_are_refused(
    bench: OrgBench, action: str, name: str, given: dict[str, Any], words: str
) -> None:
    before = described(bench.org)
    with pytest.raises(SalesforceRefusal, match=words):
        bench.org.change_field("Account", action, name, given)
    assert described(bench.org) == before


def test_what_a_formula_reads_cannot_be_renamed(bench: OrgBench) -> None:
    for name in ("Weight__c", "Value_Per_Kg__c", "Position__Latitude__s", "Account__c"):
        with pytest.raises(SalesforceRefusal, match="nothing depends on"):
            bench.org.change_field("Shipment__c", "rename", name, {"to": "Other__c"})


def test_changes_outlive_the_process(tmp_path: Path) -> None:
    first = OrgBench(tmp_path, contacts=5)
    first.org.change_field("Shipment__c", "add", "New__c", {"type": "double"})
    first.org.change_field("Shipment__c", "rename", "New__c", {"to": "Newer__c"})
    first.org.change_field("Shipment__c", "hide", "Notes__c", {})
    gone = first.rows("Lead")[0]["Id"]
    first.org.bin("Lead", [gone])
    expected = first.org.describe("Shipment__c", VERSION)
    first.org.close()
    second = OrgBench(tmp_path, contacts=5)
    assert second.org.describe("Shipment__c", VERSION) == expected
    assert second.query("SELECT Newer__c FROM Shipment__c LIMIT 1") == [[""]]
    second.org.undelete("Lead", [gone])
    assert gone in second.column("SELECT Id FROM Lead")
    second.org.close()


def test_a_file_without_the_newer_objects_and_fields_still_opens(tmp_path: Path) -> None:
    """As the sandbox wrote it when there were six objects, some of them with records."""
    old = OrgBench(tmp_path, contacts=5)
    old.ingest("Contact", "insert", [["LastName"], ["Kept"]])
    old.org.close()
    with duckdb.connect(str(tmp_path / "org" / "salesforce.duckdb")) as file:
        for name in ("Lead", "Task", "AccountHistory", "AccountShare", "Reading__b", "CaseStatus"):
            file.execute(f'DROP TABLE "{name}"')
        for name in ("deletions", "trimmed", "schema_changes"):
            file.execute(f'DROP TABLE "{name}"')
        file.execute('ALTER TABLE "Contact" DROP COLUMN "MasterRecordId"')
        file.execute('ALTER TABLE "Shipment__c" DROP COLUMN "Pickup_Time__c"')
    new = OrgBench(tmp_path, contacts=5)
    assert new.query("SELECT LastName, MasterRecordId FROM Contact WHERE LastName = 'kept'") == [["Kept", ""]]
    assert new.query("SELECT Pickup_Time__c FROM Shipment__c WHERE Pickup_Time__c != null LIMIT 1")
    assert len(new.query("SELECT Id FROM Lead")) > 1000
    new.org.close()
    shutil.rmtree(tmp_path / "org")
