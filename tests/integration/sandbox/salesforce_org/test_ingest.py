"""Ingest jobs change the org as Salesforce does, and say for every record what became of it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed
from tests.integration.sandbox.salesforce_org.org_bench import NOW, expected_csv, read_csv

if TYPE_CHECKING:
    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

AWKWARD = 'NUL \x00, "quotes"\nLF\r\nCRLF \u2028 👩\u200d🚀 e\u0301 ; | ^ ` \t end '


def test_inserted_records_can_be_queried(writing: OrgBench) -> None:
    account = writing.rows("Account")[3]
    header = ["Name", "External_Id__c", "Account__c", "Value__c", "Weight__c", "Pieces__c", "Shipped_On__c",
              "Delivered_At__c", "Express__c", "Handling__c", "Notes__c"]  # fmt: skip
    values = ["New", "n-1", account["Id"][:15], "12345678.9", "1.23456", "7", "2024-02-29",
              "2024-03-01T10:00:00.5+02:00", "Yes", "Fragile;Insured", AWKWARD]  # fmt: skip
    outcome = writing.ingest("shipment__c", "insert", [header, values])
    assert (outcome.processed, outcome.failed_count, outcome.unprocessed_count) == (1, 0, 0)
    (record,) = writing.query(
        f"SELECT {', '.join(header)}, Account__r.Name, Status__c, OwnerId, CreatedDate, IsDeleted "  # noqa: S608 - SOQL
        "FROM Shipment__c WHERE External_Id__c = 'N-1'"
    )
    assert record == [
        "New", "n-1", account["Id"], "1.23456789E7", "1.235", "7", "2024-02-29", "2024-03-01T08:00:00.500Z",
        "true", "Fragile;Insured", AWKWARD, account["Name"], "Planned", "005Fk0000000001IAA",
        "2024-05-15T12:30:15.000Z", "false",
    ]  # fmt: skip
    assert outcome.successful.read_bytes() == expected_csv(
        [["sf__Id", "sf__Created", *header], ["a01Fk00000002bJIAQ", "true", *values]]
    )
    assert outcome.failed.read_bytes() == expected_csv([["sf__Id", "sf__Error", *header]])
    assert outcome.unprocessed.read_bytes() == expected_csv([header])


def test_results_have_every_record_once_in_another_order(writing: OrgBench) -> None:
    data = [["Name", "Weight__c"], *([f"s{n}", "x" if n % 3 == 0 else str(n)] for n in range(500))]
    outcome = writing.ingest("Shipment__c", "insert", data, limit=400)
    good, bad, rest = (
        read_csv(path.read_bytes())[1:] for path in (outcome.successful, outcome.failed, outcome.unprocessed)
    )
    assert (len(good), len(bad), len(rest)) == (266, 134, 100)
    assert (outcome.processed, outcome.failed_count, outcome.unprocessed_count) == (400, 134, 100)
    everything = [row[2:] for row in good + bad] + rest
    assert sorted(everything) == sorted(data[1:])
    assert everything != data[1:]
    assert [row[2:] for row in good] != [row for row in data[1:401] if row[1] != "x"]
    assert rest != data[401:]
    names = dict(
        writing.query("SELECT Id, Name FROM Shipment__c WHERE Name LIKE 's%' AND Status__c = 'Planned'")
    )
    assert {row[0]: row[2] for row in good}.items() <= names.items()
    assert not set(names.values()) & {row[2] for row in bad} | {row[0] for row in rest} & set(names.values())


def test_one_external_id_twice_in_a_file(writing: OrgBench) -> None:
    data = [["Name", "External_Id__c"], ["a", "same"], ["b", "SAME"], ["c", "other"]]
    errors = writing.errors("Shipment__c", "insert", data)
    assert [bool(each) for each in errors] == [False, True, False]
    assert errors[1].startswith(
        "DUPLICATE_VALUE:duplicate value found: External_Id__c duplicates value on record"
    )


def test_update_changes_what_is_given(writing: OrgBench) -> None:
    """An empty value leaves a field alone, #N/A empties it; names are put together anew."""
    before = next(
        row for row in writing.rows("Contact") if row["FirstName"] and row["Title"] and row["Phone"]
    )
    data = [["Id", "FirstName", "Title", "Phone", "HasOptedOutOfEmail"],
            [before["Id"][:15], "Ünal", "", "#N/A", "1"]]  # fmt: skip
    outcome = writing.ingest("Contact", "update", data)
    assert outcome.failed_count == 0
    assert read_csv(outcome.successful.read_bytes())[1][:2] == [before["Id"], "false"]
    after = writing.by_id("Contact")[before["Id"]]
    now = NOW.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    assert after == {
        **before,
        "FirstName": "Ünal", "Name": f"Ünal {before['LastName']}", "Phone": None, "HasOptedOutOfEmail": True,
        "LastModifiedDate": now, "SystemModstamp": now, "LastModifiedById": "005Fk0000000001IAA",
    }  # fmt: skip


