"""Several files of one task, sent side by side."""

from __future__ import annotations

import threading
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.errors import OutageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.core.work import JobRequest

#: The wait is made of steps, in seconds: a signal that comes right before one would otherwise be seen at its
#: end only, and a timeout is a signal.
STEP_SECONDS = 1.0

R = TypeVar("R", bound="JobRequest")
S = TypeVar("S")


def submit_each(submit: Callable[[R], S], requests: Sequence[R], at_a_time: int) -> list[S]:
    """Submit all requests and return what came of them, in their order.

    After a failure nothing more is begun, and what is under way is finished, since a retry finds it. But the
    end of the task, such as a timeout, waits for nothing: whatever is being sent stops at its next block.

    :raises JobsError: the first that a submission raised.
    """
    if len(requests) == 1:
        return [submit(requests[0])]
    ended = threading.Event()
    pool = ThreadPoolExecutor(at_a_time, "upload")
    try:
        futures = [pool.submit(submit, _stopped_by(ended, request)) for request in requests]
        until = FIRST_EXCEPTION
        while (state := wait(futures, STEP_SECONDS, until)).not_done:
            if until == FIRST_EXCEPTION and any(future.exception() for future in state.done):
                until = ALL_COMPLETED
                for future in futures:
                    future.cancel()
        pool.shutdown()
        return [future.result() for future in futures]  # who was not begun comes after who failed
    except BaseException:
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _stopped_by(ended: threading.Event, request: R) -> R:
    """Return the request with media that raises once the task has ended."""
    media = request.media
    if media is None:
        return request

    def on_progress(sent: int, total: int | None) -> None:
        if ended.is_set():
            raise OutageError("the task was ended before all of its files were sent", retryable=False)
        if media.on_progress:
            media.on_progress(sent, total)

    return replace(request, media=replace(media, on_progress=on_progress))
