"""Time that tests can put forward, for what expires after hours; and how seconds are read."""

from __future__ import annotations

import time
from typing import Any

from airflow_provider_jobs.sandbox.replies import Refusal

YEAR_SECONDS = 86400.0 * 366


def read_seconds(name: str, value: Any, *, least: float = 0.0, most: float = YEAR_SECONDS) -> float:
    """Give a number of seconds.

    :raises Refusal: 400, it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Refusal(400, "invalid", f"{name} must be a number between {least:.0f} and {most:.0f}.")
    return float(value)


class Clock:
    """The services' time of day.

    :param ahead_seconds: how much it is ahead of this machine's clock; below 0 it is behind.
    """

    def __init__(self, ahead_seconds: float = 0.0) -> None:
        self._ahead = ahead_seconds
        self._set_back = 0.0

    def now(self) -> float:
        """Give seconds since 1970."""
        return time.time() + self._ahead

    def passed(self) -> float:
        """Give a time that is never set back: what has ended has ended, whatever the clock shows."""
        return self.now() + self._set_back

    def advance(self, seconds: float) -> None:
        """Put the clock forward; below 0 it is set back."""
        self._ahead += seconds
        self._set_back += max(0.0, -seconds)
