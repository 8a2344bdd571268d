"""Records of an org arrive in BigQuery, whatever becomes of them afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.integration.task_run import Attempts

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route


def test_all_records_of_an_object(route: Route) -> None:
    route.accounts(1, 2, 3, AnnualRevenue="80000000", Description='a "b",\nc')
    result = route.run()
    assert result["record_count"] == result["inserted"] == 3
    rows = route.rows()
    assert sorted(rows) == [1, 2, 3]
    assert rows[1]["AnnualRevenue"] == Decimal(80_000_000)
    assert rows[1]["Description"] == 'a "b",\nc'
    assert rows[1]["IsDeleted"] is False


def test_a_formula_that_its_parent_has_changed_is_refreshed_alone(route: Route) -> None:
    """No stamp of the child moves: only a run of mode formulas sees it; other columns stay as they are."""
    route.accounts(1, Industry="Energy")
    account = route.ids()[1]
    child = f"{route.mark}-c"
    contact = {"LastName": "Moss", "AccountId": account, "Email": "a@example.com", "External_Id__c": child}
    route.write("insert", [contact], object_name="Contact")
    of_contacts: dict[str, Any] = {
        "object_name": "Contact",
        "fields": ["LastName", "Email", "Account_Industry__c", "Account.Name"],
        "where": f"External_Id__c = '{child}'",
    }
    route.run(**of_contacts)
    route.accounts(1, Industry="Banking", Name="Other")
    result = route.run(**of_contacts, mode="formulas")
    assert (result["updated"], result["inserted"], result["window"]) == (1, 0, None)
    [row] = route.warehouse.records("target")
    assert (row["Account_Industry__c"], row["Account_Name"]) == ("Banking", "Other")
    assert (row["LastName"], row["Email"]) == ("Moss", "a@example.com")


def test_formulas_of_a_target_that_is_not_there_are_refused(route: Route) -> None:
    with pytest.raises(AirflowFailException, match="read it whole first"):
        route.run(mode="formulas")
    assert route.lab.jobs("query") == []


def test_a_query_of_ones_own(route: Route) -> None:
    route.accounts(1, 2)
    soql = f"SELECT Id, Name, Owner.Name FROM Account WHERE External_Id__c LIKE '{route.mark}%' LIMIT 1"  # noqa: S608 - a test's own mark
    result = route.run(object_name=None, where=None, fields=None, soql=soql)
    assert (result["operation"], result["inserted"], result["mark_after"]) == ("query", 1, None)
    [row] = route.warehouse.records("target")
    assert sorted(row) == ["Id", "Name", "Owner_Name"]


def test_an_event_of_another_operator_begins_anew(route: Route) -> None:
    """Airflow may resume a task with the event of Google's operator, which this one has replaced."""
    route.accounts(1, 2)
    context = Attempts().context()
    event = {"status": "success", "job_id": "airflow_1234"}
    result = route.task().execute_complete(context, event)
    assert (result["record_count"], result["inserted"]) == (2, 2)
