"""Ingest jobs and records that fail say so in Salesforce's words, and leave everything else alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed, SalesforceRefusal
from tests.integration.sandbox.salesforce_org.org_bench import read_csv, write_csv

if TYPE_CHECKING:
    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

_NOT_OF_TYPE = "INVALID_TYPE_ON_FIELD_IN_RECORD:Score: value not of required type: "
_OUT_OF_RANGE = "NUMBER_OUTSIDE_VALID_RANGE:Score: value outside of valid range on numeric field: "
_NOT_READ = "INVALID_FIELD:Failed to deserialize field at col "
_BAD_ID = "MALFORMED_ID:Account ID: id value of incorrect type: "
_NOT_WRITABLE = (
    "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: CreatedDate. Please check the security "
    "settings of this field and verify that it is read/write for your profile or permission set.:"
    "CreatedDate --"
)

ROW_ERRORS = [
    ("LastName", "", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"),
    ("LastName", "#N/A", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"),
    (
        "LastName",
        "x" * 81,
        "STRING_TOO_LONG:Last Name: data value too large: " + "x" * 81 + " (max length=80):LastName --",
    ),
    ("Email", "a@b", "INVALID_EMAIL_ADDRESS:Email: invalid email address: a@b:Email --"),
    ("Score__c", "1,5", f"{_NOT_OF_TYPE}1,5:Score__c --"),
    ("Score__c", "Infinity", f"{_NOT_OF_TYPE}Infinity:Score__c --"),
    ("Score__c", "1e999", f"{_OUT_OF_RANGE}1e999:Score__c --"),
    ("Score__c", "1234567", f"{_OUT_OF_RANGE}1234567:Score__c --"),
    (
        "Birthdate",
        "31.12.1999",
        f"{_NOT_READ}3. Due to, '31.12.1999' is not a valid value for the type xsd:date:Birthdate --",
    ),
    (
        "Birthdate",
        "2023-02-29",
        f"{_NOT_READ}3. Due to, '2023-02-29' is not a valid value for the type xsd:date:Birthdate --",
    ),
    (
        "HasOptedOutOfEmail",
        "maybe",
        f"{_NOT_READ}4. Due to, 'maybe' is not a valid value for the type xsd:boolean:HasOptedOutOfEmail --",
    ),
    ("AccountId", "nope", f"{_BAD_ID}nope:AccountId --"),
    ("AccountId", "003Fk0000000001IAA", f"{_BAD_ID}003Fk0000000001IAA:AccountId --"),
    ("AccountId", "001Fk0000000001IAB", f"{_BAD_ID}001Fk0000000001IAB:AccountId --"),
    ("AccountId", "001Fk00000zzzzz", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"),
    ("AccountId", "001Fk0000000083", "ENTITY_IS_DELETED:entity is deleted:--"),
    (
        "External_Id__c",
        "con-0000003",
        (
            "DUPLICATE_VALUE:duplicate value found: External_Id__c duplicates value on record with id: "
            "003Fk0000000003IAA:--"
        ),
    ),
    ("CreatedDate", "2020-01-01T00:00:00Z", _NOT_WRITABLE),
    ("Id", "003Fk0000000001IAA", "INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --"),
]


@pytest.mark.parametrize(
    ("field", "value", "error"), ROW_ERRORS, ids=[f"{f}={v[:20]}" for f, v, _ in ROW_ERRORS]
)
def test_errors_of_records(shared: OrgBench, field: str, value: str, error: str) -> None:
    """A record that fails leaves the others alone."""
    header = ["LastName", "Email", "Score__c", "Birthdate", "HasOptedOutOfEmail", "AccountId",
              "External_Id__c",
              "CreatedDate", "Id"]  # fmt: skip
    good = ["Fine", "", "1", "", "", "", "", "", ""]
    bad = ["Bad", *[""] * 8]
    bad[header.index(field)] = value
    outcome = shared.ingest("Contact", "insert", [header, good, bad, ["Fine too", *good[1:]]])
    ((known, said, *rest),) = read_csv(outcome.failed.read_bytes())[1:]
    assert (known, said, rest) == ("", error, bad)
    assert outcome.processed == 3
    names = {row[0]: row[2] for row in read_csv(outcome.successful.read_bytes())[1:]}
    assert sorted(names.values()) == ["Fine", "Fine too"]
    ids = ", ".join(f"'{each}'" for each in names)
    assert dict(shared.query(f"SELECT Id, LastName FROM Contact WHERE Id IN ({ids})")) == names  # noqa: S608 - SOQL


def test_restricted_picklists(shared: OrgBench) -> None:
    data = [["Name", "Status__c", "Handling__c"], ["a", "Lost", "fragile;OVERSIZED"], ["b", "Gone", ""],
            ["c", "", "Fragile;Loud"]]  # fmt: skip
    start = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:"
    assert shared.errors("Shipment__c", "insert", data) == [
        "",
        f"{start}Status: bad value for restricted picklist field: Gone:Status__c --",
        f"{start}Handling: bad value for restricted picklist field: Fragile;Loud:Handling__c --",
    ]


UNESCAPED = (
    "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"
)


@pytest.mark.parametrize(
    ("operation", "data", "message"),
    [
        ("insert", "Name,Nmae\na,b\n", "InvalidBatch : Field name not found : Nmae"),
        ("insert", "Name,Position__c\na,b\n", "InvalidBatch : Field name not found : Position__c"),
        ("insert", "Name,Account__r.Name\na,b\n", "InvalidBatch : Field name not found : Account__r.Name"),
        ("insert", "Name,name\na,b\n", "InvalidBatch : Field name specified more than once : name"),
        ("update", "Name\na\n", "InvalidBatch : Field name not found : Id"),
        ("upsert", "Name\na\n", "InvalidBatch : Field name not found : External_Id__c"),
        ("delete", "Name\na\n", "InvalidBatch : Field name not found : Id"),
        ("delete", "Id,Name\na01Fk0000000001IAA,a\n", "InvalidBatch : Field name not found : Name"),
        ("insert", "", "InvalidBatch : Records not found"),
        ("insert", 'Name\n"a"b\n', UNESCAPED),
        ("insert", 'Name\na"b\n', UNESCAPED),
        ("insert", 'Name\n"a\n', UNESCAPED),
        ("insert", '\ufeff"Name"\na\n', UNESCAPED),
        ("insert", "\ufeffName\na\n", "InvalidBatch : Field name not found : \ufeffName"),
        (
            "insert",
            "Name\r\na\r\n",
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            "insert",
            "Name,Weight__c\na\n",
            "InvalidBatch : Failed to parse CSV. Row 1 has 1 columns, the header has 2",
        ),
    ],
)
def test_jobs_that_fail_as_a_whole(shared: OrgBench, operation: str, data: str, message: str) -> None:
    before = shared.rows("Shipment__c", deleted=True)
    with pytest.raises(IngestFailed) as caught:
        shared.ingest("Shipment__c", operation, data, key="External_Id__c")
    assert caught.value.message == message
    assert shared.rows("Shipment__c", deleted=True) == before


def test_data_that_is_no_utf8(shared: OrgBench) -> None:
    path = shared.folder / "latin.csv"
    path.write_bytes("Name\nMüller\n".encode("latin-1"))
    with pytest.raises(IngestFailed, match="not valid UTF-8"):
        shared.org.ingest("Shipment__c", "insert", None, path, into=shared.folder)


def test_a_good_start_of_a_broken_file_changes_nothing(shared: OrgBench) -> None:
    data = "Name,Weight__c\n" + "fine,1\n" * 12_000 + "broken\n"
    with pytest.raises(IngestFailed):
        shared.ingest("Shipment__c", "insert", data)
    assert shared.query("SELECT Id FROM Shipment__c WHERE Name = 'fine'") == []


@pytest.mark.parametrize(
    ("object_name", "operation", "key", "code", "message"),
    [
        ("Nope", "insert", None, "INVALIDENTITY", "Unable to find object: Nope"),
        ("Contact", "merge", None, "INVALIDOPERATION", "Unsupported operation: merge"),
        (
            "Contact",
            "upsert",
            None,
            "INVALIDJOB",
            "External ID was blank for Contact. An External ID must be specified for upsert.",
        ),
        (
            "Contact",
            "upsert",
            "Title",
            "INVALID_FIELD",
            (
                "Field name provided, Title does not match an External ID, Salesforce Id, or indexed field "
                "for Contact"
            ),
        ),
        ("User", "delete", None, "INVALID_TYPE_FOR_OPERATION", "entity type User does not support delete"),
    ],
)
def test_jobs_that_are_refused(
    shared: OrgBench, object_name: str, operation: str, key: str | None, code: str, message: str
) -> None:
    with pytest.raises(SalesforceRefusal) as caught:
        shared.org.check_ingest(object_name, operation, key)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert shared.org.check_ingest("contact", "upsert", "external_id__c") == "Contact"


def test_headers_and_values_never_become_sql(shared: OrgBench) -> None:
    for header in ('Name"; DROP TABLE "User"; --', "Name) --", "c0", "error", "Account__r.Id); --"):
        with pytest.raises(IngestFailed, match="Field name not found"):
            shared.ingest("Shipment__c", "insert", write_csv([[header], ["a"]]))
    nasty = ['\'); DROP TABLE "User"; --', "' || error || '", "$1", "#N/A ", "\\'"]
    outcome = shared.ingest("Shipment__c", "insert", [["Name"], *([each] for each in nasty)])
    assert outcome.failed_count == 0
    assert set(nasty) <= set(shared.column("SELECT Name FROM Shipment__c"))
    assert len(shared.rows("User")) == 200
