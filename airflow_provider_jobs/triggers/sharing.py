"""What the triggers of one event loop share: a client a connection, a poll group for what is asked of it.

The first user opens, the last one closes; who comes meanwhile waits for the opening. Processes share nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from airflow_provider_jobs.core.wait.group import CALL_SECONDS, PollGroup
from airflow_provider_jobs.core.wait.single import OUTAGE_SECONDS, asked_pause, concerns_job
from airflow_provider_jobs.core.wait.threads import Lane
from airflow_provider_jobs.core.work import ManyClient
from airflow_provider_jobs.errors import JobsError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.triggers.metrics import PollMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import Tell

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Cancels of one connection that go out at once.
CANCELS_AT_ONCE = 8
#: Jobs of tasks without a worker that one connection submits at once.
SUBMITS_AT_ONCE = 8
#: Polls of one connection that go out at once, for as many groups as it has.
POLLS_AT_ONCE = 16
#: Tasks of one connection that are ended at once, each by what it asks of jobs that have succeeded.
ENDS_AT_ONCE = 16
#: Tasks of one triggerer whose templates are rendered at once.
RENDERED_AT_ONCE = 4
#: How long a connection may fail to be looked up: Airflow says "not found" of one it could not ask for, too.
LOOK_UP_SECONDS = 120.0
#: Services of which each look counts against a limit: they are looked at at the poll interval only.
COUNTED = frozenset({"salesforce"})
#: Between two attempts to open a connection whose token cannot be had, in seconds.
REOPEN_SECONDS = 5.0


class Sharer(Protocol):
    """What sharing needs to know of a trigger."""

    service: str
    hook_args: dict[str, Any]

    @property
    def conn_id(self) -> str:
        """The id of the connection."""

    async def client(self) -> Any:
        """Look the connection up and return its client."""


@dataclass(eq=False, slots=True)
class Connection:
    """A connection that has been looked up; each kind of call has threads of its own."""

    client: Any
    lane: Lane = field(default_factory=lambda: Lane(CANCELS_AT_ONCE))
    polls: Lane = field(default_factory=lambda: Lane(POLLS_AT_ONCE))
    submits: Lane = field(default_factory=lambda: Lane(SUBMITS_AT_ONCE))
    ends: Lane = field(default_factory=lambda: Lane(ENDS_AT_ONCE))


@dataclass(eq=False, slots=True)
class SharedGroup:
    """A poll group and what goes with it."""

    group: PollGroup
    metrics: PollMetrics
    connection: Lease[Connection]

    def close(self) -> None:
        """Let the connection go, and say that nobody waits any more."""
        self.connection.give_back()
        Lane(linger_seconds=0.0).submit(self.metrics.closed)


class Shelf(Generic[T]):
    """Shared things by key, those of each event loop apart."""

    def __init__(self, close: Callable[[T], object] | None = None) -> None:
        self.close = close
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Lease[T]]] = (
            weakref.WeakKeyDictionary()
        )

    def items(self) -> dict[str, Lease[T]]:
        """Return what is shared in this event loop."""
        return self._loops.setdefault(asyncio.get_running_loop(), {})

    async def lend(self, key: str, open_: Callable[[], Coroutine[Any, Any, T]]) -> Lease[T]:
        """Lend what has this key; ``open_`` makes it if it is not there."""
        items = self.items()
        if key not in items:
            items[key] = Lease(self, key, asyncio.create_task(open_()))
        lease = items[key]
        lease.users += 1
        try:
            await asyncio.shield(lease.opening)
        except BaseException:
            lease.give_back()
            raise
        return lease

    def retire(self, key: str) -> None:
        """Let those who come from now on open anew; who has a lease keeps it."""
        self.items().pop(key, None)


@dataclass(eq=False, slots=True)
class Lease(Generic[T]):
    """A shared thing in use; each of its users gives it back once."""

    shelf: Shelf[T]
    key: str
    opening: asyncio.Task[T]
    users: int = 0

    @property
    def opened(self) -> bool:
        """True if it is there."""
        return self.opening.done() and not self.opening.cancelled() and self.opening.exception() is None

    @property
    def thing(self) -> T:
        """What is lent."""
        return self.opening.result()

    def give_back(self) -> None:
        """Use it no more; what nobody uses is closed."""
        self.users -= 1
        if self.users:
            return
        if self.shelf.items().get(self.key) is self:
            self.shelf.retire(self.key)
        if not self.opening.done():
            self.opening.cancel()
        elif self.shelf.close and self.opened:
            self.shelf.close(self.thing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()


#: Where templates of tasks without a worker are rendered: one lane, until something hangs in it.
_rendering = [Lane(RENDERED_AT_ONCE)]
connections: Shelf[Connection] = Shelf()
groups: Shelf[SharedGroup] = Shelf(SharedGroup.close)


async def rendered(step: Callable[[], T], seconds: float) -> T:
    """Return what a step returns that renders templates.

    :raises OutageError: it takes longer. What hangs then may never end, and leaves others its place.
    """
    lane = _rendering[0]
    try:
        async with asyncio.timeout(seconds):
            return await lane.run(step)
    except TimeoutError:
        if lane is _rendering[0]:
            _rendering[0] = Lane(RENDERED_AT_ONCE)
        raise OutageError(f"its templates were not rendered within {seconds:g} s") from None


async def connection_of(trigger: Sharer) -> Lease[Connection]:
    """Lend the connection of a trigger."""
    return await connections.lend(_key(trigger), partial(_open_connection, trigger))


async def group_of_jobs(trigger: Sharer, scope: str) -> Lease[SharedGroup]:
    """Lend the poll group of all jobs of a trigger's connection and scope."""
    return await _lend_group(trigger, scope)


