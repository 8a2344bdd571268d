"""Files side by side: a failure leaves what is under way alone, and the task's end waits for nothing."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import ConfigurationError, JobsError
from airflow_provider_jobs.operators.side_by_side import submit_each
from tests.unit.core.upload.storage import source_of
from tests.unit.operators.conftest import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable


def requests(count: int, told: list[int] | None = None) -> list[JobRequest]:
    def note(sent: int, total: int | None) -> None:
        if told is not None:
            told.append(sent)

    return [
        JobRequest("p", str(number), {}, media=Media(source_of(b"1"), on_progress=note))
        for number in range(count)
    ]


def send(request: JobRequest, sent: int = 1) -> str:
    """Tell of a block, as uploads do."""
    assert request.media
    assert request.media.on_progress
    request.media.on_progress(sent, None)
    return request.key


@pytest.mark.parametrize("count", [1, 2, 9])
def test_results_come_in_order_and_progress_is_told(count: int) -> None:
    told: list[int] = []
    assert submit_each(send, requests(count, told), 3) == [str(number) for number in range(count)]
    assert told == [1] * count


def test_what_has_no_bytes_is_submitted_too() -> None:
    assert submit_each(lambda request: request.key, [JobRequest("p", key, {}) for key in "ab"], 2) == [
        "a",
        "b",
    ]


def test_after_a_failure_what_is_under_way_is_finished_and_no_more_is_begun() -> None:
    begun, failed, done = threading.Event(), threading.Event(), []

    def submit(request: JobRequest) -> str:
        if request.key == "0":
            begun.set()
            assert failed.wait(10)
            done.append(send(request))
        elif request.key == "1":
            assert begun.wait(10)
            failed.set()
            raise ConfigurationError("no")
        return request.key

    with pytest.raises(ConfigurationError, match="no"):
        submit_each(submit, requests(2), 2)
    assert done == ["0"]


def test_the_end_of_the_task_stops_what_is_sent_and_waits_for_nothing(
    end_of_task: Callable[[], None],
) -> None:
    """Both threads are still sending when submit_each has raised; neither gets past its next block."""
    ended, outcomes = threading.Event(), SimpleQueue[str]()
    both = threading.Barrier(2)

    def submit(request: JobRequest) -> str:
        try:
            send(request)
            both.wait(10)
            if request.key == "0":
                end_of_task()
            assert ended.wait(10)
            return send(request, 2)
        except JobsError as error:
            outcomes.put(str(error))
            raise

    told: list[int] = []
    with pytest.raises(Timeout):
        submit_each(submit, requests(3, told), 2)
    ended.set()
    for _ in range(2):
        assert "was ended before all of its files were sent" in outcomes.get(timeout=10)
    assert told == [1, 1]
