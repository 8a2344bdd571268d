"""A copy that is refused something: what is done stays done, and its retry does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.errors import ResultsUnavailable
from tests.integration.task_run import Attempts

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route


def refuse(route: Route, operation: str, status: int, reason: str) -> None:
    where = operation.replace(".", r"\.")
    route.sandbox.faults(operation=where, action="reply", status=status, reason=reason, times=1)


def test_counts_that_cannot_be_read_are_read_by_the_retry(route: Route) -> None:
    """The merge is over: to fail for good would leave a target that is right, and a task that is not."""
    route.accounts(1, 2)
    run = Attempts()
    refuse(route, "bigquery.jobs.getQueryResults", 403, "accessDenied")
    with pytest.raises(ResultsUnavailable, match="has succeeded, and its rows could not be read"):
        route.run(run)
    assert sorted(route.rows()) == [1, 2]
    assert route.run(run, 2)["inserted"] == 2  # what the merge of the first attempt has done


def test_results_that_are_refused_while_they_are_sent_are_sent_by_the_retry(route: Route) -> None:
    """BigQuery refuses with a 409 a job of an id that it has: this one is of Salesforce."""
    route.accounts(1, 2)
    run = Attempts()
    refuse(route, "salesforce.query.results", 409, "CONFLICT")
    with pytest.raises(ResultsUnavailable, match="completed, and its results could not be read"):
        route.run(run)
    assert route.run(run, 2)["loaded"] == 2
    assert sorted(route.rows()) == [1, 2]
