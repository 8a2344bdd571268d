"""Descriptions of objects as Salesforce gives them, as far as a copy looks at them."""

from __future__ import annotations

from typing import Any


def field(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """Return the description of a field."""
    soap = {"id": "tns:ID", "reference": "tns:ID", "address": "urn:address", "location": "urn:location"}
    return {
        "name": name, "type": kind, "soapType": soap.get(kind, f"xsd:{kind}"), "nillable": name != "Id",
        "length": 0, "precision": 0, "scale": 0, "digits": 0, "calculated": False, "compoundFieldName": None,
        "relationshipName": None, "referenceTo": [], "filterable": True, "custom": name.endswith("__c"),
        **more,
    }  # fmt: skip


def describe(name: str, *fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the description of an object."""
    return {
        "name": name, "queryable": True, "replicateable": True, "updateable": True, "fields": list(fields),
        **more,
    }  # fmt: skip


#: What nearly every object has.
SYSTEM = (
    field("Id", "id"), field("IsDeleted", "boolean"), field("CreatedDate", "datetime"),
    field("LastModifiedDate", "datetime"), field("SystemModstamp", "datetime"),
)  # fmt: skip
USER = describe(
    "User",
    *SYSTEM,
    field("Name"),
    field("IsActive", "boolean"),
    field("ManagerId", "reference", relationshipName="Manager", referenceTo=["User"]),
)
ACCOUNT = describe(
    "Account",
    *SYSTEM,
    field("MasterRecordId", "reference", relationshipName="MasterRecord", referenceTo=["Account"]),
    field("Name"),
    field("OwnerId", "reference", relationshipName="Owner", referenceTo=["User"]),
    field("BillingAddress", "address"),
    field("BillingCity", compoundFieldName="BillingAddress"),
    field("Place__c", "location"),
    field("Place__Latitude__s", "double", scale=6, compoundFieldName="Place__c"),
    field("AnnualRevenue", "currency", precision=18, scale=2),
    field("CurrencyIsoCode", "picklist"),
    field("NumberOfEmployees", "int", digits=8),
    field("Rate__c", "percent", scale=2),
    field("Exact__c", "double", scale=12),
    field("Big__c", "double", precision=18, scale=0),
    field("Score__c", "double", scale=2, calculated=True),
    field("Colours__c", "multipicklist"),
    field("Photo", "base64"),
    field("Founded__c", "date"),
    field("Opens__c", "time"),
)
