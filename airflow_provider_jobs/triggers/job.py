"""Waiting for jobs of any service in the triggerer, all waiters of a connection in one loop."""

from __future__ import annotations

import asyncio
import json
import pkgutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.log_lines import called_each, outcome_line, skipped_lines
from airflow_provider_jobs.core.wait.single import concerns_job
from airflow_provider_jobs.core.wait.threads import Lane
from airflow_provider_jobs.errors import ConfigurationError, DeadlineExceeded, JobsError, NotFoundError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.triggers import sharing
from airflow_provider_jobs.triggers.questions import ask_airflow, ask_first, in_this_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from airflow.sdk import Connection

    from airflow_provider_jobs.triggers.sharing import Lease, SharedGroup

#: Service -> its hook. A trigger's row names the service only.
HOOKS = {
    "bigquery": "airflow_provider_jobs.hooks.bigquery:BigQueryHook",
    "redivis": "airflow_provider_jobs.hooks.redivis:RedivisHook",
    "salesforce": "airflow_provider_jobs.hooks.salesforce:SalesforceHook",
}
#: An event that resumes the task must not come before Airflow has recorded that the worker let go of it,
#: which was seen to take five seconds on a busy machine: none before this many seconds. One that ends the
#: task may.
FIRST_POLL_SECONDS = 10.0
#: States of a task that no attempt follows.
_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

#: How long a cancel that is not taken is repeated, in seconds: so long a new job may be hidden.
CANCEL_AGAIN_SECONDS = 60.0
#: Between two such cancels, in seconds.
CANCEL_PAUSE_SECONDS = 2.0


def task_class(path: str) -> Any:
    """Return the class of a task, ``module:class``.

    :raises ConfigurationError: it is not of this package: a trigger's row names no other.
    """
    if not path.startswith("airflow_provider_jobs."):
        raise ConfigurationError(f"{path} is not a class of this package")
    return pkgutil.resolve_name(path)


class _Trigger(BaseTrigger):
    """What both triggers share.

    :param service: A key of :data:`HOOKS`.
    :param hook_args: The hook's keyword arguments, the connection's id among them.
    :param poll_interval: Seconds between two looks.
    :param deadline: Seconds since 1970; a restart does not move it.
    :param first_poll_at: Seconds since 1970; nothing resumes the task before, and who can do no more than
        that looks no earlier.
    :param pause_seconds: How long the service asked the worker not to be asked; 0 if it did not.
    """

    #: False if there is something to gain by looking before the task may be resumed.
    looks_late = True

    def __init__(
        self,
        *,
        service: str,
        hook_args: dict[str, Any],
        poll_interval: float,
        deadline: float | None = None,
        first_poll_at: float = 0.0,
        pause_seconds: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.service = service
        self.hook_args = hook_args
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.first_poll_at = first_poll_at
        self.pause_seconds = pause_seconds

    def _serialized(self, **more: Any) -> tuple[str, dict[str, Any]]:
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "service": self.service,
            "hook_args": self.hook_args,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "first_poll_at": self.first_poll_at,
            # A row without it is one that earlier builds can read.
            **({"pause_seconds": self.pause_seconds} if self.pause_seconds else {}),
            **more,
        }

    @property
    def conn_id(self) -> str:
        """The id of the connection."""
        return str(self.hook_args[self._hook_class().conn_name_attr])

    def _hook_class(self) -> Any:
        return pkgutil.resolve_name(HOOKS[self.service])

    async def client(self) -> Any:
        """Look the connection up and return its client."""
        from airflow.providers.common.compat.connection import (  # noqa: PLC0415 - operators import this module
            get_async_connection,
        )

        hook = self._hook_class()(**self.hook_args)
        connection: Connection = await get_async_connection(self.conn_id)
        return await Lane(linger_seconds=0.0).run(partial(hook.client_of, connection))

    async def _watched(
        self, refs: Sequence[JobRef], group_of: Callable[[], Coroutine[Any, Any, Lease[SharedGroup]]]
    ) -> list[JobStatus]:
        """Wait for the end of the jobs, in a loop with others; a deadline before it is an error."""
        try:
            async with asyncio.timeout(self.deadline and self.deadline - time.time()):
                lease = await group_of()
        except TimeoutError:  # a look-up's own is an OutageError
            text = f"{several.names(refs)} was not asked for before its deadline"
            raise DeadlineExceeded(text, ref=refs[0]) from None
        with lease:
            await self._keep_pause()
            if self.looks_late:
                await self._until_first_poll()
            wait = partial(
                lease.thing.group.wait,
                poll_interval=self.poll_interval,
                deadline=self.deadline,
                tell=partial(self.logger().info, "%s"),  # one logger for all triggers, not one for each
            )
            names = self._names(refs)
            return await _all([wait(ref, name=name) for ref, name in zip(refs, names, strict=True)])

    def _names(self, refs: Sequence[JobRef]) -> list[str]:
        """Return what the lines of the wait call the jobs."""
        return [str(ref) for ref in refs]

    async def _until_first_poll(self) -> None:
        # Never longer than that: the clock of the worker who said it may be ahead of ours.
        await asyncio.sleep(min(FIRST_POLL_SECONDS, max(0.0, self.first_poll_at - time.time())))

    async def _keep_pause(self) -> None:
        """Wait as long as the service asked the worker not to be asked; that ends at ``first_poll_at``."""
        await asyncio.sleep(min(self.pause_seconds, max(0.0, self.first_poll_at - time.time())))

    def _told(self, error: JobsError) -> dict[str, Any]:
        """Return what an error means."""
        if isinstance(error, DeadlineExceeded):
            return {"outcome": "deadline"}
        outage, gone = not concerns_job(error), isinstance(error, NotFoundError)
        retryable = outage or error.retryable
        return {"outcome": "error", "message": str(error), "retryable": retryable, "gone": gone}


