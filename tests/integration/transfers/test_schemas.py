"""The target follows the object: fields that are new or gone, wider types; formulas are refreshed alone."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.transfers.bigquery_target import (
    Layout,
    create_staging,
    drop_staging,
    staging_table,
)
from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice, Selection, select_fields
from tests.integration.transfers.warehouse import Copy
from tests.unit.transfers.describes import describe, field

if TYPE_CHECKING:
    from tests.integration.transfers.warehouse import Warehouse

UNTIL = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
CURSOR = "SystemModstamp"


def selected(*fields: dict[str, Any]) -> Selection:
    described = describe("Thing__c", field("Id", "id"), field(CURSOR, "datetime"), *fields)
    return select_fields(described, FieldChoice(), cursor=CURSOR)


def thing(name: str, second: int = 0, **values: str) -> dict[str, str]:
    return {"Id": name, CURSOR: f"2026-11-29T00:00:{second:02}.000Z", **values}


def values(copy: Copy) -> dict[str, dict[str, Any]]:
    return {
        row["Id"]: {key: each for key, each in row.items() if key not in {"Id", CURSOR}}
        for row in copy.rows()
    }


def test_fields_come_and_go(warehouse: Warehouse) -> None:
    """A new one is NULL in old rows, one that is gone keeps its values, in full runs too; numbers widen."""
    first = selected(field("Old__c"), field("Size__c", "int"))
    then = selected(field("New__c"), field("Size__c", "double", scale=2))
    copy = Copy(warehouse, first, CURSOR)
    old = [thing("a", Old__c="kept", Size__c="1"), thing("b", Old__c="too", Size__c="2")]
    assert copy.merge(*old, until=UNTIL, deleted="remove").inserted == 2  # nothing can be deleted here
    plan = warehouse.plan(then)
    assert (plan.added, dict(plan.widened or {}), plan.kept) == (
        ("New__c",),
        {"Size__c": "NUMERIC"},
        ("Old__c",),
    )
    copy.selection = then
    copy.merge(thing("a", 1, New__c="n", Size__c="1.5"), until=UNTIL)
    assert values(copy) == {
        "a": {"Old__c": "kept", "New__c": "n", "Size__c": Decimal("1.5")},
        "b": {"Old__c": "too", "Size__c": Decimal(2)},
    }
    copy.replace(thing("a", 2, New__c="m"), thing("c", 2), until=UNTIL)
    assert values(copy) == {"a": {"Old__c": "kept", "New__c": "m"}, "c": {}}


def test_a_refresh_updates_formulas_alone(warehouse: Warehouse) -> None:
    """Other columns, the stamp and the mark stay; rows that are newer or not there are left out."""
    whole = selected(field("Name"), field("Sum__c", "double", calculated=True))
    copy = Copy(warehouse, whole, CURSOR)
    copy.merge(thing("a", 1, Name="x", Sum__c="1"), thing("b", 9, Name="y", Sum__c="1"), until=UNTIL)
    before = warehouse.rows("target")
    some = whole.refreshed(CURSOR)
    assert some.paths == ["Id", CURSOR, "Sum__c"]
    stale = [thing("a", 1, Sum__c="2"), thing("b", 5, Sum__c="2"), thing("c", 1, Sum__c="2")]
    counts = copy.refresh(*stale, selection=some)
    assert (counts.updated, counts.older, counts.absent, counts.inserted) == (1, 1, 1, 0)
    assert warehouse.rows("target") == [{**before[0], "Sum__c": 2.0}, before[1]]


def test_tables_are_made_as_asked(warehouse: Warehouse) -> None:
    """The target is partitioned and clustered; a staging table may be made and dropped again and again."""
    fields = selected(field("CreatedDate", "datetime"), field("Day__c", "date"))
    warehouse.plan(fields, "by_month", Layout("CreatedDate"))
    warehouse.plan(fields, "by_day", Layout("Day__c", "DAY", cluster_by=("Day__c", "Id")))
    by_month, by_day = warehouse.resource("by_month") or {}, warehouse.resource("by_day") or {}
    assert by_month["timePartitioning"] == {"type": "MONTH", "field": "CreatedDate"}
    assert by_month["clustering"] == {"fields": ["Id"]}
    assert [each["name"] for each in by_month["schema"]["fields"] if each.get("mode") == "REQUIRED"] == ["Id"]
    assert by_day["timePartitioning"] == {"type": "DAY", "field": "Day__c"}
    assert by_day["clustering"] == {"fields": ["Day__c", "Id"]}
    assert warehouse.plan(fields, "by_day").statements == ()
    staging = staging_table(warehouse.table(""), "Thing__c", "dag", "task", "run", -1)
    for _ in range(2):
        warehouse.run(create_staging(staging, fields.columns))
    assert warehouse.resource(staging["tableId"]) is not None
    for _ in range(2):
        warehouse.run(drop_staging(staging))
    assert warehouse.resource(staging["tableId"]) is None