async def group_of_search(trigger: Sharer, search: dict[str, Any]) -> Lease[SharedGroup]:
    """Lend the poll group of all triggers of a connection that search for the same."""
    text = json.dumps(search, sort_keys=True)
    return await _lend_group(trigger, f"search_{hashlib.sha256(text.encode()).hexdigest()[:8]}", text)


async def _lend_group(trigger: Sharer, scope: str, search: str = "") -> Lease[SharedGroup]:
    key = _key(trigger, scope, search)
    known = groups.items().get(key)
    if known and known.opened and known.thing.group.rejected:
        # The token is not accepted any more: the connection may hold another by now.
        groups.retire(key)
        connections.retire(_key(trigger))
    return await groups.lend(key, partial(_open_group, trigger, scope, searches=bool(search)))


def _key(trigger: Sharer, *more: str) -> str:
    return json.dumps([trigger.service, trigger.hook_args, *more], sort_keys=True)


async def _open_connection(trigger: Sharer) -> Connection:
    """Look a connection up, and bear trouble of its token's service as long as trouble of the service.

    :raises OutageError: Airflow could not say what the connection is.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return Connection(await trigger.client())
        except Exception as error:  # Airflow's own trouble must not fail the task
            seconds = loop.time() - began
            if isinstance(error, JobsError) and (concerns_job(error) or seconds > OUTAGE_SECONDS):
                raise
            if not isinstance(error, JobsError) and seconds > LOOK_UP_SECONDS:
                text = f"the connection cannot be looked up: {str(error) or 'no answer'}"
                raise OutageError(text) from error
            pause = max(REOPEN_SECONDS, asked_pause(error))
            log.warning("%s: %s; trying again in %.0f s", trigger.service, error, pause)
        await asyncio.sleep(pause)


async def _open_group(trigger: Sharer, scope: str, *, searches: bool = False) -> SharedGroup:
    lease = await connection_of(trigger)
    client = lease.thing.client
    metrics = PollMetrics(trigger.service, trigger.conn_id, scope)
    group = PollGroup(
        _Searches(client) if searches else client,
        hurry=not searches and trigger.service not in COUNTED,
        on_tick=metrics.ticked,
        lane=lease.thing.polls,
    )
    return SharedGroup(group, metrics, lease)


class _Searches(ManyClient):
    """Lets searches be waited for as jobs are: the id of such a job is the search."""

    def __init__(self, client: BigQueryClient) -> None:
        self._client = client

    def status_many(
        self, refs: Sequence[JobRef], _tell: Tell | None = None
    ) -> Mapping[JobRef, JobStatus | JobsError]:
        """Return how many searches are doing."""
        found: dict[JobRef, JobStatus | JobsError] = {}
        for ref in refs:
            try:
                ended = self._client.search_ended(json.loads(ref.id))
                state = JobState.SUCCEEDED if ended else JobState.RUNNING
                found[ref] = JobStatus(ref, state, "over" if ended else "active")
            except JobsError as error:
                found[ref] = error
        return found