def test_errors_of_updates(writing: OrgBench) -> None:
    deleted = next(row["Id"] for row in writing.rows("Account", deleted=True) if row["IsDeleted"])
    live = writing.rows("Account")[5]["Id"]
    data = [["Id", "Name"], ["", "a"], ["001", "b"], ["003Fk0000000001IAA", "c"], ["001Fk00000zzzzz", "d"],
            [deleted, "e"], [live, "f"], [live, "g"], [writing.rows("Account")[6]["Id"], "#N/A"]]  # fmt: skip
    assert writing.errors("Account", "update", data) == [
        "MISSING_ARGUMENT:Id not specified:--",
        "MALFORMED_ID:Account ID: id value of incorrect type: 001:Id --",
        "MALFORMED_ID:Account ID: id value of incorrect type: 003Fk0000000001IAA:Id --",
        "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--",
        "ENTITY_IS_DELETED:entity is deleted:--",
        "",
        f"DUPLICATE_VALUE:Duplicate id specified: {live}:Id --",
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
    ]
    assert writing.by_id("Account")[live]["Name"] == "f"


def test_upsert_by_external_id(writing: OrgBench) -> None:
    known = next(
        row for row in writing.rows("Shipment__c") if row["External_Id__c"] and not row["Express__c"]
    )
    data = [["external_id__c", "Name", "Express__c"], [known["External_Id__c"].lower(), "", "true"],
            ["fresh", "Fresh", ""], ["FRESH", "again", ""], ["", "none", ""],
            ["nameless", "", ""]]  # fmt: skip
    outcome = writing.ingest("Shipment__c", "upsert", data, key="External_Id__c")
    good = sorted(read_csv(outcome.successful.read_bytes())[1:], key=lambda row: row[0])
    assert [row[:4] for row in good] == [
        [known["Id"], "false", data[1][0], ""],
        [good[1][0], "true", "fresh", "Fresh"],
    ]
    assert {row[2]: row[1] for row in read_csv(outcome.failed.read_bytes())[1:]} == {
        "FRESH": "DUPLICATE_VALUE:Duplicate external id specified: FRESH:External_Id__c --",
        "": "MISSING_ARGUMENT:External_Id__c not specified:External_Id__c --",
        "nameless": "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
    }
    after = writing.by_id("Shipment__c")
    assert (after[known["Id"]]["Name"], after[known["Id"]]["Express__c"]) == (known["Name"], True)
    assert after[good[1][0]]["External_Id__c"] == "fresh"
    again = writing.ingest("Shipment__c", "upsert", data[:3], key="external_id__C")
    assert {row[1] for row in read_csv(again.successful.read_bytes())[1:]} == {"false"}


def test_parents_by_their_external_id(writing: OrgBench) -> None:
    account = writing.rows("Account")[10]
    data = [["LastName", "account.external_id__C"], ["Child", account["External_Id__c"].lower()],
            ["Orphan", ""],
            ["Lost", "nope"]]  # fmt: skip
    error = (
        "INVALID_FIELD:Foreign key external ID: nope not found for field External_Id__c in entity Account:--"
    )
    assert writing.errors("Contact", "insert", data) == ["", "", error]
    found = writing.query(
        "SELECT LastName, AccountId FROM Contact WHERE CreatedDate = TODAY ORDER BY LastName"
    )
    assert found == [["Child", account["Id"]], ["Orphan", ""]]


