"""A table of orders in the sandbox, and tasks about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from tests.integration.lab import Lab

ORDERS = """
CREATE TABLE shop.orders (id INT64, price NUMERIC, day DATE, t TIME, b BYTES, r STRUCT<x INT64>)
PARTITION BY day;
INSERT INTO shop.orders
VALUES (1, 1.5, '2026-01-01', '10:00:00', b'a', STRUCT(1)), (2, -3, '2026-01-02', NULL, NULL, NULL)
"""
both = pytest.mark.parametrize("deferrable", [False, True], ids=["synchronous", "deferred"])


def sql(lab: Lab, text: str) -> None:
    BigQueryHook().get_records(text)


def furnished(lab: Lab) -> Lab:
    """Make the table in a laboratory."""
    lab.dataset("shop")
    sql(lab, ORDERS)
    return lab


def context(try_number: int = 1) -> Any:
    return {**TaskRun().context(try_number), "ds": "2026-01-02"}


def made(kind: Any, **parameters: Any) -> Any:
    return kind(task_id="task", inline_wait=0, poll_interval=0.1, **parameters)
