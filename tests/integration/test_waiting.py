"""Deferred tasks wait together and suffer alone: real triggers, real HTTP, connections that fail."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.clients.bigquery.watch import ProjectJobs
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.jobs import JobRef, JobStatus
from airflow_provider_jobs.triggers import sharing
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.integration.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from airflow_provider_jobs.sandbox import Sandbox

#: No test waits longer for anything; seconds.
PATIENCE = 60.0
POLL_SECONDS = 1.0
#: How late a busy machine may be; far from what an outage takes. Seconds.
LATE_SECONDS = 4.0
LOOKS = "jobs\\.(list|get)"


class ConnectedLab(Lab):
    """A project with a connection of its own, which its name is."""

    def submit(self, name: str = "job") -> JobRef:
        request = JobRequest(self.project, name, {"query": {"query": "SELECT 1", "useLegacySql": False}})
        return BigQueryHook(self.project).get_conn().submit(request).status.ref

    def trigger(self, ref: JobRef) -> JobTrigger:
        return JobTrigger(
            service="bigquery",
            hook_args={"gcp_conn_id": self.project},
            poll_interval=POLL_SECONDS,
            refs=[ref.to_json()],
            cancel_on_kill=True,
        )

    def fault_of(self, ref: JobRef, **fault: Any) -> None:
        """Spoil every question for one job."""
        path = f"/{self.project}/jobs/{ref.id}$"
        self.sandbox.faults(operation=r"bigquery\.jobs\.get", path=path, times=0, **fault)

    def wait(self, ref: JobRef) -> asyncio.Task[float]:
        """Let a trigger wait for a job; the task returns how late it saw the end."""
        return asyncio.create_task(self._wait(ref))

    async def _wait(self, ref: JobRef) -> float:
        event = await anext(self.trigger(ref).run())
        seen = time.time()
        (found,) = event.payload["statuses"]
        assert JobStatus.from_json(found).state.ended
        job = await asyncio.to_thread(BigQueryHook(self.project).get_job, ref.id, location=ref.location)
        return seen - int(job["statistics"]["endTime"]) / 1000


@pytest.fixture
def connected(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ConnectedLab]]:
    """Return what makes a project with a connection of its own."""
    monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill

    def connect() -> ConnectedLab:
        project = f"lab-{uuid.uuid4().hex[:12]}"
        token = jobs_sandbox.token
        extra = {"project": project, "api_endpoint": jobs_sandbox.bigquery, "access_token": token}
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{project.upper()}", connection)
        return ConnectedLab(jobs_sandbox, project)

    yield connect
    jobs_sandbox.clear_faults()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.01)


class Ticks:
    """Counts them, and tells when there were some."""

    def __init__(self) -> None:
        self.ticks = 0
        self.some = asyncio.Event()

    def incr(self, stat: str, **_: Any) -> None:
        self.ticks += stat.endswith(".ticks")
        if self.ticks >= 5:
            self.some.set()

    def gauge(self, *_: Any, **__: Any) -> None:
        """Take no note of it."""

    timing = gauge


def test_two_hundred_jobs_take_at_most_two_calls_a_tick(
    connected: Callable[[], ConnectedLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, stats = connected(), Ticks()
    monkeypatch.setattr(compat, "stats", lambda: stats)
    # While a list keeps one waiting, jobs are asked for besides: how busy this machine is must not count.
    patient = partial(ProjectJobs, patience_seconds=PATIENCE)
    monkeypatch.setattr("airflow_provider_jobs.clients.bigquery.client.ProjectJobs", patient)
    with ExitStack() as slowly, ThreadPoolExecutor(8) as pool:
        slowly.enter_context(lab.slow_jobs(seconds=600.0))
        refs = list(pool.map(lab.submit, [f"job{number}" for number in range(200)]))

        async def scene() -> None:
            waits = asyncio.gather(*map(lab.wait, refs))
            await stats.some.wait()
            slowly.close()
            await waits

        looked = len(lab.requests("jobs.list")) + len(lab.requests("jobs.get"))
        run(scene())
    # Each wait asks once more for its job when that has ended.
    looks = len(lab.requests("jobs.list")) + len(lab.requests("jobs.get")) - looked - len(refs)
    assert looks <= 2 * stats.ticks


def test_connections_that_fail_do_not_delay_another(connected: Callable[[], ConnectedLab]) -> None:
    labs = good, bad, silent = connected(), connected(), connected()
    for lab in labs:
        lab.sandbox.timing(project=lab.project, running_seconds=3.0)
    refs = {lab.project: lab.submit() for lab in labs}
    bad.fault(LOOKS, "reply", status=503, times=0)
    silent.fault(LOOKS, "hang", seconds=30, times=0)

    async def scene() -> None:
        failing = [lab.wait(refs[lab.project]) for lab in (bad, silent)]
        await until(lambda: bad.requests("jobs.get") and silent.requests("jobs.get"))
        assert await good.wait(refs[good.project]) <= POLL_SECONDS + LATE_SECONDS
        assert not any(task.done() for task in failing)
        for task in failing:
            task.cancel()

    run(scene())


SPOILT: dict[str, dict[str, Any]] = {
    "503": {"action": "reply", "status": 503},
    "429": {"action": "reply", "status": 429, "reason": "rateLimitExceeded", "retry_after": 30},
    "403 for now": {"action": "reply", "status": 403, "reason": "quotaExceeded"},
    "403 for good": {"action": "reply", "status": 403, "reason": "accessDenied"},
    "404": {"action": "not_found"},
    "not JSON": {"action": "garbage"},
    "trickling": {"action": "slow_reply", "bytes_per_second": 20},
    "cut": {"action": "cut"},
    "silent": {"action": "hang", "seconds": 30},
}


@pytest.mark.parametrize("fault", ["503", "429", "403 for now", "silent"])
def test_a_job_that_cannot_be_asked_for_holds_up_no_other(
    connected: Callable[[], ConnectedLab], fault: str
) -> None:
    """Nor do several, who have left the list of active jobs and cannot be asked for."""
    lab = connected()
    lab.sandbox.timing(project=lab.project, running_seconds=2.0)
    refs = [lab.submit(f"job{number}") for number in range(20)]
    for ref in refs[:3]:
        lab.fault_of(ref, **SPOILT[fault])
    lab.fault("jobs.list", "reply", status=403, reason="accessDenied", times=0)

    async def scene() -> None:
        failing = [lab.wait(ref) for ref in refs[:3]]
        assert max(await asyncio.gather(*map(lab.wait, refs[3:]))) <= POLL_SECONDS + LATE_SECONDS
        assert not any(task.done() for task in failing)
        lab.sandbox.clear_faults()
        if fault == "503":  # of the others somebody asked for a pause, or keeps us waiting still
            await asyncio.gather(*failing)
        for task in failing:
            task.cancel()

    run(scene())


@pytest.mark.parametrize("fault", SPOILT)
def test_ends_are_seen_while_there_is_no_list(connected: Callable[[], ConnectedLab], fault: str) -> None:
    lab = connected()
    lab.sandbox.timing(project=lab.project, running_seconds=4.0)
    refs = [lab.submit(f"job{number}") for number in range(20)]
    lab.fault("jobs.list", times=0, **SPOILT[fault])

    async def scene() -> None:
        assert max(await asyncio.gather(*map(lab.wait, refs))) <= POLL_SECONDS + LATE_SECONDS

    run(scene())
    assert lab.requests("jobs.list")


@pytest.mark.parametrize("fault", ["503", "silent", "trickling"])
def test_a_worker_sees_the_ends_of_its_jobs_while_there_is_no_list(
    connected: Callable[[], ConnectedLab], fault: str
) -> None:
    lab = connected()
    lab.sandbox.timing(project=lab.project, running_seconds=3.0)
    client = BigQueryHook(lab.project).get_conn()
    statuses = [client.status(lab.submit(f"job{number}")) for number in range(20)]
    lab.fault("jobs.list", times=0, **SPOILT[fault])
    until = time.time() + 20
    ended = wait_for(client, statuses, until=until, poll_interval=POLL_SECONDS, timing=Timing())
    assert all(status.state.ended for status in ended)
    over = max(status.ref.created_at or 0 for status in ended) + 3.0
    assert time.time() <= over + 2 * POLL_SECONDS + LATE_SECONDS


@pytest.mark.parametrize("fault", [{"action": "reply", "status": 503}, {"action": "hang", "seconds": 30}])
def test_cancels_go_out_during_an_outage(
    connected: Callable[[], ConnectedLab], fault: dict[str, Any]
) -> None:
    lab = connected()
    lab.sandbox.timing(project=lab.project, running_seconds=60.0)
    refs = [lab.submit(f"job{number}") for number in range(3)]
    lab.fault(LOOKS, times=0, **fault)

    async def scene() -> None:
        waiting = [lab.wait(ref) for ref in refs]
        await until(lambda: lab.requests("jobs.list"))
        waiting[0].cancel()
        began = time.monotonic()
        await lab.trigger(refs[0]).on_kill()
        assert time.monotonic() - began < 25
        for task in waiting:
            task.cancel()

    run(scene())
    cancels = [entry["path"] for entry in lab.requests("jobs.cancel")]
    assert [path.split("/")[-2] for path in cancels] == [refs[0].id]


def test_who_leaves_takes_only_itself(connected: Callable[[], ConnectedLab]) -> None:
    """A trigger that moves to another triggerer leaves its job running, and the others waiting."""
    lab = connected()
    with lab.slow_jobs(seconds=3.0):
        refs = [lab.submit(f"job{number}") for number in range(3)]

        async def scene() -> None:
            leaver, *stayers = map(lab.wait, refs)
            await until(lambda: lab.requests("jobs.list"))
            leaver.cancel()
            assert max(await asyncio.gather(*stayers)) <= POLL_SECONDS + LATE_SECONDS
            assert await lab.wait(refs[0])  # as the other triggerer would
            assert sharing.groups.items() == {}

        run(scene())
    assert not lab.requests("jobs.cancel")
