"""An event loop in which time passes at once, and what a poll group needs in it."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.group import PollGroup
from airflow_provider_jobs.core.wait.threads import Lane
from airflow_provider_jobs.errors import TransportError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from airflow_provider_jobs.errors import JobsError

T = TypeVar("T")

#: When every test begins, in seconds since 1970: 22:13:20 UTC.
EPOCH = 1_700_000_000.0
RUNNING, SUCCEEDED = JobState.RUNNING, JobState.SUCCEEDED
REF = JobRef("bigquery", "p", "one")
OTHER = JobRef("bigquery", "p", "two")
DOWN = TransportError("no reply from bigquery")


class _Selector(selectors.SelectSelector):
    """Passes the time instead of waiting for it."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and nothing will ever happen"
        self.passed += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock begins at 0, and jumps to whatever is due next."""

    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.passed


def now() -> float:
    """Return the seconds since the test began."""
    return asyncio.get_running_loop().time()


def clock() -> float:
    return EPOCH + now()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def timing(dice: float = 0.0) -> Timing:
    return Timing(now=clock, random=lambda: dice)


class Inline(Lane):
    """Runs each step where it is, after some seconds; ``hung`` runs none."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.hung = False
        self.submitted = 0

    def submit(self, step: Callable[[], object]) -> None:
        self.submitted += 1
        step()

    async def run(self, step: Callable[[], T]) -> T:
        await asyncio.sleep(self.seconds)
        if self.hung:
            await asyncio.sleep(1e9)
        return step()


class Service:
    """Jobs that end at known times of the test, and a service that fails between two others.

    :param ends: When each job ends.
    """

    def __init__(self, **ends: float) -> None:
        self.ends = ends
        self.outage = (0.0, 0.0)
        self.errors: dict[str, Exception] = {}
        self.looks: list[tuple[float, set[str]]] = []

    def status_many(self, refs: Sequence[JobRef], tell: Any = None) -> Mapping[JobRef, JobStatus | JobsError]:
        self.looks.append((now(), {ref.id for ref in refs}))
        if self.outage[0] <= now() < self.outage[1]:
            raise DOWN
        found: dict[JobRef, Any] = {}
        for ref in refs:
            state = SUCCEEDED if now() >= self.ends[ref.id] else RUNNING
            found[ref] = self.errors.get(ref.id) or JobStatus(ref, state, state.upper())
        return found

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.looks]


def group_of(service: Any, seconds: float = 0.0, *, dice: float = 0.0, **options: Any) -> PollGroup:
    options = {"lane": Inline(seconds), "timing": timing(dice), **options}
    return PollGroup(service, **options)


async def ended_at(group: PollGroup, ref: JobRef = REF, **options: Any) -> float:
    """Wait for a job, and return when its end was seen."""
    status = await group.wait(ref, **{"poll_interval": 5.0, **options})
    assert status.state is SUCCEEDED
    return now()