def test_an_id_is_not_a_parents_external_id(writing: OrgBench) -> None:
    data = [["LastName", "Account.External_Id__c"], ["Child", writing.rows("Account")[10]["Id"]]]
    (error,) = writing.errors("Contact", "insert", data)
    assert error.startswith("INVALID_FIELD:Foreign key external ID: 001")


def test_polymorphic_parents_by_their_external_id(writing: OrgBench) -> None:
    """The header says of which object the parent is."""
    contact, account = writing.rows("Contact")[10], writing.rows("Account")[10]
    header = ["Subject", "Contact:Who.External_Id__c", "account:What.External_Id__c"]
    data = [header, ["a", contact["External_Id__c"], account["External_Id__c"]], ["b", "", "nope"]]
    error = (
        "INVALID_FIELD:Foreign key external ID: nope not found for field External_Id__c in entity Account:--"
    )
    assert writing.errors("Task", "insert", data) == ["", error]
    assert writing.query("SELECT WhoId, WhatId FROM Task WHERE Subject = 'a'") == [
        [contact["Id"], account["Id"]]
    ]
    for wrong in ("Who.External_Id__c", "Case:Who.CaseNumber", "Contact:Account.External_Id__c"):
        with pytest.raises(IngestFailed, match=f"Field name not found : {wrong}"):
            writing.ingest("Task", "insert", [["Subject", wrong], ["a", "b"]])


def test_records_by_standard_fields_that_stand_for_an_id(writing: OrgBench) -> None:
    """An Email need not be unique: of one that several have nobody is meant."""
    users, contacts = writing.rows("User"), [row for row in writing.rows("Contact") if row["Email"]]
    first, second = contacts[:2]
    data = [["LastName", "Email", "ReportsTo.Email", "Owner.Username"],
            ["a", "twice@example.com", first["Email"].upper(), users[3]["Username"]],
            ["b", "twice@example.com", "", ""],
            ["c", "", "nobody@example.com", ""]]  # fmt: skip
    assert [each[:47] for each in writing.errors("Contact", "insert", data)] == [
        "", "", "INVALID_FIELD:Foreign key external ID: nobody@e",
    ]  # fmt: skip
    made = {row["LastName"]: row for row in writing.rows("Contact")[-2:]}
    assert (made["a"]["ReportsToId"], made["a"]["OwnerId"]) == (first["Id"], users[3]["Id"])
    several = f"[{made['a']['Id']}, {made['b']['Id']}]:Email --"
    error = f"DUPLICATE_EXTERNAL_ID:more than one record found for external id field: {several}"
    data = [
        ["LastName", "Email"],
        ["d", "TWICE@example.com"],
        ["e", second["Email"]],
        ["f", "new@example.com"],
    ]
    assert writing.errors("Contact", "upsert", data, key="Email") == [error, "", ""]
    assert writing.by_id("Contact")[second["Id"]]["LastName"] == "e"
    data = [["LastName", "ReportsTo.Email"], ["g", "twice@example.com"]]
    assert writing.errors("Contact", "insert", data) == [error]


def test_custom_objects_are_found_by_their_name(writing: OrgBench) -> None:
    known = writing.rows("Shipment__c")[5]
    data = [["Name", "Pieces__c"], [known["Name"], "77"], ["Quite New", "78"]]
    outcome = writing.ingest("Shipment__c", "upsert", data, key="Name")
    assert (outcome.processed, outcome.failed_count) == (2, 0)
    assert writing.by_id("Shipment__c")[known["Id"]]["Pieces__c"] == 77
    task = [["Subject", "Shipment__c:What.Name"], ["a", "Quite New"]]
    assert writing.errors("Task", "insert", task) == [""]


