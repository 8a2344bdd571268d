"""Objects over HTTP: describe, what was updated and deleted, and what tests do to records and fields."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.sandbox.replies import Refusal
from tests.integration.sandbox.conftest import PATIENCE_SECONDS
from tests.integration.sandbox.salesforce_api import PlainAdapter, SalesforceApi, error

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    """With users alone: what is deleted here, no other test has."""
    with Sandbox(sample_records=False) as sandbox:
        yield sandbox


@pytest.fixture
def api(own_sandbox: Sandbox) -> Iterator[SalesforceApi]:
    api = SalesforceApi(own_sandbox)
    yield api
    own_sandbox.salesforce_settings(denied_objects="", replication_ids=600_000, cascade_stamps="moved")
    api.session.close()


@pytest.fixture
def client(api: SalesforceApi) -> Iterator[Salesforce]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PlainAdapter(api.sandbox.salesforce))
        yield Salesforce(
            instance_url=api.sandbox.salesforce,
            session_id=api.sandbox.salesforce_token,
            version="59.0",
            session=session,
        )


def rows(api: SalesforceApi, soql: str, operation: str = "queryAll") -> list[dict[str, str]]:
    content = api.results(api.query(soql, operation=operation)).content
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def made(api: SalesforceApi, name: str, *records: dict[str, str]) -> list[str]:
    """Insert records; give their ids, in this order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    job = api.ingest(text.getvalue().encode(), name)
    found = list(csv.DictReader(io.StringIO(api.outcome(job, "successfulResults").decode())))
    assert len(found) == len(records), api.outcome(job, "failedResults")
    by_values = {tuple(row[each] for each in records[0]): row["sf__Id"] for row in found}
    return [by_values[tuple(each.values())] for each in records]


def span(**options: float) -> dict[str, str]:
    """Give the last hour, and the minutes that come."""
    now = datetime.now(UTC)
    end = now + timedelta(minutes=10)
    start = now - timedelta(**(options or {"hours": 1}))
    return {"start": start.isoformat(), "end": end.isoformat()}


def test_the_list_of_objects(api: SalesforceApi, client: Salesforce) -> None:
    found: Any = client.describe()
    by_name = {each["name"]: each for each in found["sobjects"]}
    assert {"Account", "AccountHistory", "AccountShare", "CaseStatus", "Reading__b", "Task"} < by_name.keys()
    account = by_name["Account"]
    assert account["urls"]["describe"] == "/services/data/v59.0/sobjects/Account/describe"
    flags = ("queryable", "replicateable", "deprecatedAndHidden", "customSetting", "mergeable", "custom")
    assert [account[each] for each in flags] == [True, True, False, False, True, False]
    assert [by_name["AccountShare"]["replicateable"], by_name["Shipment__c"]["custom"]] == [False, True]
    api.sandbox.salesforce_settings(denied_objects="Task")
    assert "Task" not in {each["name"] for each in api.get("sobjects/")["sobjects"]}
    assert error(api.call("GET", "sobjects/Task/describe")) == (404, "NOT_FOUND")


def test_describe_tells_the_types(client: Salesforce) -> None:
    fields = {each["name"]: each for each in client.Shipment__c.describe()["fields"]}
    wanted: dict[str, dict[str, Any]] = {
        "Id": {"type": "id", "soapType": "tns:ID", "nillable": False, "length": 18},
        "Name": {"type": "string", "length": 80, "nillable": False, "calculated": False, "custom": False},
        "Value__c": {"type": "currency", "soapType": "xsd:double", "precision": 18, "scale": 2, "digits": 0},
        "Pieces__c": {"type": "int", "digits": 10, "precision": 0, "scale": 0},
        "Tracking_Number__c": {"type": "double", "precision": 18, "scale": 0, "nillable": True},
        "Value_Per_Kg__c": {"type": "double", "calculated": True, "scale": 13, "updateable": False},
        "Pickup_Time__c": {"type": "time", "soapType": "xsd:time"},
        "Notes__c": {"type": "textarea", "length": 131_072, "filterable": False},
        "Position__c": {"type": "location", "filterable": False, "compoundFieldName": None},
        "Position__Latitude__s": {"type": "double", "compoundFieldName": "Position__c"},
        "Account__c": {"type": "reference", "referenceTo": ["Account"], "relationshipName": "Account__r"},
        "SystemModstamp": {"type": "datetime", "soapType": "xsd:dateTime", "updateable": False},
        "Status__c": {"type": "picklist", "restrictedPicklist": True},
    }
    for name, facts in wanted.items():
        assert {each: fields[name][each] for each in facts} == facts, name
    who = {each["name"]: each for each in client.Task.describe()["fields"]}["WhoId"]
    assert (who["referenceTo"], who["polymorphicForeignKey"]) == (["Contact", "Lead"], True)
    person = {each["name"]: each for each in client.Contact.describe()["fields"]}
    assert (person["FirstName"]["compoundFieldName"], person["Name"]["type"]) == ("Name", "string")
    assert person["MailingAddress"]["type"] == "address"
    assert [
        {each["name"] for each in getattr(client, name).describe()["fields"]}
        & {"SystemModstamp", "CreatedDate"}
        for name in ("AccountHistory", "AccountShare", "Reading__b")
    ] == [{"CreatedDate"}, set(), set()]
    with pytest.raises(SalesforceResourceNotFound):
        client.Nope__c.describe()


