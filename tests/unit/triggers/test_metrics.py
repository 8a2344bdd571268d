"""What waiting costs is told to Airflow's metrics."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.core.wait.group import Tick
from airflow_provider_jobs.triggers.metrics import PollMetrics
from tests.unit.tasks import FakeClient, status
from tests.unit.triggers.doubles import event_of, job_trigger, run, until

if TYPE_CHECKING:
    import pytest

TAGS = {"service": "bigquery", "connection": "my conn"}


class Stats:
    """Keeps what it is told, as Airflow's own functions take it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self.tags: list[Any] = []

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: dict[str, Any] | None = None) -> None:
        self._keep("incr", stat, count, tags)

    def gauge(
        self,
        stat: str,
        value: float,
        rate: float = 1,
        delta: bool = False,
        *,
        tags: dict[str, Any] | None = None,
    ) -> None:
        self._keep("gauge", stat, value, tags)

    def timing(self, stat: str, dt: Any, *, tags: dict[str, Any] | None = None) -> None:
        self._keep("timing", stat, dt, tags)

    def _keep(self, kind: str, stat: str, value: Any, tags: Any) -> None:
        self.told.append((kind, stat.removeprefix("airflow_provider_jobs."), value))
        self.tags.append(tags)


def test_a_tick_is_reported() -> None:
    stats = Stats()
    metrics = PollMetrics("bigquery", "my conn", "p.q", lambda: stats)
    metrics.ticked(Tick(waiters=7, seconds=0.25, late_seconds=0.5, failed=False))
    assert stats.told == [
        ("gauge", "waiters.bigquery.my_conn.p_q", 7),
        ("incr", "ticks", 1),
        ("timing", "tick_seconds", dt.timedelta(seconds=0.25)),
        ("timing", "late_detection", dt.timedelta(seconds=0.5)),
    ]
    assert stats.tags == [TAGS] * 4


def test_a_tick_that_failed_is_counted_too() -> None:
    stats = Stats()
    PollMetrics("bigquery", "c", "p", lambda: stats).ticked(Tick(7, 0.25, 0.5, failed=True))
    counted = [name for kind, name, _ in stats.told if kind == "incr"]
    assert counted == ["ticks", "failed_ticks"]


def test_airflow_takes_them() -> None:
    """Whichever version it is."""
    PollMetrics("bigquery", "c", "p").ticked(Tick(7, 0.25, 0.5, failed=True))


def test_a_group_reports_until_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats()
    monkeypatch.setattr(compat, "stats", lambda: stats)

    async def scene() -> None:
        client = FakeClient(looks=(status("running"), status()))
        await event_of(job_trigger(client))
        await until(lambda: len(gauges()) == 3)

    def gauges() -> list[int]:
        return [value for kind, _, value in list(stats.told) if kind == "gauge"]

    run(scene())
    assert gauges() == [1, 0, 0]
