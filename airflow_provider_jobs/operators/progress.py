"""What an upload tells the log."""

from __future__ import annotations

import time
from typing import Any

from airflow_provider_jobs.core.log_lines import size_of
from airflow_provider_jobs.words import shown

#: Between two lines of progress.
_QUIET_SECONDS = 10.0
_PERCENT_STEP = 10


class ProgressLog:
    """Writes how far an upload is: every ten percent, and not more often than every ten seconds."""

    def __init__(self, log: Any, name: str) -> None:
        self._log = log
        self._name = shown(name)
        self._began = self._last = time.monotonic()
        self._percent = 0
        self._first: int | None = None

    def __call__(self, sent: int, total: int | None) -> None:
        """Take note of the bytes sent, and of the bytes in all if they are known."""
        now = time.monotonic()
        self._first = sent if self._first is None else self._first
        percent = int(sent * 100 / total) if total else 0
        ended = sent == total
        quiet = now < self._last + _QUIET_SECONDS and percent < self._percent + _PERCENT_STEP
        if not ended and (quiet or now < self._last + 1.0):
            return
        self._last, self._percent = now, percent
        rate = (sent - self._first) / max(now - self._began, 0.001)
        if total is None:
            self._log.info("%s: %s sent, %s/s", self._name, size_of(sent), size_of(round(rate)))
        else:
            left = (total - sent) / rate if rate else 0.0
            self._log.info(
                "%s: %s of %s (%d %%), %s/s, %.0f s left",
                *(self._name, size_of(sent), size_of(total), percent, size_of(round(rate)), left),
            )