def test_what_was_updated_and_deleted(api: SalesforceApi, client: Salesforce) -> None:
    """By another's client, unchanged."""
    first, second = made(api, "Account", {"Name": "first"}, {"Name": "second"})
    start = datetime.now(UTC) - timedelta(hours=1)
    end = datetime.now(UTC) + timedelta(minutes=10)
    found = client.Account.updated(start, end)
    assert {first, second} <= set(found["ids"])
    covered = datetime.fromisoformat(found["latestDateCovered"])
    assert start < covered <= end
    api.sandbox.salesforce_records("delete", object="Account", ids=[second])
    assert second not in client.Account.updated(start, end)["ids"]
    found = client.Account.deleted(start, end)
    ((entry),) = [each for each in found["deletedRecords"] if each["id"] == second]
    assert start < datetime.fromisoformat(entry["deletedDate"]) <= end
    assert datetime.fromisoformat(found["earliestDateAvailable"]) < start
    assert set(found) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_REPLICATION_DATE"):
        client.Account.deleted(start - timedelta(days=16), end)
    api.sandbox.salesforce_settings(replication_ids=0)
    with pytest.raises(SalesforceMalformedRequest, match="EXCEEDED_ID_LIMIT"):
        client.Account.updated(start, end)


def test_requests_that_are_refused(api: SalesforceApi) -> None:
    for path, parameters, expected in (
        ("sobjects/Account/updated", {"start": "2024-01-01T00:00:00Z"}, (400, "MISSING_ARGUMENT")),
        ("sobjects/Account/updated", {"start": "x", "end": "y"}, (400, "INVALID_FIELD")),
        ("sobjects/Account/deleted", span(days=29), (400, "INVALID_REPLICATION_DATE")),
        ("sobjects/AccountShare/updated", span(), (400, "INVALID_TYPE")),
        ("sobjects/Nope/updated", span(), (404, "NOT_FOUND")),
        ("sobjects/Nope", {}, (404, "NOT_FOUND")),
    ):
        assert error(api.call("GET", path, params=parameters)) == expected, path
    document = {"operation": "query", "query": "SELECT Id FROM CaseStatus"}
    reply = api.call("POST", "jobs/query", document)
    assert error(reply) == (400, "INVALIDENTITY")
    assert "Entity 'CaseStatus' is not supported by the Bulk API." in reply.text


def test_records_are_deleted_brought_back_merged_and_purged(api: SalesforceApi) -> None:
    sandbox = api.sandbox
    (account,) = made(api, "Account", {"Name": "parent"})
    winner, loser = made(
        api, "Contact", *({"LastName": name, "AccountId": account} for name in ("Winner", "Loser"))
    )
    soql = f"SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE Id IN ('{winner}', '{loser}')"  # noqa: S608 - SOQL

    def state() -> dict[str, tuple[str, str]]:
        return {row["Id"]: (row["IsDeleted"], row["MasterRecordId"]) for row in rows(api, soql)}

    sandbox.salesforce_settings(cascade_stamps="kept")
    sandbox.salesforce_records("delete", object="Account", ids=[account])
    assert state() == {winner: ("true", ""), loser: ("true", "")}
    sandbox.salesforce_records("undelete", object="Account", ids=[account])
    assert state() == {winner: ("false", ""), loser: ("false", "")}
    sandbox.salesforce_records("merge", object="Contact", ids=[loser], into=winner)
    assert state() == {winner: ("false", ""), loser: ("true", winner)}
    sandbox.salesforce_records("purge", object="Contact", ids=[loser], log="trimmed")
    assert state() == {winner: ("false", "")}
    found = api.get("sobjects/Contact/deleted", **span())
    assert loser not in {each["id"] for each in found["deletedRecords"]}
    assert datetime.fromisoformat(found["earliestDateAvailable"]) > datetime.now(UTC) - timedelta(hours=1)


