"""A copy over days: five runs, what happens to records and fields between them, and a sweep at the end."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.transfers.salesforce_sweep import SalesforceSweepOperator
from tests.integration.salesforce.lab import HASTY
from tests.integration.task_run import Attempts, perform
from tests.integration.transfers.stopping import StoppedError, at, stop
from tests.integration.transfers.test_promises import LEFT_OUT

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route

NAMES = ("Name", "Industry", "External_Id__c")
KEPT = {"Industry", "MasterRecordId"}


def test_five_incremental_runs(timed: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target equals the source after the sweep, one run killed half-way, one explicit old window."""
    come, gone = f"Come_{timed.mark}__c", f"Gone_{timed.mark}__c"
    how: dict[str, Any] = {"fields": None, "exclude_fields": [name for name in LEFT_OUT if name not in KEPT]}
    how |= {"mode": "incremental", "on_new_field": "backfill"}
    timed.sandbox.salesforce_schema("add", object="Account", field=gone, type="string", length=20)
    timed.at_once(*range(20), Industry="Energy", **{gone: "kept"})
    timed.later()
    began = timed.now()
    assert timed.run(**how)["mode"] == "full"

    timed.at_once(1, 2, 20, 21, Name="Second")
    timed.change("delete", 3, 4)
    timed.later()
    second = timed.run(**how)
    assert (second["inserted"], second["updated"]) == (2, 4)

    timed.sandbox.salesforce_schema("add", object="Account", field=come, type="double", scale=2)
    timed.at_once(5, Name="Third", **{come: "1.5"})
    timed.change("merge", 6, into=timed.ids()[7])
    timed.change("undelete", 3)
    timed.later()
    run = Attempts(run_id=uuid.uuid4().hex)
    with monkeypatch.context() as patch:
        at(patch, "after_load", stop)
        with pytest.raises(StoppedError):
            timed.run(run, **how)
    queries = len(timed.queries())
    timed.run(run, 2, **how)
    assert len(timed.queries()) - queries <= 1, "the refresh of the new field alone makes a query"

    timed.sandbox.salesforce_schema("hide", object="Account", field=gone)
    timed.change("purge", 4)
    timed.at_once(8, 22, Name="Fourth")
    timed.later()
    timed.run(**how)
    old = timed.run(**{**how, "mode": "window", "window": (began - dt.timedelta(hours=1), timed.now())})
    assert (old["mark_before"], old["deleted"]) == (None, 0)

    timed.change("purge", 9)
    timed.change("delete", 10)
    timed.at_once(11, Industry="Banking")
    timed.later()
    timed.run(**how)
    sweep = SalesforceSweepOperator(
        task_id="sweep",
        object_name="Account",
        where=f"External_Id__c LIKE '{timed.mark}%'",
        destination_table="d.target",
        most_share=0.2,
        **HASTY,
    )
    assert perform(sweep, Attempts(run_id=uuid.uuid4().hex).context())["gone"] == 1

    rows, source = timed.rows(), timed.source(*NAMES, "IsDeleted", "MasterRecordId", come)
    assert rows.keys() - source.keys() == {4, 9}
    assert all(rows[number]["IsDeleted"] for number in (4, 9))
    for number, record in source.items():
        row = {name: str(rows[number].get(name, "")) for name in (*NAMES, "IsDeleted", "MasterRecordId")}
        assert row | {"IsDeleted": row["IsDeleted"].lower()} == {name: record[name] for name in row}
        assert rows[number].get(come) == (float(record[come]) if record[come] else None)
    assert {row[gone] for number, row in rows.items() if number < 20 and number not in (1, 2, 5, 8, 11)} == {
        "kept"
    }
    assert timed.tables() == ["target"]
