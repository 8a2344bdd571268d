"""What Salesforce has deleted for good is marked in a copy, or removed; a lost permission is no deletion."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.transfers.salesforce_sweep import SalesforceSweepOperator
from tests.integration.salesforce.lab import HASTY
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route


def sweep(route: Route, **changes: Any) -> dict[str, Any]:
    settings = {
        "task_id": "sweep",
        "object_name": "Account",
        "where": f"External_Id__c LIKE '{route.mark}%'",
        "destination_table": "d.target",
        **HASTY,
        **changes,
    }
    task = SalesforceSweepOperator(**settings)
    result: dict[str, Any] = perform(task, Attempts(run_id=uuid.uuid4().hex).context())
    return result


@pytest.fixture
def swept(route: Route) -> Route:
    """Return a copy of twenty accounts, one of which is deleted for good since."""
    route.accounts(*range(20))
    route.run()
    route.sandbox.salesforce_records("purge", object="Account", ids=[route.ids()[7]])
    return route


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_record_that_is_gone_is_marked(swept: Route, *, deferrable: bool) -> None:
    result = sweep(swept, deferrable=deferrable)
    assert (result["record_count"], result["live"], result["gone"]) == (19, 20, 1)
    assert sorted(result["seconds"]) == ["load", "query", "sweep"]
    assert [number for number, row in swept.rows().items() if row["IsDeleted"]] == [7]
    marked = [row for row in swept.warehouse.rows("target") if "_deleted_at" in row]
    assert [row["IsDeleted"] for row in marked] == [True]
    assert sweep(swept)["gone"] == 0


def test_a_record_that_is_gone_is_removed(swept: Route) -> None:
    assert sweep(swept, remove=True)["rows_after"] == 19
    assert 7 not in swept.rows()


def test_a_user_who_sees_a_tenth_sweeps_nothing_away(swept: Route) -> None:
    with pytest.raises(AirflowFailException, match="see whether a permission is lost"):
        sweep(swept, where=f"External_Id__c = '{swept.mark}-1'")
    assert not any(row["IsDeleted"] for row in swept.rows().values())


def test_what_is_no_copy_is_refused_before_anything_is_read(route: Route) -> None:
    with pytest.raises(AirflowFailException, match="there is nothing to sweep"):
        sweep(route)
    route.warehouse.run("CREATE TABLE d.target (Id STRING)")
    with pytest.raises(
        AirflowFailException, match="is not a copy that SalesforceToBigQueryOperator has made"
    ):
        sweep(route)
    assert route.lab.jobs("query") == []
