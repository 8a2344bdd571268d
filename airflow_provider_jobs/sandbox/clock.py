"""Time that tests can put forward, for what expires after hours."""

from __future__ import annotations

import time

MOST_SECONDS = 86400.0 * 366


class Clock:
    """The time of day, and what was added to it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Give seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock forward."""
        self._ahead += seconds
