"""One process full of deferred jobs, as a triggerer is: it starts triggers, and prints what they cost.

``waiting.py`` starts it, once for each row of its tables, with a JSON object of :class:`Settings`. Triggers
are made of a stored row and run as tasks of one event loop. What Airflow itself does for a trigger (its span,
its log handler, looking once a second whether it has ended) is not here, for nobody's triggers.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
import urllib.request
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: HTTP sessions that one get a job is spread over: each keeps 16 connections.
SESSIONS = 4


@dataclass
class Settings:
    """What to run.

    :param client: ``jobs`` is this package, ``gets`` the same with one get a job, ``google`` is Google's.
    :param warm_seconds: Before the measured time begins.
    :param ending: So many jobs end, evenly spread over the measured time.
    :param burst: They all end within so many seconds instead, from the measured time's beginning on.
    :param others: Ended jobs of others in the project.
    :param spoilt: ``kind``, ``how`` and ``job`` of the requests that are spoilt, as the server has it, and
        for how many ``seconds`` of the measured time; such a job counts for nothing.
    :param memory: Measure memory instead of everything else.
    :param troubles: Connections that fail meanwhile, ``503`` or ``silent``, each with as many jobs.
    """

    client: str
    url: str
    jobs: int
    interval: float
    latency: float = 0.2
    warm_seconds: float = 10.0
    seconds: float = 30.0
    ending: int = 0
    burst: float = 0.0
    others: int = 0
    spoilt: dict[str, Any] = field(default_factory=dict)
    memory: bool = False
    troubles: list[str] = field(default_factory=list)


class Project:
    """A project of the server, its jobs created now."""

    def __init__(self, settings: Settings, name: str, began: float, **more: Any) -> None:
        self.name = name
        self._url = f"{settings.url}/control/{name}"
        spread = (settings.burst or settings.seconds) / max(1, settings.ending)
        self.ends = [began + (number + 1) * spread for number in range(settings.ending)]
        self.ends += [began + 86400.0] * (settings.jobs - settings.ending)
        self.created = time.time()
        made = {"ends": self.ends, "created": self.created, "latency": settings.latency, **more}
        self._ask(json.dumps(made).encode())

    def told(self) -> dict[str, Any]:
        """Return the server's counts."""
        return self._ask(None)

    def calls(self) -> int:
        """Return how many calls the server has had."""
        return sum(self.told()["calls"].values())

    def _ask(self, data: bytes | None) -> dict[str, Any]:
        with urllib.request.urlopen(self._url, data, timeout=30) as reply:  # noqa: S310 - the loopback server
            found: dict[str, Any] = json.load(reply)
        return found


def job_trigger(project: Project, number: int, interval: float) -> Any:
    """Return this package's trigger, made of a stored row."""
    from airflow_provider_jobs.triggers.job import JobTrigger

    ref = {
        "service": "bigquery",
        "scope": project.name,
        "id": f"j{number}",
        "location": "US",
        "created_at": project.created,
    }
    row = {
        "service": "bigquery",
        "hook_args": {"gcp_conn_id": project.name, "project_id": None, "impersonation_chain": None},
        "poll_interval": interval,
        "deadline": project.created + 86400.0,
        "ref": ref,
        "cancel_on_kill": True,
    }
    return JobTrigger(**json.loads(json.dumps(row)))


def google_trigger(project: Project, number: int, interval: float) -> Any:
    """Return Google's trigger, made of a stored row."""
    from airflow.providers.google.cloud.triggers.bigquery import BigQueryInsertJobTrigger

    row = {
        "conn_id": project.name,
        "job_id": f"j{number}",
        "project_id": project.name,
        "location": "US",
        "poll_interval": interval,
    }
    return BigQueryInsertJobTrigger(**json.loads(json.dumps(row)))


async def event_of(trigger: Any) -> Any:
    """Run a trigger to its event."""
    async for event in trigger.run():
        return event.payload
    return None


def waits(settings: Settings) -> Callable[[Project, int], Coroutine[Any, Any, Any]]:
    """Return what waits for one job."""
    if settings.client == "gets":
        return single_gets(settings)
    trigger = google_trigger if settings.client == "google" else job_trigger
    return lambda project, number: event_of(trigger(project, number, settings.interval))


def single_gets(settings: Settings) -> Callable[[Project, int], Coroutine[Any, Any, Any]]:
    """Return a wait in which each job has a poll group, and so a get a tick, to itself."""
    from airflow_provider_jobs.core.wait.group import PollGroup
    from airflow_provider_jobs.core.wait.threads import Lane
    from airflow_provider_jobs.hooks.bigquery import BigQueryHook
    from airflow_provider_jobs.jobs import JobRef

    hooks = [BigQueryHook("bench", project_id=f"session{number}") for number in range(SESSIONS)]
    shared = [(hook.get_conn(), Lane(16)) for hook in hooks]

    def wait(project: Project, number: int) -> Coroutine[Any, Any, Any]:
        client, lane = shared[number % SESSIONS]
        ref = JobRef("bigquery", project.name, f"j{number}", "US", project.created)
        group = PollGroup(client, hurry=False, lane=lane)
        return group.wait(ref, poll_interval=settings.interval)

    return wait


