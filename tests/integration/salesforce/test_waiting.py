"""Two hundred deferred queries of one org: requests count against its daily limit."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.jobs import JobState, JobStatus
from airflow_provider_jobs.triggers.job import JobTrigger
from airflow_provider_jobs.triggers.metrics import PollMetrics
from tests.integration.salesforce.lab import SalesforceLab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.core.wait.group import Tick
    from airflow_provider_jobs.jobs import JobRef
    from airflow_provider_jobs.sandbox import Sandbox

JOBS = 200
PATIENCE = 60.0
POLL_SECONDS = 1.0
#: How late a busy machine may be; far from what an outage takes. Seconds.
LATE_SECONDS = 4.0


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceLab]:
    monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
    lab = SalesforceLab(jobs_sandbox, monkeypatch)
    yield lab
    lab.end()


class Ticks(list["Tick"]):
    """What the metrics are told."""

    def __init__(self) -> None:
        super().__init__()
        self.three = threading.Event()

    def take(self, tick: Tick) -> None:
        self.append(tick)
        if len(self) == 3:
            self.three.set()


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(PollMetrics, "ticked", lambda _, tick: ticks.take(tick))
    return ticks


def submit(lab: SalesforceLab, jobs: int = JOBS) -> list[JobRef]:
    client = lab.client
    body = {"operation": "query", "query": "SELECT Id FROM User"}
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: client.submit(SalesforceRequest(body=body)).status.ref, range(jobs)))


async def wait(ref: JobRef) -> JobState:
    trigger = JobTrigger(
        service="salesforce",
        hook_args={"salesforce_conn_id": "salesforce_default"},
        poll_interval=POLL_SECONDS,
        refs=[ref.to_json()],
    )
    event = await anext(trigger.run())
    (found,) = event.payload["statuses"]
    return JobStatus.from_json(found).state


def test_two_hundred_queries_cost_two_requests_a_tick(lab: SalesforceLab, ticks: Ticks) -> None:
    """Also in the tick in which all of them end."""
    lab.slow(600.0)
    refs = submit(lab)
    lab.sandbox.clear_requests()

    async def all_of_them() -> list[JobState]:
        waits = [asyncio.create_task(wait(ref)) for ref in refs]
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(ticks.three.wait, PATIENCE)
            lab.slow(0.0)
            return list(await asyncio.gather(*waits))

    assert asyncio.run(all_of_them()) == [JobState.SUCCEEDED] * JOBS
    asked = [each for each in lab.sandbox.requests() if "login" not in each["operation"]]
    assert len(asked) <= 2 * len(ticks)


@pytest.mark.parametrize("fault", [{"action": "reply", "status": 503}, {"action": "hang", "seconds": 30}])
@pytest.mark.parametrize(("out", "way"), [("query.get", "query.list"), ("query.list", "query.get")])
def test_ends_are_seen_while_one_way_to_ask_is_out(
    lab: SalesforceLab, out: str, way: str, fault: dict[str, Any]
) -> None:
    """A list tells of ended queries too; without one, two are asked for in each look."""
    lab.slow(3.0)
    began = time.time()
    refs = submit(lab, 4)
    over = time.time() + 3.0
    lab.fault(out, **{"times": 0, **fault})

    async def seen_at(ref: JobRef) -> float:
        assert await wait(ref) is JobState.SUCCEEDED
        return time.time()

    async def scene() -> None:
        async with asyncio.timeout(PATIENCE):
            last = max(await asyncio.gather(*map(seen_at, refs)))
            assert began + 3.0 < last <= over + 2 * POLL_SECONDS + LATE_SECONDS

    asyncio.run(scene())
    assert lab.requests(way)
