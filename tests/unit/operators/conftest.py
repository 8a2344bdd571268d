"""Waiting that takes no time, and the end of a task."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.operators import base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.conftest import Clock


@pytest.fixture(autouse=True)
def no_pause(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleep without a pause, on a clock that goes with Airflow's."""
    timing = Timing(now=lambda: time.time() + sum(clock.pauses), sleep=clock.pauses.append)
    monkeypatch.setattr(base, "Timing", lambda: timing)


class Timeout(BaseException):
    """What Airflow raises in the main thread, by a signal, at the end of execution_timeout."""


@pytest.fixture
def end_of_task() -> Iterator[Callable[[], None]]:
    """Return what ends the task from another thread; it raises :class:`Timeout` in the main thread."""

    def end(*_: object) -> None:
        raise Timeout

    before = signal.signal(signal.SIGUSR1, end)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
