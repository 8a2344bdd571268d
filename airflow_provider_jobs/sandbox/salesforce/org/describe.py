"""Objects and fields as describe tells of them.

Source: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema

_SOAP_TYPES = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "time": "xsd:time", "address": "urn:address", "location": "urn:location", "anyType": "xsd:anyType",
}  # fmt: skip
_DECIMALS = frozenset({"double", "currency", "percent"})
# What no object is, what one is that is written through the API, and what no field is.
_NO_OBJECT = (
    "activateable", "customSetting", "deepCloneable", "deprecatedAndHidden", "feedEnabled", "hasSubtypes",
    "isSubtype",
)  # fmt: skip
_WRITABLE = ("createable", "layoutable", "searchable", "triggerable", "updateable")
_NO_FIELD = ("caseSensitive", "deprecatedAndHidden", "highScaleNumber", "htmlFormatted")
_CHARACTER_BYTES = 3  # what Salesforce counts


def described(of: SObject, schema: Schema, version: str) -> dict[str, Any]:
    """Give an object with its fields, as the user may see them."""
    children = [
        {
            "cascadeDelete": field.on_delete == "cascade",
            "childSObject": child.name,
            "deprecatedAndHidden": False,
            "field": field.name,
            "relationshipName": None,
            "restrictedDelete": False,
        }
        for child, field in schema.children_of(of)
        if not field.hidden
    ]
    return {
        **summary(of, version),
        "childRelationships": children,
        "fields": [_field(each) for each in of.visible],
        "recordTypeInfos": [],
        "supportedScopes": [{"label": f"All {of.label}s", "name": "everything"}],
    }


def summary(of: SObject, version: str) -> dict[str, Any]:
    """Give an object as the list of all has it."""
    base = f"/services/data/v{version}/sobjects/{of.name}"
    return {
        **dict.fromkeys(_NO_OBJECT, False),
        **dict.fromkeys(_WRITABLE, of.writable),
        **dict.fromkeys(("deletable", "undeletable"), of.deletable),
        **dict.fromkeys(("queryable", "retrieveable"), True),
        "custom": of.name.endswith(("__c", "__b")),
        "keyPrefix": of.key_prefix,
        "label": of.label,
        "labelPlural": f"{of.label}s",
        "mergeable": "MasterRecordId" in of.columns,
        "name": of.name,
        "replicateable": of.replicateable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _field(field: Field) -> dict[str, Any]:
    several = len(field.refers_to) > 1
    wanted = field.required and field.default == "NULL"
    return {
        **dict.fromkeys(_NO_FIELD, False),
        "autoNumber": field.name == "CaseNumber",
        "byteLength": field.length * (1 if field.type in ("id", "reference") else _CHARACTER_BYTES),
        "calculated": bool(field.formula),
        "cascadeDelete": field.on_delete == "cascade",
        "compoundFieldName": field.part_of or None,
        "createable": field.writable,
        "custom": field.custom,
        "defaultedOnCreate": field.default != "NULL",
        "digits": field.digits if field.type == "int" else 0,
        "encrypted": field.type == "encryptedstring",
        "externalId": field.external_id,
        "filterable": field.filterable,
        "groupable": field.sortable and field.type not in (*_DECIMALS, "datetime"),
        "idLookup": field.identifies,
        "label": field.label,
        "length": field.length,
        "name": field.name,
        "nameField": field.name in ("Name", "CaseNumber"),
        "namePointing": several,
        "nillable": not (wanted or field.type in ("id", "boolean")),
        "permissionable": field.writable and not field.required,
        "picklistValues": [
            {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
            for value in field.values
        ],
        "polymorphicForeignKey": several,
        "precision": field.digits + field.scale if field.type in _DECIMALS else 0,
        "referenceTo": list(field.refers_to),
        "relationshipName": field.relationship or None,
        "restrictedPicklist": bool(field.values),
        "scale": field.scale if field.type in _DECIMALS else 0,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": field.sortable,
        "type": field.type,
        "unique": field.external_id,
        "updateable": field.writable,
    }
