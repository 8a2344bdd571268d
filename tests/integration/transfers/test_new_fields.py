"""Fields that are new: what is read of all records, also after a kill and where nothing has changed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.task_run import Attempts
from tests.integration.transfers.stopping import StoppedError, at, stop

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route


@pytest.fixture
def backfill(timed: Route) -> dict[str, Any]:
    """Copy two accounts and add a field, of which no record's stamp tells; return a task's parameters."""
    field = f"C{timed.mark}__c"
    timed.at_once(1, 2)
    timed.later()
    timed.run(fields=["External_Id__c"])
    timed.sandbox.salesforce_schema("add", object="Account", field=field, type="string", length=20)
    timed.later(3600)
    return {"fields": ["External_Id__c", field], "on_new_field": "backfill", "mode": "incremental"}


def test_a_run_without_changes_reads_a_new_field_of_all(timed: Route, backfill: dict[str, Any]) -> None:
    result = timed.run(**backfill)
    found: Any = timed.warehouse.resource("target")
    assert backfill["fields"][1] in {each["name"] for each in found["schema"]["fields"]}
    assert (result["record_count"], result["refreshed"]["updated"]) == (0, 2)
    assert (result["rows_before"], result["rows_after"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "nth", "after"),
    [("note_done", 2, False), ("note_done", 2, True), ("drop_staging", 2, True), ("result", 1, False)],
)
def test_a_worker_that_is_gone_after_the_refresh(
    timed: Route, backfill: dict[str, Any], method: str, nth: int, *, after: bool
) -> None:
    """The retry knows of both changes, and makes neither again."""
    timed.at_once(1, **{backfill["fields"][1]: "x"})
    timed.later()
    run = Attempts(run_id=uuid.uuid4().hex)
    with pytest.MonkeyPatch.context() as patch:
        at(patch, method, stop, nth=nth, after=after)
        with pytest.raises(StoppedError):
            timed.run(run, **backfill)
    result = timed.run(run, 2, **backfill)
    assert (result["updated"], result["refreshed"]["updated"]) == (1, 2)
    assert set(result["seconds"]) >= {"query", "load", "merge", "refresh_query", "refresh_load"}
    assert timed.rows()[1][backfill["fields"][1]] == "x"
    assert timed.tables() == ["target"]


def test_a_cursor_that_is_new_has_nothing_to_refresh(timed: Route) -> None:
    """Somebody has dropped its column: a record has it again from its next change on."""
    timed.at_once(1, 2)
    timed.later()
    timed.run(fields=["External_Id__c"])
    timed.warehouse.run("ALTER TABLE d.target DROP COLUMN SystemModstamp")
    timed.at_once(1, Name="changed")
    timed.later()
    result = timed.run(fields=["External_Id__c"], on_new_field="backfill", mode="incremental")
    assert (result["updated"], result.get("refreshed")) == (1, None)
    stamps = {number: row.get("SystemModstamp") for number, row in timed.rows().items()}
    assert stamps[1]
    assert stamps[2] is None
    assert timed.tables() == ["target"]


def test_fields_that_a_run_leaves_out_are_not_told_as_gone(
    timed: Route, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    timed.at_once(1)
    timed.later()
    timed.run(fields=["Name", "External_Id__c"])
    timed.run(mode="formulas", fields=["Name", "External_Id__c", "Owner.Name"])
    assert "whose fields are gone" not in caplog.text + capsys.readouterr().out
