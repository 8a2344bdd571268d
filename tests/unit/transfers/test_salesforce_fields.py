"""Which fields are read and what they become is told by the describe; what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.salesforce_fields import (
    FieldChoice,
    Selection,
    parents_of,
    select_fields,
    select_query,
)
from airflow_provider_jobs.transfers.salesforce_soql import read_query
from tests.unit.transfers.describes import ACCOUNT, SYSTEM, USER, describe, field

PARENTS = {"User": USER, "Account": ACCOUNT}


def selected(described: dict[str, Any] = ACCOUNT, **choice: Any) -> Selection:
    return select_fields(described, FieldChoice(**choice), cursor="SystemModstamp", parents=PARENTS)


def types(selection: Selection) -> dict[str, str]:
    return {column.name: column.type for column in selection.columns}


def refusal(described: dict[str, Any] = ACCOUNT, **choice: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        selected(described, **choice)
    return str(caught.value)


def test_all_fields_are_read_but_those_that_the_bulk_api_does_not_give() -> None:
    selection = selected()
    assert types(selection) == {
        "Id": "STRING", "IsDeleted": "BOOL", "CreatedDate": "TIMESTAMP", "LastModifiedDate": "TIMESTAMP",
        "SystemModstamp": "TIMESTAMP", "MasterRecordId": "STRING", "Name": "STRING", "OwnerId": "STRING",
        "BillingCity": "STRING", "Place__Latitude__s": "NUMERIC", "AnnualRevenue": "NUMERIC",
        "CurrencyIsoCode": "STRING", "NumberOfEmployees": "INT64", "Rate__c": "NUMERIC",
        "Exact__c": "FLOAT64", "Big__c": "NUMERIC", "Score__c": "FLOAT64", "Colours__c": "STRING",
        "Founded__c": "DATE", "Opens__c": "TIME",
    }  # fmt: skip
    assert selection.paths == [column.name for column in selection.columns]
    assert selection.left_out == {
        "BillingAddress": "an address: its parts are fields of their own",
        "Place__c": "a location: its latitude and longitude are fields of their own",
        "Photo": "binary, which the Bulk API does not give",
    }


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("anyType", {}, "STRING"),
        ("encryptedstring", {}, "STRING"),
        ("somethingnew", {}, "STRING"),
        ("long", {}, "INT64"),
        ("double", {"scale": 9}, "NUMERIC"),
        ("double", {"scale": 10}, "FLOAT64"),
        ("percent", {"scale": 2, "calculated": True}, "FLOAT64"),
        ("currency", {"scale": 12, "calculated": True}, "NUMERIC"),
    ],
)
def test_a_type_becomes_another(kind: str, more: dict[str, Any], expected: str) -> None:
    assert types(selected(describe("Thing", *SYSTEM, field("X__c", kind, **more))))["X__c"] == expected


def test_types_as_a_user_asks_for_them() -> None:
    found = types(selected(numbers="float64", multipicklists="array"))
    assert (found["Rate__c"], found["AnnualRevenue"], found["Colours__c"]) == (
        "FLOAT64", "NUMERIC", "ARRAY<STRING>",
    )  # fmt: skip


@pytest.mark.parametrize("soap", ["urn:json", "urn:SearchLayoutFieldsDisplayed"])
def test_what_only_the_soap_type_tells(soap: str) -> None:
    selection = selected(describe("Thing", *SYSTEM, field("X", "complexvalue", soapType=soap)))
    assert "which the Bulk API does not give" in selection.left_out["X"]


def test_the_name_of_a_person_is_read_though_parts_of_it_name_it() -> None:
    """Only types tell what is made of others."""
    parts = [field(name, compoundFieldName="Name") for name in ("FirstName", "LastName")]
    assert "Name" in selected(describe("Contact", *SYSTEM, field("Name"), *parts)).paths


def test_named_fields_come_with_those_that_a_copy_needs() -> None:
    selection = selected(fields=["name", "AnnualRevenue", "owner.name", "Owner.Manager.IsActive"])
    assert selection.paths == [
        "Id", "IsDeleted", "SystemModstamp", "Name", "AnnualRevenue", "CurrencyIsoCode", "Owner.Name",
        "Owner.Manager.IsActive",
    ]  # fmt: skip
    assert [column.name for column in selection.columns][-2:] == ["Owner_Name", "Owner_Manager_IsActive"]
    assert selection.left_out["BillingCity"] == "not in fields"


def test_a_star_stands_for_all_fields() -> None:
    assert set(selected(fields=["*", "Owner.Name"]).paths) == {*selected().paths, "Owner.Name"}


def test_fields_may_be_left_out() -> None:
    selection = selected(exclude_fields=["billingcity"], formulas="exclude")
    assert selection.left_out["BillingCity"] == "in exclude_fields"
    assert selection.left_out["Score__c"] == 'a formula, and formulas is "exclude"'


def test_a_refresh_reads_what_changes_without_a_stamp() -> None:
    """Formulas, and fields of parents."""
    selection = selected(fields=["*", "Owner.Name"])
    assert selection.refreshed("SystemModstamp").paths == ["Id", "SystemModstamp", "Score__c", "Owner.Name"]


def test_a_parent_of_several_objects_has_the_fields_that_all_have() -> None:
    who = field("WhoId", "reference", relationshipName="Who", referenceTo=["Contact", "Lead"])
    task = describe("Task", *SYSTEM, who)
    assert parents_of(task, ["Who.Name"], {}) == set()
    selection = selected(task, fields=["WhoId", "Who.Type", "Who.IsActive"])
    assert types(selection) | {"Who_Type": "STRING", "Who_IsActive": "BOOL"} == types(selection)
    assert "Name has no field Birthday" in refusal(task, fields=["Who.Birthday"])
    assert "may be of several objects" in refusal(task, fields=["Who.Owner.Name"])


def test_the_parents_to_describe_are_told_one_after_another() -> None:
    paths = ["Name", "Owner.Name", "MasterRecord.Owner.Name"]
    assert parents_of(ACCOUNT, paths, {}) == {"User", "Account"}
    assert parents_of(ACCOUNT, paths, {"Account": ACCOUNT}) == {"User"}
    assert parents_of(ACCOUNT, paths, PARENTS) == set()
    with pytest.raises(ConfigurationError, match="Account has no relationship Boss"):
        parents_of(ACCOUNT, ["Boss.Name"], {})
    with pytest.raises(ConfigurationError, match="fields of User are not known"):
        select_fields(ACCOUNT, FieldChoice(fields=["Owner.Name"]))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"fields": ["Nmae"]}, "fields|Nmae: Account has no field Nmae that this user may read"),
        ({"fields": ["BillingAddress"]}, "BillingAddress cannot be read: it is an address"),
        ({"fields": ["Score__c"], "formulas": "exclude"}, "Score__c cannot be read: it is a formula"),
        ({"fields": ["Name"], "exclude_fields": ["Name"]}, "fields and exclude_fields both have Name"),
        ({"exclude_fields": ["Id", "IsDeleted"]}, "exclude_fields has Id, IsDeleted, without which Account"),
        ({"exclude_fields": ["CurrencyIsoCode"]}, "exclude_fields has CurrencyIsoCode"),
        ({"exclude_fields": ["Gone__c"]}, "exclude_fields: Account has no field Gone__c"),
        ({"fields": "Name"}, "fields is text: give a list of names"),
        ({"fields": 5}, "fields is of type int: give a list of names"),
        ({"fields": ["Name`; --"]}, "which is not a field"),
        ({"numbers": "decimal"}, "numbers is 'decimal': give numeric or float64"),
    ],
)
def test_what_cannot_be_read_is_refused(choice: dict[str, Any], said: str) -> None:
    assert any(part in refusal(**choice) for part in said.split("|"))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (field("Owner_Name"), "Owner.Name and Owner_Name would both be the column Owner_Name"),
        (field("owner_name"), "Owner.Name and owner_name would both be the column Owner_Name"),
        (field("_loaded_at"), "has '_loaded_at'|'_loaded_at' cannot become a column"),
    ],
)
def test_two_columns_of_one_name_are_refused(other: dict[str, Any], said: str) -> None:
    described = {**ACCOUNT, "fields": [*ACCOUNT["fields"], other]}
    message = refusal(described, fields=["*", "Owner.Name"])
    assert any(part in message for part in said.split("|"))


def test_more_columns_than_a_table_has_are_refused() -> None:
    described = describe("Wide", *SYSTEM, *(field(f"F{n}__c") for n in range(10_000)))
    assert "Wide would have 10,008 columns, and a table has at most 10,000" in refusal(described)


def test_an_object_that_cannot_be_read_is_refused() -> None:
    assert "not queryable" in refusal(describe("Secret", *SYSTEM, queryable=False))
    assert "Odd has no Id" in refusal(describe("Odd", field("Name")))


def test_a_query_names_its_columns() -> None:
    query = read_query("SELECT Name, id, Owner.Name FROM Account WHERE Name = 'a, FROM b' LIMIT 5")
    selection = select_query(query, ACCOUNT, FieldChoice(), PARENTS)
    assert selection.paths == ["Name", "Id", "Owner.Name"]
    with pytest.raises(ConfigurationError, match="does not select Id"):
        select_query(read_query("SELECT Name FROM Account"), ACCOUNT, FieldChoice())
    with pytest.raises(ConfigurationError, match="BillingAddress, which cannot be read"):
        select_query(read_query("SELECT Id, BillingAddress FROM Account"), ACCOUNT, FieldChoice())
    with pytest.raises(ConfigurationError, match="soql clashes with fields"):
        select_query(query, ACCOUNT, FieldChoice(fields=["Name"]), PARENTS)
