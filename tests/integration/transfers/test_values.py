"""What Salesforce writes into its CSV is what the target has, each in the type of its field."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.transfers.bigquery_merge import bad_values_query, bad_values_report, merge_script
from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice, select_fields
from tests.integration.transfers.warehouse import Copy
from tests.unit.transfers.describes import ACCOUNT, SYSTEM, USER, describe, field

if TYPE_CHECKING:
    from tests.integration.transfers.warehouse import Warehouse

UNTIL = dt.datetime(2026, 11, 30, 2, tzinfo=dt.UTC)
STAMP = "2026-11-29T23:59:58.000Z"
#: As the CSV has it, and as the target does.
TEXTS = [
    "NA", "N/A", "null", "None", "#N/A", r"\N", "   ", "  outer blanks ", "a\nb", "a\r\nb", "a\rb",
    "a\u2028b", 'a,"",b', 'a","b', "'; DROP TABLE x; --", "`", "\\", "😀", "x" * 131_072,
]  # fmt: skip
KINDS = describe(
    "Kinds",
    *SYSTEM,
    field("Text__c", "textarea"),
    field("Order", "anyType"),
    field("Flag__c", "boolean"),
    field("Whole__c", "int"),
    field("Long__c", "long"),
    field("Money__c", "currency", scale=2),
    field("Exact__c", "double", scale=9),
    field("Fine__c", "double", scale=12),
    field("Share__c", "percent", scale=2),
    field("Formula__c", "double", scale=2, calculated=True),
    field("Day__c", "date"),
    field("Moment__c", "datetime"),
    field("Hour__c", "time"),
    field("Many__c", "multipicklist"),
    field("WhoId", "reference", relationshipName="Who", referenceTo=["Contact", "Lead"]),
)


def copy_of(warehouse: Warehouse, described: dict[str, Any] = KINDS, **choice: Any) -> Copy:
    return Copy(
        warehouse, select_fields(described, FieldChoice(**choice), cursor="SystemModstamp"), "SystemModstamp"
    )


def record(number: int, **values: str) -> dict[str, str]:
    """Return a record as its CSV has it."""
    return {"Id": f"001{number:015}", "IsDeleted": "false", "SystemModstamp": STAMP, **values}


SENT = {
    "Flag__c": "true", "Whole__c": "0.0", "Long__c": "1.6147805824397E13", "Money__c": "8.0E7",
    "Exact__c": "1.6147805824397E13", "Fine__c": "0.123456789012", "Share__c": "12.5",
    "Formula__c": "0.1234567890123", "Day__c": "1700-01-01", "Moment__c": "2026-01-31T23:30:00.000Z",
    "Hour__c": "12:30:00.000Z", "Many__c": "a;b", "WhoId": "00Q000000000001AAA",
}  # fmt: skip
THERE = {
    "Flag__c": True, "Whole__c": 0, "Long__c": 16147805824397, "Money__c": Decimal(80_000_000),
    "Exact__c": Decimal(16147805824397), "Fine__c": 0.123456789012, "Share__c": Decimal("12.5"),
    "Formula__c": 0.1234567890123, "Day__c": dt.date(1700, 1, 1),
    "Moment__c": dt.datetime(2026, 1, 31, 23, 30, tzinfo=dt.UTC), "Hour__c": dt.time(12, 30),
    "Many__c": "a;b", "WhoId": "00Q000000000001AAA",
}  # fmt: skip


def test_values_are_what_they_were(warehouse: Warehouse) -> None:
    """Each has the type of its field, nothing is NULL in all of them, and texts stay as they are.

    Words that mean nothing elsewhere, blanks, line ends, quotes: all but NUL, which goes.
    """
    copy = copy_of(warehouse)
    more = {"Money__c": "0.123456789012", "Day__c": "4000-12-31", "WhoId": "003000000000001AAA"}
    texts = [*TEXTS, "x\0y", "\0"]
    records = [record(900, **SENT), record(901, **more), record(902)]
    records += [record(n, Text__c=text, Order=text) for n, text in enumerate(texts)]
    assert copy.merge(*records, until=UNTIL).inserted == len(records)
    *found, first, second, third = copy.rows()
    assert [(row.get("Text__c"), row.get("Order")) for row in found] == [
        (text, text) for text in [*TEXTS, "xy", None]
    ]
    stamps = {"IsDeleted": False, "SystemModstamp": UNTIL - dt.timedelta(seconds=7202)}
    assert first == {"Id": first["Id"], **stamps, **THERE}
    assert second == {
        "Id": second["Id"], **stamps, "Money__c": Decimal("0.123456789"), "Day__c": dt.date(4000, 12, 31),
        "WhoId": "003000000000001AAA",
    }  # fmt: skip
    assert third == {"Id": third["Id"], **stamps}


def test_a_value_that_is_not_one_names_its_field_and_record(warehouse: Warehouse) -> None:
    """The merge fails and changes nothing; a second query tells the values, or they become NULL."""
    copy = copy_of(warehouse, fields=["Text__c", "Whole__c", "Day__c", "Money__c"])
    records = [record(2, Whole__c="1.5", Text__c="kept"), record(3, Day__c="20222-01-01", Money__c="much")]
    merge = copy.merge_of(records)
    with pytest.raises(ServiceError):
        copy.run(merge_script(merge, loaded=2, synced_to=UNTIL))
    query = bad_values_query(merge)
    assert query is not None
    assert bad_values_report(warehouse.run(query)) == (
        "not values of their columns' types are Day__c of 001000000000000003: '20222-01-01'; Money__c of "
        "001000000000000003: 'much'; Whole__c of 001000000000000002: '1.5'"
    )
    counts = copy.run(merge_script(replace(merge, bad_values="null"), loaded=2, synced_to=UNTIL))
    assert (counts.rows_before, counts.inserted, counts.nulled) == (0, 2, 3)
    assert [set(row) - {"Id", "IsDeleted", "SystemModstamp"} for row in copy.rows()] == [{"Text__c"}, set()]


def test_a_fraction_in_a_whole_number_is_told_by_the_failure_itself(warehouse: Warehouse) -> None:
    copy = copy_of(warehouse, fields=["Whole__c"])
    with pytest.raises(ServiceError, match=r"Whole__c of 001000000000000002 is not a whole number: 1\.5"):
        copy.merge(record(2, Whole__c="1.5"), until=UNTIL)


def test_fields_of_parents_have_columns_of_their_own(warehouse: Warehouse) -> None:
    """A truth value behind an empty relationship is NULL; of an address the parts are read."""
    fields = ["Name", "Owner.Name", "Owner.IsActive", "BillingCity", "Colours__c"]
    choice = FieldChoice(fields=fields, multipicklists="array")
    selection = select_fields(ACCOUNT, choice, cursor="SystemModstamp", parents={"User": USER})
    copy = Copy(warehouse, selection, "SystemModstamp")
    here = {"Name": "Acme", "BillingCity": "Bern", "CurrencyIsoCode": "CHF"}
    copy.merge(
        record(1, **here, **{"Owner.Name": "Ann", "Owner.IsActive": "true", "Colours__c": "red;blue"}),
        record(2, **here),
        until=UNTIL,
    )
    first, second = copy.rows()
    stamps = {"IsDeleted": False, "SystemModstamp": UNTIL - dt.timedelta(seconds=7202)}
    parents = {"Owner_Name": "Ann", "Owner_IsActive": True}
    assert first == {**here, **stamps, **parents, "Id": first["Id"], "Colours__c": ["red", "blue"]}
    assert second == {**here, **stamps, "Id": second["Id"]}