def test_a_required_field_with_a_default_may_be_left_out(writing: OrgBench) -> None:
    data = [["Subject", "Status"], ["a", ""]]
    assert writing.errors("Task", "insert", data) == [""]
    assert writing.errors("Task", "insert", [["Subject"], ["a"]]) == [""]
    soql = "SELECT Id, Status FROM Task WHERE Subject = 'a'"
    (made, status), _ = writing.query(soql)
    assert status == "Not Started"
    assert writing.errors("Task", "update", [["Id", "Status"], [made, "#N/A"]]) == [
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Status]:Status --"
    ]


def test_deleted_records_lie_in_the_bin(writing: OrgBench) -> None:
    gone, kept = writing.rows("Account")[20:22]
    children = [row["Id"] for row in writing.rows("Shipment__c") if row["Account__c"] == gone["Id"]]
    going = [row["Id"] for row in writing.rows("Opportunity") if row["AccountId"] == gone["Id"]]
    assert children
    assert going
    outcome = writing.ingest("Account", "delete", [["Id"], [gone["Id"]], ["001Fk00000zzzzz"]])
    assert read_csv(outcome.successful.read_bytes())[1:] == [[gone["Id"], "false", gone["Id"]]]
    soql = f"SELECT Id, IsDeleted FROM Account WHERE Id IN ('{gone['Id']}', '{kept['Id']}')"  # noqa: S608 - SOQL
    assert writing.query(soql) == [[kept["Id"], "false"]]
    assert writing.query(soql, all_rows=True) == [[gone["Id"], "true"], [kept["Id"], "false"]]
    shipments, opportunities = writing.by_id("Shipment__c"), writing.by_id("Opportunity")
    assert {shipments[each]["Account__c"] for each in children} == {None}
    assert {opportunities[each]["IsDeleted"] for each in going} == {True}
    assert writing.errors("Account", "delete", [["Id"], [gone["Id"]]]) == [
        "ENTITY_IS_DELETED:entity is deleted:--"
    ]


def test_hard_deleted_records_are_gone(writing: OrgBench) -> None:
    gone = writing.rows("Contact")[20]["Id"]
    assert writing.ingest("Contact", "hardDelete", [["Id"], [gone]]).failed_count == 0
    assert writing.query(f"SELECT Id FROM Contact WHERE Id = '{gone}'", all_rows=True) == []  # noqa: S608 - SOQL
    created = writing.ingest("Contact", "insert", [["LastName"], ["Next"]])
    assert read_csv(created.successful.read_bytes())[1][0] not in writing.by_id("Case")
    assert gone not in writing.by_id("Contact")


def test_fields_that_follow_from_others(writing: OrgBench) -> None:
    writing.ingest("Opportunity", "insert", "Name,StageName,CloseDate\nDeal,Closed Won,2024-01-01\n")
    soql = "SELECT IsClosed, IsWon FROM Opportunity WHERE Name = 'Deal'"
    assert writing.query(soql) == [["true", "true"]]
    writing.ingest("Case", "insert", "Subject,Status\nQ,Closed\nR,\n")
    rows = writing.query(
        "SELECT CaseNumber, Status, IsClosed, ClosedDate FROM Case WHERE Subject IN ('Q', 'R')"
    )
    assert rows == [
        ["00016001", "Closed", "true", "2024-05-15T12:30:15.000Z"],
        ["00016002", "New", "false", ""],
    ]


@pytest.mark.parametrize(
    ("delimiter", "mark"), [("PIPE", "|"), ("TAB", "\t"), ("CARET", "^"), ("BACKQUOTE", "`")]
)
def test_other_forms(writing: OrgBench, delimiter: str, mark: str) -> None:
    """Results have the form of the data; newlines inside values are no line endings."""
    data = f'Name{mark}Notes__c\r\n"a{mark}b"{mark}"one\ntwo"\r\nc{mark}\r\n'
    outcome = writing.ingest("Shipment__c", "insert", data, delimiter=delimiter, line_ending="CRLF")
    assert outcome.successful.read_bytes().startswith(f'"sf__Id"{mark}"sf__Created"{mark}"Name"'.encode())
    rows = read_csv(outcome.successful.read_bytes(), delimiter=mark)[1:]
    assert sorted(row[2:] for row in rows) == [[f"a{mark}b", "one\ntwo"], ["c", ""]]
    assert outcome.failed.read_bytes().endswith(b"\r\n")
