"""A target takes new columns and wider types; what it cannot become is refused, both types named."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_merge import (
    Merge,
    bad_values_query,
    bad_values_report,
    merge_script,
    refresh_script,
)
from airflow_provider_jobs.transfers.bigquery_sql import OWN_COLUMNS, Column
from airflow_provider_jobs.transfers.bigquery_sweep import Sweep
from airflow_provider_jobs.transfers.bigquery_target import (
    Layout,
    TargetPlan,
    create_target,
    mark_of,
    plan_target,
    staging_load,
    staging_table,
)

TARGET = {"projectId": "p", "datasetId": "d", "tableId": "t"}
ID = Column("Id", "Id", "id", "STRING")
TYPES = [
    "STRING",
    "BOOL",
    "INT64",
    "NUMERIC",
    "BIGNUMERIC",
    "FLOAT64",
    "DATE",
    "TIMESTAMP",
    "TIME",
    "ARRAY<STRING>",
]
WIDER = {
    ("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("INT64", "FLOAT64"), ("NUMERIC", "BIGNUMERIC"),
    ("NUMERIC", "FLOAT64"),
}  # fmt: skip
API = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "ARRAY<STRING>": "STRING"}


def column(name: str, kind: str = "STRING") -> Column:
    return Column(name, name, "anyType", kind)


def table(*columns: dict[str, Any], own: bool = True, **more: Any) -> dict[str, Any]:
    fields = [{"name": "Id", "type": "STRING", "mode": "REQUIRED"}, *columns]
    fields += [{"name": name, "type": "TIMESTAMP"} for name in OWN_COLUMNS if own]
    return {"type": "TABLE", "schema": {"fields": fields}, **more}


def planned(found: dict[str, Any] | None, *columns: Column) -> TargetPlan:
    return plan_target(TARGET, found, [ID, *columns], Layout())


def refusal(found: dict[str, Any], *columns: Column) -> str:
    with pytest.raises(ConfigurationError) as caught:
        planned(found, *columns)
    return str(caught.value)


@pytest.mark.parametrize("there", TYPES)
@pytest.mark.parametrize("wanted", TYPES)
def test_types_change_to_the_wider_one_or_not_at_all(there: str, wanted: str) -> None:
    mode = {"mode": "REPEATED"} if there.startswith("ARRAY") else {}
    found = table({"name": "x", "type": API.get(there, there), **mode})
    if there == wanted or (wanted, there) in WIDER:
        plan = planned(found, column("X", wanted))
        assert (plan.columns[1].type, plan.statements) == (there, ())
    elif (there, wanted) in WIDER:
        plan = planned(found, column("X", wanted))
        assert [each.sql for each in plan.statements] == [
            f"ALTER TABLE `p`.`d`.`t` ALTER COLUMN `x` SET DATA TYPE {wanted}"
        ]
    else:
        said = refusal(found, column("X", wanted))
        assert f"becomes {wanted}, and the target p.d.t has it as {there}:" in said


def test_new_columns_are_added_and_others_are_kept() -> None:
    found = table({"name": "gone", "type": "STRING"}, {"name": "mine", "type": "GEOGRAPHY"}, own=False)
    plan = planned(found, column("New", "DATE"))
    assert (plan.added, plan.kept, plan.is_new) == (("New",), ("gone", "mine"), False)
    (statement,) = plan.statements
    assert statement.sql == (
        "ALTER TABLE `p`.`d`.`t` ADD COLUMN IF NOT EXISTS `New` DATE, "
        "ADD COLUMN IF NOT EXISTS `_synced_to` TIMESTAMP, ADD COLUMN IF NOT EXISTS `_loaded_at` TIMESTAMP, "
        "ADD COLUMN IF NOT EXISTS `_deleted_at` TIMESTAMP"
    )
    assert plan.gone(["Mine", "New"]) == ("gone",)
    assert mark_of(found, None).reason == "the target has no column _synced_to"


def test_there_is_no_target_yet() -> None:
    plan = planned(None, column("X", "ARRAY<STRING>"))
    assert plan.is_new
    (statement,) = plan.statements
    assert statement.sql == (
        "CREATE TABLE IF NOT EXISTS `p`.`d`.`t` (`Id` STRING NOT NULL, `X` ARRAY<STRING>, "
        "`_synced_to` TIMESTAMP, `_loaded_at` TIMESTAMP, `_deleted_at` TIMESTAMP) CLUSTER BY `Id`"
    )
    assert mark_of(None, None).reason == "there is no target yet"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (table(type="VIEW"), "p.d.t is a VIEW"),
        (table(type="EXTERNAL"), "is a EXTERNAL"),
        ({"type": "TABLE", "schema": {"fields": [{"name": "X", "type": "STRING"}]}}, "has no column Id"),
        ({"type": "TABLE"}, "has no column Id"),
        ({"schema": {"fields": [{"name": "id", "type": "INTEGER"}]}}, "has a column Id of INT64"),
        (table({"name": "X", "type": "STRING", "mode": "REQUIRED"}), "the column X as REQUIRED"),
        (table({"name": "Y", "type": "STRING", "mode": "REQUIRED"}), "the column Y as REQUIRED"),
        (table({"name": "_deleted_at", "type": "BOOL"}, own=False), "has a column _deleted_at of BOOL"),
        (table(requirePartitionFilter=True), "demands a filter by partition"),
    ],
)
def test_a_target_that_cannot_hold_the_records_is_refused(found: dict[str, Any], said: str) -> None:
    assert said in refusal(found, column("X"))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (Layout("Missing"), "time_partitioning: Missing is not among the columns"),
        (Layout("X"), "time_partitioning: X is STRING"),
        (Layout("Day", "HOUR"), "of a DATE give DAY, MONTH, YEAR"),
        (Layout(cluster_by=("Id", "Many")), "Many is ARRAY<STRING>, by which BigQuery does not cluster"),
        (Layout(cluster_by=("Id",) * 5), "four at most"),
    ],
)
def test_a_layout_that_is_not_possible_is_refused(layout: Layout, said: str) -> None:
    columns = [ID, column("X"), column("Day", "DATE"), column("Many", "ARRAY<STRING>")]
    with pytest.raises(ConfigurationError) as caught:
        create_target(TARGET, columns, layout)
    assert said in str(caught.value)


def test_a_run_has_a_staging_table_of_its_own() -> None:
    names = {
        staging_table(TARGET, "Account", *work)["tableId"]
        for work in (("d", "t", "r", -1), ("d", "t", "r", 1), ("d", "tr", "", -1), ("dt", "", "r", -1))
    }
    assert len(names) == 4
    assert all(name.startswith("salesforce_staging_Account_") for name in names)
    assert staging_table(TARGET, "A", 1) == staging_table(TARGET, "A", "1")


def test_rows_of_a_second_file_are_added_to_those_of_the_first() -> None:
    first, second = staging_load(TARGET, [ID]), staging_load(TARGET, [ID], is_first=False)
    assert (first["writeDisposition"], second["writeDisposition"]) == ("WRITE_TRUNCATE", "WRITE_APPEND")
    assert first["schema"] == {"fields": [{"name": "Id", "type": "STRING"}]}


def test_what_cannot_be_merged_is_refused() -> None:
    merge = Merge(TARGET, TARGET, [ID, column("X")])
    with pytest.raises(ConfigurationError, match="without a cursor"):
        merge_script(merge, loaded=0, synced_to=None)
    with pytest.raises(ConfigurationError, match="no columns to refresh"):
        refresh_script(Merge(TARGET, TARGET, [ID, column("S", "TIMESTAMP")], "S"), loaded=0)
    with pytest.raises(ConfigurationError, match="deleted is 'forget': give keep or remove"):
        Merge(TARGET, TARGET, [ID], deleted="forget")
    with pytest.raises(ConfigurationError, match="give a share from 0 to 1"):
        Sweep(TARGET, TARGET, has_is_deleted=True, most_share=5)


def test_texts_are_never_bad() -> None:
    assert bad_values_query(Merge(TARGET, TARGET, [ID, column("X")])) is None
    assert bad_values_report([]) == "no staged value is bad"


def test_a_report_of_bad_values_has_no_secret_and_an_end() -> None:
    rows = [{"column_name": "X", "Id": str(n), "value": "ya29.abcdefgh"} for n in range(20)]
    said = bad_values_report(rows)
    assert "ya29" not in said
    assert said.endswith("and more")
