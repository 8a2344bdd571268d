"""The ingest jobs of one file: each remembered before it has data, none run twice by a retry."""

from __future__ import annotations

import itertools
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.progress import ProgressLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.split import IngestPart
    from airflow_provider_jobs.operators.memory import TaskMemory

log = logging.getLogger(__name__)

#: Sending the same records again changes nothing.
REPEATABLE = frozenset({"update", "upsert"})


@dataclass
class PartJobs:
    """Makes a job of each part, or goes on with that of an earlier attempt.

    :param body: The fields of each job.
    :param keep: Told every job as soon as it exists, and what keeps it for a retry; and those of an earlier
        attempt before anything else: a kill has to find them.
    :param close: False leaves the jobs open once they have their data.
    :param rounds: The memories of jobs of locked records, which are of the same file as ``memory``.
    """

    client: SalesforceClient
    memory: TaskMemory
    body: dict[str, Any]
    version: str | None
    keep: Callable[[JobRef, Callable[[], object]], None]
    killed: Callable[[], bool]
    close: bool = True
    rounds: Sequence[TaskMemory] = ()
    _refs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    _pool: Pool | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refused: threading.Event = field(default_factory=threading.Event)

    def submit(self, parts: Sequence[IngestPart], at_a_time: int) -> list[Submission]:
        """Return the jobs of all parts, their data sent; those that failed leave the others alone.

        Once one was refused for good no further one is begun, since no retry would send that one.

        :raises ConfigurationError: an earlier attempt has written records that would be written again.
        :raises JobsError: the first of what went wrong.
        """
        known = self._known()
        with Pool(at_a_time) as pool:
            self._pool = pool
            futures = [
                pool.submit(partial(self._submission, number, part, known.get(number)))
                for number, part in enumerate(parts)
            ]
            outcomes = [pool.outcome(future) for future in futures]
        submissions = [each for each in outcomes if isinstance(each, Submission)]
        errors = [each for each in outcomes if isinstance(each, BaseException)]
        if errors:
            if sent := [each.status.ref.id for each in submissions]:
                log.warning("%s of %s parts were sent, and go on: %s", len(sent), len(parts), ", ".join(sent))
            raise errors[0]
        return submissions

    def _submission(self, number: int, part: IngestPart, known: JobStatus | None) -> Submission:
        if known:
            log.info("part %s is in %s, %s, of an earlier attempt", number + 1, known.ref, known.vendor_state)
            return Submission(known, adopted=True)
        self._check_stop()
        if self._refused.is_set():
            raise OutageError("a part was refused for good, and those after it are not sent")
        try:
            return self._sent(number, part)
        except JobsError as error:
            if not error.retryable:
                self._refused.set()
            raise

    def _sent(self, number: int, part: IngestPart) -> Submission:
        name = f"{part.source.name}, part {number + 1}"
        delimiter = {"columnDelimiter": part.delimiter} if part.delimiter else {}
        return self.client.submit(
            SalesforceRequest(
                body={**self.body, **delimiter, "lineEnding": part.line_ending},
                media=Media(part.source, on_progress=ProgressLog(log, name)),
                version=self.version,
                on_created=lambda ref: self._remember(number, ref),
                before_close=self._check_stop,
                close=self.close,
            )
        )

    def _remember(self, number: int, ref: JobRef) -> None:
        def remember() -> None:
            with self._lock:
                if self.memory.lasts and (self.memory.recall() or {}) != self._kept:
                    raise OutageError("another attempt of the task is at these records: this one sends none")
                refs = {**self._refs, str(number): ref.to_json()}
                self.memory.remember(refs)
                self._refs = self._kept = refs

        self.keep(ref, remember)
        self._check_stop()

    def _check_stop(self) -> None:
        if self.killed() or (self._pool and self._pool.stopped.is_set()):
            raise OutageError("the task was ended while its parts were sent")

    def _known(self) -> dict[int, JobStatus]:
        """Return the jobs of an earlier attempt to go on with, by the number of their part."""
        others = self.memory.recall_other() or {}
        rounds = [each.recall_other() or {} for each in self.rounds] if others else []
        for document in itertools.chain(*(each.values() for each in (others, *rounds))):
            ref = JobRef.from_json(document)
            known = self.client.knows(ref)
            status = self._usable(ref) if known else None
            if status or not known:
                self._refuse(ref, "has other records than those to send now")
            if status and not status.state.ended:  # its old values must not come after the new ones
                with suppress(NotFoundError):
                    self.client.cancel(ref)
        self._kept = self.memory.recall() or {}
        earlier = {int(number): JobRef.from_json(ref) for number, ref in self._kept.items()}
        for ref in earlier.values():
            self.keep(ref, lambda: None)
        usable = {number: status for number, ref in earlier.items() if (status := self._usable(ref))}
        self._refs = {str(number): earlier[number].to_json() for number in usable}
        return usable

    def _usable(self, ref: JobRef) -> JobStatus | None:
        """Return the status of a job that has its data, or has processed it; None if it has written nothing.

        :raises ConfigurationError: it has written some of its records, or nobody knows.
        """
        try:
            status = self.client.status(ref)
        except NotFoundError:
            self._refuse(ref, "is gone, and whether it has written records is not known")
            return None
        if status.vendor_state == "Open":
            log.info("%s, of an earlier attempt, may not have its data: it is aborted", ref)
            self.client.cancel(ref)
            status = self.client.status(ref)  # which may have been closed meanwhile
            aborted = status.state is JobState.CANCELLED and not status.statistics.get("record_count")
            if aborted or status.vendor_state == "Open":
                return None
        if status.state in {JobState.FAILED, JobState.CANCELLED}:
            if status.statistics.get("record_count") != 0:  # None: nobody knows
                self._refuse(ref, f"is {status.vendor_state}, and may have processed some of its records")
            return None
        return status

    def _refuse(self, ref: JobRef, reason: str) -> None:
        operation = self.body["operation"]
        if operation in REPEATABLE:
            log.warning("%s, of an earlier attempt, %s: they are sent again", ref, reason)
            return
        raise ConfigurationError(
            f"{ref}, of an earlier attempt, {reason}: a retry would {operation} records twice. Look what "
            "became of them, then clear the task to send the whole file"
        )
