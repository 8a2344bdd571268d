"""What waiting costs, as Airflow's metrics."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.core.wait.group import Tick

PREFIX = "airflow_provider_jobs"
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


class PollMetrics:
    """Reports the ticks of one poll group; :meth:`ticked` and :meth:`closed` may run in any thread."""

    def __init__(
        self, service: str, connection: str, scope: str, stats: Callable[[], Any] | None = None
    ) -> None:
        self._stats = stats or compat.stats
        self._tags = {"service": service, "connection": connection}
        # StatsD knows no tags: a gauge of the same name would be another group's.
        names = (_NOT_A_NAME.sub("_", each) for each in (service, connection, scope))
        self._gauge = ".".join([f"{PREFIX}.waiters", *names])

    def ticked(self, tick: Tick) -> None:
        """Report a tick."""
        stats = self._stats()
        stats.gauge(self._gauge, tick.waiters, tags=self._tags)
        stats.incr(f"{PREFIX}.ticks", tags=self._tags)
        if tick.failed:
            stats.incr(f"{PREFIX}.failed_ticks", tags=self._tags)
        stats.timing(f"{PREFIX}.tick_seconds", dt.timedelta(seconds=tick.seconds), tags=self._tags)
        stats.timing(f"{PREFIX}.late_detection", dt.timedelta(seconds=tick.late_seconds), tags=self._tags)

    def closed(self) -> None:
        """Report that nobody waits any more."""
        self._stats().gauge(self._gauge, 0, tags=self._tags)
