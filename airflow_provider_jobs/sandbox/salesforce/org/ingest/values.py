"""Texts of a file as values of fields: what fits, what it becomes, what Salesforce says when it does not fit.

Everything here is SQL over the table ``batch``. An empty text sets nothing, ``#N/A`` sets null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import ID_TYPES, TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import literal

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import InputColumn
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field

_TRUE = "('true', 'yes', 'y', 'on', '1')"
_FALSE = "('false', 'no', 'n', 'off', '0')"

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_WHOLE = r"^[+-]?\d{1,18}$"
_DATE = r"^\d{4}-\d{2}-\d{2}(Z|[+-]\d{2}:\d{2})?$"
_DATETIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?$"
_EMAIL = r"^[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+$"

_BAD_CHOICE = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"

_TIME = r"^\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z?$"
_SCHEMA_TYPES = {"date": "date", "datetime": "dateTime", "time": "time", "boolean": "boolean"}


def given(column: InputColumn) -> str:
    """Whether the file sets the field to something."""
    return f"{column.raw} NOT IN ('', '#N/A')"


def converted(column: InputColumn) -> str:
    """The value; NULL where there is none, or none that fits."""
    if column.parent is not None:
        return "NULL::VARCHAR"  # until the parent is found
    return f"CASE WHEN {given(column)} THEN {_value(column.field, column.raw)} END"


def _value(field: Field, raw: str) -> str:
    if field.type in ID_TYPES:
        return f"sf_normal_id({raw})"
    if field.type == "boolean":
        return f"CASE WHEN lower({raw}) IN {_TRUE} THEN true WHEN lower({raw}) IN {_FALSE} THEN false END"
    # Only the type with a time zone heeds the offset; the session's zone is UTC. Adding 0 makes -0.0 zero.
    moment = f"TRY_CAST(TRY_CAST({raw} AS TIMESTAMPTZ) AS TIMESTAMP)"
    number = (_NUMBER, f"round(TRY_CAST({raw} AS DOUBLE), {field.scale:d}) + 0")
    readings = {
        "int": (_WHOLE, f"TRY_CAST({raw} AS INTEGER)"),
        "double": number,
        "currency": number,
        "percent": number,
        "date": (_DATE, f"TRY_CAST(substr({raw}, 1, 10) AS DATE)"),
        "time": (_TIME, f"TRY_CAST(rtrim({raw}, 'Z') AS TIME)"),
        "datetime": (_DATETIME, f"date_trunc('millisecond', {moment})"),
    }
    if field.type not in readings:
        return raw
    form, value = readings[field.type]
    return f"CASE WHEN regexp_matches({raw}, '{form}') THEN {value} END"


def problems(column: InputColumn) -> list[tuple[str, str]]:
    """What can be wrong with a value alone: pairs of a condition and the ``sf__Error``."""
    field, raw, value = column.field, column.raw, column.value
    if not field.writable:
        return [(given(column), literal(_not_writable(field)))]
    if column.parent is not None:
        return []
    unread = f"{given(column)} AND {value} IS NULL"
    if field.type == "reference":
        return _reference_problems(column, unread)
    if field.type in _SCHEMA_TYPES:
        start = f"INVALID_FIELD:Failed to deserialize field at col {column.place}. Due to, '"
        end = f"' is not a valid value for the type xsd:{_SCHEMA_TYPES[field.type]}:{field.name} --"
        return [(unread, f"{literal(start)} || {raw} || {literal(end)}")]
    if field.type in ("int", "double", "currency", "percent"):
        start = f"INVALID_TYPE_ON_FIELD_IN_RECORD:{field.label}: value not of required type: "
        too_large = (
            f"NUMBER_OUTSIDE_VALID_RANGE:{field.label}: value outside of valid range on numeric field: "
        )
        return [
            (unread, _about(start, raw, field)),
            (f"abs({value}) >= 1e{field.digits}", _about(too_large, raw, field)),
        ]
    return _text_problems(column)


def _reference_problems(column: InputColumn, unread: str) -> list[tuple[str, str]]:
    prefixes = ", ".join(literal(each.key_prefix) for each in column.targets)
    start = f"MALFORMED_ID:{column.field.label}: id value of incorrect type: "
    wrong = f"{given(column)} AND ({unread} OR substr({column.raw}, 1, 3) NOT IN ({prefixes}))"
    return [(wrong, _about(start, column.raw, column.field))]


def _text_problems(column: InputColumn) -> list[tuple[str, str]]:
    field, raw, value = column.field, column.raw, column.value
    found = []
    if field.type in TEXT_TYPES and field.length:
        end = f" (max length={field.length}):{field.name} --"
        start = literal(f"STRING_TOO_LONG:{field.label}: data value too large: ")
        found.append((f"length({value}) > {field.length}", f"{start} || {raw} || {literal(end)}"))
    if field.type == "email":
        start = f"INVALID_EMAIL_ADDRESS:{field.label}: invalid email address: "
        found.append((f"NOT regexp_matches({value}, '{_EMAIL}')", _about(start, raw, field)))
    if field.values:
        known = ", ".join(literal(each.lower()) for each in field.values)
        chosen = (
            f"string_split(lower({value}), ';')" if field.type == "multipicklist" else f"[lower({value})]"
        )
        start = f"{_BAD_CHOICE}:{field.label}: bad value for restricted picklist field: "
        condition = f"{value} IS NOT NULL AND NOT list_has_all([{known}], {chosen})"
        found.append((condition, _about(start, raw, field)))
    return found


def _about(start: str, raw: str, field: Field) -> str:
    return f"{literal(start)} || {raw} || {literal(f':{field.name} --')}"


def _not_writable(field: Field) -> str:
    if field.type == "id":
        return "INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --"
    return (
        f"INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: {field.name}. Please check the "
        "security settings of this field and verify that it is read/write for your profile or permission "
        "set.:"
        f"{field.name} --"
    )
