"""What a merge does with each record that a window brings, and what it refuses."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.transfers.bigquery_merge import merge_script
from airflow_provider_jobs.transfers.bigquery_target import mark_of, mark_query
from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice, select_fields
from tests.integration.transfers.warehouse import Copy
from tests.unit.transfers.describes import describe, field

if TYPE_CHECKING:
    from tests.integration.transfers.warehouse import Warehouse

LEAD = describe(
    "Lead",
    field("Id", "id"),
    field("Name"),
    field("MasterRecordId", "reference"),
    field("IsDeleted", "boolean"),
    field("SystemModstamp", "datetime"),
)
FIRST = dt.datetime(2026, 11, 30, 1, tzinfo=dt.UTC)
SECOND = dt.datetime(2026, 11, 30, 2, tzinfo=dt.UTC)


@pytest.fixture
def copy(warehouse: Warehouse) -> Copy:
    return Copy(warehouse, select_fields(LEAD, FieldChoice(), cursor="SystemModstamp"), "SystemModstamp")


def lead(
    name: str, second: int, value: str = "", *, deleted: bool = False, master: str = ""
) -> dict[str, str]:
    """Return a record with the stamp of that second."""
    return {
        "Id": name, "Name": value, "IsDeleted": str(deleted).lower(), "MasterRecordId": master,
        "SystemModstamp": f"2026-11-30T00:00:{second:02}.000Z",
    }  # fmt: skip


def seen(copy: Copy) -> dict[str, str]:
    """Return what the target has: of each Id the name, and a mark of the deleted ones."""
    return {row["Id"]: row.get("Name", "") + ("†" if row["IsDeleted"] else "") for row in copy.rows()}


def marks(copy: Copy) -> dict[str, object]:
    return {row["Id"]: row.get("_synced_to") for row in copy.warehouse.rows(copy.target)}


BEFORE = [
    lead("changed", 10, "a"), lead("same-second", 10, "a"), lead("newer", 10, "a"), lead("deleted", 10, "a"),
    lead("restored", 10, "a", deleted=True), lead("loser", 10, "a"), lead("winner", 10, "a"),
    lead("untouched", 10, "a"),
]  # fmt: skip
AFTER = [
    lead("changed", 20, "c"), lead("changed", 15, "b"), lead("same-second", 10, "b"), lead("newer", 9, "old"),
    lead("deleted", 20, "a", deleted=True), lead("restored", 20, "a"),
    lead("loser", 20, "a", deleted=True, master="winner"), lead("winner", 20, "both"), lead("new", 20, "n"),
    lead("never-seen", 20, "x", deleted=True),
]  # fmt: skip
LOOKED = {
    "changed": "c", "same-second": "b", "newer": "a", "restored": "a", "winner": "both", "untouched": "a",
    "new": "n",
}  # fmt: skip


def test_deleted_records_are_kept_and_marked(copy: Copy) -> None:
    """Every row is accounted for, and none gets older."""
    assert copy.merge(*BEFORE, until=FIRST).inserted == len(BEFORE)
    counts = copy.merge(*AFTER, until=SECOND)
    assert (counts.loaded, counts.duplicates, counts.older, counts.absent) == (10, 1, 1, 0)
    assert (counts.inserted, counts.updated, counts.deleted) == (2, 6, 0)
    assert (counts.rows_before, counts.rows_after, counts.set_aside) == (8, 10, 2)
    kept = LOOKED | {"deleted": "a†", "loser": "a†", "never-seen": "x†"}
    assert seen(copy) == kept
    assert {row["Id"]: row["MasterRecordId"] for row in copy.rows() if "MasterRecordId" in row} == {
        "loser": "winner"
    }
    assert set(marks(copy).values()) == {FIRST, SECOND}


def test_deleted_records_are_removed_on_request(copy: Copy) -> None:
    """An explicit window removes nothing, and its rows say nothing of how far the target is complete."""
    copy.merge(*BEFORE, until=FIRST)
    counts = copy.merge(*AFTER, until=SECOND, deleted="remove")
    assert (counts.duplicates, counts.older, counts.absent) == (1, 1, 1)
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 4, 2)
    assert seen(copy) == LOOKED
    old = [
        lead("changed", 30, "d"),
        lead("winner", 1, "old"),
        lead("late", 5, "l"),
        lead("new", 30, deleted=True),
    ]
    window = copy.merge(*old, until=None, deleted="remove")
    assert (window.inserted, window.updated, window.older, window.deleted) == (1, 2, 1, 0)
    assert seen(copy) == LOOKED | {"changed": "d", "late": "l", "new": "†"}
    found = marks(copy)
    assert (found["changed"], found["untouched"], found.get("late")) == (SECOND, FIRST, None)


def test_a_full_run_replaces_the_rows_at_its_end(copy: Copy) -> None:
    """One that fails leaves the old ones; no records make an empty table."""
    copy.merge(*BEFORE, until=FIRST)
    fresh = [lead("a", 1, "new"), lead("a", 2, "newer"), lead("gone", 2, deleted=True)]
    with pytest.raises(ServiceError, match=r"Invalid|Bad|bool"):
        copy.replace(*fresh, {**lead("b", 3), "IsDeleted": "perhaps"}, until=SECOND)
    assert len(copy.rows()) == len(BEFORE)
    counts = copy.replace(*fresh, until=SECOND, deleted="remove")
    assert (counts.inserted, counts.duplicates, counts.absent) == (1, 1, 1)
    assert (counts.rows_before, counts.rows_after) == (8, 1)
    assert (seen(copy), marks(copy)) == ({"a": "newer"}, {"a": SECOND})
    assert (copy.replace(until=SECOND).rows_after, copy.rows()) == (0, [])


def test_rows_that_do_not_add_up_change_nothing(copy: Copy) -> None:
    """One row less than was loaded."""
    merge = copy.merge_of([lead("a", 1)], [lead("b", 1)])
    with pytest.raises(ServiceError, match="3 were loaded, 2 are staged, 2 after"):
        copy.run(merge_script(merge, loaded=3, synced_to=FIRST))
    assert copy.rows() == []


def test_a_target_with_an_id_twice_is_refused_and_mended_by_a_full_run(copy: Copy) -> None:
    copy.warehouse.plan(copy.selection)
    copy.warehouse.run("ALTER TABLE d.target ADD COLUMN _other STRING")
    copy.warehouse.run("INSERT d.target (Id, Name, _other) VALUES ('a', 'one', 'x'), ('a', 'two', 'y')")
    with pytest.raises(ServiceError, match=r"1 are staged, 2 after .* an Id twice: a full run mends it"):
        copy.merge(lead("a", 1, "new"), until=FIRST)
    assert {row["Name"] for row in copy.rows()} == {"one", "two"}
    assert copy.replace(lead("a", 1, "new"), until=FIRST).rows_after == 1
    assert [(row["Name"], row["_other"] in {"x", "y"}) for row in copy.rows()] == [("new", True)]


def test_the_mark_is_in_the_target(copy: Copy) -> None:
    """Rows of explicit windows do not move it, and who emptied the target by hand gets a full run."""

    def mark() -> tuple[object, str]:
        found = mark_of(copy.warehouse.resource("target"), copy.warehouse.run(mark_query(target))[0])
        return found.at, found.reason

    target = copy.warehouse.table("target")
    copy.warehouse.plan(copy.selection)
    assert mark() == (None, "the target is empty")
    copy.warehouse.run("INSERT d.target (Id) VALUES ('window')")
    assert mark() == (
        None, "no row of the target has a _synced_to: explicit windows alone have written them, or others"
    )  # fmt: skip
    copy.warehouse.run("INSERT d.target (Id, _synced_to) VALUES ('a', '2026-11-30 01:00:00Z')")
    assert mark() == (FIRST, "")
    copy.warehouse.run("TRUNCATE TABLE d.target")
    assert mark() == (None, "the target is empty")


def test_a_column_of_yours_may_be_called_as_anything_in_the_script(copy: Copy) -> None:
    """A column hides a variable of its name."""
    names = ("loaded_at", "staged", "classified", "inserted", "rows_after", "nulled", "counts", "typed")
    copy.warehouse.plan(copy.selection)
    for name in names:
        copy.warehouse.run(f"ALTER TABLE d.target ADD COLUMN {name} TIMESTAMP")
    copy.merge(lead("a", 1, "one"), until=FIRST)
    assert copy.merge(lead("a", 2, "two"), lead("b", 2), until=SECOND).updated == 1
    assert copy.replace(lead("a", 3, "three"), lead("c", 3), until=SECOND).rows_after == 2
    rows = copy.warehouse.rows(copy.target)
    assert all(row.keys() & {"_loaded_at", *names} == {"_loaded_at"} for row in rows)


@pytest.mark.parametrize("mode", ["", " NOT NULL"])
def test_a_new_record_has_the_defaults_of_your_columns(copy: Copy, mode: str) -> None:
    """In a full run too, which keeps what records had before."""
    copy.warehouse.run(f"CREATE TABLE d.target (Id STRING, origin STRING DEFAULT 'crm'{mode})")
    copy.merge(lead("a", 1), until=FIRST)
    copy.warehouse.run("UPDATE d.target SET origin = 'mine' WHERE TRUE")
    copy.merge(lead("b", 2), until=FIRST)
    copy.replace(lead("a", 3), lead("b", 3), lead("c", 3), until=SECOND)
    rows = copy.warehouse.rows(copy.target)
    assert {row["Id"]: row["origin"] for row in rows} == {"a": "mine", "b": "crm", "c": "crm"}
