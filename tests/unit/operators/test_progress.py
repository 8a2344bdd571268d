"""What an upload tells the log while it is under way."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_jobs.operators.progress import ProgressLog


@pytest.mark.parametrize(
    ("count", "said"),
    [(55, "55 bytes of 55 bytes"), (41_351, "41.4 kB of 41.4 kB"), (3 * 10**9, "3.0 GB of")],
)
def test_sizes_are_told_in_the_unit_that_fits(
    caplog: pytest.LogCaptureFixture, count: int, said: str
) -> None:
    caplog.set_level(logging.INFO)
    ProgressLog(logging.getLogger(__name__), "orders.csv")(count, count)
    assert caplog.messages[-1].startswith(f"orders.csv: {said}")
