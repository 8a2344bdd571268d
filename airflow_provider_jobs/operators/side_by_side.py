"""Several files of one task, sent side by side."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import OutageError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.core.work import JobRequest

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
    with Pool(at_a_time) as pool:
        return pool.results([partial(submit, _stopped_by(pool.stopped, request)) for request in requests])


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
