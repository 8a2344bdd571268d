"""What the bounds of checks are compared as, and in which project their tables are."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import CheckFailed
from airflow_provider_jobs.operators.bigquery import (
    BigQueryColumnCheckOperator,
    BigQueryIntervalCheckOperator,
    BigQueryTableCheckOperator,
    BigQueryValueCheckOperator,
)
from tests.integration.shop import both, context, furnished, made, sql
from tests.integration.task_run import perform

if TYPE_CHECKING:
    from tests.integration.lab import Lab


@pytest.fixture
def shop(lab: Lab) -> Lab:
    return furnished(lab)


EXACT = {
    "price": {
        "min": {"geq_to": -0.3, "equal_to": "{{ params.low }}"},
        "max": {"leq_to": 0.1, "geq_to": "0.1"},
        "null_check": {"equal_to": "{{ params.none }}"},
    },
    "day": {"min": {"geq_to": "2026-01-01", "less_than": "{{ ds }}"}},
    "since": {"max": {"equal_to": "2026-01-02T10:00:00"}},
    "id": {"max": {"leq_to": "2"}, "min": {"equal_to": 1.1, "tolerance": "0.1"}},
}


@both
def test_bounds_are_taken_as_what_they_are_compared_with(shop: Lab, *, deferrable: bool) -> None:
    """A template makes text of them, and the float 0.1 is not the NUMERIC 0.1."""
    sql(
        shop,
        "CREATE TABLE shop.exact AS SELECT 1 AS id, NUMERIC '-0.3' AS price, DATE '2026-01-01' AS day, "
        "TIMESTAMP '2026-01-02 10:00:00+00' AS since UNION ALL "
        "SELECT 2, NUMERIC '0.1', DATE '2026-01-02', NULL",
    )
    task = made(BigQueryColumnCheckOperator, table="shop.exact", column_mapping=EXACT, deferrable=deferrable)
    its = {**context(), "params": {"low": -0.3, "none": 0}}
    task.render_template_fields(its)
    perform(task, its)


@both
@pytest.mark.parametrize(
    ("column", "line"),
    [
        ({"price": {"max": {"equal_to": "much"}}}, "price: max is 1.5: expected = much"),
        ({"day": {"max": {"less_than": "2026-01-02"}}}, "day: max is 2026-01-02: expected < 2026-01-02"),
        ({"id": {"min": {"greater_than": "1"}}}, "id: min is 1: expected > 1"),
    ],
)
def test_bounds_of_text_that_do_not_hold(
    shop: Lab, column: dict[str, Any], line: str, *, deferrable: bool
) -> None:
    task = made(
        BigQueryColumnCheckOperator, table="shop.orders", column_mapping=column, deferrable=deferrable
    )
    with pytest.raises(CheckFailed, match=re.escape(line)):
        perform(task, context())


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        (
            BigQueryColumnCheckOperator,
            {"table": "shop.orders", "column_mapping": {"id": {"max": {"equal_to": 2, "tolerance": "x"}}}},
            "tolerance is 'x': a number is needed",
        ),
        (
            BigQueryValueCheckOperator,
            {"sql": "SELECT 1", "pass_value": 1, "tolerance": "x"},
            "tolerance is 'x': a number is needed",
        ),
        (
            BigQueryIntervalCheckOperator,
            {"table": "shop.orders", "metrics_thresholds": {"COUNT(*)": "x"}},
            "metrics_thresholds: COUNT(*) is 'x': a number is needed",
        ),
    ],
)
def test_what_is_not_a_number_is_refused_before_a_query_is_paid(
    shop: Lab, kind: Any, parameters: dict[str, Any], message: str
) -> None:
    before = len(shop.jobs())
    with pytest.raises(AirflowFailException, match=re.escape(message)):
        perform(made(kind, **parameters), context())
    assert len(shop.jobs()) == before


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (BigQueryColumnCheckOperator, {"column_mapping": {"id": {"max": {"equal_to": 2}}}}),
        (BigQueryTableCheckOperator, {"checks": {"good": {"check_statement": "COUNT(*) = 2"}}}),
        (
            BigQueryIntervalCheckOperator,
            {"metrics_thresholds": {"MAX(id)": 3}, "date_filter_column": "day", "days_back": 1},
        ),
    ],
)
def test_a_table_without_a_project_is_in_the_project_that_pays(
    shop: Lab, monkeypatch: pytest.MonkeyPatch, kind: Any, parameters: dict[str, Any]
) -> None:
    """As in a query of one's own, and in that of Google's operators."""
    connection = json.loads(os.environ["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])
    connection["extra"]["project"] = "another"
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
    perform(made(kind, table="shop.orders", project_id=shop.project, **parameters), context())
