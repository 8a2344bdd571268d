"""What became of ingested records: which were rejected and why, and how many of them are too many."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import DELIMITERS
from airflow_provider_jobs.clients.salesforce.results.rejected import by_lock, failed_records
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.sources.csv_records import values_of
from airflow_provider_jobs.core.wait.threads import within
from airflow_provider_jobs.errors import JobsError, ProtocolError
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobProblem, JobState, JobStatus
from airflow_provider_jobs.operators.endings import NICE_SECONDS
from airflow_provider_jobs.operators.salesforce.job import SALESFORCE_JOBS
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobRef

#: The task has failed already: what it tells of that is worth no long wait.
_ONCE_MORE = RetryPolicy(attempts=2)
_FIELD_CHARACTERS = 80
_REASON_CHARACTERS = 100


def tolerated(failed: int, processed: int, most: int | None, most_share: float | None) -> bool:
    """Return True if so many rejected records are not too many for a success.

    :param most: At most so many; with neither limit none.
    :param most_share: At most this share of all records, 0 to 1.
    """
    if most is None and most_share is None:
        return not failed
    few = most is None or failed <= most
    return few and (most_share is None or failed / max(processed, 1) <= most_share)


def counted(statuses: Sequence[JobStatus]) -> tuple[int, int]:
    """Return how many records the jobs have processed, and how many of them they rejected."""
    processed = sum(status.statistics.get("record_count") or 0 for status in statuses)
    return processed, sum(status.statistics.get("failed_record_count") or 0 for status in statuses)


def check_counts(statuses: Sequence[JobStatus], sent: Mapping[str, int]) -> None:
    """See that each job has processed the records that were sent to it.

    :param sent: Records by job id; what is not known is not compared.
    :raises ProtocolError: it has not.
    """
    for status in statuses:
        expected, found = sent.get(status.ref.id), status.statistics.get("record_count")
        if expected is not None and found is not None and expected != found:
            raise _Miscounted(
                f"job {status.ref.id} has processed {found} records, and {expected} were sent to it: look "
                "what became of them before you clear the task, which would send all of them again"
            )


class _Miscounted(ProtocolError):
    """Sending again would not mend it, and might write records twice."""

    retryable = False


def rejected(
    client: SalesforceClient, statuses: Sequence[JobStatus], delimiter: str, resent: Collection[str] = ()
) -> JobStatus:
    """Return one status of jobs that failed by their records, the first of these named.

    :param resent: Ids of jobs whose records that a lock kept out went to later ones.
    """
    processed, failed = counted(statuses)
    problems: list[JobProblem] = []
    try:
        for status in statuses:
            if status.statistics.get("failed_record_count") and len(problems) < SHOWN_PROBLEMS:
                again = status.ref.id in resent
                most = SHOWN_PROBLEMS - len(problems)
                problems += within(
                    NICE_SECONDS, partial(_rejected, client, status.ref, delimiter, most, again)
                )
    except (JobsError, TimeoutError) as error:
        problems.append(JobProblem("unknown", f"the rejected records could not be read: {error}"))
    return replace(
        several.report(statuses, SALESFORCE_JOBS),
        state=JobState.FAILED,
        problem=JobProblem("rejected records", f"{failed} of {processed} records were rejected"),
        problems=tuple(problems),
        problem_count=max(failed, len(problems)),
        retryable=False,
    )


def _rejected(
    client: SalesforceClient, ref: JobRef, delimiter: str, most: int, resent: bool
) -> list[JobProblem]:
    """Return the first rejected records of one job; those of a lock left out if they went elsewhere."""
    mark = DELIMITERS.get(delimiter, ",")

    def step() -> list[JobProblem]:
        records = failed_records(client, ref)
        header = values_of(next(records, b""), mark)
        rows = (values_of(record, mark) for record in records)
        told = (row for row in rows if not (resent and by_lock(row)))
        # A record that is cut may lack its last values.
        return [_problem(dict(zip(header, row, strict=False))) for row in islice(told, most)]

    return client.repeat(step, _ONCE_MORE)


def _problem(row: Mapping[str, str | None]) -> JobProblem:
    reason, _, message = (row.get("sf__Error") or "no reason").partition(":")
    own = [(name, value) for name, value in row.items() if name and not name.startswith("sf__") and value]
    place = next(iter([each for each in own if each[0].lower() == "id"] or own), None)
    value = shown(" ".join(str(place[1]).split()), _FIELD_CHARACTERS) if place else ""
    location = f"record with {place[0]} {value}" if place else None
    reason = shown(reason.strip(), _REASON_CHARACTERS)  # an error may hold all of the value
    return JobProblem(reason, message.strip().removesuffix("--").strip() or "no message", location)
