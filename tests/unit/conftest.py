"""A clock that never sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from airflow_provider_jobs.core.http.retry import Timing


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
