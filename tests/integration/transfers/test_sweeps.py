"""A sweep finds what is deleted for good, and refuses to believe that nearly everything is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.transfers.bigquery_sql import Column
from airflow_provider_jobs.transfers.bigquery_sweep import Sweep, SweepCounts, sweep_script
from airflow_provider_jobs.transfers.bigquery_target import Layout, create_target

if TYPE_CHECKING:
    from tests.integration.transfers.warehouse import Warehouse

COLUMNS = (Column("Id", "Id", "id", "STRING"), Column("IsDeleted", "IsDeleted", "boolean", "BOOL"))
READ = dt.datetime(2026, 11, 30, 2, tzinfo=dt.UTC)


def target(warehouse: Warehouse, columns: tuple[Column, ...] = COLUMNS) -> dict[str, str]:
    """Make the target: rows that live, rows marked in either way, and one written since the Ids were read."""
    table = warehouse.table("target")
    warehouse.run(create_target(table, columns, Layout()))
    rows = [(f"live{n}", "FALSE", "NULL", "01") for n in range(4)]
    rows += [
        ("purged", "FALSE", "NULL", "01"),
        ("cascaded", "NULL", "NULL", "01"),
        ("known", "TRUE", "NULL", "01"),
        ("back", "FALSE", "'2026-11-01 00:00:00Z'", "01"),
        ("younger", "FALSE", "NULL", "03"),
    ]
    listed = ", ".join(
        f"('{name}', {flag}, {marked}, '2026-11-30 {hour}:00:00Z')" for name, flag, marked, hour in rows
    )
    warehouse.run(f"INSERT d.target (Id, IsDeleted, _deleted_at, _loaded_at) VALUES {listed}")  # noqa: S608
    return table


def staged(warehouse: Warehouse) -> dict[str, str]:
    there = [{"Id": f"live{n}", "IsDeleted": "false"} for n in range(4)]
    there += [{"Id": "cascaded", "IsDeleted": "true"}, {"Id": "back", "IsDeleted": "false"}]
    return warehouse.stage(COLUMNS, [there])


def swept(warehouse: Warehouse, sweep: Sweep) -> SweepCounts:
    (row,) = warehouse.run(sweep_script(sweep, loaded=6, read_from=READ))
    return SweepCounts(**row)


def test_what_is_gone_is_marked_and_what_is_back_is_not(warehouse: Warehouse) -> None:
    """A sweep that would take out more than its share changes nothing."""
    sweep = Sweep(target(warehouse), staged(warehouse), has_is_deleted=True)
    with pytest.raises(ServiceError, match=r"of 6 live rows 2 have no record .* than the share of 0\.05"):
        swept(warehouse, sweep)
    assert swept(
        warehouse, Sweep(sweep.target, sweep.staging, has_is_deleted=True, most_share=0.4)
    ) == SweepCounts(loaded=6, live=6, gone=2, returned=1, cleared=0, rows_before=9, rows_after=9)
    rows: dict[str, Any] = {row["Id"]: row for row in warehouse.rows("target")}
    deleted = {name: row.get("_deleted_at") for name, row in rows.items() if row.get("IsDeleted")}
    assert deleted == {"purged": READ, "cascaded": READ, "known": None}
    assert {name for name, row in rows.items() if "_deleted_at" in row} == {"purged", "cascaded"}


def test_what_is_gone_is_removed_on_request(warehouse: Warehouse) -> None:
    sweep = Sweep(target(warehouse), staged(warehouse), has_is_deleted=True, remove=True, most_share=0.4)
    assert swept(warehouse, sweep) == SweepCounts(
        loaded=6, live=6, gone=2, returned=1, cleared=1, rows_before=9, rows_after=6
    )
    rows = warehouse.rows("target")
    assert [row["Id"] for row in rows] == ["back", "live0", "live1", "live2", "live3", "younger"]
    with pytest.raises(ServiceError, match="7 were loaded, 6 are staged"):
        warehouse.run(sweep_script(sweep, loaded=7, read_from=READ))
