"""The jobs of one file, round after round: parts in their turn, and then what a lock in the org kept out.

Salesforce processes nothing before a job is closed, so a file is read and sent once, whatever the order; and
what is to be sent again is in the results of the jobs before, which never change.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import DELIMITERS, MOST_DATA_BYTES, MOST_HEADER_BYTES
from airflow_provider_jobs.clients.salesforce.results.rejected import by_lock, failed_records, settled
from airflow_provider_jobs.clients.salesforce.split import split_csv
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.drafts import Drafts
from airflow_provider_jobs.core.sources.csv_records import values_of
from airflow_provider_jobs.core.sources.source import FileSource, OpenedSource, Source
from airflow_provider_jobs.core.wait.single import ask_each
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import JobsError, ProtocolError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.memory import TaskMemory, left_out
from airflow_provider_jobs.operators.salesforce.job import SalesforceOperator, memory_of
from airflow_provider_jobs.operators.salesforce.parts import PartJobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient

_NAME = "locked.csv"
#: In a task's state: the jobs of a round of locked records, whose number follows.
_LOCKED = "salesforce_ingest_locked_"
#: Of a job: how many of its records went to a later one.
_RESENT = "resent_record_count"
#: What is carried of the jobs of a file.
_OF_THE_FILE = ("sent", "resent", "delimiter", "done", "later", "round", "looked")


class IngestRounds(SalesforceOperator):
    """What an ingest does between the first of its jobs and the last.

    :param part_bytes: At most so many bytes a job; Salesforce takes 100 MB.
    :param parallel_uploads: Parts to send at a time.
    :param parts_in_turn: Have a part processed only once the one before it is: for records that lock each
        other's parents. All are sent before; a default leaves the order to Salesforce.
    :param lock_retries: How often records that a lock kept out (``UNABLE_TO_LOCK_ROW``) are sent again, they
        alone, before they count as rejected.
    """

    def __init__(
        self,
        *,
        part_bytes: int = MOST_DATA_BYTES,
        parallel_uploads: int = 4,
        parts_in_turn: bool = False,
        lock_retries: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < part_bytes <= MOST_DATA_BYTES:
            raise ValueError(f"part_bytes is {part_bytes}: it is above 0, and at most {MOST_DATA_BYTES}")
        if parallel_uploads < 1:
            raise ValueError(f"parallel_uploads is {parallel_uploads}: at least 1 is needed")
        if lock_retries < 0:
            raise ValueError(f"lock_retries is {lock_retries}: it cannot be negative")
        self.part_bytes = part_bytes
        self.parallel_uploads = parallel_uploads
        self.parts_in_turn = parts_in_turn
        self.lock_retries = lock_retries
        #: Statuses of complete jobs whose numbers are those of their results, by what the jobs count.
        self._numbers: dict[tuple[Any, ...], JobStatus] = {}

    def body(self) -> dict[str, Any]:
        """Return the fields of every job."""
        raise NotImplementedError

    def _sent(
        self,
        client: SalesforceClient,
        memory: TaskMemory,
        source: Source,
        most_bytes: int,
        rounds: Sequence[TaskMemory] = (),
    ) -> list[Submission]:
        """Send each part of a source to a job of its own, and return those jobs that are to be waited for."""
        close = not self.parts_in_turn
        version = self.api_version or None
        jobs = PartJobs(client, memory, self.body(), version, self._keep, lambda: self._killed, close, rounds)
        ending, delimiter = self.line_ending or None, self.column_delimiter or None
        with split_csv(
            source, most_bytes=most_bytes, line_ending=ending, delimiter=delimiter
        ) as ingest_parts:
            submissions = jobs.submit(ingest_parts, self.parallel_uploads)
            sent = {
                submission.status.ref.id: part.record_count
                for submission, part in zip(submissions, ingest_parts, strict=True)
            }
            if ingest_parts and ingest_parts[0].delimiter:
                self._carried["delimiter"] = ingest_parts[0].delimiter
        self._carried["sent"] = {**self._carried.get("sent", {}), **sent}
        return self._in_turn(client, submissions) if self.parts_in_turn else submissions

    def _in_turn(self, client: SalesforceClient, submissions: Sequence[Submission]) -> list[Submission]:
        """Return the jobs that run, one begun if none does; note those before, and those after."""
        over = [each for each in submissions if each.status.state.ended]
        later = [each.status.ref.to_json() for each in submissions if each.status.vendor_state == "Open"]
        running = [
            each for each in submissions if each not in over and each.status.ref.to_json() not in later
        ]
        if not running and not later:
            return over
        self._carried["done"] = [
            *self._carried.get("done", ()),
            *(each.status.ref.to_json() for each in over),
        ]
        self._carried["later"] = later
        return running or [self._begin_next(client)]

    def _begin_next(self, client: SalesforceClient) -> Submission:
        """Have the next job's data processed."""
        ref = JobRef.from_json(self._carried["later"][0])
        self._check_killed()
        status = client.read(client.close_job(ref), ref)
        self._carried["later"] = self._carried["later"][1:]
        return Submission(status, adopted=False)

    def begin_anew(self) -> None:
        """Forget the jobs that the attempt has met before: those that it goes on with count once."""
        for name in _OF_THE_FILE:
            self._carried.pop(name, None)

    def rounds_before(self, context: Context) -> list[TaskMemory]:
        """Return where attempts before may have kept jobs of locked records."""
        numbers = range(1, self.lock_retries + 1)
        return [TaskMemory(context, f"{_LOCKED}{number}", None, self._since) for number in numbers]

    def _tell_end(
        self, context: Context, statuses: Sequence[JobStatus], error: JobsError | None = None
    ) -> None:
        """Say what came of the jobs, each record counted once."""
        resent = self._carried.get("resent", {})
        super()._tell_end(context, [without_resent(status, resent) for status in statuses], error)

    def _check_time(self, context: Context, documents: Sequence[dict[str, Any]]) -> None:
        """See that there is time for further jobs.

        :param documents: The jobs that have ended, or wait to begin.
        :raises DeadlineExceeded: ``execution_timeout`` has ended.
        """
        deadline = self._deadline(context)
        if deadline is not None and time.time() >= deadline:
            raise self._overdue([JobRef.from_json(each) for each in documents], "no further job is begun")

    def following(
        self, client: SalesforceClient, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Return the statuses of all jobs, and those that come next: a part's, or those of locked records."""
        if not any(status.ref.id for status in statuses):
            return statuses, ()  # a file without records has no job
        state = several.state_of(statuses)
        before = [JobRef.from_json(each) for each in self._carried.get("done", ())]
        if state is JobState.SUCCEEDED and self._carried.get("later"):
            self._carried["done"] = [ref.to_json() for ref in [*before, *(each.ref for each in statuses)]]
            self._check_time(context, self._carried["later"])
            return statuses, [self._begin_next(client)]
        statuses = [*ask_each(client.status, before), *statuses]
        if several.state_of(statuses) is not JobState.SUCCEEDED:
            return statuses, ()
        statuses = self._settle(client, context, statuses)
        return statuses, self._sent_again(client, context, statuses)

    def _settle(
        self, client: SalesforceClient, context: Context, statuses: Sequence[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses with the numbers of the results; what is known already is not read again."""
        new = [status for status in statuses if _counted(status) not in self._numbers]
        try:
            with self._reading_results(context, statuses):
                found = self._with_results(client, new, self._carried)
                self._numbers |= dict(zip(map(_counted, new), found, strict=True))
        except JobsError:
            self._note_complete(client, context, statuses)
            raise
        return [self._numbers[_counted(status)] for status in statuses]

    def _sent_again(
        self, client: SalesforceClient, context: Context, statuses: Sequence[JobStatus]
    ) -> Sequence[Submission]:
        """Send again what a lock kept out of the jobs that have ended last; none if nothing was.

        All of a round goes under a name of its own into the task's state: a retry finds its jobs there, and
        sends nothing that may be on its way.
        """
        number, refs = int(self._carried.get("round", 0)) + 1, [status.ref for status in statuses]
        last = statuses[int(self._carried.get("looked", 0)) :]
        fresh = [status for status in last if status.statistics.get("failed_record_count")]
        if number > self.lock_retries or not fresh:
            return ()
        self._check_time(context, [status.ref.to_json() for status in fresh])
        with ExitStack() as loan:
            with self._reading_results(context, statuses):
                locked = locked_records(client, fresh, self._delimiter, tempfile.gettempdir())
                source, counts = loan.enter_context(locked)
            if not counts:
                return ()
            total = sum(counts.values())
            told = f"a lock kept {total} records out: they are sent again, {number} of {self.lock_retries}"
            self.log.warning("%s: %s", several.names([status.ref for status in fresh]), told)
            work = [self.api_version or client.version, self.body(), identity_of(source)]
            memory = memory_of(client, context, f"{_LOCKED}{number}", work, self._since)
            self._carried["resent"] = {**self._carried.get("resent", {}), **counts}
            self._carried |= {"round": number, "looked": len(refs), "done": [ref.to_json() for ref in refs]}
            # Salesforce has put all values in quotes: a part takes them nevertheless.
            most_bytes = min(MOST_DATA_BYTES, 4 * self.part_bytes + MOST_HEADER_BYTES)
            return self._sent(client, memory, source, most_bytes)

    @property
    def _delimiter(self) -> str:
        return str(self._carried.get("delimiter") or self.column_delimiter or "COMMA")

    @staticmethod
    def _with_results(
        client: SalesforceClient, statuses: Sequence[JobStatus], carried: Mapping[str, Any]
    ) -> list[JobStatus]:
        sent = carried.get("sent", {})
        return ask_each(lambda status: settled(client, status, sent.get(status.ref.id)), statuses)

    def _note_complete(
        self, client: SalesforceClient, context: Context, statuses: Sequence[JobStatus]
    ) -> None:
        """Note jobs whose results are to be read by a retry, which may be on a worker without the file."""
        refs = [status.ref.to_json() for status in statuses]
        with left_out("the note that all records are written"):
            kept = {
                name: self._carried[name] for name in ("sent", "resent", "delimiter") if name in self._carried
            }
            self._complete(client, context).remember({"refs": refs, **kept})

    def _complete(self, client: SalesforceClient, context: Context) -> TaskMemory:
        work = [self.api_version or client.version, self.body(), self.part_bytes]
        return memory_of(client, context, "salesforce_complete", work, self._since)


def _counted(status: JobStatus) -> tuple[Any, ...]:
    told = status.statistics
    return status.ref, told.get("record_count"), told.get("failed_record_count")


@contextmanager
def locked_records(
    client: SalesforceClient, statuses: Sequence[JobStatus], delimiter: str, folder: str
) -> Iterator[tuple[Source, dict[str, int]]]:
    """Lend the records of complete jobs that a lock kept out, as one CSV file, and how many each job has.

    :param delimiter: As Salesforce names it.
    :param folder: For the file, which goes with the loan.
    """
    drafts, counts = Drafts(folder), dict[str, int]()
    try:
        with drafts.begin(_NAME) as file:
            header = b""
            for status in statuses:
                header, counts[status.ref.id] = _append(client, status, DELIMITERS[delimiter], file, header)
        found = FileSource(drafts.draft(_NAME))
        source = OpenedSource(
            name="what a lock kept out",
            size=found.size,
            fingerprint=identity_of(found),
            opener=found.open,
            look=lambda: source.fingerprint,
        )
        yield source, {job_id: count for job_id, count in counts.items() if count}
    finally:
        drafts.clear()


def _append(
    client: SalesforceClient, status: JobStatus, mark: str, file: BinaryIO, header: bytes
) -> tuple[bytes, int]:
    """Append a job's records, and return the header of all, and how many they are."""
    begin = file.tell()
    failed = status.statistics["failed_record_count"]

    def step() -> tuple[bytes, int]:
        file.seek(begin)
        file.truncate()
        known, count = header, 0
        records = failed_records(client, status.ref, failed)
        own = next(records, b"").rstrip(b"\r\n")
        for record in records:
            if not by_lock(values_of(record, mark)):
                continue
            if not known:
                known = own
                file.write(own + record[len(record.rstrip(b"\r\n")) :])
            if own != known:
                raise ProtocolError(
                    f"{status.ref} tells other columns than the jobs before it: nothing is sent again"
                )
            file.write(record if record.endswith(b"\n") else record + b"\n")
            count += 1
        return known, count

    return client.repeat(step)


def without_resent(status: JobStatus, resent: Mapping[str, int]) -> JobStatus:
    """Return the status of a job with the numbers of the records that no later job was sent.

    :param resent: By job id, how many were sent again: those count where they went.
    """
    again = resent.get(status.ref.id)
    if not again or _RESENT in status.statistics:
        return status
    told = dict(status.statistics)
    for name in ("record_count", "failed_record_count"):
        told[name] = (told.get(name) or 0) - again
    return replace(status, statistics={**told, _RESENT: again})


def identity_of(source: Source) -> str:
    """Return what is equal for equal bytes, also on another worker that has the file from elsewhere."""
    if not isinstance(source, FileSource):
        return source.fingerprint
    with source.open() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # it has readinto
