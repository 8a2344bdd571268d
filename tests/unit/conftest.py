"""A clock that never sleeps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.http.retry import Timing

if TYPE_CHECKING:
    from airflow_provider_jobs.core.wait.listing import Listing


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    time: float = 1_700_000_000.0
    dice: float = 1.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    @property
    def timing(self) -> Timing:
        return Timing(now=lambda: self.time, sleep=self.sleep, random=lambda: self.dice)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at_rest(listing: Listing) -> None:
    """Wait until a listing reads and asks nothing any more: its threads go on after a look."""
    end = time.monotonic() + 30.0
    while any(each._is_reading or each._asks.busy for each in listing._lists.values()):
        assert time.monotonic() < end
        time.sleep(0.001)  # between two looks at the condition