def test_a_long_transaction(api: SalesforceApi) -> None:
    sandbox = api.sandbox
    opened = sandbox.salesforce_transaction("begin")["id"]
    records = [{"Name": "in a transaction"}, {"Name": ""}]
    sandbox.salesforce_transaction("write", id=opened, object="Account", records=records)
    soql = "SELECT Id FROM Account WHERE Name = 'in a transaction'"
    assert rows(api, soql) == []
    sandbox.advance(120)
    covered = api.get("sobjects/Account/updated", **span())["latestDateCovered"]
    assert datetime.fromisoformat(covered) <= datetime.now(UTC)  # and the org is 2 minutes ahead
    (refused,) = sandbox.salesforce_transaction("commit", id=opened)["errors"]
    assert refused.startswith("REQUIRED_FIELD_MISSING")
    assert len(rows(api, soql)) == 1
    dropped = sandbox.salesforce_transaction("begin")["id"]
    sandbox.salesforce_transaction("roll_back", id=dropped)
    with pytest.raises(Refusal, match="there is no open transaction"):
        sandbox.salesforce_transaction("commit", id=dropped)


def test_fields_come_and_go(api: SalesforceApi, client: Salesforce) -> None:
    sandbox = api.sandbox
    sandbox.salesforce_schema("add", object="Lead", field="Region__c", type="string", length=40)
    names = {each["name"] for each in client.Lead.describe()["fields"]}
    assert "Region__c" in names
    sandbox.salesforce_schema("hide", object="Lead", field="Region__c")
    assert {each["name"] for each in client.Lead.describe()["fields"]} == names - {"Region__c"}
    reply = api.call("POST", "jobs/query", {"operation": "query", "query": "SELECT Region__c FROM Lead"})
    assert error(reply) == (400, "INVALID_FIELD")
    assert "No such column 'Region__c' on entity 'Lead'" in reply.text
    sandbox.salesforce_schema("show", object="Lead", field="Region__c")
    sandbox.salesforce_schema("rename", object="Lead", field="Region__c", to="Area__c")
    sandbox.salesforce_schema("retype", object="Lead", field="Area__c", type="date")
    fields = {each["name"]: each["type"] for each in client.Lead.describe()["fields"]}
    assert (fields["Area__c"], "Region__c" in fields) == ("date", False)
    sandbox.salesforce_schema("use_currencies")
    assert "CurrencyIsoCode" in {each["name"] for each in client.Lead.describe()["fields"]}


def test_the_same_over_http(api: SalesforceApi) -> None:
    (account,) = made(api, "Account", {"Name": "over http"})

    def post(path: str, **document: Any) -> requests.Response:
        return requests.post(
            f"{api.sandbox.url}/sandbox/salesforce/{path}",
            json=document,
            headers={"Authorization": f"Bearer {api.sandbox.token}"},
            timeout=PATIENCE_SECONDS,
        )

    assert post("records", action="delete", object="Account", ids=[account]).status_code == 200
    opened = post("transactions", action="begin").json()["id"]
    assert post("transactions", action="roll_back", id=opened).json() == {}
    field = {"object": "Account", "field": "Over_Http__c"}
    assert post("schema", action="add", type="boolean", **field).status_code == 200
    for path, document, words in (
        ("records", {"action": "delete", "object": "Account", "ids": [account]}, "outside the bin"),
        ("records", {"action": "delete", "object": "Account", "ids": []}, "ids must be a list"),
        ("records", {"action": "bury", "object": "Account", "ids": [account]}, "no action 'bury'"),
        ("records", {"action": "purge", "object": "Account", "ids": [account], "log": "x"}, "one of kept"),
        ("records", {"object": "Account"}, "action must be text"),
        ("transactions", {"action": "stop", "id": "x"}, "no action 'stop'"),
        ("transactions", {"action": "write", "id": "x", "object": "Account", "records": [1]}, "list of obj"),
        ("schema", {"action": "add", "object": "Account", "field": "Over_Http__c"}, "already"),
        ("schema", {"action": "add", "object": "Nope", "field": "A__c"}, "Unable to find object"),
    ):
        reply = post(path, **document)
        assert (reply.status_code, words in reply.text) == (400, True), (document, reply.text)
