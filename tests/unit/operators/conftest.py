"""Waiting that takes no time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.operators import base

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


@pytest.fixture(autouse=True)
def no_pause(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleep without a pause, on a clock that goes with Airflow's."""
    timing = Timing(now=lambda: time.time() + sum(clock.pauses), sleep=clock.pauses.append)
    monkeypatch.setattr(base, "Timing", lambda: timing)
