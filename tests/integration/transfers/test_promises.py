"""What a copy promises of records that change; promises are numbered, here and in test_faults.py."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobFailed
from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.task_log import lines_of
from tests.integration.task_run import Attempts
from tests.integration.transfers.route import NARROW, Route

if TYPE_CHECKING:
    from pathlib import Path

INCREMENTAL: dict[str, Any] = {"mode": "incremental", **NARROW}


def names(route: Route) -> dict[int, str]:
    return {number: row["Name"] for number, row in route.rows().items()}


def test_records_that_are_seen_late(timed: Route) -> None:
    """20, 21, 23: of one second with the mark, by a transaction of 20 minutes, and none at all."""
    timed.at_once(1)
    timed.later()
    timed.run(**NARROW)
    opened = timed.begin(2)
    began = timed.now()
    timed.at_once(3)
    timed.later(60)  # a window ends about now: the record may be in its last second, or in the next one
    timed.run(**INCREMENTAL)
    timed.later(1140)
    timed.at_once(4)
    timed.later()
    second = timed.run(**INCREMENTAL)
    assert dt.datetime.fromisoformat(second["mark_after"]) <= began, "the transaction is open"
    timed.sandbox.salesforce_transaction("commit", id=opened)
    assert timed.run(**INCREMENTAL)["inserted"] == 1
    assert names(timed) == dict.fromkeys((1, 2, 3, 4), "Acme")
    timed.later()
    before = timed.warehouse.rows("target")
    nothing = timed.run(**INCREMENTAL)
    assert nothing["record_count"] == nothing["loaded"] == 0
    assert nothing["mark_after"] == nothing["mark_before"]
    assert timed.warehouse.rows("target") == before


def test_a_record_that_changes_while_the_query_runs(timed: Route) -> None:
    """22: its latest version is there after the next run, once."""
    timed.at_once(1)
    timed.later()
    for stage in timed.steps(Attempts(), **NARROW):
        if stage == "query":
            timed.at_once(1, Name="Newer")
    timed.later()
    assert timed.run(**INCREMENTAL)["updated"] == 1
    assert names(timed) == {1: "Newer"}


@pytest.mark.parametrize("deleted", ["keep", "remove"])
def test_deletions(timed: Route, deleted: str) -> None:
    """24, 25, 26: deleted, undeleted and merged records, kept or removed."""
    how: dict[str, Any] = {"deleted": deleted, "fields": ("Name", "External_Id__c", "MasterRecordId")}
    timed.at_once(1, 2, 3, 4, 5)
    timed.change("delete", 2)
    timed.later()
    first = timed.run(**how)
    assert (first["inserted"], first["absent"]) == ((5, 0) if deleted == "keep" else (4, 1))
    ids = timed.ids(deleted=True)
    timed.change("delete", 1)
    timed.change("undelete", 2)
    timed.change("merge", 3, into=ids[4])
    timed.later()
    result = timed.run(mode="incremental", **how)
    rows = timed.rows()
    if deleted == "remove":
        assert result["deleted"] == 2
        assert sorted(rows) == [2, 4, 5]
    else:
        assert {number for number, row in rows.items() if row["IsDeleted"]} == {1, 3}
        assert rows[3]["MasterRecordId"] == ids[4]
    assert rows[2]["IsDeleted"] is False


def test_archived_activities(route: Route) -> None:
    """28: they are records, too."""
    result = route.run(object_name="Task", fields=["IsArchived"], where=None)
    [found] = route.warehouse.run("SELECT COUNTIF(IsArchived) AS archived, COUNT(*) AS n FROM d.target")
    assert result["record_count"] == found["n"]
    assert found["archived"] > 0


def test_windows_and_clears_after_newer_runs(timed: Route) -> None:
    """32, 33, 34b: no row gets older, and no window makes a later run forget what it has not read."""
    timed.at_once(1, 2)
    timed.later()
    week = Attempts(max_tries=0)
    first = timed.run(week, **NARROW)
    timed.at_once(1, Name="Newer")
    timed.at_once(3)
    timed.later()
    timed.run(**INCREMENTAL)
    week.max_tries = 1
    timed.run(week, 2, **INCREMENTAL)
    assert names(timed) == {1: "Newer", 2: "Acme", 3: "Acme"}
    old = (dt.datetime.fromisoformat(first["mark_after"]) - dt.timedelta(days=1), first["mark_after"])
    window = timed.run(mode="window", window=old, **NARROW)
    assert window["record_count"] == 1, "the version of then is no more"
    assert window["mark_after"] == window["mark_before"]
    assert names(timed)[1] == "Newer"
    timed.at_once(4)
    timed.later(9 * 86400)
    timed.at_once(5)
    now = timed.now()
    yesterday = (now - dt.timedelta(days=1), now + dt.timedelta(minutes=1))
    assert timed.run(mode="window", window=yesterday, **NARROW)["inserted"] == 1
    timed.later()
    timed.run(**INCREMENTAL)
    assert sorted(timed.rows()) == [1, 2, 3, 4, 5]


LEFT_OUT = (
    "MasterRecordId", "Type", "ParentId", "OwnerId", "BillingStreet", "BillingCity", "BillingState",
    "BillingPostalCode", "BillingCountry", "Phone", "Website", "AnnualRevenue", "NumberOfEmployees",
    "Description", "Active__c", "Industry", "CreatedById", "LastModifiedById", "CreatedDate",
    "LastModifiedDate",
)  # fmt: skip


def test_fields_that_come_and_go(timed: Route, capsys: pytest.CaptureFixture[str]) -> None:
    """35, 36, 37, 38: new, hidden, renamed, and of another type."""
    field, other = f"A{timed.mark}__c", f"B{timed.mark}__c"
    how: dict[str, Any] = {"fields": None, "exclude_fields": LEFT_OUT}

    def schema(action: str, name: str = field, **more: Any) -> None:
        timed.sandbox.salesforce_schema(action, object="Account", field=name, **more)

    timed.at_once(1, 2)
    timed.change("delete", 1)
    timed.later()
    timed.run(**how)
    schema("add", type="string", length=20)
    timed.change("undelete", 1)
    timed.at_once(1, 2, **{field: "x"})
    timed.change("delete", 1)
    timed.sandbox.advance(3600)
    timed.at_once(3)
    timed.later()
    # The window has but the third record.
    window = (timed.now() - dt.timedelta(minutes=10), timed.now())
    result = timed.run(mode="window", window=window, on_new_field="backfill", **how)
    assert (result["record_count"], result["refreshed"]["updated"]) == (1, 3)
    assert {number: row.get(field) for number, row in timed.rows().items()} == {1: "x", 2: "x", 3: None}
    schema("hide")
    timed.at_once(2, Name="Changed")
    timed.later()
    timed.run(mode="incremental", **how)
    assert timed.rows()[2] | {"Name": "Changed", field: "x"} == timed.rows()[2]
    assert len([line for line in lines_of(capsys) if "keep their values" in line]) == 1
    schema("show")
    schema("rename", to=other)
    timed.at_once(2, **{other: "y"})
    timed.later()
    timed.run(mode="incremental", **how)
    assert timed.rows()[2] | {field: "x", other: "y"} == timed.rows()[2]
    assert other not in timed.rows()[1], "a new field is empty in records that do not change"
    schema("retype", other, type="double", scale=2)
    before = len(timed.queries())
    with pytest.raises(AirflowFailException, match=f"{other} is double .* NUMERIC, .* has it as STRING"):
        timed.run(mode="incremental", **how)
    assert len(timed.queries()) == before
    schema("hide", other)


def test_a_new_field_is_read_of_all_records_by_whichever_run_can(timed: Route) -> None:
    """35: the run that saw it first has failed for good, before it had read all of them."""
    field = f"C{timed.mark}__c"
    how: dict[str, Any] = {
        "fields": ["External_Id__c", field],
        "on_new_field": "backfill",
        "mode": "incremental",
    }
    timed.at_once(1, 2)
    timed.later()
    timed.run(fields=["External_Id__c"])
    timed.sandbox.salesforce_schema("add", object="Account", field=field, type="string", length=20)
    timed.at_once(1, **{field: "x"})
    timed.sandbox.advance(3600)
    timed.at_once(2)
    timed.later()
    timed.sandbox.faults(
        operation=r"salesforce\.query\.create", action="reply", status=403, reason="gone", nth=2
    )
    with pytest.raises(AirflowFailException, match="gone"):
        timed.run(**how)
    assert set(timed.rows()) == {1, 2}
    timed.at_once(3)
    timed.later()
    result = timed.run(**how)
    assert (result["inserted"], result["refreshed"]["updated"]) == (1, 3)
    assert {number: row.get(field) for number, row in timed.rows().items()} == {1: "x", 2: None, 3: None}


def test_no_records(timed: Route) -> None:
    """44, 49: an empty table with all columns; and one that somebody has emptied is filled again."""
    result = timed.run(**NARROW)
    assert (result["record_count"], result["inserted"], result["mark_after"]) == (0, 0, None)
    table = timed.warehouse.resource("target")
    assert table
    assert {each["name"] for each in table["schema"]["fields"]} >= {"Id", "Name", "SystemModstamp"}
    timed.at_once(1, 2)
    timed.later()
    assert timed.run(**INCREMENTAL)["mode"] == "full"
    timed.warehouse.run("TRUNCATE TABLE d.target")
    result = timed.run(**INCREMENTAL)
    assert (result["mode"], result["inserted"]) == ("full", 2)


def test_two_runs_at_once(timed: Route) -> None:
    """46: both succeed, or one of them with its retry; each has a staging table of its own."""
    timed.at_once(*range(20))
    timed.later()
    timed.run(**NARROW)
    timed.at_once(*range(10, 30), Name="New")
    timed.later()

    def run(number: int) -> int:
        attempts = Attempts(run_id=f"run{number}")
        try:
            timed.run(attempts, **INCREMENTAL)
        except JobFailed as error:
            if "concurrent update" not in str(error):
                raise
            timed.run(attempts, 2, **INCREMENTAL)
            return 2
        return 1

    with ThreadPoolExecutor(2) as pool:
        tries = list(pool.map(run, range(2)))
    assert min(tries) == 1
    expected = {number: "New" if number >= 10 else "Acme" for number in range(30)}
    assert names(timed) == expected
    assert timed.tables() == ["target"]


def test_history(timed: Route) -> None:
    """48: what does not change is added once, by CreatedDate."""
    timed.at_once(1)
    account = timed.ids()[1]
    how: dict[str, Any] = {
        "object_name": "AccountHistory",
        "where": f"AccountId = '{account}'",
        "fields": ["Field"],
    }
    timed.at_once(1, Name="Second")
    timed.later()
    first = timed.run(mode="incremental", **how)
    timed.at_once(1, Name="Third")
    timed.later()
    second = timed.run(mode="incremental", overlap=dt.timedelta(minutes=30), **how)
    assert (first["mode"], first["inserted"]) == ("full", first["record_count"])
    assert second["inserted"] == 1
    assert len(timed.warehouse.rows("target")) == first["inserted"] + 1


def test_several_currencies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """50: an amount means nothing without its currency, which is there unasked."""
    with Sandbox(sample_records=False) as sandbox:
        route = Route(sandbox, monkeypatch, tmp_path)
        sandbox.salesforce_schema("use_currencies")
        route.at_once(1, CurrencyIsoCode="EUR")
        route.later()
        route.run(fields=("AnnualRevenue", "External_Id__c"))
        assert route.rows()[1]["CurrencyIsoCode"] == "EUR"
        route.lab.end()


def test_a_table_of_ones_own_gets_what_a_merge_needs_before_its_fields_are_filled(timed: Route) -> None:
    """35: it has neither the cursor nor the mark of deletion, which are no fields to be filled later."""
    timed.warehouse.run("CREATE TABLE d.target (Id STRING, External_Id__c STRING)")
    timed.at_once(1, 2)
    timed.later()
    window = (timed.now() - dt.timedelta(minutes=10), timed.now())
    result = timed.run(mode="window", window=window, on_new_field="backfill", **NARROW)
    assert (result["inserted"], result["refreshed"]["updated"]) == (2, 2)
    assert {row["Name"] for row in timed.rows().values()} == {"Acme"}
