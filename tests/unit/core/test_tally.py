"""Requests are counted for whoever sends them."""

from __future__ import annotations

import threading

from airflow_provider_jobs.core.tally import count_request, counted_requests


def test_counts_the_requests_of_a_block() -> None:
    count_request()
    with counted_requests() as outer:
        count_request()
        with counted_requests() as inner:
            count_request()
        count_request()
    count_request()
    assert (outer.count, inner.count) == (2, 1)


def test_another_thread_counts_for_itself() -> None:
    with counted_requests() as tally:
        thread = threading.Thread(target=count_request)
        thread.start()
        thread.join()
    assert tally.count == 0
