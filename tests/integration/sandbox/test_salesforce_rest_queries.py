"""REST's query of the sandbox's org, by simple-salesforce: what Airflow's own transfer reads with."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from tests.integration.sandbox.salesforce_api import PlainAdapter, SalesforceApi

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A page as small as Salesforce makes them.
SMALL_PAGES = {"Sforce-Query-Options": "batchSize=200"}


@pytest.fixture
def client(salesforce: SalesforceApi) -> Iterator[Salesforce]:
    """The client insists on https."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PlainAdapter(salesforce.sandbox.salesforce))
        url, token = salesforce.sandbox.salesforce, salesforce.sandbox.salesforce_token
        yield Salesforce(session=session, version="59.0", session_id=token, instance_url=url)


def make_accounts(salesforce: SalesforceApi, mark: str, *lines: str) -> str:
    """Make accounts with these values, and give what finds them, from FROM on."""
    columns = "External_Id__c,Name,AnnualRevenue,NumberOfEmployees,Description"
    rows = [f"{mark}-{number:04},{line}" for number, line in enumerate(lines)]
    job = salesforce.ingest("\n".join([columns, *rows, ""]).encode())
    assert job["numberRecordsFailed"] == 0, salesforce.outcome(job, "failedResults")
    return f"FROM Account WHERE External_Id__c LIKE '{mark}-%' ORDER BY External_Id__c"


def test_all_pages_are_what_the_bulk_api_gives(
    salesforce: SalesforceApi, client: Salesforce, project: str
) -> None:
    accounts = make_accounts(salesforce, project, *(f"Acme {number},1.5,3," for number in range(450)))
    soql = f"SELECT Id, Name {accounts}"
    found = client.query_all(soql, headers=SMALL_PAGES)
    assert found["totalSize"] == 450
    rest = [(each["Id"], each["Name"]) for each in found["records"]]
    bulk = csv.reader(io.StringIO(salesforce.results(salesforce.query(soql)).text, newline=""))
    assert [("Id", "Name"), *rest] == [tuple(row) for row in bulk]
    asked = [
        each for each in salesforce.sandbox.requests() if each["operation"].startswith("salesforce.rest")
    ]
    assert [each["status"] for each in asked][-3:] == [200, 200, 200]
    first = client.query(soql, headers=SMALL_PAGES)
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)


def test_values_have_their_types(salesforce: SalesforceApi, client: Salesforce, project: str) -> None:
    text = '"Say ""hi"",\nan\u2028d go"'
    accounts = make_accounts(salesforce, project, f"Ümlaut,80000000,42,{text}", "Empty,,,")
    fields = "Name, AnnualRevenue, NumberOfEmployees, Description, IsDeleted, CreatedDate"
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        client.query(f"SELECT Nme {accounts}")
    full, empty = client.query_all(f"SELECT {fields} {accounts}")["records"]
    assert list(full) == ["attributes", *fields.split(", ")]
    url = full["attributes"]["url"]
    assert full["attributes"]["type"] == "Account"
    assert url.startswith("/services/data/v59.0/sobjects/Account/001")
    assert full["Name"] == "Ümlaut"
    assert (full["AnnualRevenue"], full["NumberOfEmployees"], full["IsDeleted"]) == (80000000, 42, False)
    assert full["Description"] == 'Say "hi",\nan\u2028d go'
    assert full["CreatedDate"].endswith(".000+0000")
    assert [empty[name] for name in ("AnnualRevenue", "NumberOfEmployees", "Description")] == [None] * 3


def test_parents_are_records_in_the_record(
    salesforce: SalesforceApi, client: Salesforce, project: str
) -> None:
    """A parent of which nothing is known is there; one that is missing is null, its own parents too."""
    accounts = make_accounts(salesforce, project, "Parent,,,", "Child,,,")
    soql = f"SELECT Name, Parent.Owner.Name, Parent.Name, Parent.Industry, Id, CreatedBy.Name {accounts}"
    parent, child = client.query_all(soql)["records"]
    assert list(parent) == ["attributes", "Name", "Parent", "Id", "CreatedBy"]
    assert parent["Parent"] is None
    assert parent["CreatedBy"]["attributes"]["type"] == "User"
    given = f"Id,ParentId\n{child['Id']},{parent['Id']}\n"
    assert salesforce.ingest(given.encode(), operation="update")["numberRecordsFailed"] == 0
    found = client.query_all(soql)["records"][1]["Parent"]
    assert found["attributes"] == parent["attributes"]
    assert found["Owner"]["Name"] == parent["CreatedBy"]["Name"]
    assert (found["Name"], found["Industry"]) == ("Parent", None)


def test_deleted_records_are_read_by_query_all(client: Salesforce) -> None:
    soql = "SELECT IsDeleted FROM Account WHERE IsDeleted = true"
    assert client.query_all(soql)["records"] == []
    found = client.query_all(soql, include_deleted=True)["records"]
    assert {each["IsDeleted"] for each in found} == {True}


@pytest.mark.parametrize("soql", ["SELECT COUNT() FROM Account", "SELECT Id FROM CaseStatus"])
def test_what_only_the_bulk_api_refuses_is_what_the_sandbox_lacks(client: Salesforce, soql: str) -> None:
    with pytest.raises(SalesforceMalformedRequest, match="the sandbox's query takes what the Bulk API takes"):
        client.query(soql)


def test_a_locator_that_is_not_one_is_refused(salesforce: SalesforceApi, client: Salesforce) -> None:
    for locator in ("01g000000000000AAA-2000", "x", "01g-x"):
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
            client.query_more(locator)


def test_older_results_are_dropped(salesforce: SalesforceApi, client: Salesforce, project: str) -> None:
    accounts = make_accounts(salesforce, project, *(["Acme,,,"] * 201))
    first = client.query(f"SELECT Id {accounts}", headers=SMALL_PAGES)["nextRecordsUrl"]
    assert len(client.query_more(first, identifier_is_url=True)["records"]) == 1
    for _ in range(10):
        client.query("SELECT Id FROM User LIMIT 1")
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
        client.query_more(first, identifier_is_url=True)
    assert len(list((salesforce.sandbox.root / "salesforce/cursors").glob("*.index"))) == 10
