"""A test of the DAG in ``dags``, on the data in ``seeds``: ``python -m pytest example_dags/testing``."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def test_each_customer_has_a_total(jobs_sandbox):
    run = jobs_sandbox.run_dag("daily_totals", logical_date=DAY)

    assert run.state == "success"
    rows = jobs_sandbox.query("SELECT * FROM shop.totals ORDER BY customer")
    assert rows == [{"customer": "Ada", "total": 42}, {"customer": "Bob", "total": 7}]


def test_a_lost_reply_makes_no_second_job(jobs_sandbox):
    with jobs_sandbox.fault("drop_reply_after_accepting", operation="bigquery.jobs.insert"):
        run = jobs_sandbox.run_dag("daily_totals", logical_date=DAY)

    assert run.state == "success"
    jobs_sandbox.one_job("bigquery", about="shop.totals")
    jobs_sandbox.no_cancels()
