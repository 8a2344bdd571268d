"""The objects of this org.

Standard ones follow https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/,
with a few custom fields; ``Shipment__c`` and ``Reading__b``, a big object, are custom.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_jobs.sandbox.salesforce.org.field_kinds import (
    address,
    formula,
    key,
    long_text,
    lookup,
    master,
    number,
    parts,
    picklist,
    plain,
    read_only,
    system,
    text,
)
from airflow_provider_jobs.sandbox.salesforce.org.ids import record_id
from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject

# Who writes through the API, and owns what is written.
ACTING_USER = record_id("005", 1)

_ME = f"'{ACTING_USER}'"

_FULL_NAME = {"Name": 'concat_ws(\' \', "FirstName", "LastName")'}

_STAGES = ("Prospecting", "Qualification", "Negotiation/Review", "Closed Won", "Closed Lost")
_HANDLING = ("Fragile", "Refrigerated", "Hazardous", "Oversized", "Insured")


def _owner() -> Field:
    return lookup("OwnerId", "Owner ID", "User", "Owner", default=_ME)


def _object(
    name: str,
    label: str,
    key_prefix: str,
    *fields: Field,
    derived: dict[str, str] | None = None,
    deletable: bool = True,
    tracked: tuple[str, ...] = (),
) -> SObject:
    first, last = system(label, _ME)
    following = tuple((derived or {}).items())
    return SObject(
        name, label, key_prefix, (*first, *fields, *last), following, deletable=deletable, tracked=tracked
    )


def _person() -> tuple[Field, ...]:
    return (
        *parts(
            "Name",
            text("LastName", "Last Name", 80, required=True),
            text("FirstName", "First Name", 40),
            picklist("Salutation", "Salutation"),
        ),
        read_only("Name", "Full Name", "string", 121),
    )


def _of_account() -> Field:
    return lookup("AccountId", "Account ID", "Account", "Account", on_delete="cascade")


def _industry_of(reference: str) -> Field:
    """A formula that depends on the parent: a change there moves no stamp here."""
    parent = f'SELECT p."Industry" FROM "Account" AS p WHERE p."Id" = {{0}}."{reference}"'  # noqa: S608 - our names
    return formula("Account_Industry__c", "Account Industry", "string", parent, reads="Account", length=1300)


USER = _object(
    "User", "User", "005",
    text("Username", "Username", 80, required=True),
    *parts(
        "Name",
        text("LastName", "Last Name", 80, required=True),
        text("FirstName", "First Name", 40),
    ),
    read_only("Name", "Full Name", "string", 121),
    text("Email", "Email", 80, required=True, type_="email"),
    text("Alias", "Alias", 8, required=True),
    text("Title", "Title", 80),
    plain("IsActive", "Active", "boolean", default="true"),
    plain("LastLoginDate", "Last Login", "datetime"),
    lookup("ManagerId", "Manager ID", "User", "Manager"),
    derived=_FULL_NAME,
    deletable=False,
)  # fmt: skip

ACCOUNT = _object(
    "Account", "Account", "001",
    master("Account"),
    text("Name", "Account Name", 255, required=True),
    picklist("Type", "Account Type"),
    picklist("Industry", "Industry"),
    lookup("ParentId", "Parent Account ID", "Account", "Parent"),
    _owner(),
    *address("Billing", "Billing"),
    text("Phone", "Account Phone", 40, type_="phone"),
    text("Website", "Website", 255, type_="url"),
    number("AnnualRevenue", "Annual Revenue", 18, 0, "currency"),
    plain("NumberOfEmployees", "Employees", "int"),
    long_text("Description", "Account Description"),
    plain("Active__c", "Active", "boolean"),
    key("External_Id__c", "External Id", 40),
    tracked=("Name", "Type", "Industry", "OwnerId", "Phone", "AnnualRevenue"),
)  # fmt: skip

CONTACT = _object(
    "Contact", "Contact", "003",
    master("Contact"),
    _of_account(),
    *_person(),
    *address("Mailing", "Mailing"),
    text("Phone", "Business Phone", 40, type_="phone"),
    text("Email", "Email", 80, type_="email"),
    text("Title", "Title", 128),
    text("Department", "Department", 80),
    plain("Birthdate", "Birthdate", "date"),
    long_text("Description", "Contact Description"),
    plain("HasOptedOutOfEmail", "Email Opt Out", "boolean"),
    lookup("ReportsToId", "Reports To ID", "Contact", "ReportsTo"),
    _owner(),
    number("Score__c", "Score", 8, 2),
    picklist("Interests__c", "Interests", several=True),
    _industry_of("AccountId"),
    key("External_Id__c", "External Id", 40),
    derived=_FULL_NAME,
)  # fmt: skip

LEAD = _object(
    "Lead", "Lead", "00Q",
    master("Lead"),
    *_person(),
    text("Company", "Company", 255, required=True),
    text("Title", "Title", 128),
    text("Email", "Email", 80, type_="email"),
    text("Phone", "Phone", 40, type_="phone"),
    *address("", ""),
    picklist("Status", "Lead Status", default="'Open - Not Contacted'"),
    picklist("Industry", "Industry"),
    number("AnnualRevenue", "Annual Revenue", 18, 0, "currency"),
    # As some of Salesforce's own: an int, and results have 12.0.
    replace(plain("NumberOfEmployees", "Employees", "int"), decimal=True),
    read_only("IsConverted", "Converted", "boolean", default="false"),
    _owner(),
    key("External_Id__c", "External Id", 40),
    derived=_FULL_NAME,
)  # fmt: skip

OPPORTUNITY = _object(
    "Opportunity", "Opportunity", "006",
    _of_account(),
    text("Name", "Name", 120, required=True),
    picklist("StageName", "Stage", *_STAGES, required=True),
    number("Amount", "Amount", 18, 2, "currency"),
    number("Probability", "Probability (%)", 3, 0, "percent"),
    plain("CloseDate", "Close Date", "date", required=True),
    read_only("IsClosed", "Closed", "boolean", default="false"),
    read_only("IsWon", "Won", "boolean", default="false"),
    text("NextStep", "Next Step", 255),
    long_text("Description", "Description"),
    _owner(),
    key("External_Id__c", "External Id", 40),
    derived={"IsClosed": "\"StageName\" LIKE 'Closed%'", "IsWon": "\"StageName\" = 'Closed Won'"},
)  # fmt: skip

CASE = _object(
    "Case", "Case", "500",
    read_only("CaseNumber", "Case Number", "string", 30, default="lpad((number + 1000)::VARCHAR, 8, '0')"),
    lookup("ContactId", "Contact ID", "Contact", "Contact"),
    _of_account(),
    picklist("Status", "Status", default="'New'"),
    picklist("Priority", "Priority", default="'Medium'"),
    picklist("Origin", "Case Origin"),
    text("Subject", "Subject", 255),
    long_text("Description", "Description"),
    read_only("IsClosed", "Closed", "boolean", default="false"),
    read_only("ClosedDate", "Closed Date", "datetime"),
    _owner(),
    derived={
        "IsClosed": "\"Status\" = 'Closed'",
        "ClosedDate": "CASE WHEN \"Status\" = 'Closed' THEN coalesce(\"ClosedDate\", \"SystemModstamp\") END",
    },
)  # fmt: skip

SHIPMENT = _object(
    "Shipment__c", "Shipment", "a01",
    text("Name", "Shipment Name", 80, required=True),
    _owner(),
    lookup("Account__c", "Account", "Account", "Account__r"),
    lookup("Contact__c", "Consignee", "Contact", "Contact__r"),
    key("External_Id__c", "External Id", 40),
    picklist("Status__c", "Status", "Planned", "In Transit", "Delivered", "Lost", default="'Planned'"),
    number("Value__c", "Value", 18, 2, "currency"),
    number("Weight__c", "Weight", 12, 3),
    number("Discount__c", "Discount", 5, 1, "percent"),
    plain("Pieces__c", "Pieces", "int"),
    plain("Shipped_On__c", "Shipped On", "date"),
    plain("Delivered_At__c", "Delivered At", "datetime"),
    plain("Express__c", "Express", "boolean"),
    picklist("Handling__c", "Handling", *_HANDLING, several=True),
    long_text("Notes__c", "Notes", 131_072),
    Field("Position__c", "location", "Position", writable=False),
    *parts(
        "Position__c",
        number("Position__Latitude__s", "Position (Latitude)", 9, 6),
        number("Position__Longitude__s", "Position (Longitude)", 9, 6),
    ),
    plain("Pickup_Time__c", "Pickup Time", "time"),
    number("Tracking_Number__c", "Tracking Number", 18),
    formula(
        "Value_Per_Kg__c", "Value per Kg", "double", '{0}."Value__c" / nullif({0}."Weight__c", 0)', scale=13
    ),
    _industry_of("Account__c"),
)  # fmt: skip

_TASKS_OF = ("Account", "Case", "Opportunity", "Shipment__c")

TASK = _object(
    "Task", "Task", "00T",
    lookup("WhoId", "Name ID", ("Contact", "Lead"), "Who", on_delete="cascade"),
    lookup("WhatId", "Related To ID", _TASKS_OF, "What", on_delete="cascade"),
    text("Subject", "Subject", 255),
    plain("ActivityDate", "Due Date Only", "date"),
    picklist("Status", "Status", required=True, default="'Not Started'"),
    picklist("Priority", "Priority", default="'Normal'"),
    long_text("Description", "Description"),
    plain("CallDurationInSeconds", "Call Duration", "int"),
    read_only("IsClosed", "Closed", "boolean", default="false"),
    read_only("IsArchived", "Archived", "boolean", default="false"),
    _owner(),
    derived={"IsClosed": "\"Status\" = 'Completed'"},
)  # fmt: skip

_ID, _IS_DELETED = system("Record", _ME)[0]
_CREATED, _CREATED_BY, _CHANGED, _CHANGED_BY, _STAMP = system("Record", _ME)[1]

ACCOUNT_HISTORY = SObject(
    "AccountHistory", "Account History", "017",
    (
        _ID, _IS_DELETED, _of_account(), _CREATED_BY, _CREATED,
        text("Field", "Changed Field", 255, type_="picklist"),
        text("DataType", "Datatype", 40, type_="picklist"),
        Field("OldValue", "anyType", "Old Value"),
        Field("NewValue", "anyType", "New Value"),
    ),
    deletable=False, writable=False,
)  # fmt: skip

ACCOUNT_SHARE = SObject(
    "AccountShare", "Account Share", "00r",
    (
        _ID, _of_account(),
        lookup("UserOrGroupId", "User/Group ID", "User", "UserOrGroup"),
        picklist("AccountAccessLevel", "Account Access", "Read", "Edit", "All", default="'Read'"),
        picklist("RowCause", "Row Cause", default="'Manual'"),
        _CHANGED, _CHANGED_BY, _IS_DELETED,
    ),
    replicateable=False,
)  # fmt: skip

READING = SObject(
    "Reading__b", "Reading", "x01",
    (
        _ID,
        text("Sensor__c", "Sensor", 40, required=True),
        plain("Taken_At__c", "Taken At", "datetime", required=True),
        number("Celsius__c", "Celsius", 6, 2),
    ),
    deletable=False, replicateable=False, index=("Sensor__c", "Taken_At__c"),
)  # fmt: skip

CASE_STATUS = SObject(
    "CaseStatus", "Case Status Value", "01J",
    (
        _ID,
        text("MasterLabel", "Master Label", 255),
        plain("SortOrder", "Sort Order", "int"),
        plain("IsClosed", "Is Closed", "boolean"),
        _CREATED, _CREATED_BY, _CHANGED, _CHANGED_BY, _STAMP,
    ),
    deletable=False, writable=False, replicateable=False, bulk=False,
)  # fmt: skip

OBJECTS = (
    ACCOUNT, ACCOUNT_HISTORY, ACCOUNT_SHARE, CASE, CASE_STATUS, CONTACT, LEAD, OPPORTUNITY, READING, SHIPMENT,
    TASK, USER,
)  # fmt: skip
