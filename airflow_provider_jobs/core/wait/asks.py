"""Single jobs, asked for in threads beside whoever waits for many."""

from __future__ import annotations

import contextvars
import itertools
import math
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.core.wait.single import asked_pause, concerns_job, within_pause
from airflow_provider_jobs.core.wait.threads import Lane
from airflow_provider_jobs.errors import JobsError, ServiceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Mapping

    from airflow_provider_jobs.core.wait.job_list import JobList, Key
    from airflow_provider_jobs.jobs import JobRef, JobStatus

#: Below it, an error says that the service does not want the request, not that it cannot answer.
_SERVER_ERRORS = 500
#: The turn of a job that was not asked for yet.
_FIRST = (0, False)


class Asks:
    """Asks for single jobs in threads: a few at a time, in turn, and for none twice at once.

    :param changed: Who calls holds it; it is notified of each answer.
    :param hear: Gets each answer.
    :ivar turns: When each job was asked for last, and whether that failed.
    """

    def __init__(
        self,
        jobs: JobList,
        changed: threading.Condition,
        hear: Callable[[Key, JobStatus | Exception], object],
    ) -> None:
        self.turns: dict[Key, tuple[int, bool]] = {}
        self._turn = itertools.count(1)
        self._jobs, self._changed, self._hear = jobs, changed, hear
        self._lane = Lane(jobs.at_a_time, linger_seconds=0.0)
        self._queue: dict[Key, JobRef] = {}
        self._under_way: set[Key] = set()
        self._quiet: dict[Key, tuple[float, float]] = {}  # since when the service wants no question, how long

    @property
    def busy(self) -> bool:
        """True if answers are to come."""
        return bool(self._queue or self._under_way)

    def begin(self, refs: Mapping[Key, JobRef], calls: float) -> int:
        """Ask for so many of these jobs, and no more for others; return how many have joined the queue."""
        self._queue = {key: ref for key, ref in self._queue.items() if key in refs}
        now = self._jobs.timing.now()
        free = [key for key in refs if key not in self._queue and key not in self._under_way]
        free = [key for key in free if not within_pause(self._quiet.get(key), now)]
        free.sort(key=lambda key: self.turns.get(key, _FIRST))
        count = max(0, math.ceil(min(calls - len(self._queue), len(free))))
        for key in free[:count]:  # what it logs belongs to who asks
            self._queue[key] = refs[key]
            self._lane.submit(partial(contextvars.copy_context().run, self._ask_next))
        return count

    def forget_others(self, watched: Collection[Key]) -> None:
        """Forget the turns of all jobs but these."""
        self.turns = {key: turn for key, turn in self.turns.items() if key in watched}
        self._quiet = {key: pause for key, pause in self._quiet.items() if key in watched}

    def drop(self, keys: Iterable[Key]) -> None:
        """Ask no more for jobs that are not being asked for yet."""
        for key in keys:
            self._queue.pop(key, None)

    def _ask_next(self) -> None:
        with self._changed:
            if not self._queue:
                return  # it was dropped
            key = next(iter(self._queue))
            ref = self._queue.pop(key)
            self._under_way.add(key)
        began = self._jobs.timing.now()
        answer: JobStatus | Exception
        try:
            answer = self._jobs.ask(ref)
        except Exception as error:  # noqa: BLE001 - a bug has to end the waits: who looks raises it
            answer = error
        outage = answer if isinstance(answer, JobsError) and not concerns_job(answer) else None
        with self._changed:
            self._under_way.discard(key)
            self._note(key, outage)
            self._hear(key, answer)
            self._changed.notify_all()
        pause = self._jobs.failed_ask_pause if outage else self._jobs.ask_pause
        left = began + pause - self._jobs.timing.now()
        self._jobs.timing.sleep(max(0.0, min(left, pause)))  # the clock may have been set back

    def _note(self, key: Key, outage: JobsError | None) -> None:
        """Note when a job has its next turn: one that could not be asked for at once, and only once."""
        again = outage and not self.turns.get(key, _FIRST)[1]
        self.turns[key] = 0 if again else next(self._turn), bool(outage)
        self._quiet.pop(key, None)
        if outage and (pause := asked_pause(outage)):
            self._quiet[key] = self._jobs.timing.now(), pause
        if isinstance(outage, ServiceError) and outage.status < _SERVER_ERRORS:
            self._queue.clear()  # it is us whom the service does not want just now
