"""What is wrong is refused before anything is asked of either side, in words that name it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobFailed
from tests.integration.task_run import Attempts

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route

SOQL: dict[str, Any] = {"object_name": None, "fields": None, "where": None, "soql": "SELECT Id FROM Account"}
NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"soql": "SELECT Id FROM Account"}, "give object_name or soql, one of them"),
        ({**SOQL, "mode": "incremental"}, 'soql clashes with mode "incremental"'),
        ({**SOQL, "where": "Name != null"}, "where clashes with soql"),
        ({**SOQL, "fields": ["Name"]}, "soql clashes with fields"),
        ({**SOQL, "soql": "SELECT COUNT(Id) FROM Account"}, "the function COUNT"),
        ({"object_name": "Account; DROP"}, "is not a name of Salesforce"),
        ({"where": "Name = 'a' ORDER BY Name"}, "where has ORDER BY"),
        ({"mode": "delta"}, "give full, incremental, window or formulas"),
        ({"mode": "window"}, "which needs it"),
        ({"window": (NOON, NOON)}, 'window is for mode "window"'),
        ({"mode": "window", "window": (NOON, NOON)}, "is empty: its start has to be before its end"),
        ({"mode": "window", "window": ("2026-11-30", NOON)}, "without a zone"),
        ({"mode": "window", "window": (NOON, "9999-12-31T23:59:59.5Z")}, "years are 1 to 9999"),
        ({"mode": "window", "window": ("0001-01-01T00:00:00+02:00", NOON)}, "years are 1 to 9999"),
        ({"overlap": dt.timedelta(seconds=-1)}, "cannot be negative"),
        ({"overlap": 30}, "give a timedelta"),
        ({"overlap": None}, "give a timedelta"),
        ({"fields": "Name"}, "fields is text: give a list of names"),
        ({"formulas": "all"}, "give include or exclude"),
        ({"numbers": "exact"}, "give numeric or float64"),
        ({"multipicklists": "list"}, "give string or array"),
        ({"deleted": "hide"}, "give keep or remove"),
        ({"bad_values": "skip"}, "give fail or null"),
        ({"destination_table": "target"}, "is not a table"),
        ({"destination_table": "d.target$20261130"}, "is not a whole table"),
        ({"time_partitioning": "CreatedDate"}, "time_partitioning is not a mapping"),
        ({"cluster_fields": "Id"}, "cluster_fields is text"),
        ({"time_partitioning": {"type": "DAY"}}, "give field, and type besides or not"),
        ({"time_partitioning": {"field": "CreatedDate", "expirationMs": "1"}}, "expirationMs"),
    ],
)
def test_parameters_are_looked_at_first(route: Route, wrong: dict[str, Any], said: str) -> None:
    """34 among them: a cron schedule of Airflow 3 gives empty windows."""
    route.sandbox.clear_requests()
    with pytest.raises(AirflowFailException) as caught:
        route.run(**wrong)
    assert said in str(caught.value)
    assert route.sandbox.requests() == []


def test_a_target_without_a_dataset_is_refused(route: Route) -> None:
    with pytest.raises(
        AirflowFailException, match=r"there is no dataset .*\.nowhere for the target: make it"
    ):
        route.run(destination_table="nowhere.target")
    assert route.lab.jobs() == []


def test_a_dataset_that_may_not_be_asked_for_is_no_hindrance(route: Route) -> None:
    route.accounts(1)
    route.sandbox.faults(
        operation=r"bigquery\.datasets\.get", action="reply", status=403, reason="accessDenied"
    )
    assert route.run()["inserted"] == 1


def test_what_cannot_be_read_so_is_refused_before_it_is_read(route: Route) -> None:
    """42, 47: an object that the Bulk API does not give, one without any stamp, and nothing to refresh."""
    with pytest.raises(AirflowFailException, match="is not supported by the Bulk API"):
        route.run(object_name="CaseStatus", where=None, fields=["MasterLabel"])
    with pytest.raises(AirflowFailException, match=r'neither SystemModstamp.* mode "full" reads it whole'):
        route.run(object_name="Reading__b", where=None, fields=None, mode="incremental")
    route.warehouse.run("CREATE TABLE d.target (Id STRING, Name STRING, SystemModstamp TIMESTAMP)")
    with pytest.raises(AirflowFailException, match="no columns to refresh besides Id and the cursor"):
        route.run(fields=["Name"], mode="formulas")
    assert route.lab.jobs() == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("Id STRING, _synced_to STRING", "has a column _synced_to of STRING"),
        ("Id INT64", "a column Id of INT64"),
        ("Id STRING, Name INT64", "Name is string in Salesforce, which becomes STRING"),
        ("Id STRING, Extra STRING NOT NULL", "has the column Extra as REQUIRED"),
    ],
)
def test_a_target_that_cannot_take_the_records_is_refused(route: Route, columns: str, said: str) -> None:
    route.warehouse.run(f"CREATE TABLE d.target ({columns})")
    with pytest.raises(AirflowFailException, match=said):
        route.run(mode="incremental")
    assert route.lab.jobs() == []


def test_a_plan_is_of_one_target(timed: Route) -> None:
    """A retry whose DAG has another target by now does not take the window of the one before."""
    run = Attempts(run_id=uuid.uuid4().hex)
    broken = {"action": "reply", "reason": "backendError", "message": "broken"}
    timed.at_once(1)
    timed.later()
    timed.run(destination_table="d.first")
    timed.at_once(2)
    timed.later()
    timed.sandbox.faults(operation=r"bigquery\.jobs\.run", nth=3, **broken)
    with pytest.raises(JobFailed, match="broken"):
        timed.run(run, mode="incremental", destination_table="d.first")
    timed.sandbox.clear_faults()
    result = timed.run(run, 2, mode="incremental")
    assert (result["mode"], result["inserted"]) == ("full", 2)
    assert sorted(timed.rows()) == [1, 2]


def test_a_query_without_a_stamp(route: Route) -> None:
    route.accounts(1, 2)
    soql = f"SELECT Id, External_Id__c FROM Account WHERE External_Id__c LIKE '{route.mark}%'"  # noqa: S608 - a test's own mark
    result = route.run(**{**SOQL, "soql": soql})
    assert (result["inserted"], result["mark_after"]) == (2, None)
    assert sorted(route.rows()) == [1, 2]
