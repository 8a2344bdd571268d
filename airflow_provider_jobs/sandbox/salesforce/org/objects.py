"""The objects of this org.

Standard ones follow https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/,
with a few custom fields; ``Shipment__c`` is custom.
"""

from __future__ import annotations

from airflow_provider_jobs.sandbox.salesforce.org.field_kinds import (
    address,
    key,
    long_text,
    lookup,
    number,
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
) -> SObject:
    first, last = system(label, _ME)
    following = tuple((derived or {}).items())
    return SObject(name, label, key_prefix, (*first, *fields, *last), following, deletable=deletable)


USER = _object(
    "User", "User", "005",
    text("Username", "Username", 80, required=True),
    text("LastName", "Last Name", 80, required=True),
    text("FirstName", "First Name", 40),
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
)  # fmt: skip

CONTACT = _object(
    "Contact", "Contact", "003",
    lookup("AccountId", "Account ID", "Account", "Account"),
    text("LastName", "Last Name", 80, required=True),
    text("FirstName", "First Name", 40),
    picklist("Salutation", "Salutation"),
    read_only("Name", "Full Name", "string", 121),
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
    key("External_Id__c", "External Id", 40),
    derived=_FULL_NAME,
)  # fmt: skip

OPPORTUNITY = _object(
    "Opportunity", "Opportunity", "006",
    lookup("AccountId", "Account ID", "Account", "Account"),
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
    lookup("AccountId", "Account ID", "Account", "Account"),
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
    number("Position__Latitude__s", "Position (Latitude)", 9, 6),
    number("Position__Longitude__s", "Position (Longitude)", 9, 6),
)  # fmt: skip

OBJECTS = (ACCOUNT, CASE, CONTACT, OPPORTUNITY, SHIPMENT, USER)

_BY_NAME = {each.name.lower(): each for each in OBJECTS}


def find_object(name: str) -> SObject | None:
    """Find an object; case does not matter."""
    return _BY_NAME.get(name.lower())


def children_of(parent: SObject) -> list[tuple[SObject, Field]]:
    """List the references that may point to an object's records."""
    return [(child, field) for child in OBJECTS for field in child.fields if field.refers_to == parent.name]