class JobTrigger(_Trigger):
    """Waits until the jobs of one task have ended; one class for every service.

    When all have succeeded and nothing is left for a worker, it ends the task itself. Otherwise its one event
    is ``{"outcome": "ended", "refs": [JobRef], "adopted": bool, "carried": dict, "statuses": [JobStatus]}``;
    outcome ``deadline`` means that a job still runs, ``error`` with a ``message``, ``retryable`` and ``gone``
    that nobody could be asked, or that a job is not there any more.

    :param refs: The jobs, as :meth:`.JobRef.to_json` writes them.
    :param ref: The same, as the version before wrote it: rows of its deferred tasks still wake up.
    :param adopted: Handed back in the event.
    :param carried: Handed back in the event: what the task needs again at its end.
    :param cancel_on_kill: Cancel the jobs when a user ends the task.
    :param ending: How the trigger ends the task after success, in the operator's words; None leaves that to a
        worker.
    """

    def __init__(
        self,
        *,
        refs: Sequence[dict[str, Any]] | None = None,
        ref: dict[str, Any] | None = None,
        adopted: bool = False,
        carried: dict[str, Any] | None = None,
        cancel_on_kill: bool = False,
        ending: dict[str, Any] | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.refs = several.refs_of({"ref": ref} if refs is None else {"refs": refs})
        self.adopted = adopted
        self.carried = carried or {}
        self.cancel_on_kill = cancel_on_kill
        self.ending = ending
        self._cancelling: asyncio.Task[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return everything that the constructor takes."""
        return self._serialized(**self._handed_back(), cancel_on_kill=self.cancel_on_kill, ending=self.ending)

    def _handed_back(self) -> dict[str, Any]:
        return {
            "refs": [ref.to_json() for ref in self.refs],
            "adopted": self.adopted,
            "carried": self.carried,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event."""
        if self.task_instance is not None:
            ask_first(self.task_instance)
        try:
            event = await self._wait()
            if not (over := await self._is_over(event)):
                await self._until_first_poll()
        except asyncio.CancelledError as error:
            if not compat.TRIGGER_HAS_ON_KILL:
                await self.on_kill()
            elif compat.KILLED_MESSAGE in error.args and self.cancel_on_kill:
                self._cancellation()
            raise
        yield TaskSuccessEvent() if over else TriggerEvent({**self._handed_back(), **event})

    def _names(self, refs: Sequence[JobRef]) -> list[str]:
        """Return what the lines of the wait call the jobs: who submitted them has named them in full."""
        names = called_each(refs)
        return [names[ref] for ref in refs]

    async def on_kill(self) -> None:
        """Cancel the job if a user ended the task; leave it alone if only the trigger has moved.

        Goes on by itself if Airflow stops waiting for it: a busy triggerer may need longer to look things up.
        What stands in its way is logged, and raised to nobody: it would fail a task that has merely moved.
        """
        if self.cancel_on_kill:
            await asyncio.shield(self._cancellation())

    def _cancellation(self) -> asyncio.Task[None]:
        """Return what cancels the jobs; it is begun once, whoever asks first."""
        if self._cancelling is None:
            self._cancelling = asyncio.create_task(self._cancel_if_killed())
            _cancellations.add(self._cancelling)
            self._cancelling.add_done_callback(_cancellations.discard)
        return self._cancelling

    async def _cancel_if_killed(self) -> None:
        jobs = several.names(self.refs)
        try:
            if await self._still_waited_for():
                self.log.info(
                    "leaving %s alone: the task still waits for it, here or in a later attempt", jobs
                )
                return
            with await sharing.connection_of(self) as lease:
                await self._cancel(lease.thing)
        except Exception as error:  # raised here it reaches nobody, or fails a task that has moved
            text = "%s could not be cancelled: it runs on, if nobody else has ended it: %s"
            ours = not isinstance(error, JobsError)  # of a refusal no traceback is needed
            self.log.error(text, jobs, error, exc_info=ours)  # noqa: TRY400 - as said

    async def _cancel(self, connection: sharing.Connection) -> None:
        """Cancel the jobs, again for a while if the service does not take that, and say what is true then.

        Those that somebody else has made are left alone.
        """
        own = [ref for ref in self.refs if ref.id not in self.carried.get("shared", ())]
        own += several.later_refs(self.carried)
        cancels = several.Cancels(connection.client, own, "the task was ended")
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCEL_AGAIN_SECONDS
        while await connection.lane.run(cancels.ask):
            if loop.time() > until:
                break
            await asyncio.sleep(CANCEL_PAUSE_SECONDS)
        cancels.tell(self.log)

    async def _wait(self) -> dict[str, Any]:
        try:
            statuses = await self._watched(
                self.refs, partial(sharing.group_of_jobs, self, self.refs[0].scope)
            )
        except JobsError as error:
            return self._told(error)
        return {"outcome": "ended", "statuses": several.documents(statuses)}

    @property
    def looks_late(self) -> bool:  # type: ignore[override]
        """False if there is something to gain by looking before the task may be resumed."""
        return not self._can_end

    @property
    def _can_end(self) -> bool:
        # ``dag.test()`` runs a trigger without its task, and takes no event for the end of one.
        return self.ending is not None and self.task_instance is not None

    async def _is_over(self, event: dict[str, Any]) -> bool:
        """Do what a worker would do after success, if that can be done here; False leaves it to a worker."""
        statuses = [JobStatus.from_json(each) for each in event.get("statuses", ())]
        if not self._can_end or not statuses or several.state_of(statuses) is not JobState.SUCCEEDED:
            return False
        try:
            with await sharing.connection_of(self) as lease:
                connection = lease.thing
                xcoms = await connection.ends.run(in_this_context(self._xcoms, connection.client, statuses))
            summary = xcoms.get("job", xcoms["return_value"])
            # Before the XComs: a triggerer may close the task's log with the event, and lose its last lines.
            for line in (outcome_line(summary, statuses), *skipped_lines(summary)):
                self.log.info("%s", line)
            for key, value in xcoms.items():
                if key != "return_value" or (self.ending or {}).get("result"):
                    await ask_airflow(compat.push_xcom, self.task_instance, key, value)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker has more means
            self.log.info("a worker ends the task, not its trigger: %s", error)
            return False
        return True

    def _xcoms(self, client: Any, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        ending = self.ending or {}
        statuses = [status if status.whole else client.status(status.ref) for status in statuses]
        xcoms: dict[str, Any] = task_class(ending["task"]).xcoms(client, statuses, self.carried)
        return xcoms

    async def _still_waited_for(self) -> bool:
        """Return True if the task or a later attempt follows these very jobs; ask until Airflow can say."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                return await self._is_waited_for()
            except Exception as error:
                if loop.time() > began + sharing.LOOK_UP_SECONDS:
                    raise
                self.log.warning(
                    "whether %s is to be cancelled is not known yet: %s", several.names(self.refs), error
                )
            await asyncio.sleep(sharing.REOPEN_SECONDS)

    async def _is_waited_for(self) -> bool:
        if compat.ON_KILL_MEANS_KILLED or self.task_instance is None:
            return False
        ti = self.task_instance
        state = await ask_airflow(compat.task_state, ti)
        if state == "deferred":
            job = await ask_airflow(compat.task_xcom, ti, "job")
            return isinstance(job, dict) and job.get("job_id") == several.joined_ids(self.refs)
        if state in _OVER:
            return False
        later = await ask_airflow(compat.task_xcom, ti, several.ATTEMPT_KEY)
        return several.followed_later(later, ti.try_number, self.refs)


class JobsTrigger(_Trigger):
    """Waits until what a search looks for is there: the end of all jobs that it matches, or a table.

    Its one event is ``{"outcome": "ended"}``, ``deadline``, or ``error`` with message and ``retryable``.

    :param search: What the service's client searches by.
    """

    def __init__(self, *, search: dict[str, Any], **shared: Any) -> None:
        super().__init__(**shared)
        self.search = search

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return everything that the constructor takes."""
        return self._serialized(search=self.search)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Search until everything has ended, and yield the one event."""
        ref = JobRef(self.service, "search", json.dumps(self.search, sort_keys=True))
        event = {"outcome": "ended"}
        try:
            await self._watched([ref], partial(sharing.group_of_search, self, self.search))
        except JobsError as error:
            event = self._told(error)
        await self._until_first_poll()
        yield TriggerEvent(event)


#: Cancellations under way: the event loop itself holds its tasks but weakly.
_cancellations: set[asyncio.Task[None]] = set()


async def _all(waits: Sequence[Coroutine[Any, Any, JobStatus]]) -> list[JobStatus]:
    """Return what all waits return; once one has failed, nobody waits for the others."""
    if len(waits) == 1:
        return [await waits[0]]
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