class Ticks:
    """Takes this package's metrics, to tell the most calls of a tick.

    :ivar calls: Returns how many calls the server has had.
    """

    def __init__(self) -> None:
        self.most_calls = 0
        self.calls: Callable[[], int] = int
        self._before = 0

    def begin(self, calls: Callable[[], int]) -> None:
        """Count from now on."""
        self.calls, self._before, self.most_calls = calls, calls(), 0

    def incr(self, stat: str, **_: Any) -> None:
        """Take note of what came since the tick before."""
        if stat.endswith(".ticks"):
            now = self.calls()
            self.most_calls = max(self.most_calls, now - self._before)
            self._before = now

    def gauge(self, *_: Any, **__: Any) -> None:
        """Take no note of it."""

    timing = gauge


def taken_metrics(settings: Settings) -> Ticks:
    """Return what takes the metrics of this package, in place of Airflow."""
    ticks = Ticks()
    if settings.client == "jobs":
        from airflow_provider_jobs import compat

        compat.stats = lambda: ticks
    return ticks


async def measure(settings: Settings) -> dict[str, Any]:
    """Let jobs wait, and return what that cost and how late their ends were seen."""
    start, ticks = waits(settings), taken_metrics(settings)
    over = Project(replace(settings, jobs=1, ending=1, seconds=0.0), "bench", time.time())
    await start(over, 0)  # imports, and whatever else only the first one pays
    warm_end = time.time() + settings.warm_seconds
    delays: list[float] = []
    more: dict[str, Any] = {"others": settings.others}
    if settings.spoilt:
        seconds = settings.spoilt["seconds"]
        more["spoilt"] = {**settings.spoilt, "begin": warm_end, "end": warm_end + seconds}
    project = Project(settings, "bench", warm_end, **more)
    others = bad_projects(settings, warm_end)

    spoilt = {number for number in range(settings.jobs) if f"j{number}" == settings.spoilt.get("job")}

    async def watch(number: int) -> None:
        await start(project, number)
        if number not in spoilt:
            delays.append(time.time() - project.ends[number])

    tasks = [asyncio.create_task(watch(number)) for number in range(settings.jobs)]
    bad = [asyncio.create_task(start(each, number)) for each in others for number in range(settings.jobs)]
    await asyncio.sleep(warm_end - time.time())
    ticks.begin(project.calls)
    calls, cpu, began = project.calls(), time.process_time(), time.monotonic()
    cancelled = [await cancel_one(each, settings) for each in others]
    await asyncio.sleep(settings.seconds - (time.monotonic() - began))
    seconds = time.monotonic() - began
    figures = {
        "calls": (project.calls() - calls) * 60 / seconds,
        "cpu": (time.process_time() - cpu) * 60 / seconds,
        "cancels": cancelled,
        "most_calls": ticks.most_calls,
    }
    if settings.ending:
        ending = [task for number, task in enumerate(tasks[: settings.ending]) if number not in spoilt]
        await asyncio.wait(ending, timeout=2 * settings.interval + 5)
    for task in (*tasks, *bad):
        task.cancel()
    await asyncio.gather(*tasks, *bad, return_exceptions=True)
    return figures | {"delays": sorted(delays), "missed": settings.ending - len(spoilt) - len(delays)}


def bad_projects(settings: Settings, warm_end: float) -> list[Project]:
    """Return projects that begin to fail when the measured time begins, for a minute."""
    return [
        Project(settings, f"bad{mode}", warm_end + 3600, mode=mode, mode_until=warm_end + 60)
        for mode in settings.troubles
    ]


async def cancel_one(project: Project, settings: Settings) -> float:
    """Kill a trigger while its connection fails, and return the seconds until its cancel had arrived."""
    await asyncio.sleep(3.0)  # polls have hung up or failed by now
    began = time.time()
    kill = asyncio.create_task(job_trigger(project, 0, settings.interval).on_kill())
    await until(lambda: project.told()["cancels"] or time.time() > began + 30)
    cancels = project.told()["cancels"]
    kill.cancel()
    return float(cancels[0][1] - began) if cancels else float("inf")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that happens in another process."""
    while not condition():  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.1)


async def weigh(settings: Settings) -> dict[str, Any]:
    """Return the bytes that each waiting trigger keeps."""
    start = waits(settings)
    project = Project(settings, "bench", time.time() + 86400)
    first = asyncio.create_task(start(project, settings.jobs - 1))
    await until(lambda: project.calls() >= 1)
    await asyncio.sleep(2.0)  # whatever the first look loads is loaded
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tasks = [asyncio.create_task(start(project, number)) for number in range(settings.jobs - 1)]
    enough = project.calls() + (2 if settings.client == "jobs" else settings.jobs)
    await until(lambda: project.calls() >= enough)
    await asyncio.sleep(1.0)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in (first, *tasks):
        task.cancel()
    await asyncio.gather(first, *tasks, return_exceptions=True)
    return {"bytes": (after - before) / len(tasks)}


def main() -> None:
    """Run what the argument says."""
    settings = Settings(**json.loads(sys.argv[1]))
    figures = asyncio.run(weigh(settings) if settings.memory else measure(settings))
    print("FIGURES " + json.dumps(figures))


if __name__ == "__main__":
    main()
